"""Predictions, losses and metrics of a model over data in batches, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.names import answers_guesses
from minitorch_np._internal.numerics import total
from minitorch_np.data.datasets import TensorDataset, as_samples, is_array, stored
from minitorch_np.data.loader import DataLoader, in_order, pairs
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.metrics import Measurement, named_metrics

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.training.parallel import OneProcess


_HELD: dict[int, tuple[int, bool]] = {}  # id of a layer: how many evaluations hold it, its mode before them
_LOCK = Lock()


@contextmanager
def evaluating(model: Layer) -> Iterator[None]:
    """Hold the whole model in evaluation mode; afterwards each layer is in the mode that it had.

    Several threads may do so at once: the last one puts the modes back, and drops what the layers have
    saved, since no backward pass fits it.
    """
    with _LOCK:
        layers = [layer for _, layer in model.named_modules()]
        for layer in layers:
            holders, mode = _HELD.get(id(layer), (0, layer.training))
            _HELD[id(layer)] = holders + 1, mode
            layer.training = False
    try:
        yield
    finally:
        with _LOCK:
            for layer in layers:
                holders, mode = _HELD.pop(id(layer))
                if holders > 1:
                    _HELD[id(layer)] = holders - 1, mode
                else:
                    layer.training = mode
                    vars(layer).pop("_saved", None)


@answers_guesses({})
def predict(model: Layer, x: Any, *, batch_size: int = 256) -> Array:
    """Return model(x) for all samples, computed `batch_size` at a time in evaluation mode.

    x is an array, a list, a memory-mapped file, or a data set of samples or of pairs (x, y), whose x
    counts. The numbers are those of model(x) within rounding: a matrix product over other rows may
    round differently. Several threads may predict with one model at once.
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


@answers_guesses({"data": "x and y"})
def evaluate(
    model: Layer, loss: Loss, x: Any, y: Any = None, *, metrics: Any = (), batch_size: int = 256
) -> dict[str, float]:
    """Return the loss and the metrics over all of the data, by name, in evaluation mode.

    The data are x and y, one tuple (x, y), a data set of such pairs, or a DataLoader (its epoch 0). The
    loss is that of all samples as one batch: the mean over all of them, also if the last batch is short
    or weights and `ignore_index` count some less; and the sum for a loss that sums.

    `metrics` are functions of prediction and target, such as accuracy, names of `minitorch_np.metrics`,
    or a dict of names and functions. Functions of your own get the predictions for all samples at
    once; those of `minitorch_np.metrics` are added up from batch to batch.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"evaluate expects a layer or a network, got {model!r}")
    loader = in_order(pairs(x, y, "evaluate"), batch_size)
    return evaluated(model, loss, named_metrics(metrics), loader.epoch(0))


def evaluated(
    model: Layer,
    loss: Loss,
    metrics: Mapping[str, Any],
    batches: Iterable[tuple[Array, Array]],
    ranks: OneProcess | None = None,
) -> dict[str, float]:
    """`evaluate` over given batches, or over the shards of them that several ranks predict for rank 0."""
    whole, measurement = WholeLoss(loss), Measurement(metrics)
    with evaluating(model):
        for x, target in batches:
            y_pred: Any = model(x)
            y: Any = target
            if ranks is not None:
                y_pred, y = ranks.rows(y_pred), ranks.rows(y)
                if ranks.rank:
                    continue
            whole.add(y_pred, y)
            measurement.add(y_pred, y)
    if ranks is not None and ranks.rank:
        return ranks.of_first(None)
    values = {"loss": whole.value()} | measurement.values()
    return values if ranks is None else ranks.of_first(values)


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
    """Raise TypeError or ValueError unless `loss` is a loss with one value."""
    if not isinstance(loss, Loss):
        fix = f": write {loss.__name__}()" if isinstance(loss, type) else ""
        raise TypeError(f"{owner} expects a loss, got {loss!r}{fix}")
    if loss.reduction == "none":
        raise ValueError(f"{owner} expects a loss with one value, got {loss!r}: reduction='mean' or 'sum'")
