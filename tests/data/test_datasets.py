import tracemalloc

import numpy as np
import pytest

from minitorch_np.data import DataLoader, Subset, TensorDataset
from minitorch_np.data.datasets import collate, reader

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


def test_a_sample_is_a_row_of_each_array():
    dataset = TensorDataset(X, Y.tolist())
    assert len(dataset) == 6
    x, y = dataset[2]
    assert x.tolist() == [4, 5]
    assert y == 2
    assert repr(dataset) == "TensorDataset(float64 (6, 2), int64 (6,))"


def test_a_subset_has_the_samples_of_its_numbers():
    subset = Subset(TensorDataset(X, Y), [4, -1])
    assert len(subset) == 2
    assert subset[1][1] == 5
    assert Subset(subset, [1])[0][1] == 5
    x, y = reader(Subset(subset, [1, 0]))(np.array([0, 1]))
    assert y.tolist() == [5, 4]
    assert x.tolist() == [[10, 11], [8, 9]]


class Pairs:
    """A data set that makes its samples when it is asked."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        if not 0 <= i < 6:
            raise IndexError(i)
        return X[i], int(Y[i])


class Noisy(TensorDataset):
    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x + 100, y


def test_any_object_with_len_and_getitem_is_a_data_set():
    for dataset, added in ((Pairs(), 0), (Subset(Pairs(), range(6)), 0), (Noisy(X, Y), 100)):
        x, y = next(iter(DataLoader(dataset, 4)))
        assert np.array_equal(x, X[:4] + added)
        assert np.array_equal(y, Y[:4])
        assert y.dtype.kind == "i"
    assert next(iter(DataLoader([1.5, 2.5], 2))).tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (TensorDataset, ValueError, "an array or more, got none"),
        (lambda: TensorDataset(X, Y[:5]), ValueError, "as many samples each, got 6 and 5"),
        (lambda: TensorDataset(X[:0]), ValueError, r"a sample or more, got an array of shape \(0, 2\)"),
        (lambda: TensorDataset(3.0), ValueError, "one row a sample, got the single number 3.0"),
        (lambda: TensorDataset([[1], [1, 2]]), ValueError, "expects arrays of numbers"),
        (lambda: TensorDataset(["a"]), TypeError, "expects arrays of numbers, got <U1"),
        (lambda: TensorDataset(np.ma.masked_array(X)), TypeError, "without a mask"),
        (lambda: Subset(TensorDataset(X), [6]), ValueError, "indices below 6, the number of samples, got 6"),
        (lambda: Subset(TensorDataset(X), X[:, 0] > 3), ValueError, r"for a mask, np\.flatnonzero"),
        (lambda: DataLoader(TensorDataset), TypeError, "got the class TensorDataset"),
        (lambda: DataLoader(iter([])), TypeError, "__len__ and __getitem__"),
        (lambda: DataLoader([]), ValueError, "has no samples"),
        (lambda: collate([(1, 2), (1,)]), ValueError, "with 2 parts each"),
        (lambda: collate([[1, 2], [1]]), ValueError, "with 2 parts each"),
        (lambda: collate([np.ones(2), np.ones(3)]), ValueError, r"of one shape, got \(2,\) and \(3,\)"),
        (lambda: collate(["a", "b"]), TypeError, "samples of numbers, got <U1"),
    ],
)
def test_what_is_no_data_is_named(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_memory_mapped_file_is_read_by_the_batch(tmp_path, order, shuffle):
    """20 MB on the disk, in either order, less than 1 MB in memory."""
    path, rows = tmp_path / "x.npy", 10_000
    written = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float64, shape=(rows, 256), fortran_order=order == "F"
    )
    written[:, 0] = np.arange(rows)
    written.flush()
    x = np.load(path, mmap_mode="r")
    loader = DataLoader(TensorDataset(x, np.arange(rows)), 64, shuffle, rng=0)
    next(iter(loader.epoch(0)))  # what is imported only then
    tracemalloc.start()
    try:
        seen = []
        for x_batch, y_batch in loader.epoch(0):
            assert np.array_equal(x_batch[:, 0], y_batch)
            assert type(x_batch) is np.ndarray
            seen += y_batch.tolist()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(seen) == list(range(rows))
    assert peak < 1.5e6
