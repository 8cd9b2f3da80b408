"""The summary, with numbers counted by hand."""

import copy

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.summary import summary


class Residual(mt.Layer):
    """y = x + f(x), by a user who says nothing about multiply-adds and whose backward takes dy alone."""

    def __init__(self, f):
        self.f = f

    def forward(self, x):
        y = x + self.f(x)
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy + self.f.backward(dy)


class Noise(mt.Layer):
    """Draws, counts, keeps by attribute, and moves a weight: all that a forward can leave behind."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.mean = np.zeros(4)
        self.weight = mt.Parameter(np.ones(4))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.mean += x.mean(axis=0)
        self.weight.data *= 2
        self.mask = self.rng.random(x.shape) < 0.5
        y = x * self.mask
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy * self.mask


def tutorial(dtype="float64"):
    return mt.Sequential(
        mt.Linear(1000, 100, bias=False, dtype=dtype, rng=0), mt.ReLU(), mt.Linear(100, 10, dtype=dtype, rng=1)
    )


def numbers(rows):
    return [(r.name, r.x_shape, r.y_shape, r.parameters, r.multiply_adds, r.saved_bytes) for r in rows]


def test_the_tutorials_network_counted_by_hand():
    found = summary(tutorial(), (64, 1000))
    assert numbers(found.rows) == [
        ("", (64, 1000), (64, 10), 0, 0, 0),
        ("0", (64, 1000), (64, 100), 100_000, 6_400_000, 512_000),  # x, 64 · 1000 · 8
        ("1", (64, 100), (64, 100), 0, 0, 102_400),  # its x and y, 2 · 64 · 100 · 8
        ("2", (64, 100), (64, 10), 1010, 64_000, 0),  # its x is the y of ReLU
    ]
    assert (found.x_shape, found.dtype) == ((64, 1000), np.float64)
    assert (found.parameters, found.parameter_bytes) == (101_010, 808_080)
    assert (found.multiply_adds, found.unknown, found.saved_bytes) == (6_464_000, [], 614_400)


def test_as_text(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert str(summary(tutorial(), (64, 1000))).splitlines() == [
        "layer                               output shape  parameters  multiply-adds  saved for backward",
        "Sequential                              (64, 10)",
        "  0: Linear(1000, 100, bias=False)     (64, 100)     100,000      6,400,000            512.0 kB",
        "  1: ReLU()                            (64, 100)           0              0            102.4 kB",
        "  2: Linear(100, 10)                    (64, 10)       1,010         64,000                 0 B",
        "x (64, 1000), float64",
        "101,010 parameters: 808.1 kB, and as much again for their gradients",
        "6,464,000 multiply-adds in forward",
        "614.4 kB saved for backward",
    ]


def test_float32_takes_half_the_bytes():
    found = summary(tutorial("float32"), (64, 1000))
    assert found.dtype == np.float32
    assert (found.parameter_bytes, found.saved_bytes) == (404_040, 307_200)
    assert summary(mt.ReLU(), np.ones((2, 3), np.float32)).saved_bytes == 2 * 6 * 4


@pytest.mark.parametrize("batch", [0, 1])
def test_an_empty_batch_and_a_batch_of_one(batch):
    found = summary(tutorial(), (batch, 1000))
    assert found.rows[0].y_shape == (batch, 10)
    assert (found.multiply_adds, found.saved_bytes) == (batch * 101_000, batch * 9600)
    assert found.parameters == 101_010


def test_an_array_gives_the_same_as_its_shape_even_if_it_is_what_was_kept():
    model, x = tutorial(), np.ones((64, 1000))
    model(x)
    assert summary(model, x) == summary(tutorial(), (64, 1000))


def test_nested_networks_and_a_layer_that_does_not_say():
    body = mt.Sequential(mt.Linear(4, 4, rng=0), mt.GLU(), mt.Linear(2, 4, rng=1))
    model = mt.Sequential({"body": Residual(body), "head": mt.Linear(4, 2, rng=2)})
    found = summary(model, (5, 4))
    assert numbers(found.rows) == [
        ("", (5, 4), (5, 2), 0, 0, 0),
        ("body", (5, 4), (5, 4), 0, None, 0),
        ("body.f", (5, 4), (5, 4), 0, 0, 0),
        ("body.f.0", (5, 4), (5, 4), 20, 80, 160),  # x
        ("body.f.1", (5, 4), (5, 2), 0, 0, 240),  # a view of its x (160, all of it), σ(b) (80)
        ("body.f.2", (5, 2), (5, 4), 12, 40, 80),  # x, which GLU returned and did not keep
        ("head", (5, 4), (5, 2), 10, 40, 160),
    ]
    assert (found.multiply_adds, found.unknown) == (160, ["body"])
    lines = str(found).splitlines()
    assert lines[2].split() == ["body:", "Residual", "(5,", "4)", "?"]
    assert lines[4].startswith("      body.f.0: Linear(4, 4) ")
    assert lines[-2] == "160 multiply-adds in forward, and those marked ?"


def test_a_layer_without_layers_without_parameters_and_of_no_layers():
    assert numbers(summary(mt.Linear(4, 3, rng=0), (5, 4)).rows) == [("", (5, 4), (5, 3), 15, 60, 160)]
    assert numbers(summary(mt.Sequential(), (5, 4)).rows) == [("", (5, 4), (5, 4), 0, 0, 0)]
    found = summary(mt.Tanh(), (5, 4))
    assert (found.parameters, found.dtype) == (0, np.float64)
    assert "\n0 parameters\n" in str(found)


def test_what_a_layer_keeps_in_its_own_way_is_found_and_what_it_always_held_is_not():
    assert summary(Noise(), (5, 4)).saved_bytes == 20  # the mask, of bytes; not mean, 32 bytes


def test_parameters_that_two_layers_share_count_once():
    first, second = mt.Linear(3, 3, bias=False, rng=0), mt.Linear(3, 3, bias=False, rng=1)
    second.weight = first.weight
    found = summary(mt.Sequential(first, second), (2, 3))
    assert [row.parameters for row in found.rows] == [0, 9, 0]
    assert (found.parameters, found.parameter_bytes) == (9, 72)


def test_a_kept_parameter_is_no_memory_for_backward():
    class Tied(mt.Layer):
        def __init__(self):
            self.weight = mt.Parameter(np.ones(4))

        def forward(self, x):
            y = x * self.weight.data
            self.save_for_backward(self.weight.data[:2], output=y)
            return y

        def backward(self, dy):
            raise NotImplementedError

    layer = Tied()
    mt.SGD(layer.parameters(), lr=0.1)  # moves the weight to a flat array
    assert summary(layer, (5, 4)).saved_bytes == 0


def test_a_layer_used_twice_in_one_forward_and_one_never_used():
    class Twice(mt.Layer):
        def __init__(self):
            self.f, self.unused = mt.Linear(4, 4, rng=0), mt.Linear(7, 7, rng=0)

        def forward(self, x):
            return self.f(self.f(x))  # f keeps its second x in place of the first

        def backward(self, dy):
            raise NotImplementedError

    found = summary(Twice(), (5, 4))
    assert [row.multiply_adds for row in found.rows] == [None, 2 * 80, 0]
    assert [row.saved_bytes for row in found.rows] == [0, 160, 0]
    assert found.rows[2].y_shape is None
    assert "unused: Linear(7, 7)      not used          56" in str(found)
    assert found.parameters == 20 + 56


def test_the_model_is_as_before():
    model = mt.Sequential(Noise(), mt.Linear(4, 3, rng=0), mt.ReLU()).eval()
    model[1].weight.add_grad(np.full((4, 3), 7.0))
    x = np.random.default_rng(1).standard_normal((5, 4))
    y = model(x)
    twin = copy.deepcopy(model)
    attributes = [set(vars(layer)) for _, layer in model.named_modules()]
    kept = [id(vars(layer).get("_saved")) for _, layer in model.named_modules()]
    summary(model, (2, 4))
    assert [set(vars(layer)) for _, layer in model.named_modules()] == attributes
    assert [id(vars(layer).get("_saved")) for _, layer in model.named_modules()] == kept
    assert (model[0].calls, model[0].training) == (1, False)
    assert model[0].mean.tolist() == twin[0].mean.tolist()
    assert model[0].weight.data.tolist() == [2] * 4
    assert (model[1].weight.grad == 7).all()
    assert not model[1].bias.has_grad
    model.backward(np.ones_like(y))  # of the forward before
    assert np.array_equal(model(x), twin(x))  # the same draw


def test_an_error_names_the_layer_and_leaves_nothing_behind():
    model = tutorial()
    with pytest.raises(
        ValueError, match=r"^Linear\(1000, 100, bias=False\) expects x of shape \(N, 1000\)"
    ) as caught:
        summary(model, (64, 999))
    assert caught.value.__notes__[0] == (
        "(in forward of layer '0', Linear(1000, 100, bias=False), for x of shape (64, 999))"
    )
    assert not any("forward" in vars(layer) for _, layer in model.named_modules())

    class Adds(mt.Activation):
        def function(self, x):
            return x + np.ones(3)

        def derivative(self, x, y):
            return np.ones_like(x)

    with pytest.raises(ValueError, match="broadcast") as caught:  # NumPy's words say nothing of a layer
        summary(mt.Sequential(Residual(Adds())), (5, 4))
    assert caught.value.__notes__[0] == "(in forward of layer '0.f', Adds(), for x of shape (5, 4))"
    assert len([note for note in caught.value.__notes__ if "in forward" in note]) == 1


@pytest.mark.parametrize("x", [64, [64, 1000], (64, None), (64, -1), (64, True), (64, 2.0), "64", None])
def test_neither_an_array_nor_a_shape(x):
    with pytest.raises(TypeError, match=r"summary expects x as an array, or as the shape .*\(64, 1000\); got "):
        summary(tutorial(), x)


def test_numpys_whole_numbers_are_sizes_and_a_loss_is_no_model():
    assert summary(tutorial(), (np.int64(2), 1000)).rows[0].y_shape == (2, 10)
    with pytest.raises(TypeError, match=r"summary expects a layer or a network, got SquaredLoss\(\)"):
        summary(mt.SquaredLoss(), (2, 3))


def test_long_reprs_do_not_wrap(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    long = mt.Activation.of(np.sin, np.cos, name="of many words " * 20)
    found = summary(mt.Sequential(mt.Sequential(long)), (5, 4))
    lines = str(found).splitlines()
    assert max(map(len, lines)) == 90
    assert "…" in lines[3]
    assert found.rows[2].layer == repr(long)


def test_a_repr_of_several_lines_is_printed_on_one():
    long = mt.Activation.of(np.sin, np.cos)
    long._name = type("Name", (), {"__repr__": lambda self: "a\n  b"})()
    assert "0: Activation.of(sin, cos, name=a b)  " in str(summary(mt.Sequential(long), (5, 4)))


def test_zeros_warn_of_nothing():
    summary(mt.Activation.of(np.log, np.reciprocal), (2, 3))
