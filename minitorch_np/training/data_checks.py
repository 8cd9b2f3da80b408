"""Checks of data before training starts: NaN, infinity, labels and shapes that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.data.datasets import WeightedSamples, stored, taker
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.data.loader import DataLoader

BLOCK = 2**20  # numbers; rows of about so many are looked through at once


def check_data(loss: Loss, training: DataLoader, validation: DataLoader | None) -> Callable[[Array], None]:
    """Look through the data for NaN and infinity; return what checks the targets, given a first prediction."""
    loaders = {"training": training} | ({} if validation is None else {"validation": validation})
    for whose, loader in loaders.items():
        batch = next(loader.epoch(0))
        check_pair(batch[:2] if type(loader.dataset) is WeightedSamples else batch, whose)
        check_finite(loader.dataset, whose)

    def check(prediction: Array) -> None:
        for whose, loader in loaders.items():
            check_targets(loss, prediction, loader.dataset, whose)

    return check


def check_pair(batch: Any, whose: str) -> None:
    """Raise TypeError unless a batch is a pair of x and y."""
    if not isinstance(batch, tuple) or len(batch) != 2:
        got = f"{len(batch)} parts" if isinstance(batch, tuple) else "one array"
        raise TypeError(f"fit expects pairs of x and y as {whose} data, got {got} a batch")


def check_finite(dataset: Any, whose: str) -> None:
    """Raise ValueError if the arrays of a data set hold NaN or infinity, naming the first sample.

    Each array is read once from its beginning to its end, memory-mapped ones too. Samples that an
    object makes on demand are not looked at: they may differ each time.
    """
    arrays, indices = stored(dataset) or ((), None)
    for number, array in enumerate(arrays):
        if array.dtype.kind != "f":
            continue
        wrong, first = 0, ""
        for start, block in _blocks(array, indices):
            fine = np.isfinite(block)
            if not fine.all():
                bad = np.flatnonzero(~fine.reshape(len(block), -1).all(axis=1))
                wrong += len(bad)
                place = tuple(np.argwhere(~fine[bad[0]])[0].tolist())
                value = block[bad[0]][place]
                first = first or f"the first is sample {start + bad[0]} with {value} at {list(place)}"
        if wrong:
            name = ("x", "y")[number] if len(arrays) <= 2 else f"array {number}"
            count = len(array) if indices is None else len(indices)
            raise ValueError(
                f"{name} of the {whose} data holds NaN or infinity in {wrong} of {count} samples, {first}\n"
                f"    to leave them out: good = np.isfinite({name}.reshape(len({name}), -1)).all(axis=1); "
                "x, y = x[good], y[good]"
            )


def check_targets(loss: Loss, prediction: Array, dataset: Any, whose: str) -> None:
    """Raise what the loss raises for targets that it cannot take, wherever among the samples they are.

    `prediction` is that of a batch; only its dtype and the shape of its samples count. The loss is
    asked as in training, by its `prepare`, with zeros for predictions.
    """
    if type(loss).forward is not Loss.forward:
        return  # it does not say how it takes its targets
    from copy import copy

    asked = copy(loss)  # what it says once, it still has to say
    arrays, indices = stored(dataset) or ((), None)
    for start, block in _blocks(arrays[-1], indices, prediction[0].size) if arrays else ():
        try:
            asked.prepare(np.zeros((len(block), *prediction.shape[1:]), prediction.dtype), block)
        except (TypeError, ValueError) as error:
            error.add_note(f"(in the targets of the {whose} data, counted from sample {start})")
            raise


def _blocks(array: Array, indices: Array | None, least: int = 1) -> Iterator[tuple[int, Array]]:
    """Yield blocks of samples with the number of the first; a sample counts as `least` or more numbers."""
    take, count = taker(array), len(array) if indices is None else len(indices)
    rows = max(1, BLOCK // max(least, array[:1].size))
    for start in range(0, count, rows):
        here = slice(start, min(start + rows, count))
        yield start, take(here if indices is None else indices[here])
