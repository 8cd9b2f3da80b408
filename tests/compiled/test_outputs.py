"""What a compiled step makes goes into arrays that are there, with the bits of what NumPy would return."""

import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from table.layers import ACTIVATIONS, LAYERS, LayerCase

import minitorch_np as mt
from minitorch_np.compiled import kept, planning
from minitorch_np.compiled.plan import Plan
from minitorch_np.derivation import helpers

RANDOM = {
    "Dropout": LayerCase(lambda dtype: mt.Dropout(0.3, rng=0), (5, 4)),
    "Dropout2d": LayerCase(lambda dtype: mt.Dropout2d(0.3, rng=0), (2, 3, 2, 2)),
    "TransformerEncoderLayer with dropout": LayerCase(
        lambda dtype: mt.TransformerEncoderLayer(4, 2, 5, 0.2, "gelu", dtype=dtype, rng=0), (2, 3, 4)
    ),
}

ALLOCATES = {
    "Embedding with padding": "how many rows learn depends on the numbers",
    "Embedding, before a Linear": "how many rows learn depends on the numbers",
    "Conv2d, all options": "NumPy copies windows with a stride before it adds to them",
    "Conv2d, circular": "NumPy copies windows with a stride before it adds to them",
}

QUICK = (
    "BatchNorm1d",
    "Conv2d",
    "Embedding",
    "GLU",
    "GRU",
    "LayerNorm",
    "LSTM",
    "MaxPool2d",
    "Mean",
    "Parallel, side by side",
    "PReLU",
)

OBJECTS = 6000  # bytes of iterators and numbers, which are no arrays


@pytest.fixture
def _small_buffers():
    """NumPy's own buffers, for operands of another dtype, are not what is measured."""
    before = np.setbufsize(16)
    yield
    np.setbufsize(before)


def planned(case, dtype="float32", numbers=16384):
    """The plan of a step of a layer between others, the layer's dx included, and the data."""
    layer = case.make(dtype)
    is_one_sample = len(case.shape) == 1 and not case.indices
    x = case.sample(dtype, batch=None if is_one_sample else numbers // int(np.prod(case.shape[1:])))
    model = mt.Sequential(*([] if case.indices else [mt.PReLU(dtype=dtype)]), layer)
    model.training = layer.training
    prediction = model(x)
    y = np.random.default_rng(1).normal(size=prediction.shape).astype(dtype)
    return Plan(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01), x, y), x, y


def peak(function):
    function()
    tracemalloc.start()
    function()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    function()
    found = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return found


@pytest.mark.usefixtures("_small_buffers")
@pytest.mark.parametrize(
    "name",
    [
        name
        if name in (*ACTIVATIONS, *RANDOM, *ALLOCATES, *QUICK)
        else pytest.param(name, marks=pytest.mark.slow)
        for name in LAYERS | RANDOM
    ],
)
def test_a_steady_step_allocates_no_array(name):
    plan, x, y = planned((LAYERS | RANDOM)[name])

    def step():
        plan.gradients(x, y, *plan.held_now())
        plan.update(1, *plan.given)

    assert (peak(step) > OBJECTS) == (name in ALLOCATES)


class Shown(mt.Layer):
    """y = function(x), whose dx does not matter."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        y = self.function(self.check_input(x))
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy


def written_in_parts(x):
    h = np.zeros((4, *x.shape), x.dtype)
    for t in range(3):
        h[t + 1] = h[t] * 0.5 + x
    h[1:] = h[:-1] * 2
    h[0] += h[3]
    h[1, :, 1:3] -= x[:, :2]
    return h.transpose(1, 0, 2).reshape(len(x), -1)


def changed_after_a_view(x):
    a, b = np.zeros((2, *x.shape), x.dtype)
    before = a * x + b
    a += x
    part = b[1:]
    part -= x[:-1]
    return before + (a * x + b)


def changed_by_a_view(x):
    whole = np.zeros((2, *x.shape), x.dtype)
    first = whole[0]
    before = whole * x
    first += x
    return before[0] + whole[0] + (whole * x)[0]


def read_after_it_was_assigned(x):
    h = np.empty((2, *x.shape), x.dtype)
    doubled = x * 2
    h[0] = doubled
    h[0] += 1
    return h[0] * doubled


def made_twice(x):
    h = np.empty((2, *x.shape), x.dtype)
    h[0] = x * x
    h[0] += 1
    h[1] = x * x
    return h[0] - h[1] * (x * x)


FUNCTIONS = {
    "where": lambda x: np.where(x > 0, x, -0.5 * x),
    "where, numbers": lambda x: x * np.where(x > 0.5, 1.0, 0.01).astype(x.dtype),
    "where, other numbers": lambda x: np.where(x <= 0, -0.0, x),
    "where, a row": lambda x: np.where(x > 0, x[:1], x),
    "where, a number of the data": lambda x: np.where(x > 0, float(x[0, 0]), x) - np.where(x > 0, x.max(), 1.5),
    "where, of integers": lambda x: x * np.where(x > 0, 3, 4).astype(x.dtype),
    "clip": lambda x: np.clip(x, -0.0, 1) + np.clip(x, -1, 0.5, out=x.copy()) + x.clip(-np.inf, 0),
    "clip, one bound": lambda x: np.clip(x, None, 0.5),
    "minimum": lambda x: np.minimum(x, -0.0) - np.maximum(0, x),
    "astype": lambda x: x * (x > 0).astype(x.dtype) - np.rint(x * 10).astype(np.int8).astype(x.dtype),
    "copies": lambda x: np.ascontiguousarray(x.T).reshape(-1, 5).copy().T.flatten().reshape(5, 4),
    "in Fortran's order": lambda x: x.reshape(4, 5, order="F").flatten("F").reshape(5, 4) + x.ravel("F")[3],
    "stacked": lambda x: np.concatenate([x, np.stack([x, -x], axis=1)[:, 1]], axis=1),
    "padded": lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=-1.5)[:5, 2:] - np.pad(x, 1)[:5, 1:5],
    "padded by a mode": lambda x: np.pad(x, ((2, 1), (0, 3)), "reflect") - np.pad(x, ((1, 2), (3, 0)), "wrap"),
    "padded by numbers": lambda x: (
        np.pad(x, 1, constant_values=((1, 2), (3, 4)))[:5, :4]
        + np.pad(x, ((0, 1), (1, 0)), constant_values=x[0, 0])[1:, :4]
    ),
    "padded by nothing": lambda x: np.pad(x, ((0, 0), (0, 0)), "edge"),
    "repeated": lambda x: x.repeat(2, axis=1) - x.repeat((0, 1, 3, 0, 1), axis=-2).repeat(2, axis=1),
    "taken": lambda x: x.take(-1, axis=0) + x.take([3, 0, -2, 1], axis=1),
    "means": lambda x: x - x.mean(axis=1, keepdims=True) + x.mean(axis=(0,)) + x.mean() + x.max() * x.sum(),
    "means of some": lambda x: x - x.mean(axis=0, where=np.abs(x) < 1e9) + x.mean(axis=1, dtype=np.float64)[0],
    "products": lambda x: np.einsum("ni,nj->nij", x, x)[..., 0] + (x[:, 1:3] @ x[:2]) * x[:, 1:].dot(x[1:4]),
    "outer": lambda x: np.outer(x[0], x[1])[:, :4].sum(axis=0) + x,
    "parts": written_in_parts,
    "views": changed_after_a_view,
    "the whole of a view": changed_by_a_view,
    "assigned and read": read_after_it_was_assigned,
    "the same twice": made_twice,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_written_has_the_bits_of_what_numpy_returns(name, dtype):
    model = mt.Sequential(Shown(FUNCTIONS[name]))
    predict = mt.compile(model)
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(5, 4)).astype(dtype)
        x[seed % 5, :3] = 0.0, -0.0, 1
        if seed > 2:
            x.flat[seed::7] = np.nan, np.inf, -np.inf, 1e-42  # 1e-42 of float32 is subnormal
        with np.errstate(all="ignore"):
            assert predict(x).tobytes() == model(x).tobytes()
    assert predict._plan.is_trusted


@pytest.mark.parametrize("draw", ["random", "standard_normal", "standard_exponential"])
def test_random_numbers_are_those_of_the_layers(draw):
    class Noisy(mt.Layer):
        def __init__(self):
            super().__init__()
            self.rng = np.random.default_rng(3)

        def forward(self, x):
            x = self.check_input(x)
            y = x * getattr(self.rng, draw)(x.shape) + getattr(self.rng, draw)((5, 1), dtype=np.float32)
            y += getattr(self.rng, draw)(int((x > 0).sum())).mean()
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    mine, theirs = mt.Sequential(Noisy()), mt.Sequential(Noisy())
    predict = mt.compile(mine)
    for seed in range(6):
        x = np.random.default_rng(seed).normal(size=(5, 4))
        assert predict(x).tobytes() == theirs(x).tobytes()
    assert predict._plan.is_trusted


def test_loops_of_layers_are_unrolled_unless_they_are_too_long(monkeypatch):
    plan, _, _ = planned(LAYERS["LSTM"], numbers=100)
    assert "lstm_forward" not in plan.texts[0]
    monkeypatch.setattr(helpers, "UNROLLED", 20)
    monkeypatch.setattr(kept, "_KEPT", OrderedDict())
    plan, _, _ = planned(LAYERS["LSTM"], numbers=100)
    assert "lstm_forward" in plan.texts[0]


def test_a_small_transposed_factor_is_copied_where_the_bits_are_the_same(monkeypatch):
    for has_same_bits in (True, False):
        monkeypatch.setattr(planning, "_has_same_bits", lambda *shape, told=has_same_bits: told)
        model = mt.Sequential(mt.Linear(4, 64, rng=0), mt.Linear(64, 32, rng=1))
        optimizer = mt.SGD(model.parameters(), lr=0.01)
        plan = Plan(model, mt.MSELoss(), optimizer, np.ones((16, 4)), np.ones((16, 32)))
        assert ("spread1_float64_32x64[...] = " in plan.texts[0]) is has_same_bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 5, 16, 29, 32, 64, 100])
def test_random_numbers_tell_whether_two_products_have_the_same_bits(rows, dtype):
    for inner, columns in [(10, 64), (16, 100), (32, 64), (64, 64), (64, 128)]:
        for seed in range(1, 4):
            rng = np.random.default_rng(seed)
            first = np.maximum(rng.normal(size=(rows, inner)), 0).astype(dtype)
            second = rng.uniform(-1, 1, size=(columns, inner)).astype(dtype).T
            is_same = np.array_equal(first.dot(second), first.dot(second.copy(order="C")))
            told = planning._has_same_bits(rows, inner, columns, np.dtype(dtype))
            assert is_same or not told
