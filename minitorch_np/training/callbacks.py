"""Callbacks of `fit`: early stopping, checkpoints, and those of your own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.atomic_write import check_writable
from minitorch_np._internal.best import improves, monitor_mode
from minitorch_np._internal.validation import flag, number, whole
from minitorch_np.serialization.save import contents, write
from minitorch_np.training.parallel import OneProcess

if TYPE_CHECKING:
    import os

    from minitorch_np._internal.arrays import Array
    from minitorch_np.data.loader import DataLoader
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.optimizers.optimizer import Optimizer
    from minitorch_np.schedules.schedule import LRScheduler
    from minitorch_np.training.history import History


class TrainingState:
    """The parts of a training, and its progress: what callbacks are given.

    `epoch` counts from 0 and is the one that has ended, or runs; `epochs` is where training ends.
    Beside it model, loss, optimizer, schedule (None without one), the loader of the training data,
    whose `seed` and the epoch fix the order of the samples, the history, and the callbacks. A callback
    that sets `stop` to a text ends training after this epoch; the text is the reason. `rank` is 0, or with
    `fit(..., comm=...)` the number of this process.
    """

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        optimizer: Optimizer,
        schedule: LRScheduler | None,
        loader: DataLoader,
        history: History,
        epoch: int,
        epochs: int,
        accumulate: int = 1,
        callbacks: Iterable[Callback] = (),
        ranks: OneProcess | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.schedule = model, loss, optimizer, schedule
        self.loader, self.history, self.callbacks = loader, history, list(callbacks)
        self.epoch, self.epochs, self.accumulate = epoch, epochs, accumulate
        self.ranks = ranks or OneProcess()
        self.rank = self.ranks.rank
        self.stop: str | None = None

    def settings(self) -> dict[str, Any]:
        """Return what the numbers depend on beside the states: a run that is resumed should have the same."""
        return {
            "batch_size": self.loader.batch_size,
            "samples": self.loader.samples,
            "accumulate_grad_batches": self.accumulate,
        }

    @property
    def seed(self) -> int:
        return self.loader.seed

    def __repr__(self) -> str:
        return f"TrainingState(epoch={self.epoch}, epochs={self.epochs}, {self.history!r})"


class Callback:
    """Base of the callbacks: a subclass writes those of the methods that it needs.

    `state` is the TrainingState: model, optimizer, schedule, epoch, history, and `stop` to be set. A
    plain function of it is a callback too, called after each epoch.

    What a callback knows of the epochs so far goes into `state_dict`, as numbers, texts, arrays, and
    lists and dicts of them: checkpoints hold it, and `fit(..., resume=path)` gives it back.
    """

    def on_fit_begin(self, state: TrainingState) -> None:
        """Before the first step."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """After each whole epoch: after its validation, its schedule's step and its line in the history."""

    def on_fit_end(self, state: TrainingState) -> None:
        """At the end, also after Ctrl-C; not after an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what to go on from; empty if there is nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`; called before `on_fit_begin`."""


class EarlyStopping(Callback):
    """Ends training when a number has not improved for `patience` epochs, and takes the best weights back.

    `monitor` is a name in the history. `mode` says whether smaller ("min") or larger ("max") is better;
    for losses and errors it need not. An improvement goes beyond the best so far by more than
    `min_delta`. With `restore_best` the model has the weights and buffers of the best epoch
    afterwards, however training ended. NaN is not an improvement. `best` and `best_epoch` (from 0) stay
    to be read.

    It starts afresh with each `fit` that starts at epoch 0. One that is resumed goes on with the best
    and the patience of before; a run that it had ended stays ended, unless its patience is now larger.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        self.monitor = monitor
        self.patience = whole("EarlyStopping", "patience", patience, 1)
        self.min_delta = number("EarlyStopping", "min_delta", min_delta)
        self.mode = monitor_mode("EarlyStopping", monitor, mode)
        self.restore_best = flag("EarlyStopping", "restore_best", restore_best)
        self._reset()

    def _reset(self) -> None:
        self.best = math.nan
        self.best_epoch = -1
        self._waited = 0  # epochs without an improvement
        self._weights: dict[str, Array] | None = None

    def on_fit_begin(self, state: TrainingState) -> None:
        if state.epoch == 0:
            self._reset()
        self._stop_if_due(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        value = watched("EarlyStopping", self.monitor, state.history)[-1]
        best = None if math.isnan(self.best) else self.best
        if improves(value, best, self.mode, self.min_delta):
            self.best, self.best_epoch, self._waited = value, state.epoch, 0
            if self.restore_best:
                self._weights = state.model.state_dict()
        else:
            self._waited += 1
            self._stop_if_due(state)

    def on_fit_end(self, state: TrainingState) -> None:
        if self._weights is not None:
            state.model.load_state_dict(self._weights)

    def _stop_if_due(self, state: TrainingState) -> None:
        if self._waited >= self.patience:
            state.stop = f"{self.monitor} has not improved for {self._waited} epochs"

    def state_dict(self) -> dict[str, Any]:
        return {
            "monitor": self.monitor,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self._waited,
            "weights": self._weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["monitor"] != self.monitor:
            raise ValueError(f"EarlyStopping watches {self.monitor!r}, and the run {state['monitor']!r}")
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._waited = state["waited"]
        self._weights = state["weights"]


class Checkpoint(Callback):
    """Saves a training after each `every`-th epoch and at its end, so that it can go on from there.

    The newest is at `path`; at `best_path`, `run.best.npz` beside `run.npz`, is the one with the best
    `monitor`, a name in the history, after whichever epoch: by default the validation loss, or the
    loss if nothing is validated. `mode` says whether smaller ("min") or larger ("max") is better;
    for losses and errors it need not. NaN is never the best. After Ctrl-C the newest is that of the
    last whole epoch. A run that is not resumed overwrites both files.

    `fit(..., resume=path)` goes on from it; `load(path)` makes the network anew, `epoch` is the one
    that has ended, `history` what `History` is made of.

    With `describe=False` the network is not described, for those that cannot be (see `save`). That
    it can be, and that the path can be written to, is seen before the first epoch.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        *,
        monitor: str | None = None,
        mode: str | None = None,
        describe: bool = True,
    ) -> None:
        self.path = Path(path)
        self.best_path = self.path.with_name(f"{self.path.stem}.best{self.path.suffix}")
        self.every = whole("Checkpoint", "every", every, 1)
        self.monitor = monitor
        self.mode = monitor_mode("Checkpoint", monitor or "loss", mode)
        self.describe = describe
        self._unwritten: Any = None  # the newest whole epoch, if the file has an older one

    def on_fit_begin(self, state: TrainingState) -> None:
        if state.rank:
            return  # rank 0 writes, and the others have the same
        check_writable(self.path)
        self._contents(state)
        self._unwritten = None

    def on_epoch_end(self, state: TrainingState) -> None:
        if state.rank:
            return
        done = state.epoch + 1
        saved = self._contents(state)
        if self._is_best(state):
            write(self.best_path, *saved)  # before the newest, which knows of it
        if done % self.every == 0 or done == state.epochs or state.stop is not None:
            write(self.path, *saved)
            saved = None
        self._unwritten = saved

    def on_fit_end(self, state: TrainingState) -> None:
        if self._unwritten is not None:
            write(self.path, *self._unwritten)
            self._unwritten = None

    def _contents(self, state: TrainingState) -> Any:
        extra = {
            "seed": state.seed,
            "dtype": str(state.model.dtype),
            "schedule": type(state.schedule).__name__,
            "callbacks": [[type(callback).__name__, callback.state_dict()] for callback in state.callbacks],
        }
        return contents(
            state.model,
            state.optimizer,
            schedule=state.schedule,
            loss=state.loss,
            epoch=state.epoch,
            history=state.history.as_dict(),
            rng=None,
            extra=extra | state.settings(),
            describe=self.describe,
        )

    def _is_best(self, state: TrainingState) -> bool:
        """Return whether this epoch is better than all before it, which the history knows, also if resumed."""
        monitor = self.monitor or ("val_loss" if "val_loss" in state.history else "loss")
        *before, now = watched("Checkpoint", monitor, state.history)
        best = None
        for value in before:
            best = value if improves(value, best, self.mode) else best
        return improves(now, best, self.mode)


def watched(owner: str, monitor: str, history: History) -> list[float]:
    """Return a column of the history; raise ValueError if it has none of that name."""
    if monitor not in history:
        fix = ": fit(..., validation_data=(x, y)) measures it" if monitor.startswith("val_") else ""
        raise ValueError(f"{owner} watches {monitor!r}, and the history has {', '.join(history.names)}{fix}")
    return history[monitor]


class _Function(Callback):
    """A plain function as a callback."""

    def __init__(self, function: Callable[[TrainingState], Any]) -> None:
        self.function = function

    def on_epoch_end(self, state: TrainingState) -> None:
        self.function(state)


def as_callbacks(given: Any) -> list[Callback]:
    """Return callbacks, and functions as callbacks, the checkpoints last, so that they save the others' states.

    Raises TypeError for what is neither, and for methods that are never called.
    """
    found: list[Callback] = []
    for callback in given if isinstance(given, Iterable) else [given]:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            fix = f": write {callback.__name__}()" if isinstance(callback, type) else ""
            raise TypeError(f"fit expects callbacks, or functions of the state, got {callback!r}{fix}")
        unknown = {n for n in dir(type(callback)) if n.startswith("on_")} - set(dir(Callback))
        if isinstance(callback, Callback) and unknown:
            raise TypeError(
                f"{callback!r} has {', '.join(sorted(unknown))}, which fit never calls: a callback has "
                "on_fit_begin, on_epoch_end and on_fit_end, each with the state"
            )
        found.append(callback if isinstance(callback, Callback) else _Function(callback))
    return sorted(found, key=lambda callback: isinstance(callback, Checkpoint))
