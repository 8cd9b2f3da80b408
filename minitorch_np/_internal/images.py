"""Windows of images: sizes of kernels, views of what each of their places sees, and copies around the edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import whole

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Pair = tuple[int, int]
Size = int | Pair

# torch's words and NumPy's
MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pair(owner: str, name: str, value: Size, least: int) -> Pair:
    """One size for height and width, or one for each."""
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{owner} expects {name} as one number or two, (height, width), got {value!r}")
    height, width = (whole(owner, name, size, least) for size in both)
    return height, width


def short(size: Size) -> Size:
    """Two sizes as one where they are the same."""
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair) -> Array:
    """The view (N, C, H_out, W_out, kh, kw) of x (N, C, H, W): what the kernel sees from each place."""
    sizes = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=(2, 3))
    return seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def padded(x: Array, edges: tuple[Pair, Pair], mode: str) -> Array:
    """x (N, C, H, W) with copies of its numbers around it."""
    return np.pad(x, ((0, 0), (0, 0), *edges), MODES[mode])


def padded_backward(dy: Array, shape: tuple[int, ...], edges: tuple[Pair, Pair], mode: str) -> Array:
    """dx of `padded`: what a copy gets back is added to the number that it is a copy of."""
    dx = dy
    for axis, (before, after) in zip((2, 3), edges, strict=True):
        size = shape[axis]
        source = np.pad(np.arange(size), (before, after), MODES[mode])
        along = dx.swapaxes(0, axis)
        inside = along[before : before + size].copy()
        for i in (*range(before), *range(before + size, before + size + after)):
            inside[source[i]] += along[i]
        dx = inside.swapaxes(0, axis)
    return dx
