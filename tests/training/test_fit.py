"""fit computes what the loop of the README computes, to the bit."""

import threading
import tracemalloc

import numpy as np
import pytest
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.data import DataLoader, TensorDataset, batches
from minitorch_np.layers.standardize import Standardize
from minitorch_np.metrics import accuracy
from minitorch_np.training.evaluation import evaluate, predict
from minitorch_np.training.fit import fit
from minitorch_np.training.history import History

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((50, 4)), RNG.integers(0, 3, 50)
VALIDATION = RNG.standard_normal((20, 4)), RNG.integers(0, 3, 20)
EPOCHS, SIZE = 4, 8  # 7 batches, the last of 2


class Dropout(mt.Layer):
    """Draws from a generator of its own, in training."""

    def __init__(self, rng):
        self.rng = np.random.default_rng(rng)

    def forward(self, x):
        mask = self.rng.random(x.shape) < 0.8 if self.training else np.ones(x.shape)
        mask = mask.astype(x.dtype)
        self.save_for_backward(mask, output=x)
        return x * mask

    def backward(self, dy):
        dy, mask = self.saved(dy)
        return dy * mask


def parts(optimizer=mt.Adam, dtype="float64", loss=mt.CrossEntropyLoss, lr=0.01):
    model = mt.Sequential(
        mt.Linear(4, 6, rng=0, dtype=dtype), mt.Tanh(), Dropout(3), mt.Linear(6, 3, rng=1, dtype=dtype)
    )
    return model, loss(), optimizer(model.parameters(), lr=lr)


def loop(
    model, loss, optimizer, *, x=X, y=CLASSES, clip=None, by_step=None, by_epoch=None, epochs=EPOCHS, start=0
):
    """The README's loop; returns the loss of each step."""
    values = []
    model.train()
    for epoch in range(start, epochs):
        for x_batch, y_batch in batches(x, y, batch_size=SIZE, rng=7).epoch(epoch):
            values.append(float(loss(model(x_batch), y_batch)))
            model.backward(loss.backward())
            if clip:
                clip(model.parameters())
            optimizer.step()
            if by_step:
                by_step.step()
        if by_epoch:
            by_epoch(epoch)
    return values


def train(model, loss, optimizer, data=(X, CLASSES), *, epochs=EPOCHS, **options):
    given = {"batch_size": SIZE, "rng": 7, "verbose": 0} | options
    return fit(model, loss, optimizer, data, epochs=epochs, **given)


def same(ours, theirs, history, values):
    assert same_bits(ours[0].state_dict(), theirs[0].state_dict())
    assert history.step_losses == values


@pytest.mark.parametrize("optimizer", [mt.SGD, mt.Adam])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_batches(optimizer, dtype):
    ours, theirs, x = parts(optimizer, dtype), parts(optimizer, dtype), X.astype(dtype)
    same(ours, theirs, train(*ours, (x, CLASSES)), loop(*theirs, x=x))


def test_validation_and_metrics_change_no_bit():
    ours, theirs = parts(), parts()
    history = train(*ours, validation_data=VALIDATION, metrics=[accuracy])
    same(ours, theirs, history, loop(*theirs))
    found = evaluate(ours[0], ours[1], VALIDATION, metrics=[accuracy])
    assert {f"val_{name}": [value] for name, value in found.items()} == {
        name: history[name][-1:] for name in history.names if name.startswith("val_")
    }


@pytest.mark.parametrize(
    "data", [TensorDataset(X, CLASSES), list(zip(X, CLASSES, strict=True))], ids=["set", "list"]
)
def test_data_sets(data):
    ours, theirs = parts(), parts()
    same(ours, theirs, train(*ours, data), loop(*theirs))


def test_a_loader_has_its_own_order():
    ours, theirs = parts(), parts()
    loader = DataLoader(TensorDataset(X, CLASSES), SIZE, True, rng=7)
    next(iter(loader))  # what else is taken from it does not matter
    same(ours, theirs, train(*ours, loader, batch_size=32, rng=1), loop(*theirs))


def test_clipping():
    for options, clip in (
        ({"clip_norm": 0.1}, lambda p: mt.clip_grad_norm_(p, 0.1)),
        ({"clip_value": 0.01}, lambda p: mt.clip_grad_value_(p, 0.01)),
    ):
        ours, theirs = parts(mt.SGD), parts(mt.SGD)
        same(ours, theirs, train(*ours, **options), loop(*theirs, clip=clip))
        assert not same_bits(ours[0].state_dict(), _without_clipping())


def _without_clipping():
    ours = parts(mt.SGD)
    train(*ours)
    return ours[0].state_dict()


def test_a_schedule_is_stepped_once_an_epoch():
    ours, theirs = parts(), parts()
    history = train(*ours, schedule=mt.StepLR(ours[2], 1, gamma=0.5))
    schedule = mt.StepLR(theirs[2], 1, gamma=0.5)
    same(ours, theirs, history, loop(*theirs, by_epoch=lambda _: schedule.step()))
    assert history["lr"] == [0.01, 0.005, 0.0025, 0.00125]


def test_one_cycle_is_stepped_each_step():
    ours, theirs = parts(), parts()
    history = train(*ours, schedule=mt.OneCycleLR(ours[2], 0.1, total_steps=28))
    same(ours, theirs, history, loop(*theirs, by_step=mt.OneCycleLR(theirs[2], 0.1, total_steps=28)))


def test_another_schedule_can_be_stepped_each_step():
    ours, theirs = parts(), parts()
    history = train(*ours, schedule=mt.CosineAnnealingLR(ours[2], 28), schedule_every="step")
    same(ours, theirs, history, loop(*theirs, by_step=mt.CosineAnnealingLR(theirs[2], 28)))


@pytest.mark.parametrize("with_validation", [True, False])
def test_plateau_takes_the_validation_loss(with_validation):
    ours, theirs = parts(lr=0.5), parts(lr=0.5)
    options = {"factor": 0.1, "patience": 0, "threshold": 0.05}
    given = {"validation_data": VALIDATION} if with_validation else {}
    history = train(*ours, epochs=8, schedule=mt.ReduceLROnPlateau(ours[2], **options), **given)
    schedule = mt.ReduceLROnPlateau(theirs[2], **options)

    def by_epoch(epoch):
        schedule.step(evaluate(*theirs[:2], VALIDATION)["loss"] if with_validation else history["loss"][epoch])

    same(ours, theirs, history, loop(*theirs, by_epoch=by_epoch, epochs=8))
    assert len(set(history["lr"])) > 2


def accumulated(model, loss, optimizer, count):
    """By hand: parts of a mean count as their share of the samples."""
    values = []
    for epoch in range(EPOCHS):
        made = list(batches(X, CLASSES, batch_size=SIZE, rng=7).epoch(epoch))
        for first in range(0, len(made), count):
            group, value = made[first : first + count], 0.0
            samples = sum(len(x) for x, _ in group)
            for x, y in group:
                share = 1 if loss.reduction == "sum" else len(x) / samples
                value += float(loss(model(x), y)) * share
                model.backward(loss.backward() * share)
            optimizer.step()
            values.append(value)
    return values


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("count", [2, 3, 7, 99])
def test_accumulation(count, reduction):
    ours, theirs = (parts(mt.SGD, loss=lambda: mt.CrossEntropyLoss(reduction=reduction)) for _ in range(2))
    history = train(*ours, accumulate_grad_batches=count)
    same(ours, theirs, history, accumulated(*theirs, count))
    assert len(history.step_losses) == EPOCHS * -(-7 // count)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_accumulated_batches_are_as_one_large_batch(reduction):
    def made():
        model = mt.Linear(4, 3, rng=0)
        return model, mt.CrossEntropyLoss(reduction=reduction), mt.SGD(model.parameters(), lr=0.01)

    small, large = made(), made()
    one = train(*small, accumulate_grad_batches=3, batch_size=8)
    other = train(*large, batch_size=24)
    assert np.allclose(one.step_losses, other.step_losses, rtol=1e-12)
    assert np.allclose(one["loss"], other["loss"], rtol=1e-12)
    assert np.allclose(small[0].weight.data, large[0].weight.data, rtol=1e-12)


def test_going_on_from_an_epoch_is_going_through():
    ours, theirs = parts(), parts()
    first = train(*ours, epochs=2, metrics=[accuracy])
    history = train(*ours, resume=History(first.as_dict()), metrics=[accuracy])
    whole = train(*theirs, metrics=[accuracy])
    same(ours, theirs, history, whole.step_losses)
    assert history["loss"] == whole["loss"]
    assert history["accuracy"] == whole["accuracy"]


@pytest.mark.parametrize(("reduction", "combine"), [("mean", np.average), ("sum", np.sum)])
def test_the_loss_of_an_epoch_is_that_of_its_samples(reduction, combine):
    ours = parts(mt.SGD, loss=lambda: mt.CrossEntropyLoss(reduction=reduction), lr=0.0)
    ours[0][2].training = False
    ours[0][2] = mt.Identity()
    history = train(*ours, epochs=2)
    assert np.allclose(history["loss"], float(ours[1](ours[0](X), CLASSES)), rtol=1e-12)


def test_metrics_of_the_training_data_are_of_the_predictions_on_the_way():
    ours, theirs = parts(), parts()
    history = train(*ours, metrics={"right": accuracy}, epochs=1)
    model, loss, optimizer = theirs
    right = 0
    for x, y in batches(X, CLASSES, batch_size=SIZE, rng=7).epoch(0):
        y_pred = model(x)
        right += (y_pred.argmax(axis=1) == y).sum()
        loss(y_pred, y)
        model.backward(loss.backward())
        optimizer.step()
    assert history["right"] == [right / 50]


def test_the_model_is_in_training_mode():
    ours = parts()
    ours[0].eval()
    train(*ours, epochs=1)
    assert ours[0].training


def test_a_single_layer_is_a_model():
    model = mt.Linear(4, 3, rng=0)
    history = train(model, mt.CrossEntropyLoss(), mt.SGD(model.parameters(), lr=0.1))
    assert history["loss"][-1] < history["loss"][0]


def test_a_part_is_held_out_for_validation():
    ours, again = parts(), parts()
    history = train(*ours, validation_split=0.2)
    assert len(history.step_losses) == EPOCHS * 5  # 40 of 50 samples
    assert history["val_loss"] == train(*again, validation_split=0.2)["val_loss"]
    held = set()
    train(*parts(), epochs=1, validation_split=0.2, callbacks=lambda s: held.update(s.loader.dataset.indices))
    assert len(held) == 40
    assert held != set(range(40))  # drawn, not the first


def test_a_layer_that_came_after_the_optimizer_is_named():
    model, loss, optimizer = parts()
    model.append(mt.Linear(3, 3, rng=0))
    with pytest.warns(
        UserWarning, match=r"^4\.weight, 4\.bias will not learn.*Adam\(model\.parameters\(\)\)"
    ) as caught:
        train(model, loss, optimizer, epochs=1)
    assert caught[0].filename == __file__


def test_x_and_y_are_two_arguments_or_one():
    ours, theirs = parts(), parts()
    model, loss, optimizer = ours
    fit(model, loss, optimizer, X, CLASSES, epochs=EPOCHS, batch_size=SIZE, rng=7, verbose=0)
    train(*theirs)
    assert same_bits(model.state_dict(), theirs[0].state_dict())
    assert evaluate(model, loss, X, CLASSES) == evaluate(model, loss, (X, CLASSES))


def other():
    return mt.SGD(mt.Linear(4, 3).parameters())


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda m, f, o: {"model": mt.Linear}, TypeError, "fit expects a layer or a network"),
        (lambda m, f, o: {"loss": mt.MSELoss}, TypeError, r"expects a loss, got .*: write MSELoss\(\)"),
        (lambda m, f, o: {"loss": mt.MSELoss("none")}, ValueError, "expects a loss with one value"),
        (lambda m, f, o: {"optimizer": mt.SGD}, TypeError, r"write SGD\(model\.parameters\(\)\)"),
        (lambda m, f, o: {"optimizer": other()}, ValueError, "has none of the model's parameters"),
        (lambda m, f, o: {"schedule": 0.1}, TypeError, r"a schedule such as StepLR\(optimizer, ...\), got 0.1"),
        (lambda m, f, o: {"schedule": mt.StepLR(other(), 1)}, ValueError, "was made of another optimizer"),
        (
            lambda m, f, o: {"schedule": mt.OneCycleLR(o, 0.1, total_steps=27)},
            ValueError,
            "has 27 steps left, and this training takes 28, 7 an epoch.*total_steps=28",
        ),
        (
            lambda m, f, o: {"schedule": mt.ReduceLROnPlateau(o), "schedule_every": "step"},
            ValueError,
            "takes the loss of an epoch",
        ),
        (lambda m, f, o: {"schedule_every": "batch"}, ValueError, "'step' or 'epoch', got 'batch'"),
        (lambda m, f, o: {"epochs": 0}, ValueError, "epochs to be a whole number, 1 or more"),
        (
            lambda m, f, o: {"resume": History({"epochs": {"loss": [1.0] * 5}})},
            ValueError,
            "epochs=4 is where training ends.* 5 are done: epochs=9 trains 4 more",
        ),
        (
            lambda m, f, o: {"accumulate_grad_batches": 0},
            ValueError,
            "accumulate_grad_batches to be a whole",
        ),
        (lambda m, f, o: {"clip_norm": -1}, ValueError, "clip_norm to be a number, 0 or more"),
        (lambda m, f, o: {"verbose": True}, ValueError, "verbose to be a whole number"),
        (lambda m, f, o: {"check": 1}, TypeError, "check to be True or False"),
        (lambda m, f, o: {"callbacks": [3]}, TypeError, "callbacks, or functions of the state, got 3"),
        (lambda m, f, o: {"metrics": [3]}, TypeError, "metrics are functions"),
        (lambda m, f, o: {"data": X}, TypeError, r"tuple \(x, y\)"),
        (lambda m, f, o: {"data": (X, CLASSES[:9])}, ValueError, "as many samples each, got 50 and 9"),
        (
            lambda m, f, o: {"data": DataLoader(X, 5)},
            TypeError,
            "pairs of x and y as training data, got one array",
        ),
        (
            lambda m, f, o: {"validation_data": TensorDataset(X, X, X)},
            TypeError,
            "pairs of x and y as validation data, got 3 parts",
        ),
        (lambda m, f, o: {"validation": (X, CLASSES)}, TypeError, "did you mean validation_data"),
        (lambda m, f, o: {"validaton_data": (X, CLASSES)}, TypeError, "did you mean validation_data"),
        (lambda m, f, o: {"start_epoch": 1}, TypeError, "did you mean resume"),
        (lambda m, f, o: {"zzz": 1}, TypeError, "no argument 'zzz': it has model, loss"),
        (lambda m, f, o: {"validation_split": 1.5}, ValueError, r"validation_split to be a number in \[0, 1\]"),
        (lambda m, f, o: {"validation_split": 0.001}, ValueError, "of 50 samples leaves a part empty"),
        (
            lambda m, f, o: {"validation_split": 0.1, "validation_data": VALIDATION},
            ValueError,
            "validation_data or validation_split, got both",
        ),
        (lambda m, f, o: {"sample_weight": np.ones(9)}, ValueError, r"sample_weight of shape \(50,\)"),
        (lambda m, f, o: {"sample_weight": -np.ones(50)}, ValueError, "sample_weight of finite numbers"),
        (
            lambda m, f, o: {"class_weight": {7: 2.0}},
            ValueError,
            r"classes \[7\], and .*have \[0, 1, 2\]",
        ),
        (lambda m, f, o: {"class_weight": "even"}, TypeError, "a dict of class and weight.*'balanced'"),
        (lambda m, f, o: {"class_weight": {0: np.nan}}, ValueError, "class_weight of finite numbers"),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_step(change, error, match):
    model, loss, optimizer = parts()
    before = model.state_dict()
    given = {"model": model, "loss": loss, "optimizer": optimizer, "data": (X, CLASSES), "epochs": EPOCHS}
    with pytest.raises(error, match=match):
        train(**given | change(model, loss, optimizer))
    assert same_bits(model.state_dict(), before)


def test_data_larger_than_the_memory_that_is_used(tmp_path):
    """Standardisation, checks, training and prediction over 40 MB on the disk, in 10 MB of memory."""
    rows = 20_000
    written = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(rows, 256))
    written[:] = np.arange(256)
    written[::2] += 1
    written.flush()
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.arange(rows) % 2
    model = mt.Sequential(Standardize(256), mt.Linear(256, 2, rng=0))
    optimizer = mt.SGD(model.parameters(), lr=0.1)
    tracemalloc.start()
    try:
        model[0].fit(x)
        history = train(model, mt.CrossEntropyLoss(), optimizer, (x, y), epochs=1, batch_size=64)
        right = accuracy(predict(model, x), y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert history["loss"][0] < 0.1
    assert right == 1
    assert peak < 10e6


def test_a_model_is_trained_in_one_thread_at_a_time():
    model = mt.Sequential(mt.Linear(4, 2, rng=0))
    x, y, refused = np.ones((8, 4)), np.ones((8, 2)), []

    def train(epochs, callbacks=()):
        mt.fit(
            model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01), x, y, epochs=epochs, verbose=0,
            callbacks=callbacks,
        )  # fmt: skip

    def in_another_thread(state):
        def attempt():
            try:
                train(1)
            except RuntimeError as error:
                refused.append(str(error))

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    train(1, in_another_thread)
    assert len(refused) == 1
    assert "Sequential(Linear(4, 2)) is being trained in thread 'MainThread'" in refused[0]
    train(1)  # and again when it is over
