"""The affine map y = x W + b."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np import initializers
from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Linear(Layer):
    """y = x W + b.

    Shapes: x (..., in_features) -> y (..., out_features), weight W (in_features, out_features),
    bias b (out_features,). torch.nn.Linear stores the transposed weight.

    Backward: W_ij takes x_ni into y_nj for every sample n, so dW_ij = Σ_n x_ni dy_nj, and that is a
    matrix product: dW = xᵀ dy. b_j is added to y_nj for every sample n, so db = Σ_n dy_n. x_ni goes
    through W_ij into y_nj for every output j, so dx_ni = Σ_j dy_nj W_ij, again a product: dx = dy Wᵀ.
    The transposes stand where the shapes leave no other choice: (in, N)(N, out) and (N, out)(out, in).

    `init` makes the weight: a function (shape, rng, dtype) -> array, or the name of one in
    `initializers`. The bias is uniform in ±1/√in_features, and by default the weight too, as in
    torch. x is saved, not copied: leave it as it is until the backward pass.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """

    transposed_in_torch = ("weight",)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: str | initializers.Initializer = "fan_in_uniform",
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.in_features = whole("Linear", "in_features", in_features, 1)
        self.out_features = whole("Linear", "out_features", out_features, 1)
        if not isinstance(bias, bool):
            raise TypeError(f"Linear expects bias to be True or False, got {bias!r}")
        self.init = init
        dtype = float_dtype(dtype)
        rng = np.random.default_rng(rng)
        shape = (self.in_features, self.out_features)
        weight = np.asarray(initializers.named(init)(shape, rng, dtype))
        if weight.shape != shape or weight.dtype != dtype:
            raise ValueError(
                f"Linear expects init to return {dtype} numbers of shape {shape}, "
                f"got {weight.dtype} of shape {weight.shape}"
            )
        self.weight = Parameter(weight)
        bound = self.in_features**-0.5
        self.bias = Parameter(rng.uniform(-bound, bound, self.out_features).astype(dtype)) if bias else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., self.in_features))
        rows = x if x.ndim == 2 else x.reshape(-1, self.in_features)
        y = rows.dot(self.weight.data)
        if self.bias is not None:
            y += self.bias.data
        if x.ndim != 2:
            y = y.reshape(*x.shape[:-1], self.out_features)
        self.save_for_backward(rows, x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, x_shape = self._parameter_gradients(dy)
        dx = dy.dot(self.weight.data.T)  # transposed: from the outputs back to the inputs
        return dx if len(x_shape) == 2 else dx.reshape(x_shape)

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> tuple[Array, tuple[int, ...]]:
        """Add dW and db; return dy as rows and the shape of x."""
        dy, x, x_shape = self.saved(dy)
        if dy.ndim != 2:
            dy = dy.reshape(-1, self.out_features)
        self.weight.add_product(x.T, dy)  # transposed: the product sums over the batch
        if self.bias is not None:
            self.bias.add_sum(dy)  # all samples share the bias: their gradients add up
        return dy, x_shape

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return math.prod(y_shape) * self.in_features  # y_nj = Σ_i x_ni W_ij

    def __repr__(self) -> str:
        text = f"{type(self).__name__}({self.in_features}, {self.out_features}"
        if self.bias is None:
            text += ", bias=False"
        if self.init != "fan_in_uniform":
            name = self.init if isinstance(self.init, str) else getattr(self.init, "__name__", None)
            text += f", init={name!r}" if name in initializers.NAMED else f", init={name or self.init}"
        if self.weight.dtype != np.float64:
            text += f", dtype={str(self.weight.dtype)!r}"
        return text + ")"
