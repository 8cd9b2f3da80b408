"""Loading what was saved: a network with its training, made anew or put into one that is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.validation import fitting_state
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.schedules.schedule import LRScheduler
from minitorch_np.serialization import npz as archive
from minitorch_np.serialization.build import Builder
from minitorch_np.serialization.codec import attached, decode, unpack
from minitorch_np.serialization.describe import known_classes
from minitorch_np.serialization.save import GENERATORS, generator_places, parameter_names

if TYPE_CHECKING:
    import os

    from minitorch_np._internal.arrays import Array
    from minitorch_np.module import Module


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
    restored = restored_generators(metadata["generators"], model, rng)
    model.load_state_dict(_part("model", arrays))
    if schedule is not None:
        schedule.load_state_dict(decode(metadata["schedule"]["state"]))
    if optimizer is not None:
        saved, own = metadata["optimizer"], parameter_names(optimizer, model)
        names = [group["parameters"] for group in saved["groups"]]
        if names != own:
            raise ValueError(f"its optimizer has the parameters {names}, this one {own}")
        load_optimizer(optimizer, saved, _part("optimizer", arrays))  # after the schedule, which sets its lr
        load_gradients(model, _part("gradient", arrays))
    rng = put_generators(restored, model, rng)
    return Saved(
        model, optimizer, schedule, None, metadata["epoch"], history, rng, extra, metadata["written_by"]
    )


def _part(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays whose names begin so, without that beginning."""
    beginning = f"{prefix}."
    return {name.removeprefix(beginning): array for name, array in arrays.items() if name.startswith(beginning)}


MOST = {"pos": 624, "buffer_pos": 4}  # places in a generator's memory, which NumPy does not check


Restored = list[tuple[list[str], np.random.Generator]]  # generators, and the names of the places they belong to


def take_precision(model: Layer, weights: Mapping[str, Array]) -> None:
    """Have the layers of `model` compute in the precision of their weights."""
    for prefix, layer in model.named_modules():
        for name, value in vars(layer).items():
            saved = weights.get(f"{prefix}.{name}" if prefix else name)
            own = isinstance(value, Parameter) or name in layer.buffer_names
            if own and saved is not None and saved.dtype != value.dtype:
                layer.astype(saved.dtype)  # and those below it, whose turn comes after


def load_gradients(model: Layer, gradients: Mapping[str, Array]) -> None:
    """Have these gradients by name, and no others."""
    parameters = dict(model.named_parameters())
    current = {name: parameter.data for name, parameter in parameters.items() if name in gradients}
    fitting, _ = fitting_state(f"the gradients of {type(model).__name__}", current, gradients)
    for name, parameter in parameters.items():
        parameter.grad = fitting.get(name)


def load_optimizer(optimizer: Optimizer, saved: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Continue as the optimizer that was saved."""
    steps = saved["steps"]
    if not all(type(step) is int and 0 <= step < 2**62 for step in steps):
        raise ValueError(f"an optimizer counts steps, and not {steps}")
    state: dict[int, dict[str, Any]] = {number: {"step": step} for number, step in enumerate(steps)}
    for name, array in arrays.items():
        number, key = name.split(".", 1)
        state[int(number)][key] = array
    groups = [{"params": group["parameters"], **decode(group["options"])} for group in saved["groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


@contextmanager
def restored_on_error(*things: Any) -> Iterator[None]:
    """Give things, those that are not None, the state back that they had, where something fails."""
    before = [(thing, thing.state_dict()) for thing in things if thing is not None]
    try:
        yield
    except BaseException:
        for thing, state in before:
            thing.load_state_dict(state)
        raise


def restored_generators(
    saved: list[dict[str, Any]], model: Module, rng: np.random.Generator | None = None
) -> Restored:
    """New generators in the states that were saved.

    Raises ValueError for places that the network does not have, and states that are none.
    """
    here = [name for name, _, _ in generator_places(model)]
    found = [(entry["places"], restored_generator(entry["state"])) for entry in saved]
    wanted = [name for names, _ in found for name in names if name]
    if sorted(wanted) != sorted(here):
        raise ValueError(f"the file has random generators at {wanted}, the network at {here}")
    if rng is not None:
        kinds = [type(generator.bit_generator).__name__ for names, generator in found if "" in names]
        if kinds != [type(rng.bit_generator).__name__]:
            raise ValueError(
                f"the file has the state of {kinds[0] if kinds else 'nothing'} for rng, which is {rng}"
            )
    return found


def put_generators(
    restored: Restored, model: Module, rng: np.random.Generator | None = None
) -> np.random.Generator | None:
    """Have these generators in the network; returns that at the place '', which is `rng`.

    A generator that is there already is set, not replaced, so that who else has it sees it; where
    there were two and one is wanted, it is in both places, and the other way round.
    """
    here = {name: (layer, attribute) for name, layer, attribute in generator_places(model)}
    taken: set[int] = set()
    first = None
    for names, generator in restored:
        present: list[Any] = [vars(here[name][0])[here[name][1]] if name else rng for name in names]
        for candidate in present:
            if candidate is None or id(candidate) in taken:
                continue
            if type(candidate.bit_generator) is type(generator.bit_generator):
                candidate.bit_generator.state = generator.bit_generator.state
                generator = candidate
                break
        taken.add(id(generator))
        for name in names:
            if name:
                layer, attribute = here[name]
                vars(layer)[attribute] = generator
            else:
                first = generator
    return first


def restored_generator(saved: Any) -> np.random.Generator:
    """A generator of that state; raises ValueError if it is none."""
    given = decode(saved)
    kind = given.get("bit_generator") if isinstance(given, dict) else None
    if kind not in GENERATORS:
        raise ValueError(f"{kind!r} is not a random generator of NumPy")
    bit_generator = getattr(np.random, kind)(0)
    if not _alike(given, bit_generator.state):
        raise ValueError(f"this is not a state of a {kind}")
    try:
        bit_generator.state = given
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"this is not a state of a {kind}: {error}") from error
    return np.random.Generator(bit_generator)


def _alike(given: Any, own: Any, name: str = "") -> bool:
    """Whether a state is made as a generator's own is: NumPy itself takes what it is given."""
    if type(given) is not type(own):
        return False
    if isinstance(own, dict):
        return given.keys() == own.keys() and all(_alike(given[key], own[key], key) for key in own)
    if isinstance(own, np.ndarray):
        return given.shape == own.shape and given.dtype == own.dtype
    return not isinstance(own, int) or 0 <= given <= MOST.get(name, 2**128)
