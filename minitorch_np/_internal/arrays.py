"""NumPy arrays of one precision, float64 or float32: conversion, and the texts of errors about them."""

from __future__ import annotations

import math
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Array = NDArray[Any]

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype that a model can have, from anything NumPy takes for one; raise ValueError for others."""
    try:
        found = np.dtype(dtype)
        if dtype is not None and found in FLOATS:
            return found
    except TypeError:
        pass
    raise ValueError(f"dtype must be float64 or float32, got {dtype!r}")


def is_masked(value: Any) -> bool:
    """Whether an array has a mask; numpy.ma, which takes as long to import as many steps, is there then."""
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray)


def as_floats(value: Any, dtype: np.dtype[Any] | None, owner: object, name: str) -> Array:
    """Return `value` as an array of floats, without a change of precision.

    Integers and booleans become `dtype` (float64 if a model has none), and so do the Python
    numbers of a list. Floats of another precision, complex numbers, strings and objects raise
    TypeError: which of the two precisions was meant is not ours to guess.
    """
    if type(value) is np.ndarray and (value.dtype == dtype if dtype else value.dtype in FLOATS):
        return value
    if is_masked(value):
        raise TypeError(f"{owner} expects {name} without a mask: fill it, {name}.filled(0)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{owner} expects {name} as one array of numbers: {error}") from None
    python_floats = array.dtype.kind == "f" and isinstance(value, (list, tuple, float))
    if array.dtype.kind in "biu" or python_floats:
        return array.astype(dtype or np.float64)
    native = array.dtype.newbyteorder("=")
    if native in ((dtype,) if dtype else FLOATS):
        return array.astype(native, copy=False)
    expected = dtype or "float64 or float32"
    fix = ""
    if array.dtype.kind == "f":
        fix = f": convert it with {name}.astype({str(dtype or np.dtype(np.float64))!r})"
        if native in FLOATS:
            fix += f", or the model with model.astype({str(native)!r})"
    raise TypeError(f"{owner} expects {name} of dtype {expected}, got {array.dtype}{fix}")


def as_indices(value: Any, count: int, owner: object, name: str) -> Array:
    """Return `value` as an array of integers from 0 to `count` − 1; raise an error that says what is wrong."""
    if is_masked(value):
        raise TypeError(f"{owner} expects {name} without a mask: fill it, {name}.filled(0)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{owner} expects {name} as one array of integers: {error}") from None
    if array.size == 0 and not isinstance(value, np.ndarray):
        return array.astype(np.intp)  # of an empty list NumPy makes floats
    if array.dtype.kind not in "iu":
        fix = f": {name}.astype(int)" if array.dtype.kind in "bf" else ""
        with np.errstate(invalid="ignore"):
            broken = array != np.floor(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
        if broken.any():
            fix = f" with {array[broken][0]} in it: an index is a whole number"
        raise TypeError(f"{owner} expects {name} of integers from 0 to {count - 1}, got {array.dtype}{fix}")
    if array.size and (array.min() < 0 or array.max() >= count):
        place = tuple(int(i) for i in np.argwhere((array < 0) | (array >= count))[0])
        where = f" at {name}[{', '.join(map(str, place))}]" if place else ""
        fix = "indices count from 0" if array[place] in (-1, count) else "is it of another table?"
        raise ValueError(
            f"{owner} expects {name} of integers from 0 to {count - 1}, got {array[place]}{where}: {fix}"
        )
    return array


def shape_text(shape: tuple[Any, ...]) -> str:
    """Return a shape as messages print it, a leading `...` or None as the batch axis N: `(N, 1000)`."""
    sizes = [str(size) if size not in (..., None) else "*" if i else "N" for i, size in enumerate(shape)]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def likely_fix(name: str, got: tuple[int, ...], expected: tuple[Any, ...]) -> str:
    """Return what a shape that is not the expected one calls for, as the end of a message; or "".

    In `expected`, `...` and None stand for any sizes, as in `shape_text`.
    """
    if expected[:1] == (None,) and len(got) == len(expected) - 1:
        return _fix_of_missing_axis(name, got, expected[1:])
    size = expected[-1] if expected else None
    if expected[:1] == (...,) and isinstance(size, int):
        return _fix_of_features(name, got, size)
    if len(expected) > 2 and isinstance(expected[1], int):
        return _fix_of_channels(name, got, expected[1], len(expected))
    if (*got, 1) == expected:
        return f": make the {name} a column with {name}.reshape(-1, 1)"
    if got == (*expected, 1):
        return f": make the {name} flat with {name}.reshape(-1)"
    return f": transposed? ({name}.T)" if len(got) > 1 and got == expected[::-1] else ""


def _fix_of_features(name: str, got: tuple[int, ...], size: int) -> str:
    """`likely_fix` where rows of so many features are expected."""
    if len(got) == 2 and got[0] == size:
        return f": transposed? ({name}.T)"
    if len(got) > 2 and math.prod(got[1:]) == size:
        return f": flatten each sample with {name}.reshape(len({name}), -1)"
    return f": a column of numbers is {name}.reshape(-1, 1)" if size == 1 else ""


def _fix_of_missing_axis(name: str, got: tuple[int, ...], sample: tuple[Any, ...]) -> str:
    """`likely_fix` where an axis more is expected, that of the samples first."""
    if all(size in (None, n) for n, size in zip(got, sample, strict=True)):
        return f": one sample? a batch of it is {name}[None]"
    return f": one channel? its axis is {name}[:, None]" if sample[:1] == (1,) else ""


def _fix_of_channels(name: str, got: tuple[int, ...], channels: int, ndim: int) -> str:
    """`likely_fix` where (N, channels, ...) is expected."""
    if len(got) == ndim and got[-1] == channels:
        return f": channels come second, {name}.transpose{(0, ndim - 1, *range(1, ndim - 1))}"
    return ""


def aligned_zeros(size: int, dtype: np.dtype[Any]) -> Array:
    """Return `size` zeros that start on a cache line.

    NumPy aligns to 16 bytes only; after two BLAS threads have written an array, an update of one
    that straddles cache lines took 1.7 times as long.
    """
    line = 64
    memory = np.zeros(size * dtype.itemsize + line, dtype=np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + size * dtype.itemsize].view(dtype)


@cache
def keep_freed_memory() -> None:
    """Have arrays that are freed leave their memory to later ones, as glibc does once it has seen a large one.

    Before that it gives the memory of arrays of some 100 KB and more back to the system, and the arrays of the
    next step cost a page fault for each 4 KB: of steps with arrays of 1 MB a third to a half of the time. An
    array of almost 32 MB that is freed, though no page of it was touched, raises both bounds of this for the
    process (M_MMAP_THRESHOLD in mallopt(3)). With another C library it changes nothing.
    """
    np.empty(31 * 2**20, np.uint8)
