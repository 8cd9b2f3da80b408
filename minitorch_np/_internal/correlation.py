"""Cross-correlation: y[n,o,h,w] = Σ_cij x[n,c,h+i,w+j] W[o,c,i,j] of images x and kernels W; its gradients.

`correlate_simply` is that formula. The others compute the same with matrix products, a few samples at a
time, so that what they make of them stays in the processor's cache. They lay out windows along the width
only, for all rows of the image: what one row of the kernel sees. Row i of the kernel sees the same windows
as row 0, i rows further down, so there is one product for each row of the kernel, each with another part of
the same array. With few channels, or a stride from row to row, whole windows and a single product are
faster. dx is the same routine once more, on dy with the kernel turned round; with a stride, the windows'
gradients are added up where they came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.images import Pair, windows

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

CACHE = 3 * 2**18  # bytes of windows that are made at a time
FEW = 32  # numbers in a row of the kernel, all channels together
MANY = 4  # times as many channels of y as of x
LONGEST = 128  # sum of products that is quick: what it needs stays in the nearest cache


def correlate_simply(
    x: Array, weight: Array, padding: tuple[Pair, Pair], stride: Pair, dilation: Pair
) -> Array:
    """Return y[n,o,h,w] = Σ_cij x[n,c,h+i,w+j] W[o,c,i,j]."""
    seen = windows(np.pad(x, ((0, 0), (0, 0), *padding)), weight.shape[2:], stride, dilation)
    return np.einsum("nchwij,ocij->nohw", seen, weight)


def correlate(
    x: Array, weight: Array, padding: tuple[Pair, Pair], stride: Pair, dilation: Pair, groups: int
) -> Array:
    """y[n,o,h,w] = Σ_cij x[n,c,h+i,w+j] W[o,c,i,j], the kernel W at each place (h, w) of the image x."""
    (height, width), taps, starts = layout(x.shape, weight.shape, padding, stride, dilation)
    kernels = by_row(weight, len(starts), groups).transpose(0, 1, 3, 2)
    y = np.empty((len(x), len(weight), height, width), x.dtype)
    for part in parts(x, taps):
        seen = row_windows(x[part], taps, starts, height, width, padding, stride)
        seen = seen.reshape(len(seen), groups, kernels.shape[2], -1)
        seen = seen.transpose(0, 1, 3, 2)  # a column for each output is faster than a row
        out = np.matmul(seen[:, :, : height * width], kernels[0])
        for kernel, start in zip(kernels[1:], starts[1:], strict=True):
            out += np.matmul(seen[:, :, start * width : (start + height) * width], kernel)
        y[part] = out.transpose(0, 1, 3, 2).reshape(-1, len(weight), height, width)
    return y


def correlate_weight_gradient(
    x: Array, dy: Array, shape: tuple[int, ...], padding: tuple[Pair, Pair], stride: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """dW[o,c,i,j] = Σ_nhw x[n,c,h+i,w+j] dy[n,o,h,w]: dy times the numbers that W was multiplied with."""
    (height, width), taps, starts = layout(x.shape, shape, padding, stride, dilation)
    out, channels, kh, kw = shape
    size = channels * kh // len(starts) * kw
    dkernels = np.zeros((len(starts), groups, size, out // groups), dy.dtype)
    for part in parts(x, taps):
        seen = row_windows(x[part], taps, starts, height, width, padding, stride)
        seen = seen.reshape(len(seen), groups, size, -1)
        d = dy[part].reshape(len(seen), groups, -1, height * width).transpose(0, 1, 3, 2)
        for dkernel, start in zip(dkernels, starts, strict=True):
            rows = seen[..., start * width : (start + height) * width]
            for first in range(0, height * width, LONGEST):
                some = slice(first, first + LONGEST)
                dkernel += np.matmul(rows[..., some], d[:, :, some]).sum(axis=0)
    dw = dkernels.reshape(len(starts), groups, channels, kh // len(starts), kw, out // groups)
    return dw.transpose(1, 5, 2, 0, 3, 4).reshape(shape)


def correlate_input_gradient(
    dy: Array, weight: Array, shape: tuple[int, ...], padding: tuple[Pair, Pair], stride: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """dx[n,c,h+i,w+j] = Σ_o dy[n,o,h,w] W[o,c,i,j], summed over all windows (h, w) that see the number."""
    out, channels, kh, kw = weight.shape
    (top, bottom), (left, right) = padding
    down, across = dilation[0] * (kh - 1), dilation[1] * (kw - 1)  # from the first to the last row and column
    inside = max(top, bottom) <= down and max(left, right) <= across
    if stride == (1, 1) and inside and out <= MANY * channels * groups:
        turned = weight.reshape(groups, -1, channels, kh, kw)[..., ::-1, ::-1].swapaxes(1, 2)
        turned = turned.reshape(groups * channels, -1, kh, kw)
        around = ((down - top, down - bottom), (across - left, across - right))
        return correlate(dy, turned, around, stride, dilation, groups)
    height, width = dy.shape[2:]
    taps = [(dilation[0] * i, dilation[1] * j) for i in range(kh) for j in range(kw)]
    kernels = by_row(weight, 1, groups)[0].transpose(0, 2, 1)
    dx = np.empty(shape, dy.dtype)
    for part in parts(dx, taps):
        d = dy[part].reshape(-1, groups, out // groups, height * width)
        dseen = np.matmul(kernels, d).reshape(len(d), shape[1], len(taps), height, width)
        padded = np.zeros((len(d), shape[1], top + shape[2] + bottom, left + shape[3] + right), dy.dtype)
        for k, (i, j) in enumerate(taps):
            rows = slice(i, i + stride[0] * (height - 1) + 1, stride[0])
            padded[:, :, rows, j : j + stride[1] * (width - 1) + 1 : stride[1]] += dseen[:, :, k]
        dx[part] = padded[:, :, top : top + shape[2], left : left + shape[3]]
    return dx


def layout(
    shape: tuple[int, ...], kernels: tuple[int, ...], padding: tuple[Pair, Pair], stride: Pair, dilation: Pair
) -> tuple[Pair, list[Pair], list[int]]:
    """Sizes of y; places of the kernel that a window is made of; rows at which the rows of the kernel begin."""
    _, channels, kh, kw = kernels
    height = (shape[2] + sum(padding[0]) - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    width = (shape[3] + sum(padding[1]) - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    rows, columns = [dilation[0] * i for i in range(kh)], [dilation[1] * j for j in range(kw)]
    if stride[0] > 1 or channels * kw < FEW:
        return (height, width), [(i, j) for i in rows for j in columns], [0]
    return (height, width), [(0, j) for j in columns], rows


def by_row(weight: Array, rows: int, groups: int) -> Array:
    """The kernels as a matrix for each of their rows and each group: (rows, groups, out, channels · places)."""
    out, channels, kh, kw = weight.shape
    split = weight.reshape(groups, out // groups, channels, rows, kh // rows, kw).transpose(3, 0, 1, 2, 4, 5)
    return split.reshape(rows, groups, out // groups, channels * kh // rows * kw)


def parts(x: Array, taps: list[Pair]) -> list[slice]:
    """A few samples at a time."""
    count = 1 + CACHE * len(x) // max(1, x.nbytes * len(taps))
    return [slice(i, i + count) for i in range(0, len(x), count)]


def row_windows(
    x: Array, taps: list[Pair], starts: list[int], height: int, width: int, padding: tuple[Pair, Pair],
    stride: Pair,
) -> Array:  # fmt: skip
    """The numbers of x under each of the taps, from each place: (N, C, taps, rows, width)."""
    (top, bottom), (left, right) = padding
    down, along = stride
    padded = np.zeros((*x.shape[:2], top + x.shape[2] + bottom, left + x.shape[3] + right), x.dtype)
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    seen = np.empty((*x.shape[:2], len(taps), starts[-1] + height, width), x.dtype)
    for k, (i, j) in enumerate(taps):
        rows = slice(i, i + down * (seen.shape[3] - 1) + 1, down)
        seen[:, :, k] = padded[:, :, rows, j : j + along * (width - 1) + 1 : along]
    return seen
