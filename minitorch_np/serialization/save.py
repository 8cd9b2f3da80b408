"""Saving a network with all that its training goes on from.

A checkpoint is one .npz file that `np.load` reads: weights and buffers as `model.0.weight`, the
optimizer's arrays as `optimizer.0.exp_avg`, and all else as JSON in `metadata`. There is no pickle
in it and no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.atomic_write import check_writable
from minitorch_np.serialization import generators
from minitorch_np.serialization import npz as archive
from minitorch_np.serialization.attachments import attach
from minitorch_np.serialization.build import check_rebuilds
from minitorch_np.serialization.codec import encode
from minitorch_np.serialization.describe import Describer
from minitorch_np.serialization.metadata import pack
from minitorch_np.serialization.states import pending, saved_optimizer

if TYPE_CHECKING:
    import os

    import numpy as np

    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.optimizers.optimizer import Optimizer
    from minitorch_np.schedules.schedule import LRScheduler


def save(
    path: str | os.PathLike[str],
    model: Layer,
    optimizer: Optimizer | None = None,
    *,
    schedule: LRScheduler | None = None,
    loss: Loss | None = None,
    epoch: int | None = None,
    history: Any = None,
    rng: np.random.Generator | None = None,
    extra: Any = None,
    describe: bool = True,
) -> None:
    """Write all that the next steps depend on to the .npz file `path`.

    Whatever happens meanwhile, there is the old file or the new one, whole. `rng` is the generator
    that shuffles, say; generators that layers hold in attributes are saved with them. `history` and
    `extra` are numbers, texts, arrays, and lists, tuples and dicts of them.

    The network, loss, optimizer and schedule are described by their classes' names and arguments,
    so that `load(path)` makes them anew; what cannot be described (a function, a class that does
    not keep its arguments in attributes of their names) raises ValueError that names it. With
    `describe=False` nothing is, and `load` takes what you have built.
    """
    check_writable(Path(path))
    write(path, *contents(model, optimizer, schedule, loss, epoch, history, rng, extra, describe))


def contents(
    model: Layer,
    optimizer: Optimizer | None,
    schedule: LRScheduler | None,
    loss: Loss | None,
    epoch: int | None,
    history: Any,
    rng: np.random.Generator | None,
    extra: Any,
    describe: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `save` writes: the metadata, and the arrays by name."""
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ValueError(f"{schedule!r} belongs to another optimizer, or to one that save was not given")
    weights = model.state_dict()
    arrays = {f"model.{name}": array for name, array in weights.items()}
    metadata: dict[str, Any] = {"epoch": epoch, "generators": generators.states(model, rng)}
    for name, value in (("history", history), ("extra", extra)):
        metadata[name], its_arrays = attach(name, value)
        arrays |= its_arrays
    describer = Describer()
    if describe:
        metadata["model"] = describer.describe(model)
        metadata["loss"] = None if loss is None else describer.describe(loss)
    if optimizer is not None:
        metadata["optimizer"], its_arrays = saved_optimizer(optimizer, model)
        arrays |= its_arrays | pending(model)
        if describe:
            metadata["optimizer"]["description"] = describer.describe(optimizer)
    if schedule is not None:
        metadata["schedule"] = {"state": encode(schedule.state_dict())}
        if describe:
            metadata["schedule"]["description"] = describer.describe(schedule)
    if describe:
        shapes = {name: array.shape for name, array in weights.items()}
        check_rebuilds(metadata["model"], describer.classes, shapes)
    return metadata, arrays


def write(path: str | os.PathLike[str], metadata: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write the file that `load` reads."""
    archive.write(Path(path), {"metadata": pack(metadata), **arrays})
