"""Layers with one mistake each, and right ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.study.gradcheck import diagnose, gradcheck

X = np.random.default_rng(7).standard_normal((5, 4))


class Dense(mt.Layer):
    """A square layer y = x w + b whose gradients a test may spoil."""

    def __init__(self, spoil=lambda dx, dw, db: (dx, dw, db)):
        rng = np.random.default_rng(1)
        self.weight = mt.Parameter(rng.standard_normal((4, 4)))
        self.bias = mt.Parameter(rng.standard_normal(4))
        self.spoil = spoil

    def forward(self, x):
        x = self.check_input(x, (..., 4))
        y = x @ self.weight.data + self.bias.data
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy):
        dy, x = self.saved(dy)
        dx, dw, db = self.spoil(dy @ self.weight.data.T, x.T @ dy, dy.sum(axis=0))
        if dw is not None:
            self.weight.add_grad(dw)
            self.bias.add_grad(db)
        return dx


W = Dense().weight.data
INVERSE = np.linalg.inv(W.T) @ W  # makes dy Wᵀ dy W


@pytest.mark.parametrize(
    ("spoil", "name", "said"),
    [
        (lambda dx, dw, db: (dx, 2 * dw, db), "weight", "twice the right one"),
        (lambda dx, dw, db: (dx, dw / 2, db), "weight", "half the right one"),
        (lambda dx, dw, db: (-dx, dw, db), "x", "the other sign"),
        (lambda dx, dw, db: (dx, dw / 5, db), "weight", "1/N of the right one, N = 5"),
        (lambda dx, dw, db: (dx, dw, db / 5), "bias", "averaged over the batch where the sum belongs"),
        (lambda dx, dw, db: (5 * dx, dw, db), "x", "N times the right one, N = 5"),
        (lambda dx, dw, db: (dx / 20, dw, db), "x", "divided by the number of elements, 20"),
        (lambda dx, dw, db: (20 * dx, dw, db), "x", "20 times the right one, the number of elements"),
        (lambda dx, dw, db: (0.3 * dx, dw, db), "x", "0.3 times the right one everywhere"),
        (lambda dx, dw, db: (dx, dw.T, db), "weight", "transpose of the right one"),
        (lambda dx, dw, db: (dx.T, dw, db), "x", "transpose of the right one"),
        (lambda dx, dw, db: (dx @ INVERSE, dw, db), "x", "the weight the wrong way round"),
        (lambda dx, dw, db: (dx, dw, 0 * db), "bias", "0 everywhere"),
        (lambda dx, dw, db: (dx + 0.5, dw, db), "x", "the right one plus 0.5 everywhere"),
        (lambda dx, dw, db: (dx, None, None), "weight", "left no gradient"),
        (lambda dx, dw, db: (None, dw, db), "x", r"should return an array of shape \(5, 4\), got NoneType"),
        (lambda dx, dw, db: (dx * ([1], [1], [1], [2], [1]), dw, db), "x", "only row 3 is wrong"),
        (lambda dx, dw, db: (dx * (1, 1, 3, 1), dw, db), "x", "only column 2 is wrong"),
        (lambda dx, dw, db: (dx * X, dw, db), "x", "the factor x is once too many in it"),
        (lambda dx, dw, db: (dx * np.cosh(X), dw, db), "x", "no usual mistake explains it"),
    ],
)
def test_arithmetic_mistakes(spoil, name, said):
    layer = Dense(spoil)
    found = diagnose(layer, X, rng=0)
    assert [finding.name for finding in found.findings][:1] == [name]
    with pytest.raises(ValueError, match=said):
        gradcheck(layer, X, rng=0)


def test_the_report_says_where_and_how_much():
    found = diagnose(Dense(lambda dx, dw, db: (dx * (1, 1, 3, 1), dw, db)), X, rng=0)
    assert found.errors.keys() == {"x", "weight", "bias"}
    assert found.errors["weight"] < 1e-6
    assert found.errors["x"] > 0.1
    (finding,) = found.findings
    assert "wrong in 5 of 20 elements" in finding.what
    assert not found


def test_a_gradient_of_another_shape_that_no_mistake_explains():
    class Turned:
        def __init__(self):
            self.W, self.b = W[:, :3].copy(), np.ones(3)

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dy):
            self.dW, self.db = np.sin(dy.T @ self.x), dy.sum(axis=0)
            return dy @ self.W.T

    (finding,) = diagnose(Turned(), X, rng=0).findings
    assert finding.what == "the gradient should be an array of shape (4, 3), got (3, 4)"
    assert "no usual mistake" in finding.mistake


class OneSample(Dense):
    def backward(self, dy):
        dy, x = self.saved(dy)
        self.weight.add_grad(np.outer(x[-1], dy[-1]))
        self.bias.add_grad(dy[0])
        return dy @ self.weight.data.T


def test_a_sum_over_the_batch_that_is_missing():
    weight, bias = diagnose(OneSample(), X, rng=0).findings
    assert "the last sample alone" in weight.mistake
    assert "the first sample alone" in bias.mistake


def test_a_broadcast_axis_that_is_not_summed():
    class Scale(mt.Layer):
        def forward(self, x):
            x = self.check_input(x)
            row = x[:1]
            y = np.repeat(row, 5, axis=0)
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    (finding,) = diagnose(Scale(), X[:1], rng=0).findings
    assert "its axis 0 has to be summed" in finding.mistake
    assert ".sum(axis=0, keepdims=True)" in finding.mistake


def activation(derivative, function=np.tanh):
    return mt.Activation.of(function, derivative, name="Wrong")


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (activation(lambda x, y: 1 - x * x), "takes x where y belongs"),
        (activation(lambda x, y: 3 * y * y, lambda x: x**3), "takes y where x belongs"),
        (activation(lambda x, y: np.where(x > 0, 0.0, 1.0), lambda x: np.maximum(x, 0)), "turned round"),
        (activation(lambda x, y: np.where(x < 0, 1.0, 1 - y * y)), "wrong only where x < 0"),
    ],
)
def test_activations(layer, said):
    with pytest.raises(ValueError, match=said):
        gradcheck(layer, X, rng=0)


def test_the_upstream_gradient_left_out():
    class Square(mt.Layer):
        def forward(self, x):
            self.save_for_backward(x, output=x)
            return x * x

        def backward(self, dy):
            _, x = self.saved(dy)
            return 2 * x

    with pytest.raises(ValueError, match="dy is left out"):
        gradcheck(Square(), X, rng=0)


class Softmax(mt.Softmax):
    def __init__(self, mistake):
        super().__init__()
        self.mistake = mistake

    def backward(self, dy):
        dy, y = self.saved(dy)
        match self.mistake:
            case "diagonal":
                return dy * y * (1 - y)
            case "axis":
                return y * (dy - (dy * y).sum(axis=0, keepdims=True))
            case "all axes":
                return y * (dy - (dy * y).sum())
            case "sum of outputs":  # right for dy = 1, where the sum of y does not move
                return y * (dy - dy.mean(axis=-1, keepdims=True))


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("diagonal", "each output to depend on its own input alone"),
        ("axis", "is taken along axis 0"),
        ("all axes", "is taken over all axes"),
        ("sum of outputs", "at .* backward says"),
    ],
)
def test_softmax(mistake, said):
    with pytest.raises(ValueError, match=said):
        gradcheck(Softmax(mistake), X, rng=0)


class BatchNorm(mt.Layer):
    """Normalised over the batch, with running statistics; wrong: mean and variance taken as constants."""

    def __init__(self, right):
        self.right = right
        self.running_mean = np.zeros(4)
        self.seen = 0

    def forward(self, x):
        x = self.check_input(x)
        self.running_mean += 0.1 * (x.mean(axis=0) - self.running_mean)
        self.seen += 1
        std = np.sqrt(x.var(axis=0) + 1e-5)
        y = (x - x.mean(axis=0)) / std
        self.save_for_backward(y, std, output=y)
        return y

    def backward(self, dy):
        dy, y, std = self.saved(dy)
        if not self.right:
            return (dy - dy.mean(axis=0)) / std  # the variance does not move
        return (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / std


def test_mistakes_that_a_sum_of_outputs_lets_pass_are_found():
    """With dy = 1 everywhere the right gradient is 0 for both layers, and theirs too."""
    for layer in (Softmax("sum of outputs"), BatchNorm(right=False)):
        y = layer(X)
        assert np.allclose(layer.backward(np.ones_like(y)), 0, atol=1e-12)
        assert not gradcheck(layer, X, rng=0, raise_exception=False)
    assert gradcheck(BatchNorm(right=True), X, rng=0)
    with pytest.raises(ValueError, match="takes the variance as a constant"):
        gradcheck(BatchNorm(right=False), X, rng=0)


def test_random_masks_and_running_statistics_stand_still_and_are_put_back():
    class Dropout(mt.Layer):
        def __init__(self):
            self.rng = np.random.default_rng(3)

        def forward(self, x):
            mask = self.rng.random(x.shape) < 0.5
            y = 2 * x * mask
            self.save_for_backward(mask, output=y)
            return y

        def backward(self, dy):
            dy, mask = self.saved(dy)
            return 2 * dy * mask

    dropout, norm = Dropout(), BatchNorm(right=True)
    model = mt.Sequential(dropout, mt.Linear(4, 4, rng=0), norm).eval()
    state = dropout.rng.bit_generator.state
    assert gradcheck(model, X, rng=0)
    assert dropout.rng.bit_generator.state == state
    assert norm.running_mean.tolist() == [0] * 4
    assert norm.seen == 0
    assert not norm.training


def test_numbers_from_elsewhere_are_pointed_out():
    rng = iter(np.random.default_rng(0).standard_normal(100))

    class Noise(mt.Identity):
        def function(self, x):
            return x + next(rng)

    with pytest.raises(ValueError, match="forward gives different numbers for the same x"):
        gradcheck(Noise(), X)


def test_what_is_right_only_the_first_time():
    class Stale(mt.Activation):
        first = None

        def function(self, x):
            self.first = x if self.first is None else self.first
            return x * x

        def derivative(self, x, y):
            return 2 * self.first

    with pytest.raises(ValueError, match="that of an earlier x"):
        gradcheck(Stale(), X, rng=0)

    class Adding(Dense):
        total = 0

        def backward(self, dy):
            kept, x = self.saved(dy)
            self.total = self.total + x.T @ kept
            self.weight.add_grad(self.total)
            self.bias.add_grad(kept.sum(axis=0))
            return kept @ self.weight.data.T

    with pytest.raises(ValueError, match=r"weight: right at the first backward only\n.*adds to itself"):
        gradcheck(Adding(), X, rng=0)

    class Reusing(mt.Identity):
        def __init__(self):
            self.out = np.empty((5, 4))

        def gradient(self, dy, x, y):
            self.out[...] = dy * (x > 0)
            return self.out

        def function(self, x):
            return np.maximum(x, 0)

    with pytest.raises(ValueError, match="was overwritten by the next backward"):
        gradcheck(Reusing(), X, rng=0)


def test_an_array_of_the_caller_that_is_written_into():
    class InPlace(mt.ReLU):
        def gradient(self, dy, x, y):
            dy[x < 0] = 0
            return dy

    with pytest.raises(ValueError, match="dy: the caller's array was written into"):
        gradcheck(InPlace(), X, rng=0)

    class InPlaceForward(mt.ReLU):
        def function(self, x):
            return np.maximum(x, 0, out=x)

    with pytest.raises(ValueError, match="x: the caller's array was written into"):
        gradcheck(InPlaceForward(), X.copy(), rng=0)


def test_kinks():
    x = np.array([[-1.0, 0.0, 2.0]])
    found = diagnose(mt.ReLU(), x, rng=0)
    assert found
    assert found.kinks == {"x": 1}
    assert "1 elements stand on a kink" in str(found)
    beyond = activation(lambda x: np.where(x == 0, 1.5, x > 0), mt.ReLU().function)
    assert not gradcheck(beyond, x, raise_exception=False)
    with pytest.warns(
        UserWarning, match=r"(?s)cannot tell the gradient of x.*every element of x stands on a kink"
    ):
        assert gradcheck(mt.ReLU(), np.zeros((2, 2)), rng=0)


def test_of_an_empty_batch_it_says_that_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match=r"nothing to compare: y has no numbers for an x of shape \(0, 3\)"):
        gradcheck(mt.Linear(3, 2, rng=0), np.zeros((0, 3)))


def test_a_bias_gradient_that_is_not_summed_is_stopped_on_the_way():
    class NotSummed(Dense):
        def backward(self, dy):
            dy, x = self.saved(dy)
            self.weight.add_grad(x.T @ dy)
            self.bias.add_grad(dy)
            return dy @ self.weight.data.T

    layer = NotSummed()
    with pytest.raises(ValueError, match=r"got \(5, 4\): sum it over the axes along which"):
        gradcheck(layer, X, rng=0)
    assert not layer.weight.has_grad


def test_dy_is_not_x_where_both_have_one_seed():
    x = np.random.default_rng(0).standard_normal((5, 4))  # then xᵀ dy would be its own transpose
    assert not gradcheck(Dense(lambda dx, dw, db: (dx, dw.T, db)), x, rng=0, raise_exception=False)


def test_losses_with_one_mistake():
    class Halved(mt.SquaredLoss):
        def derivative(self, prediction, target):
            return prediction - target

    with pytest.raises(ValueError, match="half the right one"):
        gradcheck(Halved(), X, np.zeros_like(X))
    with pytest.raises(ValueError, match="the number of elements"):
        gradcheck(Summed("mean"), X, np.zeros_like(X))


class Summed(mt.SquaredLoss):
    def backward(self):
        return super().backward() * 20


def test_what_cannot_be_examined():
    with pytest.raises(ValueError, match="expects finite numbers"):
        gradcheck(mt.ReLU(), np.array([1.0, np.nan]))


@pytest.mark.parametrize("times", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_no_false_alarm(times):
    drawn = st.integers(0, 2**32), st.sampled_from(["Tanh", "GELU", "ReLU", "Softmax"]), st.integers(1, 5)
    settings(max_examples=times, deadline=None)(given(*drawn)(no_false_alarm))()


def no_false_alarm(seed, name, width):
    rng = np.random.default_rng(seed)
    model = mt.Sequential(mt.Linear(3, width, rng=rng), getattr(mt, name)(), mt.Linear(width, 2, rng=rng))
    assert gradcheck(model, rng.standard_normal((4, 3)), rng=rng)
