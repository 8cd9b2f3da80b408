"""fit: the training loop, with what one adds to it sooner or later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import flag, whole
from minitorch_np.data.loader import pairs
from minitorch_np.metrics import named_metrics
from minitorch_np.schedules.plateau import ReduceLROnPlateau
from minitorch_np.training import data_checks as checks
from minitorch_np.training import setup
from minitorch_np.training.callbacks import as_callbacks
from minitorch_np.training.evaluation import evaluated
from minitorch_np.training.history import History
from minitorch_np.training.interrupt import held_back
from minitorch_np.training.progress import Progress
from minitorch_np.training.state import TrainingState
from minitorch_np.training.steps import Steps

if TYPE_CHECKING:
    import os

    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.optimizers.optimizer import Optimizer
    from minitorch_np.schedules.schedule import LRScheduler
    from minitorch_np.training.interrupt import Interrupt


def fit(
    model: Layer,
    loss: Loss,
    optimizer: Optimizer,
    x: Any,
    y: Any = None,
    *,
    epochs: int,
    batch_size: int = 32,
    rng: np.random.Generator | int | None = None,
    validation_data: Any = None,
    metrics: Any = (),
    schedule: LRScheduler | None = None,
    schedule_every: str | None = None,
    callbacks: Any = (),
    accumulate_grad_batches: int = 1,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    start_epoch: int = 0,
    history: History | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    check: bool = True,
    verbose: int = 1,
) -> History:
    """Train a model; returns the history of losses, metrics and times.

    With nothing but data, epochs, batch_size and rng=0 it computes, to the bit, what this loop computes:

        model.train()
        for epoch in range(epochs):
            for x_batch, y_batch in batches(x, y, batch_size=batch_size, rng=0).epoch(epoch):
                loss(model(x_batch), y_batch)
                model.backward(loss.backward())
                optimizer.step()

    The data are x and y, one tuple (x, y) or a data set of such pairs, shuffled in batches of
    `batch_size` in an order that `rng` and the epoch fix; or a DataLoader, which has its own. `validation_data` is the same, in order; it is
    evaluated after each epoch, with `eval()` set and put back. `metrics` are functions of prediction
    and target, or a dict of them; those of the training data take the predictions from before each
    step.

    `schedule` is stepped after each epoch, OneCycleLR after each step (`schedule_every` "epoch" or
    "step" says otherwise); ReduceLROnPlateau is given the validation loss, without validation that of
    the epoch. `clip_norm` and `clip_value` clip gradients before each step. With `accumulate_grad_batches`, so
    many batches make one step: their gradients add up to that of one large batch, so those of a
    mean count as their part of its samples, and those of a sum in full.

    `callbacks` are called after each epoch (see `Callback`, `EarlyStopping`). Training goes on from
    `start_epoch`, adding to `history`, up to epoch `epochs`. `checkpoint` is the path of a file that
    keeps the newest state, after `checkpoint_every` so many epochs and at the end, and the best beside it (see
    `Checkpoint`). `verbose` prints every so many epochs, 0
    nothing; on a terminal tqdm, if it is installed, shows the epoch that runs.

    Ctrl-C ends training after the running step; the history says so in `stopped`. A loss that is NaN
    or infinite raises NotFiniteError, a FloatingPointError that says where it began; the model gets back
    weights from at most 100 steps before. With `check`, NaN, infinity and targets that the loss cannot
    take are found before the first step. Raises ValueError and TypeError for what does not fit
    together.
    """
    setup.check_parts(model, loss, optimizer, schedule)
    functions, listeners = named_metrics(metrics), as_callbacks(callbacks)
    if checkpoint is not None:
        from minitorch_np.training.checkpoint import Checkpoint  # whoever saves nothing does not wait for it

        listeners = [*listeners, Checkpoint(checkpoint, checkpoint_every)]
    loader = pairs(x, y, batch_size, rng, True, "fit")
    held_out = (
        None
        if validation_data is None
        else pairs(validation_data, None, max(batch_size, 256), None, False, "fit")
    )
    history = History() if history is None else history
    setup.check_epochs(start_epoch, epochs, history)
    per_epoch = -(-len(loader) // whole("fit", "accumulate_grad_batches", accumulate_grad_batches, 1))
    unit = setup.schedule_unit(schedule, schedule_every, per_epoch, epochs - start_epoch)
    state = TrainingState(model, loss, optimizer, schedule, loader, history, start_epoch, epochs)
    steps = Steps(
        state,
        accumulate=accumulate_grad_batches,
        clip_norm=setup.limit("clip_norm", clip_norm),
        clip_value=setup.limit("clip_value", clip_value),
        by_step=unit == "step",
        metrics=functions,
        check=checks.of_data(loss, loader, held_out) if flag("fit", "check", check) else None,
    )
    progress = Progress(whole("fit", "verbose", verbose), start_epoch, epochs)
    history.stopped = None
    model.train()
    for listener in listeners:
        listener.on_fit_begin(state)
    with held_back() as interrupt:
        for epoch in range(start_epoch, epochs):
            state.epoch, begin = epoch, perf_counter()
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a NaN has its own message
                row = steps.epoch(progress.watch(loader.epoch(epoch), len(loader), epoch), interrupt)
                speed = per_epoch / (perf_counter() - begin)
                if row and held_out is not None:
                    values = evaluated(model, loss, functions, _until(interrupt, held_out.epoch(0)))
                    row |= {f"val_{name}": value for name, value in values.items()}
            if row is None or (held_out is not None and interrupt.asked):
                break  # in the middle of an epoch
            row["lr"] = optimizer.param_groups[0]["lr"]
            if unit == "epoch":
                _step(schedule, row)
            history.append(row | {"seconds": perf_counter() - begin})
            for listener in listeners:
                listener.on_epoch_end(state)
            last = epoch == epochs - 1 or state.stop is not None
            progress.line(epoch, row, speed, last)
            if last or interrupt.asked:
                break
    steps.check_end()
    history.stopped = f"Ctrl-C in epoch {state.epoch + 1}" if interrupt.asked else state.stop
    if history.stopped:
        progress.say(f"stopped: {history.stopped}")
    for listener in listeners:
        listener.on_fit_end(state)
    return history


def _step(schedule: Any, row: dict[str, float]) -> None:
    """The step of a schedule after an epoch."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(row.get("val_loss", row["loss"]))
    elif schedule is not None:
        schedule.step()


def _until(interrupt: Interrupt, batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, up to the one during which Ctrl-C is pressed."""
    for batch in batches:
        yield batch
        if interrupt.asked:
            return
