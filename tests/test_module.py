import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.layers.sequential import input_gradient


class Residual(mt.Layer):
    def __init__(self, inner):
        self.inner = inner
        self.scale = mt.Parameter(np.ones(1))

    def forward(self, x):
        return x + self.scale.data * self.inner(x)

    def backward(self, dy):
        return dy + input_gradient(self.inner, self.scale.data * dy)


def model():
    return mt.Sequential(mt.Linear(3, 4, rng=0), Residual(mt.Sequential(mt.Linear(4, 4, rng=1), mt.Tanh())))


def test_names_and_order_are_those_of_the_definition():
    assert [name for name, _ in model().named_parameters()] == [
        "0.weight",
        "0.bias",
        "1.scale",
        "1.inner.0.weight",
        "1.inner.0.bias",
    ]
    assert [name for name, _ in model().named_modules()] == ["", "0", "1", "1.inner", "1.inner.0", "1.inner.1"]
    assert [type(child).__name__ for child in model().children()] == ["Linear", "Residual"]


def test_astype_reaches_every_parameter_and_drops_no_layer():
    network = model().astype("float32")
    assert {p.dtype for p in network.parameters()} == {np.dtype("float32")}
    assert network(np.ones((2, 3), "float32")).dtype == np.float32
    with pytest.raises(ValueError, match="dtype must be float64 or float32, got None"):
        network.astype(None)


def test_astype_forgets_a_forward_of_the_old_precision():
    layer = mt.Linear(3, 2)
    layer(np.ones((1, 3)))
    layer.astype("float32")
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        layer.backward(np.ones((1, 2), "float32"))


def test_state_dict_holds_copies():
    network = model()
    state = network.state_dict()
    state["0.weight"][:] = 7
    assert not (network[0].weight.data == 7).any()


def test_a_wrong_state_is_listed_whole_and_changes_nothing():
    network = model()
    before = network.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    del state["0.bias"]
    state["0.weight"] = state["0.weight"].T
    state["1.scale"] = np.array(["a"])
    state["9.weight"] = np.ones(1)
    with pytest.raises(ValueError, match="nothing was changed") as caught:
        network.load_state_dict(state)
    for part in (
        "missing key '0.bias'",
        "unexpected key '9.weight'",
        "'0.weight' has shape (4, 3), expected (3, 4): transposed?",
        "'1.scale' has dtype <U1, expected float64",
    ):
        assert part in str(caught.value)
    assert all((array == before[name]).all() for name, array in network.state_dict().items())


def test_a_state_that_is_not_strict_returns_what_did_not_match():
    network = model()
    found = network.load_state_dict({"1.scale": np.array([5]), "extra": np.ones(2)}, strict=False)
    assert found.missing_keys == ["0.weight", "0.bias", "1.inner.0.weight", "1.inner.0.bias"]
    assert found.unexpected_keys == ["extra"]
    assert network[1].scale.data.tolist() == [5]
    with pytest.raises(ValueError, match="has shape"):
        network.load_state_dict({"1.scale": np.ones(2)}, strict=False)
    with pytest.raises(TypeError, match="expects a dict of names and arrays, got list"):
        network.load_state_dict([1, 2])


def test_one_layer_at_two_places_is_refused_by_name():
    shared = mt.Linear(3, 3)
    network = Residual(mt.Sequential(shared, mt.ReLU()))
    network.other = shared
    with pytest.raises(
        ValueError, match=r"Linear\(3, 3\) stands at two places of a network, 'inner.0' and 'other'"
    ):
        list(network.parameters())


def test_a_parameter_or_layer_is_not_replaced_by_an_array():
    layer = mt.Linear(2, 2)
    with pytest.raises(
        TypeError, match=r"weight of Linear\(2, 2\) is a Parameter: assign the array to its data"
    ):
        layer.weight = np.ones((2, 2))
    network = Residual(layer)
    with pytest.raises(TypeError, match=r"inner of Residual.* is a layer, got int"):
        network.inner = 3
    layer.bias = None
    assert [name for name, _ in network.named_parameters()] == ["scale", "inner.weight"]


def test_zero_grad_reaches_every_parameter():
    network = model()
    network.backward(network(np.ones((2, 3))))
    network.zero_grad()
    assert not any(p.has_grad or p.grad.any() for p in network.parameters())


def test_parameters_of_one_layer_have_one_dtype_and_keep_their_shapes():
    layer = mt.Linear(2, 3)
    with pytest.raises(TypeError, match=r"weight of Linear\(2, 3\) is float32, its other parameters float64"):
        layer.weight = mt.Parameter(np.ones((2, 3), "float32"))
    with pytest.raises(
        ValueError, match=r"weight of Linear\(2, 3\) has shape \(2, 3\), got a Parameter of shape \(3, 2\)"
    ):
        layer.weight = mt.Parameter(np.ones((3, 2)))
    layer.weight = mt.Parameter(np.ones((2, 3)))
    assert layer(np.ones((1, 2))).shape == (1, 3)
