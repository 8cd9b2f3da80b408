"""Random generators that layers hold: their states, and which of them are one and the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.module import Module
from minitorch_np.serialization.codec import decode, encode

KINDS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")  # in numpy.random
MOST = {"pos": 624, "buffer_pos": 4}  # places in a generator's memory, which NumPy does not check


def places(model: Module) -> Iterator[tuple[str, Module, str]]:
    """Where generators are: a dotted name, the layer and its attribute."""
    for name, layer in model.named_modules():
        for attribute, value in vars(layer).items():
            if isinstance(value, np.random.Generator):
                yield f"{name}.{attribute}" if name else attribute, layer, attribute


def states(model: Module, rng: np.random.Generator | None = None) -> list[dict[str, Any]]:
    """The state of each generator, with the names of all places where it is; `rng` is at the place ''."""
    found = {} if rng is None else {id(rng): (rng, [""])}
    for name, layer, attribute in places(model):
        generator = vars(layer)[attribute]
        found.setdefault(id(generator), (generator, []))[1].append(name)
    return [{"places": names, "state": state(generator)} for generator, names in found.values()]


def state(generator: np.random.Generator) -> Any:
    """All that its next numbers depend on; its children (`spawn`) depend on more."""
    kind = type(generator.bit_generator).__name__
    if kind not in KINDS:
        raise ValueError(f"a file holds the state of {', '.join(KINDS)}, not of a {kind}")
    return encode(dict(generator.bit_generator.state))


Restored = list[tuple[list[str], np.random.Generator]]  # generators, and the names of the places they belong to


def restored(saved: list[dict[str, Any]], model: Module, rng: np.random.Generator | None = None) -> Restored:
    """New generators in the states that were saved.

    Raises ValueError for places that the network does not have, and states that are none.
    """
    here = [name for name, _, _ in places(model)]
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


def put(
    restored: Restored, model: Module, rng: np.random.Generator | None = None
) -> np.random.Generator | None:
    """Have these generators in the network; returns that at the place '', which is `rng`.

    A generator that is there already is set, not replaced, so that who else has it sees it; where
    there were two and one is wanted, it is in both places, and the other way round.
    """
    here = {name: (layer, attribute) for name, layer, attribute in places(model)}
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
    """A generator of that state; raises ValueError where it is none."""
    given = decode(saved)
    kind = given.get("bit_generator") if isinstance(given, dict) else None
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no random generator of NumPy")
    bit_generator = getattr(np.random, kind)(0)
    if not _alike(given, bit_generator.state):
        raise ValueError(f"this is no state of a {kind}")
    try:
        bit_generator.state = given
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"this is no state of a {kind}: {error}") from error
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
