"""Equal but for rounding, and of one shape but for axes of length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

ROUNDINGS = 4096  # of the largest element: a sum over thousands of products, in another order


def rounding(right: Array) -> float:
    """How far rounding alone can take an array: some thousand eps of its largest element."""
    return ROUNDINGS * float(np.finfo(right.dtype).eps) * largest(right)


def largest(a: Array) -> float:
    """The largest magnitude among the finite elements."""
    return float(np.abs(np.where(np.isfinite(a), a, 0)).max(initial=0))


def close(got: Array, right: Array, allowed: float | None = None) -> bool:
    """Whether arrays of one shape differ by no more than rounding; NaN and infinities have to agree."""
    allowed = rounding(right) if allowed is None else allowed
    with np.errstate(all="ignore"):
        return bool((np.abs(got - right) <= allowed).all()) or bool(
            np.allclose(got, right, rtol=0, atol=allowed, equal_nan=True)
        )


def fitted(value: Array, like: Array) -> Array | None:
    """A value in the shape of another array where they differ by axes of length 1 only: (1, H) as (H,)."""
    if value.shape == like.shape:
        return value
    short, wanted = ([n for n in a.shape if n != 1] for a in (value, like))
    return value.reshape(like.shape) if short == wanted else None
