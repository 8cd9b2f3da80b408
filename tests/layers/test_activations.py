import numpy as np
import pytest

import minitorch_np as mt


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


class Swish(mt.Activation):
    def function(self, x):
        return x / (1 + np.exp(-x))

    def derivative(self, x, y):
        s = 1 / (1 + np.exp(-x))
        return s + y * (1 - s)


def test_an_activation_of_ones_own_is_a_function_and_its_derivative():
    from minitorch_np.study.gradcheck import gradcheck

    assert gradcheck(Swish(), np.random.default_rng(0).standard_normal((3, 4)))
    assert repr(Swish()) == "Swish()"
    model = mt.Sequential(mt.Linear(3, 4), Swish())
    assert model(np.ones((2, 3))).shape == (2, 4)


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


def test_the_base_needs_both_methods():
    class Half(mt.Activation):
        def function(self, x):
            return x

    with pytest.raises(TypeError, match="derivative"):
        Half()
