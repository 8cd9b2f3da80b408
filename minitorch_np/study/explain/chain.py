"""A run of a network with names for all arrays: x, w1, h, h_relu, w2, y_pred, and grad_… of each.

One hidden layer is h, its size H and its weight w1, as in the handwritten program; more are h1, h2, ….
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.watching import watched
from minitorch_np.derivation.array_names import UniqueNames, is_new, output_names, parameter_names, word_of
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.reshape import Transpose
from minitorch_np.layers.sequential import Sequential
from minitorch_np.study.explain import axes, formulas
from minitorch_np.study.explain.axes import Axes, Named

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.losses.loss import Loss
    from minitorch_np.parameter import Parameter


class Passage:
    """A layer, and the arrays that went in and came out of it in both directions."""

    def __init__(self, path: str, layer: Layer) -> None:
        self.path, self.layer = path, layer
        self.x: Any = None
        self.y: Any = None
        self.dy: Any = None
        self.dx: Any = None
        self.saved: list[Array] = []
        self.counts: list[int | None] = []  # of multiply-adds, its own and those of the layers inside it
        self.before = _own_arrays(layer)

    def forward(self, run: Callable[[], Any], x: Array) -> Any:
        self.x, self.y = x, run()
        self.saved = _saved_arrays(self.layer, self.before)
        return self.y

    @property
    def multiply_adds(self) -> int | None:
        known = [count for count in self.counts if count is not None]
        return sum(known) if len(known) == len(self.counts) else None

    def backward(self, run: Callable[[], Any], dy: Array) -> Any:
        self.dy, self.dx = dy, run()
        return self.dx


class Run:
    """One forward and one backward of copies of a model and a loss; the originals are left as they are.

    Without a loss the backward pass starts from a random dy, with a loss of reduction "none" from ones.
    """

    def __init__(self, model: Layer, x: Any, y: Any = None, loss: Loss | None = None) -> None:
        self.model, self.loss = copy.deepcopy((model, loss))
        self.model.zero_grad()
        self.passages = [Passage(path, layer) for path, layer in chain(self.model)]
        self.target = y
        with watched(self.model, forward=self._forward, backward=self._backward):
            self._run(x, y)

    def _forward(self, name: str, layer: Any, run: Callable[[], Any], x: Any) -> Any:
        passage = self._of(layer)
        y = run() if passage is None else passage.forward(run, x)
        for around in self.passages:
            if around.path in ("", name) or name.startswith(f"{around.path}."):
                around.counts.append(layer.multiply_adds(np.shape(x), np.shape(y)))
        return y

    def _backward(self, name: str, layer: Any, run: Callable[[], Any], dy: Any) -> Any:
        passage = self._of(layer)
        return run() if passage is None else passage.backward(run, dy)

    def _of(self, layer: Any) -> Passage | None:
        return next((passage for passage in self.passages if passage.layer is layer), None)

    def _run(self, x: Any, y: Any) -> None:
        self.prediction = self.model.forward(np.array(x))
        self.value: Any = None
        self.loss_saved: list[Array] = []
        self.divisor: float | None = None
        if self.loss is None:
            dy = np.random.default_rng(0).standard_normal(self.prediction.shape)
            self.dy = dy.astype(self.prediction.dtype)
        else:
            self.value = self.loss(self.prediction, y)
            arguments, self.divisor, _ = self.loss._saved or ((), None, ())
            self.loss_saved = _arrays(arguments)
            ones = [np.ones_like(self.value)] if self.loss.reduction == "none" else []
            self.dy = self.loss.backward(*ones)
        self.dx = self.model.backward(self.dy)


def chain(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers one after the other, those of a Sequential in its place, with dotted names."""
    if type(layer).forward is not Sequential.forward or type(layer).backward is not Sequential.backward:
        yield path, layer
        return
    for name, child in layer.named_children():
        if isinstance(child, Layer):
            yield from chain(child, f"{path}.{name}" if path else name)


def _saved_arrays(layer: Layer, before: list[Array]) -> list[Array]:
    """Return the arrays saved for backward: by `save_for_backward`, or else in new attributes."""
    found: list[Array] = []
    for _, inner in layer.named_modules():
        values = getattr(inner, "_saved", None)
        if values is not None:
            found += _arrays(values[2])
    known = {id(array) for array in before}
    found = found or [array for array in _own_arrays(layer) if id(array) not in known]
    return list({id(array): array for array in found}.values())


def _own_arrays(layer: Layer) -> list[Array]:
    return [a for _, inner in layer.named_modules() for a in _arrays(list(vars(inner).values()))]


def _arrays(value: Any) -> list[Array]:
    if isinstance(value, np.ndarray):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [array for part in inside for array in _arrays(part)]


ELEMENTWISE: tuple[Axes, Axes] = (("...",), ("...",))


class SavedArray(NamedTuple):
    """An array saved for backward; `again` if its memory was saved before."""

    name: str
    shape: tuple[int, ...]
    nbytes: int
    again: bool


class Step(NamedTuple):
    """One layer in its place. `arrays` are called as in its docstring: x, y, dy, dx, W, dW, b, db."""

    path: str
    layer: Layer
    arrays: dict[str, Named]
    parameters: list[str]  # of these the ones that are learned
    missing: list[str]  # parameters of the docstring that this layer does not have, as b
    saved: list[SavedArray]
    multiply_adds: int | None  # with those of the layers inside; None: one does not say

    def gradients(self) -> list[str]:
        """Of `arrays` the ones that backward made: dW, db, dx."""
        return [*(f"d{symbol}" for symbol in self.parameters), *(["dx"] if "dx" in self.arrays else [])]

    def renamed(self, text: str) -> str:
        """A text of the docstring with the names of this network."""
        for symbol in self.missing:
            text = formulas.without(text, symbol)
        return formulas.renamed(text, {symbol: array.name for symbol, array in self.arrays.items()})


class Chain:
    """All steps, the loss after them, and `sizes` of the axes."""

    def __init__(self, model: Layer, x: Any, y: Any = None, loss: Loss | None = None) -> None:
        run = Run(model, x, y, loss)
        self.loss, self.value, self.divisor = run.loss, run.value, run.divisor
        ends, words = _axes(run)
        names = UniqueNames({"x", "y"})
        called = parameter_names(run.model, names)
        outputs = passage_names(run.passages, names)
        first = run.passages[0].x if run.passages else run.prediction
        self.x = Named("x", ends[0], first)
        self.prediction = Named(outputs[-1], ends[-1], run.prediction)
        self.dy = Named(f"grad_{outputs[-1]}", ends[-1], run.dy)
        self.sizes: dict[str, int] = {}
        for end, array in zip(ends, [first, *(p.y for p in run.passages)], strict=True):
            self.sizes |= dict(zip(end, array.shape, strict=True))
        memory = _Memory()
        self.steps = []
        for i, passage in enumerate(run.passages):
            arrays = _ends(passage, outputs[i : i + 2], ends[i : i + 2])
            memory.name(arrays["x"].name, passage.x)
            memory.name(arrays["y"].name, passage.y)
            symbols = dict(_parameters(passage.layer, words[i], called))
            symbols = {symbol: (self._named(array), p) for symbol, (array, p) in symbols.items()}
            arrays |= {symbol: array for symbol, (array, _) in symbols.items()}
            arrays |= {f"d{s}": Named(f"grad_{a.name}", a.axes, p.grad) for s, (a, p) in symbols.items()}
            declared = formulas.shapes(type(passage.layer))[1]
            missing = [s for name, s in declared.items() if getattr(passage.layer, name, 0) is None]
            saved = memory.saved(passage.saved)
            self.steps.append(
                Step(passage.path, passage.layer, arrays, list(symbols), missing, saved, passage.multiply_adds)
            )
        memory.name(self.prediction.name, run.prediction)
        self.target = None if loss is None else _target(self.prediction, np.asarray(run.target))
        if self.target is not None:
            memory.name("y", self.target.value)
        self.loss_saved = memory.saved(run.loss_saved)
        self.saved_bytes = memory.total

    def _named(self, array: Named) -> Named:
        """Without the names of axes of another size, such as both directions' side by side."""
        sizes = zip(array.axes, array.value.shape, strict=True)
        return array._replace(axes=tuple(a if self.sizes.get(a, n) == n else str(n) for a, n in sizes))


class _Memory:
    """Which memory belongs to which name, and what of it was saved."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.counted: dict[int, Array] = {}  # held, so that ids stay theirs
        self.total = 0

    def name(self, name: str, array: Array) -> None:
        self.names.setdefault(id(_owner(array)), name)

    def saved(self, arrays: list[Array]) -> list[SavedArray]:
        found = []
        for array in arrays:
            owner = _owner(array)
            again = id(owner) in self.counted
            self.counted[id(owner)] = owner
            self.total += 0 if again else owner.nbytes
            name = self.names.get(id(owner), "")
            part = "a part of " if name and array.nbytes < owner.nbytes else ""
            found.append(SavedArray(part + name, array.shape, array.nbytes, again))
        return found


def _owner(array: Array) -> Array:
    while array.base is not None and isinstance(array.base, type(array)):
        array = array.base
    return array


def _axes(run: Run) -> tuple[list[Axes], list[dict[str, str]]]:
    """The axes of x and of every output, and for each layer what its docstring's words stand for."""
    first = run.passages[0].x if run.passages else run.prediction
    number = count()

    def fresh(word: str) -> str:
        return f"?{next(number)} {axes.ROLES.get(word, '')}"

    says = [_says(passage.layer) for passage in run.passages] or [ELEMENTWISE]
    indices = run.passages and run.passages[0].layer.index_count is not None
    x_says = ("N", "T") if indices and first.ndim == 2 else says[0][0]  # sequences of indices
    ends, words = [axes.of_input(first.ndim, x_says, fresh)], []
    for passage, says_it in zip(run.passages, says, strict=False):
        y_axes, meaning = axes.after((ends[-1], passage.x.shape), passage.y.shape, says_it, fresh)
        if isinstance(passage.layer, Transpose):
            y_axes = _swapped(ends[-1], passage.layer.dim0, passage.layer.dim1)
        ends.append(y_axes)
        words.append(meaning)
    new = [axis for axis in dict.fromkeys(a for end in ends for a in end) if axis.startswith("?")]
    names = {}
    for role in dict.fromkeys(axis.split(" ")[1] for axis in new):
        alike = [axis for axis in new if axis.split(" ")[1] == role]
        if not role and (out := ends[-1][-1:]) and out[0] in alike:
            names[out[0]] = "D_out"
            alike.remove(out[0])
        names |= {axis: f"{role or 'H'}{i if len(alike) > 1 else ''}" for i, axis in enumerate(alike, 1)}
    ends = [tuple(names.get(axis, axis) for axis in end) for end in ends]
    return ends, [{w: names.get(axis, axis) for w, axis in meaning.items()} for meaning in words]


def _swapped(names: Axes, i: int, j: int) -> Axes:
    swapped = list(names)
    swapped[i], swapped[j] = names[j], names[i]
    return tuple(swapped)


def _says(layer: Layer) -> tuple[Axes, Axes]:
    """The words of the layer's docstring for the axes of x and of y."""
    if isinstance(layer, Activation):
        return ELEMENTWISE
    said = formulas.shapes(type(layer))[0]
    return said.get("x", ()), said.get("y", ())


def passage_names(passages: list[Passage], names: UniqueNames) -> list[str]:
    """x, and a name for every output."""
    outputs: list[tuple[int | str, str]] = [
        (i - 1 if i else "x", "" if is_new(p.layer, p.x.shape, p.y.shape) else word_of(p.layer))
        for i, p in enumerate(passages)
    ]
    return ["x", *output_names(outputs, len(outputs) - 1, names)]


def _ends(passage: Passage, names: list[str], ends: list[Axes]) -> dict[str, Named]:
    found = {"x": Named(names[0], ends[0], passage.x), "y": Named(names[1], ends[1], passage.y)}
    found["dy"] = Named(f"grad_{names[1]}", ends[1], passage.dy)
    if passage.dx is not None:
        found["dx"] = Named(f"grad_{names[0]}", ends[0], passage.dx)
    return found


def _target(prediction: Named, y: Array) -> Named:
    """The target: of the prediction's shape, or class indices, which lack the axis of the classes."""
    axes, shape = prediction.axes, prediction.value.shape
    if y.shape != shape:
        at = min(len(shape), 2) - 1
        fits = y.shape == (*shape[:at], *shape[at + 1 :])
        axes = (*axes[:at], *axes[at + 1 :]) if fits else tuple(map(str, y.shape))
    return Named("y", axes, y)


def _parameters(
    layer: Layer, words: Mapping[str, str], names: Mapping[int, str]
) -> Iterator[tuple[str, tuple[Named, Parameter]]]:
    """Symbol, array and parameter: W of the docstring's `weight W` is w1."""
    said, symbols = formulas.shapes(type(layer))
    for name, parameter in layer.named_parameters():
        symbol = symbols.get(name, name)
        says = said.get(symbol, ())
        sizes = tuple(map(str, parameter.shape))
        called = tuple(words.get(w, s) for w, s in zip(says, sizes, strict=False))
        its_axes = called if len(says) == len(sizes) else sizes
        yield symbol, (Named(names[id(parameter)], its_axes, parameter.data), parameter)
