"""Every public layer says how often it multiplies and adds, and says it right."""

import numpy as np
import pytest
from table.layers import LAYERS

import minitorch_np as mt
from minitorch_np.layers.sequential import input_gradient

RECURRENT = mt.RNN | mt.LSTM | mt.GRU  # weights are used at each step: tests/layers/test_recurrent.py
COUNTED_ELSEWHERE = mt.Sequential | mt.MultiheadAttention | RECURRENT  # weights meet x more than once
LEAVES = {
    name: case for name, case in LAYERS.items() if not isinstance(case.make("float64"), COUNTED_ELSEWHERE)
}
leaves = pytest.mark.parametrize("case", LEAVES.values(), ids=LEAVES)


def pairs(layer, x):
    """How many pairs (x_i, y_j) there are of which y_j depends on x_i: the elements of ∂y/∂x that are not 0."""
    y = layer(x)
    count = 0
    for j in range(y.size):
        layer(x)
        dy = np.zeros(y.size)
        dy[j] = 1
        count += np.count_nonzero(input_gradient(layer, dy.reshape(y.shape)))
    return count


@leaves
def test_a_weight_matrix_takes_each_x_once_into_each_y_that_depends_on_it(case):
    layer, x = case.make("float64"), case.sample()
    convolution = isinstance(layer, mt.Conv1d | mt.Conv2d | mt.ConvTranspose2d)
    expected = pairs(layer, x) if convolution or isinstance(layer, mt.Linear) else 0
    said = layer.multiply_adds(x.shape, layer(x).shape)
    if convolution and "padding_mode" in repr(layer):
        assert said >= expected  # two copies of a number in one window make one pair
    elif convolution and "padding" in repr(layer):
        assert said > expected  # zeros around an image are multiplied too
    else:
        assert said == expected


BATCHES = {name: case for name, case in LAYERS.items() if len(case.shape) > 1}


@pytest.mark.parametrize("case", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("batch", [0, 3])
def test_they_are_whole_numbers_in_proportion_to_the_batch(case, batch):
    layer = case.make("float64")
    least = max(1, case.least)
    few, many = case.sample(batch=least), case.sample(batch=batch)
    said = layer.multiply_adds(many.shape, layer(many).shape)
    assert type(said) is int
    assert said * least == batch * layer.multiply_adds(few.shape, layer(few).shape)


def test_a_container_says_only_its_own():
    model = mt.Sequential(mt.Linear(4, 3, rng=0))
    assert model.multiply_adds((5, 4), (5, 3)) == 0
    assert model[0].multiply_adds((5, 4), (5, 3)) == 60


def test_a_layer_that_does_not_say_says_none():
    class Dense(mt.Layer):
        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    assert Dense().multiply_adds((5, 4), (5, 4)) is None
