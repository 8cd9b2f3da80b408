"""Attention and positions: what they are by the plainest loops, what a causal one may see, what is refused."""

import copy
import math
import tracemalloc

import numpy as np
import pytest
from table.samples import sample

import minitorch_np as mt
from minitorch_np.serialization import load, save


def by_loops(layer, x):
    """Attention as its formula says it: step by step, head by head, without the last map."""
    samples, steps, features = x.shape
    d = features // layer.num_heads
    z = x @ layer.in_proj_weight.data.T + layer.in_proj_bias.data
    y = np.zeros_like(x)
    for n, i, head in np.ndindex(samples, steps, layer.num_heads):
        q, k, v = (z[n, :, part * features + head * d :][:, :d] for part in range(3))
        seen = i + 1 if layer.causal else steps
        e = [math.exp(q[i] @ k[j] / math.sqrt(d)) for j in range(seen)]
        y[n, i, head * d : (head + 1) * d] = sum(e[j] * v[j] for j in range(seen)) / sum(e)
    return y


@pytest.mark.parametrize("heads", [1, 2, 6])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_its_formula(heads, causal):
    layer, x = mt.MultiheadAttention(6, heads, causal=causal, rng=0), sample((2, 5, 6))
    layer.in_proj_bias.data = sample((18,), seed=1)
    np.testing.assert_allclose(layer(x), layer.out_proj(by_loops(layer, x)), rtol=1e-12, atol=1e-14)


def test_it_is_initialised_as_in_torch():
    layer = mt.MultiheadAttention(8, 2, rng=0)
    assert [name for name, _ in layer.named_parameters()] == [
        "in_proj_weight",
        "in_proj_bias",
        "out_proj.weight",
        "out_proj.bias",
    ]
    bound = math.sqrt(6 / (8 + 24))
    assert 0.9 * bound < np.abs(layer.in_proj_weight.data).max() <= bound
    assert not layer.in_proj_bias.data.any()
    assert not layer.out_proj.bias.data.any()
    assert layer.out_proj.weight.data.any()


CAUSAL = {
    "attention": lambda: mt.MultiheadAttention(8, 2, causal=True, rng=0),
    "encoder": lambda: mt.TransformerEncoderLayer(8, 2, 16, 0.0, causal=True, rng=0),
    "two encoders": lambda: mt.Sequential(
        mt.PositionalEmbedding(6, 8, rng=2),
        mt.TransformerEncoderLayer(8, 4, 16, 0.0, "gelu", norm_first=True, causal=True, rng=0),
        mt.TransformerEncoderLayer(8, 4, 16, 0.0, "gelu", norm_first=True, causal=True, rng=1),
    ),
}


@pytest.mark.parametrize("make", CAUSAL.values(), ids=CAUSAL)
@pytest.mark.parametrize("step", range(5))
def test_a_causal_output_does_not_depend_on_later_steps(make, step):
    model, x = make(), sample((2, 6, 8))
    y, later = model(x), x.copy()
    later[:, step + 1 :] = 100 * sample((2, 6, 8), seed=1)[:, step + 1 :]
    np.testing.assert_array_equal(model(later)[:, : step + 1], y[:, : step + 1])
    assert not np.allclose(model(later)[:, step + 1 :], y[:, step + 1 :])
    dy = np.zeros_like(y)
    dy[:, step] = sample((8,), seed=2)
    model = mt.Sequential(mt.Identity(), model)
    model(x)
    dx = model.backward(dy, input_grad=True)
    assert (dx[:, step + 1 :] == 0).all()
    assert dx[:, : step + 1].all()


def test_a_later_step_has_exactly_no_weight_and_weights_sum_to_one():
    layer = mt.MultiheadAttention(4, 1, bias=False, causal=True, rng=0)
    layer.in_proj_weight.data[8:] = np.eye(4)  # values as they are
    layer.out_proj.weight.data = np.eye(4)
    weights = layer(np.eye(4)[np.newaxis])[0]  # of the values e_1, e_2, …: the weights themselves
    assert (weights[np.triu_indices(4, 1)] == 0).all()
    assert (weights[np.tril_indices(4)] > 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-14)
    layer.in_proj_weight.data[:8] = [*-1e10 * np.eye(4), *np.eye(4)]  # a step fits itself worst
    weights = layer(np.eye(4)[np.newaxis])[0]
    np.testing.assert_allclose(weights[:2], np.eye(4)[[0, 0]])  # nothing else to see, or the one before
    assert (weights[np.triu_indices(4, 1)] == 0).all()


@pytest.mark.parametrize("name", ["attention", "encoder"])
def test_a_single_step_attends_to_itself(name):
    model, x = CAUSAL[name](), sample((3, 1, 8))
    assert mt.gradcheck(model, x)
    if isinstance(model, mt.MultiheadAttention):
        values = x @ model.in_proj_weight.data[16:].T
        np.testing.assert_allclose(model(x), model.out_proj(values), rtol=1e-12)


@pytest.mark.parametrize("make", [*CAUSAL.values(), lambda: mt.SinusoidalPositionalEncoding(8)])
def test_a_sequence_of_no_steps(make):
    layer, x = make(), np.ones((2, 0, 8))
    y = layer(x)
    assert y.shape == x.shape
    layer.backward(y)
    assert all((p.grad == 0).all() for p in layer.parameters())


@pytest.mark.parametrize(
    "make",
    [
        lambda: mt.MultiheadAttention(8, 2, 0.4, causal=True, rng=1),
        lambda: mt.TransformerEncoderLayer(8, 2, 4, 0.3, norm_first=True, rng=1),
    ],
)
def test_dropout_is_held_in_the_gradient_check_resumed_when_loaded_and_off_in_evaluation(make, tmp_path):
    model, x = mt.Sequential(mt.Linear(8, 8, rng=0), make()), sample((3, 4, 8))
    assert mt.gradcheck(model, x)
    assert (model(x) != model(x)).any()
    save(tmp_path / "net.npz", model)
    again = load(tmp_path / "net.npz").model
    assert {type(layer.rng) for layer in again.modules() if hasattr(layer, "rng")} == {np.random.Generator}
    for _ in range(2):
        np.testing.assert_array_equal(again(x), model(x))
    y = model.eval()(x)
    np.testing.assert_array_equal(model(x), y)
    without = eval(
        repr(model).replace("dropout=0.4, ", "").replace("dropout=0.3", "dropout=0.0"), vars(mt).copy()
    )
    without.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(without(x), y)


def test_a_step_of_the_sequence_is_a_mean_of_values_some_left_out():
    layer = mt.MultiheadAttention(4, 1, 0.5, bias=False, rng=0)
    layer.in_proj_weight.data[...] = 0  # all scores are 0, all weights 1/5
    layer.in_proj_weight.data[8:] = layer.out_proj.weight.data = np.eye(4)
    y = layer(np.ones((40, 5, 4)))
    np.testing.assert_allclose(
        np.unique(y.round(12)), np.arange(6) * 2 / 5
    )  # of 5 weights 0 to 5 are left, twice as large
    assert y.mean() == pytest.approx(1, abs=0.1)


def test_multiply_adds_are_those_of_the_products():
    rows = mt.summary(mt.TransformerEncoderLayer(6, 3, 10), (2, 5, 6)).rows
    said = {row.name: row.multiply_adds for row in rows if row.multiply_adds}
    assert said == {
        "self_attn": 2 * 5 * 18 * 6 + 2 * 3 * (5 * 5 * 2) * 2,  # x Wᵀ; Q Kᵀ and P V of each sample and head
        "self_attn.out_proj": 2 * 5 * 6 * 6,
        "linear1": 2 * 5 * 6 * 10,
        "linear2": 2 * 5 * 10 * 6,
    }


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_encoder_layer_has_torchs_names_and_order_of_parts(norm_first):
    layer = mt.TransformerEncoderLayer(4, 2, 6, 0.0, norm_first=norm_first, rng=0)
    assert [name for name, _ in layer.named_parameters()] == [
        *(
            f"self_attn.{name}"
            for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
        ),
        *(f"{part}.{name}" for part in ("linear1", "linear2", "norm1", "norm2") for name in ("weight", "bias")),
    ]
    by_residuals = mt.Sequential(
        mt.Residual(mt.Sequential(*[layer.norm1] * norm_first, layer.self_attn)),
        *[layer.norm1] * (not norm_first),
        mt.Residual(mt.Sequential(*[layer.norm2] * norm_first, layer.linear1, layer.activation, layer.linear2)),
        *[layer.norm2] * (not norm_first),
    )
    x = sample((2, 3, 4))
    np.testing.assert_allclose(layer(x), by_residuals(x), rtol=1e-14)


def test_an_activation_may_be_a_layer():
    layer = mt.TransformerEncoderLayer(4, 2, 6, 0.0, mt.SiLU(), rng=0)
    assert repr(layer) == "TransformerEncoderLayer(4, 2, dim_feedforward=6, dropout=0.0, activation=SiLU())"
    assert mt.gradcheck(layer, sample((2, 3, 4)))


def test_positions_are_waves():
    x = np.zeros((2, 50, 7))
    y = mt.SinusoidalPositionalEncoding(7)(x)
    for t, feature in np.ndindex(50, 7):
        angle = t / 10000 ** ((feature - feature % 2) / 7)
        assert y[1, t, feature] == pytest.approx((math.cos if feature % 2 else math.sin)(angle), abs=1e-12)
    assert mt.SinusoidalPositionalEncoding(1)(np.zeros((1, 3, 1))).ravel() == pytest.approx(np.sin([0, 1, 2]))


def test_positions_beyond_the_sequence_learn_nothing():
    layer, x = mt.PositionalEmbedding(5, 3, rng=0), sample((2, 3, 3))
    np.testing.assert_array_equal(layer(x), x + layer.weight.data[:3])
    dy = sample((2, 3, 3), seed=1)
    layer.backward(dy)
    np.testing.assert_array_equal(layer.weight.grad, [*dy.sum(axis=0), [0, 0, 0], [0, 0, 0]])


def test_a_backward_pass_makes_no_array_of_the_size_of_all_positions():
    layer, x = mt.PositionalEmbedding(100_000, 4, rng=0), sample((2, 3, 4))
    layer.backward(layer(x))  # the gradient that W keeps is made at first
    tracemalloc.start()
    layer.backward(layer(x))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < layer.weight.data.nbytes / 50


def test_a_transformer_is_saved_written_out_and_learns_the_order_of_its_input(tmp_path):
    """The class of a sequence is whether its first number is the larger one: without positions a coin toss."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 4, 1))
    y = (x[:, 0, 0] > x[:, 3, 0]).astype(int)
    model = mt.Sequential(
        mt.Linear(1, 8, rng=rng),
        mt.SinusoidalPositionalEncoding(8),
        mt.TransformerEncoderLayer(8, 2, 16, 0.1, norm_first=True, rng=rng),
        mt.Flatten(),
        mt.Linear(32, 2, rng=rng),
    )
    loss, optimizer = mt.CrossEntropyLoss(), mt.Adam(model.parameters(), lr=0.01)
    program = mt.handwritten(model, loss, optimizer, x, y, data="npz", path=tmp_path / "network.py")
    assert "dscores = (grad_p - (grad_p * p).sum(axis=-1, keepdims=True)) * p" in program
    assert "import minitorch_np" not in program
    history = mt.fit(model, loss, optimizer, x, y, epochs=60, rng=0, verbose=0)
    assert history["loss"][-1] < 0.2 < history["loss"][0]
    save(tmp_path / "net.npz", model)
    np.testing.assert_array_equal(load(tmp_path / "net.npz").model.eval()(x), model.eval()(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: mt.MultiheadAttention(64, 5),
            "MultiheadAttention expects num_heads to divide embed_dim, got 5 for 64: num_heads=4, or "
            "embed_dim=65",
        ),
        (lambda: mt.MultiheadAttention(4, 8), "got 8 for 4: num_heads=4, or embed_dim=8"),
        (
            lambda: mt.MultiheadAttention(4, 0),
            "MultiheadAttention expects num_heads to be a whole number, 1 or more",
        ),
        (
            lambda: mt.MultiheadAttention(4, 2, 1.5),
            r"MultiheadAttention expects dropout to be a number in \[0, 1\]",
        ),
        (lambda: mt.MultiheadAttention(4, 2, bias=None), "MultiheadAttention expects bias to be True or False"),
        (
            lambda: mt.MultiheadAttention(4, 2, causal=1),
            "MultiheadAttention expects causal to be True or False",
        ),
        (
            lambda: mt.TransformerEncoderLayer(6, 4),
            "expects nhead to divide d_model, got 4 for 6: nhead=3, or d_model=8",
        ),
        (
            lambda: mt.TransformerEncoderLayer(6, 2, activation="tanh"),
            "TransformerEncoderLayer expects activation to be 'relu' or 'gelu' or a layer, got 'tanh'",
        ),
        (lambda: mt.TransformerEncoderLayer(6, 2, activation=np.tanh), "or a layer, got <ufunc 'tanh'>"),
        (lambda: mt.TransformerEncoderLayer(6, 2, norm_first="yes"), "norm_first to be True or False"),
        (lambda: mt.PositionalEmbedding(0, 4), "num_positions to be a whole number, 1 or more, got 0"),
        (lambda: mt.SinusoidalPositionalEncoding(0), "embed_dim to be a whole number, 1 or more, got 0"),
    ],
)
def test_arguments_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (mt.MultiheadAttention(4, 2), (3, 4), r"MultiheadAttention\(4, 2\) expects x of shape \(N, \*, 4\)"),
        (mt.TransformerEncoderLayer(4, 2), (2, 3, 5), r"TransformerEncoderLayer\(4, 2\) expects x of shape"),
        (
            mt.PositionalEmbedding(5, 4),
            (2, 6, 4),
            r"PositionalEmbedding\(5, 4\) expects sequences of 5 steps or fewer, got x of shape \(2, 6, 4\): "
            "num_positions=6, or shorter sequences",
        ),
        (mt.SinusoidalPositionalEncoding(4), (4, 4), r"Encoding\(4\) expects x of shape \(N, \*, 4\)"),
    ],
)
def test_an_x_that_does_not_fit_is_named_and_leaves_nothing_behind(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.ones(shape))
    with pytest.raises(RuntimeError, match="call forward"):
        layer.backward(np.ones(shape))


@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_layer_is_residuals_of_its_parts_to_the_bit(norm_first):
    layer = mt.TransformerEncoderLayer(8, 2, 16, 0.2, norm_first=norm_first, rng=0)
    x, dy = (np.random.default_rng(i).standard_normal((3, 5, 8)) for i in (1, 2))
    copied = copy.deepcopy(layer)
    composed = copied.composed()
    assert composed(x).tobytes() == layer(x).tobytes()
    assert composed.backward(dy, input_grad=True).tobytes() == layer.backward(dy).tobytes()
    assert len(list(composed.parameters())) == len(list(layer.parameters()))
    for ours, theirs in zip(copied.parameters(), layer.parameters(), strict=True):
        assert ours.grad.tobytes() == theirs.grad.tobytes()


def test_options_that_are_changed_afterwards_are_those_of_a_new_layer(tmp_path):
    x = sample((2, 5, 8))
    layer = mt.TransformerEncoderLayer(8, 2, 16, 0.0, rng=0)
    layer.dropout, layer.causal, layer.layer_norm_eps, layer.norm_first = 0.3, True, 0.1, True
    new = mt.TransformerEncoderLayer(8, 2, 16, 0.3, layer_norm_eps=0.1, norm_first=True, causal=True, rng=0)
    new.load_state_dict(layer.state_dict())
    assert repr(layer) == repr(new)
    assert repr(layer.self_attn) == repr(new.self_attn)
    assert layer.eval()(x).tobytes() == new.eval()(x).tobytes()
    drops = [each for each in layer.train().modules() if isinstance(each, mt.Dropout)]
    assert [each.p for each in drops] == [0.3] * 4
    assert layer(x).tobytes() != layer(x).tobytes()
    save(tmp_path / "net.npz", layer)
    assert load(tmp_path / "net.npz").model(x).tobytes() == layer(x).tobytes()
    layer.dropout = 0
    assert layer(x).tobytes() == layer.eval()(x).tobytes()
    with pytest.raises(ValueError, match=r"expects dropout to be a number in \[0, 1\], got 2"):
        layer.dropout = 2
    assert layer.dropout == 0


def test_attention_weights_are_left_out_once_dropout_is_set():
    layer, x = mt.MultiheadAttention(8, 2, rng=0), sample((2, 5, 8))
    y = layer(x)
    layer.dropout = 1
    assert np.array_equal(layer(x), np.broadcast_to(layer.out_proj.bias.data, x.shape))
    assert layer.eval()(x).tobytes() == y.tobytes()
