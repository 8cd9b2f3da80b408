"""Layers that reshape, transpose and reduce: plain NumPy's numbers, and what is refused."""

import numpy as np
import pytest

import minitorch_np as mt

X = np.random.default_rng(0).standard_normal((3, 4, 6))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (mt.Reshape(24), X.reshape(3, 24)),
        (mt.Reshape(2, -1, 3), X.reshape(3, 2, 4, 3)),
        (mt.Transpose(1, 2), X.transpose(0, 2, 1)),
        (mt.Transpose(0, -1), X.transpose(2, 1, 0)),
        (mt.Select(1, -1), X[:, -1]),
        (mt.Select(-1, 2), X[..., 2]),
        (mt.Mean(1), X.mean(axis=1)),
        (mt.Mean(-1, keepdim=True), X.mean(axis=2, keepdims=True)),
        (mt.Mean((1, 2)), X.mean(axis=(1, 2))),
    ],
    ids=repr,
)
def test_forward_is_that_of_numpy_and_backward_its_adjoint(layer, expected):
    y = layer(X)
    np.testing.assert_array_equal(y, expected)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx = layer.backward(dy)
    assert dx.shape == X.shape
    # y = A x and dx = Aᵀ dy, so that dy · A x' = Aᵀ dy · x' for any x'
    other = np.random.default_rng(2).standard_normal(X.shape)
    np.testing.assert_allclose((dy * layer(other)).sum(), (dx * other).sum(), rtol=1e-12)


def test_one_number_a_sample_may_stand_without_an_axis():
    assert mt.Reshape()(np.ones((3, 1))).shape == (3,)


def test_the_last_step_of_a_sequence_learns(tmp_path):
    model = mt.Sequential(
        mt.Transpose(1, 2), mt.Linear(4, 5, rng=0), mt.Tanh(), mt.Select(1, -1), mt.Reshape(5, 1), mt.Mean(-1)
    )
    y = np.random.default_rng(3).standard_normal((3, 5))
    history = mt.fit(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.5), X, y, epochs=30, rng=0, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    mt.save(tmp_path / "net.npz", model)
    again = mt.load(tmp_path / "net.npz").model
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again(X), model(X))


def test_sizes_and_positions_beyond_the_numbers_of_a_file_are_loaded(tmp_path):
    model, x = mt.Sequential(mt.Reshape(9000), mt.Select(1, 8999)), np.ones((2, 90, 100))
    mt.save(tmp_path / "net.npz", model)
    np.testing.assert_array_equal(mt.load(tmp_path / "net.npz").model(x), model(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.Reshape(-1, -1), r"Reshape expects sizes, of which one may be -1, got \(-1, -1\)"),
        (lambda: mt.Reshape((2, 3)), r"Reshape expects shape to be a whole number, -1 or more, got \(2, 3\)"),
        (lambda: mt.Unflatten(1, ()), "Unflatten expects a size or more in unflattened_size, got none"),
        (lambda: mt.Transpose(1, 1.5), "Transpose expects dim1 to be the number of an axis, got 1.5"),
        (lambda: mt.Select("time", 0), "Select expects dim to be the number of an axis, got 'time'"),
        (lambda: mt.Mean(()), "Mean expects dim to be the number of an axis or several, got none"),
        (lambda: mt.Mean(None), "Mean expects dim to be the number of an axis, got None"),
        (lambda: mt.Mean(1, keepdim=1), "Mean expects keepdim to be True or False, got 1"),
    ],
)
def test_arguments_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            mt.Reshape(5, -1),
            (2, 3, 4),
            r"Reshape\(5, -1\) expects .*shape \(2, 3, 4\), 12 numbers a sample",
        ),
        (mt.Transpose(1, 2), (2, 3), r"Transpose\(1, 2\) expects x to have an axis 2"),
        (mt.Select(1, 3), (2, 3), r"Select\(1, 3\) expects x to have a position 3 along axis 1"),
        (mt.Select(1, -4), (2, 3), "a position -4 along axis 1"),
        (mt.Mean(2), (2, 3), r"Mean\(2\) expects x to have an axis 2"),
        (mt.Mean((1, -1)), (2, 3), r"different axes \(1, -1\) of length 1 or more"),
        (mt.Mean(0), (0, 3), "different axes 0 of length 1 or more"),
    ],
)
def test_an_x_that_does_not_fit_is_named_and_leaves_nothing_behind(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.ones(shape))
    with pytest.raises(RuntimeError, match="call forward"):
        layer.backward(np.ones(shape))
