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

    x_shape: tuple[None, ...] | None = None  # any

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        self.p = fraction(type(self).__name__, "p", p)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, self.x_shape)
        if not self.training or self.p == 0:
            self.save_for_backward(None, output=x)
            return x
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        mask = scale * (self.rng.random(self.mask_shape(x)) >= self.p).astype(x.dtype)
        y = x * mask
        self.save_for_backward(mask, output=y)
        return y

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """The shape of m: one for each number of x."""
        return x.shape

    def backward(self, dy: Array) -> Array:
        dy, mask = self.saved(dy)
        return dy.copy() if mask is None else dy * mask

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.p})"


class Dropout2d(Dropout):
    """y = x m / (1 − p), where each channel's m is 0 with probability p and 1 otherwise; in evaluation y = x.

    Shapes: x (N, C, H, W) -> y (N, C, H, W). Pixels beside each other are alike, so that one left out alone
    could be told from its neighbours; here each channel of each sample stays or goes as a whole. Masks and
    random generator are as in Dropout.

    Backward: y_i = x_i m / (1 − p) with m a constant, so dx = dy m / (1 − p): a channel that was left out
    learns nothing.
    Source: Tompson et al. (2015), https://arxiv.org/abs/1411.4280;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout2d.html
    """

    x_shape = (None, None, None, None)

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """The shape of m: one for each channel of each sample."""
        return (*x.shape[:2], 1, 1)
