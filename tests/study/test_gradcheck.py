"""The checker, on layers that are wrong on purpose."""

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.gradcheck import gradcheck

X = np.random.default_rng(0).standard_normal((5, 4))


class Wrong(mt.Linear):
    """Linear with one mistake."""

    def __init__(self, mistake):
        super().__init__(4, 3, rng=0)
        self.mistake = mistake

    def backward(self, dy):
        dy, x, _ = self.saved(dy)
        weight, bias, dx = x.T @ dy, dy.sum(axis=0), dy @ self.weight.data.T
        match self.mistake:
            case "factor 2":
                weight = 2 * weight
            case "sign":
                dx = -dx
            case "bias averaged":
                bias = bias / len(x)
            case "bias left out":
                bias = 0 * bias
            case "one element":
                weight[1, 2] += 0.1
            case "nan":
                dx[0, 0] = np.nan
            case "shape":
                dx = dx.T
            case "nothing":
                return None
        self.weight.add_grad(weight)
        self.bias.add_grad(bias)
        return dx


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("factor 2", r"weight: at \[\d, \d\] backward says"),
        ("sign", r"x: at \[\d, \d\] backward says"),
        ("bias averaged", r"bias: at \[\d\]"),
        ("bias left out", r"bias: at \[\d\] backward says -?0.0,"),
        ("one element", r"weight: at \[1, 2\]"),
        ("nan", r"x: at \[0, 0\] backward says nan"),
        ("shape", r"x: the gradient should be an array of shape \(5, 4\), got \(4, 5\)"),
        ("nothing", r"x: backward should return an array of shape \(5, 4\), got NoneType"),
    ],
)
def test_a_wrong_layer_is_found(mistake, said):
    with pytest.raises(ValueError, match=said):
        gradcheck(Wrong(mistake), X, rng=0)
    assert gradcheck(Wrong(mistake), X, rng=0, raise_exception=False) is False


def test_the_same_layer_without_a_mistake_is_right():
    assert gradcheck(Wrong(None), X, rng=0) is True


def test_a_mistake_that_a_sum_of_outputs_lets_pass_is_found():
    class Softmax(mt.Layer):
        """With the gradient of Σ y, which is 0, for any dy."""

        def forward(self, x):
            y = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return 0 * dy

    assert not gradcheck(Softmax(), X, rng=0, raise_exception=False)


def test_a_wrong_loss_is_found():
    class Halved(mt.SquaredLoss):
        def derivative(self, prediction, target):
            return prediction - target

    with pytest.raises(ValueError, match=r"Halved\(\) has a wrong gradient:\n  prediction: at"):
        gradcheck(Halved(), X, np.zeros_like(X))


def test_all_that_is_changed_on_the_way_is_put_back():
    layer = mt.Linear(4, 3, rng=0)
    layer.weight.add_grad(np.full((4, 3), 7.0))
    x, state = X.copy(), layer.state_dict()
    gradcheck(layer, x)
    assert (x == X).all()
    assert all((state[name] == p.data).all() for name, p in layer.named_parameters())
    assert layer.weight.has_grad
    assert (layer.weight.grad == 7).all()
    assert not layer.bias.has_grad


class WrongInSingle(mt.Tanh):
    def derivative(self, x, y):
        return 1 - y * y + (0.01 if x.dtype == np.float32 else 0)


def test_a_float32_layer_is_checked_in_float64_and_against_it():
    layer = mt.Linear(4, 3, dtype="float32", rng=0)
    before = layer.state_dict()
    assert gradcheck(layer, X)
    assert layer.dtype == np.float32
    assert all((before[name] == p.data).all() for name, p in layer.named_parameters())
    assert not layer.weight.has_grad
    with pytest.raises(ValueError, match="weight: "):
        gradcheck(Wrong("factor 2").astype("float32"), X)
    model = mt.Sequential(mt.Linear(4, 4, dtype="float32", rng=0), WrongInSingle())
    with pytest.raises(ValueError, match=r"it is .* in float32 and .* in float64"):
        gradcheck(model, X)


def test_an_error_on_the_way_loses_nothing():
    class Moody(mt.Linear):
        calls = 0

        def forward(self, x):
            type(self).calls += 1  # one of its own would be put back
            if self.calls == 5:
                raise ArithmeticError
            return super().forward(x)

    layer = Moody(4, 3, rng=0)
    layer.weight.add_grad(np.full((4, 3), 7.0))
    x, state = X.copy(), layer.state_dict()
    with pytest.raises(ArithmeticError):
        gradcheck(layer, x)
    with pytest.raises(ValueError, match="expects x of shape"):
        gradcheck(layer, np.ones((2, 2)))
    assert (layer.weight.grad == 7).all()
    assert layer.weight.has_grad
    assert all((state[name] == p.data).all() for name, p in layer.named_parameters())
    with pytest.raises(
        ValueError, match=r"gradcheck expects \(layer, x\) or \(loss, prediction, target\), got 1 inputs"
    ):
        gradcheck(mt.SquaredLoss(), X)


class Hidden(mt.Layer):
    """A dense layer whose weight is a plain array, its gradient doubled."""

    def __init__(self, size, scale=None):
        self.size = size
        self.weight = np.linspace(-1, 1, size * size).reshape(size, size)
        self.scale = np.ones(size) if scale is None else scale
        self.grad_weight = np.zeros((size, size))

    def forward(self, x):
        self.x = x
        return x @ self.weight * self.scale

    def backward(self, dy):
        self.grad_weight = 2 * self.x.T @ (dy * self.scale)
        return dy * self.scale @ self.weight.T


class Forgetful(Hidden):
    """The same without a gradient for it."""

    def __init__(self, size, scale=None):
        super().__init__(size, scale)
        del self.grad_weight

    def backward(self, dy):
        return dy * self.scale @ self.weight.T


class Buffered(Forgetful):
    buffer_names = ("weight",)


def test_a_weight_in_a_plain_array_is_pointed_out_and_constants_are_not():
    x = np.random.default_rng(0).standard_normal((4, 3))
    with pytest.raises(ValueError, match=r"1.weight: .*\n.*it is twice the right one"):
        gradcheck(mt.Sequential(mt.Tanh(), Hidden(3)), x)
    with pytest.warns(UserWarning, match="1.weight is an array that the output depends on") as seen:
        assert gradcheck(mt.Sequential(mt.Tanh(), Forgetful(3)), x)
    assert len(seen) == 1
    assert gradcheck(Buffered(3), x)
    before = Forgetful(3)
    weight = before.weight.copy()
    with pytest.warns(UserWarning, match="Parameter"):
        gradcheck(before, x)
    assert before.weight.tobytes() == weight.tobytes()


def scaled(x, w, scale=1.0):
    return scale * x @ w, (x, w, scale)


def scaled_backward(dout, cache):
    x, w, scale = cache
    return scale * dout @ w.T, scale * x.T @ dout


def scaled_wrong(dout, cache):
    x, w, _ = cache
    return dout @ w.T, 2 * x.T @ dout


class Foreign:
    """A layer as people write it, with nothing of this package."""

    def __init__(self, right=True):
        self.W, self.right = np.random.default_rng(0).standard_normal((4, 3)), right

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout if self.right else dout.T @ self.x
        return dout @ self.W.T


def test_objects_and_functions_of_others():
    w = np.random.default_rng(1).standard_normal((4, 3))
    assert gradcheck(scaled, X, w)  # its backward is found by its name
    assert gradcheck((scaled, scaled_backward), X, w, 3.0)
    with pytest.raises(ValueError, match=r"scaled has a wrong gradient:\n  w: .*\n.*twice the right one"):
        gradcheck((scaled, scaled_wrong), X, w)
    layer = Foreign()
    before = dict(vars(layer))
    assert gradcheck(layer, X)
    assert vars(layer) == before
    with pytest.raises(ValueError, match=r"Foreign\(\) has a wrong gradient:\n  W: "):
        gradcheck(Foreign(right=False), X)
    with pytest.raises(TypeError, match="got the class Foreign: call it"):
        gradcheck(Foreign, X)
    with pytest.raises(TypeError, match="int has no backward"):
        gradcheck(3, X)


def test_a_forgotten_gamma_is_found_though_it_is_1():
    class Norm(mt.BatchNorm1d):
        def backward(self, dy):
            gamma = self.weight.data.copy()
            self.weight.data[...] = 1
            try:
                return super().backward(dy)
            finally:
                self.weight.data[...] = gamma

    layer = Norm(4)
    with pytest.raises(ValueError, match="the factor weight is missing"):
        gradcheck(layer, X)
    assert (layer.weight.data == 1).all()
    assert (layer.bias.data == 0).all()
    assert gradcheck(mt.BatchNorm1d(4), X)


def test_both_modes_are_examined():
    class Dropout(mt.Dropout):
        def backward(self, dy):
            return super().backward(dy) * (1 if self.training else 2)

    for layer in (Dropout(0.5, rng=0), Dropout(0.5, rng=0).eval()):
        training = layer.training
        with pytest.raises(ValueError, match=r"x: (in evaluation mode: )?at"):
            gradcheck(layer, X)
        assert layer.training == training


def test_a_gradient_beyond_a_kink_is_said_to_stand_on_one():
    beyond = mt.Activation.of(mt.ReLU().function, lambda x: np.where(x == 0, 1.5, x > 0))
    with pytest.raises(ValueError, match="which stands on a kink, backward says"):
        gradcheck(beyond, np.array([[-1.0, 0.0, 2.0]]))


def test_the_global_generator_is_frozen_and_put_back():
    class Dropout:
        def forward(self, x):
            self.mask = np.random.rand(*x.shape) < 0.5  # noqa: NPY002
            return x * self.mask

        def backward(self, dy):
            return dy * self.mask

    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert gradcheck(Dropout(), X)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
