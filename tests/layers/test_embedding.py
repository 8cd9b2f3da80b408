"""Embedding: rows by their indices, sums of gradients, and every tool with integers as x."""

import tracemalloc

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.data import DataLoader, TensorDataset
from minitorch_np.study.gradcheck import diagnose

X = np.array([[0, 2, 2], [3, 0, 1]])


def network(dtype="float64", padding_idx=0):
    return mt.Sequential(
        mt.Embedding(5, 3, padding_idx, rng=0, dtype=dtype),
        mt.Mean(1),
        mt.Linear(3, 2, rng=1, dtype=dtype),
    )


def samples(count=30):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (count, 4))
    return x, (x == 2).any(axis=1).astype(int)


def test_y_is_the_row_of_each_index_and_dx_is_zeros():
    layer = mt.Embedding(4, 3, rng=0)
    y = layer(X)
    assert y.tobytes() == np.array([[layer.weight.data[i] for i in row] for row in X]).tobytes()
    dx = layer.backward(y)
    assert dx.shape == X.shape
    assert dx.dtype == np.float64
    assert not dx.any()


def test_gradients_of_one_index_add_up_and_rows_without_get_none():
    layer = mt.Embedding(5, 2)
    dy = np.array([[[1.0, 2], [10, 20], [100, 200]], [[3, 4], [5, 6], [7, 8]]])
    layer(X)
    layer.backward_parameters(dy)
    assert layer.weight.grad.tolist() == [[6, 8], [7, 8], [110, 220], [3, 4], [0, 0]]
    layer(X)
    layer.backward_parameters(dy)
    assert layer.weight.grad.tolist() == [[12, 16], [14, 16], [220, 440], [6, 8], [0, 0]]
    layer.weight.has_grad = False  # as an optimizer's step leaves it
    layer(X[:1, :1])
    layer.backward(dy[:1, :1])
    assert layer.weight.grad.tolist() == [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("index_dtype", ["int64", "int8", "uint16", "uint64"])
def test_the_sums_are_those_of_add_at_to_the_bit(dtype, index_dtype):
    rng = np.random.default_rng(0)
    x, dy = rng.zipf(1.3, 500) % 100, rng.standard_normal((500, 7)).astype(dtype)
    layer = mt.Embedding(100, 7, dtype=dtype)
    layer(x.astype(index_dtype))
    layer.backward(dy)
    expected = np.zeros((100, 7), dtype)
    np.add.at(expected, x, dy)
    assert layer.weight.grad.tobytes() == expected.tobytes()


def test_padding_is_zeros_and_learns_nothing():
    layer = mt.Embedding(4, 3, padding_idx=-2, rng=0)
    assert layer.padding_idx == 2
    assert not layer.weight.data[2].any()
    assert layer.weight.data[[0, 1, 3]].all()
    y = layer(X)
    layer.backward(np.ones_like(y))
    assert layer.weight.grad[:, 0].tolist() == [2, 1, 0, 1]


def test_the_first_weights_are_standard_normal():
    weight = mt.Embedding(1000, 100, rng=0).weight.data
    assert abs(weight.mean()) < 0.02
    assert weight.std() == pytest.approx(1, abs=0.02)


def test_a_step_of_a_few_rows_makes_no_array_of_the_size_of_the_table():
    model = mt.Sequential(mt.Embedding(20000, 50, rng=0))
    optimizer = mt.Adam(model.parameters())
    x, dy = np.arange(8).reshape(2, 4), np.ones((2, 4, 50))

    def step():
        model(x)
        model.backward(dy)
        model(x)
        model.backward(dy)
        optimizer.step()

    step()
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * model[0].weight.data.nbytes


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_network_learns_from_indices(dtype, tmp_path):
    model, (x, y) = network(dtype), samples()
    loss, optimizer = mt.CrossEntropyLoss(), mt.Adam(model.parameters(), lr=0.05)
    kept, held_out = mt.split(TensorDataset(x, y), rng=0)
    loader = DataLoader(kept, batch_size=5, rng=0)
    mt.fit(model, loss, optimizer, loader, epochs=60, validation_data=held_out, verbose=0)
    assert mt.evaluate(model, loss, x, y, metrics={"accuracy": mt.accuracy})["accuracy"] > 0.9
    assert mt.predict(model, x).dtype == dtype
    assert not model[0].weight.data[0].any()
    mt.save(tmp_path / "net.npz", model, optimizer)
    again = mt.load(tmp_path / "net.npz").model
    assert repr(again) == repr(model)
    assert again(x).tobytes() == model(x).tobytes()


@pytest.mark.parametrize(
    ("data", "padding_idx"),
    [
        pytest.param("embed", None, marks=pytest.mark.slow),
        ("embed", 0),
        pytest.param("seed", None, marks=pytest.mark.slow),
    ],
)
def test_the_program_by_hand_is_judged_as_right(data, padding_idx, tmp_path):
    model, (x, y) = network(padding_idx=padding_idx), samples(6)
    loss, optimizer = mt.CrossEntropyLoss(), mt.SGD(model.parameters(), lr=0.1)
    given = (x, y) if data == "embed" else (x.shape,)
    program = mt.handwritten(model, loss, optimizer, *given)
    assert "import minitorch_np" not in program
    assert "h1 = w1[x]" in program
    path = tmp_path / "program.py"
    path.write_text(program.replace("steps=500", "steps=5"))
    judged = mt.compare(path)
    assert judged
    assert ("row 0 of w1 is held constant" in str(judged)) == (padding_idx == 0)
    path.write_text(path.read_text().replace("np.add.at(a, index, rows)", "a[index] = rows"))
    assert not mt.compare(path)
    if data == "embed":
        assert mt.compare(model, loss, optimizer, x, y, steps=3)


def test_the_tools_take_integers():
    model, (x, y) = network(), samples(6)
    loss = mt.CrossEntropyLoss()
    assert mt.gradcheck(model, x, rng=0)
    assert "cannot be told" not in str(diagnose(model, x, rng=0))
    assert mt.gradcheck(network("float32"), x, rng=0)
    assert "x (6, 4), int64" in str(mt.summary(model, (6, 4)))
    assert str(mt.summary(model, x)) == str(mt.summary(model, (6, 4)))
    assert "h1 = w1[x], the row of w1 at each index in x" in str(mt.explain(model, loss, x, y))
    assert mt.trace(model, loss, x, y)["grad 0.weight"].shape == (5, 3)
    with mt.guard(model, loss):
        loss(model(x), y)
        model.backward(loss.backward())
    assert model(x.tolist()).tobytes() == model(x).tobytes()


def test_columns_of_categories_are_selected_reshaped_and_looked_up(tmp_path):
    day = mt.Sequential(mt.Select(1, 0), mt.Embedding(7, 3, rng=0))
    hour = mt.Sequential(mt.Select(1, 1), mt.Embedding(5, 2, rng=1))
    both = mt.Parallel(day, hour, combine="concatenate", dim=-1)
    first = mt.Sequential(mt.Flatten(), mt.Reshape(2, 1), mt.Flatten(), both)
    model = mt.Sequential(first, mt.Linear(5, 2, rng=2))
    x = np.random.default_rng(0).integers(0, 5, (6, 2))
    y = np.ones((6, 2))
    assert model.index_count == 5
    expected = np.concatenate([day[1].weight.data[x[:, 0]], hour[1].weight.data[x[:, 1]]], axis=1)
    np.testing.assert_array_equal(first(x), expected)
    assert mt.gradcheck(model, x, rng=0)
    assert "(6, 2), int64" in str(mt.summary(model, (6, 2)))
    assert "no gradient" in str(mt.explain(model, mt.MSELoss(), x, y))
    assert "x.reshape(6, 2)" in mt.handwritten(model, mt.MSELoss(), mt.SGD(model.parameters()), x, y)
    mt.save(tmp_path / "model.npz", model)
    np.testing.assert_array_equal(mt.load(tmp_path / "model.npz").model(x), model(x))


def test_a_wrong_gradient_of_a_table_is_found():
    class Overwriting(mt.Embedding):
        def backward(self, dy):
            dy, x = self.saved(dy)
            gradient = np.zeros(self.weight.shape)
            gradient[x] = dy  # the last of equal indices wins
            self.weight.add_grad(gradient)
            return np.zeros(x.shape)

    class Differentiating(mt.Embedding):
        def backward(self, dy):
            return super().backward(dy) + 1

    with pytest.raises(ValueError, match=r"weight: at .* backward says"):
        mt.gradcheck(Overwriting(4, 3, rng=0), X, rng=0)
    with pytest.raises(ValueError, match="integers have no gradient: backward should return zeros"):
        mt.gradcheck(Differentiating(4, 3, rng=0), X, rng=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.Embedding(0, 3), "num_embeddings to be a whole number, 1 or more, got 0"),
        (lambda: mt.Embedding(3, 2.5), "embedding_dim to be a whole number, 1 or more, got 2.5"),
        (lambda: mt.Embedding(3, 2, 3), "padding_idx to be an index of its 3 rows, got 3"),
        (lambda: mt.Embedding(3, 2, True), "padding_idx to be an index of its 3 rows, got True"),
        (lambda: mt.Embedding(3, 2, dtype=int), "dtype must be float64 or float32"),
    ],
)
def test_arguments_that_do_not_fit(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[1.0, 2.0]], TypeError, r"Embedding\(4, 3\) expects x of integers .* got float64: x.astype\(int\)"),
        (np.ones(2, np.float32), TypeError, r"integers from 0 to 3, got float32: x.astype\(int\)"),
        ([1, 2.5], TypeError, "got float64 with 2.5 in it: an index is a whole number"),
        ([1, np.nan], TypeError, "got float64 with nan in it: an index is a whole number"),
        ([True, False], TypeError, r"got bool: x.astype\(int\)"),
        (["a"], TypeError, "got <U1$"),
        ([1j], TypeError, "got complex128$"),
        (np.ma.masked_equal([1, 2], 2), TypeError, r"x without a mask: fill it, x.filled\(0\)"),
        ([[1], [2, 3]], ValueError, "x as one array of integers"),
        ([[1, 2], [4, 0]], ValueError, r"integers from 0 to 3, got 4 at x\[1, 0\]: indices count from 0"),
        ([1, -1], ValueError, r"got -1 at x\[1\]: indices count from 0"),
        (7, ValueError, r"got 7: is it of another table\?"),
    ],
)
def test_an_x_that_is_not_of_indices_is_named_and_leaves_nothing_behind(x, error, message):
    layer = mt.Embedding(4, 3)
    layer(X)
    with pytest.raises(error, match=message):
        layer(x)
    with pytest.raises(RuntimeError, match="call forward"):
        layer.backward(np.ones((2, 3, 3)))


def test_one_index_and_none():
    layer = mt.Embedding(4, 3, rng=0)
    assert layer(2).shape == (3,)
    assert layer.backward(np.ones(3)).shape == ()
    assert layer.weight.grad[2].tolist() == [1, 1, 1]
    assert layer([]).shape == (0, 3)


@pytest.mark.parametrize(
    "before",
    [
        mt.Flatten,
        lambda: mt.Select(1, 0),
        lambda: mt.Sequential(mt.Flatten(), mt.Unflatten(1, (3, 1))),
        lambda: mt.Residual(mt.Sequential(mt.Transpose(0, 1), mt.Transpose(0, 1))),
        lambda: mt.Parallel(mt.Select(1, 0), mt.Select(1, 1), combine="concatenate", dim=0),
    ],
)
def test_layers_that_move_numbers_about_hand_integers_on(before):
    small = X // 2  # a Residual adds two of them
    model = mt.Sequential(before(), mt.Embedding(5, 3, rng=0))
    indices = before()(small)
    assert indices.dtype == X.dtype
    assert np.array_equal(model(small), model[1].weight.data[indices])


def test_a_residual_of_embeddings_takes_indices():
    model = mt.Residual(mt.Embedding(5, 3, rng=0), shortcut=mt.Embedding(4, 3, rng=1))
    assert model.index_count == 4
    assert np.array_equal(model(X), model.layer.weight.data[X] + model.shortcut.weight.data[X])
    assert mt.gradcheck(model, X)
