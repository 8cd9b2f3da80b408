"""Slopes from difference quotients; at a kink there are two, and any slope between them is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FINER = 8  # how much shorter the second step is: a bend becomes straighter by that much, a kink does not


class Slopes(NamedTuple):
    """∂f/∂v by differences, `low` and `high` apart only at a kink, and where a gradient is none of them."""

    numeric: Array
    low: Array
    high: Array
    wrong: Array


def central(f: Callable[[], float], v: Array, eps: float) -> Array:
    """(f(v + eps) − f(v − eps)) / 2 eps for each element of v, which f depends on."""
    slope = np.empty_like(v)
    for index in np.ndindex(v.shape):
        below, above = _around(f, v, index, eps)
        slope[index] = (above - below) / (2 * eps)
    return slope


def compare(
    gradient: Array, f: Callable[[], float], v: Array, *, eps: float, atol: float, rtol: float
) -> Slopes:
    """The slopes of f, and where `gradient` differs from them by more than atol + rtol · |slope|."""
    numeric = central(f, v, eps)
    low, high = numeric.copy(), numeric.copy()
    allowed = atol + rtol * np.abs(numeric)
    for index in map(tuple, np.argwhere(~(np.abs(gradient - numeric) <= allowed))):
        left, right = _one_sided(f, v, index, eps)
        finer = _one_sided(f, v, index, eps / FINER)
        gap = abs(right - left)
        if gap > 2 * allowed[index] and abs(finer[1] - finer[0]) > gap / 2:
            low[index], high[index] = min(left, right), max(left, right)
    wrong = ~((gradient >= low - allowed) & (gradient <= high + allowed))
    return Slopes(numeric, low, high, wrong)


def _one_sided(f: Callable[[], float], v: Array, index: tuple[int, ...], eps: float) -> tuple[float, float]:
    (below, above), here = _around(f, v, index, eps), f()
    return (here - below) / eps, (above - here) / eps


def _around(f: Callable[[], float], v: Array, index: tuple[int, ...], eps: float) -> tuple[float, float]:
    """f at v − eps and at v + eps in one element, which is put back."""
    kept = v[index]
    try:
        v[index] = kept - eps
        below = f()
        v[index] = kept + eps
        above = f()
    finally:
        v[index] = kept
    return below, above
