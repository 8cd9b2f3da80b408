"""Options of a layer that are set after it was made."""

import numpy as np
import pytest

import minitorch_np as mt


@pytest.mark.parametrize(
    ("layer", "name", "value", "attribute"),
    [
        (mt.Embedding(10, 3), "padding_idx", -1, 9),
        (mt.MaxPool2d(2), "stride", 1, (1, 1)),
        (mt.AdaptiveAvgPool2d(2), "output_size", 3, (3, 3)),
        (mt.ZeroPad2d(1), "padding", 2, (2, 2, 2, 2)),
        (mt.MultiheadAttention(6, 2), "num_heads", 3, 3),
        (mt.LSTM(3, 4), "return_sequences", False, False),
        (mt.Parallel({"a": mt.Tanh(), "b": mt.ReLU()}), "combine", "concatenate", "concatenate"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_they_are_those_of_a_new_layer(layer, name, value, attribute):
    before = {name: array.tobytes() for name, array in layer.state_dict().items()}
    setattr(layer, name, value)
    assert getattr(layer, name) == attribute
    assert {name: array.tobytes() for name, array in layer.state_dict().items()} == before


def test_heads_are_changed_in_the_layers_inside_too():
    layer, x = mt.TransformerEncoderLayer(6, 2, 8, 0.0), np.random.default_rng(0).standard_normal((2, 4, 6))
    layer.dropout1.p = 0.2
    layer.nhead = 3
    new = mt.TransformerEncoderLayer(6, 3, 8, 0.0)
    new.load_state_dict(layer.state_dict())
    assert repr(layer.self_attn) == "MultiheadAttention(6, 3)"
    assert layer.dropout1.p == 0.2  # set by itself, and none of the heads' business
    assert np.array_equal(layer.eval()(x), new.eval()(x))


def test_a_row_that_becomes_padding_learns_nothing():
    layer = mt.Embedding(4, 2)
    layer.padding_idx = -1
    layer.backward(np.ones_like(layer(np.array([3, 1, 3]))))
    assert layer.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        (mt.Dropout(), "p", -1, r"Dropout expects p to be a number in \[0, 1\], got -1"),
        (mt.Conv2d(1, 2, 3), "stride", 0, "Conv2d expects stride to be a whole number, 1 or more, got 0"),
        (mt.Conv2d(2, 4, 3), "padding_mode", "foo", "expects padding_mode to be 'zeros' or"),
        (mt.Conv2d(2, 4, 3), "groups", 2, r"make the layer anew, Conv2d\(2, 4, 3, groups=2\)"),
        (mt.Linear(2, 3, bias=False), "bias", True, r"make the layer anew, Linear\(2, 3\)"),
        (
            mt.LSTM(3, 4),
            "bias",
            False,
            r"LSTM\(3, 4\) has .* bias .*: make the layer anew, LSTM\(3, 4, bias=False\)",
        ),
        (mt.GRU(3, 4), "bidirectional", True, r"make the layer anew, GRU\(3, 4, bidirectional=True\)"),
        (mt.LSTM(3, 4), "dropout", 0.5, "LSTM expects num_layers of 2 or more with dropout"),
        (mt.MultiheadAttention(6, 2), "bias", False, r"anew, MultiheadAttention\(6, 2, bias=False\)"),
        (mt.MultiheadAttention(6, 2), "num_heads", 4, "expects num_heads to divide embed_dim, got 4 for 6"),
        (mt.BatchNorm1d(3), "momentum", None, r"make the layer anew, BatchNorm1d\(3, momentum=None\)"),
        (mt.Parallel(mt.Tanh()), "combine", "foo", "Parallel expects combine to be 'sum' or 'concatenate'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_layer_cannot_take_is_refused(layer, name, value, message):
    before = repr(layer)
    with pytest.raises(ValueError, match=message):
        setattr(layer, name, value)
    assert repr(layer) == before


def test_a_layer_is_not_set_at_a_second_place():
    layer = mt.Residual(mt.Linear(6, 6))
    with pytest.raises(ValueError, match="stands at two places of a network, 'layer' and 'shortcut'"):
        layer.shortcut = layer.layer
    layer.shortcut = mt.Linear(6, 6)
    assert len(layer.state_dict()) == 4


def test_a_layer_of_ones_own_sees_to_its_own_options():
    class Scaled(mt.Dropout):
        def __init__(self, p, times):
            super().__init__(p)
            self.times = times

    layer = Scaled(0.5, 2)
    layer.times = "three"
    assert layer.times == "three"
