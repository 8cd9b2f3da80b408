"""A split of samples into two parts, one to train on and one to test with."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np._internal.validation import flag, is_number, plain
from minitorch_np.data.datasets import Subset, TensorDataset, length, taker


def split(
    *data: Any,
    test_size: float = 0.25,
    shuffle: bool = True,
    rng: np.random.Generator | int | None = None,
) -> tuple[Any, Any]:
    """Return the samples in two parts, to train and to test; each sample in one of them.

        (x_train, y_train), (x_test, y_test) = split(x, y, test_size=0.2, rng=0)
        train, test = split(x, y)  # as fit and evaluate take them

    `test_size` is the part that goes to the second one, or a number of samples. With `shuffle=False`
    that is the end, as for what is ordered in time. Arrays are copied; one array alone gives two
    arrays. A data set, as TensorDataset(x, y) of memory-mapped files, gives two Subsets that copy
    nothing.

    Raises ValueError for arrays of different lengths, and if a part would be empty. Unlike
    scikit-learn's train_test_split it keeps x and y of a part together.
    """
    if not data:
        raise TypeError("split expects x and y, or a data set, got nothing")
    made = len(data) == 1 and not isinstance(data[0], np.ndarray | list | tuple)
    arrays = () if made else TensorDataset(*data).arrays
    n = length(data[0] if made else arrays[0])
    order = np.random.default_rng(rng).permutation(n) if flag("split", "shuffle", shuffle) else np.arange(n)
    first = n - _test_samples(test_size, n)
    train, test = order[:first], order[first:]
    if made:
        return Subset(data[0], train), Subset(data[0], test)
    parts = [tuple(taker(array)(rows) for array in arrays) for rows in (train, test)]
    return (parts[0][0], parts[1][0]) if len(arrays) == 1 else (parts[0], parts[1])


def _test_samples(test_size: Any, n: int) -> int:
    size = plain(test_size)
    if isinstance(size, float) and is_number(size, 0, 1):
        count = round(size * n)
    elif isinstance(size, int) and is_number(size, 1):
        count = size
    else:
        raise ValueError(
            "split expects test_size as a part, from 0.0 to 1.0, or as a whole number of samples, "
            f"got {test_size!r}"
        )
    if not 0 < count < n:
        raise ValueError(
            f"split expects a sample or more in each part, got test_size={test_size!r} of {n} samples: "
            f"{max(n - count, 0)} to train, {count} to test"
        )
    return count
