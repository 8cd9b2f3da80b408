"""Exponential linear units: x above 0, a shifted exponential below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import maximum, where
from minitorch_np._internal.validation import above_zero, any_number
from minitorch_np.layers.activation import Activation

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class ELU(Activation):
    """y = x where x > 0, α (e^x − 1) elsewhere; dy/dx = 1 or α e^x, at 0 α.

    Source: Clevert, Unterthiner and Hochreiter (2015), https://arxiv.org/abs/1511.07289;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.ELU.html
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = any_number("ELU", "alpha", alpha)

    def function(self, x: Array) -> Array:
        return maximum(x, 0) + self.alpha * np.expm1(x.clip(-np.inf, 0))

    def derivative(self, x: Array, y: Array) -> Array:
        e = np.exp(x.clip(-np.inf, 0))
        return e if self.alpha == 1 else where(x > 0, 1, self.alpha * e)


class CELU(Activation):
    """y = x where x > 0, α (e^(x/α) − 1) elsewhere; dy/dx = 1 or e^(x/α), at 0 1: no kink.

    Raises ValueError for an α that is not above 0.
    Source: Barron (2017), https://arxiv.org/abs/1704.07483;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.CELU.html
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = above_zero("CELU", "alpha", alpha)

    def function(self, x: Array) -> Array:
        return maximum(x, 0) + self.alpha * np.expm1(self._scaled(x))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.exp(self._scaled(x))

    def _scaled(self, x: Array) -> Array:
        """Return min(x, 0) / α, but no less than −1000, whose exponential is 0: no overflow."""
        return x.clip(-1000 * self.alpha, 0) / self.alpha


class SELU(Activation):
    """y = λ x where x > 0, λ α (e^x − 1) elsewhere; dy/dx = λ or λ α e^x, at 0 λ α.

    α = 1.673… and λ = 1.051… are the numbers for which normal inputs keep mean 0 and variance 1.
    Source: Klambauer et al. (2017), https://arxiv.org/abs/1706.02515;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.SELU.html
    """

    ALPHA = 1.6732632423543772
    SCALE = 1.0507009873554805

    def function(self, x: Array) -> Array:
        return self.SCALE * (maximum(x, 0) + self.ALPHA * np.expm1(x.clip(-np.inf, 0)))

    def derivative(self, x: Array, y: Array) -> Array:
        return where(x > 0, self.SCALE, self.SCALE * self.ALPHA * np.exp(x.clip(-np.inf, 0)))
