"""Recurrent layers: what their numbers are by the plainest loops, options, and what is refused."""

import numpy as np
import pytest
from table.samples import sample

import minitorch_np as mt

KINDS = (mt.RNN, mt.LSTM, mt.GRU)
kinds = pytest.mark.parametrize("kind", KINDS)


def sigma(a):
    return 1 / (1 + np.exp(-a))


def by_loops(layer, x):
    """The states of one layer, sample by sample and step by step, as the formulas say them."""
    w, u, b, v = (p.data for p in layer.parameters())
    y = np.zeros((*x.shape[:2], layer.hidden_size))
    for n in range(len(x)):
        h = c = np.zeros(layer.hidden_size)
        for t, x_t in enumerate(x[n]):
            p, q = w @ x_t + b, u @ h + v
            if isinstance(layer, mt.RNN):
                h = np.tanh(p + q) if layer.nonlinearity == "tanh" else np.maximum(p + q, 0)
            elif isinstance(layer, mt.LSTM):
                i, f, g, o = np.split(p + q, 4)
                c = sigma(f) * c + sigma(i) * np.tanh(g)
                h = sigma(o) * np.tanh(c)
            else:
                (p_r, p_z, p_n), (q_r, q_z, q_n) = np.split(p, 3), np.split(q, 3)
                z = sigma(p_z + q_z)
                h = (1 - z) * np.tanh(p_n + sigma(p_r + q_r) * q_n) + z * h
            y[n, t] = h
    return y


@pytest.mark.parametrize("make", [*KINDS, lambda *args, **rest: mt.RNN(*args, nonlinearity="relu", **rest)])
def test_it_is_its_formula(make):
    layer, x = make(4, 3, rng=0), sample((2, 6, 4))
    np.testing.assert_allclose(layer(x), by_loops(layer, x), rtol=1e-12, atol=1e-14)


@kinds
def test_a_second_layer_takes_the_states_of_the_first(kind):
    stack, first, second = kind(4, 3, 2, rng=0), kind(4, 3), kind(3, 3)
    state = stack.state_dict()
    first.load_state_dict({name: a for name, a in state.items() if "_l0" in name})
    second.load_state_dict({name.replace("_l1", "_l0"): a for name, a in state.items() if "_l1" in name})
    x = sample((2, 5, 4))
    np.testing.assert_array_equal(stack(x), second(first(x)))
    dy = sample((2, 5, 3), seed=1)
    np.testing.assert_array_equal(stack.backward(dy), first.backward(second.backward(dy)))


@kinds
def test_the_other_direction_is_a_layer_of_its_own_that_sees_time_turned_round(kind):
    both, forth, back = kind(4, 3, bidirectional=True, rng=0), kind(4, 3), kind(4, 3)
    state = both.state_dict()
    forth.load_state_dict({name: a for name, a in state.items() if "reverse" not in name})
    back.load_state_dict({name.removesuffix("_reverse"): a for name, a in state.items() if "reverse" in name})
    x, dy = sample((2, 5, 4)), sample((2, 5, 6), seed=1)
    np.testing.assert_array_equal(both(x), np.concatenate([forth(x), back(x[:, ::-1])[:, ::-1]], axis=2))
    expected = forth.backward(dy[:, :, :3]) + back.backward(dy[:, ::-1, 3:])[:, ::-1]
    np.testing.assert_allclose(both.backward(dy), expected, rtol=1e-14)


@kinds
def test_the_last_step_alone(kind):
    x, dy = sample((2, 5, 4)), sample((2, 6), seed=1)
    all_steps = kind(4, 3, 2, bidirectional=True, rng=0)
    last = kind(4, 3, 2, bidirectional=True, return_sequences=False, rng=0)
    y = all_steps(x)
    np.testing.assert_array_equal(last(x), np.concatenate([y[:, -1, :3], y[:, 0, 3:]], axis=1))
    of_all = np.zeros_like(y)
    of_all[:, -1, :3], of_all[:, 0, 3:] = dy[:, :3], dy[:, 3:]
    np.testing.assert_array_equal(last.backward(dy), all_steps.backward(of_all))


@kinds
def test_no_step_sees_a_later_one(kind):
    layer, x = kind(4, 3, rng=0), sample((2, 6, 4))
    np.testing.assert_allclose(layer(x)[:, :4], layer(x[:, :4]), rtol=1e-14)
    dy = np.zeros((2, 6, 3))
    dy[:, 3] = 1
    layer(x)
    dx = layer.backward(dy)
    assert (dx[:, :4] != 0).all()
    assert (dx[:, 4:] == 0).all()


@kinds
def test_gradients_through_many_steps(kind):
    assert mt.gradcheck(kind(2, 2, rng=0), sample((2, 8, 2)))
    assert mt.gradcheck(kind(1, 1, 2, dropout=0.4, bidirectional=True, rng=0), sample((2, 3, 1)))


def test_a_cell_that_forgets_nothing_carries_a_gradient_as_it_is():
    layer = mt.LSTM(1, 1, rng=0)
    for parameter in layer.parameters():
        parameter.data[...] = 0
    layer.bias_ih_l0.data[...] = [0, 1000, 0, 0]  # of i, f, g, o: σ(1000) is 1
    layer.weight_ih_l0.data[2] = 1
    layer(np.zeros((1, 200, 1)))
    dy = np.zeros((1, 200, 1))
    dy[0, -1] = 1
    np.testing.assert_array_equal(layer.backward(dy), 0.25)  # i, o and both slopes: ½ · ½ · 1 · 1, at any step


@kinds
def test_a_step_that_saturates_gives_no_warning(kind):
    for dtype in ("float64", "float32"):
        layer = kind(1, 2, dtype=dtype, rng=0)
        y = layer(np.full((1, 3, 1), -1e30, dtype))
        assert np.isfinite(y).all()
        assert np.isfinite(layer.backward(np.ones_like(y))).all()


def test_dropout_is_between_layers_and_only_while_training():
    x = np.ones((50, 3, 2))
    dropped, plain = mt.LSTM(2, 40, 2, dropout=0.5, rng=0), mt.LSTM(2, 40, 2, rng=0)
    assert dropped.state_dict().keys() == plain.state_dict().keys()
    assert (dropped(x) != plain(x)).any()
    assert (dropped(x)[0] != dropped(x)[1]).any()  # a mask for each sample
    np.testing.assert_array_equal(dropped.eval()(x), plain(x))
    everything = mt.RNN(2, 3, 2, dropout=1.0, bias=False, rng=0)
    assert (everything(x) == 0).all()
    assert (everything.backward(np.ones((50, 3, 3))) == 0).all()


def test_dropout_may_be_set_afterwards():
    layer, x = mt.GRU(2, 3, 2, bias=False, rng=0), np.ones((5, 4, 2))
    layer.dropout = 1.0
    assert not layer(x).any()
    assert mt.gradcheck(layer, x)
    assert layer.eval()(x).any()


def test_dropout_leaves_out_its_part_and_scales_the_rest():
    layer, x = mt.RNN(2, 40, 2, "relu", bias=False, dropout=0.25, rng=0), np.ones((50, 30, 2))
    layer.weight_ih_l1.data, layer.weight_hh_l1.data = np.eye(40), np.zeros((40, 40))  # y is what it is given
    dropped, whole = layer(x), layer.eval()(x)
    dropped, whole = dropped[whole > 0], whole[whole > 0]
    np.testing.assert_allclose(dropped[dropped > 0], whole[dropped > 0] / 0.75, rtol=1e-14)
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.01)


def test_a_saved_layer_goes_on_with_the_same_masks(tmp_path):
    model, x = mt.Sequential(mt.GRU(2, 3, 2, dropout=0.5, bidirectional=True, rng=1)), np.ones((5, 4, 2))
    model(x)
    mt.save(tmp_path / "net.npz", model)
    again = mt.load(tmp_path / "net.npz").model
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(model(x), again(x))


@kinds
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "bias": False}])
def test_multiply_adds_are_those_of_all_weights_at_all_steps(kind, options):
    layer = kind(4, 3, **options)
    gates = {mt.RNN: 1, mt.LSTM: 4, mt.GRU: 3}[kind]
    weights = 4 * 3 + 3 * 3 if not options else 2 * (4 * 3 + 3 * 3) + 2 * (6 * 3 + 3 * 3)
    assert layer.multiply_adds((2, 5, 4), (2, 5, 3)) == 2 * 5 * gates * weights


def test_the_first_weights_are_in_plus_minus_one_over_the_root_of_hidden_size():
    for kind in KINDS:
        for name, parameter in kind(3, 100, 2, bidirectional=True, rng=0).named_parameters():
            assert 0.09 < np.abs(parameter.data).max() <= 0.1, name


@kinds
def test_a_whole_network_learns_and_is_saved_and_written_out(kind, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (64, 5, 1)).astype(float)
    y = x.sum(axis=(1, 2)) % 2  # parity: the state has to be carried along
    model = mt.Sequential(kind(1, 12, return_sequences=False, rng=rng), mt.Linear(12, 2, rng=rng))
    loss, optimizer = mt.CrossEntropyLoss(), mt.Adam(model.parameters(), lr=0.03)
    history = mt.fit(model, loss, optimizer, x, y.astype(int), epochs=150, rng=0, verbose=0)
    assert history["loss"][-1] < 0.1 < history["loss"][0]
    mt.save(tmp_path / "net.npz", model)
    np.testing.assert_array_equal(mt.load(tmp_path / "net.npz").model(x), model(x))
    program = mt.handwritten(model, loss, mt.SGD(model.parameters(), lr=0.01), x, y.astype(int))
    name = kind.__name__.lower()
    assert f"def {name}_forward(" in program
    assert f"def {name}_backward(" in program
    assert program.count("for t in ") == 2


def test_the_explanation_has_the_formulas_in_the_names_of_the_network():
    text = " ".join(str(mt.explain(mt.GRU(4, 3, rng=0), sample((2, 5, 4)))).split())
    assert "y_pred[t] = (1 − z) n + z y_pred[t−1], n = tanh(p + r q); r, z = σ(p + q)" in text
    assert "p = x[t] weight_ih_l0ᵀ + bias_ih_l0, q = y_pred[t−1] weight_hh_l0ᵀ + bias_hh_l0" in text
    assert "grad_weight_hh_l0 = Σ_t dq[t]ᵀ y_pred[t−1]" in text
    text = " ".join(str(mt.explain(mt.LSTM(4, 3, bias=False, rng=0), sample((2, 5, 4)))).split())
    assert "a = x[t] weight_ih_l0ᵀ + y_pred[t−1] weight_hh_l0ᵀ" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.LSTM(0, 3), "LSTM expects input_size to be a whole number, 1 or more, got 0"),
        (lambda: mt.GRU(4, 3.5), "GRU expects hidden_size to be a whole number, 1 or more, got 3.5"),
        (lambda: mt.RNN(4, 3, 0), "RNN expects num_layers to be a whole number, 1 or more, got 0"),
        (lambda: mt.RNN(4, 3, nonlinearity="sigmoid"), "nonlinearity to be 'tanh' or 'relu', got 'sigmoid'"),
        (lambda: mt.LSTM(4, 3, bias=1), "bias to be True or False, got 1"),
        (lambda: mt.LSTM(4, 3, 2, dropout=1.5), r"dropout to be a number in \[0, 1\], got 1.5"),
        (lambda: mt.LSTM(4, 3, dropout=0.5), "num_layers of 2 or more with dropout, which is between them"),
        (lambda: mt.GRU(4, 3, dtype="int64"), "dtype must be float64 or float32"),
    ],
)
def test_arguments_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@kinds
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 0, 4), r"\(4, 3\) expects one time step or more, got x of shape \(2, 0, 4\)"),
        ((5, 4), r"expects x of shape \(N, \*, 4\), got \(5, 4\)"),
        ((2, 4, 5), r"expects x of shape \(N, \*, 4\), got \(2, 4, 5\)"),
    ],
)
def test_an_x_that_does_not_fit_is_named_and_leaves_nothing_behind(kind, shape, message):
    layer = kind(4, 3, rng=0)
    layer(np.ones((2, 2, 4)))
    with pytest.raises(ValueError, match=message):
        layer(np.ones(shape))
    with pytest.raises(RuntimeError, match="call forward"):
        layer.backward(np.ones((2, 2, 3)))


@pytest.mark.parametrize(
    "make",
    [
        lambda first: mt.RNN(4, 3, 1, "relu", True, first),
        lambda first: mt.LSTM(4, 3, 1, True, first),
        lambda first: mt.GRU(4, 3, batch_first=first),
        lambda first: mt.MultiheadAttention(4, 2, batch_first=first),
        lambda first: mt.TransformerEncoderLayer(4, 2, 8, 0.1, "relu", 1e-5, first),
    ],
)
def test_the_batch_comes_first_as_torch_is_told(make):
    assert "batch_first" not in repr(make(True))
    with pytest.raises(ValueError, match=r"expects batch_first=True, x of shape \(N, T, features\), got False"):
        make(False)
