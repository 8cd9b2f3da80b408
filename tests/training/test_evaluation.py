import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.data import Subset, TensorDataset, batches
from minitorch_np.metrics import accuracy
from minitorch_np.training.evaluation import evaluate, predict

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((50, 4)), RNG.integers(0, 3, 50)


class Modes(mt.Layer):
    """Notes the modes in which it was called, and how many samples came."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, len(x)))
        self.save_for_backward(output=x)
        return x

    def backward(self, dy):
        return self.saved(dy)[0]


def network():
    return mt.Sequential(Modes(), mt.Linear(4, 3, rng=0), Modes())


def test_predict_in_batches_is_the_model():
    model = network()
    y = predict(model, X, batch_size=20)
    assert model[0].seen == [(False, 20), (False, 20), (False, 10)]
    assert np.allclose(y, model(X), rtol=1e-12)
    model.astype("float32")
    assert predict(model, X.astype("float32")).dtype == np.float32


@pytest.mark.parametrize(
    "data",
    [
        X.tolist(),
        TensorDataset(X),
        TensorDataset(X, CLASSES),
        Subset(TensorDataset(X, CLASSES), range(50)),
        list(X),
    ],
    ids=["list", "x", "pairs", "subset", "list of samples"],
)
def test_predict_takes_all_kinds_of_data(data):
    assert np.allclose(predict(network(), data, batch_size=7), network()(X), rtol=1e-12)


def test_modes_are_put_back_layer_by_layer_also_after_an_error():
    model = network()
    model[2].training = False
    predict(model, X)
    evaluate(model, mt.CrossEntropyLoss(), (X, CLASSES))
    with pytest.raises(ValueError, match="expects x of shape"):
        predict(model, X[:, :3])
    assert [layer.training for layer in model] == [True, True, False]
    assert model.training


class Slow(mt.Layer):
    """Has the modes in which it was called; other threads run meanwhile, and see it change."""

    def __init__(self):
        self.modes = []

    def forward(self, x):
        time.sleep(0.001)
        vars(self)[f"note {len(self.modes)}"] = None
        self.modes.append(self.training)
        self.save_for_backward(output=x)
        return x

    def backward(self, dy):
        return self.saved(dy)[0]


def test_threads_predict_at_once():
    model, x = mt.Sequential(Slow(), mt.Linear(4, 3, rng=0), Slow()), np.arange(40).reshape(10, 4)
    expected = model(x)
    model[0].modes.clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: predict(model, x, batch_size=1), range(24)))
    assert all(np.allclose(y, expected) for y in found)
    assert not any(model[0].modes)
    assert len(model[0].modes) == 240
    assert [layer.training for layer in model] == [True] * 3


def test_what_was_kept_for_a_backward_is_gone():
    model = network()
    y = predict(model, X)
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        model.backward(y)


@pytest.mark.parametrize(
    "loss",
    [
        mt.CrossEntropyLoss(),
        mt.CrossEntropyLoss(reduction="sum"),
        mt.CrossEntropyLoss(weight=[1.0, 5.0, 0.1]),
        mt.CrossEntropyLoss(ignore_index=1),
        mt.CrossEntropyLoss(label_smoothing=0.1),
    ],
    ids=repr,
)
def test_the_loss_of_all_batches_is_that_of_one(loss):
    model = network()
    found = evaluate(model, loss, (X, CLASSES), batch_size=7)
    assert np.isclose(found["loss"], loss(model(X), CLASSES), rtol=1e-12)
    assert list(found) == ["loss"]


def test_a_mean_over_the_batch_too():
    model, q = mt.Sequential(mt.Linear(4, 3, rng=0), mt.LogSoftmax()), np.full((50, 3), 1 / 3)
    loss = mt.KLDivLoss("batchmean")
    assert np.isclose(evaluate(model, loss, (X, q), batch_size=7)["loss"], loss(model(X), q), rtol=1e-12)


def test_metrics_get_all_predictions_at_once():
    model = network()
    sizes = []
    metrics = {"accuracy": accuracy, "size": lambda p, t: sizes.append((len(p), len(t))) or 1}
    data = batches(X, CLASSES, batch_size=20, rng=0)
    found = evaluate(model, mt.CrossEntropyLoss(), data, metrics=metrics)
    assert sizes == [(50, 50)]
    assert found["accuracy"] == accuracy(model(X), CLASSES)
    assert [n for _, n in model[0].seen] == [20, 20, 10, 50]


def test_what_a_training_step_has_kept_in_the_loss_stays():
    model, loss = network(), mt.CrossEntropyLoss()
    loss(model(X), CLASSES)
    evaluate(model, loss, (X[:3], CLASSES[:3]))
    assert loss.backward().shape == (50, 3)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: predict(mt.Linear, X), TypeError, "predict expects a layer"),
        (lambda: predict(network(), X[:0]), ValueError, "a sample or more"),
        (lambda: evaluate(mt.Linear, mt.MSELoss(), (X, X)), TypeError, "evaluate expects a layer"),
        (lambda: evaluate(network(), mt.MSELoss, (X, X)), TypeError, r"expects a loss.*: write MSELoss\(\)"),
        (lambda: evaluate(network(), mt.MSELoss("none"), (X, X)), ValueError, "a loss with one value"),
        (lambda: evaluate(network(), mt.MSELoss(), X), TypeError, r"tuple \(x, y\).*got ndarray of 50"),
        (lambda: evaluate(network(), mt.MSELoss(), (X, X, X)), TypeError, "got tuple of 3"),
        (
            lambda: evaluate(network(), mt.MSELoss(), data=X),
            TypeError,
            "no argument 'data': did you mean x and y",
        ),
        (lambda: predict(network(), X, batchsize=3), TypeError, "did you mean batch_size"),
        (lambda: evaluate(network(), mt.MSELoss(), (X, X[:9])), ValueError, "got 50 and 9"),
    ],
)
def test_what_does_not_fit_is_named(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_a_mean_over_nothing_is_an_error():
    with pytest.raises(ValueError, match="no mean over targets that are all ignored"):
        evaluate(network(), mt.CrossEntropyLoss(), (X, np.full(50, -100)))
