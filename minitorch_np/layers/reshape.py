"""Reshaping: the same numbers in another shape or another order of axes."""

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

    passes_integers = True

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

    passes_integers = True

    def __init__(self, dim: int, unflattened_size: Iterable[int]) -> None:
        self.dim = axis("Unflatten", "dim", dim)
        self.unflattened_size = _sizes("Unflatten", "unflattened_size", unflattened_size)
        if not self.unflattened_size:
            raise ValueError("Unflatten expects a size or more in unflattened_size, got none")

    def forward(self, x: Array) -> Array:
        x = self.check_input_axis(x, self.dim)
        dim = self.dim % x.ndim
        try:
            sizes = _known(self.unflattened_size, x.shape[dim])
            y = x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])
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

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class Reshape(Layer):
    """y = x with the numbers of each sample in another shape, of which one size may be -1.

    Shapes: x (N, ...) -> y (N, *shape). The batch axis stays: the layer of x.reshape(len(x), *shape).
    Backward: y_i is some x_j, unchanged, so dx = dy in the shape of x.
    Raises ValueError for a sample that does not have as many numbers as the shape.
    Source: https://numpy.org/doc/stable/reference/generated/numpy.reshape.html
    """

    passes_integers = True

    def __init__(self, *shape: int) -> None:
        self.shape = _sizes("Reshape", "shape", shape)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x)
        try:
            y = x.reshape(x.shape[0], *_known(self.shape, math.prod(x.shape[1:])))
        except ValueError:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects samples whose numbers fill this shape, got x of shape {x.shape}, "
                f"{math.prod(x.shape[1:])} numbers a sample"
            ) from None
        self.save_for_backward(x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, shape = self.saved(dy)
        return dy.reshape(shape)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class Transpose(Layer):
    """y = x with the axes `dim0` and `dim1` in each other's place.

    Shapes: x (N, ...) -> y (N, ...). Axis 0 is the batch: Transpose(1, 2) makes (N, channels, length) of
    (N, length, channels).
    Backward: y_ij is x_ji, unchanged, so dx is dy with the same two axes swapped back.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.transpose.html
    """

    passes_integers = True

    def __init__(self, dim0: int, dim1: int) -> None:
        self.dim0 = axis("Transpose", "dim0", dim0)
        self.dim1 = axis("Transpose", "dim1", dim1)

    def forward(self, x: Array) -> Array:
        x = self.check_input_axis(self.check_input_axis(x, self.dim0), self.dim1)
        y = x.swapaxes(self.dim0, self.dim1)
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        return dy.swapaxes(self.dim0, self.dim1)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


def _sizes(owner: str, name: str, sizes: Iterable[int]) -> tuple[int, ...]:
    """Sizes, of which one may be -1, checked."""
    if not isinstance(sizes, Iterable):
        raise TypeError(f"{owner} expects {name} to be sizes such as (2, -1), got {sizes!r}")
    checked = tuple(whole(owner, name, size, -1) for size in sizes)
    if checked.count(-1) > 1:
        raise ValueError(f"{owner} expects sizes, of which one may be -1, got {checked}")
    return checked


def _known(sizes: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The sizes of an array of so many numbers, with what -1 stands for."""
    known = math.prod(n for n in sizes if n != -1)
    return tuple(count // known if n == -1 and known else n for n in sizes)
