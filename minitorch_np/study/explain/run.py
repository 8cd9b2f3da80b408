"""One run of a network, with what goes in and comes out of each layer, and of those inside it, both ways."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.watching import watched
from minitorch_np.derivation.naming import UniqueNames, is_new, output_names, parameter_names, word_of
from minitorch_np.layer import Layer
from minitorch_np.layers.attention import TransformerEncoderLayer
from minitorch_np.layers.branches import Parallel, Residual
from minitorch_np.layers.sequential import Sequential
from minitorch_np.study.explain import formulas

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.losses.loss import Loss
    from minitorch_np.study.explain.axes import Axes

ONE_AFTER_THE_OTHER = "one after the other"  # beside "sum" and "concatenate"


class Passage:
    """A layer, and the arrays that went in and came out of it in both directions.

    A layer that only leads x through others has them in `branches`, by name; `joined` says how y comes of
    them: "sum", "concatenate", or "one after the other" of a single branch. A branch without layers is x.
    """

    def __init__(
        self, path: str, layer: Layer, branches: dict[str, list[Passage]] | None = None, joined: str = ""
    ) -> None:
        self.path, self.layer, self.shown = path, layer, layer
        self.branches, self.joined = branches or {}, joined
        self.name = ""  # of y
        self.axes: tuple[Axes, Axes] = ((), ())  # of x and y
        self.words: dict[str, str] = {}  # which axes the words of the docstring stand for
        self.x: Any = None
        self.y: Any = None
        self.dy: Any = None
        self.dx: Any = None
        self.saved: list[tuple[str, Array]] = []
        self.counts: list[int | None] = []  # of multiply-adds, its own and those of the layers inside it
        self.before = _own_arrays(layer)

    def forward(self, run: Callable[[], Any], x: Array) -> Any:
        self.x, self.y = x, run()
        self.saved = [] if self.branches else _saved_arrays(self.layer, self.before)
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
    With `branches` it goes into the layers that only lead x through others.
    """

    def __init__(
        self, model: Layer, x: Any, y: Any = None, loss: Loss | None = None, *, branches: bool = False
    ) -> None:
        copied, self.loss = copy.deepcopy((model, loss))
        copied.zero_grad()
        self.names = UniqueNames({"x", "y"})
        self.called = parameter_names(copied, self.names)
        self.paths = {id(layer): path for path, layer in copied.named_modules()}
        self.composed: dict[int, TransformerEncoderLayer] = {}  # by the network in its place
        self.branches = branches
        self.model = self._opened(copied) if branches else copied
        self.passages = self._passages(self.model)
        every = list(all_of(self.passages))
        self._passage_of = {id(passage.layer): passage for passage in every}
        self._around = {id(inner): p for p in every if not p.branches for inner in p.layer.modules()}
        self.target = y
        with watched(self.model, forward=self._forward, backward=self._backward):
            self._run(x, y)

    def _opened(self, layer: Any) -> Any:
        """The network with Residuals and their layers in the place of each TransformerEncoderLayer."""
        if _computes_as(layer, TransformerEncoderLayer):
            composed = layer.composed()
            composed.is_inside = True
            self.composed[id(composed)] = layer
            return composed
        if any(_computes_as(layer, kind) for kind in (Sequential, Residual, Parallel)):
            for name, child in list(layer.named_children()):
                part = self._opened(child)
                if part is child:
                    continue
                if isinstance(layer, Sequential):
                    layer[name] = part
                elif isinstance(layer, Parallel):
                    layer._branches[name] = part
                else:
                    setattr(layer, name, part)
        return layer

    def _passages(self, layer: Any) -> list[Passage]:
        """The layers one after the other, those of a Sequential in its place."""
        if layer is None:
            return []
        path = self.paths.get(id(layer), "")
        if id(layer) in self.composed:
            encoder = self.composed[id(layer)]
            inside = [passage for child in layer.children() for passage in self._passages(child)]
            passage = Passage(self.paths[id(encoder)], layer, {"": inside}, ONE_AFTER_THE_OTHER)
            passage.shown = encoder
            return [passage]
        if _computes_as(layer, Sequential):
            return [passage for child in layer.children() for passage in self._passages(child)]
        if self.branches and _computes_as(layer, Residual):
            branches = {"layer": self._passages(layer.layer), "shortcut": self._passages(layer.shortcut)}
            return [Passage(path, layer, branches, "sum")]
        if self.branches and _computes_as(layer, Parallel):
            branches = {name: self._passages(child) for name, child in layer.named_children()}
            return [Passage(path, layer, branches, layer.combine)]
        return [Passage(path, layer)]

    def _forward(self, name: str, layer: Any, run: Callable[[], Any], x: Any) -> Any:
        passage, around = self._passage_of.get(id(layer)), self._around.get(id(layer))
        y = run() if passage is None else passage.forward(run, x)
        if around is not None:
            around.counts.append(layer.multiply_adds(np.shape(x), np.shape(y)))
        return y

    def _backward(self, name: str, layer: Any, run: Callable[[], Any], dy: Any) -> Any:
        passage = self._passage_of.get(id(layer))
        return run() if passage is None else passage.backward(run, dy)

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


def _computes_as(layer: Layer, kind: Any) -> bool:
    """Whether a layer is of that kind, and its subclass has not another forward or backward."""
    return type(layer).forward is kind.forward and type(layer).backward is kind.backward


def all_of(passages: list[Passage]) -> Iterator[Passage]:
    """The passages and those inside them."""
    for passage in passages:
        for branch in passage.branches.values():
            yield from all_of(branch)
        yield passage


def _saved_arrays(layer: Layer, before: list[Array]) -> list[tuple[str, Array]]:
    """Return what was saved for backward, by `save_for_backward` or else in new attributes.

    With the names that forward has for it, as far as it saves variables.
    """
    found: list[tuple[str, Array]] = []
    for _, inner in layer.named_modules():
        values = getattr(inner, "_saved", None)
        if values is not None:
            names = formulas.saved_names(type(inner)) if inner is layer else []
            names = names if len(names) == len(values[2]) else [""] * len(values[2])
            for name, value in zip(names, values[2], strict=True):
                found += [(name if a is value else "", a) for a in _arrays(value)]
    known = {id(array) for array in before}
    found = found or [("", array) for array in _own_arrays(layer) if id(array) not in known]
    return list({id(array): (name, array) for name, array in reversed(found)}.values())[::-1]


def _own_arrays(layer: Layer) -> list[Array]:
    return [a for _, inner in layer.named_modules() for a in _arrays(list(vars(inner).values()))]


def _arrays(value: Any) -> list[Array]:
    if isinstance(value, np.ndarray):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [array for part in inside for array in _arrays(part)]


def name_outputs(passages: list[Passage], names: UniqueNames) -> str:
    """Give every passage the name of its output; return that of the prediction."""
    outputs: list[tuple[int | str, str]] = []
    number: dict[int, int] = {}  # of a passage's output

    def through(inside: list[Passage], source: int | str) -> int | str:
        for passage in inside:
            ends = [through(branch, source) for branch in passage.branches.values()]
            if passage.joined == ONE_AFTER_THE_OTHER:
                source = ends[0]
            else:
                new = is_new(passage.layer, passage.x.shape, passage.y.shape)
                outputs.append((source, "" if new else word_of(passage.layer)))
                source = len(outputs) - 1
            number[id(passage)] = int(source)
        return source

    result = through(passages, "x")
    given = output_names(outputs, len(outputs) - 1, names)
    for passage in all_of(passages):
        passage.name = given[number[id(passage)]]
    return given[int(result)] if outputs else "x"
