"""Weights of samples and classes, and a loss that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.numerics import total
from minitorch_np._internal.validation import is_number, plain
from minitorch_np.data.datasets import stored, taker
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class WeightedLoss:
    """A loss whose values are multiplied by the weights of their samples; what a mean divides by stays.

    The weights have the shape of the values, or the first of its axes: (N,), say.
    """

    def __init__(self, loss: Loss) -> None:
        if type(loss).forward is not Loss.forward:
            raise TypeError(f"{loss!r} has a forward of its own: no sample_weight or class_weight reaches it")
        self.loss = loss

    def __call__(self, prediction: Array, target: Array, weight: Array) -> Any:
        arguments = self.loss.prepare(prediction, target)
        values = self.loss.function(*arguments)
        divisor = 1.0 if self.loss.reduction == "sum" else self.loss._count(*arguments)
        weight = weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim)) / divisor
        weight = np.broadcast_to(weight.astype(values.dtype), values.shape)
        self._saved = arguments, weight
        return total(values * weight)

    def backward(self) -> Array:
        arguments, weight = self._saved
        del self._saved
        return self.loss.derivative(*arguments) * self.loss.spread(weight)


def sample_weights(dataset: Any, sample_weight: Any, class_weight: Any, *, part: bool = False) -> Array | None:
    """Return the weight of each sample of a data set, the product of both; None without either.

    If the data set is a part of all, a Subset, the sample weights are of all.
    """
    weights = None
    if sample_weight is not None:
        weights, n = np.asarray(sample_weight), len(dataset.dataset if part else dataset)
        if weights.dtype.kind not in "biuf" or weights.shape != (n,):
            raise ValueError(
                f"fit expects sample_weight of shape ({n},), a number for each sample, got {weights.dtype} "
                f"{weights.shape}"
            )
        _check_weights("sample_weight", weights)
        weights = weights[dataset.indices] if part else weights
    if class_weight is None:
        return weights
    classes = _classes(dataset)
    found, which = np.unique(classes, return_inverse=True)
    by_class = np.array(_of_classes(class_weight, found.tolist(), np.bincount(which.ravel())), np.float64)
    _check_weights("class_weight", by_class)
    by_class = by_class[which.reshape(classes.shape)]
    return by_class if weights is None else weights.reshape(-1, *(1,) * (classes.ndim - 1)) * by_class


def _of_classes(class_weight: Any, classes: list[int], counts: Array) -> list[Any]:
    """Return the weights of these classes, of which there are so many; a class without one has 1."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        real = [i for i, c in enumerate(classes) if c >= 0]  # those below are ignored by the loss
        share = counts[real].sum() / max(len(real), 1)
        return [share / count if c >= 0 else 1.0 for c, count in zip(classes, counts, strict=True)]
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f"fit expects class_weight as a dict of class and weight, {{0: 1.0, 1: 5.0}}, or 'balanced', got "
            f"{class_weight!r}"
        )
    given = {plain(c): plain(weight) for c, weight in class_weight.items()}
    unknown = [c for c in given if not is_number(c) or c not in classes]
    if unknown:
        raise ValueError(f"class_weight has the classes {unknown}, and the targets have {classes}")
    return [given.get(c, 1.0) for c in classes]


def _classes(dataset: Any) -> Array:
    """Return the classes of all samples: class indices, zeros and ones, or the largest of one-hot targets."""
    arrays, indices = stored(dataset) or ((), None)
    if len(arrays) < 2:
        raise ValueError(
            "class_weight expects targets in an array; for a data set that makes its samples, give the weights "
            "to the loss, CrossEntropyLoss(weight=[1.0, 5.0])"
        )
    target = taker(arrays[1])(slice(None) if indices is None else indices)
    if target.dtype.kind == "f" and target.ndim > 1 and target.shape[1] > 1:
        if (np.abs(target.sum(axis=1) - 1) > 1e-3).any():
            raise ValueError("class_weight expects one class for each sample, got targets that do not sum to 1")
        return target.argmax(axis=1)
    classes = target.astype(np.int64)
    if (classes != target).any():
        raise ValueError(f"class_weight expects classes as targets, got {target[classes != target][0]}")
    return classes


def _check_weights(name: str, weights: Array) -> None:
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError(f"fit expects {name} of finite numbers, 0 or more and not all 0")
