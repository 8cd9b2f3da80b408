"""Pooling: the largest or the mean number of each window of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.images import Size, pair, short, windows
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Pool2d(Layer):
    """What the pooling layers share: sizes, windows, and the way back from them."""

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        name = type(self).__name__
        self.kernel_size = pair(name, "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair(name, "stride", stride, 1)
        self.padding = pair(name, "padding", padding, 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(
                f"{name} expects padding of half the kernel at most, got padding={padding} for {kernel_size}: "
                "a window would see nothing else"
            )

    def windows(self, x: Array, outside: float) -> Array:
        """The windows of x, with that number around it."""
        (top, left), (kh, kw) = self.padding, self.kernel_size
        if x.shape[2] + 2 * top < kh or x.shape[3] + 2 * left < kw:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects images of {kh} by {kw} or more, with padding, got x of shape {x.shape}"
            )
        edges = ((0, 0), (0, 0), (top, top), (left, left))
        padded = np.pad(x, edges, constant_values=outside) if top or left else x
        return windows(padded, self.kernel_size, self.stride, (1, 1))

    def added_up(self, dy: Array, parts: list[Array], shape: tuple[int, ...]) -> Array:
        """dx of the shape of x: the part of dy of each place of the kernel, added where it came from."""
        (top, left), (kh, kw), (down, right) = self.padding, self.kernel_size, self.stride
        height, width = dy.shape[2:]
        dx = np.zeros((*shape[:2], shape[2] + 2 * top, shape[3] + 2 * left), dy.dtype)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i, i + down * (height - 1) + 1, down)
                columns = slice(j, j + right * (width - 1) + 1, right)
                dx[:, :, rows, columns] += parts[i * kw + j]
        return dx[:, :, top : top + shape[2], left : left + shape[3]]

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        options = [] if self.stride == self.kernel_size else [f"stride={short(self.stride)}"]
        options += [] if self.padding == (0, 0) else [f"padding={short(self.padding)}"]
        return f"{type(self).__name__}({', '.join([str(short(self.kernel_size)), *options])})"


class MaxPool2d(Pool2d):
    """y = the largest number of each window of x.

    Shapes: x (N, C, H, W) -> y (N, C, H_out, W_out), H_out = (H + 2 padding − kernel_size) / stride + 1,
    rounded down. kernel_size, stride and padding are one number or (height, width); stride is kernel_size
    unless given. Where padding is used, no number stands there.

    Backward: only the largest number of a window moves y, so dx is dy there and 0 elsewhere; where several
    are equal, the first of them gets it, as in torch. Where windows overlap, a number gets the sum of
    those that it is the largest of.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, None, None))
        seen = self.windows(x, -np.inf)
        flat = seen.reshape(*seen.shape[:4], self.kernel_size[0] * self.kernel_size[1])
        largest = flat.argmax(axis=-1)
        y = np.take_along_axis(flat, largest[..., np.newaxis], axis=-1)[..., 0]
        self.save_for_backward(largest, x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, largest, shape = self.saved(dy)
        kh, kw = self.kernel_size
        parts = [np.where(largest == place, dy, 0).astype(dy.dtype) for place in range(kh * kw)]
        return self.added_up(dy, parts, shape)


class AvgPool2d(Pool2d):
    """y = the mean of each window of x.

    Shapes: x (N, C, H, W) -> y (N, C, H_out, W_out), H_out = (H + 2 padding − kernel_size) / stride + 1,
    rounded down. kernel_size, stride and padding are one number or (height, width); stride is kernel_size
    unless given. Zeros of the padding count, as in torch by default.

    Backward: each of the K = kh kw numbers of a window moves its mean by 1/K, so dx sums dy / K over the
    windows that see it.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
    """

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, None, None))
        y = self.windows(x, 0.0).mean(axis=(4, 5))
        self.save_for_backward(x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, shape = self.saved(dy)
        count = self.kernel_size[0] * self.kernel_size[1]
        return self.added_up(dy, [dy / count] * count, shape)
