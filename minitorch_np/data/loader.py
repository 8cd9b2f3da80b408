"""A data loader: the batches of an epoch, in an order that the seed and the epoch fix."""

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
    shorter where the numbers do not divide, and left out with `drop_last`.

        for epoch in range(10):
            for x, y in loader.epoch(epoch):

    With `shuffle`, epoch k has the order np.random.default_rng([seed, k]).permutation(n): whatever went
    before it, so that training can go on from any epoch. `seed` is `rng` where that is an integer, and
    otherwise one number drawn from it at the beginning. Iterating over the loader itself gives epoch
    `next_epoch` and counts that up; an epoch that is not iterated to its end counts too.

    Batches of shuffled arrays are copies, others views that are read-only. Raises ValueError for
    a data set without samples and where no batch is full with `drop_last`.
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

    def epoch(self, epoch: int) -> Iterator[Any]:
        """The batches of epoch `epoch`, counted from 0."""
        read, size, order = self._read, self.batch_size, self.order(epoch)
        for start in range(0, self.samples, size):
            end = min(start + size, self.samples)
            yield read(slice(start, end) if order is None else order[start:end])

    def order(self, epoch: int) -> Array | None:
        """The numbers of the samples in the order of an epoch; None without shuffling."""
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
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        return whole("DataLoader", "rng", rng)
    return int(np.random.default_rng(rng).integers(2**63))


def pairs(data: Any, y: Any, batch_size: int, rng: Any, shuffle: bool, owner: str) -> DataLoader:
    """What `fit` and `evaluate` take as data: x and y, (x, y), a data set of such pairs, or a DataLoader."""
    if y is not None:
        data = (data, y)
    if isinstance(data, DataLoader):
        return data
    if is_array(data) and not isinstance(data, np.ndarray) and len(data) == 2:
        data = TensorDataset(*data)
    elif is_array(data):
        raise TypeError(
            f"{owner} expects x and y, one tuple (x, y), a data set of such pairs or a DataLoader, got "
            f"{type(data).__name__} of {len(data)}"
        )
    return DataLoader(data, batch_size, shuffle, rng=rng)
