"""Smooth activations that level off on one side or both: sigmoid, tanh, softplus and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import sigmoid
from minitorch_np._internal.validation import above_zero, any_number
from minitorch_np.layers.activation import Activation

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Sigmoid(Activation):
    """y = σ(x) = 1 / (1 + e^−x), dy/dx = y (1 − y).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html
    """

    def function(self, x: Array) -> Array:
        return sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


class LogSigmoid(Activation):
    """y = ln σ(x) = −ln(1 + e^−x), dy/dx = σ(−x) = 1 − e^y.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html
    """

    def function(self, x: Array) -> Array:
        return x.clip(-np.inf, 0) - np.log1p(np.exp(-np.abs(x)))  # e^−|x| cannot overflow

    def derivative(self, x: Array, y: Array) -> Array:
        return -np.expm1(y)


class Tanh(Activation):
    """y = tanh(x), dy/dx = 1 − y².

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html
    """

    def function(self, x: Array) -> Array:
        return np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y * y


class Tanhshrink(Activation):
    """y = x − tanh(x), dy/dx = tanh²(x).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanhshrink.html
    """

    def function(self, x: Array) -> Array:
        return x - np.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return np.square(np.tanh(x))  # x − y is ∞ − ∞ at the ends


class Softsign(Activation):
    """y = x / (1 + |x|), dy/dx = 1 / (1 + |x|)².

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softsign.html
    """

    def function(self, x: Array) -> Array:
        x = x.clip(-1e30, 1e30)  # ∞/∞ is NaN; from 10³⁰ on y is 1 to the last bit
        return x / (1 + np.abs(x))

    def derivative(self, x: Array, y: Array) -> Array:
        return np.square(1 / (1 + np.abs(x)))


class Softplus(Activation):
    """y = ln(1 + e^(β x)) / β, and y = x where β x > `threshold`; dy/dx = σ(β x), or 1.

    Raises ValueError for a β that is not above 0.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softplus.html
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = above_zero("Softplus", "beta", beta)
        self.threshold = any_number("Softplus", "threshold", threshold)

    def function(self, x: Array) -> Array:
        z = self.beta * x
        return x.clip(0, np.inf) + np.log1p(np.exp(-np.abs(z))) * (z <= self.threshold) / self.beta

    def derivative(self, x: Array, y: Array) -> Array:
        z = self.beta * x
        return np.where(z > self.threshold, 1, sigmoid(z))
