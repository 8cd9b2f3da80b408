import numpy as np
import pytest

from minitorch_np.data import Subset, TensorDataset, split

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20)


def test_each_sample_is_in_one_part():
    (x_train, y_train), (x_test, y_test) = split(X, Y, test_size=0.25, rng=0)
    assert len(y_train) == 15
    assert sorted([*y_train, *y_test]) == list(range(20))
    assert np.array_equal(x_train, X[y_train])
    assert np.array_equal(x_test, X[y_test])


def test_the_seed_fixes_the_parts():
    first, again, other = (split(X, Y, rng=seed)[1][1].tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert first != sorted(first)


def test_without_shuffling_the_end_is_for_the_test():
    train, test = split(Y, test_size=5, shuffle=False)
    assert train.tolist() == list(range(15))
    assert test.tolist() == list(range(15, 20))


def test_parts_are_copies():
    train, test = split(X, test_size=0.5, shuffle=False)
    train += 1
    test += 1
    assert X[0, 0] == 0
    assert X[-1, -1] == 39


def test_a_data_set_gives_two_that_copy_nothing():
    dataset = TensorDataset(X, Y)
    train, test = split(dataset, test_size=0.2, rng=0)
    assert type(train) is type(test) is Subset
    assert train.dataset is dataset
    assert (len(train), len(test)) == (16, 4)
    (_, y_train), (_, y_test) = split(X, Y, test_size=0.2, rng=0)
    assert [y for _, y in train] == y_train.tolist()
    assert [y for _, y in test] == y_test.tolist()


@pytest.mark.parametrize(
    ("data", "options", "match"),
    [
        ((X, Y[:19]), {}, "as many samples each, got 20 and 19"),
        ((X,), {"test_size": 1.5}, "as a part, from 0.0 to 1.0, or as a whole number of samples, got 1.5"),
        ((X,), {"test_size": True}, "got True"),
        ((X,), {"test_size": 20}, "a sample or more in each part, got test_size=20 of 20 samples: 0 to train"),
        ((X,), {"test_size": 0.01}, "20 to train, 0 to test"),
        ((X,), {"test_size": 1.0}, "0 to train, 20 to test"),
        ((X[:0],), {}, "a sample or more"),
    ],
)
def test_what_cannot_be_split_is_named(data, options, match):
    with pytest.raises(ValueError, match=match):
        split(*data, **options)


def test_no_data_at_all():
    with pytest.raises(TypeError, match="got nothing"):
        split()
