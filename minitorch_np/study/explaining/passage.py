"""What goes through the layers of a network, forward and back, in a copy of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

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
        before = _own_arrays(layer)
        forward, backward, without_dx = layer.forward, layer.backward, layer.backward_parameters

        def recording_forward(x: Array) -> Array:
            self.x, self.y = x, forward(x)
            self.kept = _kept(layer, before)
            return self.y

        def recording_backward(dy: Array) -> Array:
            self.dy, self.dx = dy, backward(dy)
            return self.dx

        def recording_backward_parameters(dy: Array) -> None:
            self.dy = dy
            without_dx(dy)
            self.dx = None

        vars(layer).update(
            forward=recording_forward,
            backward=recording_backward,
            backward_parameters=recording_backward_parameters,
        )


class Run:
    """One forward and one backward of copies of a model and a loss; the originals are left as they are.

    Without a loss the backward pass starts from a random dy, with a loss of reduction "none" from ones.
    """

    def __init__(self, model: Layer, x: Any, y: Any = None, loss: Loss | None = None) -> None:
        self.model, self.loss = copy.deepcopy((model, loss))
        self.model.zero_grad()
        self.passages = [Passage(path, layer) for path, layer in chain(self.model)]
        self.target = y
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
