"""Checkpoints of a training: after its epochs the newest goes into a file, and the best into one beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.atomic_write import check_writable
from minitorch_np._internal.validation import choice, whole
from minitorch_np.serialization.load import load
from minitorch_np.serialization.save import contents, save, write
from minitorch_np.training.callbacks import Callback

if TYPE_CHECKING:
    import os

    from minitorch_np.training.state import TrainingState

__all__ = ["Checkpoint", "load", "save"]


class Checkpoint(Callback):
    """Saves a training after each `every`-th epoch and the last one, so that it can go on from there.

    The newest is at `path`; at `best_path`, `run.best.npz` beside `run.npz`, is the one with the best
    `monitor`, a name in the history, after whichever epoch: by default the validation loss, or the
    loss where nothing is validated. `mode` says whether smaller ("min") or larger ("max") is better;
    for losses and errors it need not. NaN is never the best.

    `load(path)` gives it back: `epoch` is the one that has ended, `history` what `History` is made of,
    `extra["seed"]` what the order of the samples comes from.

    With `describe=False` the network is not described, for those that cannot be (see `save`). That
    it can be, and that the path can be written to, is seen before the first epoch. Where another
    callback ends training early, pass this one after it, so that it sees that an epoch is the last.
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
        if mode is None:
            if not (monitor or "loss").endswith(("loss", "error")):
                raise ValueError(
                    f"Checkpoint(monitor={monitor!r}) expects mode, 'min' where smaller is better, "
                    f"'max' where larger is"
                )
            mode = "min"
        self.mode = choice("Checkpoint", "mode", mode, "min", "max")
        self.describe = describe

    def on_fit_begin(self, state: TrainingState) -> None:
        check_writable(self.path)
        self._contents(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        done = state.epoch + 1
        newest = done % self.every == 0 or done == state.epochs or state.stop is not None
        best = self._is_best(state)
        if newest or best:
            saved = self._contents(state)
        if best:
            write(self.best_path, *saved)  # before the newest, which knows of it
        if newest:
            write(self.path, *saved)

    def _contents(self, state: TrainingState) -> tuple[dict[str, Any], dict[str, Any]]:
        return contents(
            state.model,
            state.optimizer,
            schedule=state.schedule,
            loss=state.loss,
            epoch=state.epoch,
            history=state.history.as_dict(),
            rng=None,
            extra={"seed": state.seed},
            describe=self.describe,
        )

    def _is_best(self, state: TrainingState) -> bool:
        """Whether this epoch is better than all before it, which the history knows, also after a restart."""
        monitor = self.monitor or ("val_loss" if "val_loss" in state.history else "loss")
        if monitor not in state.history:
            raise ValueError(
                f"Checkpoint watches {monitor!r}, and the history has {', '.join(state.history.names)}"
            )
        sign = 1 if self.mode == "max" else -1
        *before, now = (sign * value for value in state.history[monitor])
        return not math.isnan(now) and all(math.isnan(value) or now > value for value in before)
