import numpy as np
import pytest
from table.layers import ACTIVATIONS

import minitorch_np as mt


class Scale(mt.Layer):
    """A student's layer: no `__init__` of the base called."""

    def __init__(self):
        self.factor = mt.Parameter(np.array([2.0]))

    def forward(self, x):
        x = self.check_input(x)
        y = x * self.factor.data
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy):
        dy, x = self.saved(dy)
        self.factor.add_grad(np.array([(dy * x).sum()]))
        return dy * self.factor.data


def test_a_layer_without_forward_or_backward_cannot_be_made():
    class Half(mt.Layer):
        def forward(self, x):
            return x

    with pytest.raises(TypeError, match="backward"):
        Half()


@pytest.mark.parametrize("position", [0, 1])
def test_a_layer_of_ones_own_works_in_a_network(position):
    layers = [mt.Linear(3, 3, rng=0)]
    layers.insert(position, Scale())
    model = mt.Sequential(layers)
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert model.backward(model(x)) is None
    assert model.backward(model(x), input_grad=True).shape == x.shape
    assert f"{position}.factor" in model.state_dict()


def test_backward_that_returns_nothing_is_pointed_out_in_the_layer_before():
    class Forgetful(Scale):
        def backward(self, dy):
            super().backward(dy)

    model = mt.Sequential(mt.Linear(3, 3), Forgetful())
    y = model(np.ones((2, 3)))
    with pytest.raises(
        TypeError, match=r"Linear\(3, 3\) expects dy of shape \(2, 3\), got None: does the layer after"
    ):
        model.backward(y)


def test_expect_takes_fixed_free_and_leading_axes():
    layer = Scale()
    x = np.ones((2, 3, 5))
    for fitting in [(2, 3, 5), (None, 3, 5), (..., 5), (..., 3, 5), (..., None, 5), (...,)]:
        assert layer.check_input(x, fitting) is x
    for unfit in [(2, 3), (2, 3, 4), (None, 5), (..., 4), (..., 2, 3, 5, 1), (..., 7, 2, 3, 5)]:
        with pytest.raises(ValueError, match=r"Scale\(\) expects x of shape .*, got \(2, 3, 5\)"):
            layer.check_input(x, unfit)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((784, 64), r"transposed\? \(x\.T\)"),
        ((64, 28, 28), r"flatten each sample with x\.reshape\(len\(x\), -1\)"),
        ((64, 783), r"got \(64, 783\)$"),
    ],
)
def test_a_wrong_shape_comes_with_the_likely_fix(shape, hint):
    with pytest.raises(ValueError, match=r"Linear\(784, 10\) expects x of shape \(N, 784\), .*" + hint):
        mt.Linear(784, 10)(np.ones(shape))


def test_a_flat_column_is_recognised():
    with pytest.raises(ValueError, match=r"got \(64,\): a column of numbers is x\.reshape\(-1, 1\)"):
        mt.Linear(1, 10)(np.ones(64))


def test_masked_and_ragged_input_is_refused():
    with pytest.raises(TypeError, match="expects x without a mask"):
        mt.ReLU()(np.ma.masked_array([1.0, 2.0], [True, False]))
    with pytest.raises(ValueError, match="expects x as one array of numbers"):
        mt.ReLU()([[1.0, 2.0], [3.0]])


def test_swapped_byte_order_is_converted():
    assert mt.ReLU()(np.array([-1.0, 2.0], dtype=">f8")).tolist() == [0, 2]


def test_a_copied_layer_has_nothing_kept():
    import copy

    layer = mt.ReLU()
    layer(np.ones(3))
    with pytest.raises(RuntimeError, match="call forward"):
        copy.deepcopy(layer).backward(np.ones(3))
    assert layer.backward(np.ones(3)).tolist() == [1, 1, 1]


def test_a_forward_that_fails_leaves_nothing_for_a_backward():
    for wrong, error in ((np.ones((2, 4)), ValueError), (np.ones((2, 3), complex), TypeError)):
        layer = mt.Linear(3, 2)
        layer(np.ones((2, 3)))
        with pytest.raises(error, match="expects x"):
            layer(wrong)
        with pytest.raises(RuntimeError, match="call forward"):
            layer.backward(np.ones((2, 2)))


def test_an_array_without_axes_is_for_elementwise_layers():
    for layer in (mt.PReLU(), mt.Softmax(), mt.Linear(2, 2)):
        with pytest.raises(ValueError, match=r"expects x of shape .*, got \(\)"):
            layer(np.array(1.0))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("make", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_an_activation_of_an_array_without_axes(make, dtype):
    layer, x = make(), np.array(0.3, dtype)
    y, dx = layer(x), layer.backward(np.ones((), dtype))
    assert [(type(a), a.shape, a.dtype) for a in (y, dx)] == [(np.ndarray, (), np.dtype(dtype))] * 2
    assert y == layer(x.reshape(1))[0]
    assert dx == layer.backward(np.ones(1, dtype))[0]


def test_gradients_where_x_is_nan_are_those_of_torch():
    x = np.array([np.nan, 1.0])
    passes, is_nan = (mt.ReLU(), mt.Threshold(0.1, 20)), (mt.Hardswish(), mt.SiLU(), mt.ELU())
    for layer in (*passes, *is_nan, mt.Hardtanh(), mt.ReLU6(), mt.Hardsigmoid(), mt.Softshrink()):
        assert np.isnan(layer(x)[0])
        gradient = layer.backward(np.ones(2))[0]
        assert np.isnan(gradient) if layer in is_nan else gradient == (layer in passes), layer


@pytest.mark.parametrize(
    ("layer", "arguments", "error", "message"),
    [
        (
            mt.MultiheadAttention(6, 2),
            (np.zeros((2, 3, 6)),) * 3,
            TypeError,
            "x alone, got 3 .*: it is self-att",
        ),
        (
            mt.LSTM(6, 2),
            (np.zeros((2, 3, 6)), None),
            TypeError,
            r"LSTM\(6, 2\) takes x alone.*: the state before",
        ),
        (
            mt.BatchNorm2d(4),
            (np.zeros((4, 3)),),
            ValueError,
            r"with 4 axes, got .*\(4, 3\): BatchNorm1d takes it",
        ),
        (mt.BatchNorm1d(3), (np.zeros((4, 3, 2, 2)),), ValueError, "BatchNorm2d takes it"),
        (mt.BatchNorm1d(3), (np.zeros((1, 3)),), ValueError, "a batch_size that leaves no single sample over"),
        (
            mt.MultiheadAttention(6, 2),
            (np.zeros((3, 6)),),
            ValueError,
            r"one sample\? a batch of it is x\[None\]",
        ),
        (mt.Conv2d(1, 2, 3), (np.zeros((5, 8, 8)),), ValueError, r"one channel\? its axis is x\[:, None\]"),
        (mt.Conv2d(3, 2, 3), (np.zeros((3, 8, 8)),), ValueError, r"one sample\? a batch of it is x\[None\]"),
        (mt.MaxPool2d(3), (np.zeros((1, 1, 2, 2)),), ValueError, "a smaller kernel_size, or more padding"),
    ],
)
def test_a_message_says_what_to_do(layer, arguments, error, message):
    with pytest.raises(error, match=message):
        layer(*arguments)
