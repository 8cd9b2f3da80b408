import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.serialization import load, save


def test_a_part_is_left_out_and_the_rest_scaled():
    layer, x = mt.Dropout(0.25, rng=0), np.ones((200, 100))
    y = layer(x)
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.01)
    dy = np.full_like(x, 3.0)
    np.testing.assert_array_equal(layer.backward(dy), 3 * y)
    assert (layer(x) != y).any()  # another mask each time


@pytest.mark.parametrize(("p", "value"), [(0.0, 1.0), (1.0, 0.0)])
def test_nothing_and_everything(p, value):
    layer, x = mt.Dropout(p, rng=0), np.ones((3, 4))
    assert (layer(x) == value).all()
    assert (layer.backward(np.ones((3, 4))) == value).all()


def test_in_evaluation_it_is_the_identity_and_draws_nothing():
    layer, other = mt.Dropout(0.5, rng=3), mt.Dropout(0.5, rng=3)
    x = np.random.default_rng(0).standard_normal((4, 5))
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    layer.train()
    np.testing.assert_array_equal(layer(x), other(x))


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    mt.Dropout(rng=0)(np.ones((10, 10)))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_whole_channels_are_left_out():
    layer, x = mt.Dropout2d(0.25, rng=0), np.ones((200, 100, 2, 3))
    y = layer(x)
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert (y == y[:, :, :1, :1]).all()
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(layer.backward(3 * x), 3 * y)
    with pytest.raises(ValueError, match=r"Dropout2d\(0.25\) expects x of shape"):
        layer(np.ones((3, 4)))


@pytest.mark.parametrize(("make", "shape"), [(mt.Dropout, (5, 4)), (mt.Dropout2d, (5, 4, 2, 1))])
def test_a_saved_network_goes_on_with_the_same_masks(make, shape, tmp_path):
    model, x = mt.Sequential(mt.PReLU(), make(0.5, rng=1), mt.PReLU()), np.ones(shape)
    model(x)
    save(tmp_path / "net.npz", model)
    again = load(tmp_path / "net.npz").model
    expected = model(x)
    assert 0 < (expected == 0).mean() < 1
    np.testing.assert_array_equal(expected, again(x))


@pytest.mark.parametrize(("make", "shape"), [(mt.Dropout, (5, 6)), (mt.Dropout2d, (3, 4, 2, 2))])
def test_gradients_with_the_mask_held(make, shape):
    assert mt.gradcheck(make(0.4, rng=0), np.random.default_rng(0).standard_normal(shape))


@pytest.mark.parametrize("p", [-0.1, 1.1, "half"])
@pytest.mark.parametrize("make", [mt.Dropout, mt.Dropout2d])
def test_p_is_a_probability(make, p):
    with pytest.raises((TypeError, ValueError), match=rf"{make.__name__} expects p to be a number in \[0, 1\]"):
        make(p)
