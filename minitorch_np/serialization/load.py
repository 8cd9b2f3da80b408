"""Loading what was saved: a network with its training, made anew or put into one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.schedules.schedule import LRScheduler
from minitorch_np.serialization import generators
from minitorch_np.serialization import npz as archive
from minitorch_np.serialization.attachments import attached
from minitorch_np.serialization.build import Builder
from minitorch_np.serialization.codec import decode
from minitorch_np.serialization.describe import known_classes
from minitorch_np.serialization.metadata import unpack
from minitorch_np.serialization.states import (
    load_optimizer,
    load_pending,
    parameter_names,
    restored_on_error,
    take_precision,
)

if TYPE_CHECKING:
    import os

    import numpy as np

    from minitorch_np.optimizers.optimizer import Optimizer


class Saved(NamedTuple):
    """What a checkpoint holds, made anew or put into what `load` was given; None for what it lacks."""

    model: Any
    optimizer: Any
    schedule: Any
    loss: Any
    epoch: int | None
    history: Any
    rng: np.random.Generator | None
    extra: Any
    written_by: dict[str, str]  # the versions of minitorch_np, NumPy and Python


def load(
    path: str | os.PathLike[str],
    *,
    custom: Mapping[str, type] | None = None,
    model: Layer | None = None,
    optimizer: Optimizer | None = None,
    schedule: LRScheduler | None = None,
    rng: np.random.Generator | None = None,
) -> Saved:
    """What `save` has written: `model = load("net.npz").model`.

    Classes of your own are given by name, `custom={"Swish": Swish}`. With a `model`, its weights are
    replaced and nothing is built: of optimizer, schedule and rng it continues those that are given
    beside it. What does not fit raises ValueError and changes nothing.

    So does a file that is damaged, or made to do harm: no code runs but the constructors of the
    classes here and of yours, and memory is taken in proportion to the size of the file.
    """
    if model is None and (optimizer is not None or schedule is not None):
        raise ValueError("load expects the model of the optimizer and of the schedule too")
    path = Path(path)
    classes = known_classes(custom)
    needed = ("",) if model is None or optimizer is not None else ("metadata", "model.", "history", "extra")
    arrays = archive.read(path, lambda name: name.startswith(needed))
    try:
        metadata = unpack(arrays)
        if model is None:
            return _rebuilt(metadata, arrays, classes, rng)
        with restored_on_error(model, schedule, optimizer):
            return _continued(metadata, arrays, model, optimizer, schedule, rng)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from error


def _rebuilt(
    metadata: dict[str, Any],
    arrays: Mapping[str, Any],
    classes: dict[str, type],
    rng: np.random.Generator | None,
) -> Saved:
    """All that the file describes."""
    if metadata["model"] is None:
        raise ValueError("it has no description of the network: build it, and load(..., model=model)")
    weights = _part("model", arrays)
    builder = Builder(classes, sum(array.size for array in weights.values()))
    model = builder.build(metadata["model"], Layer)
    take_precision(model, weights)
    optimizer = schedule = loss = None
    if metadata["loss"] is not None:
        loss = builder.build(metadata["loss"], Loss)
    if metadata["optimizer"] is not None:
        names = [group["parameters"] for group in metadata["optimizer"]["groups"]]
        parameters = dict(model.named_parameters())
        optimizer = builder.build_optimizer(metadata["optimizer"]["description"], names, parameters)
    if metadata["schedule"] is not None:
        schedule = builder.build(metadata["schedule"]["description"], LRScheduler)
    return _continued(metadata, arrays, model, optimizer, schedule, rng)._replace(loss=loss)


def _continued(
    metadata: dict[str, Any],
    arrays: Mapping[str, Any],
    model: Layer,
    optimizer: Optimizer | None,
    schedule: LRScheduler | None,
    rng: np.random.Generator | None,
) -> Saved:
    """These, in the states that the file has for them."""
    for name, given in (("optimizer", optimizer), ("schedule", schedule)):
        if given is not None and metadata[name] is None:
            raise ValueError(f"it has no {name}")
    history, extra = attached(metadata["history"], arrays), attached(metadata["extra"], arrays)
    restored = generators.restored(metadata["generators"], model, rng)
    model.load_state_dict(_part("model", arrays))
    if schedule is not None:
        schedule.load_state_dict(decode(metadata["schedule"]["state"]))
    if optimizer is not None:
        saved, own = metadata["optimizer"], parameter_names(optimizer, model)
        names = [group["parameters"] for group in saved["groups"]]
        if names != own:
            raise ValueError(f"its optimizer has the parameters {names}, this one {own}")
        load_optimizer(optimizer, saved, _part("optimizer", arrays))  # after the schedule, which sets its lr
        load_pending(model, _part("gradient", arrays))
    rng = generators.put(restored, model, rng)
    return Saved(
        model, optimizer, schedule, None, metadata["epoch"], history, rng, extra, metadata["written_by"]
    )


def _part(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays whose names begin so, without that beginning."""
    beginning = f"{prefix}."
    return {name.removeprefix(beginning): array for name, array in arrays.items() if name.startswith(beginning)}
