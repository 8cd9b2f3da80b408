"""fit: the training loop, with what one adds to it sooner or later."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.names import answers_guesses
from minitorch_np._internal.validation import choice, flag, fraction, whole
from minitorch_np.data.datasets import Subset, WeightedSamples, length
from minitorch_np.data.loader import DataLoader, in_order, pairs
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.metrics import named_metrics
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.schedules.one_cycle import OneCycleLR
from minitorch_np.schedules.plateau import ReduceLROnPlateau
from minitorch_np.schedules.schedule import LRScheduler
from minitorch_np.serialization.load import load, restored_on_error
from minitorch_np.training.callbacks import Checkpoint, TrainingState, as_callbacks
from minitorch_np.training.data_checks import check_data
from minitorch_np.training.evaluation import check_loss, evaluated
from minitorch_np.training.history import History
from minitorch_np.training.parallel import ends_all_ranks, ranks_of
from minitorch_np.training.progress import Progress
from minitorch_np.training.steps import Steps, deferred_interrupt
from minitorch_np.training.weights import sample_weights

if TYPE_CHECKING:
    import os

    from minitorch_np.training.steps import Interrupt

GUESSES = {  # other words for fit's arguments
    "data": "x and y",
    "validation": "validation_data",
    "accumulate": "accumulate_grad_batches",
    "every": "checkpoint_every",
    **dict.fromkeys(("start_epoch", "initial_epoch", "history", "ckpt_path"), "resume"),
    **dict.fromkeys(("seed", "random_state"), "rng"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "schedule"),
    **dict.fromkeys(("gradient_clip_val", "max_norm"), "clip_norm"),
    **dict.fromkeys(("lr", "learning_rate"), "the optimizer's lr, SGD(model.parameters(), lr=0.01)"),
    "shuffle": "a DataLoader(TensorDataset(x, y), batch_size, shuffle=False) as the data",
}


@ends_all_ranks
@answers_guesses(GUESSES)
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
    validation_split: float = 0.0,
    metrics: Any = (),
    class_weight: Any = None,
    sample_weight: Any = None,
    schedule: LRScheduler | None = None,
    schedule_every: str | None = None,
    callbacks: Any = (),
    accumulate_grad_batches: int = 1,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    resume: str | os.PathLike[str] | History | None = None,
    check: bool = True,
    compile: bool = False,
    comm: Any = None,
    verbose: int = 1,
) -> History:
    """Train a model; return the history of losses, metrics and times.

    With nothing but data, epochs, batch_size and rng=0 it computes, to the bit, what this loop computes:

        model.train()
        for epoch in range(epochs):
            for x_batch, y_batch in batches(x, y, batch_size=batch_size, rng=0).epoch(epoch):
                loss(model(x_batch), y_batch)
                model.backward(loss.backward())
                optimizer.step()

    The data are x and y, one tuple (x, y) or a data set of such pairs, shuffled in batches of
    `batch_size` in an order that `rng` and the epoch fix; or a DataLoader, which has its own.

    `validation_data` is the same, in order: loss and metrics of it are in the history as `val_loss` and
    so on, after each epoch, in evaluation mode. `validation_split` holds out that part of the samples,
    drawn by `rng`, instead. `metrics` are functions of prediction and target, names such as
    "accuracy", or a dict; those of the training data take the predictions from before each step.

    `sample_weight` (N,) and `class_weight`, a dict of class and weight or "balanced", multiply the loss
    of each sample, as in Keras: a mean still divides by the number of samples. The validation loss has
    no weights.

    `schedule` is stepped after each epoch, OneCycleLR after each step (`schedule_every` "epoch" or
    "step" says otherwise); ReduceLROnPlateau is given the validation loss, without validation that of
    the epoch. `clip_norm` and `clip_value` clip gradients before each step. With
    `accumulate_grad_batches`, so many batches make one step: their gradients add up to that of one
    large batch, so those of a mean count as their part of its samples, and those of a sum in full.

    `callbacks` are called after each epoch (see `Callback`, `EarlyStopping`). `checkpoint` is the path
    of a file that holds the newest state, after each `checkpoint_every` epochs and at the end, and the
    best beside it (see `Checkpoint`). `verbose` prints every so many epochs, 0 nothing; on a terminal
    tqdm, if it is installed, shows the epoch that runs.

    `compile` runs compiled steps (see `minitorch_np.compile`), with the same history to the bit; with
    `accumulate_grad_batches` above 1, sample weights, class weights or `comm` the layers run.

    `comm`, MPI.COMM_WORLD, shares the work among the processes of `mpiexec -n 4 python train.py` (see
    `minitorch_np.interop.mpi`): all call fit with the same arguments and the same data, start with the
    weights of rank 0, and each takes its shard of every batch. Losses and weights are those of one
    process within rounding, and the same bits on all ranks, or RuntimeError names the ranks after the
    epoch. BatchNorm takes the statistics of each rank's shard; running ones are averaged after each epoch.
    Masks of Dropout differ from rank to rank. Callbacks are called on all ranks with the same numbers,
    `state.rank` says which; rank 0 decides on `stop`, prints, and writes the checkpoint, which all ranks
    must be able to read to resume. Clipping is by the gradients that the optimizer uses. An error on one
    rank prints its traceback and ends all.

    `resume` is the path of such a file: training goes on up to epoch `epochs`, counted from the first of
    all, to the bit as if it had never been stopped. Give the same arguments as before; model, optimizer,
    schedule, callbacks, random generators, history and the order of the samples take their states from
    the file. A history instead of a path goes on with all objects as they are.

    Ctrl-C ends training after the running step; the history says so in `stopped`. A loss that is NaN
    or infinite raises NotFiniteError, a FloatingPointError that says where it began; the model gets back
    weights from at most 100 steps before. With `check`, NaN, infinity and targets that the loss cannot
    take are found before the first step. Raises ValueError and TypeError for what does not fit
    together, RuntimeError for a model that another thread is training; warns of parameters that the
    optimizer does not have.
    """
    ranks = ranks_of(comm)
    _check_parts(model, loss, optimizer, schedule)
    functions = named_metrics(metrics)
    listeners = as_callbacks(callbacks)
    listeners += [] if checkpoint is None else [Checkpoint(checkpoint, checkpoint_every)]
    loader = pairs(x, y, "fit")
    if not isinstance(loader, DataLoader):
        loader = DataLoader(loader, whole("fit", "batch_size", batch_size, 1), True, rng=rng)
    loader.seed = ranks.of_first(loader.seed)
    chosen = bool(loader.shuffle or validation_split) if loader is x else rng is not None
    history, saved = _so_far(resume, model, optimizer, schedule, loader.seed if chosen else None)
    loader.seed = loader.seed if loader is x else saved.get("seed", loader.seed)
    loader, held_out = _held_out(loader, validation_data, validation_split)
    weights = sample_weights(loader.dataset, sample_weight, class_weight, part=bool(validation_split))
    if weights is not None:
        loader = loader.over(WeightedSamples(loader.dataset, weights))  # batches of x, y and weights
    loader, held_out = ranks.sharded(loader), ranks.sharded(held_out)
    start, accumulate = history.epochs, whole("fit", "accumulate_grad_batches", accumulate_grad_batches, 1)
    if start > whole("fit", "epochs", epochs, 1):
        raise ValueError(
            f"epochs={epochs} is where training ends, counted from the first of all, and {start} are done: "
            f"epochs={start + epochs} trains {epochs} more"
        )
    per_epoch = -(-len(loader) // accumulate)
    unit = _schedule_unit(schedule, schedule_every, per_epoch, epochs - start)
    state = TrainingState(
        model, loss, optimizer, schedule, loader, history, start, epochs, accumulate, listeners, ranks
    )
    steps = Steps(
        state,
        clip_norm=clip_norm,
        clip_value=clip_value,
        by_step=unit == "step",
        metrics=functions,
        check=check_data(loss, loader, held_out) if flag("fit", "check", check) else None,
        compiled=_compiled(model, loss, optimizer) if flag("fit", "compile", compile) else None,
    )
    progress = Progress(0 if state.rank else whole("fit", "verbose", verbose), start, epochs)
    if saved:
        _resume(resume, saved, state)
    _begin(state, functions, held_out)
    with _in_one_thread(model), deferred_interrupt() as ctrl_c:
        interrupt = ranks.watch(ctrl_c)
        for epoch in range(start, epochs if state.stop is None else start):
            state.epoch, begin = epoch, perf_counter()
            row = _epoch(steps, progress.watch(loader.epoch(epoch), len(loader), epoch), held_out, interrupt)
            if row is None:
                break
            row["lr"] = optimizer.param_groups[0]["lr"]
            if unit == "epoch":
                _step(schedule, row)
            history.append(ranks.of_first(row | {"seconds": perf_counter() - begin}))
            _end_of_epoch(state)
            last = epoch == epochs - 1 or state.stop is not None
            progress.line(epoch, row, steps.speed, last)
            if last or interrupt.asked:
                break
    steps.check_end()
    history.stopped = f"Ctrl-C in epoch {state.epoch + 1}" if interrupt.asked else state.stop
    if history.stopped:
        progress.say(f"stopped: {history.stopped}")
    for listener in listeners:
        listener.on_fit_end(state)
    ranks.compare(optimizer, model)
    return history


def _begin(state: TrainingState, metrics: Mapping[str, Any], held_out: Any) -> None:
    """One state on all ranks, training mode, no gradients that other backward passes have left; callbacks."""
    model, state.history.stopped = state.model, None
    data = {
        "epochs": f"{state.epoch} to {state.epochs}",
        "validation": 0 if held_out is None else held_out.samples,
    }
    same = state.settings() | data | {"metrics": list(metrics)}  # or some ranks would wait for others
    state.ranks.start(state.optimizer, model, state.schedule, [f"{name} {now}" for name, now in same.items()])
    model.train()
    model.zero_grad()
    for parameter in model.parameters():
        parameter.is_mixed = parameter.owner is None  # the optimizer's steps need not name it again
    for callback in state.callbacks:
        callback.on_fit_begin(state)
    state.stop = state.ranks.of_first(state.stop)


def _end_of_epoch(state: TrainingState) -> None:
    """Call the callbacks, on all ranks if they have the same weights; rank 0 says whether training stops."""
    state.ranks.compare(state.optimizer, state.model)
    for callback in state.callbacks:
        callback.on_epoch_end(state)
    state.stop = state.ranks.of_first(state.stop)


def _compiled(model: Layer, loss: Loss, optimizer: Optimizer) -> Any:
    """A compiled step; its package is above this one, and is imported for those who ask for it."""
    return import_module("minitorch_np.compiled").compile(model, loss, optimizer)


_trained: dict[int, threading.Thread] = {}  # in which thread each model is trained now


@contextmanager
def _in_one_thread(model: Layer) -> Iterator[None]:
    """Refuse a model that another thread is training: its layers save one forward pass at a time."""
    mine = threading.current_thread()
    other = _trained.setdefault(id(model), mine)
    if other is not mine:
        raise RuntimeError(
            f"{model!r} is being trained in thread {other.name!r}: a model is trained in one thread at a time, "
            "copy.deepcopy(model) makes one for each"
        )
    try:
        yield
    finally:
        _trained.pop(id(model), None)


def _check_parts(model: Any, loss: Any, optimizer: Any, schedule: Any) -> None:
    """Raise TypeError or ValueError for parts of the wrong kind, or that belong to something else."""
    if not isinstance(model, Layer):
        raise TypeError(f"fit expects a layer or a network, got {model!r}")
    check_loss("fit", loss)
    if not isinstance(optimizer, Optimizer):
        fix = f": write {optimizer.__name__}(model.parameters())" if isinstance(optimizer, type) else ""
        fix = ": give it the optimizer itself, and comm" if hasattr(optimizer, "ranks") else fix
        raise TypeError(f"fit expects an optimizer, got {optimizer!r}{fix}")
    learned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    rest = [name for name, parameter in model.named_parameters() if id(parameter) not in learned]
    call = f"{type(optimizer).__name__}(model.parameters())"
    if len(rest) == sum(1 for _ in model.parameters()):
        raise ValueError(f"the optimizer has none of the model's parameters: make it of this model, {call}")
    if rest:
        warnings.warn(
            f"{', '.join(rest)} will not learn: the optimizer does not have them. Unless they are frozen on "
            f"purpose, make it after the last change of the model, {call}",
            stacklevel=5,
        )
    if schedule is not None:
        if not isinstance(schedule, LRScheduler):
            raise TypeError(f"fit expects a schedule such as StepLR(optimizer, ...), got {schedule!r}")
        if schedule.optimizer is not optimizer:
            raise ValueError(f"{schedule!r} was made of another optimizer than the one that is given")


def _held_out(loader: DataLoader, data: Any, part: float) -> tuple[DataLoader, DataLoader | None]:
    """Return the loaders of the training and of the validation data, which are given or a part of all."""
    size = max(loader.batch_size, 256)
    if not fraction("fit", "validation_split", part):
        return loader, None if data is None else in_order(pairs(data, None, "fit"), size)
    if data is not None:
        raise ValueError("fit expects validation_data or validation_split, got both")
    order = np.random.default_rng([loader.seed, 0, 1]).permutation(length(loader.dataset))
    count = round(len(order) * part)
    if not 0 < count < len(order):
        raise ValueError(f"validation_split={part} of {len(order)} samples leaves a part empty")
    training, validation = Subset(loader.dataset, order[:-count]), Subset(loader.dataset, order[-count:])
    return loader.over(training), DataLoader(validation, size)


def _schedule_unit(schedule: LRScheduler | None, every: str | None, per_epoch: int, epochs: int) -> str:
    """Return when the schedule is stepped, "step" or "epoch", in so many epochs to come."""
    if every is not None:
        choice("fit", "schedule_every", every, "step", "epoch")
    if isinstance(schedule, ReduceLROnPlateau) and every == "step":
        raise ValueError("ReduceLROnPlateau takes the loss of an epoch: it cannot be stepped with every batch")
    every = every or ("step" if isinstance(schedule, OneCycleLR) else "epoch")
    if isinstance(schedule, OneCycleLR):
        left = schedule.total_steps - schedule.last_epoch
        needed = epochs * (per_epoch if every == "step" else 1)
        if left < needed:
            raise ValueError(
                f"OneCycleLR has {left} steps left, and this training takes {needed}, {per_epoch} an epoch: "
                f"OneCycleLR(optimizer, max_lr, total_steps={needed})"
            )
    return every


def _so_far(
    resume: Any, model: Layer, optimizer: Optimizer, schedule: LRScheduler | None, order: int | None
) -> tuple[History, dict[str, Any]]:
    """Return the history to go on with, and what else a checkpoint holds, whose states all three take.

    `order` is the seed of the order of the samples, if it was given.
    """
    if resume is None or isinstance(resume, History):
        return History() if resume is None else resume, {}
    if not Path(resume).exists():
        raise FileNotFoundError(
            f"there is no file {resume} to resume: fit(..., checkpoint={str(resume)!r}) writes it, the first "
            "run goes without resume"
        )
    dtype = str(model.dtype)
    with restored_on_error(model, schedule, optimizer):
        saved = load(resume, model=model, optimizer=optimizer, schedule=schedule)
        problem = _mismatch(saved.extra, dtype, type(schedule).__name__, order)
        if problem:
            raise ValueError(f"{resume} {problem}")
    return History(saved.history), saved.extra


def _mismatch(extra: Any, dtype: str, schedule: str, order: int | None) -> str | None:
    """Return in what a checkpoint does not fit this run, if it does not."""
    if not isinstance(extra, dict) or "callbacks" not in extra:
        return "was not written by fit(..., checkpoint=...): load() reads it"
    if extra["dtype"] != dtype:
        return f"is of a {extra['dtype']} model, this one is {dtype}: model.astype({extra['dtype']!r})"
    if extra["schedule"] != schedule:
        return f"has the schedule {extra['schedule']}, this run {schedule}: give the same schedule"
    if order not in (None, extra["seed"]):
        return f"has another order of the samples: leave rng out, or a DataLoader with rng={extra['seed']}"
    return None


def _resume(path: Any, extra: Mapping[str, Any], state: TrainingState) -> None:
    """Give the callbacks their states; warn of what is not as in the run that is resumed."""
    changes = [
        f"{name} was {extra[name]}, is {now}" for name, now in state.settings().items() if extra[name] != now
    ]
    states = list(extra["callbacks"])
    for callback in state.callbacks:
        own = next((i for i, (name, _) in enumerate(states) if name == type(callback).__name__), None)
        if own is not None:
            callback.load_state_dict(states.pop(own)[1])
    changes += [f"{name} was a callback, is none" for name, its_state in states if its_state]
    if changes:
        warnings.warn(f"{path} goes on with other arguments: {'; '.join(changes)}", stacklevel=5)


def _epoch(
    steps: Steps, batches: Iterable[Any], held_out: DataLoader | None, interrupt: Interrupt
) -> dict[str, float] | None:
    """Train for an epoch; return its losses and metrics, None if Ctrl-C breaks it off."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a NaN has its own message
        state, ranks = steps.state, steps.ranks
        ranks.start_epoch(state.model)
        row = ranks.of_first(steps.epoch(batches, interrupt))
        ranks.average_buffers(state.model)
        if row is None or held_out is None:
            return row
        data = _until(interrupt, held_out.epoch(0))
        values = evaluated(state.model, state.loss, steps.metrics, data, ranks)
    ranks.agree()
    return None if interrupt.asked else row | {f"val_{name}": value for name, value in values.items()}


def _step(schedule: Any, row: dict[str, float]) -> None:
    """Step a schedule after an epoch."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(row.get("val_loss", row["loss"]))
    elif schedule is not None:
        schedule.step()


def _until(interrupt: Interrupt, batches: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches, up to the one during which Ctrl-C is pressed."""
    for batch in batches:
        yield batch
        if interrupt.asked:
            return
