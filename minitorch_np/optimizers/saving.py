"""An optimizer's arrays and step counts, out of its storages and into them, in torch's form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import fitting_state

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np._internal.flat_buffers import FlatBuffers


def saved(storages: Iterable[FlatBuffers]) -> dict[int, dict[str, Any]]:
    """By the parameter's number: the count of its steps, and copies of the rule's arrays."""
    return {
        number: {
            "step": storage.steps[i],
            **{name: storage.view(flat, i).copy() for name, flat in storage.states.items()},
        }
        for number, storage, i in _places(storages)
    }


def fitting(
    owner: str, states: Iterable[str], needed: Mapping[FlatBuffers, tuple[str, ...]], state: Mapping[int, Any]
) -> dict[str, Array]:
    """The arrays of a saved state by `number.name`; all that does not fit goes into one ValueError.

    A parameter may come with any of `states`; once it has made a step, it must come with those that
    are `needed` in its storage.
    """
    expected: dict[str, Any] = {}
    for number, storage, i in _places(needed):
        entry = state.get(number, {})
        names = [n for n in states if n in entry or (n in needed[storage] and entry.get("step"))]
        expected[f"{number}.step"] = np.array(0)
        expected |= {f"{number}.{name}": storage.parameters[i].data for name in names}
    given = {f"{number}.{name}": value for number, entry in state.items() for name, value in entry.items()}
    arrays, _ = fitting_state(owner, expected, given)
    return arrays


def load(arrays: Mapping[str, Array], states: Iterable[str], starts: Mapping[FlatBuffers, float]) -> None:
    """Have what `fitting` gave and nothing else; the rest of a storage's states is what they start from."""
    for storage in starts:
        storage.reset()
    for number, storage, i in _places(starts):
        storage.steps[i] = int(arrays[f"{number}.step"])
        for name in states:
            if f"{number}.{name}" in arrays:
                storage.require((name,), starts[storage])
                storage.view(storage.states[name], i)[...] = arrays[f"{number}.{name}"]


def _places(storages: Iterable[FlatBuffers]) -> Iterator[tuple[int, FlatBuffers, int]]:
    """For each parameter in order: its number, its storage, its place there."""
    number = 0
    for storage in storages:
        for i in range(len(storage.parameters)):
            yield number, storage, i
            number += 1
