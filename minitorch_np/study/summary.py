"""A network as a table: what goes through each layer, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.notebook import table_html
from minitorch_np._internal.reprs import bytes_text, text_table
from minitorch_np._internal.watching import watched
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter
from minitorch_np.study.snapshot import LEAVES, Snapshot

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


HEADER = ("layer", "output shape", "parameters", "multiply-adds", "saved for backward")


class Row(NamedTuple):
    """One layer: its own numbers, without those of the layers inside it."""

    name: str  # with dots, as torch has it; of the whole network ""
    layer: str  # its repr; of a container the class
    x_shape: tuple[int, ...] | None  # None: forward did not come by
    y_shape: tuple[int, ...] | None
    parameters: int  # one that several layers share counts in the first
    multiply_adds: int | None  # None: the layer does not say
    saved_bytes: int  # memory held for backward; what was saved before counts there
    is_container: bool

    def cells(self) -> tuple[str, ...]:
        indent = "  " * (self.name.count(".") + 1) if self.name else ""
        label = f"{self.name}: {self.layer}" if self.name else self.layer
        shape = "not used" if self.y_shape is None else str(self.y_shape)
        own = (self.parameters, self.multiply_adds, self.saved_bytes)
        multiply_adds = "?" if self.multiply_adds is None else f"{self.multiply_adds:,}"
        numbers = [f"{self.parameters:,}", multiply_adds, bytes_text(self.saved_bytes)]
        if self.is_container:  # most have nothing of their own
            numbers = ["" if number == 0 else text for number, text in zip(own, numbers, strict=True)]
        return indent + " ".join(label.split()), shape, *numbers


class Summary(NamedTuple):
    """What `summary` found; `str` is the table."""

    rows: list[Row]
    x_shape: tuple[int, ...]
    dtype: np.dtype[Any]  # of x
    parameters: int
    parameter_bytes: int
    multiply_adds: int  # of the layers that say
    unknown: list[str]  # the names of those that do not
    saved_bytes: int

    def __str__(self) -> str:
        return f"{text_table(HEADER, [row.cells() for row in self.rows])}\n{self._totals()}"

    def _repr_html_(self) -> str:
        return table_html(HEADER, [row.cells() for row in self.rows], self._totals())

    def _totals(self) -> str:
        both = f": {bytes_text(self.parameter_bytes)}, and as much again for their gradients"
        return "\n".join(
            [
                f"x {self.x_shape}, {self.dtype}",
                f"{self.parameters:,} parameters" + both * (self.parameters > 0),
                f"{self.multiply_adds:,} multiply-adds in forward"
                + ", and those marked ?" * bool(self.unknown),
                f"{bytes_text(self.saved_bytes)} saved for backward",
            ]
        )


def summary(model: Layer, x: Array | tuple[int, ...]) -> Summary:
    """Each layer's output shape, parameters, multiply-adds, and memory kept for the backward pass.

    `x` is a batch, or its shape: `summary(model, (64, 1000))` sends zeros through
    it. Whatever forward changes is put back: random generators, running statistics, what was saved.

    A multiply-add is one term of a sum of products, as in x W; elementwise work counts as none. A
    layer says its own with `multiply_adds(x_shape, y_shape)`; where it does not, the table has a `?`,
    and the total says that it is short of something.

    Memory for backward is that of the arrays a layer holds after forward and did not hold before. An
    array that two layers save (the output of one and the input of the next, as it is or as a view) is
    counted once, in the layer that first saved it. Parameters are not counted there.

    Raises TypeError for what is neither an array nor a shape; what a layer raises says which it was.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"summary expects a layer or a network, got {model!r}")
    x = _batch(model, x)
    snapshot = Snapshot(model)
    try:
        watch = _Watch(model)
        with np.errstate(all="ignore"), watched(model, forward=watch.forward):  # zeros are not like data
            model(x.copy())  # an array that nobody held before
        rows = list(watch.rows())
    finally:
        snapshot.restore()
        snapshot.restore_parameters()
    distinct = {id(parameter): parameter for parameter in model.parameters()}.values()
    return Summary(
        rows=rows,
        x_shape=x.shape,
        dtype=x.dtype,
        parameters=sum(parameter.size for parameter in distinct),
        parameter_bytes=sum(parameter.data.nbytes for parameter in distinct),
        multiply_adds=sum(row.multiply_adds or 0 for row in rows),
        unknown=[row.name for row in rows if row.multiply_adds is None],
        saved_bytes=sum(row.saved_bytes for row in rows),
    )


def _batch(model: Layer, x: Any) -> Array:
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, tuple) and all(_is_size(n) for n in x):
        return np.zeros(x, int if model.index_count else model.dtype or np.float64)
    raise TypeError(
        f"summary expects x as an array, or as the shape of one, the batch with it: (64, 1000); got {x!r}"
    )


def _is_size(n: Any) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and bool(n >= 0)


class _Watch:
    """The shapes that come by in the forward of each layer, and the memory that it holds then."""

    def __init__(self, model: Layer) -> None:
        self.layers: dict[str, Any] = dict(model.named_modules())
        self.x_shapes: dict[str, tuple[int, ...]] = {}
        self.y_shapes: dict[str, tuple[int, ...]] = {}
        self.multiply_adds: dict[str, int | None] = {}
        self.failed = False
        held = [_memory(array) for layer in self.layers.values() for array in _arrays(layer)]
        self.held = {id(memory): memory for memory in held}  # holding them keeps their ids theirs

    def forward(self, name: str, layer: Layer, run: Callable[[], Any], x: Any) -> Any:
        try:
            y = run()
        except Exception as error:
            if not self.failed:  # the innermost layer
                place = f"layer {name!r}, {layer!r}" if name else repr(layer)
                error.add_note(f"(in forward of {place}, for x of shape {np.shape(x)})")
            self.failed = True
            raise
        self.x_shapes[name], self.y_shapes[name] = np.shape(x), np.shape(y)
        before = self.multiply_adds.get(name, 0)
        now = layer.multiply_adds(np.shape(x), np.shape(y))
        self.multiply_adds[name] = None if before is None or now is None else before + now
        return y

    def saved_bytes(self) -> dict[str, int]:
        """Of each layer that forward came by, in that order: the memory it holds now and nobody held before."""
        counted, sizes = dict(self.held), {}
        for name in self.y_shapes:
            now = {id(memory): memory for memory in map(_memory, _arrays(self.layers[name]))}
            sizes[name] = sum(memory.nbytes for key, memory in now.items() if key not in counted)
            counted |= now
        return sizes

    def rows(self) -> Iterator[Row]:
        seen: set[int] = set()
        saved_bytes = self.saved_bytes()
        for name, layer in self.layers.items():
            own = [p for p in vars(layer).values() if isinstance(p, Parameter) and id(p) not in seen]
            seen.update(map(id, own))
            is_container = any(True for _ in layer.children())
            yield Row(
                name=name,
                layer=type(layer).__name__ if is_container else repr(layer),
                x_shape=self.x_shapes.get(name),
                y_shape=self.y_shapes.get(name),
                parameters=sum(parameter.size for parameter in own),
                multiply_adds=self.multiply_adds.get(name, 0),
                saved_bytes=saved_bytes.get(name, 0),
                is_container=is_container,
            )


def _arrays(layer: Layer) -> Iterator[Array]:
    """The arrays that a layer holds, without those of the layers inside it."""
    pending, seen = list(vars(layer).values()), {}
    while pending:
        thing = pending.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, np.ndarray):
            yield thing
        elif isinstance(thing, Parameter):
            yield from (thing.data, thing.grad)
        elif isinstance(thing, dict):
            pending += thing.values()
        elif isinstance(thing, list | tuple | set | frozenset):
            pending += thing
        elif not isinstance(thing, (Layer, *LEAVES)):
            pending += getattr(thing, "__dict__", {}).values()


def _memory(array: Array) -> Array:
    """The array whose memory this one lies in: a view keeps all of it alive."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
