"""Branches: their sums, what stands side by side, and what is refused."""

import numpy as np
import pytest

import minitorch_np as mt

X = np.random.default_rng(0).standard_normal((5, 4))


def two(combine, dim=1):
    return mt.Parallel(mt.Linear(4, 3, rng=0), mt.Linear(4, 3, rng=1), combine=combine, dim=dim)


def test_branches_are_added_and_so_are_their_gradients():
    layer, first, second = two("sum"), mt.Linear(4, 3, rng=0), mt.Linear(4, 3, rng=1)
    y = layer(X)
    assert y.tobytes() == (first(X) + second(X)).tobytes()
    dx = layer.backward(y)
    assert dx.tobytes() == (first.backward(y) + second.backward(y)).tobytes()
    assert [name for name, _ in layer.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert layer[0].weight.grad.tobytes() == first.weight.grad.tobytes()
    assert layer["1"].weight.grad.tobytes() == second.weight.grad.tobytes()


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_branches_stand_side_by_side_and_each_gets_its_part(dim):
    layer, first, second = two("concatenate", dim), mt.Linear(4, 3, rng=0), mt.Linear(4, 3, rng=1)
    y = layer(X)
    assert y.tobytes() == np.concatenate([first(X), second(X)], axis=dim).tobytes()
    dy = np.random.default_rng(1).standard_normal(y.shape)
    parts = np.split(dy, 2, axis=dim)
    assert layer.backward(dy).tobytes() == (first.backward(parts[0]) + second.backward(parts[1])).tobytes()


@pytest.mark.parametrize(
    "make",
    [
        mt.Parallel,
        lambda layer: mt.Residual(layer, shortcut=mt.Identity()),
        lambda layer: mt.Residual(mt.Identity(), shortcut=layer),
    ],
)
def test_the_first_layer_of_a_network_leaves_out_dx_in_its_branches(make):
    class Counting(mt.Identity):
        asked = 0

        def backward(self, dy):
            type(self).asked += 1
            return super().backward(dy)

        def backward_parameters(self, dy):
            super().backward(dy)

    model = mt.Sequential(make(Counting()))
    model.backward(model(X))
    assert Counting.asked == 0
    model(X)
    assert model.backward(X, input_grad=True).shape == X.shape
    assert Counting.asked == 1


def test_a_network_of_branches_is_trained_saved_and_written_out(tmp_path):
    model = mt.Sequential(
        mt.Parallel({"a": mt.Sequential(mt.Linear(4, 3, rng=0), mt.Tanh()), "b": mt.Linear(4, 2, rng=1)},
                    combine="concatenate"),
        mt.Parallel([mt.Linear(5, 2, rng=2), mt.Sequential(mt.Linear(5, 2, rng=3), mt.ReLU())]),
    )  # fmt: skip
    y = np.random.default_rng(1).standard_normal((5, 2))
    loss, optimizer = mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1)
    history = mt.fit(model, loss, optimizer, X, y, epochs=100, rng=0, verbose=0)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    mt.save(tmp_path / "net.npz", model)
    again = mt.load(tmp_path / "net.npz").model
    assert repr(again) == repr(model)
    assert again(X).tobytes() == model(X).tobytes()
    assert len(model[0]) == 2
    assert list(model[0]) == model[0].layers == [model[0]["a"], model[0]["b"]]
    assert "np.concatenate([" in mt.handwritten(model, loss, optimizer, X, y)
    assert "0.a.0.weight" in dict(model.named_parameters())
    assert "0.a.0" in str(mt.summary(model, X.shape))


def test_one_layer_stands_in_one_branch():
    layer = mt.Linear(4, 4)
    with pytest.raises(ValueError, match="stands at two places of a network, '0' and '1'"):
        mt.Parallel(layer, layer)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (mt.Parallel, "Parallel expects a layer or more, got none"),
        (lambda: mt.Parallel({}), "Parallel expects a layer or more, got none"),
        (lambda: mt.Parallel(mt.Tanh(), np.tanh), "a layer as branch '1', got <ufunc 'tanh'>"),
        (lambda: mt.Parallel({"a.b": mt.Tanh()}), "names without dots for its branches, got 'a.b'"),
        (lambda: mt.Parallel(mt.Tanh(), combine="mean"), "combine to be 'sum' or 'concatenate', got 'mean'"),
        (lambda: mt.Parallel(mt.Tanh(), dim=0.5), "dim to be the number of an axis, got 0.5"),
    ],
)
def test_arguments_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            mt.Parallel(mt.Tanh(), mt.Linear(4, 3)),
            r"branches to give one shape, got \(5, 4\) from branch '0' and \(5, 3\) from branch '1'",
        ),
        (
            mt.Parallel({"a": mt.Tanh(), "b": mt.Mean(1)}, combine="concatenate"),
            r"shapes equal but for axis 1, got \(5, 4\) from branch 'a' and \(5,\) from branch 'b'",
        ),
        (mt.Parallel(mt.Linear(4, 2), mt.Tanh(), combine="concatenate", dim=0), "equal but for axis 0"),
        (mt.Parallel(mt.Tanh(), combine="concatenate", dim=2), r"branches to have an axis 2, got \(5, 4\)"),
    ],
)
def test_shapes_that_do_not_combine_name_their_branch(layer, message):
    with pytest.raises(ValueError, match=message):
        layer(X)
    with pytest.raises(RuntimeError, match="call forward"):
        layer.layers[0].backward(X)


def test_an_error_says_in_which_branch_and_leaves_nothing_behind():
    layer = mt.Parallel({"a": mt.Tanh(), "b": mt.Linear(3, 2)})
    with pytest.raises(ValueError, match=r"Linear\(3, 2\) expects x") as caught:
        layer(X)
    assert caught.value.__notes__ == ["(branch 'b' of a Parallel)"]
    with pytest.raises(RuntimeError, match="call forward"):
        layer["a"].backward(X)
