"""Equal to the last bit, or where not: arrays of floats compared as the integers they are stored as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Difference(NamedTuple):
    """The first place at which two arrays differ; `ulps` counts the floats from one value to the other."""

    at: tuple[int, ...]
    ours: Any
    theirs: Any
    ulps: int

    def __str__(self) -> str:
        where = f"at {list(self.at)}: " if self.at else ""
        return f"{where}{self.ours!s} and {self.theirs!s}, {self.ulps} ULPs apart"


def equal_bits(ours: Array, theirs: Array) -> int:
    """The number of elements that are the same bits; a NaN equals one of the same bits, 0 differs from −0."""
    return int(np.count_nonzero(_bits(ours) == _bits(theirs)))


def first_difference(ours: Array, theirs: Array) -> Difference | None:
    """The first element, in C order, whose bits differ; None if there is none."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise ValueError(f"arrays to compare are {ours.dtype} {ours.shape} and {theirs.dtype} {theirs.shape}")
    differing = np.flatnonzero(_bits(ours) != _bits(theirs))
    if not differing.size:
        return None
    index = tuple(int(i) for i in np.unravel_index(differing[0], ours.shape))
    return Difference(index, ours[index], theirs[index], abs(_ordinal(ours[index]) - _ordinal(theirs[index])))


def _bits(a: Array) -> Array:
    return np.asarray(a).view(np.int64 if a.dtype.itemsize == 8 else np.int32)


def _ordinal(value: Any) -> int:
    """The float's place in the order of all floats, 0 and −0 both at 0."""
    bits = int(_bits(np.asarray(value)))
    lowest = -(1 << (8 * value.dtype.itemsize - 1))
    return bits if bits >= 0 else lowest - bits
