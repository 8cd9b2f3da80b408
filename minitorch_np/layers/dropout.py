"""Dropout: some numbers are left out while a network trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.validation import fraction
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Dropout(Layer):
    """y = x m / (1 − p), where each m is 0 with probability p and 1 otherwise; in evaluation y = x.

    Shapes: x (...) -> y (...). The division keeps the mean of y that of x, so that evaluation needs no
    other weights. m is drawn anew in each forward, from `rng` and never from global state; a saved
    network goes on with the same masks.

    Backward: y_i = x_i m_i / (1 − p) with m a constant, so dx = dy m / (1 − p): what was left out
    learns nothing.
    Source: Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        self.p = fraction("Dropout", "p", p)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x)
        if not self.training or self.p == 0:
            self.save_for_backward(None, output=x)
            return x
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        mask = scale * (self.rng.random(x.shape) >= self.p).astype(x.dtype)
        y = x * mask
        self.save_for_backward(mask, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, mask = self.saved(dy)
        return dy.copy() if mask is None else dy * mask

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
