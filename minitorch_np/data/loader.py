"""DataLoader: the batches of an epoch, in an order that the seed and the epoch fix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import flag, whole
from minitorch_np.data.datasets import TensorDataset, as_samples, is_array, length, reader

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class DataLoader:
    """The samples of a data set in batches, every sample once an epoch.

    `dataset` is a TensorDataset, an array, or any object with `__len__` and `__getitem__` whose samples
    are numbers, arrays or tuples of them. `len` is the number of batches in an epoch; the last one is
    shorter if the numbers do not divide, and left out with `drop_last`.

        for epoch in range(10):
            for x, y in loader.epoch(epoch):

    With `shuffle`, epoch k has the order np.random.default_rng([seed, k]).permutation(n): whatever went
    before it, so that training can go on from any epoch. `seed` is `rng` if that is an integer, and
    otherwise one number drawn from it at the beginning. Iterating over the loader itself gives epoch
    `next_epoch` and counts that up; an epoch that is not iterated to its end counts too.

    Batches of shuffled arrays are copies, others views that are read-only. Raises ValueError for
    a data set without samples and if no batch is full with `drop_last`.
    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.dataset = as_samples("DataLoader", dataset) if isinstance(dataset, np.ndarray) else dataset
        n = length(self.dataset)
        self.batch_size = whole("DataLoader", "batch_size", batch_size, 1)
        self.shuffle = flag("DataLoader", "shuffle", shuffle)
        self.drop_last = flag("DataLoader", "drop_last", drop_last)
        self.seed = _seed(rng)
        self.next_epoch = 0
        self.samples = n - n % self.batch_size if self.drop_last else n  # in an epoch
        if self.samples == 0:
            raise ValueError(f"DataLoader drops its only batch: batch_size {batch_size} of {n} samples")
        self._read = reader(self.dataset)

    def over(self, dataset: Any) -> DataLoader:
        """Return a loader of other samples, with the same options and seed."""
        return DataLoader(dataset, self.batch_size, self.shuffle, drop_last=self.drop_last, rng=self.seed)

    def epoch(self, epoch: int) -> Iterator[Any]:
        """Yield the batches of epoch `epoch`, counted from 0."""
        read, size, order = self._read, self.batch_size, self.order(epoch)
        for start in range(0, self.samples, size):
            end = min(start + size, self.samples)
            yield read(slice(start, end) if order is None else order[start:end])

    def order(self, epoch: int) -> Array | None:
        """Return the numbers of the samples in the order of an epoch; None without shuffling."""
        epoch = whole("DataLoader", "epoch", epoch)
        if not self.shuffle:
            return None
        return np.random.default_rng([self.seed, epoch]).permutation(length(self.dataset))

    def __iter__(self) -> Iterator[Any]:
        self.next_epoch += 1
        return self.epoch(self.next_epoch - 1)

    def __len__(self) -> int:
        return (self.samples + self.batch_size - 1) // self.batch_size

    def __repr__(self) -> str:
        dropping = ", drop_last=True" if self.drop_last else ""
        order = f", shuffle=True, rng={self.seed}" if self.shuffle else ""
        return f"DataLoader({self.dataset!r}, batch_size={self.batch_size}{order}{dropping})"


def _seed(rng: Any) -> int:
    """Return the seed of the order: `rng` if it is an integer, otherwise a number drawn from it."""
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        return whole("DataLoader", "rng", rng)
    return int(np.random.default_rng(rng).integers(2**63))


def batches(
    x: Any,
    y: Any = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    drop_last: bool = False,
    rng: np.random.Generator | int | None = None,
) -> DataLoader:
    """Return x and y in batches of `batch_size` rows, every row once an epoch; without y, x alone.

        data = batches(x, y, batch_size=64, rng=0)
        for epoch in range(10):
            for x_batch, y_batch in data.epoch(epoch):

    Each epoch has an order of its own, fixed by `rng` and its number. x and y are arrays or lists, may
    be memory-mapped files larger than memory, and have as many rows. x alone may be any object with
    `__len__` and `__getitem__` that gives the samples, such as tuples of x and y. Make it once, before
    the loop; what it is, is a DataLoader.

    Raises ValueError for different lengths and for no rows.
    """
    if y is not None:
        dataset: Any = TensorDataset(x, y)
    else:
        dataset = as_samples("batches", x) if is_array(x) else x
    return DataLoader(dataset, batch_size, shuffle, drop_last=drop_last, rng=rng)


def pairs(x: Any, y: Any, owner: str) -> Any:
    """Return the data that `fit` and `evaluate` are given: x and y as a data set; a data set; a DataLoader."""
    data = x if y is None else (x, y)
    if not is_array(data):
        return data
    if isinstance(data, np.ndarray) or len(data) != 2:
        raise TypeError(
            f"{owner} expects x and y, one tuple (x, y), a data set of such pairs or a DataLoader, got "
            f"{type(data).__name__} of {len(data)}"
        )
    return TensorDataset(*data)


def in_order(data: Any, batch_size: int) -> DataLoader:
    """Return `pairs` to evaluate: a DataLoader as it is, a data set without shuffling."""
    return data if isinstance(data, DataLoader) else DataLoader(data, batch_size)
