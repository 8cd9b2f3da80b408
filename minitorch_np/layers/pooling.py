"""Pooling: the largest or the mean number of each window of an image or a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.images import Pair, Size, pair, short
from minitorch_np._internal.validation import flag, whole
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Pool(Layer):
    """What the pooling layers share: sizes, windows, and the way back from them.

    A sequence (N, C, L) is seen as an image (N, C, 1, L).
    """

    spatial = 2  # axes that a window extends over
    dilation: Any = 1

    def set_sizes(self, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool) -> None:
        name = type(self).__name__
        self.kernel_size = self.size("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else self.size("stride", stride, 1)
        self.padding = self.size("padding", padding, 0)
        self.ceil_mode = flag(name, "ceil_mode", ceil_mode)
        if any(2 * p > k for p, k in zip(self._edges, self._kernel, strict=True)):
            raise ValueError(
                f"{name} expects padding of half the kernel at most, got padding={padding} for {kernel_size}: "
                "a window would see nothing else"
            )

    def size(self, name: str, value: Size, least: int) -> Any:
        """Height and width, of a sequence its length."""
        return (pair if self.spatial == 2 else whole)(type(self).__name__, name, value, least)

    @property
    def _dilation(self) -> Pair:
        return self._as_pair(self.dilation, 1) if self.dilation != 1 else (1, 1)

    @property
    def _kernel(self) -> Pair:
        return self._as_pair(self.kernel_size, 1)

    @property
    def _step(self) -> Pair:
        return self._as_pair(self.stride, 1)

    @property
    def _edges(self) -> Pair:
        return self._as_pair(self.padding, 0)

    def _as_pair(self, size: Any, of_height: int) -> tuple[int, int]:
        return size if self.spatial == 2 else (of_height, size)

    def as_images(self, a: Array) -> Array:
        """Images, or sequences with an axis of height 1."""
        return a if self.spatial == 2 else a[:, :, np.newaxis]

    def as_given(self, images: Array) -> Array:
        """The inverse of `as_images`."""
        return images if self.spatial == 2 else images[:, :, 0]

    def padded(self, x: Array, outside: float) -> Array:
        """x with that number around it, and below and to the right of it as far as the last window reaches."""
        (top, left), (kh, kw) = (
            self._edges,
            (d * (k - 1) + 1 for k, d in zip(self._kernel, self._dilation, strict=True)),
        )
        height, width = x.shape[2] + 2 * top, x.shape[3] + 2 * left
        reach = self._step if self.ceil_mode else (1, 1)  # so far a single window may stand out
        if height <= kh - reach[0] or width <= kw - reach[1]:
            self.clear_saved()
            least = f"images of {kh} by {kw}" if self.spatial == 2 else f"sequences of {kw}"
            raise ValueError(
                f"{self!r} expects {least} or more, with padding, got x of shape {self.as_given(x).shape}: a "
                "smaller kernel_size, or more padding"
            )
        below = self._rest(height - kh, self._step[0], x.shape[2] + top) if self.ceil_mode else 0
        right = self._rest(width - kw, self._step[1], x.shape[3] + left) if self.ceil_mode else 0
        edges = ((0, 0), (0, 0), (top, top + below), (left, left + right))
        return np.pad(x, edges, constant_values=outside) if top or left or below or right else x

    @staticmethod
    def _rest(room: int, step: int, end: int) -> int:
        """How far the last window reaches out; none begins behind x."""
        count = -(-room // step)
        count -= count * step >= end
        return max(0, count * step - room)

    def inside(self, dx: Array, shape: tuple[int, ...]) -> Array:
        """dx of x, from that of the padded one."""
        (top, left), (height, width) = self._edges, shape[2:]
        return self.as_given(dx[:, :, top : top + height, left : left + width])

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        sizes = [self.kernel_size, self.stride, self.padding, self.dilation]
        kernel, stride, padding, dilation = map(short, sizes) if self.spatial == 2 else sizes
        options = [] if self.stride == self.kernel_size else [f"stride={stride}"]
        options += [] if padding == 0 else [f"padding={padding}"]
        options += [] if dilation == 1 else [f"dilation={dilation}"]
        options += ["ceil_mode=True"] if self.ceil_mode else []
        options += [] if getattr(self, "count_include_pad", True) else ["count_include_pad=False"]
        divisor = getattr(self, "divisor_override", None)
        options += [] if divisor is None else [f"divisor_override={divisor}"]
        return f"{type(self).__name__}({', '.join([str(kernel), *options])})"


class MaxPool2d(Pool):
    """y = the largest number of each window of x.

    Shapes: x (N, C, H, W) -> y (N, C, H_out, W_out),
    H_out = (H + 2 padding − dilation (kernel_size − 1) − 1) / stride + 1, rounded down, with ceil_mode up.
    kernel_size, stride, padding and dilation are one number or (height, width); stride is kernel_size unless
    given. Where padding is used, no number stands there.

    Backward: only the largest number of a window moves y, so dx is dy there and 0 elsewhere; where several
    are equal, the first of them gets it, as in torch. Where windows overlap, a number gets the sum of
    those that it is the largest of.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self.set_sizes(kernel_size, stride, padding, ceil_mode)
        self.dilation = self.size("dilation", dilation, 1)

    def forward(self, x: Array) -> Array:
        x = self.as_images(self.check_input(x, (None, None, *(None,) * self.spatial)))
        padded = self.padded(x, -np.inf)
        y = maxima(padded, self._kernel, self._step, self._dilation)
        self.save_for_backward(padded, y, x.shape, output=self.as_given(y))
        return self.as_given(y)

    def backward(self, dy: Array) -> Array:
        dy, padded, y, shape = self.saved(dy)
        dx = maxima_backward(self.as_images(dy), padded, y, self._kernel, self._step, self._dilation)
        return self.inside(dx, shape)


class MaxPool1d(MaxPool2d):
    """y = the largest number of each window of x.

    Shapes: x (N, C, L) -> y (N, C, L_out),
    L_out = (L + 2 padding − dilation (kernel_size − 1) − 1) / stride + 1, rounded down, with ceil_mode up.
    stride is kernel_size unless given. Where padding is used, no number stands there.

    Backward: only the largest number of a window moves y, so dx is dy there and 0 elsewhere; where several
    are equal, the first of them gets it, as in torch. Where windows overlap, a number gets the sum of
    those that it is the largest of.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html
    """

    spatial = 1


class AvgPool2d(Pool):
    """y = the mean of each window of x.

    Shapes: x (N, C, H, W) -> y (N, C, H_out, W_out), H_out = (H + 2 padding − kernel_size) / stride + 1,
    rounded down, with ceil_mode up. kernel_size, stride and padding are one number or (height, width); stride
    is kernel_size unless given. Zeros of the padding count, unless count_include_pad is False; what a window
    has beyond them, with ceil_mode, does not. With divisor_override y is the sum of each window, over that
    number.

    Backward: each of the K numbers of a window moves its mean by 1/K, so dx sums dy / K over the windows that
    see it; with divisor_override by one over that number.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.set_sizes(kernel_size, stride, padding, ceil_mode)
        name = type(self).__name__
        self.count_include_pad = flag(name, "count_include_pad", count_include_pad)
        divisor = divisor_override
        self.divisor_override = None if divisor is None else whole(name, "divisor_override", divisor, 1)

    def forward(self, x: Array) -> Array:
        x = self.as_images(self.check_input(x, (None, None, *(None,) * self.spatial)))
        padded = self.padded(x, 0.0)
        counts = self._counts(padded.shape, x.shape)
        y = self.as_given(averages(padded, self._kernel, self._step, counts))
        self.save_for_backward(padded.shape, x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, padded, shape = self.saved(dy)
        counts = self._counts(padded, shape)
        return self.inside(
            averages_backward(self.as_images(dy), padded, self._kernel, self._step, counts), shape
        )

    def _counts(self, padded: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """How many rows, and how many columns, count in each window."""
        if self.divisor_override is not None:
            rows, columns = ((padded[2 + axis] - self._kernel[axis]) // self._step[axis] + 1 for axis in (0, 1))
            return (1,) * rows, (self.divisor_override,) * columns
        counts = []
        for axis in (0, 1):
            size, edge = shape[2 + axis], self._edges[axis]
            kernel, step = self._kernel[axis], self._step[axis]
            first, end = (0, size + 2 * edge) if self.count_include_pad else (edge, edge + size)
            starts = range(0, padded[2 + axis] - kernel + 1, step)
            counts.append(tuple(min(i + kernel, end) - max(i, first) for i in starts))
        return tuple(counts)


class AvgPool1d(AvgPool2d):
    """y = the mean of each window of x.

    Shapes: x (N, C, L) -> y (N, C, L_out), L_out = (L + 2 padding − kernel_size) / stride + 1, rounded down,
    with ceil_mode up. stride is kernel_size unless given. Zeros of the padding count, unless count_include_pad
    is False; what a window has beyond them, with ceil_mode, does not.

    Backward: each of the K numbers of a window moves its mean by 1/K, so dx sums dy / K over the windows
    that see it.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html
    """

    spatial = 1


class AdaptiveAvgPool2d(Layer):
    """y = the mean of each of H_out by W_out windows, of the size that fits x.

    Shapes: x (N, C, H, W) -> y (N, C, H_out, W_out). output_size is one number or (height, width); None
    keeps that of x. As in torch, window i of H_out has the rows from i H / H_out, rounded down, to
    (i + 1) H / H_out, rounded up: where H_out does not divide H they overlap and differ in size. With
    output_size 1 it is the mean of each channel.

    Backward: each of the K numbers of a window moves its mean by 1/K, so dx sums dy / K over the windows
    that see it.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        both: Any = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
        given: Any = tuple(1 if size is None else size for size in both)
        height, width = pair("AdaptiveAvgPool2d", "output_size", given, 1)
        self.output_size = None if both[0] is None else height, None if both[1] is None else width

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, None, None))
        if 0 in x.shape[2:]:
            self.clear_saved()
            raise ValueError(f"{self!r} expects images of 1 by 1 or more, got x of shape {x.shape}")
        rows, columns = (self._windows(*sizes) for sizes in zip(x.shape[2:], self.output_size, strict=True))
        y = means(x, rows, columns)
        self.save_for_backward(rows, columns, x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, rows, columns, shape = self.saved(dy)
        return spread_means(dy, rows, columns, shape)

    @staticmethod
    def _windows(size: int, count: int | None) -> tuple[tuple[int, int], ...]:
        """The start and the end of each window along one axis."""
        count = size if count is None else count
        return tuple((i * size // count, -(-(i + 1) * size // count)) for i in range(count))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        height, width = self.output_size
        return f"AdaptiveAvgPool2d({height if height == width else self.output_size})"


def places(shape: tuple[int, ...], kernel: Pair, stride: Pair, dilation: Pair) -> list[tuple[slice, slice]]:
    """For each place of the kernel the rows and columns that it sees from all windows."""
    height = (shape[2] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] * stride[0] + 1
    width = (shape[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] * stride[1] + 1
    tops, lefts = [dilation[0] * i for i in range(kernel[0])], [dilation[1] * j for j in range(kernel[1])]
    rows = [slice(i, i + height, stride[0]) for i in tops]
    columns = [slice(j, j + width, stride[1]) for j in lefts]
    return [(some, others) for some in rows for others in columns]


def maxima(x: Array, kernel: Pair, stride: Pair, dilation: Pair) -> Array:
    """The largest number of each window of x (N, C, H, W)."""
    (rows, columns), *others = places(x.shape, kernel, stride, dilation)
    y = x[:, :, rows, columns].copy()
    for rows, columns in others:
        np.maximum(y, x[:, :, rows, columns], out=y)
    return y


def maxima_backward(dy: Array, x: Array, y: Array, kernel: Pair, stride: Pair, dilation: Pair) -> Array:
    """dx of `maxima`: dy where the first number of a window is that is equal to y, 0 elsewhere."""
    dx = np.zeros(x.shape, dy.dtype)
    open_windows = np.ones(y.shape, bool)
    for rows, columns in places(x.shape, kernel, stride, dilation):
        largest = ~(x[:, :, rows, columns] < y) & open_windows  # the first of a window that has a NaN
        open_windows ^= largest
        dx[:, :, rows, columns] += dy * largest
    return dx


def averages(x: Array, kernel: Pair, stride: Pair, counts: tuple[tuple[int, ...], ...]) -> Array:
    """The mean of each window of x (N, C, H, W), in each of which so many rows and columns count."""
    (rows, columns), *others = places(x.shape, kernel, stride, (1, 1))
    y = x[:, :, rows, columns].copy()
    for rows, columns in others:
        y += x[:, :, rows, columns]
    y /= np.outer(counts[0], counts[1]).astype(x.dtype)
    return y


def averages_backward(
    dy: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, counts: tuple[tuple[int, ...], ...]
) -> Array:
    """dx of `averages`: dy / K for each of the K numbers of a window, added up where windows overlap."""
    dx = np.zeros(shape, dy.dtype)
    part = dy / np.outer(counts[0], counts[1]).astype(dy.dtype)
    for rows, columns in places(shape, kernel, stride, (1, 1)):
        dx[:, :, rows, columns] += part
    return dx


def means(x: Array, rows: Any, columns: Any) -> Array:
    """The mean of each window of x (N, C, H, W); rows and columns are where the windows start and end."""
    lines = np.empty((*x.shape[:2], len(rows), x.shape[3]), x.dtype)
    for i, (top, bottom) in enumerate(rows):
        lines[:, :, i] = x[:, :, top:bottom].mean(axis=2)
    y = np.empty((*x.shape[:2], len(rows), len(columns)), x.dtype)
    for j, (left, right) in enumerate(columns):
        y[..., j] = lines[..., left:right].mean(axis=3)
    return y


def spread_means(dy: Array, rows: Any, columns: Any, shape: tuple[int, ...]) -> Array:
    """dy / K added to each of the K numbers of its window, in an array of that shape."""
    dlines = np.zeros((*dy.shape[:3], shape[3]), dy.dtype)
    for j, (left, right) in enumerate(columns):
        dlines[..., left:right] += dy[..., j : j + 1] / (right - left)
    dx = np.zeros(shape, dy.dtype)
    for i, (top, bottom) in enumerate(rows):
        dx[:, :, top:bottom] += dlines[:, :, i : i + 1] / (bottom - top)
    return dx
