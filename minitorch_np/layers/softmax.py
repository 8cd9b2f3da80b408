"""Softmax and its logarithm: numbers as probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import log_softmax, softmax
from minitorch_np._internal.validation import axis
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


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
        x = self.check_input_axis(x, self.dim)
        y = softmax(x, self.dim)
        self.save_for_backward(y, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, y = self.saved(dy)
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
        x = self.check_input_axis(x, self.dim)
        y = log_softmax(x, self.dim)
        self.save_for_backward(y, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, y = self.saved(dy)
        return dy - np.exp(y) * dy.sum(axis=self.dim, keepdims=True)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0
