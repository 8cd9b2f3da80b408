"""Arrays with names, and their axes with names: h (N, H)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Axes = tuple[str, ...]


class Named(NamedTuple):
    """An array, what it is called, and what its axes are called."""

    name: str
    axes: Axes
    value: Array

    def __str__(self) -> str:
        return f"{self.name} {axes_text(self.axes)}"

    @property
    def T(self) -> Named:  # noqa: N802, NumPy's name
        return Named(f"{self.name}ᵀ", self.axes[::-1], self.value.T)

    def rows(self) -> Named:
        """As a matrix: the axes before the last taken together, as a layer of features takes them."""
        if len(self.axes) == 2:
            return self
        leading, last = self.value.shape[:-1], self.value.shape[-1]
        together = "·".join(self.axes[:-1]) or "1"
        return Named(self.name, (together, self.axes[-1]), self.value.reshape(math.prod(leading), last))


def axes_text(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def of_input(dimensions: int) -> Axes:
    """(N, D_in) with d1, d2, ... between them; a single sample has no N."""
    between = [f"d{i}" for i in range(1, dimensions - 1)]
    return ("N", *(between if len(between) != 1 else ["d"]), "D_in")[-dimensions:] if dimensions else ()


def after(
    x: tuple[Axes, Sequence[int]], y_shape: Sequence[int], says: tuple[Axes, Axes], fresh: Iterator[str]
) -> tuple[Axes, dict[str, str]]:
    """The axes of y, and what the words of `Shapes: x (..., in) -> y (..., out)` stand for.

    An axis of y that the docstring calls as one of x is that one; others are new, whatever their size,
    and called as `fresh` says. Where the docstring does not say, or not the truth, an axis of the same
    place and size is taken for the same one.
    """
    axes, x_shape = x
    words = _matched(says[0], axes)
    y_words = _expanded(says[1], len(y_shape))
    if words is not None and y_words is not None:
        words |= {word: next(fresh) for word in dict.fromkeys(y_words) if word not in words}
        y_axes = tuple(words[word] for word in y_words)
        sizes = dict(zip(axes, x_shape, strict=True))
        if all(sizes.get(axis, size) == size for axis, size in zip(y_axes, y_shape, strict=True)):
            return y_axes, words
    if len(x_shape) == len(y_shape):
        same = [x == y for x, y in zip(x_shape, y_shape, strict=True)]
    else:
        same = [i == 0 and x_shape[:1] == y_shape[:1] for i in range(len(y_shape))]
    return tuple(axes[i] if kept else next(fresh) for i, kept in enumerate(same)), {}


def _matched(says: Axes, axes: Axes) -> dict[str, str] | None:
    """Which axis each word stands for; None where the docstring does not say or says otherwise."""
    words = _expanded(says, len(axes))
    if words is None:
        return None
    found = dict(zip(words, axes, strict=True))
    return found if len(found) == len(axes) else None


def _expanded(says: Axes, count: int) -> Axes | None:
    """`(..., in)` as `(...0, ...1, in)` for three axes."""
    if says.count("...") != 1:
        return says if says and len(says) == count and "..." not in says else None
    extra = count - len(says) + 1
    at = says.index("...")
    return (*says[:at], *(f"...{i}" for i in range(extra)), *says[at + 1 :]) if extra >= 0 else None
