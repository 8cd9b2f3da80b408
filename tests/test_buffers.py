"""Arrays of a layer that are saved and not learned."""

import copy
import pickle

import numpy as np
import pytest

import minitorch_np as mt


class Centre(mt.Layer):
    """Subtracts a running mean, and has a weight beside it."""

    buffer_names = ("mean", "unused")

    def __init__(self, size, dtype="float64"):
        self.size = size
        self.mean = np.zeros(size, dtype)
        self.unused = None
        self.weight = mt.Parameter(np.ones(size, dtype))

    def forward(self, x):
        x = self.check_input(x, (..., self.size))
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return (x - self.mean) * self.weight.data

    def backward(self, dy):
        return dy * self.weight.data


@pytest.fixture
def model():
    model = mt.Sequential(Centre(3), mt.Sequential(mt.Linear(3, 3, rng=0), Centre(3)))
    model(np.arange(12.0).reshape(4, 3))
    return model


def test_they_have_torchs_names_and_order(model):
    assert list(model.state_dict()) == [
        "0.weight",
        "0.mean",
        "1.0.weight",
        "1.0.bias",
        "1.1.weight",
        "1.1.mean",
    ]
    assert [name for name, _ in model.named_buffers()] == ["0.mean", "1.1.mean"]
    assert [name for name, _ in model.named_buffers("net")] == ["net.0.mean", "net.1.1.mean"]
    assert next(model.buffers()) is model[0].mean
    assert len(list(model.parameters())) == 4


def test_a_state_is_a_copy_and_comes_back(model):
    state = model.state_dict()
    x = np.ones((2, 3))
    expected = model.eval()(x)
    model.train()(x)
    assert model.eval()(x).tobytes() != expected.tobytes()
    model.load_state_dict(state)
    assert model(x).tobytes() == expected.tobytes()
    model[0].mean += 1  # what was loaded is not the state itself
    assert state["0.mean"].tolist() == [0.45, 0.55, 0.65]


def test_a_state_that_does_not_fit_changes_nothing(model):
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"missing key '0\.mean'"):
        model.load_state_dict({name: a + 1 for name, a in before.items() if name != "0.mean"})
    with pytest.raises(ValueError, match=r"'1\.1\.mean' has shape \(4,\), expected \(3,\)"):
        model.load_state_dict({name: a + 1 for name, a in before.items()} | {"1.1.mean": np.ones(4)})
    assert all(a.tobytes() == before[name].tobytes() for name, a in model.state_dict().items())


def test_copies_have_their_own(model):
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again[0].mean.tobytes() == model[0].mean.tobytes()
        again[0].mean += 1
        assert again[0].mean.tobytes() != model[0].mean.tobytes()


def test_they_take_on_the_models_precision(model):
    model.astype("float32")
    assert {a.dtype for a in model.state_dict().values()} == {np.dtype("float32")}
    assert model(np.ones((2, 3), "float32")).dtype == np.float32


def test_a_layer_of_buffers_alone_has_their_precision():
    class Shift(Centre):
        def __init__(self):
            self.mean = np.zeros(3, "float32")

    assert Shift().dtype == np.float32
    assert Shift().astype("float64").dtype == np.float64
    assert mt.Sequential(mt.ReLU()).dtype is None


def test_what_does_not_fit_a_buffer_is_refused():
    layer = Centre(3)
    with pytest.raises(ValueError, match=r"mean of Centre\(3\) has shape \(3,\), got one of shape \(1, 3\)"):
        layer.mean = np.ones((1, 3))
    with pytest.raises(TypeError, match=r"Centre\(3\) expects mean of dtype float64, got float32"):
        layer.mean = np.ones(3, "float32")
    layer.mean = [1, 2, 3]
    assert layer.mean.dtype == np.float64
