"""Callbacks: what is done after each epoch of `fit`, such as stopping early."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.validation import choice, flag, number, whole

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.training.state import TrainingState


class Callback:
    """Base of the callbacks: a subclass writes those of the three methods that it needs.

    `state` is the TrainingState: model, optimizer, schedule, epoch, history, and `stop` to be set. A
    plain function of it is a callback too, called after each epoch.
    """

    def on_fit_begin(self, state: TrainingState) -> None:
        """Before the first step."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """After each whole epoch: after its validation, its schedule's step and its line in the history."""

    def on_fit_end(self, state: TrainingState) -> None:
        """At the end, also after Ctrl-C; not after an error."""


class EarlyStopping(Callback):
    """Ends training when a number has not improved for `patience` epochs, and takes the best weights back.

    `monitor` is a name in the history. `mode` says whether smaller ("min") or larger ("max") is better;
    for losses and errors it need not. An improvement goes beyond the best so far by more than
    `min_delta`. With `restore_best` the model has the weights and buffers of the best epoch
    afterwards, however training ended. NaN is no improvement. `best` and `best_epoch` (from 0) stay
    to be read.

    It starts afresh with each `fit` that starts at epoch 0.
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
        if mode is None:
            if not monitor.endswith(("loss", "error")):
                raise ValueError(
                    f"EarlyStopping({monitor!r}) expects mode: 'min' where smaller is better, 'max' where "
                    "larger is"
                )
            mode = "min"
        self.mode = choice("EarlyStopping", "mode", mode, "min", "max")
        self.restore_best = flag("EarlyStopping", "restore_best", restore_best)
        self._forget()

    def _forget(self) -> None:
        self.best = math.nan
        self.best_epoch = -1
        self._weights: dict[str, Array] | None = None

    def on_fit_begin(self, state: TrainingState) -> None:
        if state.epoch == 0:
            self._forget()

    def on_epoch_end(self, state: TrainingState) -> None:
        if self.monitor not in state.history:
            fix = ": fit(..., validation_data=(x, y)) measures it" if self.monitor.startswith("val_") else ""
            raise ValueError(
                f"EarlyStopping watches {self.monitor!r}, and the history has "
                f"{', '.join(state.history.names)}{fix}"
            )
        value = state.history[self.monitor][-1]
        sign = 1 if self.mode == "max" else -1
        best = -math.inf if math.isnan(self.best) else sign * self.best + self.min_delta
        if sign * value > best:
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self._weights = state.model.state_dict()
        elif state.epoch - self.best_epoch >= self.patience:
            state.stop = f"{self.monitor} has not improved for {self.patience} epochs"

    def on_fit_end(self, state: TrainingState) -> None:
        if self._weights is not None:
            state.model.load_state_dict(self._weights)


class _Function(Callback):
    """A plain function as a callback."""

    def __init__(self, function: Callable[[TrainingState], Any]) -> None:
        self.function = function

    def on_epoch_end(self, state: TrainingState) -> None:
        self.function(state)


def as_callbacks(given: Any) -> list[Any]:
    """Callbacks and functions as callbacks; raises TypeError for what is neither."""
    found = []
    for callback in given if isinstance(given, Iterable) else [given]:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            fix = f": write {callback.__name__}()" if isinstance(callback, type) else ""
            raise TypeError(f"fit expects callbacks, or functions of the state, got {callback!r}{fix}")
        found.append(callback if isinstance(callback, Callback) else _Function(callback))
    return found
