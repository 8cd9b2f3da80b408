"""Branches: layers beside each other, themselves a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.arrays import FLOATS, as_floats
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Residual(Layer):
    """y = layer(x) + x, or layer(x) + shortcut(x).

    Shapes: x (...) -> y (...), where layer and shortcut give the same shape. A block of a ResNet is
    `Residual(Sequential(...), shortcut=Conv2d(...))`, with ReLU after it.

    Backward: y is a sum, so dy goes into both branches, and x gets the sum of what they give back:
    dx = layer.backward(dy) + dy. That dy arrives unchanged is why deep stacks of these train.

    Raises ValueError if the two shapes differ.
    Source: He et al. (2016), https://arxiv.org/abs/1512.03385
    """

    def __init__(self, layer: Layer, shortcut: Layer | None = None) -> None:
        for name, value in (("layer", layer), ("shortcut", shortcut)):
            if not isinstance(value, Layer) and not (name == "shortcut" and value is None):
                raise TypeError(f"Residual expects a layer as {name}, got {value!r}")
        self.layer = layer
        self.shortcut = shortcut

    def forward(self, x: Array) -> Array:
        if type(x) is not np.ndarray or x.dtype not in FLOATS:
            x = as_floats(x, self.dtype, self, "x")
        y = self.layer(x)
        direct = x if self.shortcut is None else self.shortcut(x)
        if y.shape != direct.shape:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects both branches to give one shape, got {y.shape} from the layer and "
                f"{direct.shape} beside it: a shortcut with that shape is missing"
            )
        y = y + direct
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        direct = dy if self.shortcut is None else self.shortcut.backward(dy)
        return self.layer.backward(dy) + direct

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        shortcut = "" if self.shortcut is None else f", shortcut={self.shortcut!r}"
        return f"Residual({self.layer!r}{shortcut})"
