"""Gated activations: y = x g(x) with a gate g between 0 and 1, and GLU, whose gate is other features."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.numerics import maximum, normal_cdf, sigmoid
from minitorch_np._internal.validation import axis
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FAR = 1000  # beyond it every gate is 0 or 1 in every precision, and it may stand in for x: ∞ · 0 is NaN


class _Gated(Activation):
    """y = x g(x), dy/dx = g + x g′(x), where the backward pass finds the gate g saved.

    Backward: y_i comes from x_i alone, so dx = dy · dy/dx, number by number: no sum and no transpose.
    """

    @abstractmethod
    def gate(self, x: Array) -> Array:
        """g(x), for x no further from 0 than FAR."""

    @abstractmethod
    def gate_derivative(self, x: Array, g: Array) -> Array:
        """g′(x) for such an x, of which g is the gate."""

    def forward(self, x: Array) -> Array:
        x = self.check_input(x)
        y, near, g = self._values(x if x.ndim else x.reshape(1))
        if not x.ndim:
            y = y.reshape(())
        self.save_for_backward(near, g, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, x, g = self.saved(dy)
        dx = dy * (g + x * self.gate_derivative(x, g))
        return dx if dy.ndim else dx.reshape(())

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a class with a function or a derivative of its own be an ordinary activation."""
        super().__init_subclass__(**options)
        if "function" in vars(cls) or "derivative" in vars(cls):
            cls.forward, cls.backward = Activation.forward, Activation.backward  # type: ignore[method-assign]

    def function(self, x: Array) -> Array:
        return self._values(x)[0]

    def derivative(self, x: Array, y: Array) -> Array:
        _, x, g = self._values(x)
        return g + x * self.gate_derivative(x, g)

    def _values(self, x: Array) -> tuple[Array, Array, Array]:
        """y, x no further from 0 than FAR, g."""
        near = x.clip(-FAR, FAR)
        g = self.gate(near)
        return maximum(x, -FAR) * g, near, g


class SiLU(_Gated):
    """y = x σ(x), dy/dx = σ + x σ (1 − σ) with σ = 1 / (1 + e^−x). Also called swish.

    Source: Elfwing, Uchibe and Doya (2017), https://arxiv.org/abs/1702.03118;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.SiLU.html
    """

    def gate(self, x: Array) -> Array:
        return sigmoid(x)

    def gate_derivative(self, x: Array, g: Array) -> Array:
        return g * (1 - g)


class Mish(_Gated):
    """y = x t with t = tanh(ln(1 + e^x)), dy/dx = t + x σ(x) (1 − t²).

    With n = e^x the hyperbolic functions are gone: t = (n² + 2n) / (n² + 2n + 2).
    Source: Misra (2019), https://arxiv.org/abs/1908.08681;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Mish.html
    """

    def gate(self, x: Array) -> Array:
        n = np.exp(x.clip(-FAR, 40))  # from there on t is 1 to the last bit, and n² is no overflow
        w = n * (n + 2)
        return w / (w + 2)

    def gate_derivative(self, x: Array, g: Array) -> Array:
        n = np.exp(x.clip(-FAR, 40))
        r = 2 / (n * (n + 2) + 2)  # 1 − t
        return (n + 1) * r * n * r


class GELU(_Gated):
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

    def gate(self, x: Array) -> Array:
        if self.approximate == "tanh":
            return 0.5 + 0.5 * np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
        return normal_cdf(x)

    def gate_derivative(self, x: Array, g: Array) -> Array:
        if self.approximate == "tanh":  # (1 − tanh² u) u′ / 2, and (1 − tanh² u) / 2 = 2 Φ (1 − Φ)
            return 2 * g * (1 - g) * (math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x))
        return math.sqrt(0.5 / math.pi) * np.exp(-0.5 * x * x)


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
