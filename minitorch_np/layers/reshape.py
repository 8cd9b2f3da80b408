"""Layers that give the same numbers another shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from minitorch_np._internal.validation import axis, whole
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Flatten(Layer):
    """y = x with the axes from `start_dim` to `end_dim` joined to one.

    Shapes: x (N, ...) -> y (N, features), by default one row a sample, as a Linear takes it.
    Backward: y_i is some x_j, unchanged, so dx = dy in the shape of x.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Flatten.html
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = axis("Flatten", "start_dim", start_dim)
        self.end_dim = axis("Flatten", "end_dim", end_dim)

    def forward(self, x: Array) -> Array:
        x = self.check_input_axis(self.check_input_axis(x, self.start_dim), self.end_dim)
        first, last = self.start_dim % x.ndim, self.end_dim % x.ndim
        if first > last:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects start_dim to come before end_dim, got x of shape {x.shape}, where they are "
                f"{first} and {last}"
            )
        joined = math.prod(x.shape[first : last + 1])
        y = x.reshape(*x.shape[:first], joined, *x.shape[last + 1 :])
        self.save_for_backward(x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, shape = self.saved(dy)
        return dy.reshape(shape)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class Unflatten(Layer):
    """y = x with the axis `dim` taken apart to `unflattened_size`, of which one size may be -1.

    Shapes: x (..., features, ...) -> y (..., *unflattened_size, ...).
    Backward: y_i is some x_j, unchanged, so dx = dy in the shape of x.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unflatten.html
    """

    def __init__(self, dim: int, unflattened_size: Iterable[int]) -> None:
        self.dim = axis("Unflatten", "dim", dim)
        self.unflattened_size = tuple(whole("Unflatten", "unflattened_size", n, -1) for n in unflattened_size)
        if self.unflattened_size.count(-1) > 1 or not self.unflattened_size:
            raise ValueError(f"Unflatten expects sizes, of which one may be -1, got {self.unflattened_size}")

    def forward(self, x: Array) -> Array:
        x = self.check_input_axis(x, self.dim)
        dim = self.dim % x.ndim
        try:
            y = x.reshape(*x.shape[:dim], *self._sizes(x.shape[dim]), *x.shape[dim + 1 :])
        except ValueError:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects an axis {self.dim} that can be taken apart to these sizes, got x of shape "
                f"{x.shape}"
            ) from None
        self.save_for_backward(x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, shape = self.saved(dy)
        return dy.reshape(shape)

    def _sizes(self, length: int) -> tuple[int, ...]:
        known = math.prod(n for n in self.unflattened_size if n != -1)
        return tuple(length // known if n == -1 and known else n for n in self.unflattened_size)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0
