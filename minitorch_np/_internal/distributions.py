"""Probabilities along one axis of an array: softmax, its logarithm, and the sum behind both.

All three take the largest number out before the exponential, so that it cannot overflow:
log Σ exp(x) = m + log Σ exp(x − m), m = max x. They are right for every float, without warnings; as in
torch, rows that no distribution fits (all −inf, or with a +inf) become NaN, and NaN stays NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def logsumexp(x: Array, axis: int, keepdims: bool = False) -> Array:
    """log Σ exp(x) along `axis`: −inf for a row of −inf, +inf for a row with +inf and no NaN."""
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isinf(largest), 0, largest)  # inf − inf would be NaN
    with np.errstate(over="ignore", divide="ignore"):
        y: Array = largest + np.log(np.exp(x - largest).sum(axis=axis, keepdims=True))
    return y if keepdims else y.squeeze(axis)


def log_softmax(x: Array, axis: int) -> Array:
    """log softmax(x) = x − log Σ exp(x) along `axis`."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        y: Array = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return y


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / Σ exp(x) along `axis`: positive numbers that sum to 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    y: Array = e / e.sum(axis=axis, keepdims=True)
    return y


def weighted(weight: Array, a: Array) -> Array:
    """weight · a, and 0 where the weight is 0, whatever `a` is there: 0 · log 0 = 0.

    `weight` broadcasts to the shape of `a`. That is the limit of p log p, and it keeps what does not
    count (an ignored sample, a class without a target) from turning a sum into NaN.
    """
    return np.multiply(weight, a, out=np.zeros_like(a), where=weight != 0)
