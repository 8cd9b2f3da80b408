"""The trace, with numbers worked out by hand."""

import copy

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.trace import trace


class Branch(mt.Layer):
    """y = x + f(2 x), by a user; backward takes dy alone."""

    def __init__(self, f):
        self.f = f

    def forward(self, x):
        y = x + self.f(2 * x)
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy + 2 * self.f.backward(dy)


def network():
    """x (1, 2) -> x W, W = [[1, -1], [2, 0]] -> ReLU -> h V, V = [[3], [5]]."""
    model = mt.Sequential(mt.Linear(2, 2, bias=False, rng=0), mt.ReLU(), mt.Linear(2, 1, rng=1))
    model.load_state_dict({"0.weight": [[1.0, -1], [2, 0]], "2.weight": [[3.0], [5]], "2.bias": [4.0]})
    return model


X = np.array([[10.0, 1]])


def lists(found):
    return {name: array.tolist() for name, array in found.items()}


def test_forward_by_hand():
    assert list(lists(trace(network(), X)).items()) == [
        ("x", [[10, 1]]),
        ("0.weight", [[1, -1], [2, 0]]),
        ("0", [[12, -10]]),
        ("1", [[12, 0]]),
        ("2.weight", [[3], [5]]),
        ("2.bias", [4]),
        ("2", [[40]]),
        ("y", [[40]]),
    ]


BACKWARD = [  # for dy = 2 (40 − 39) = 2
    ("grad y", [[2]]),
    ("grad 2", [[2]]),
    ("grad 2.weight", [[24], [0]]),
    ("grad 2.bias", [2]),
    ("grad 1", [[6, 10]]),
    ("grad 0", [[6, 0]]),
    ("grad 0.weight", [[60, 0], [6, 0]]),
    ("grad x", [[6, 12]]),
]


def test_backward_by_hand():
    with_loss = list(lists(trace(network(), mt.SquaredLoss(), X, np.array([[39.0]]))).items())
    assert with_loss[8:] == [("loss", 1), *BACKWARD]
    assert list(lists(trace(network(), X, dy=np.array([[2.0]]))).items())[8:] == BACKWARD
    none = mt.SquaredLoss(reduction="none")
    found = list(lists(trace(network(), none, X, np.array([[37.0]]), dy=np.array([[0.5]]))).items())
    scaled = [(name, (1.5 * np.array(g)).tolist()) for name, g in BACKWARD]  # 2 (40 − 37) · 0.5 = 3
    assert found[8:] == [("loss", [[9]]), ("grad loss", [[0.5]]), *scaled]


def test_the_gradients_are_of_this_pass_alone():
    model = network()
    model[0].weight.add_grad(np.full((2, 2), 7.0))
    assert trace(model, X, dy=np.array([[2.0]]))["grad 0.weight"].tolist() == [[60, 0], [6, 0]]
    assert (model[0].weight.grad == 7).all()
    assert not model[2].bias.has_grad


def test_names_inside_a_layer_with_arithmetic_of_its_own():
    f = mt.Linear(1, 1, bias=False, rng=0)
    f.weight.data = [[3.0]]
    model = mt.Sequential({"a": mt.Sequential(Branch(f)), "b": mt.LeakyReLU(0.5)})
    assert list(lists(trace(model, np.array([[-1.0]]), dy=np.array([[10.0]]))).items()) == [
        ("x", [[-1]]),
        ("a.0.f.x", [[-2]]),
        ("a.0.f.weight", [[3]]),
        ("a.0.f", [[-6]]),
        ("a.0", [[-7]]),
        ("a", [[-7]]),
        ("b", [[-3.5]]),
        ("y", [[-3.5]]),
        ("grad y", [[10]]),
        ("grad b", [[10]]),
        ("grad a", [[5]]),
        ("grad a.0", [[5]]),
        ("grad a.0.f", [[5]]),
        ("grad a.0.f.weight", [[-10]]),
        ("grad a.0.f.x", [[15]]),
        ("grad x", [[35]]),
    ]


def test_one_layer_an_empty_network_and_one_that_calls_a_layer_twice():
    assert list(trace(mt.Linear(2, 1, rng=0), X, dy=np.ones((1, 1)))) == [
        *("x", "weight", "bias", "y", "grad y", "grad weight", "grad bias", "grad x")
    ]
    assert list(trace(mt.Sequential(), X, dy=X)) == ["x", "y", "grad y", "grad x"]

    class Twice(Branch):
        def forward(self, x):
            return self.f(self.f(x))

    found = trace(Twice(mt.LeakyReLU(0.5)), np.array([-8.0]))
    assert lists(found) == {"x": [-8], "f": [-4], "f #2": [-2], "y": [-2]}


def test_a_shared_parameter_has_the_whole_gradient_under_both_names():
    model = mt.Sequential(mt.Linear(1, 1, bias=False, rng=0), mt.Linear(1, 1, bias=False, rng=1))
    model[1].weight = model[0].weight
    model[0].weight.data = [[3.0]]
    found = trace(model, np.array([[5.0]]), dy=np.array([[1.0]]))  # y = 5 w²
    assert found["grad 0.weight"].tolist() == found["grad 1.weight"].tolist() == [[30]]


def test_copies_are_recorded():
    class InPlace(mt.Layer):
        """Writes where it should not."""

        def forward(self, x):
            x *= 2
            return x

        def backward(self, dy):
            dy *= 3
            return dy

    x, dy = np.array([1.0]), np.array([1.0])
    found = trace(mt.Sequential(InPlace(), InPlace()), x, dy=dy)
    assert [array.tolist() for name, array in found.items() if "grad" not in name] == [[1], [2], [4], [4]]
    assert x.tolist() == [1]
    model = network()
    found = trace(model, X, dy=np.ones((1, 1)))
    before = lists(found)
    model.backward(model(X))
    for parameter in model.parameters():
        parameter.data += 1
    assert lists(found) == before


def test_the_model_and_the_loss_are_as_before():
    class Drop(mt.Layer):
        def __init__(self):
            self.rng, self.calls = np.random.default_rng(0), 0

        def forward(self, x):
            self.calls += 1
            mask = self.rng.random(x.shape) < 0.5
            y = x * mask
            self.save_for_backward(mask, output=y)
            return y

        def backward(self, dy):
            dy, mask = self.saved(dy)
            return dy * mask

    model, loss = mt.Sequential(mt.Linear(2, 50, rng=0), Drop()), mt.SquaredLoss()
    target = np.zeros((1, 50))
    twin = copy.deepcopy(model)
    loss(model(X), target)
    kept = model[1]._saved
    found = trace(model, loss, X, target)
    assert model[1]._saved is kept
    assert model[1].calls == 1
    assert not any({"forward", "backward"} & set(vars(layer)) for _, layer in model.named_modules())
    model.backward(loss.backward())  # of the forward before
    twin(X)
    assert found["y"].tolist() == twin(X).tolist() == model(X).tolist()


def test_the_model_is_as_before_after_an_error_too():
    model = network()
    with pytest.raises(ValueError, match=r"Linear\(2, 2, bias=False\) expects x of shape"):
        trace(model, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"expects dy of shape \(1, 1\)"):
        trace(model, X, dy=np.ones((2, 1)))
    assert not any({"forward", "backward"} & set(vars(layer)) for _, layer in model.named_modules())
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        model.backward(np.ones((1, 1)))


def test_nan_and_infinity_are_named_in_order():
    model = network()
    model[2].weight.data[0] = np.inf
    found = trace(model, X, dy=np.array([[1.0]]))
    assert found.nonfinite == ["2.weight", "2", "y", "grad 1", "grad 0", "grad 0.weight", "grad x"]
    assert trace(network(), X).nonfinite == []
    assert trace(network(), X * np.nan).nonfinite == ["x", "0", "1", "2", "y"]


def test_numpy_does_not_warn_of_what_the_trace_shows():
    model = mt.Activation.of(np.log, np.reciprocal)
    assert trace(model, np.array([1.0, 0]), dy=np.ones(2)).nonfinite == ["y", "grad x"]


def test_as_text(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model = network()
    model[2].bias.data = [np.nan]
    assert str(trace(model, X)).splitlines() == [
        "name       shape  smallest  largest  NaN or infinite",
        "x         (1, 2)         1       10                0",
        "0.weight  (2, 2)        -1        2                0",
        "0         (1, 2)       -10       12                0",
        "1         (1, 2)         0       12                0",
        "2.weight  (2, 1)         3        5                0",
        "2.bias      (1,)                                   1",
        "2         (1, 1)                                   1",
        "y         (1, 1)                                   1",
    ]


def test_float32_lists_and_an_empty_batch():
    model = network().astype("float32")
    found = trace(model, [[10, 1]], dy=[[2.0]])
    assert found["y"].dtype == found["grad 0.weight"].dtype == np.float32
    assert found["grad 0.weight"].tolist() == [[60, 0], [6, 0]]
    empty = trace(network(), np.ones((0, 2)), dy=np.ones((0, 1)))
    assert empty["grad 0.weight"].tolist() == [[0, 0], [0, 0]]
    assert "(0, 2)" in str(empty)


def test_a_name_that_is_not_there():
    with pytest.raises(KeyError, match=r"'grad 1' is not in this trace; it has x, 0\.weight, 0, 1, 2\.weight"):
        trace(network(), X)["grad 1"]
    assert "grad 1" not in trace(network(), X)
    assert len(trace(network(), X)) == 8


def test_arguments_that_do_not_go_together():
    with pytest.raises(ValueError, match="trace expects y, the target of the loss: trace"):
        trace(network(), mt.SquaredLoss(), X)
    with pytest.raises(ValueError, match="trace expects a loss for the target y: trace"):
        trace(network(), X, X)
    with pytest.raises(TypeError, match=r"expects x: trace\(model, loss, x, y\)"):
        trace(network(), mt.SquaredLoss())
    with pytest.raises(TypeError, match=r"another order: trace\(model, loss, x, y\)"):
        trace(network(), X, X, mt.SquaredLoss())
    with pytest.raises(TypeError, match=r"expects a layer or a network, got SquaredLoss\(\)"):
        trace(mt.SquaredLoss(), X)
    with pytest.raises(TypeError, match=r"expects a loss such as SquaredLoss\(\), got ReLU\(\)"):
        trace(network(), mt.ReLU(), X, X)
    with pytest.raises(ValueError, match="its backward expects their gradient dy"):
        trace(network(), mt.SquaredLoss(reduction="none"), X, np.ones((1, 1)))
