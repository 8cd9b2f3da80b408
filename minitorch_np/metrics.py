"""Metrics: numbers that say how good predictions are, all of them metric(prediction, target).

The prediction comes first, as in a loss and in torch. scikit-learn has it second: its names that mean
another value with reversed arguments, r2_score and confusion_matrix, are r_squared and confusion_table
here. Unlike a loss, a metric has no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from minitorch_np._internal.validation import is_number, plain, whole

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

__all__ = ["accuracy", "confusion_table", "mean_absolute_error", "r_squared", "top_k_accuracy"]


def accuracy(
    prediction: Any, target: Any, *, threshold: float | None = None, ignore_index: int = -100
) -> float:
    """Return the part of the samples whose class is right.

    Shapes: prediction (N, C) and class indices (N,), or (N, C, d1, ...) and (N, d1, ...). The class of
    a prediction is the one with the largest number, logit or probability; of two, the first. Targets
    of the prediction's shape are one-hot or probabilities, and their largest counts. What has the
    target `ignore_index` is left out.

    With `threshold`, prediction and target have one shape (...), each number a question of its own, as
    with several labels (N, K) for a sample: yes if it is above the threshold, and the part of all
    answers that are right is returned, as in torchmetrics. 0 is the threshold of logits
    (BCEWithLogitsLoss), 0.5 that of probabilities (BCELoss): `partial(accuracy, threshold=0)`. For the
    part of the samples with all K labels right: `((p > 0) == (t > 0.5)).all(axis=1).mean()`.

    Raises ValueError for shapes that do not fit, for several labels without a threshold, and if nothing
    is left to count.
    """
    return _mean([_accuracy(prediction, target, threshold=threshold, ignore_index=ignore_index)])


def top_k_accuracy(prediction: Any, target: Any, k: int = 5, *, ignore_index: int = -100) -> float:
    """Return the part of the samples whose class is among the `k` with the largest numbers.

    Shapes as in `accuracy`, and with k = 1 the same value: of equal numbers the first comes first, so
    that a prediction that cannot tell the classes apart is not right every time.
    """
    return _mean([_top_k_accuracy(prediction, target, k, ignore_index=ignore_index)])


def confusion_table(prediction: Any, target: Any, *, ignore_index: int = -100) -> Array:
    """Return how often each class was taken for each: at [i, j] the samples of class i predicted as j.

    Shapes as in `accuracy` -> (C, C), whole numbers; the right ones are on the diagonal. It is
    scikit-learn's confusion_matrix(target, predicted class).
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    classes, target, counts = _classes("confusion_table", prediction, target, ignore_index)
    if not counts.any():
        raise ValueError(f"confusion_table has nothing to count in {target.size} targets")
    size = prediction.shape[1]
    pairs = target[counts] * size + classes[counts]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def r_squared(prediction: Any, target: Any) -> float:
    """R² = 1 − Σ (prediction − target)² / Σ (target − mean)²: 1 at best, 0 for the mean of the targets.

    Shapes: prediction and target (N,) or (N, outputs), the same; the mean over outputs. A target that is
    always the same has R² 1 if all predictions are right, and 0 otherwise. It is scikit-learn's
    r2_score(target, prediction).
    """
    return _combined_r_squared([_r_squared(prediction, target)])


def mean_absolute_error(prediction: Any, target: Any) -> float:
    """Return the mean of |prediction − target|, in the unit of the target.

    Shapes: prediction and target (...), the same.
    """
    return _mean([_mean_absolute_error(prediction, target)])


def r2_score(*arguments: Any, **options: Any) -> NoReturn:
    """Refuse scikit-learn's name, whose arguments come in the other order."""
    raise TypeError("r2_score(target, prediction) of scikit-learn is r_squared(prediction, target) here")


def confusion_matrix(*arguments: Any, **options: Any) -> NoReturn:
    """Refuse scikit-learn's name, whose arguments come in the other order."""
    raise TypeError(
        "confusion_matrix(target, predicted class) of scikit-learn is confusion_table(prediction, target) here"
    )


# The metrics of a batch, as sums that the next batch can be added to, and the value of all of them.


def _accuracy(
    prediction: Any, target: Any, *, threshold: float | None = None, ignore_index: int = -100
) -> tuple[float, int]:
    prediction, target = np.asarray(prediction), np.asarray(target)
    if threshold is not None:
        if not is_number(plain(threshold)):
            raise ValueError(f"accuracy expects threshold to be a number, got {threshold!r}")
        _same_shape("accuracy", prediction, target)
        right = (prediction > plain(threshold)) == (target > 0.5)
        return right.sum(), right.size
    if prediction.ndim < 2 or prediction.shape[1] == 1:
        raise ValueError(
            f"accuracy expects a number for each class, prediction of shape (N, C), got {prediction.shape}: "
            "for yes or no give the threshold, 0 for logits and 0.5 for probabilities"
        )
    classes, target, counts = _classes("accuracy", prediction, target, ignore_index)
    return (classes == target)[counts].sum(), counts.sum()


def _top_k_accuracy(prediction: Any, target: Any, k: int = 5, *, ignore_index: int = -100) -> tuple[float, int]:
    prediction, target = np.asarray(prediction), np.asarray(target)
    k = whole("top_k_accuracy", "k", k, 1)
    _, target, counts = _classes("top_k_accuracy", prediction, target, ignore_index)
    index = np.expand_dims(np.where(counts, target, 0), 1)  # (N, ...) -> (N, 1, ...)
    its = np.take_along_axis(prediction, index, axis=1)
    classes = np.arange(prediction.shape[1]).reshape(-1, *(1,) * (prediction.ndim - 2))
    before = (prediction > its) | ((prediction == its) & (classes < index))
    return (before.sum(axis=1) < k)[counts].sum(), counts.sum()


def _mean_absolute_error(prediction: Any, target: Any) -> tuple[float, int]:
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    _same_shape("mean_absolute_error", prediction, target)
    return np.abs(prediction - target).sum(), prediction.size


def _mean(batches: list[tuple[float, int]]) -> float:
    sums, counts = zip(*batches, strict=True)
    if not sum(counts):
        raise ValueError("a metric has nothing to count: every target is ignored")
    return float(sum(sums) / sum(counts))


def _r_squared(prediction: Any, target: Any) -> tuple[Array, ...]:
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    _same_shape("r_squared", prediction, target)
    mean = target.mean(axis=0)
    error, spread = np.square(prediction - target).sum(axis=0), np.square(target - mean).sum(axis=0)
    return np.array(len(target)), mean, error, spread, target.min(axis=0), target.max(axis=0)


def _combined_r_squared(batches: list[tuple[Array, ...]]) -> float:
    counts, means, errors, spreads, least, most = (np.stack(parts) for parts in zip(*batches, strict=True))
    n = counts.reshape(-1, *(1,) * (means.ndim - 1))
    between = n * np.square(means - (n * means).sum(axis=0) / n.sum()) if len(n) > 1 else 0
    error, spread = errors.sum(axis=0), (spreads + between).sum(axis=0)
    constant = least.min(axis=0) == most.max(axis=0)
    right = np.where(error == 0, 1.0, 0.0)
    return float(np.where(constant, right, 1 - error / np.where(constant, 1, spread)).mean())


def _classes(owner: str, prediction: Array, target: Array, ignore_index: int) -> tuple[Array, Array, Array]:
    """Return the predicted and the right classes, and which of the samples count."""
    expected = prediction.shape[:1] + prediction.shape[2:]
    if prediction.ndim >= 2 and target.shape == prediction.shape:
        if _is_multi_label(target):
            raise ValueError(
                f"{owner} expects one class for each sample, got targets {target.shape} of zeros and ones that "
                "do not sum to 1, several labels for a sample: accuracy(..., threshold=0) counts each label, "
                "with logits (0.5 with probabilities)"
            )
        target = target.argmax(axis=1)
    elif prediction.ndim < 2 or target.shape != expected or target.dtype.kind not in "iu":
        raise ValueError(
            f"{owner} expects prediction (N, C) and class indices (N,), integers, "
            f"got {prediction.shape} and {target.dtype} {target.shape}"
        )
    counts = target != ignore_index
    wrong = counts & ((target < 0) | (target >= prediction.shape[1]))
    if wrong.any():
        raise ValueError(
            f"{owner} expects class indices from 0 to {prediction.shape[1] - 1}, got {target[wrong][0]}"
        )
    return prediction.argmax(axis=1), target, counts


def _is_multi_label(target: Array) -> bool:
    return bool((target.sum(axis=1) != 1).any() and ((target == 0) | (target == 1)).all())


def _same_shape(owner: str, prediction: Array, target: Array) -> None:
    if prediction.shape != target.shape or prediction.size == 0 or prediction.ndim == 0:
        fix = ": one of them is a column, reshape(-1) makes it flat" if prediction.size == target.size else ""
        raise ValueError(
            f"{owner} expects prediction and target of the same shape, got {prediction.shape} and "
            f"{target.shape}{fix}"
        )


def named_metrics(metrics: Any) -> dict[str, Any]:
    """Return metrics by name: from a dict, from functions that have names, or from names."""
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
    known = {metric.__name__: metric for metric in BATCHED}
    metrics = {
        name: known.get(metric, metric) if isinstance(metric, str) else metric
        for name, metric in metrics.items()
    }
    for name, metric in metrics.items():
        if not callable(metric):
            raise TypeError(
                "metrics are functions of prediction and target, such as accuracy, a dict of them, or of "
                f"the names {', '.join(known)}, got {metric!r}"
            )
        if not isinstance(name, str) or name in ("loss", "lr", "seconds") or name.startswith("val_"):
            raise ValueError(f"{name!r} cannot be the name of a metric: the history has its own of that name")
    return metrics


BATCHED: dict[
    Any, tuple[Any, Any]
] = {  # a metric: its sums of a batch, and its value from those of all batches
    accuracy: (_accuracy, _mean),
    top_k_accuracy: (_top_k_accuracy, _mean),
    mean_absolute_error: (_mean_absolute_error, _mean),
    r_squared: (_r_squared, _combined_r_squared),
}


class Measurement:
    """The values of metrics over several batches as over one.

    Those of this module, also as `functools.partial`, add up from batch to batch; for other functions
    all predictions and targets are saved, and they get them at once.
    """

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self.metrics = metrics
        self._batched = {name: batched for name, metric in metrics.items() if (batched := _batched(metric))}
        self._sums: dict[str, list[Any]] = {name: [] for name in self._batched}
        self._save_all = len(self._batched) < len(metrics)
        self._saved: tuple[list[Array], list[Array]] = [], []

    def add(self, prediction: Array, target: Array) -> None:
        for name, (batch, _) in self._batched.items():
            self._sums[name].append(batch(prediction, target))
        if self._save_all:
            self._saved[0].append(prediction)
            self._saved[1].append(target)

    def values(self) -> dict[str, float]:
        arrays = [np.concatenate(parts) for parts in self._saved] if self._save_all else []
        values = {}
        for name, metric in self.metrics.items():
            batched = self._batched.get(name)
            value = plain(metric(*arrays) if batched is None else batched[1](self._sums[name]))
            if not isinstance(value, int | float):
                raise TypeError(
                    f"the metric {name} gave {type(value).__name__} and not a number: compute it of "
                    "predict(model, x) after training"
                )
            values[name] = float(value)
        return values


def _batched(metric: Any) -> tuple[Any, Any] | None:
    """Return the functions of a metric that adds up from batch to batch, None for another one."""
    if isinstance(metric, partial):
        batch, combine = _batched(metric.func) or (None, None)
        return batch and (partial(batch, *metric.args, **metric.keywords), combine)
    try:
        return BATCHED.get(metric)
    except TypeError:  # it has no hash
        return None
