"""Gated activations: y = x g(x) with a gate g between 0 and 1, and GLU, whose gate is other features.

If the gate of x is expensive, the derivative gets it back from the output as y/x.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import erf, maximum, sigmoid, softplus
from minitorch_np._internal.validation import axis
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FAR = 1000  # beyond it every gate is 0 or 1 in every precision, and x may stand in for ∞: ∞ · 0 is NaN

TINY = 1e-30  # added to x and, half of it, to y: makes y/x the gate's 1/2 at 0, and changes no other


def gate(x: Array, y: Array) -> Array:
    """g = y/x, for x and y no further from 0 than FAR."""
    return (np.abs(y) + TINY / 2) / (np.abs(x) + TINY)


class SiLU(Activation):
    """y = x σ(x), dy/dx = σ + y (1 − σ) with σ = 1 / (1 + e^−x). Also called swish.

    Source: Elfwing, Uchibe and Doya (2017), https://arxiv.org/abs/1702.03118;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.SiLU.html
    """

    def function(self, x: Array) -> Array:
        return maximum(x, -FAR) * sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        y = np.clip(y, -FAR, FAR)
        s = gate(np.clip(x, -FAR, FAR), y)
        return s + y * (1 - s)


class Mish(Activation):
    """y = x t with t = tanh(ln(1 + e^x)), dy/dx = t + x σ(x) (1 − t²).

    Source: Misra (2019), https://arxiv.org/abs/1908.08681;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Mish.html
    """

    def function(self, x: Array) -> Array:
        return maximum(x, -FAR) * np.tanh(softplus(x))

    def derivative(self, x: Array, y: Array) -> Array:
        x = np.clip(x, -FAR, FAR)
        t = np.tanh(softplus(x))
        return t + x * sigmoid(x) * (1 - t * t)


class GELU(Activation):
    """y = x Φ(x), dy/dx = Φ(x) + x φ(x), with Φ and φ of the standard normal distribution.

    Φ(x) = (1 + erf(x/√2)) / 2 and φ(x) = e^(−x²/2) / √(2π). With `approximate="tanh"` Φ is
    (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³), and φ its derivative.
    Source: Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU expects approximate to be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def function(self, x: Array) -> Array:
        if self.approximate == "tanh":
            t = np.tanh(self._inner(np.clip(x, -FAR, FAR)))
        else:
            t = erf(x * math.sqrt(1 / 2))
        return maximum(x, -FAR) * (0.5 + 0.5 * t)

    def derivative(self, x: Array, y: Array) -> Array:
        x, y = np.clip(x, -FAR, FAR), np.clip(y, -FAR, FAR)
        cdf = gate(x, y)
        if self.approximate == "tanh":  # φ = Φ′ = (1 − tanh² u) u′ / 2, and (1 − tanh²)/2 = 2 Φ (1 − Φ)
            slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
            pdf = 2 * cdf * (1 - cdf) * slope
        else:
            pdf = math.sqrt(0.5 / math.pi) * np.exp(-0.5 * x * x)
        return cdf + x * pdf

    def _inner(self, x: Array) -> Array:
        return math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)


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
