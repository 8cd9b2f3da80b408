"""Saving a network with all that its training goes on from.

A checkpoint is one .npz file that `np.load` reads: weights and buffers as `model.0.weight`, the
optimizer's arrays as `optimizer.0.exp_avg`, and all else as JSON in `metadata`. There is no pickle
in it and no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.atomic_write import check_writable
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.serialization import npz as archive
from minitorch_np.serialization.build import check_rebuilds
from minitorch_np.serialization.codec import attach, encode, pack
from minitorch_np.serialization.describe import WAY_OUT, Describer

if TYPE_CHECKING:
    import os

    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.module import Module
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
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        inner = ", which is in its attribute optimizer" if hasattr(optimizer, "optimizer") else ""
        raise TypeError(f"save expects an optimizer{inner}, got {optimizer!r}")
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ValueError(f"{schedule!r} belongs to another optimizer, or to one that save was not given")
    weights = model.state_dict()
    arrays = {f"model.{name}": array for name, array in weights.items()}
    metadata: dict[str, Any] = {"epoch": epoch, "generators": generator_states(model, rng)}
    for name, value in (("history", history), ("extra", extra)):
        metadata[name], its_arrays = attach(name, value)
        arrays |= its_arrays
    describer = Describer()
    if describe:
        metadata["model"] = describer.describe(model)
        metadata["loss"] = None if loss is None else describer.describe(loss)
    if optimizer is not None:
        metadata["optimizer"], its_arrays = saved_optimizer(optimizer, model)
        arrays |= its_arrays | saved_gradients(model)
        if describe:
            metadata["optimizer"]["description"] = describer.describe(optimizer)
    if schedule is not None:
        metadata["schedule"] = {"state": encode(schedule.state_dict())}
        if describe:
            metadata["schedule"]["description"] = describer.describe(schedule)
    if describe:
        shapes = {name: array.shape for name, array in weights.items()}
        rebuilt = check_rebuilds(metadata["model"], describer.classes, shapes)
        _check_all_is_saved(model, rebuilt)
        _check_sharing(model, rebuilt)
    return metadata, arrays


def _check_all_is_saved(model: Layer, rebuilt: Layer) -> None:
    """Raise ValueError for an array of floats that has changed and that `load` would not bring back.

    It is neither a Parameter nor a buffer, and a layer that is built anew has other numbers in it. What
    such a layer does not have at all (the x of the last forward) is not a state.
    """
    again = dict(rebuilt.named_modules())
    for place, layer in model.named_modules():
        built = vars(again[place]) if place in again else {}
        for name, value in vars(layer).items():
            new = built.get(name)
            if name in layer.buffer_names or not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                continue
            if isinstance(new, np.ndarray) and new.tobytes() != value.tobytes():
                at = f"layer {place!r}, " if place else ""
                raise ValueError(
                    f"{name} of {at}{layer!r} has changed since it was built and would not be saved: declare "
                    f"it in its class, buffer_names = ({name!r},), or make it a Parameter if it is learned"
                )


def _check_sharing(model: Layer, rebuilt: Layer) -> None:
    """Raise ValueError for a Parameter that stands at two places, and would be two when it is built anew."""
    again = dict(rebuilt.named_parameters())
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters():
        other = first.setdefault(id(parameter), name)
        if other != name and again[other] is not again[name]:
            raise ValueError(
                f"{other} and {name} are one Parameter, and load would make two of it: let the constructor of "
                f"a layer of your own share it, {WAY_OUT}"
            )


def write(path: str | os.PathLike[str], metadata: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write the file that `load` reads."""
    archive.write(Path(path), {"metadata": pack(metadata), **arrays})


GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")  # in numpy.random


def generator_places(model: Module) -> Iterator[tuple[str, Module, str]]:
    """If generators are: a dotted name, the layer and its attribute."""
    for name, layer in model.named_modules():
        for attribute, value in vars(layer).items():
            if isinstance(value, np.random.Generator):
                yield f"{name}.{attribute}" if name else attribute, layer, attribute


def generator_states(model: Module, rng: np.random.Generator | None = None) -> list[dict[str, Any]]:
    """The state of each generator, with the names of all places where it is; `rng` is at the place ''."""
    found = {} if rng is None else {id(rng): (rng, [""])}
    for name, layer, attribute in generator_places(model):
        generator = vars(layer)[attribute]
        found.setdefault(id(generator), (generator, []))[1].append(name)
    return [{"places": names, "state": generator_state(generator)} for generator, names in found.values()]


def generator_state(generator: np.random.Generator) -> Any:
    """All that its next numbers depend on; its children (`spawn`) depend on more."""
    kind = type(generator.bit_generator).__name__
    if kind not in GENERATORS:
        raise ValueError(f"a file holds the state of {', '.join(GENERATORS)}, not of a {kind}")
    return encode(dict(generator.bit_generator.state))


def saved_gradients(model: Layer) -> dict[str, Array]:
    """The gradients that wait for the optimizer's step."""
    return {f"gradient.{name}": p.grad.copy() for name, p in model.named_parameters() if p.has_grad}


def saved_optimizer(optimizer: Optimizer, model: Layer) -> tuple[dict[str, Any], dict[str, Array]]:
    """The optimizer's groups, with the names of their parameters, and its steps; and its arrays."""
    state = optimizer.state_dict()["state"]
    groups = [
        {"parameters": names, "options": encode(_options(group))}
        for names, group in zip(parameter_names(optimizer, model), optimizer.param_groups, strict=True)
    ]
    arrays = {
        f"optimizer.{number}.{name}": array
        for number, entry in state.items()
        for name, array in entry.items()
        if name != "step"
    }
    return {"groups": groups, "steps": [entry["step"] for entry in state.values()]}, arrays


def parameter_names(optimizer: Optimizer, model: Layer) -> list[list[str]]:
    """The names of the parameters in the optimizer's groups."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [[names.get(id(p)) for p in group["params"]] for group in optimizer.param_groups]
    if any(None in group for group in groups):
        raise ValueError(f"{type(optimizer).__name__} has parameters that are not those of the model")
    return [[name for name in group if name] for group in groups]


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}
