"""Which arrays of a program make a network: each weight as high as the one before it is wide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.byhand.recording import Recording
from minitorch_np.study.byhand.spelling import TARGETS, canonical

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

DEEPEST = 12  # weights; more are not tried in all their orders


class Chain(NamedTuple):
    """Names of x, y and the weights between them, in the order in which data goes through them."""

    x: str
    y: str
    weights: tuple[str, ...]


def chain_of(recording: Recording) -> Chain:
    """The chain of a program. Raises ValueError where there is none, with what there is."""
    start, end = recording.before[0], recording.before[-1]
    moved = {event.name for events in recording.events for event in events}
    moved |= {name for name, a in start.items() if not np.array_equal(a, end.get(name, a), equal_nan=True)}
    is_cut_short = recording.mishap is not None
    if found := _search(start, moved, is_cut_short):
        return found
    said = f"{recording.source.name}: no arrays make a network, x (N, d0), weights (d0, d1), …, y (N, dk)"
    if _search({name: a.T for name, a in start.items()}, moved, is_cut_short):
        raise ValueError(f"{said}: it has samples as columns, W @ x; they have to be rows, x @ W")
    shapes = ", ".join(f"{name} {a.shape}" for name, a in start.items() if a.ndim)
    raise ValueError(f"{said}; it has {shapes}: give the network, as in 'Linear(4, 8), ReLU(), Linear(8, 2)'")


def _search(start: Mapping[str, Array], moved: set[str], is_cut_short: bool) -> Chain | None:
    flat = [n for n, a in start.items() if a.ndim == 2 and a.dtype.kind in "fi"]
    weights = [n for n in flat if n in moved and start[n].any() and not canonical(n).startswith("grad:")]
    fixed = [n for n in flat if n not in moved]
    for x in sorted(fixed, key=lambda n: canonical(n) != "x"):
        targets = [n for n, a in start.items() if n not in moved and n != x and a.ndim in (1, 2)]
        targets = [n for n in targets if len(start[n]) == len(start[x])]
        for y in sorted(targets, key=lambda n: canonical(n) not in TARGETS):
            width = start[y].shape[1] if start[y].ndim == 2 else None
            for extra in _extras([n for n in fixed if n not in (x, y)], is_cut_short):
                found = next(_paths(start, [*weights, *extra], start[x].shape[1], width), None)
                if found and set(weights) <= set(found):
                    return Chain(x, y, found)
    return None


def _extras(fixed: list[str], is_cut_short: bool) -> Iterator[tuple[str, ...]]:
    """Weights that nothing has updated: at most one, or any where the program did not get to the updates."""
    counts = range(min(len(fixed), DEEPEST), -1, -1) if is_cut_short else (0, 1)
    for count in counts:
        yield from combinations(fixed, count)


def _paths(
    start: Mapping[str, Array], names: Sequence[str], width: int, last: int | None
) -> Iterator[tuple[str, ...]]:
    """Orders of all the weights in which each takes what the one before it gives."""
    if not names or len(names) > DEEPEST:
        return
    for name in names:
        if start[name].shape[0] == width:
            rest = [n for n in names if n != name]
            if not rest and last in (None, start[name].shape[1]):
                yield (name,)
            for path in _paths(start, rest, start[name].shape[1], last):
                yield (name, *path)


def bias_of(recording: Recording, chain: Chain, layer: int) -> str | None:
    """The name of the bias after a weight: of its width, changed in the loop, in the order of mention."""
    start, end = recording.before[0], recording.before[-1]
    widths = [start[name].shape[1] for name in chain.weights]
    candidates = [
        name
        for name, a in start.items()
        if a.ndim in (1, 2) and a.size == a.shape[-1] == widths[layer] and name not in chain
        and name not in chain.weights and a.dtype.kind == "f" and canonical(name).startswith(("b", "bias"))
        and not np.array_equal(a, end.get(name, a))
    ]  # fmt: skip
    place = sum(width == widths[layer] for width in widths[:layer])
    return candidates[place] if place < len(candidates) else None
