import numpy as np
import pytest
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.metrics import accuracy
from minitorch_np.training.callbacks import Callback, EarlyStopping
from minitorch_np.training.fit import fit
from minitorch_np.training.history import History

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((40, 4)), RNG.integers(0, 3, 40)


def train(callbacks, epochs=6, **options):
    model = mt.Linear(4, 3, rng=0)
    optimizer = mt.SGD(model.parameters(), lr=0.1)
    given = {"verbose": 0, "rng": 0} | options
    return model, fit(
        model, mt.CrossEntropyLoss(), optimizer, (X, CLASSES), epochs=epochs, callbacks=callbacks, **given
    )


class Script(Callback):
    """Puts given numbers into the history, before what is tested looks at them; keeps the weights."""

    def __init__(self, values):
        self.values, self.weights = values, []

    def on_epoch_end(self, state):
        state.history["loss"][-1] = self.values[state.epoch]
        self.weights.append(state.model.state_dict())


def test_callbacks_are_called_in_order_with_the_state():
    calls = []

    class Notes(Callback):
        def on_fit_begin(self, state):
            calls.append(("begin", state.epoch, state.history.epochs))

        def on_epoch_end(self, state):
            calls.append(("end", state.epoch, state.history.epochs, state.optimizer.param_groups[0]["lr"]))

        def on_fit_end(self, state):
            calls.append(("over", state.epoch, state.history.epochs))

    model = mt.Linear(4, 3, rng=0)
    optimizer = mt.SGD(model.parameters(), lr=1.0)
    schedule = mt.StepLR(optimizer, 1, gamma=0.5)
    loss = mt.CrossEntropyLoss()
    states = []
    fit(
        model,
        loss,
        optimizer,
        (X, CLASSES),
        epochs=2,
        schedule=schedule,
        callbacks=[Notes(), states.append],
        rng=3,
        verbose=0,
    )
    assert calls == [("begin", 0, 0), ("end", 0, 1, 0.5), ("end", 1, 2, 0.25), ("over", 1, 2)]
    state = states[0]
    assert (state.model, state.loss, state.optimizer, state.schedule) == (model, loss, optimizer, schedule)
    assert (state.seed, state.epochs) == (3, 2)
    assert repr(state).startswith("TrainingState(epoch=1, epochs=2, History(2 epochs")


def test_a_callback_ends_training():
    def stop(state):
        if state.epoch == 2:
            state.stop = "enough"

    _, history = train(stop)
    assert history.epochs == 3
    assert history.stopped == "enough"
    assert str(history).endswith("stopped: enough")


def test_early_stopping_waits_and_takes_the_best_back():
    script, stopping = Script([5, 3, 4, 4, 3, 1]), EarlyStopping("loss", patience=3)
    model, history = train([script, stopping])
    assert history.epochs == 5
    assert history.stopped == "loss has not improved for 3 epochs"
    assert (stopping.best, stopping.best_epoch) == (3, 1)
    assert same_bits(model.state_dict(), script.weights[1])


def test_an_improvement_in_time_goes_on():
    script, stopping = Script([5, 3, 4, 4, 2, 1]), EarlyStopping("loss", patience=3)
    model, history = train([script, stopping])
    assert history.epochs == 6
    assert history.stopped is None
    assert same_bits(model.state_dict(), script.weights[5])


def test_the_best_is_taken_back_when_the_epochs_run_out():
    script = Script([5, 1, 4])
    model, _ = train([script, EarlyStopping("loss", patience=3)], epochs=3)
    assert same_bits(model.state_dict(), script.weights[1])
    script = Script([5, 1, 4])
    model, _ = train([script, EarlyStopping("loss", patience=3, restore_best=False)], epochs=3)
    assert same_bits(model.state_dict(), script.weights[2])


def test_larger_can_be_better_and_little_is_nothing():
    script, stopping = (
        Script([1, 3, 3.4, 3.5, 3.6, 9]),
        EarlyStopping("loss", patience=2, mode="max", min_delta=0.5),
    )
    _, history = train([script, stopping])
    assert history.epochs == 4
    assert stopping.best_epoch == 1


def test_nan_is_no_improvement():
    stopping = EarlyStopping("loss", patience=2)
    assert train([Script([np.nan, 3, np.nan, np.nan, 1, 1]), stopping])[1].epochs == 4
    assert stopping.best_epoch == 1
    assert train([Script([np.nan] * 6), stopping])[1].epochs == 2


def test_it_starts_afresh_with_each_training():
    stopping = EarlyStopping("loss", patience=1)
    train([Script([1, 9]), stopping], epochs=2)
    _, history = train([Script([5, 4, 3]), stopping], epochs=3)
    assert history.epochs == 3
    assert stopping.best == 3


def test_it_goes_on_where_training_does():
    stopping = EarlyStopping("loss", patience=3)
    _, history = train([Script([2, 5]), stopping], epochs=2)
    _, history = train([Script([2, 5, 5, 5, 5]), stopping], epochs=5, resume=history)
    assert history.epochs == 4
    assert stopping.best_epoch == 0


def test_it_watches_the_validation_loss_by_default():
    _, history = train(EarlyStopping(patience=6), validation_data=(X, CLASSES))
    assert "val_loss" in history.names
    with pytest.raises(ValueError, match=r"watches 'val_loss', and the history has loss, lr, seconds: fit"):
        train(EarlyStopping())
    train(EarlyStopping("val_accuracy", mode="max"), validation_data=(X, CLASSES), metrics=[accuracy])


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        (EarlyStopping, TypeError, r"got <class .*: write EarlyStopping\(\)"),
        ([None], TypeError, "or functions of the state, got None"),
    ],
)
def test_what_is_no_callback_is_named(given, error, match):
    with pytest.raises(error, match=match):
        train([given] if isinstance(given, type) else given)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"monitor": "accuracy"}, r"expects mode: 'min' if smaller is better"),
        ({"mode": "up"}, "'min' or 'max', got 'up'"),
        ({"patience": 0}, "patience to be a whole number, 1 or more"),
        ({"min_delta": -1}, "min_delta to be a number, 0 or more"),
    ],
)
def test_options_that_make_no_sense(options, match):
    with pytest.raises(ValueError, match=match):
        EarlyStopping(**options)


def test_a_history_goes_on_in_place():
    given = History()
    _, history = train([], resume=given)
    assert history is given


def test_a_method_that_is_never_called_is_named():
    class Keras(Callback):
        def on_train_end(self, logs):
            pass

    with pytest.raises(TypeError, match=r"on_train_end, which fit never calls.*on_fit_end"):
        train(Keras())


def test_mode_is_asked_for_where_it_cannot_be_known():
    assert EarlyStopping("mean_absolute_error").mode == "min"
    with pytest.raises(ValueError, match=r"EarlyStopping\(monitor='accuracy'\) expects mode"):
        EarlyStopping("accuracy")
