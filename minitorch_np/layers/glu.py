"""GLU: one half of the features opens and closes the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import sigmoid
from minitorch_np._internal.validation import axis
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class GLU(Layer):
    """y = a σ(b), where a and b are the two halves of x along `dim`.

    Shapes: x (..., 2 M, ...) -> y (..., M, ...), the axis being `dim`.
    Backward: da = dy σ(b), db = dy a σ(b) (1 − σ(b)) = da a (1 − σ(b)).
    Raises ValueError if x has an odd size along `dim`, or no such axis.
    Source: Dauphin et al. (2016), https://arxiv.org/abs/1612.08083;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GLU.html
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = axis("GLU", "dim", dim)

    def forward(self, x: Array) -> Array:
        x = self.check_input_axis(x, self.dim)
        if x.shape[self.dim] % 2:
            raise ValueError(f"{self!r} expects an even size along axis {self.dim}, got x of shape {x.shape}")
        a, b = np.split(x, 2, axis=self.dim)
        s = sigmoid(b)
        y = a * s
        self.save_for_backward(a, s, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, a, s = self.saved(dy)
        da = dy * s
        db = da * a * (1 - s)
        return np.concatenate([da, db], axis=self.dim)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0
