"""Difference quotients that know their own error: how far a slope can be told from two evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Index = tuple[int, ...]

# Rounding of an output that some operations have made, as a part of it: in float64, and in float32.
FINE, COARSE = (16 * float(np.finfo(dtype).eps) for dtype in (np.float64, np.float32))
SURE = 1e-3  # error of a slope, as a part of it
SMALLEST = 1e-14  # step, as a part of an element
ENOUGH = 32  # elements that are wrong beyond doubt, after which the others are not looked at so closely
FAR = (1.0, 10.0)  # steps that show whether a function that is level here is so everywhere


class Slope(NamedTuple):
    """A slope, its likely error, and at a kink the slopes of its two sides, otherwise the same twice."""

    value: float
    error: float
    low: float
    high: float
    is_step: bool = False  # level here, and not further away

    @property
    def has_kink(self) -> bool:
        return self.low < self.high


class Quotients:
    """The slopes of Σ y · dy with respect to the elements of v, which y() depends on; v is put back."""

    def __init__(self, y: Callable[[], Array], v: Array, dy: Array, eps: float) -> None:
        self.y, self.v, self.dy, self.eps = y, v, dy, eps
        self.here = y()
        sizes = np.abs(v[v != 0])
        self.size = float(sizes.max()) if sizes.size else 1.0  # of elements that are 0

    def central(self) -> Array:
        """(f(v + h) − f(v − h)) / 2h for each element, h = eps times its size, more in float32."""
        slope, eps = np.empty_like(self.v), self.eps if self.rounding == FINE else 1e-2
        for index in np.ndindex(self.v.shape):
            slope[index] = self._quotient(index, eps * self._size(index)).central
        return slope

    def at(self, index: Index) -> float:
        return self._quotient(index, self.eps * self._size(index)).central

    def usual(self, index: Index) -> float:
        """The slope of a function that would change by its own size over that of the element."""
        return float(np.abs(self.here * self.dy).sum()) / self._size(index)

    def slope(self, index: Index, gradient: float) -> Slope:
        """The slope by steps of many sizes: by the one that is surest of it.

        The difference of two neighbours tells how far the function bends over the larger of the two,
        rounding how little the smaller one can tell. Larger steps may agree with each other and be wrong, on
        how a function looks from afar, or, over many waves, on nothing: a smaller one that is sure of
        another slope goes before, and so does one that agrees with the gradient.
        """
        size, step = self._size(index), max(self._size(index), self.size) / 10
        found = []
        while step >= SMALLEST * size:
            found.append(self._quotient(index, step))
            step /= 10
        changed = np.logical_or.reduce([q.changed for q in found])
        noise = self.rounding * float((np.abs(self.here) * np.abs(self.dy))[changed].sum())
        bend = found[-1].gap * found[-1].width  # over the smallest step: nothing but rounding
        noise = max(noise, bend) if np.isfinite(bend) else noise
        usual = self.usual(index)
        tried = []  # quotients with their errors, also as a part of the slope
        for larger, smaller in pairwise(found):
            estimate = abs(smaller.central - larger.central) + noise / (smaller.width or np.nan)
            against = max(abs(smaller.central), usual) or 1.0
            if np.isfinite(estimate):
                tried.append((estimate / against, estimate, smaller))
        if not tried:
            return Slope(np.nan, np.inf, np.nan, np.nan)
        finest = 60 * FINE * size * float(np.abs(self.dy).max(initial=0))
        _, error, best = min(tried, key=lambda t: t[0])
        for score, estimate, smaller in reversed(tried):
            if not smaller.changed.any() and abs(best.central) * smaller.width < finest:
                continue  # it is not level: its changes are too small to be seen
            agrees = abs(smaller.central - gradient) <= 5 * estimate <= 2e-3 * abs(smaller.central)
            if agrees or (score < SURE and abs(smaller.central - best.central) > 5 * (estimate + error)):
                error, best = estimate, smaller
                break
        if not best.changed.any():
            further = [*found, *(self._quotient(index, far * max(size, self.size)) for far in FAR)]
            return Slope(0.0, error, 0.0, 0.0, is_step=any(q.changed.any() for q in further))
        sides = self._sides(found, noise, best.width) or (best.central, best.central)
        return Slope(best.central, error, min(sides), max(sides))

    @cached_property
    def rounding(self) -> float:
        """The part of an output that may be rounding: that of float32 if all of v goes through it.

        Then most of y stays where it is as v moves by less than float32 can hold. What also depends on v by
        another way, in float64, moves all the same, and is taken for float64.
        """
        kept, moves = self.v.copy(), []
        parts = kept * np.cos(np.arange(kept.size)).reshape(kept.shape)  # a factor alone may cancel out
        try:
            with np.errstate(all="ignore"):
                for size in (1e-11, 1e-4):
                    self.v[...] = kept + size * parts
                    moves.append(np.abs(self.y() - self.here))
        except (ValueError, IndexError, FloatingPointError):  # it takes no such numbers
            return FINE
        finally:
            self.v[...] = kept
        small, large = moves
        is_due = 1e-7 * large > FINE * np.abs(self.here)  # so that the small move should be seen
        return COARSE if is_due.any() and (small[is_due] == 0).mean() > 0.5 else FINE

    @staticmethod
    def _sides(found: list[Quotient], noise: float, width: float) -> tuple[float, float] | None:
        """The slopes of both sides where their gap stays as the steps become shorter; None if it does not."""
        sure = [q for q in found if 2 * noise < 1e-3 * q.gap * q.width]
        if len(sure) < 3 or sure[-1].width > 30 * width:
            return None
        last, before = sure[-1], sure[-3]
        stays = 0.5 * before.gap < last.gap < 2 * before.gap
        is_gap = last.gap > 1e-6 * max(abs(last.low), abs(last.high))
        return (last.low, last.high) if stays and is_gap else None

    def _size(self, index: Index) -> float:
        return abs(float(self.v[index])) or min(self.size, 1.0)

    def _quotient(self, index: Index, step: float) -> Quotient:
        kept = self.v[index]
        try:
            with np.errstate(all="ignore"):
                self.v[index] = kept - step
                below, down = self.y(), float(kept - self.v[index])
                self.v[index] = kept + step
                above, up = self.y(), float(self.v[index] - kept)
        except (ValueError, IndexError, FloatingPointError):  # it takes no such number
            down = up = 0.0
        finally:
            self.v[index] = kept
        if not (down > 0 and up > 0):
            return Quotient(np.nan, np.nan, np.nan, 0.0, np.zeros(self.here.shape, dtype=bool))
        with np.errstate(all="ignore"):
            changed = above != below
            left = ((self.here - below) * self.dy)[changed]
            right = ((above - self.here) * self.dy)[changed]
            central = float((left + right).sum()) / (down + up)
            low, high = np.minimum(left / down, right / up), np.maximum(left / down, right / up)
            return Quotient(central, float(low.sum()), float(high.sum()), down + up, changed)


class Quotient(NamedTuple):
    """The slope over both sides of a step, and the least and the most that it can be.

    Of each output either side may count, whatever it is of the others: an element may be the largest of
    several windows, and share that in some of them. `changed` are the outputs that moved.
    """

    central: float
    low: float
    high: float
    width: float
    changed: Array

    @property
    def gap(self) -> float:
        return self.high - self.low


class Verdicts(NamedTuple):
    """Of the elements that were looked at: the slopes, and where a gradient is wrong, or cannot be told."""

    numeric: Array
    kinks: Array
    wrong: Array
    untold: Array


def judged(
    gradient: Array,
    quotients: Quotients,
    *,
    atol: float,
    rtol: float,
    composed: bool = False,
    only: Iterable[Index] | None = None,
) -> Verdicts:
    """Hold a gradient against the slopes.

    It is right within rtol of the slope, atol of the largest slope or of 1, whichever is less, and the
    error of the slope itself; at a kink, anywhere between its sides. Where that error is as large as the
    slope it cannot be told, and neither can the gradient of a function that is level wherever one looks, and
    steps in between.

    What is composed of several layers may take another side at each of the kinks inside it, which the layers
    after them mix: there a gradient that is beyond the sides by no more than twice their gap cannot be told.
    """
    v = quotients.v
    indices = list(np.ndindex(v.shape) if only is None else only)
    finest = {index: 1e-12 * quotients.usual(index) for index in indices}  # what rounding leaves of a sum
    numeric = np.full(v.shape, np.nan)
    for index in indices:
        numeric[index] = quotients.at(index)
    kinks, wrong, untold = (np.zeros(v.shape, dtype=bool) for _ in range(3))
    sizes = np.abs(numeric[np.isfinite(numeric)])
    least = atol * min(1.0, float(sizes.max(initial=0)) or 1.0)
    steps: list[Index] = []
    for index in indices:
        g = float(gradient[index])
        if abs(g - numeric[index]) <= least + rtol * abs(numeric[index]):
            continue
        if wrong.sum() - len(steps) >= ENOUGH:
            wrong[index] = True
            continue
        slope = quotients.slope(index, g)
        allowed = least + finest[index] + rtol * abs(slope.value) + 5 * slope.error
        numeric[index] = slope.value
        if slope.has_kink:
            kinks[index] = True
            beyond = max(slope.low - g, g - slope.high) - allowed
            untold[index] = composed and 0 < beyond <= 2 * (slope.high - slope.low)
            wrong[index] = not beyond <= 0 and not untold[index]
        elif not np.isfinite(slope.value) or (not np.isfinite(g) and slope.error > 0.1 * abs(slope.value)):
            untold[index] = True  # as where a slope has no bound
        elif not abs(g - slope.value) <= allowed:
            wrong[index] = True
            steps += [index] if slope.is_step else []
        else:
            untold[index] = 5 * slope.error > max(least + 0.1 * abs(slope.value), atol * quotients.usual(index))
    if steps and len(steps) == wrong.sum() and not np.any(numeric[np.isfinite(numeric) & ~untold & ~kinks]):
        wrong[:] = False
        for index in steps:
            untold[index] = True
    return Verdicts(numeric, kinks, wrong, untold)
