import numpy as np
import pytest

import minitorch_np as mt


def test_one_step_by_hand():
    layer = mt.Linear(2, 3)
    layer.weight.data = [[1, 2, 3], [4, 5, 6]]
    layer.bias.data = [10, 20, 30]
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert layer(x).tolist() == [[19, 32, 45], [29, 46, 63]]
    dx = layer.backward(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]))
    assert dx.tolist() == [[7, 16], [5, 11]]
    assert layer.weight.grad.tolist() == [[1, 3, 5], [2, 4, 8]]
    assert layer.bias.grad.tolist() == [1, 1, 3]


def test_leading_axes_are_a_batch():
    layer = mt.Linear(3, 2, rng=0)
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    dy = np.random.default_rng(1).standard_normal((4, 5, 2))
    y = layer(x)
    dx = layer.backward(dy)
    weight, bias = layer.weight.grad.copy(), layer.bias.grad.copy()
    layer.zero_grad()
    assert layer(x.reshape(20, 3)).reshape(4, 5, 2).tobytes() == y.tobytes()
    assert layer.backward(dy.reshape(20, 2)).reshape(x.shape).tobytes() == dx.tobytes()
    assert layer.weight.grad.tobytes() == weight.tobytes()
    assert layer.bias.grad.tobytes() == bias.tobytes()


def test_default_initialisation_is_uniform_in_one_over_root_of_in_features():
    layer = mt.Linear(400, 300, rng=0)
    for values in (layer.weight.data, layer.bias.data):
        assert 0.048 < values.max() <= 0.05
        assert -0.05 <= values.min() < -0.048
        assert abs(values.std() - 0.05 / 3**0.5) < 2e-3


def test_one_seed_gives_both_precisions_the_same_weights():
    double, single = mt.Linear(5, 4, rng=3), mt.Linear(5, 4, rng=3, dtype="float32")
    assert (double.weight.data.astype("float32") == single.weight.data).all()
    assert (double.bias.data.astype("float32") == single.bias.data).all()


def test_rng_is_an_int_a_generator_or_none():
    assert (
        mt.Linear(3, 2, rng=7).weight.data == mt.Linear(3, 2, rng=np.random.default_rng(7)).weight.data
    ).all()
    assert (mt.Linear(3, 2).weight.data != mt.Linear(3, 2).weight.data).any()


def test_init_is_a_name_or_a_function():
    assert (mt.Linear(3, 2, init="ones").weight.data == 1).all()
    assert (mt.Linear(3, 2, init=lambda shape, rng, dtype: np.full(shape, 4, dtype)).weight.data == 4).all()
    with pytest.raises(ValueError, match=r"init must be a function .* zeros, ones.*; got 'he'"):
        mt.Linear(3, 2, init="he")
    with pytest.raises(
        ValueError, match=r"expects init to return float64 numbers of shape \(3, 2\), got .*\(2, 3\)"
    ):
        mt.Linear(3, 2, init=lambda shape, rng, dtype: np.ones(shape[::-1], dtype))
    with pytest.raises(ValueError, match="expects init to return float32"):
        mt.Linear(3, 2, init=lambda shape, rng, dtype: np.ones(shape), dtype="float32")


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "3", None])
def test_sizes_are_positive_integers(size):
    with pytest.raises(ValueError, match="Linear expects in_features to be a whole number, 1 or more, got"):
        mt.Linear(size, 3)
    with pytest.raises(ValueError, match="Linear expects out_features to be a whole number, 1 or more, got"):
        mt.Linear(3, size)


@pytest.mark.parametrize("dtype", ["int64", "float16", "complex128", None, "nonsense"])
def test_dtype_is_float64_or_float32(dtype):
    with pytest.raises(ValueError, match="dtype must be float64 or float32"):
        mt.Linear(3, 2, dtype=dtype)


def test_bias_is_true_or_false():
    with pytest.raises(TypeError, match="expects bias to be True or False, got 100"):
        mt.Linear(3, 2, 100)


@pytest.mark.parametrize(
    "text",
    [
        "Linear(1000, 100)",
        "Linear(3, 2, bias=False)",
        "Linear(3, 2, init='kaiming_normal')",
        "Linear(3, 2, bias=False, init='standard_normal', dtype='float32')",
    ],
)
def test_repr(text):
    assert repr(eval(text, vars(mt).copy())) == text


def test_repr_of_an_initializer_given_as_a_function():
    assert repr(mt.Linear(3, 2, init=mt.initializers.orthogonal)) == "Linear(3, 2, init='orthogonal')"
