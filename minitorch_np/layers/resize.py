"""Resize: more pixels of the same image, or zeros around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.images import Pair
from minitorch_np._internal.validation import above_zero, choice, whole
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Upsample(Layer):
    """y_i = the x_j that stands at the same part of the image, j = i / scale_factor rounded down.

    Shapes: x (N, C, ...) -> y (N, C, ...), with every axis after the first two `scale_factor` times as long,
    rounded down, or as long as `size` says. Both are one number or one an axis; scale_factor need not be
    whole. The only mode is "nearest". Where i / scale_factor is whole but for rounding, torch takes x_j or its
    neighbour, not the same in float32 and float64; here it is in both what torch takes in float32.

    Backward: x_j moves every y_i that repeats it, so dx_j sums dy over them.
    Raises ValueError unless exactly one of size and scale_factor is given.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html
    """

    def __init__(
        self,
        size: int | Iterable[int] | None = None,
        scale_factor: float | Iterable[float] | None = None,
        mode: str = "nearest",
    ) -> None:
        if (size is None) == (scale_factor is None):
            raise ValueError(
                f"Upsample expects size or scale_factor, one of them, got size={size} and "
                f"scale_factor={scale_factor}"
            )
        self.size: Any = _each(size, lambda n: whole("Upsample", "size", n, 1))
        self.scale_factor: Any = _each(scale_factor, lambda s: above_zero("Upsample", "scale_factor", s))
        self.mode = choice("Upsample", "mode", mode, "nearest")

    def forward(self, x: Array) -> Array:
        x = self.check_input(x)
        y, counts = x, self._counts(x.shape)
        for axis, count in enumerate(counts, 2):
            y = y.repeat(count, axis=axis)
        self.save_for_backward(counts, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, counts = self.saved(dy)
        for axis, count in enumerate(counts, 2):
            dy = sum_repeated(dy, count, axis)
        return dy

    def _counts(self, shape: tuple[int, ...]) -> list[int | tuple[int, ...]]:
        """How often each number of x is repeated, along each axis after the first two."""
        option = self.size if self.scale_factor is None else self.scale_factor
        given = option if isinstance(option, tuple) else (option,) * max(1, len(shape) - 2)
        lengths = _lengths(shape[2:], given, self.size is None) if len(given) == len(shape) - 2 else (0,)
        if 0 in (*shape[2:], *lengths):
            self.clear_saved()
            after = f"{len(given)}" if isinstance(option, tuple) else "one or more"
            raise ValueError(
                f"{self!r} expects x of shape (N, C, ...) with {after} axes after the first two, of 1 or more "
                f"before and after, got x of shape {shape}"
            )
        factors = given if self.size is None else (None,) * len(lengths)
        return [_repeats(*each) for each in zip(shape[2:], lengths, factors, strict=True)]

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class ZeroPad2d(Layer):
    """y = x with zeros around each image.

    Shapes: x (N, C, H, W) -> y (N, C, H_out, W_out), H_out = H + top + bottom, W_out = W + left + right.
    padding is one number or (left, right, top, bottom); a negative one cuts so many pixels off.

    Backward: every x stands unchanged in y, so dx is the part of dy where it stands; the zeros are constants.
    What was cut off moved nothing, so dx is 0 there.
    Raises ValueError for an image of which nothing would be left.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad2d.html
    """

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        four = padding if isinstance(padding, tuple | list) else (padding,) * 4
        if len(four) != 4:
            raise ValueError(
                f"ZeroPad2d expects padding as one number or (left, right, top, bottom), got {padding!r}"
            )
        left, right, top, bottom = (whole("ZeroPad2d", "padding", size, None) for size in four)
        self.padding = left, right, top, bottom

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, None, None))
        left, right, top, bottom = self.padding
        if x.shape[2] + top + bottom < 1 or x.shape[3] + left + right < 1:
            self.clear_saved()
            raise ValueError(f"{self!r} expects images of which a pixel is left, got x of shape {x.shape}")
        y = np.pad(self._cut(x, 1), self._zeros(1))
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        return np.pad(self._cut(dy, -1), self._zeros(-1))

    def _cut(self, a: Array, sign: int) -> Array:
        """Without the edges that the padding takes off (sign 1) or puts on (sign −1)."""
        left, right, top, bottom = (max(0, -sign * size) for size in self.padding)
        return a[:, :, top : a.shape[2] - bottom, left : a.shape[3] - right]

    def _zeros(self, sign: int) -> tuple[Pair, ...]:
        """The zeros that it puts on (sign 1), or that stand for what it took off (sign −1)."""
        left, right, top, bottom = (max(0, sign * size) for size in self.padding)
        return (0, 0), (0, 0), (top, bottom), (left, right)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        same = len(set(self.padding)) == 1
        return f"ZeroPad2d({self.padding[0] if same else self.padding})"


def sum_repeated(a: Array, counts: int | tuple[int, ...], axis: int) -> Array:
    """The sum of the numbers that `b.repeat(counts, axis)` makes of one, 0 where it leaves one out."""
    along = a.swapaxes(0, axis)
    if isinstance(counts, int):
        total = along[::counts] + 0
        for i in range(1, counts):
            total += along[i::counts]
    else:
        total, start = np.zeros((len(counts), *along.shape[1:]), a.dtype), 0
        for i, count in enumerate(counts):
            total[i] = along[start : start + count].sum(axis=0)
            start += count
    return total.swapaxes(0, axis)


def _each(value: Any, checked: Callable[[Any], Any]) -> Any:
    """One number or one an axis, each checked."""
    if value is None or not isinstance(value, Iterable):
        return None if value is None else checked(value)
    return tuple(checked(part) for part in value)


def _lengths(old: tuple[int, ...], given: tuple[Any, ...], are_factors: bool) -> tuple[int, ...]:
    """How long the axes become."""
    return tuple(int(n * f) for n, f in zip(old, given, strict=True)) if are_factors else given


def _repeats(old: int, new: int, factor: float | None) -> int | tuple[int, ...]:
    """How often each old number is taken: number i of the new ones is old number i / factor, rounded down."""
    step = np.float32(old / new if factor is None else 1 / factor)  # rounded as torch does for float32 images
    taken = Counter(min(int(np.float32(i) * step), old - 1) for i in range(new))
    counts = tuple(taken[i] for i in range(old))
    return counts[0] if len(set(counts)) == 1 else counts
