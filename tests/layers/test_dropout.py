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


def test_a_saved_network_goes_on_with_the_same_masks(tmp_path):
    model, x = (
        mt.Sequential(mt.Linear(4, 8, rng=0), mt.Dropout(0.5, rng=1), mt.Linear(8, 2, rng=2)),
        np.ones((5, 4)),
    )
    model(x)
    save(tmp_path / "net.npz", model)
    again = load(tmp_path / "net.npz").model
    np.testing.assert_array_equal(model(x), again(x))


def test_gradients_with_the_mask_held():
    assert mt.gradcheck(mt.Dropout(0.4, rng=0), np.random.default_rng(0).standard_normal((5, 6)))


@pytest.mark.parametrize("p", [-0.1, 1.1, "half"])
def test_p_is_a_probability(p):
    with pytest.raises((TypeError, ValueError), match=r"Dropout expects p to be a number in \[0, 1\]"):
        mt.Dropout(p)
