"""Windows of images: sizes of kernels, and views of what each of their places sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.validation import whole

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Pair = tuple[int, int]
Size = int | Pair


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
