import numpy as np
import pytest

from minitorch_np.data import DataLoader, TensorDataset, batches

X = np.arange(10)


def numbers(loader, epoch):
    return [batch.tolist() for batch in loader.epoch(epoch)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 5), (10, 10), (10, 99), (1, 1), (10, 1)])
def test_every_sample_once_an_epoch(n, size, shuffle):
    loader = DataLoader(np.arange(n), size, shuffle, rng=0)
    for epoch in range(3):
        found = numbers(loader, epoch)
        assert sorted(number for batch in found for number in batch) == list(range(n))
        assert len(found) == len(loader) == -(-n // size)
        assert [len(batch) for batch in found[:-1]] == [size] * (len(found) - 1)


def test_drop_last_leaves_out_the_short_batch():
    loader = DataLoader(X, 4, True, drop_last=True, rng=0)
    assert [len(batch) for batch in loader.epoch(0)] == [4, 4]
    assert len(loader) == 2
    assert loader.samples == 8
    assert len(DataLoader(X, 5, drop_last=True)) == 2
    with pytest.raises(ValueError, match="drops its only batch: batch_size 11 of 10 samples"):
        DataLoader(X, 11, drop_last=True)


def test_the_order_is_the_one_that_is_documented():
    loader = DataLoader(X, 10, True, rng=5)
    for epoch in (0, 3):
        assert numbers(loader, epoch) == [np.random.default_rng([5, epoch]).permutation(10).tolist()]


def test_an_epoch_does_not_depend_on_those_before():
    loader = DataLoader(X, 3, True, rng=1)
    third = numbers(loader, 2)
    assert numbers(loader, 0) != numbers(loader, 1) != third
    assert numbers(DataLoader(X, 3, True, rng=1), 2) == third
    assert numbers(DataLoader(X, 3, True, rng=2), 2) != third


def test_iterating_goes_on_from_epoch_to_epoch():
    loader = DataLoader(X, 3, True, rng=1)
    first = [batch.tolist() for batch in loader]
    next(iter(loader))
    assert first == numbers(loader, 0)
    assert loader.next_epoch == 2
    assert [batch.tolist() for batch in loader] == numbers(loader, 2)


def test_a_generator_is_asked_once_for_the_seed():
    generator = np.random.default_rng(3)
    loader = DataLoader(X, 3, True, rng=generator)
    assert loader.seed == int(np.random.default_rng(3).integers(2**63))
    state = generator.bit_generator.state
    assert len(numbers(loader, 0)) == 4
    assert generator.bit_generator.state == state
    assert DataLoader(X, rng=np.int64(7)).seed == 7
    assert DataLoader(X).seed != DataLoader(X).seed


def test_batches_are_copies_or_read_only():
    x = np.arange(10.0)
    for batch in DataLoader(x, 4, True, rng=0):
        batch += 1
    for batch in DataLoader(x, 4):
        with pytest.raises(ValueError, match="read-only"):
            batch += 1
    assert x.tolist() == list(range(10))


def test_repr_says_what_fixes_the_order():
    loader = DataLoader(TensorDataset(X), 3, True, drop_last=True, rng=4)
    assert repr(loader) == (
        "DataLoader(TensorDataset(int64 (10,)), batch_size=3, shuffle=True, rng=4, drop_last=True)"
    )


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"shuffle": 1}, {"drop_last": None}, {"rng": -1}])
def test_options_that_make_no_sense_are_named(options):
    with pytest.raises((TypeError, ValueError), match=f"DataLoader expects {next(iter(options))} to be"):
        DataLoader(X, **options)


def test_an_epoch_is_counted_from_0():
    with pytest.raises(ValueError, match="expects epoch to be a whole number, 0 or more"):
        next(DataLoader(X, 2, True).epoch(-1))


def test_batches_of_two_arrays_and_of_one():
    x, y = np.arange(20.0).reshape(10, 2), list(range(10))
    for x_batch, y_batch in batches(x, y, batch_size=4, rng=0):
        assert x_batch.tolist() == x[y_batch].tolist()
    assert {len(x_batch) for x_batch in batches(x, batch_size=5)} == {5}
    assert len(batches(x, y)) == 1
    assert len(batches(x, y, batch_size=4, drop_last=True)) == 2
    x_batch, y_batch = next(iter(batches(list(zip(x, y, strict=True)), batch_size=4)))
    assert x_batch.tolist() == x[y_batch].tolist()
