"""What the laws do not say of activations: limits, kinks, NaN, arguments, and functions of one's own."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from table.layers import ACTIVATIONS

import minitorch_np as mt
from minitorch_np.study.gradcheck import gradcheck

activations = pytest.mark.parametrize("make", ACTIVATIONS.values(), ids=ACTIVATIONS)
INF = math.inf

# (y, dy/dx) at −∞ and at ∞
LIMITS = {
    "CELU": ((-1, 0), (INF, 1)),
    "CELU(0.7)": ((-0.7, 0), (INF, 1)),
    "ELU": ((-1, 0), (INF, 1)),
    "ELU(2)": ((-2, 0), (INF, 1)),
    "GELU": ((0, 0), (INF, 1)),
    "GELU('tanh')": ((0, 0), (INF, 1)),
    "Hardshrink": ((-INF, 1), (INF, 1)),
    "Hardsigmoid": ((0, 0), (1, 0)),
    "Hardswish": ((0, 0), (INF, 1)),
    "Hardtanh": ((-1, 0), (1, 0)),
    "Hardtanh(-3, 0.5)": ((-3, 0), (0.5, 0)),
    "Identity": ((-INF, 1), (INF, 1)),
    "LeakyReLU": ((-INF, 0.01), (INF, 1)),
    "LeakyReLU(3)": ((-INF, 3), (INF, 1)),
    "LeakyReLU(-0.5)": ((INF, -0.5), (INF, 1)),
    "LeakyReLU(0)": ((0, 0), (INF, 1)),
    "LogSigmoid": ((-INF, 1), (0, 0)),
    "Mish": ((0, 0), (INF, 1)),
    "ReLU": ((0, 0), (INF, 1)),
    "ReLU6": ((0, 0), (6, 0)),
    "SELU": ((-1.0507009873554805 * 1.6732632423543772, 0), (INF, 1.0507009873554805)),
    "SiLU": ((0, 0), (INF, 1)),
    "Sigmoid": ((0, 0), (1, 0)),
    "Softplus": ((0, 0), (INF, 1)),
    "Softplus(2, 1)": ((0, 0), (INF, 1)),
    "Softshrink": ((-INF, 1), (INF, 1)),
    "Softsign": ((-1, 0), (1, 0)),
    "Tanh": ((-1, 0), (1, 0)),
    "Tanhshrink": ((-INF, 1), (INF, 1)),
    "Threshold": ((-2, 0), (INF, 1)),
}


def both(layer, x, dtype="float64"):
    """y and dy/dx at each x."""
    y = layer(np.array(x, dtype))
    return y, layer.backward(np.ones_like(y))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_limits(name, dtype):
    largest = float(np.finfo(dtype).max)
    y, slope = both(ACTIVATIONS[name](), [-INF, INF], dtype)
    assert np.allclose(np.stack([y, slope], axis=1), LIMITS[name], rtol=1e-6)
    far = [-largest / 4, -1e4, 1e4, largest / 4]  # a warning would be an error
    y, slope = both(ACTIVATIONS[name](), far, dtype)
    assert np.isfinite(y).all()
    expected = [LIMITS[name][0][1]] * 2 + [LIMITS[name][1][1]] * 2
    assert np.allclose(slope, expected, rtol=1e-6, atol=1e-7)


@activations
@given(data=st.data())
def test_any_array(make, data):
    """No warning, shape and dtype as they came, NaN where x is NaN and nowhere else, a finite slope."""
    dtype = data.draw(st.sampled_from(["float64", "float32"]))
    shape = data.draw(st.sampled_from([(1,), (0,), (7,), (3, 4), (2, 0, 3)]))
    width = 64 if dtype == "float64" else 32
    x = data.draw(arrays(dtype, shape, elements=st.floats(width=width)))
    view = data.draw(st.sampled_from([x, x.T, x[::-1], x[..., ::2]]))
    layer = make()
    if max(layer_slope(layer), 1) > 1:
        view = np.where(np.abs(view) < np.finfo(dtype).max / 4, view, 0).astype(dtype)
    y = layer(view)
    slope = layer.backward(np.ones_like(y))
    assert y.dtype == slope.dtype == dtype
    assert y.shape == slope.shape == view.shape
    assert (np.isnan(y) == np.isnan(view)).all()
    assert np.isfinite(slope[~np.isnan(view)]).all()


def layer_slope(layer):
    """How much larger than x a result may be."""
    return abs(getattr(layer, "negative_slope", 1)) * getattr(layer, "SCALE", 1) * getattr(layer, "beta", 1)


@activations
@given(data=st.data())
def test_an_array_is_a_batch_of_numbers(make, data):
    """Elementwise: an element's result does not depend on the others."""
    x = data.draw(arrays("float64", (6,), elements=st.floats(-50, 50)))
    y, slope = both(make(), x)
    alone = [both(make(), [element]) for element in x]
    assert np.allclose(y, [float(a[0]) for a, _ in alone], rtol=1e-14, atol=0)
    assert np.allclose(slope, [float(s[0]) for _, s in alone], rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("layer", "kinks"),
    [
        (mt.LeakyReLU(0.2), {0: 0.2}),
        (mt.LeakyReLU(3), {0: 3}),
        (mt.ELU(), {0: 1}),
        (mt.ELU(2), {0: 2}),
        (mt.SELU(), {0: 1.0507009873554805 * 1.6732632423543772}),
        (mt.ReLU6(), {0: 0, 6: 0}),
        (mt.Hardtanh(), {-1: 0, 1: 0}),
        (mt.Hardsigmoid(), {-3: 0, 3: 0}),
        (mt.Hardswish(), {-3: 0, 3: 1}),
        (mt.Threshold(0.5, 9), {0.5: 0}),
        (mt.Softshrink(), {-0.5: 0, 0.5: 0}),
        (mt.Hardshrink(), {-0.5: 0, 0.5: 0}),
        (mt.ReLU(), {0: 1}),
    ],
    ids=repr,
)
def test_kinks(layer, kinks):
    _, slope = both(layer, list(kinks))
    assert slope.tolist() == list(kinks.values())


def test_small_numbers_keep_their_digits():
    x = [-40.0, -1e-9, 1e-9, 40.0]
    assert np.allclose(both(mt.Sigmoid(), x)[0], [math.exp(-40), 0.5, 0.5, 1], rtol=1e-8)
    assert np.allclose(
        both(mt.LogSigmoid(), x)[0], [-40, -math.log(2), -math.log(2), -math.exp(-40)], rtol=1e-8
    )
    assert np.allclose(both(mt.Softplus(threshold=100), x)[0][:1], math.exp(-40), rtol=1e-14)
    assert np.allclose(both(mt.ELU(), x)[0][1], math.expm1(-1e-9), rtol=1e-15)
    assert np.allclose(both(mt.GELU(), [-3.0, -1e-9, 1e-300])[0], [-0.0040496940948, -5e-10, 5e-301], rtol=1e-8)


GATED = {"erf": mt.GELU, "tanh": lambda: mt.GELU("tanh"), "silu": mt.SiLU, "mish": mt.Mish}


@pytest.mark.parametrize("make", GATED.values(), ids=GATED)
def test_the_slope_of_a_gated_activation(make):
    x = np.concatenate([[0.0, -0.0, 5e-324, -1e-30, 1e-30], np.linspace(-45, 45, 901)])
    layer = make()
    y = layer(x)
    slope = layer.derivative(x, y)
    quotient = (layer.function(x + 1e-6) - layer.function(x - 1e-6)) / 2e-6
    assert np.allclose(slope, quotient, rtol=1e-6, atol=1e-9)
    assert len(set(slope[:5].tolist())) == 1
    assert (layer.backward(np.full_like(x, 3)) == 3 * slope).all()


def test_a_derivative_of_ones_own_for_a_gated_activation_is_taken():
    class Straight(mt.SiLU):
        def derivative(self, x, y):
            return np.full_like(x, 7)

    class Steep(mt.GELU):
        def function(self, x):
            return 2 * super().function(x)

    assert both(Straight(), [-1.0, 2.0])[1].tolist() == [7, 7]
    assert both(Steep(), [1000.0])[0].tolist() == [2000]


def test_relu_passes_the_gradient_at_zero_as_the_handwritten_program_does():
    x = np.array([-2.0, -0.0, 0.0, 3.0, np.nan])
    dy = np.array([-1.0, -2.0, -3.0, -4.0, -5.0])
    relu = mt.ReLU()
    relu(x)
    expected = dy.copy()
    expected[x < 0] = 0
    dx = relu.backward(dy)
    assert dx.tobytes() == expected.tobytes()
    assert not np.signbit(dx[0])


def test_relu_blocks_infinite_and_nan_gradients_where_it_is_off():
    relu = mt.ReLU()
    relu(np.array([-1.0, -1.0, -1.0]))
    assert relu.backward(np.array([np.inf, -np.inf, np.nan])).tolist() == [0, 0, 0]


def test_relu_derivative_agrees_with_its_gradient():
    x = np.random.default_rng(0).standard_normal((4, 5))
    relu = mt.ReLU()
    y = relu(x)
    assert (relu.derivative(x, y) * 2 == relu.backward(np.full_like(x, 2))).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mt.LeakyReLU("0.1"), "LeakyReLU expects negative_slope to be a number, got '0.1'"),
        (lambda: mt.LeakyReLU(True), "LeakyReLU expects negative_slope to be a number, got True"),
        (lambda: mt.ELU(math.nan), "ELU expects alpha to be a number, got nan"),
        (lambda: mt.CELU(0), "CELU expects alpha to be a number above 0, got 0"),
        (lambda: mt.Softplus(-1), "Softplus expects beta to be a number above 0, got -1"),
        (lambda: mt.Softshrink(-1), "Softshrink expects lambd to be a number, 0 or more, got -1"),
        (lambda: mt.Hardtanh(1, 1), "Hardtanh expects min_val < max_val, got 1 and 1"),
        (lambda: mt.GELU("erf"), "GELU expects approximate to be 'none' or 'tanh', got 'erf'"),
        (lambda: mt.PReLU(0), "PReLU expects num_parameters to be a whole number, 1 or more, got 0"),
    ],
)
def test_wrong_arguments(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_numpy_numbers_as_arguments_change_no_precision():
    for layer in (mt.LeakyReLU(np.float64(0.1)), mt.ELU(np.float64(2)), mt.Softplus(np.float64(2))):
        assert {a.dtype for a in both(layer, [-1.0, 2.0], "float32")} == {np.dtype("float32")}
    assert repr(mt.LeakyReLU(np.float64(0.1))) == "LeakyReLU(negative_slope=0.1)"


def test_prelu_by_hand():
    x, dy = np.array([[-2.0, 3.0], [-1.0, -4.0]]), np.array([[1.0, 10.0], [100.0, 1000.0]])
    one, two = mt.PReLU(), mt.PReLU(2, init=0.5)
    assert one(x).tolist() == [[-0.5, 3], [-0.25, -1]]
    assert one.backward(dy).tolist() == [[0.25, 10], [25, 250]]
    assert one.weight.grad.tolist() == [-2 - 100 - 4000]
    assert two(x).tolist() == [[-1, 3], [-0.5, -2]]
    assert two.backward_parameters(dy) is None
    assert two.weight.grad.tolist() == [-2 - 100, -4000]
    with pytest.raises(ValueError, match=r"PReLU\(2, init=0.5\) expects x of shape \(N, 2\), got \(2,\)"):
        two(np.ones(2))


class Swish(mt.Activation):
    def function(self, x):
        return x / (1 + np.exp(-x))

    def derivative(self, x, y):
        s = 1 / (1 + np.exp(-x))
        return s + y * (1 - s)


def test_an_activation_of_ones_own_is_a_function_and_its_derivative():
    assert gradcheck(Swish(), np.random.default_rng(0).standard_normal((3, 4)))
    assert repr(Swish()) == "Swish()"
    model = mt.Sequential(mt.Linear(3, 4), Swish())
    assert model(np.ones((2, 3))).shape == (2, 4)


def cube(x):
    return x**3


def cube_slope(x, y):
    return 3 * np.cbrt(y) ** 2


def test_an_activation_of_two_functions():
    x = np.random.default_rng(0).standard_normal((3, 4))
    sine = mt.Activation.of(np.sin, np.cos, name="Sine")
    assert gradcheck(sine, x)
    assert gradcheck(mt.Activation.of(cube, cube_slope), x)
    assert gradcheck(mt.Activation.of(lambda x: x * x, lambda x: 2 * x), x)
    assert repr(sine) == "Activation.of(sin, cos, name='Sine')"
    assert repr(mt.Activation.of(cube, cube_slope)) == "Activation.of(cube, cube_slope)"
    again = pickle.loads(pickle.dumps(mt.Activation.of(cube, cube_slope)))
    assert (again(x) == x**3).all()
    model = mt.Sequential(mt.Linear(3, 4), mt.ReLU())
    model[1] = sine
    assert model(np.ones((2, 3))).shape == (2, 4)


@pytest.mark.parametrize(
    ("function", "derivative", "said"),
    [
        (3, np.cos, "expects a function of x, got 3"),
        (mt.ReLU, np.cos, "expects a function of x, got <class"),
        (np.sin, None, "expects a derivative of x, or of x and y, got None"),
        (np.sin, lambda: 1, "expects a derivative of x, or of x and y, got <function"),
        (np.sin, lambda x, y, z: 1, "expects a derivative of x, or of x and y, got <function"),
    ],
)
def test_what_is_no_function_is_refused(function, derivative, said):
    with pytest.raises(TypeError, match=f"Activation.of {said}"):
        mt.Activation.of(function, derivative)


def test_an_activation_that_changes_dtype_or_shape_is_refused():
    class Doubling(mt.Activation):
        def function(self, x):
            return x * np.float64(2)

        def derivative(self, x, y):
            return np.full(1, 2.0)

    with pytest.raises(TypeError, match=r"Doubling\(\)\.function must keep shape and dtype.*float32 .*float64"):
        Doubling()(np.ones(3, "float32"))
    broadcast = Doubling()
    broadcast(np.ones(3))
    assert broadcast.backward(np.ones(3)).tolist() == [2, 2, 2]

    class Growing(Doubling):
        def derivative(self, x, y):
            return np.ones((2, 3))

    growing = Growing()
    growing(np.ones(3))
    with pytest.raises(TypeError, match=r"Growing\(\)\.derivative must keep shape and dtype"):
        growing.backward(np.ones(3))
    with pytest.raises(TypeError, match="function must return an array like x, got NoneType"):
        mt.Activation.of(lambda x: None, np.cos)(np.ones(3))


def test_the_base_needs_both_methods():
    class Half(mt.Activation):
        def function(self, x):
            return x

    with pytest.raises(TypeError, match="derivative"):
        Half()


@pytest.mark.parametrize("slope", [0.01, 0, -0.5, 1, 3])
def test_leaky_relu_has_the_bits_of_what_one_would_write(slope):
    x = np.array([-np.inf, -2.0, -0.0, 0.0, 3.0, np.inf, np.nan])
    expected = np.where(x > 0, x, slope * x) if slope else np.maximum(x, 0)
    assert mt.LeakyReLU(slope)(x).tobytes() == expected.tobytes()
