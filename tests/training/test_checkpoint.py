"""Checkpoint and resume in fit: the newest and the best are saved, and training goes on to the bit."""

import math
import signal

import numpy as np
import pytest
from table.authored import Gated, Masked
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.data import DataLoader, TensorDataset
from minitorch_np.serialization import load, save
from minitorch_np.training import Checkpoint, History, TrainingState, fit

X = np.random.default_rng(0).standard_normal((60, 4))
DATA = X[:40], X[:40, :2]
VALIDATION = X[40:], X[40:, :2]


def parts():
    model = mt.Sequential(mt.Linear(4, 8, rng=0), Masked(0.2), mt.ReLU(), mt.Linear(8, 2, rng=1))
    optimizer = mt.Adam(model.parameters(), lr=0.01)
    return model, mt.MSELoss(), optimizer, mt.StepLR(optimizer, 3)


def train(model, loss, optimizer, schedule, epochs=8, rng=3, **options):
    options = {"validation_data": VALIDATION, "batch_size": 16, "verbose": 0} | options
    return fit(model, loss, optimizer, DATA, schedule=schedule, epochs=epochs, rng=rng, **options)


def numbers(history):
    return {name: history[name] for name in history.names if name != "seconds"} | {"steps": history.step_losses}


class KilledError(Exception):
    pass


def kill_after(epoch):
    def callback(state):
        if state.epoch == epoch:
            raise KilledError

    return callback


@pytest.mark.parametrize(("every", "killed", "found"), [(1, 5, 4), (3, 4, 2), (3, 6, 5)])
def test_a_training_that_was_killed_goes_on_to_the_same_bits(tmp_path, every, killed, found):
    in_one_go = parts()
    history = train(*in_one_go)
    path = tmp_path / "run.npz"
    with pytest.raises(KilledError):
        train(*parts(), callbacks=[Checkpoint(path, every), kill_after(killed)], rng=np.random.default_rng(7))
    with pytest.raises(KilledError):
        train(*parts(), callbacks=[Checkpoint(path, every), kill_after(killed)])
    assert load(path, custom={"Masked": Masked}).epoch == found
    again = parts()
    again[0][0].weight.data += 1  # whatever it was
    resumed = train(*again, resume=path, callbacks=Checkpoint(path, every), rng=None)
    assert numbers(resumed) == numbers(history)
    assert same_bits(again[0].state_dict(), in_one_go[0].state_dict())
    last = load(path, custom={"Masked": Masked})
    assert last.epoch == 7
    assert same_bits(last.model.state_dict(), in_one_go[0].state_dict())
    best = load(tmp_path / "run.best.npz", custom={"Masked": Masked})
    assert best.epoch == int(np.argmin(history["val_loss"]))


def test_early_stopping_goes_on_with_its_best_and_its_patience(tmp_path):
    def stopping(**options):
        return mt.EarlyStopping(patience=4, min_delta=0.004, **options)

    whole, path = parts(), tmp_path / "run.npz"
    stop = stopping()
    history = train(*whole, epochs=40, callbacks=stop)
    assert stop.best_epoch + 4 < history.epochs < 40
    for stopped in (stop.best_epoch, history.epochs - 2):  # before the best epoch, and while it waits
        first, again = stopping(), stopping()
        with pytest.raises(KilledError):
            train(*parts(), epochs=40, callbacks=[kill_after(stopped), first], checkpoint=path)
        resumed = parts()
        numbers_again = numbers(train(*resumed, epochs=40, callbacks=again, checkpoint=path, resume=path))
        assert numbers_again == numbers(history)
        assert (again.best, again.best_epoch) == (stop.best, stop.best_epoch)
        assert same_bits(resumed[0].state_dict(), whole[0].state_dict())
    ended = parts()  # what early stopping has ended stays ended
    again = train(*ended, epochs=40, callbacks=stopping(), resume=path)
    assert (numbers(again), again.stopped) == (numbers(history), history.stopped)
    assert same_bits(ended[0].state_dict(), whole[0].state_dict())
    patient = mt.EarlyStopping(patience=6, min_delta=0.004)
    assert train(*parts(), epochs=40, callbacks=patient, resume=path).epochs > history.epochs
    with pytest.raises(ValueError, match="EarlyStopping watches 'loss', and the run 'val_loss'"):
        train(*parts(), epochs=40, callbacks=mt.EarlyStopping("loss"), resume=path)


def test_a_resumed_run_keeps_its_best_file(tmp_path):
    path = tmp_path / "run.npz"
    train(*parts(), epochs=4, checkpoint=path)
    again = parts()
    history = train(*again, epochs=6, checkpoint=path, resume=path)
    best = path.with_name("run.best.npz")
    assert load(best, custom={"Masked": Masked}).epoch == np.argmin(history["val_loss"])

    def spoil(state):
        state.history["val_loss"][-1] = 9.0

    train(*parts(), epochs=8, checkpoint=path, resume=path, callbacks=spoil)
    assert load(best, custom={"Masked": Masked}).epoch < 6


def test_a_finished_run_is_given_back(tmp_path):
    path, first, again = tmp_path / "run.npz", parts(), parts()
    history = train(*first, epochs=3, checkpoint=path)
    assert numbers(train(*again, epochs=3, resume=path)) == numbers(history)
    assert same_bits(again[0].state_dict(), first[0].state_dict())
    with pytest.raises(ValueError, match=r"3 are done: epochs=5 trains 2 more"):
        train(*parts(), epochs=2, resume=path)


class Presses(mt.Layer):
    """Presses Ctrl-C in a step."""

    def __init__(self, step):
        self.step = step

    def forward(self, x):
        self.step -= self.training
        if self.step == 0 and self.training:
            signal.raise_signal(signal.SIGINT)
        self.save_for_backward(output=x)
        return x

    def backward(self, dy):
        return self.saved(dy)[0]


def test_ctrl_c_loses_no_whole_epoch(tmp_path):
    def made(step):
        model = mt.Sequential(mt.Linear(4, 2, rng=0), Presses(step))
        return model, mt.MSELoss(), mt.Adam(model.parameters(), lr=0.01), None

    path, whole, again = tmp_path / "run.npz", made(-1), made(-1)
    history = train(*whole)
    stopped = train(*made(14), checkpoint=path, checkpoint_every=5)  # 3 steps an epoch
    assert (stopped.epochs, stopped.stopped) == (4, "Ctrl-C in epoch 5")
    assert load(path, model=made(-1)[0]).epoch == 3
    assert numbers(train(*again, resume=path)) == numbers(history)
    assert same_bits(again[0].state_dict(), whole[0].state_dict())


def loader(**options):
    return DataLoader(TensorDataset(*DATA), 16, shuffle=True, **options)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda model, options: options.update(rng=4),
            "another order of the samples: leave rng out",
        ),
        (
            lambda model, options: options.update(data=loader(rng=4)),
            "a DataLoader with rng=3",
        ),
        (
            lambda model, options: options.update(
                data=DataLoader(TensorDataset(*DATA), 16, rng=4), validation_split=0.2
            ),
            "a DataLoader with rng=3",
        ),
        (lambda model, options: options.update(schedule=None), "has the schedule StepLR, this run NoneType"),
        (
            lambda model, options: model.astype("float32"),
            "of a float64 model, this one is float32",
        ),
    ],
)
def test_a_run_that_does_not_fit_is_refused_and_nothing_is_changed(tmp_path, change, match):
    path = tmp_path / "run.npz"
    train(*parts(), epochs=2, checkpoint=path)
    model, loss, optimizer, schedule = parts()
    options = {"schedule": schedule, "data": DATA, "rng": None}
    change(model, options)
    before = model.state_dict()
    with pytest.raises(ValueError, match=match):
        fit(
            model,
            loss,
            optimizer,
            options.pop("data"),
            epochs=4,
            resume=path,
            verbose=0,
            batch_size=16,
            **options,
        )
    assert same_bits(model.state_dict(), before)


def test_a_loader_of_the_same_seed_goes_on(tmp_path):
    path, whole, again = tmp_path / "run.npz", parts(), parts()
    history = train(*whole)
    train(*parts(), epochs=3, checkpoint=path)
    model, loss, optimizer, schedule = again
    options = {"schedule": schedule, "validation_data": VALIDATION, "resume": path, "verbose": 0, "epochs": 8}
    assert numbers(fit(model, loss, optimizer, loader(rng=3), **options)) == numbers(history)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch_size": 8}, "batch_size was 16, is 8"),
        ({"accumulate_grad_batches": 2}, "accumulate_grad_batches was 1, is 2"),
        ({"validation_split": 0.1, "validation_data": None}, "samples was 40, is 36"),
        ({"callbacks": []}, "EarlyStopping was a callback, is none"),
    ],
)
def test_what_is_not_as_before_is_warned_of(tmp_path, options, match):
    path = tmp_path / "run.npz"
    train(*parts(), epochs=2, checkpoint=path, callbacks=mt.EarlyStopping())
    with pytest.warns(UserWarning, match=match):
        train(*parts(), epochs=4, resume=path, **{"callbacks": mt.EarlyStopping(), **options})


def test_a_file_that_cannot_be_resumed_is_named(tmp_path):
    model, loss, optimizer, schedule = parts()
    with pytest.raises(FileNotFoundError, match=r"no file .*run.npz to resume: fit\(.*checkpoint="):
        train(model, loss, optimizer, schedule, resume=tmp_path / "run.npz")
    save(tmp_path / "net.npz", model, optimizer, schedule=schedule)
    with pytest.raises(ValueError, match=r"was not written by fit\(\.\.\., checkpoint=\.\.\.\)"):
        train(model, loss, optimizer, schedule, resume=tmp_path / "net.npz")


def test_a_callback_of_ones_own_goes_on(tmp_path):
    class Counts(mt.Callback):
        def __init__(self):
            self.epochs = []

        def on_epoch_end(self, state):
            self.epochs.append(state.epoch)

        def state_dict(self):
            return {"epochs": self.epochs}

        def load_state_dict(self, state):
            self.epochs = list(state["epochs"])

    train(*parts(), epochs=3, checkpoint=tmp_path / "run.npz", callbacks=Counts())
    counts = Counts()
    train(*parts(), epochs=5, resume=tmp_path / "run.npz", callbacks=counts)
    assert counts.epochs == [0, 1, 2, 3, 4]


def after(losses, path, every=1, epochs=None, name="loss", **options):
    """The epochs in the newest and in the best file when an epoch has had each of these losses."""
    model, loss, optimizer, _ = parts()
    loader = DataLoader(TensorDataset(*DATA), 16, shuffle=True, rng=3)
    state = TrainingState(model, loss, optimizer, None, loader, History(), 0, epochs or len(losses) + 1)
    checkpoint = Checkpoint(path, every, **options)
    checkpoint.on_fit_begin(state)
    for epoch, value in enumerate(losses):
        state.epoch = epoch
        state.history.append({name: value})
        checkpoint.on_epoch_end(state)
    files = [path, checkpoint.best_path]
    return [load(file, custom={"Masked": Masked}).epoch if file.exists() else None for file in files]


@pytest.mark.parametrize(
    ("losses", "every", "epochs", "found"),
    [
        ([3, 2, 1], 1, None, [2, 2]),
        ([3, 1, 2], 1, None, [2, 1]),
        ([3, 1, 1], 1, None, [2, 1]),
        ([math.nan, 5, math.nan, 6], 1, None, [3, 1]),
        ([math.nan], 1, None, [0, None]),
        ([3, 2, 1, 4], 3, None, [2, 2]),
        ([3, 2, 1, 4, 0], 3, None, [2, 4]),
        ([3, 2, 1, 4], 3, 4, [3, 2]),
        ([3, 2], 3, None, [None, 1]),
    ],
)
def test_the_newest_and_the_best(tmp_path, losses, every, epochs, found):
    assert after(losses, tmp_path / "run.npz", every, epochs) == found


def test_what_is_watched(tmp_path):
    assert after([1, 3, 2], tmp_path / "a.npz", name="accuracy", monitor="accuracy", mode="max") == [2, 1]
    assert after([3, 1, 2], tmp_path / "b.npz", name="val_loss") == [2, 1]
    with pytest.raises(ValueError, match="Checkpoint watches 'accuracy', and the history has loss"):
        after([1], tmp_path / "c.npz", monitor="accuracy", mode="max")
    with pytest.raises(ValueError, match=r"Checkpoint\(monitor='accuracy'\) expects mode: 'min' if"):
        Checkpoint("d.npz", monitor="accuracy")
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValueError, match="Checkpoint expects every to be a whole number, 1 or more"):
            Checkpoint("d.npz", wrong)


def test_the_last_epoch_is_saved_where_training_stops_early(tmp_path):
    def stop(state):
        state.stop = "enough" if state.epoch == 3 else None

    path = tmp_path / "run.npz"
    train(*parts(), callbacks=[stop, Checkpoint(path, every=3)])
    assert load(path, custom={"Masked": Masked}).epoch == 3


def test_what_cannot_be_saved_is_found_before_the_first_epoch(tmp_path):
    model = mt.Sequential(Gated(4), mt.Linear(4, 2, rng=0))
    before = model.state_dict()
    optimizer = mt.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"Gated.* cannot be described: its argument size"):
        train(model, mt.MSELoss(), optimizer, None, callbacks=Checkpoint(tmp_path / "run.npz"))
    with pytest.raises(ValueError, match="there is no directory"):
        train(model, mt.MSELoss(), optimizer, None, callbacks=Checkpoint(tmp_path / "none" / "run.npz"))
    assert same_bits(model.state_dict(), before)
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_described_is_saved_without(tmp_path):
    def built():
        model = mt.Sequential(Gated(4), mt.Linear(4, 2, rng=0))
        return model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1, momentum=0.9), None

    path = tmp_path / "run.npz"
    in_one_go, halves = built(), built()
    train(*in_one_go)
    train(*halves, epochs=4, callbacks=Checkpoint(path, describe=False))
    again = built()
    train(*again, resume=path)
    assert same_bits(again[0].state_dict(), in_one_go[0].state_dict())


def test_fit_makes_a_checkpoint_of_a_path(tmp_path):
    stop = mt.EarlyStopping(patience=1, min_delta=1e9)  # ends after the second epoch
    train(*parts(), checkpoint=tmp_path / "run.npz", checkpoint_every=5, callbacks=stop)
    assert load(tmp_path / "run.npz", custom={"Masked": Masked}).epoch == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.best.npz", "run.npz"]
    with pytest.raises(ValueError, match="Checkpoint expects every to be a whole number, 1 or more, got 0"):
        train(*parts(), checkpoint=tmp_path / "run.npz", checkpoint_every=0)
