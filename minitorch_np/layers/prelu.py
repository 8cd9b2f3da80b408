"""PReLU: a leaky ReLU that learns its slope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.numerics import where
from minitorch_np._internal.validation import any_number, whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


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
        y = where(x > 0, x, self._slopes(x) * x)
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, x = self.saved(dy)
        below = dy * np.minimum(x, 0)
        axes = tuple(i for i in range(x.ndim) if i != 1 or self.num_parameters == 1)
        self.weight.add_grad(below.sum(axis=axes).reshape(self.num_parameters))
        return dy * np.where(x > 0, 1, self._slopes(x))

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
