"""Softmax and its logarithm: numbers as probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.distributions import log_softmax, softmax
from minitorch_np.layer import Layer
from minitorch_np.options import axis

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


class Softmax(Layer):
    """y_i = e^(x_i) / Σ_j e^(x_j), the sum along `dim`, by default the last axis.

    Shapes: x (...) -> y (...), y above 0 and with sum 1 along `dim`.
    Backward: every y_i depends on every x_j, ∂y_i/∂x_j = y_i (δ_ij − y_j), so
    dx_j = Σ_i dy_i y_i (δ_ij − y_j) = y_j (dy_j − Σ_i dy_i y_i).

    Before CrossEntropyLoss it is a mistake: that loss takes its softmax itself.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = axis("Softmax", "dim", dim)

    def forward(self, x: Array) -> Array:
        x = self.expect_axis(x, self.dim)
        y = softmax(x, self.dim)
        self.keep(y, output=y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        dy, y = self.kept(dy)
        if not input_grad:
            return None
        return y * (dy - (dy * y).sum(axis=self.dim, keepdims=True))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class LogSoftmax(Layer):
    """y_i = x_i − ln Σ_j e^(x_j), the sum along `dim`, by default the last axis.

    Shapes: x (...) -> y (...).
    Backward: ∂y_i/∂x_j = δ_ij − p_j with p = e^y, so dx_j = dy_j − p_j Σ_i dy_i.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = axis("LogSoftmax", "dim", dim)

    def forward(self, x: Array) -> Array:
        x = self.expect_axis(x, self.dim)
        y = log_softmax(x, self.dim)
        self.keep(y, output=y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        dy, y = self.kept(dy)
        if not input_grad:
            return None
        return dy - np.exp(y) * dy.sum(axis=self.dim, keepdims=True)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0
