"""What goes through the layers of a network, forward and back, in a copy of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.watching import watched
from minitorch_np.layer import Layer
from minitorch_np.layers.sequential import Sequential

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.losses.loss import Loss


class Passage:
    """A layer, and the arrays that went in and came out of it in both directions."""

    def __init__(self, path: str, layer: Layer) -> None:
        self.path, self.layer = path, layer
        self.x: Any = None
        self.y: Any = None
        self.dy: Any = None
        self.dx: Any = None
        self.kept: list[Array] = []
        self.before = _own_arrays(layer)

    def forward(self, run: Callable[[], Any], x: Array) -> Any:
        self.x, self.y = x, run()
        self.kept = _kept(self.layer, self.before)
        return self.y

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
        return run() if passage is None else passage.forward(run, x)

    def _backward(self, name: str, layer: Any, run: Callable[[], Any], dy: Any) -> Any:
        passage = self._of(layer)
        return run() if passage is None else passage.backward(run, dy)

    def _of(self, layer: Any) -> Passage | None:
        return next((passage for passage in self.passages if passage.layer is layer), None)

    def _run(self, x: Any, y: Any) -> None:
        self.prediction = self.model.forward(np.array(x))
        self.value: Any = None
        self.loss_kept: list[Array] = []
        self.divisor: float | None = None
        if self.loss is None:
            dy = np.random.default_rng(0).standard_normal(self.prediction.shape)
            self.dy = dy.astype(self.prediction.dtype)
        else:
            self.value = self.loss(self.prediction, y)
            arguments, self.divisor, _ = self.loss._saved or ((), None, ())
            self.loss_kept = _arrays(arguments)
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


def _kept(layer: Layer, before: list[Array]) -> list[Array]:
    """The arrays kept for backward, by `keep` or else as attributes that were not there before."""
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
