"""Checkpoint in fit: the newest and the best are kept, and training goes on from them to the bit."""

import math

import numpy as np
import pytest
from table.authored import Dropout, Gated
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.training.checkpoint import Checkpoint, load
from minitorch_np.training.fit import fit
from minitorch_np.training.history import History
from minitorch_np.training.state import TrainingState

X = np.random.default_rng(0).standard_normal((60, 4))
DATA = X[:40], X[:40, :2]
VALIDATION = X[40:], X[40:, :2]


def parts():
    model = mt.Sequential(mt.Linear(4, 8, rng=0), Dropout(0.2), mt.ReLU(), mt.Linear(8, 2, rng=1))
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


@pytest.mark.parametrize(("every", "killed", "found"), [(1, 4, 4), (3, 4, 2), (3, 6, 5)])
def test_a_training_that_was_killed_goes_on_to_the_same_bits(tmp_path, every, killed, found):
    in_one_go = parts()
    history = train(*in_one_go)
    path = tmp_path / "run.npz"
    with pytest.raises(KilledError):
        train(*parts(), callbacks=[Checkpoint(path, every), kill_after(killed)], rng=np.random.default_rng(7))
    with pytest.raises(KilledError):
        train(*parts(), callbacks=[Checkpoint(path, every), kill_after(killed)])
    saved = load(path, custom={"Dropout": Dropout})
    assert saved.epoch == found
    resumed = train(
        saved.model,
        saved.loss,
        saved.optimizer,
        saved.schedule,
        rng=saved.extra["seed"],
        start_epoch=saved.epoch + 1,
        history=History(saved.history),
        callbacks=Checkpoint(path, every),
    )
    assert numbers(resumed) == numbers(history)
    assert same_bits(saved.model.state_dict(), in_one_go[0].state_dict())
    last = load(path, custom={"Dropout": Dropout})
    assert last.epoch == 7
    assert same_bits(last.model.state_dict(), in_one_go[0].state_dict())
    best = load(tmp_path / "run.best.npz", custom={"Dropout": Dropout})
    assert best.epoch == int(np.argmin(history["val_loss"]))


def after(losses, path, every=1, epochs=None, name="loss", **options):
    """The epochs in the newest and in the best file when an epoch has had each of these losses."""
    model, loss, optimizer, _ = parts()
    loader = type("Loader", (), {"seed": 3})()
    state = TrainingState(model, loss, optimizer, None, loader, History(), 0, epochs or len(losses) + 1)
    checkpoint = Checkpoint(path, every, **options)
    checkpoint.on_fit_begin(state)
    for epoch, value in enumerate(losses):
        state.epoch = epoch
        state.history.append({name: value})
        checkpoint.on_epoch_end(state)
    files = [path, checkpoint.best_path]
    return [load(file, custom={"Dropout": Dropout}).epoch if file.exists() else None for file in files]


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
    with pytest.raises(ValueError, match=r"Checkpoint\(monitor='accuracy'\) expects mode, 'min' where"):
        Checkpoint("d.npz", monitor="accuracy")
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValueError, match="Checkpoint expects every to be a whole number, 1 or more"):
            Checkpoint("d.npz", wrong)


def test_the_last_epoch_is_saved_where_training_stops_early(tmp_path):
    def stop(state):
        state.stop = "enough" if state.epoch == 3 else None

    path = tmp_path / "run.npz"
    train(*parts(), callbacks=[stop, Checkpoint(path, every=3)])
    assert load(path, custom={"Dropout": Dropout}).epoch == 3


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
    model, loss, optimizer, _ = built()
    saved = load(path, model=model, optimizer=optimizer)
    train(model, loss, optimizer, None, rng=saved.extra["seed"], start_epoch=4)
    assert same_bits(model.state_dict(), in_one_go[0].state_dict())


def test_fit_makes_a_checkpoint_of_a_path(tmp_path):
    stop = mt.EarlyStopping(patience=1, min_delta=1e9)  # ends after the second epoch
    train(*parts(), checkpoint=tmp_path / "run.npz", checkpoint_every=5, callbacks=stop)
    assert load(tmp_path / "run.npz", custom={"Dropout": Dropout}).epoch == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.best.npz", "run.npz"]
    with pytest.raises(ValueError, match="Checkpoint expects every to be a whole number, 1 or more, got 0"):
        train(*parts(), checkpoint=tmp_path / "run.npz", checkpoint_every=0)
