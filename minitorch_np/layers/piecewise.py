"""Activations made of straight pieces. At a kink each says which of its two slopes counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.numerics import choose, maximum, same_bits_as, where, zero_where
from minitorch_np._internal.validation import any_number, number, whole
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Identity(Activation):
    """y = x, dy/dx = 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Identity.html
    """

    def function(self, x: Array) -> Array:
        return x

    def derivative(self, x: Array, y: Array) -> Array:
        return np.ones_like(x)

    def gradient(self, dy: Array, x: Array, y: Array) -> Array:
        return dy.copy()


class ReLU(Activation):
    """y = max(x, 0), dy/dx = 0 where x < 0 and 1 elsewhere.

    At exactly 0 the gradient passes, as in the handwritten program (`grad_h[h < 0] = 0`);
    torch.nn.ReLU gives 0 there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    def function(self, x: Array) -> Array:
        return maximum(x, 0)

    def derivative(self, x: Array, y: Array) -> Array:
        return zero_where(x < 0, np.ones_like(x))

    def gradient(self, dy: Array, x: Array, y: Array) -> Array:
        # a product with the derivative would make −0 of a negative dy
        return zero_where(x < 0, dy)


class LeakyReLU(Activation):
    """y = x where x > 0 and s x elsewhere, s = `negative_slope`; dy/dx = 1 or s, at 0 s.

    Source: Maas, Hannun and Ng (2013);
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = any_number("LeakyReLU", "negative_slope", negative_slope)

    def _plain_function(self, x: Array) -> Array:
        if not self.negative_slope:
            return np.maximum(x, 0)  # 0 · ∞ is NaN
        return np.where(x > 0, x, self.negative_slope * x)

    @same_bits_as(_plain_function)
    def function(self, x: Array) -> Array:
        if not self.negative_slope:
            return maximum(x, 0)
        y = self.negative_slope * x
        return (np.maximum if self.negative_slope <= 1 else np.minimum)(x, y, out=y)

    def derivative(self, x: Array, y: Array) -> Array:
        return choose(x > 0, 1, self.negative_slope, x.dtype)


class Hardtanh(Activation):
    """y = x, but no less than `min_val` and no more than `max_val`; dy/dx = 1 between them, at both 0.

    Raises ValueError unless min_val < max_val.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardtanh.html
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = any_number("Hardtanh", "min_val", min_val)
        self.max_val = any_number("Hardtanh", "max_val", max_val)
        if not self.min_val < self.max_val:
            raise ValueError(f"Hardtanh expects min_val < max_val, got {min_val} and {max_val}")

    def function(self, x: Array) -> Array:
        return x.clip(self.min_val, self.max_val)

    def derivative(self, x: Array, y: Array) -> Array:
        return ((x > self.min_val) & (x < self.max_val)).astype(x.dtype)


class ReLU6(Activation):
    """y = min(max(x, 0), 6), dy/dx = 1 between 0 and 6, at both 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU6.html
    """

    def function(self, x: Array) -> Array:
        return x.clip(0, 6)

    def derivative(self, x: Array, y: Array) -> Array:
        return ((x > 0) & (x < 6)).astype(x.dtype)


class Hardsigmoid(Activation):
    """y = x/6 + 1/2, but no less than 0 and no more than 1; dy/dx = 1/6 for −3 < x < 3, at both ends 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardsigmoid.html
    """

    def function(self, x: Array) -> Array:
        return x.clip(-3, 3) / 6 + 0.5

    def derivative(self, x: Array, y: Array) -> Array:
        return (np.abs(x) < 3).astype(x.dtype) / 6


class Hardswish(Activation):
    """y = x · hardsigmoid(x): 0 up to −3, x from 3 on, x²/6 + x/2 between; dy/dx = 0, 1, x/3 + 1/2.

    At −3 dy/dx is 0, at 3 it is 1; where x is NaN it is NaN, as in torch.
    Source: Howard et al. (2019), https://arxiv.org/abs/1905.02244;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardswish.html
    """

    def function(self, x: Array) -> Array:
        return maximum(x, -3) * (x.clip(-3, 3) / 6 + 0.5)  # −∞ · 0 is NaN

    def derivative(self, x: Array, y: Array) -> Array:
        part = x.clip(-3, 3) / 6
        return part + 0.5 + part * (np.abs(x) < 3)  # hardsigmoid, and x times its slope


class Threshold(Activation):
    """y = x where x > `threshold`, and `value` elsewhere; dy/dx = 1 or 0, at the threshold 0.

    Where x is NaN, y is, and the gradient passes, as in torch.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Threshold.html
    """

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold = any_number("Threshold", "threshold", threshold)
        self.value = any_number("Threshold", "value", value)

    def function(self, x: Array) -> Array:
        return where(x <= self.threshold, self.value, x)

    def derivative(self, x: Array, y: Array) -> Array:
        return (~(x <= self.threshold)).astype(x.dtype)


class Softshrink(Activation):
    """y = x moved towards 0 by λ = `lambd`, and 0 where |x| ≤ λ; dy/dx = 1 where |x| > λ, else 0.

    Raises ValueError for a negative λ.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softshrink.html
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = number("Softshrink", "lambd", lambd)

    def function(self, x: Array) -> Array:
        return x - x.clip(-self.lambd, self.lambd)

    def derivative(self, x: Array, y: Array) -> Array:
        return (np.abs(x) > self.lambd).astype(x.dtype)


class Hardshrink(Activation):
    """y = x where |x| > λ = `lambd`, else 0; dy/dx = 1 where |x| > λ, else 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardshrink.html
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = any_number("Hardshrink", "lambd", lambd)

    def function(self, x: Array) -> Array:
        return zero_where(np.abs(x) <= self.lambd, x)

    def derivative(self, x: Array, y: Array) -> Array:
        return (np.abs(x) > self.lambd).astype(x.dtype)


class PReLU(Layer):
    """y = x where x > 0, a x elsewhere, with slopes a that are learned.

    Shapes: x (...) -> y (...) with one slope for all numbers (`num_parameters=1`), or x (N, C, ...)
    with one for each channel, `num_parameters=C`; weight a (num_parameters,), at first `init`.

    Backward: dx = dy where x > 0, a dy elsewhere; da = Σ dy x over the elements of that slope
    where x ≤ 0. At 0 the slope is a.
    Source: He et al. (2015), https://arxiv.org/abs/1502.01852;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.PReLU.html
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float64) -> None:
        self.num_parameters = whole("PReLU", "num_parameters", num_parameters, 1)
        self.init = any_number("PReLU", "init", init)
        self.weight = Parameter(np.full(self.num_parameters, self.init, float_dtype(dtype)))

    def forward(self, x: Array) -> Array:
        if self.num_parameters == 1:
            x = self.check_input(x)
        else:
            x = self.check_input(x, (None, self.num_parameters, *(None for _ in np.shape(x)[2:])))
        a = self._slopes(x)
        slope = where(x > 0, np.ones_like(a), a)
        y = slope * x
        self.save_for_backward(x, slope, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, x, slope = self.saved(dy)
        below = dy * x.clip(-np.inf, 0)
        axes = tuple(i for i in range(x.ndim) if i != 1 or self.num_parameters == 1)
        self.weight.add_grad(below.sum(axis=axes).reshape(self.num_parameters))
        return dy * slope

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def _slopes(self, x: Array) -> Array:
        """a, along the axis of the channels."""
        a = self.weight.data
        return a if self.num_parameters == 1 else a.reshape(-1, *(1 for _ in x.shape[2:]))

    def __repr__(self) -> str:
        options = [] if self.num_parameters == 1 else [str(self.num_parameters)]
        options += [] if self.init == 0.25 else [f"init={self.init!r}"]
        options += [] if self.weight.dtype == np.float64 else [f"dtype={str(self.weight.dtype)!r}"]
        return f"PReLU({', '.join(options)})"
