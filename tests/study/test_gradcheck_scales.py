"""Gradient checks at the limits of difference quotients: right layers pass, subtly wrong ones do not."""

import warnings

import numpy as np
import pytest
from table.layers import ACTIVATIONS, LAYERS

import minitorch_np as mt
from minitorch_np.study.gradcheck import diagnose, gradcheck
from minitorch_np.study.quotients import COARSE, FINE, Quotients

RNG = np.random.default_rng(5)
X = RNG.standard_normal((5, 4))
POSITIVE = RNG.uniform(0.1, 3, (5, 4))


def of(function, derivative):
    return mt.Activation.of(function, derivative)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slope_of_sigmoid(x):
    return sigmoid(x) * (1 - sigmoid(x))


class Pool(mt.Layer):
    """The maximum of each row; where there are several, the first gets the gradient."""

    def forward(self, x):
        x = self.check_input(x, (None, None))
        y = x.max(axis=1, keepdims=True)
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy):
        dy, x = self.saved(dy)
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), x.argmax(axis=1)] = dy[:, 0]
        return dx


class Scaled(mt.Layer):
    """y = s x with a learned s."""

    def __init__(self, s=2.0):
        self.s = mt.Parameter(np.full(1, s))

    def forward(self, x):
        x = self.check_input(x)
        y = self.s.data * x
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy):
        dy, x = self.saved(dy)
        self.s.add_grad(self.gradient(dy, x).reshape(1))
        return self.s.data * dy

    def gradient(self, dy, x):
        return (dy * x).sum()


class Centered(mt.Layer):
    """y = x less the mean of the batch, after a bias, whose gradient is 0 but for rounding."""

    def __init__(self):
        self.bias = mt.Parameter(np.ones(4))

    def forward(self, x):
        x = self.check_input(x, (None, 4))
        z = x + self.bias.data
        y = z - z.mean(axis=0)
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        dz = dy - dy.mean(axis=0)
        self.bias.add_sum(dz)
        return dz


RIGHT = {
    "sin of 1e10": (of(np.sin, np.cos), 1e10 * X),
    "timestamps": (of(lambda x: np.sin(x / 3600), lambda x: np.cos(x / 3600) / 3600), 1.7e9 + 1e5 * X),
    "sin of timestamps": (of(np.sin, np.cos), 1.7e9 + 1e5 * X),
    "squares of 1e10": (of(np.square, lambda x: 2 * x), 1e10 * X),
    "squares of 1e-10": (of(np.square, lambda x: 2 * x), 1e-10 * X),
    "cubes of 1e-6": (of(lambda x: x**3, lambda x: 3 * x**2), 1e-6 * X),
    "exp over a wide range": (of(np.exp, np.exp), 20 * X),
    "exp of 500": (of(np.exp, np.exp), 500 + X),
    "a steep sigmoid": (of(lambda x: sigmoid(1e4 * x), lambda x: 1e4 * slope_of_sigmoid(1e4 * x)), X),
    "a steep tanh": (of(lambda x: np.tanh(300 * x), lambda x: 300 * (1 - np.tanh(300 * x) ** 2)), X / 100),
    "log": (of(np.log, lambda x: 1 / x), POSITIVE),
    "log near 0": (of(np.log, lambda x: 1 / x), 1e-9 * POSITIVE),
    "log of 0.001 beside 1000": (of(np.log, lambda x: 1 / x), 10.0 ** (3 * X)),
    "sqrt near 0": (of(np.sqrt, lambda x: 0.5 / np.sqrt(x)), 1e-12 * POSITIVE),
    "cube root near 0": (of(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)), 1e-8 * X),
    "reciprocal near 0": (of(lambda x: 1 / x, lambda x: -1 / x**2), 1e-4 * X),
    "1e-20 in, 1e20 out": (of(lambda x: 1e40 * x, lambda x: np.full_like(x, 1e40)), 1e-20 * X),
    "a constant": (of(np.ones_like, np.zeros_like), X),
    "large numbers that hardly change": (of(lambda x: 1e8 + x, np.ones_like), X),
    "ties in max pooling": (Pool(), np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0], [1.0, 2.0, 3.0]])),
    "near ties in max pooling": (Pool(), np.array([[1.0, 1.0 + 1e-9, 0.0], [2.0, 3.0, 3.0 - 1e-7]])),
    "ReLU near its kink": (mt.ReLU(), np.where(RNG.random((5, 4)) < 0.5, 1e-9, 1) * X),
    "ReLU at its kink": (mt.ReLU(), np.where(RNG.random((5, 4)) < 0.5, 0, X)),
    "ReLU6 of 1e6": (mt.ReLU6(), 1e6 * X),
    "absolute value": (of(np.abs, np.sign), np.where(RNG.random((5, 4)) < 0.3, 0, X)),
    "Hardshrink at its jump": (mt.Hardshrink(), np.array([[0.5, 0.5000001, -0.5, 1.0, 2.0]])),
    "a straight-through estimator": (of(np.round, np.ones_like), X),
    "sign, straight through": (of(np.sign, np.ones_like), X),
    "learned scale of 1e-12": (Scaled(1e-12), X),
    "learned scale of 1e12": (Scaled(1e12), X),
    "learned scale, large data": (Scaled(), 1e9 * X),
    "a gradient of 0 but for rounding": (Centered(), X),
    "softmax of 1000": (mt.Softmax(), 1000 * X),
    "log-softmax of 1000": (mt.LogSoftmax(), 1000 * X),
    "GELU of 30": (mt.GELU(), 30 * X),
    "Softplus of 1000": (mt.Softplus(), 1000 * X),
    "Mish of 100": (mt.Mish(), 100 * X),
    "a network in float32": (mt.Sequential(mt.Linear(4, 3, rng=0), mt.Tanh()).astype("float32"), X),
    "a loss of 1e8": (mt.SquaredLoss(), 1e8 * X, 1e8 * X[::-1].copy()),
    "a loss of nearly nothing": (mt.SquaredLoss(), X, X + 1e-9),
    "cross entropy of 500": (mt.CrossEntropyLoss(), 500 * X, np.arange(5) % 4),
}


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_no_right_layer_is_called_wrong(case):
    with warnings.catch_warnings(action="ignore"):
        found = diagnose(*case, rng=0)
    assert not found.findings, str(found)


STEPS = ("a straight-through estimator", "sign, straight through")


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_neither_right_nor_wrong(name):
    found = diagnose(*RIGHT[name], rng=0)
    assert found.unjudged == ["x"]
    assert "difference quotients cannot tell the gradient of x here" in str(found)
    with pytest.warns(UserWarning, match="cannot tell the gradient of x"):
        assert gradcheck(*RIGHT[name], rng=0)


@pytest.mark.parametrize("name", [n for n in RIGHT if n not in (*STEPS, "sin of 1e10")])
def test_most_of_them_can_be_told(name):
    with np.errstate(all="ignore"):
        found = diagnose(*RIGHT[name], rng=0)
    assert not found.unjudged, str(found)


class OverwritesGradient(Scaled):
    def backward(self, dy):
        dy, x = self.saved(dy)
        self.s.grad = (dy * x).sum().reshape(1)
        return self.s.data * dy


class Averages(Scaled):
    def gradient(self, dy, x):
        return (dy * x).sum() / len(x)


class Clips(Scaled):
    def backward(self, dy):
        return super().backward(np.clip(dy, -5, 5))


class RightForABatchOfFive(Scaled):
    def gradient(self, dy, x):
        return (dy * x).sum() * 5 / len(x)


class InAList(Scaled):
    def __init__(self):
        super().__init__()
        self.shifts = [mt.Parameter(np.ones(1))]

    def forward(self, x):
        return super().forward(x) + self.shifts[0].data


class LayersInADict(Scaled):
    def __init__(self):
        super().__init__()
        self.parts = {"first": mt.Linear(4, 4, rng=0)}

    def forward(self, x):
        return super().forward(self.parts["first"](x))

    def backward(self, dy):
        return self.parts["first"].backward(super().backward(dy))


class WritesIntoDy(Scaled):
    def backward(self, dy):
        dx = super().backward(dy)
        dy *= 2
        return dx


class KeepsTheFirstX(Scaled):
    def gradient(self, dy, x):
        if not hasattr(self, "kept") or self.kept.shape != x.shape:
            self.kept = x.copy()
        return (dy * self.kept).sum()


WRONG = {
    "beyond 4": (of(np.tanh, lambda x: np.where(np.abs(x) > 4, 0.01, 1 - np.tanh(x) ** 2)), X),
    "beyond −4": (of(np.square, lambda x: np.where(x < -4, 0, 2 * x)), X),
    "only at 0": (of(np.square, lambda x: np.where(x == 0, 1, 2 * x)), X),
    "NaN at 0": (of(np.square, lambda x: 2 * x * x / x), X),
    "only below −1, none there": (of(np.square, lambda x: np.where(x < -1, 0, 2 * x)), np.abs(X)),
    "only for negative x": (of(lambda x: x**3, lambda x: 3 * x * np.abs(x)), np.abs(X)),
    "for small x": (of(np.sin, lambda x: np.where(np.abs(x) < 0.02, 0, np.cos(x))), 1 + np.abs(X)),
    "tiny scales": (of(lambda x: 1e-9 * x * x, lambda x: 1e-9 * x), X),
    "tiny inputs": (of(lambda x: x * x, lambda x: x), 1e-9 * X),
    "huge scales": (of(lambda x: 1e9 * x * x, lambda x: 1e9 * x), X),
    "by a hundredth": (of(np.sin, lambda x: 1.01 * np.cos(x)), X),
    "overwrites": (OverwritesGradient(), X),
    "mean over the batch": (Averages(), X),
    "mean over a batch of one": (Averages(), X[:1]),
    "not linear in dy": (Clips(), X),
    "for the given size alone": (RightForABatchOfFive(), X),
    "a Parameter in a list": (InAList(), X),
    "a layer in a dict": (LayersInADict(), X),
    "writes into dy": (WritesIntoDy(), X),
    "keeps the first x": (KeepsTheFirstX(), X),
    "float32 inside": (of(lambda x: x + np.sin(x), lambda x: 1 + np.cos(2 * x) * 0.1), X),
    "a steep function": (of(lambda x: np.tanh(300 * x), lambda x: 30 * (1 - np.tanh(300 * x) ** 2)), X / 100),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_every_wrong_layer_is_found(case):
    with warnings.catch_warnings(action="ignore"):
        assert diagnose(*case, rng=0).findings


def single(a):
    return a.astype(np.float32)


class ReluInFloat32:
    def forward(self, x):
        self.x = single(x)
        return np.maximum(self.x, 0)

    def backward(self, dy):
        return dy * (self.x > 0)


class DenseOfFloat32Products:
    """A product in float32 and a bias in float64."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.W, self.b = rng.standard_normal((4, 3)), rng.standard_normal(3)

    def forward(self, x):
        self.x = x
        return single(x @ self.W) + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


class NormInFloat32:
    """It undoes a common factor of x, so that only moves of another kind show its rounding."""

    def forward(self, x):
        self.std = x.std(axis=1, keepdims=True)
        self.y = (x - x.mean(axis=1, keepdims=True)) / self.std
        return single(self.y)

    def backward(self, dy):
        projected = self.y * (dy * self.y).mean(axis=1, keepdims=True)
        return (dy - dy.mean(axis=1, keepdims=True) - projected) / self.std


class TanhIntoABuffer:
    slope = 1.0

    def forward(self, x):
        self.y = np.zeros(x.shape, np.float32)
        self.y[...] = np.tanh(x)
        return self.y

    def backward(self, dy):
        return self.slope * dy * (1 - self.y * self.y)


def squared_error(y_pred, y):
    d = y_pred - y
    return single(np.square(d).mean()), 2 * d / d.size


IN_FLOAT32 = {
    "x in float32": (ReluInFloat32(), X),
    "products in float32": (DenseOfFloat32Products(), X),
    "a normalisation": (NormInFloat32(), X),
    "a float32 buffer": (TanhIntoABuffer(), X),
    "a loss": (squared_error, X, X[::-1].copy()),
}


@pytest.mark.parametrize("case", IN_FLOAT32.values(), ids=IN_FLOAT32)
def test_a_forward_that_computes_in_float32_is_right_and_can_be_told(case):
    found = diagnose(*case, rng=0)
    assert found, str(found)
    assert not found.unjudged
    assert not any(found.untold.values())


@pytest.mark.parametrize("slope", [0.98, 1.02, -1.0])
def test_a_forward_that_computes_in_float32_may_be_wrong(slope):
    layer = TanhIntoABuffer()
    layer.slope = slope
    assert [finding.name for finding in diagnose(layer, X, rng=0).findings] == ["x"]


def test_a_turned_gradient_is_named_where_forward_computes_in_float32():
    class Turned(DenseOfFloat32Products):
        def backward(self, dy):
            self.dW, self.db = dy.T @ self.x, dy.sum(axis=0)
            return dy @ self.W.T

    (finding,) = diagnose(Turned(), X, rng=0).findings
    assert "the transpose of the right one" in finding.mistake


def test_the_coarse_rounding_is_that_of_float32_alone():
    """A function of 1e8 + x does not see a small move of x either, as float64 holds no such number."""
    for function, rounding in ((np.tanh, FINE), (lambda x: 1e8 + x, FINE), (lambda x: single(x) * 2.0, COARSE)):
        v = X.copy()
        assert Quotients(lambda f=function, v=v: f(v), v, np.ones(v.shape), 1e-6).rounding == rounding
        assert np.array_equal(v, X)


SCALES = [1e-10, 1e-6, 1e-3, 1, 8, 50, 1e3, 1e6, 1e10]
SCALED = [(name, scale) for name in LAYERS for scale in (SCALES if name in ACTIVATIONS else SCALES[1::5])]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scale"), SCALED)
def test_no_layer_here_is_called_wrong_at_any_scale(name, scale):
    case = LAYERS[name]
    layer = case.make("float64")
    if isinstance(layer, mt.Tanhshrink) and scale < 1:
        pytest.skip("x − tanh(x) of a tiny x is made of steps: both are nearly the same number")
    x = case.sample() if case.indices else scale * case.sample(seed=2)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        found = diagnose(layer, x, rng=4)
    assert not found.findings, str(found)


@pytest.mark.parametrize("seed", range(3, 12, 4))
def test_kinks_that_later_layers_mix_accuse_nobody(seed):
    """ReLU and overlapping windows both stand on kinks where x is 0; LayerNorm mixes what comes of them."""
    model = mt.Sequential(mt.ReLU(), mt.MaxPool2d(2, stride=1), mt.LayerNorm((3, 3)))
    x = np.random.default_rng(seed).standard_normal((2, 2, 4, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for rng in range(4):
            assert gradcheck(model, x, rng=rng)


def test_a_slope_far_beyond_a_kink_is_wrong_in_a_network_too():
    steep = of(lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, np.where(x == 0, 50.0, 0.0)))
    with pytest.raises(ValueError, match="zeros in x"):
        gradcheck(mt.Sequential(steep, mt.Linear(4, 3, rng=0)), X)
