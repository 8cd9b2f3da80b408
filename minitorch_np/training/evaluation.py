"""Predictions, losses and metrics of a model over data in batches, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.numerics import total
from minitorch_np.data.datasets import TensorDataset, as_samples, is_array, stored
from minitorch_np.data.loader import DataLoader, pairs
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.metrics import measured, named_metrics
from minitorch_np.training.modes import evaluating

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def predict(model: Layer, x: Any, *, batch_size: int = 256) -> Array:
    """model(x) for all samples, computed `batch_size` at a time, with `eval()` set and put back.

    x is an array, a list, a memory-mapped file, or a data set of samples or of pairs (x, y), whose x
    counts. The numbers are those of model(x) within rounding: a matrix product over other rows may
    round differently.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"predict expects a layer or a network, got {model!r}")
    if is_array(x):
        x = as_samples("predict", x)
    elif isinstance(x, TensorDataset) and stored(x):
        x = x.arrays[0]
    loader, done = DataLoader(x, batch_size), 0
    result: Any = None  # made when the first batch tells its shape
    with evaluating(model):
        for batch in loader.epoch(0):
            y = model(batch[0] if isinstance(batch, tuple) else batch)
            if result is None:
                result = np.empty((len(loader.dataset), *y.shape[1:]), y.dtype)
            result[done : done + len(y)] = y
            done += len(y)
    return result


def evaluate(
    model: Layer, loss: Loss, x: Any, y: Any = None, *, metrics: Any = (), batch_size: int = 256
) -> dict[str, float]:
    """The loss and the metrics over all of the data, by name, with `eval()` set and put back.

    The data are x and y, one tuple (x, y), a data set of such pairs, or a DataLoader (its epoch 0).
    The loss is that of all samples as one batch: the mean over all of them, also where the last batch is short and where
    weights or `ignore_index` count some less; and the sum where the loss sums.

    `metrics` are functions of prediction and target, such as accuracy, or a dict of names and
    functions. They get the predictions for all samples at once.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"evaluate expects a layer or a network, got {model!r}")
    loader = pairs(x, y, batch_size, None, False, "evaluate")
    return evaluated(model, loss, named_metrics(metrics), loader.epoch(0))


def evaluated(
    model: Layer, loss: Loss, metrics: Mapping[str, Any], batches: Iterable[tuple[Array, Array]]
) -> dict[str, float]:
    """`evaluate` over given batches."""
    whole = WholeLoss(loss)
    predictions: list[Array] = []
    targets: list[Array] = []
    with evaluating(model):
        for x, y in batches:
            y_pred = model(x)
            whole.add(y_pred, y)
            if metrics:
                predictions.append(y_pred)
                targets.append(y)
    found = {"loss": whole.value()}
    if metrics:
        found |= measured(metrics, np.concatenate(predictions), np.concatenate(targets))
    return found


class WholeLoss:
    """The loss of several batches as of one: the sums added up, and divided by what they count together."""

    def __init__(self, loss: Loss) -> None:
        check_loss("evaluate", loss)
        self.loss = loss
        self.sum = self.count = 0.0

    def add(self, prediction: Array, target: Array) -> None:
        arguments = self.loss.prepare(prediction, target)
        self.sum += float(total(self.loss.function(*arguments)))
        self.count += self.loss.divisor(*arguments)

    def value(self) -> float:
        if self.loss.reduction == "sum":
            return self.sum
        if self.count == 0:
            raise ValueError(f"{self.loss!r} has no mean over targets that are all ignored or of weight 0")
        return self.sum / self.count


def check_loss(owner: str, loss: Any) -> None:
    """Raise TypeError or ValueError for what is no loss with one value."""
    if not isinstance(loss, Loss):
        fix = f": write {loss.__name__}()" if isinstance(loss, type) else ""
        raise TypeError(f"{owner} expects a loss, got {loss!r}{fix}")
    if loss.reduction == "none":
        raise ValueError(f"{owner} expects a loss with one value, got {loss!r}: reduction='mean' or 'sum'")
