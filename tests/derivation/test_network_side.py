"""Layers, parameters and rules in the forms that they may have; the program's steps have the bits of theirs."""

import ast
import re

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.derivation.derive import derive
from minitorch_np.study.any_batch import BatchDependentError, Sizes, for_any_batch

X, Y = np.random.default_rng(0).standard_normal((2, 5, 3))
LAYERS = []
REFUSED = {}


class Scale(mt.Layer):
    """y = x · w, and the parts of it that differ in the layers below."""

    def __init_subclass__(cls, refused="", **options):
        super().__init_subclass__(**options)
        if refused:
            REFUSED[cls] = refused
        else:
            LAYERS.append(cls)

    def __init__(self):
        self.weight = mt.Parameter(np.array([0.5, -2.0, 1.5]))
        self.other = {"weight": self.weight}

    def forward(self, x):
        self.x = x
        return x * self.weight.data

    def backward(self, dy):
        self.weight.add_grad((dy * self.x).sum(axis=0))
        return dy * self.weight.data


class SetsItsGradient(Scale):
    def backward(self, dy):
        if not self.weight.has_grad:
            self.weight.grad = dy * self.x @ np.ones((3, 3))[0] @ np.ones(5) * np.ones(3)
        self.weight.grad = self.weight.grad * 2
        return dy * self.weight.data


class SetsItsWeight(Scale):
    def forward(self, x):
        self.weight.data = np.clip(self.weight.data, -1.9, 1.4)
        return super(SetsItsWeight, self).forward(x)  # noqa: UP008


class StartsAfresh(Scale):
    def backward(self, dy):
        self.weight.add_grad(dy.sum(axis=0))
        self.weight.zero_grad()
        self.weight.add_grad(dy.max(axis=0))
        self.weight.grad = None
        return super().backward(dy)


class PassesItsInputOn(Scale):
    def forward(self, x):
        super().forward(x)
        return x


class AsksForAttributes(Scale):
    def forward(self, x):
        factor = getattr(self, "factor", 2.0) if not hasattr(self, "bias") else 0.0
        return super().forward(x) * factor


class KeepsInABranch(Scale):
    def forward(self, x):
        self.first = x
        if (x * self.weight.data).max() < 0:
            self.first = self.first * 2
            self.kept = 2 * self.first
        else:
            self.first = self.first * 3
            self.kept = self.first
        return super().forward(self.kept) + RNG.random(3)


RNG = np.random.default_rng(0)


def rows(x, start: int = 0):
    """A loop, which becomes a function of the program."""
    total: float = 0.0
    count: int  # noqa: F842
    for row in x[start:]:
        total = total + inner(row)
    return total


def inner(row):
    return np.abs(row).sum() * FACTOR


FACTOR = 0.25
FOREIGN = mt.Parameter(np.ones(3))
TABLE = {"a": 3.0}


def by_table(x):
    """Of more than NumPy: its loop is gone through."""
    return sum(row * TABLE["a"] for row in x)


def renewed(x):
    for i in range(len(x)):
        x[i] *= 0.5
    return x.sum()


def raised(y):
    y += 1
    return y.sum() * 2


half = lambda x: x * 0.5  # noqa: E731


def with_lambda(x):
    return sum([half(row) for row in x])


def with_import(x):
    import math

    return sum([math.pi * row for row in x])


class CallsFunctions(Scale):
    def forward(self, x):
        y = super().forward(x)
        z = y + 1
        more = raised(z)
        total = renewed(z)
        return y * rows(x) + rows(y, 1) + by_table(x) + total / more / z.size + with_lambda(x) * with_import(x)


class ForeignParameter(Scale, refused="a parameter that is not an attribute of a layer in the network"):
    def forward(self, x):
        return x * FOREIGN.data


class ReadsNoGradient(Scale, refused="a gradient is read before there is one"):
    def forward(self, x):
        return x + self.weight.grad


class NamesItsWeight(Scale, refused="requires_grad of a parameter cannot be set"):
    def forward(self, x):
        self.weight.requires_grad = True
        return x


class AsksItsWeight(Scale, refused="Parameter.__repr__ leads outside"):
    def forward(self, x):
        self.weight.__repr__()
        return x


class GradientInABranch(Scale, refused="whether there is a gradient depends on the numbers in the network"):
    def backward(self, dy):
        if dy.max() > 0:
            self.weight.add_grad(dy.sum(axis=0))
        return dy


def network(layer):
    model = mt.Sequential(layer())
    return model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1), X, Y


@pytest.mark.parametrize("layer", LAYERS)
def test_the_program_has_the_bits_of_the_layers(layer):
    assert "def train(" in mt.handwritten(*network(layer))  # which compares its first steps


@pytest.mark.parametrize(("layer", "message"), REFUSED.items())
def test_what_a_layer_cannot_do_is_refused(layer, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        derive(*network(layer))


def test_a_model_that_gives_back_its_input_has_a_prediction():
    derived = derive(mt.Identity(), x=X)
    assert [ast.unparse(statement.head) for statement in derived.forward] == ["$1 = $0"]
    assert derived.prediction.name == "y_pred"


def test_functions_keep_their_names_unless_two_have_the_same():
    functions = derive(*network(CallsFunctions)).functions
    assert [*functions] == ["renewed", "inner", "rows", "by_table", "with_lambda", "with_import"]
    assert "count" not in ast.unparse(functions["rows"].tree())  # annotated, and nothing else


def test_functions_are_called_as_they_are_where_no_reader_looks():
    assert [*derive(*network(CallsFunctions), plain=False).called] == [
        "renewed",
        "rows",
        "by_table",
        "with_lambda",
        "with_import",
        "total",
    ]


class OwnStep(mt.SGD):
    def step(self):
        super().step()


def test_an_optimizer_with_a_step_of_its_own_is_refused():
    model, loss, _, x, y = network(Scale)
    with pytest.raises(ValueError, match=r"has a step\(\) of its own"):
        derive(model, loss, OwnStep(model.parameters()), x, y)


class ReplacesItsState(mt.Optimizer):
    states = ("m",)

    def __init__(self, params, lr=0.1, decay=0.1):
        super().__init__(params, lr=lr, decay=decay)

    def update(self, blocks, step, *, lr, decay):
        for w, g, state in blocks:
            state["m"] = 0.9 * state["m"] + g
            w -= lr * (state["m"] + decay * w)


def test_options_of_the_same_value_are_one_and_a_state_may_be_replaced():
    model, loss, _, x, y = network(Scale)
    optimizer = ReplacesItsState(model.parameters())
    optimizer.add_param_group({"params": [mt.Parameter(np.ones(2))], "decay": 0.1})
    text = mt.handwritten(model, loss, ReplacesItsState(model.parameters()), x, y)
    assert "part = 0.9 * m_w + grad_w" in text
    assert "m_w[...] = part" in text
    derived = derive(model, loss, optimizer, x, y)
    assert [option.name for option in derived.options] == ["learning_rate", "decay"]


class TwoScales(Scale):
    """The first of them has no gradient."""

    def __init__(self):
        super().__init__()
        self.unused = mt.Parameter(np.ones(3))
        self.second = mt.Parameter(np.ones(3))

    def backward(self, dy):
        self.second.add_grad(dy.sum(axis=0))
        return super().backward(dy)


def test_flat_arrays_have_no_gaps():
    derived = derive(*network(TwoScales), plain=False)
    assert "a parameter without a gradient stands between others" in derived.left
    assert derived.update == []
    assert derived.rule_reads == []


def moved(x):
    return x - np.full(x.shape, 0.5) + x.sum()


def batches(function):
    class Function(mt.Layer):
        forward = function

        def backward(self, dy):
            return dy

    few, more = derive(Function(), x=X[:3]), derive(Function(), x=X[:4])
    return few, more, Sizes(3, few.given[0][0])


def test_sizes_that_differ_become_the_length_of_x():
    merged = for_any_batch(*batches(lambda self, x: np.zeros((2 * len(x) + 1, 3))[: len(x)] + x)).forward
    assert "np.zeros((2 * len($0) + 1, 3))" in "\n".join(ast.unparse(s.tree()) for s in merged)


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: x * (1 / x.shape[0]),
        lambda self, x: sum(row for row in x) + x,
        lambda self, x: x + 1 if len(x) == 3 else x - 1,
        lambda self, x: x + 1 if len(x) == 3 else x + 1.0,
        lambda self, x: moved(x),
    ],
)
def test_programs_that_differ_in_more_are_not_for_any_batch(forward):
    with pytest.raises(BatchDependentError):
        for_any_batch(*batches(forward))
