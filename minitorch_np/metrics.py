"""Metrics: numbers that say how good predictions are, metric(prediction, target).

Unlike a loss, none has a gradient; like a loss, each takes the prediction first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import is_number, plain, whole

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def accuracy(
    prediction: Any, target: Any, *, threshold: float | None = None, ignore_index: int = -100
) -> float:
    """The part of the samples whose class is right.

    Shapes: prediction (N, C) and class indices (N,), or (N, C, d1, ...) and (N, d1, ...). The class of
    a prediction is the one with the largest number, logit or probability; of two, the first. Targets
    of the prediction's shape are one-hot or probabilities, and their largest counts. What has the
    target `ignore_index` is left out.

    With `threshold`, prediction and target have one shape (...), each number a question of its own: yes
    where it is above the threshold. 0 is that of logits (BCEWithLogitsLoss), 0.5 that of
    probabilities (BCELoss): `metrics={"accuracy": lambda p, t: accuracy(p, t, threshold=0)}`.

    Raises ValueError for shapes that do not fit, and where nothing is left to count.
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    if threshold is not None:
        if not is_number(plain(threshold)):
            raise ValueError(f"accuracy expects threshold to be a number, got {threshold!r}")
        _same_shape("accuracy", prediction, target)
        return float(np.mean((prediction > plain(threshold)) == (target > 0.5)))
    if prediction.ndim < 2 or prediction.shape[1] == 1:
        raise ValueError(
            f"accuracy expects a number for each class, prediction of shape (N, C), got {prediction.shape}: "
            "for yes or no give the threshold, 0 for logits and 0.5 for probabilities"
        )
    classes, target, counts = _classes("accuracy", prediction, target, ignore_index)
    return float((classes == target)[counts].mean())


def top_k_accuracy(prediction: Any, target: Any, k: int = 5, *, ignore_index: int = -100) -> float:
    """The part of the samples whose class is among the `k` with the largest numbers.

    Shapes as in `accuracy`, and with k = 1 the same value: of equal numbers the first comes first, so
    that a prediction that cannot tell the classes apart is not right every time.
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    k = whole("top_k_accuracy", "k", k, 1)
    _, target, counts = _classes("top_k_accuracy", prediction, target, ignore_index)
    place = np.expand_dims(np.where(counts, target, 0), 1)  # (N, ...) -> (N, 1, ...)
    its = np.take_along_axis(prediction, place, axis=1)
    numbers = np.arange(prediction.shape[1]).reshape(-1, *(1,) * (prediction.ndim - 2))
    before = (prediction > its) | ((prediction == its) & (numbers < place))
    return float((before.sum(axis=1) < k)[counts].mean())


def confusion_matrix(prediction: Any, target: Any, *, ignore_index: int = -100) -> Array:
    """How often each class was taken for each: row i, column j counts the samples of class i predicted as j.

    Shapes as in `accuracy` -> (C, C), whole numbers; the right ones are on the diagonal. (Rows are the
    true classes, as in scikit-learn, whose arguments come in the other order.)
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    classes, target, counts = _classes("confusion_matrix", prediction, target, ignore_index)
    size = prediction.shape[1]
    pairs = target[counts] * size + classes[counts]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def r2_score(prediction: Any, target: Any) -> float:
    """R² = 1 − Σ (prediction − target)² / Σ (target − mean)²: 1 at best, 0 for the mean of the targets.

    Shapes: prediction and target (N,) or (N, outputs), the same; the mean over outputs. A target that is
    always the same has R² 1 if all predictions are right, and 0 otherwise, as in scikit-learn.
    """
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    _same_shape("r2_score", prediction, target)
    error = np.square(prediction - target).sum(axis=0)
    spread = np.square(target - target.mean(axis=0)).sum(axis=0)
    constant = (target == target[:1]).all(axis=0)
    right = np.where(error == 0, 1.0, 0.0)
    return float(np.where(constant, right, 1 - error / np.where(constant, 1, spread)).mean())


def mean_absolute_error(prediction: Any, target: Any) -> float:
    """The mean of |prediction − target|, in the unit of the target.

    Shapes: prediction and target (...), the same.
    """
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    _same_shape("mean_absolute_error", prediction, target)
    return float(np.abs(prediction - target).mean())


def _classes(owner: str, prediction: Array, target: Array, ignore_index: int) -> tuple[Array, Array, Array]:
    """The predicted and the right classes, and which of the samples count."""
    expected = prediction.shape[:1] + prediction.shape[2:]
    if prediction.ndim >= 2 and target.shape == prediction.shape:
        target = target.argmax(axis=1)
    elif prediction.ndim < 2 or target.shape != expected or target.dtype.kind not in "iu":
        raise ValueError(
            f"{owner} expects prediction (N, C) and class indices (N,), integers, "
            f"got {prediction.shape} and {target.dtype} {target.shape}"
        )
    counts = target != ignore_index
    if not counts.any():
        raise ValueError(f"{owner} has nothing to count in {target.size} targets")
    wrong = counts & ((target < 0) | (target >= prediction.shape[1]))
    if wrong.any():
        raise ValueError(
            f"{owner} expects class indices from 0 to {prediction.shape[1] - 1}, got {target[wrong][0]}"
        )
    return prediction.argmax(axis=1), target, counts


def _same_shape(owner: str, prediction: Array, target: Array) -> None:
    if prediction.shape != target.shape or prediction.size == 0 or prediction.ndim == 0:
        fix = ": one of them is a column, reshape(-1) makes it flat" if prediction.size == target.size else ""
        raise ValueError(
            f"{owner} expects prediction and target of the same shape, got {prediction.shape} and "
            f"{target.shape}{fix}"
        )


def named_metrics(metrics: Any) -> dict[str, Any]:
    """Metrics by name: from a dict, or from functions that have names."""
    if callable(metrics) or isinstance(metrics, str):
        metrics = [metrics]
    if not isinstance(metrics, dict):
        names = [getattr(getattr(m, "func", m), "__name__", str(m)) for m in metrics]  # func: of a partial
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"two metrics are called {name!r}: give them names, metrics={{'a': ..., 'b': ...}}"
                )
        metrics = dict(zip(names, metrics, strict=True))
    for name, metric in metrics.items():
        if not callable(metric):
            raise TypeError(
                "metrics are functions of prediction and target, such as accuracy, or a dict of them, "
                f"got {metric!r}"
            )
        if not isinstance(name, str) or name in ("loss", "lr", "seconds") or name.startswith("val_"):
            raise ValueError(f"{name!r} cannot be the name of a metric: the history has its own of that name")
    return metrics


def measured(metrics: Mapping[str, Any], prediction: Array, target: Array) -> dict[str, float]:
    """The value of each metric, a Python number."""
    values = {}
    for name, metric in metrics.items():
        value = plain(metric(prediction, target))
        if not isinstance(value, int | float):
            raise TypeError(
                f"the metric {name} gave {type(value).__name__} and not a number: compute it of "
                "predict(model, x) after training"
            )
        values[name] = float(value)
    return values
