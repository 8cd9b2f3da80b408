"""Validation of targets and class weights.

Predictions that are NaN pass all checks: they come out as a loss that is NaN.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import FLOATS, is_masked

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

# How far from 1 the rounding of float32, over thousands of classes, leaves a sum of probabilities.
TOLERANCE = 1e-3


def as_target(owner: object, target: Any) -> Array:
    """Return the target as an array of class indices or of floats; its dtype says which."""
    if is_masked(target):
        raise TypeError(f"{owner!r} expects target without a mask: put ignore_index where it is masked")
    return np.asarray(target)


def class_axis(prediction: Array) -> int:
    """Return the axis of the classes: (N, C), (N, C, d1, ...), or (C,) for a single sample."""
    return min(prediction.ndim, 2) - 1


def weights(value: Any, owner: str, name: str) -> Array | None:
    """Return `value` as an array of weights: numbers that are finite and not negative."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{owner} expects {name} as numbers, got {array.dtype}")
    array = array.copy() if array.dtype in FLOATS else array.astype(np.float64)
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        raise ValueError(
            f"{owner} expects {name} of numbers that are finite and not negative, got {array[bad][0]}"
        )
    return array


def fitting(owner: object, weight: Array | None, name: str, prediction: Array) -> Array | None:
    """Return the weight in the prediction's precision; it must broadcast to the prediction's shape."""
    if weight is None:
        return None
    try:
        fits = np.broadcast_shapes(weight.shape, prediction.shape) == prediction.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{owner!r} expects {name} to broadcast to the prediction's shape {prediction.shape}, "
            f"got {weight.shape}"
        )
    return weight.astype(prediction.dtype)


def class_indices(
    owner: object, prediction: Array, target: Array, ignore_index: int
) -> tuple[Array, Array | None]:
    """Return the classes of the targets, and which of them count (None: all); the others are class 0."""
    axis = class_axis(prediction)
    classes, shape = prediction.shape[axis], prediction.shape[:axis] + prediction.shape[axis + 1 :]
    if target.shape != shape:
        raise ValueError(
            f"{owner!r} expects class indices of shape {shape}, got {target.shape}{_index_fix(target, shape)}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"{owner!r} expects class indices, got {target.dtype}: class indices are integers: "
            "target.astype(int)"
        )
    if target.size == 0:
        return target, None
    if target.min() >= 0 and target.max() < classes and not 0 <= ignore_index < classes:
        return target, None
    counts = target != ignore_index
    bad = counts & ((target < 0) | (target >= classes))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"target[{', '.join(map(str, place))}]" if place else "target"
        fix = ": classes count from 0" if target[place] == classes else ""
        raise ValueError(
            f"{owner!r} expects class indices from 0 to {classes - 1} ({classes} classes), "
            f"got {target[place]} at {where}{fix}"
        )
    return np.where(counts, target, 0), counts


def _index_fix(target: Array, shape: tuple[int, ...]) -> str:
    if target.ndim != len(shape) + 1:
        return ""
    if target.size == np.prod(shape, dtype=int):
        return f": take the extra axis away with target.reshape{shape}"
    return ": probabilities, and one-hot targets, go to CrossEntropyLoss as floats of the prediction's shape"


def probabilities(owner: object, target: Array, axis: int) -> None:
    """Raise ValueError unless rows along `axis` are not negative and sum to 1."""
    sums = target.sum(axis=axis)
    if (target < 0).any():
        raise ValueError(f"{owner!r} expects probabilities as target, got the negative {target.min():.6g}")
    far = np.abs(sums - 1) > TOLERANCE
    if far.any():
        row = tuple(int(i) for i in np.argwhere(far)[0])
        at = f" in sample {row[0] if len(row) == 1 else row}" if row else ""
        raise ValueError(
            f"{owner!r} expects probabilities as target, got a sum of {sums[row]:.6g} instead of 1{at}: "
            "divide by target.sum(axis=" + f"{axis}, keepdims=True)"
        )


def between_0_and_1(owner: object, array: Array, what: str, fix: str) -> None:
    outside = (array < 0) | (array > 1)
    if outside.any():
        raise ValueError(f"{owner!r} expects {what} between 0 and 1, got {array[outside][0]:.6g}: {fix}")


def warn_of_softmax(owner: object, prediction: Array, stacklevel: int) -> None:
    """Warn of logits that look like probabilities: several rows of positive numbers that all sum to 1."""
    if prediction.ndim < 2 or len(prediction) < 2 or prediction.shape[1] < 2 or prediction.size == 0:
        return
    if prediction.min() > 0 and (np.abs(prediction.sum(axis=1) - 1) < TOLERANCE).all():
        warnings.warn(
            f"{owner!r} expects logits, got rows of positive numbers that sum to 1, as a softmax makes them; "
            "it takes the softmax itself: remove the Softmax before it, or use LogSoftmax with NLLLoss",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def warn_of_positive(owner: object, prediction: Array, stacklevel: int) -> None:
    """Warn of log-probabilities above 0, which cannot be: most likely the log is missing."""
    if (prediction > TOLERANCE).any():
        warnings.warn(
            f"{owner!r} expects log-probabilities, which are never positive, "
            f"got {prediction[prediction > TOLERANCE][0]:.6g}: put LogSoftmax before it instead of Softmax",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
