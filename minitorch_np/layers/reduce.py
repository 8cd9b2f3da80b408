"""Reduction: one number, or the mean, of all that stand along an axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from minitorch_np._internal.validation import axis, flag
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Select(Layer):
    """y = the part of x at position `index` of the axis `dim`.

    Shapes: x (N, ...) -> y (N, ...), without that axis. Axis 0 is the batch; Select(1, -1) is the last step
    of a sequence (N, length, features).
    Backward: y_i is the x at that position, unchanged, and no other x moves it, so dx is dy there and 0
    elsewhere.
    Raises ValueError for an x that has no such axis or position.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.select.html
    """

    passes_integers = True

    def __init__(self, dim: int, index: SupportsIndex) -> None:  # no size, so that it may be any number
        self.dim = axis("Select", "dim", dim)
        self.index = axis("Select", "index", index)

    def forward(self, x: Array) -> Array:
        x = self.check_input_axis(x, self.dim)
        length = x.shape[self.dim]
        if not -length <= self.index < length:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects x to have a position {self.index} along axis {self.dim}, got x of shape "
                f"{x.shape}"
            )
        y = x.take(self.index, axis=self.dim)
        self.save_for_backward(x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, shape = self.saved(dy)
        dx = np.zeros(shape, dy.dtype)
        np.moveaxis(dx, self.dim, 0)[self.index] = dy
        return dx

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class Mean(Layer):
    """y = the mean of x over the axis `dim`, or over several.

    Shapes: x (N, ...) -> y (N, ...), without these axes, or with keepdim=True of length 1 there. Axis 0 is
    the batch; Mean(1) is the mean over the steps of a sequence (N, length, features).
    Backward: each of the K numbers along the axes moves their mean by 1/K, so dx = dy / K for all of them.
    Raises ValueError for an x that has no such axis, or nothing along it.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.mean.html
    """

    def __init__(self, dim: int | tuple[int, ...], keepdim: bool = False) -> None:
        several = tuple(axis("Mean", "dim", each) for each in dim) if isinstance(dim, tuple | list) else None
        if several == ():
            raise ValueError("Mean expects dim to be the number of an axis or several, got none")
        self.dim: int | tuple[int, ...] = several or axis("Mean", "dim", dim)
        self.keepdim = flag("Mean", "keepdim", keepdim)

    def forward(self, x: Array) -> Array:
        dims = self.dim if isinstance(self.dim, tuple) else (self.dim,)
        for dim in dims:
            x = self.check_input_axis(x, dim)
        axes = tuple(dim % x.ndim for dim in dims)
        count = math.prod(x.shape[dim] for dim in axes)
        if count == 0 or len(set(axes)) < len(axes):
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects x to have different axes {self.dim} of length 1 or more, got x of shape "
                f"{x.shape}"
            )
        y = x.mean(axis=axes, keepdims=self.keepdim)
        self.save_for_backward(axes, count, x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, axes, count, shape = self.saved(dy)
        part = dy / count if self.keepdim else np.expand_dims(dy / count, axes)
        return np.broadcast_to(part, shape).copy()

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0
