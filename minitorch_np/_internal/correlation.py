"""Cross-correlation: y[n,o,h,w] = Σ_cij x[n,c,h+i,w+j] W[o,c,i,j] of images x and kernels W; its gradients.

`correlate_simply` is that formula. The others compute the same with matrix products: what each weight is
multiplied with is copied into a row of a matrix (im2col), for so few images, or rows of one, at a time that
the matrix stays in the processor's cache. dx is the same routine once more, on dy with the kernel turned
round; with a stride, or with few channels, the windows' gradients are added up where they came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.images import Pair, windows

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

CACHE = 2**21  # bytes of a matrix of windows and of its product, which are made at a time
SMALL = 10**6  # multiply-adds; with AVX-512 OpenBLAS makes products of no more quicker, on one thread
NARROW = 32  # rows or columns; a product of fewer is no quicker
MANY = 4  # times as many channels of y as of x


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
    _, image, seen, width, rows = frame(x, x.shape, weight.shape, padding, stride, dilation)
    height, columns = seen.shape[4:]
    kernels = weight.reshape(groups, len(weight) // groups, -1)
    copied = np.empty((*seen.shape[:4], rows, columns), x.dtype)
    products = np.empty((len(image), *kernels.shape[:2], rows * columns), x.dtype)
    y = np.empty((len(x), len(weight), height, width), x.dtype)
    for part in parts(len(x), len(image)):
        count = part.stop - part.start
        image[:count] = x[part]
        for some in parts(height, rows):
            matrix = copied[:count, ..., : some.stop - some.start, :]
            matrix[:] = seen[:count, ..., some, :]
            matrix = matrix.reshape(count, groups, kernels.shape[2], -1)
            out = products[:count, ..., : matrix.shape[3]]
            for few in small(matrix.shape[3], kernels[0].size):
                np.matmul(kernels, matrix[..., few], out=out[..., few])
            y[part, :, some] = out.reshape(count, len(weight), -1, columns)[..., :width]
    return y


def correlate_weight_gradient(
    x: Array, dy: Array, shape: tuple[int, ...], padding: tuple[Pair, Pair], stride: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """dW[o,c,i,j] = Σ_nhw x[n,c,h+i,w+j] dy[n,o,h,w]: dy times the numbers that W was multiplied with."""
    _, image, seen, width, rows = frame(x, x.shape, shape, padding, stride, dilation)
    height, columns = seen.shape[4:]
    out, size = shape[0] // groups, shape[1] * shape[2] * shape[3]
    copied = np.empty((*seen.shape[:4], rows, columns), x.dtype)
    turned = np.zeros((len(image), groups, rows, columns, out), x.dtype)
    products = np.empty((len(image), groups, size, out), x.dtype)
    dkernels = np.zeros((groups, size, out), x.dtype)
    for part in parts(len(x), len(image)):
        count = part.stop - part.start
        image[:count] = x[part]
        for some in parts(height, rows):
            matrix = copied[:count, ..., : some.stop - some.start, :]
            matrix[:] = seen[:count, ..., some, :]
            matrix = matrix.reshape(count, groups, size, -1)
            d = turned[:count, :, : some.stop - some.start]  # a row for each place is quicker
            of_groups = dy[part, :, some].reshape(count, groups, out, -1, width)
            d[..., :width, :] = of_groups.transpose(0, 1, 3, 4, 2)
            d = d.reshape(count, groups, -1, out)
            for few in small(size, d[0, 0].size):
                np.matmul(matrix[:, :, few], d, out=products[:count, :, few])
            dkernels += products[:count].sum(axis=0)
    return dkernels.swapaxes(1, 2).reshape(shape)


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
    frames, image, seen, width, rows = frame(dy, shape, weight.shape, padding, stride, dilation)
    height, columns = seen.shape[4:]
    kernels = weight.reshape(groups, out // groups, -1).swapaxes(1, 2)
    copied = np.zeros((len(image), out, rows, columns), dy.dtype)
    products = np.empty((len(image), *kernels.shape[:2], rows * columns), dy.dtype)
    dx = np.empty(shape, dy.dtype)
    for part in parts(len(dy), len(image)):
        count = part.stop - part.start
        frames[:] = 0
        for some in parts(height, rows):
            d = copied[:count, :, : some.stop - some.start]
            d[..., :width] = dy[part, :, some]
            d = d.reshape(count, groups, out // groups, -1)
            dseen = products[:count, ..., : d.shape[3]]
            for few in small(d.shape[3], kernels[0].size):
                np.matmul(kernels, d[..., few], out=dseen[..., few])
            dseen = dseen.reshape(count, shape[1], kh, kw, -1, columns)
            for i, j in np.ndindex(kh, kw):
                seen[:count, :, i, j, some] += dseen[:, :, i, j]
        dx[part] = image[:count]
    return dx


def frame(
    like: Array, shape: tuple[int, ...], kernels: tuple[int, ...], padding: tuple[Pair, Pair], stride: Pair,
    dilation: Pair,
) -> tuple[Array, Array, Array, int, int]:  # fmt: skip
    """A frame of zeros, the place for a few images in it, what each weight meets there, and two sizes.

    What a weight meets is a view (N, C, kh, kw, height, columns). With a stride of 1 it meets the numbers one
    after another as they lie in memory, and long pieces are copied quickest, so there the view goes on over
    what stands between two rows: of its columns the first, as many as y is wide, are wanted. The zeros to the
    right of a row are those to the left of the next. The sizes are the width of y, and how many of its rows
    are made at a time.
    """
    (top, bottom), (left, right) = padding
    _, channels, height, width = shape
    out, _, kh, kw = kernels
    down, across = dilation[0] * (kh - 1), dilation[1] * (kw - 1)
    tall, wide = top + height + bottom, left + width + right
    y_height, y_width = (tall - down - 1) // stride[0] + 1, (wide - across - 1) // stride[1] + 1
    columns = y_width
    if stride == (1, 1):
        columns = wide = width + max(left, right, left + right - across)
    size = (channels * kh * kw + out) * columns * like.itemsize  # bytes of a row of y
    samples = max(1, min(len(like), CACHE // (size * y_height)))
    frames = np.zeros((samples, channels, tall * wide + across), like.dtype)
    images = frames[..., : tall * wide].reshape(samples, channels, tall, wide)
    sample, channel, row, column = images.strides
    seen: Array = np.ndarray(  # which refuses to look beyond the frames
        (samples, channels, kh, kw, y_height, columns),
        like.dtype,
        frames,
        strides=(sample, channel, dilation[0] * row, dilation[1] * column, stride[0] * row, stride[1] * column),
    )
    image = images[:, :, top : top + height, left : left + width]
    return frames, image, seen, y_width, min(y_height, max(1, CACHE // size))


def parts(length: int, step: int) -> list[slice]:
    """A few at a time."""
    return [slice(i, min(i + step, length)) for i in range(0, length, step)]


def small(length: int, size: int) -> list[slice]:
    """As many rows or columns at a time, with `size` multiply-adds for each, as make a small product."""
    few = SMALL // size // 16 * 16
    return parts(length, few if few >= NARROW else max(1, length))
