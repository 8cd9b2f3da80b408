"""Data sets: samples by number, and the rows of a batch read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import is_masked

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Rows = Any  # which samples: an array of their numbers, or a slice of them


class TensorDataset:
    """Arrays with one row a sample; sample i is the tuple of their rows i.

    The arrays may be memory-mapped, `np.load("x.npy", mmap_mode="r")`: a row is read when it is asked
    for. Lists become arrays. Raises ValueError for arrays of different lengths, without samples, or
    of shape ().
    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.TensorDataset
    """

    def __init__(self, *arrays: Any) -> None:
        if not arrays:
            raise ValueError("TensorDataset expects an array or more, got none")
        self.arrays = tuple(as_samples("TensorDataset", array) for array in arrays)
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"expected arrays with as many samples each, got {' and '.join(map(str, lengths))}: "
                "row i of each belongs to sample i"
            )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(array[index] for array in self.arrays)

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(f'{array.dtype} {array.shape}' for array in self.arrays)})"


class Subset:
    """The samples of a data set with the given numbers, in that order; nothing is copied.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Subset
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        size = length(dataset)
        self.dataset = dataset
        self.indices = np.asarray(indices)
        if self.indices.ndim != 1 or self.indices.dtype.kind not in "iu":
            raise ValueError(
                f"Subset expects indices as one row of integers, got {self.indices.dtype} of shape "
                f"{self.indices.shape}: for a mask, np.flatnonzero(mask)"
            )
        wrong = (self.indices < -size) | (self.indices >= size)
        if wrong.any():
            raise ValueError(
                f"Subset expects indices below {size}, the number of samples, got {self.indices[wrong][0]}"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def __repr__(self) -> str:
        return f"Subset({self.dataset!r}, {len(self)} of {len(self.dataset)} samples)"


class WeightedSamples:
    """The samples of a data set of pairs, each with a weight: x, y, weight."""

    def __init__(self, dataset: Any, weights: Array) -> None:
        self.dataset = dataset
        self.weights = weights

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return *self.dataset[index], self.weights[index]

    def __repr__(self) -> str:
        return f"{self.dataset!r} with weights"


def as_samples(owner: str, values: Any) -> Array:
    """Return `values` as a plain array of samples; what is memory-mapped stays on the disk."""
    if is_masked(values):
        raise TypeError(f"{owner} expects arrays without a mask: fill it, .filled(0)")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{owner} expects arrays of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{owner} expects arrays of numbers, got {array.dtype} ({_shown(values)})")
    if array.ndim == 0:
        raise ValueError(f"{owner} expects arrays with one row a sample, got the single number {values!r}")
    if len(array) == 0:
        raise ValueError(f"{owner} expects a sample or more, got an array of shape {array.shape}")
    return array


def is_array(data: Any) -> bool:
    """Return whether data are an array or its rows, and not a list of samples that are tuples."""
    return isinstance(data, np.ndarray | list | tuple) and not (len(data) and isinstance(data[0], tuple))


def length(dataset: Any) -> int:
    """Return the number of samples; raise TypeError for what is not a data set."""
    if isinstance(dataset, type) or not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            "expected arrays, or a data set with __len__ and __getitem__ that gives sample i for "
            f"dataset[i], got {_shown(dataset)}"
        )
    if len(dataset) == 0:
        raise ValueError(f"{_shown(dataset)} has no samples")
    return len(dataset)


def stored(dataset: Any) -> tuple[Sequence[Array], Array | None] | None:
    """Return the arrays of a data set, and which of their rows (None: all); None if it makes its samples."""
    if type(dataset) is np.ndarray:
        return [dataset], None
    if isinstance(dataset, TensorDataset) and type(dataset).__getitem__ is TensorDataset.__getitem__:
        return dataset.arrays, None
    if type(dataset) is WeightedSamples:
        return stored(dataset.dataset)  # the weights apart
    if type(dataset) is Subset:
        inner = stored(dataset.dataset)
        if inner is not None:
            arrays, indices = inner
            return arrays, dataset.indices if indices is None else indices[dataset.indices]
    return None


def reader(dataset: Any) -> Callable[[Rows], Any]:
    """Return a function that gives the batch of some rows: an array, or a tuple of them."""
    if type(dataset) is WeightedSamples:
        read, weights = reader(dataset.dataset), dataset.weights
        return lambda rows: (*read(rows), weights[rows])
    found = stored(dataset)
    if found is None:
        return lambda rows: collate([dataset[i] for i in _numbers(rows)])
    arrays, indices = found
    takes = [taker(array) for array in arrays]
    if type(dataset) is np.ndarray:
        return takes[0]
    if indices is not None:
        return lambda rows: tuple([take(indices[rows]) for take in takes])
    if len(takes) == 2:  # the usual case, and the one that is timed
        first, second = takes
        return lambda rows: (first(rows), second(rows))
    return lambda rows: tuple([take(rows) for take in takes])


def taker(array: Array) -> Callable[[Rows], Array]:
    """Return a function that gives some rows of an array: a copy, or for a slice a view that is read-only.

    `take` is up to four times as fast as `array[rows]`, but would first copy the whole of an array that
    is not contiguous, even one on the disk.
    """
    fast = array.flags.c_contiguous and array.flags.aligned and array.ndim > 1

    def take(rows: Rows) -> Array:
        if isinstance(rows, slice):
            view = array[rows]
            view.flags.writeable = False
            return view
        return array.take(rows, axis=0) if fast else array[rows]

    return take


def collate(items: list[Any]) -> Any:
    """Return samples as a batch: numbers and arrays under one another; tuples of them part by part."""
    if isinstance(items[0], tuple | list):
        if any(len(item) != len(items[0]) for item in items):
            raise ValueError(f"expected samples with {len(items[0])} parts each, got {sorted(map(len, items))}")
        return tuple(_stacked([item[part] for item in items]) for part in range(len(items[0])))
    return _stacked(items)


def _stacked(parts: list[Any]) -> Array:
    try:
        array = np.stack([np.asarray(part) for part in parts])
    except ValueError:
        shapes = sorted({np.shape(part) for part in parts})
        raise ValueError(f"expected samples of one shape, got {' and '.join(map(str, shapes))}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected samples of numbers, got {array.dtype} ({_shown(parts[0])})")
    return array


def _numbers(rows: Rows) -> Any:
    return range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = repr(value)
    return f"{type(value).__name__} {text}" if len(text) <= 60 else f"{type(value).__name__} {text[:57]}…"
