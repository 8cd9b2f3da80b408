"""The guard, on networks that go wrong in one place."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.guard import guard
from minitorch_np.study.summary import summary
from minitorch_np.study.trace import trace

X = np.array([[10.0, 1], [1, -1]])
Y = np.zeros((2, 1))
NAN = np.nan


def network():
    return mt.Sequential(mt.Linear(2, 3, rng=0), mt.Tanh(), mt.Linear(3, 1, rng=1))


def train(model, x=X, y=Y, loss=None, lr=0.01, steps=3):
    loss = loss or mt.SquaredLoss()
    optimizer = mt.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        loss(model(x), y)
        model.backward(loss.backward())
        with np.errstate(over="ignore"):
            optimizer.step()


def said(model, loss=None, **options):
    """What the guard says of a training with this model."""
    with pytest.raises(FloatingPointError) as caught, guard(model, loss):
        train(model, loss=loss, **options)
    assert untouched(model)
    return str(caught.value)


def untouched(model):
    return not any({"forward", "backward"} & set(vars(layer)) for _, layer in model.named_modules())


def test_a_training_without_trouble_has_the_same_bits():
    model, twin, loss = network(), network(), mt.SquaredLoss()
    with guard(model, loss):
        assert not untouched(model)
        train(model, loss=loss)
    train(twin)
    assert all(np.array_equal(a, twin.state_dict()[name]) for name, a in model.state_dict().items())
    assert untouched(model)
    assert not {"forward", "backward"} & set(vars(loss))


def test_nan_in_the_data():
    x = X.copy()
    x[1, 0] = NAN
    assert said(network(), x=x) == (
        "Sequential, forward 1: x holds 1 NaN in 4 elements, the first at [1, 0]\n"
        "    it came with the data: a missing value, or a division by a standard deviation of 0?"
    )
    assert "forward 1: x holds 1 NaN" in said(network(), x=x.tolist())


def test_infinity_in_a_weight_from_the_start_and_from_an_update():
    model = network()
    model[2].weight.data[1:] = [[NAN], [-np.inf]]
    assert said(model) == (
        "layer '2', Linear(3, 1), forward 1: parameter weight holds 1 NaN and 1 inf in 3 elements, "
        "the first at [1, 0]\n"
        "    it was so before the first forward: look at its initial or loaded value"
    )
    message = said(network(), lr=1e308, y=Y + 1e5)
    assert message.startswith("layer '0', Linear(2, 3), forward 2: parameter weight holds ")
    assert message.endswith("it was finite before, so an update made it so: a smaller lr, or clip_grad_norm_?")
    last = said(network(), lr=1e308, y=Y + 1e5, steps=1)
    assert last.startswith("layer '0', Linear(2, 3), after the last update: parameter weight holds ")


def test_an_output_too_large():
    model = network()
    model[1] = mt.Activation.of(lambda x: x * 1e308, lambda x: x, name="huge")
    model[0].weight.data, model[0].bias.data = np.ones((2, 3)), np.zeros(3)
    assert said(model) == (  # 11 · 1e308; the second row is 0
        "layer '1', Activation.of(<lambda>, <lambda>, name='huge'), forward 1: the output holds 3 inf in 6 "
        "elements, the first at [0, 0]\n"
        "    x and the parameters are finite (|x| from 0 to 11): too large for float64, which ends at "
        "1.8e+308, or a division by 0?"
    )


def test_float32_ends_earlier():
    model = network().astype("float32")
    model[0].weight.data = np.full((2, 3), 1e38, np.float32)
    message = said(model, x=X.astype("float32"), y=Y.astype("float32"))
    assert "|weight| from 1e+38 to 1e+38" in message
    assert "too large for float32, which ends at 3.4e+38" in message


def test_nan_that_a_layer_makes():
    model = network()
    model[1] = mt.Activation.of(np.sqrt, lambda x, y: 0.5 / y)
    model[0].weight.data, model[0].bias.data = np.ones((2, 3)), [-1.0, 0, 0]
    message = said(model)  # √−1, 0, 0 in the second row
    assert (
        "layer '1', Activation.of(sqrt, <lambda>), forward 1: the output holds 1 NaN in 6 elements" in message
    )
    assert "the first at [1, 0]" in message
    assert "a root or logarithm of a negative number?" in message
    model[0].bias.data = [0.0, 0, 0]
    message = said(model)  # the derivative of √ is infinite at 0
    assert "layer '1'" in message
    assert "backward 1: dx, the gradient of x, holds 3 inf in 6 elements, the first at [1, 0]\n" in message
    assert "    dy is finite (|dy| from " in message


class Bad(mt.Linear):
    """Linear whose backward goes wrong."""

    def __init__(self, what):
        super().__init__(3, 1, rng=0)
        self.what = what

    def backward(self, dy):
        dx = super().backward(dy)
        if self.what == "dx":
            dx[1, 2] = NAN
        else:
            getattr(self, self.what).grad[...] = NAN
        return dx


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("dx", "dx, the gradient of x, holds 1 NaN in 6 elements, the first at [1, 2]\n"),
        ("weight", "the gradient of weight holds 3 NaN in 3 elements, the first at [0, 0]\n"),
        ("bias", "the gradient of bias holds 1 NaN in 1 element, the first at [0]\n"),
    ],
)
def test_nan_in_backward_alone(what, message):
    model = network()
    model[2] = Bad(what)
    assert said(model).startswith(f"layer '2', Bad(3, 1), backward 1: {message}    dy is finite (|dy| from ")


class Root(mt.Loss):
    """√|p − t|, which has no derivative where they are equal."""

    def function(self, prediction, target):
        return np.sqrt(np.abs(prediction - target))

    def derivative(self, prediction, target):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sign(prediction - target) / (2 * self.function(prediction, target))


def test_nan_in_the_gradient_of_the_loss():
    model = network()
    y = model(X) + np.array([[1], [0]])
    with pytest.raises(FloatingPointError) as caught, guard(model):
        train(model, y=y, loss=Root())
    assert str(caught.value) == (
        "Sequential, backward 1: dy, the gradient of the output, holds 1 NaN in 2 elements, "
        "the first at [1, 0]\n    the loss gave that: guard(model, loss) says where it comes from"
    )
    message = said(model, loss=Root(), y=y)
    assert message.startswith("Root(), backward 1: the gradient of the prediction holds 1 NaN in 2 elements")
    assert "    prediction, target and value are finite (|prediction| from " in message


def test_the_loss_itself():
    message = said(network(), loss=mt.SquaredLoss(), y=Y * NAN)
    assert message.startswith("SquaredLoss(), forward 1: the target holds 2 NaN in 2 elements")
    message = said(network(), loss=mt.SquaredLoss(), y=Y + 1e200)
    assert message.startswith("SquaredLoss(), forward 1: the value holds 1 inf in 1 element\n")
    assert "|target| from 1e+200 to 1e+200): too large for float64" in message
    model, loss = network(), mt.SquaredLoss()
    with (
        guard(model, loss),
        pytest.raises(FloatingPointError, match=r"(?s)the prediction holds .* to the loss"),
    ):
        loss(model(X) * NAN, Y)
    with guard(model, loss):
        loss(model(X), Y)
        dy = loss.backward() * NAN
        with pytest.raises(FloatingPointError, match=r"(?s)Sequential, .* on the way to model\.backward"):
            model.backward(dy)


def test_what_a_layer_does_between_those_inside_it():
    class Around(mt.Layer):
        def __init__(self):
            self.f = mt.Tanh()

        def forward(self, x):
            return self.f(x * NAN)

        def backward(self, dy):
            return self.f.backward(dy * NAN)

    model = mt.Sequential(Around())
    with guard(model), pytest.raises(FloatingPointError) as caught:
        model(X)
    assert str(caught.value).startswith("layer '0.f', Tanh(), forward 1: x holds 4 NaN in 4 elements")
    assert str(caught.value).endswith("\n    the layer around it made that")


def test_a_gradient_that_was_left_there():
    model = network()
    model[0].weight.add_grad(np.full((2, 3), NAN))
    message = said(model)
    assert message.startswith("layer '0', Linear(2, 3), backward 1: the gradient of weight holds 6 NaN")
    assert "left there before this backward" in message
    model = network()
    model[0].weight.grad[...] = NAN  # as it is after a step that used it up
    with guard(model):
        model.backward(model(X))


def test_infinities_may_be_allowed():
    model = mt.Sequential(mt.Softmax())
    x = np.array([[0.0, -np.inf]])
    with guard(model, allow_infinity=True):
        assert model(x).tolist() == [[1, 0]]
        with pytest.raises(FloatingPointError, match=r"x holds 1 NaN in 2 elements, the first at \[0, 0\]"):
            model(np.array([[NAN, -np.inf]]))
        with pytest.raises(FloatingPointError, match=r"are free of NaN \(\|x\| from inf to inf\): 0/0, ∞ − ∞"):
            model(np.array([[np.inf, np.inf]]))
    with guard(model), pytest.raises(FloatingPointError, match="x holds 1 inf in 2 elements"):
        model(x)


def test_the_model_is_as_before_however_the_block_ends():
    model = network()
    for error in (ValueError, KeyboardInterrupt, StopIteration):
        with pytest.raises((error, RuntimeError)), guard(model):
            raise error
        assert untouched(model)
    with guard(model), pytest.raises(ValueError, match=r"Linear\(2, 3\) expects x of shape"):
        model(np.ones((2, 5)))
    assert untouched(model)
    with (
        pytest.raises(TypeError, match=r"guard expects a layer or a network, got Root\(\)"),
        guard(Root()),
    ):
        pass
    with pytest.raises(TypeError, match=r"guard expects a Loss as loss, got Tanh\(\)"), guard(model, mt.Tanh()):
        pass
    assert untouched(model)


def test_a_pass_that_was_broken_off_fits_no_backward():
    model = network()
    y = model(X)
    with guard(model):
        model[2].bias.data = [NAN]
        with pytest.raises(FloatingPointError):
            model(2 * X)
        with pytest.raises(RuntimeError, match="call forward before each backward"):
            model.backward(y)
        model[2].bias.data = [0.0]


def test_copies_made_inside_are_not_watched():
    model = network()
    expected = model(X)
    with guard(model):
        copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        for again in copies:
            again[0].weight.data[...] = NAN
            with warnings.catch_warnings(action="ignore"):
                assert np.isnan(again(X)).all()
                again.backward(Y)
        assert np.array_equal(model(X), expected)
        assert not model[0].weight.has_grad
    assert all(np.isnan(again(X)).all() for again in copies)


def test_a_guard_in_a_guard_and_other_studies_inside():
    model = network()
    with guard(model):
        with guard(model):
            train(model)
        assert not untouched(model)
        assert trace(model, X, dy=Y)["grad 0.weight"].tolist() == [[0] * 3] * 2
        assert summary(model, (2, 2)).multiply_adds == 18
        assert not untouched(model)
        with pytest.raises(FloatingPointError):
            model(X * NAN)
    assert untouched(model)


def test_layers_by_users_keyword_arguments_and_numbers_that_are_no_floats():
    class Plain(mt.Layer):
        def forward(self, x):
            return x

        def backward(self, dy):
            return None

    model = mt.Sequential(mt.Linear(2, 2, rng=0), Plain())
    with guard(model):
        assert model.forward(x=X).shape == (2, 2)
        model[1].backward(dy=X)
        assert model[0](np.array([[1, 2]])).shape == (1, 2)
        with pytest.raises(ValueError, match=re.escape("expects x as one array")):
            model([[1], [1, 2]])
        with pytest.raises(FloatingPointError, match="x holds 1 NaN"):
            model.forward(x=np.array([[NAN, 1]]))


@pytest.mark.parametrize("batch", [0, 1])
def test_an_empty_batch_and_a_batch_of_one(batch):
    model = network()
    with guard(model):
        train(model, x=X[:batch], y=Y[:batch])

    class Mean(mt.Layer):
        def forward(self, x):
            return x.sum(axis=0) / len(x) if len(x) else np.full(x.shape[1:], NAN)

        def backward(self, dy):
            return dy

    with guard(mean := Mean()), pytest.raises(FloatingPointError, match=r"are finite \(x is empty\)"):
        mean(X[:0])
