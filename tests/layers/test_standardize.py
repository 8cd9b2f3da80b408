import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.layers import standardize
from minitorch_np.layers.standardize import Standardize


def test_the_data_it_was_fitted_to_have_mean_0_and_std_1():
    x = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])
    layer = Standardize(2).fit(x)
    assert layer.mean.tolist() == [3, 20]
    assert np.allclose(layer.std, [np.sqrt(8 / 3), np.sqrt(200)])
    y = layer(x)
    assert np.allclose(y.mean(axis=0), 0)
    assert np.allclose(y.std(axis=0), 1)
    assert np.array_equal(layer.backward(np.ones((3, 2))), np.ones((3, 2)) / layer.std)


def test_before_fit_nothing_changes():
    x = np.random.default_rng(0).standard_normal((5, 3))
    assert Standardize(3)(x).tobytes() == x.tobytes()


@pytest.mark.parametrize("value", [0.1, -1e9, 3e-200])
def test_a_feature_that_is_always_the_same_becomes_0(value):
    """The mean of 0.1, a hundred times, is not 0.1."""
    x = np.full((100, 2), value)
    x[:, 1] = np.arange(100)
    layer = Standardize(2).fit(x)
    assert layer.std[0] == 1
    assert (layer(x)[:, 0] == 0).all()
    assert layer.std[1] == np.arange(100).std()


def test_a_std_that_float32_cannot_hold_is_1():
    layer = Standardize(1, dtype="float32").fit(np.array([[0.0], [1e-60]]))
    assert layer.std.dtype == np.float32
    assert layer.std[0] == 1


def test_block_by_block_is_all_at_once(monkeypatch):
    x = 1e8 + np.random.default_rng(0).standard_normal((1000, 3)) * [1, 1e-3, 1e5]
    monkeypatch.setattr(standardize, "BLOCK", 50)  # 16 rows
    layer = Standardize(3).fit(x)
    assert np.allclose(layer.mean, x.mean(axis=0), rtol=1e-14)
    assert np.allclose(layer.std, x.std(axis=0), rtol=1e-9)  # Σx² − (Σx)²/N has no digit right here


def test_more_axes_share_the_features():
    x = np.random.default_rng(0).standard_normal((6, 4, 3))
    layer = Standardize(3).fit(x)
    assert np.allclose(layer.std, x.reshape(-1, 3).std(axis=0))


def test_whole_numbers_are_data_too():
    layer = Standardize(1).fit(np.array([[0], [255]], np.uint8))
    assert layer.mean == layer.std == 127.5


@pytest.mark.parametrize("x", [np.ones((5, 2)), np.ones(3), np.ones((0, 3)), np.full((5, 3), "a"), 1.0])
def test_what_is_no_data_is_named(x):
    with pytest.raises(ValueError, match=r"Standardize\(3\)\.fit expects numbers of shape \(N, 3\) .*, got"):
        Standardize(3).fit(x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_and_nothing_changes(value, monkeypatch):
    monkeypatch.setattr(standardize, "BLOCK", 6)
    x = np.ones((10, 3))
    x[5, 1] = value
    layer = Standardize(3)
    with pytest.raises(ValueError, match="found NaN or infinity among the samples 4 to 5"):
        layer.fit(x)
    assert layer.mean.tolist() == [0, 0, 0]


def test_it_is_saved_with_the_network_and_not_learned():
    x = np.random.default_rng(0).normal(5, 3, (20, 2))
    model = mt.Sequential(Standardize(2).fit(x), mt.Linear(2, 1, rng=0))
    assert list(model.state_dict()) == ["0.mean", "0.std", "1.weight", "1.bias"]
    assert [name for name, _ in model.named_parameters()] == ["1.weight", "1.bias"]
    before = model[0].mean.copy()
    loss, optimizer = mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1)
    loss(model(x), np.ones((20, 1)))
    model.backward(loss.backward())
    optimizer.step()
    assert model[0].mean.tobytes() == before.tobytes()
    other = mt.Sequential(Standardize(2), mt.Linear(2, 1))
    other.load_state_dict(model.state_dict())
    assert other(x).tobytes() == model(x).tobytes()
