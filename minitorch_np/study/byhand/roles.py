"""Roles of the variables of a program: the weights, x and y, and what they start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.study.byhand.closeness import RATES, STEPS, canonical, fitted
from minitorch_np.study.byhand.matching import Site, values
from minitorch_np.study.byhand.recording import Recording

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def weights_of(recording: Recording, like: Mapping[str, Array], titles: Mapping[str, str]) -> dict[str, str]:
    """The program's variable for each weight: one of its numbers, or else of its shape.

    `like` are the weights by the reference's names, `titles` the words for them. Of several, those
    that the loop changes come first, then those of the same name, then the one mentioned first.
    Raises ValueError that says what there is where one has no variable.
    """
    start, end = recording.before[0], recording.before[-1]
    moved = {event.name for events in recording.events for event in events}
    found: dict[str, str] = {}
    for name, array in like.items():
        fitting = []
        for variable, its in start.items():
            value = fitted(its, array) if its.ndim and variable not in found.values() else None
            if value is not None and its.dtype.kind in "fi":
                changes = variable in moved or not np.array_equal(its, end.get(variable, its))
                known = np.array_equal(value, array)
                fitting.append((not known, not changes, canonical(variable) != canonical(name), variable))
        if not fitting:
            raise ValueError(
                f"{recording.source.name} has no array of shape {array.shape} for {titles[name]} before its "
                f"loop; it has {_shapes(start)}"
            )
        found[name] = min(fitting, key=lambda key: key[:3])[3]
    return found


def data_of(
    recording: Recording, like: Mapping[str, Array], weights: Mapping[str, str], given: bool
) -> list[dict[str, Array]]:
    """x and y of each step, by the reference's names.

    Of the arrays of the same width, those come first that hold rows of x (or y), and among them the
    batches that are taken from it in the loop. Where the program was `given` x and y, nothing else will do.
    Raises ValueError where there is none.
    """
    known = values(recording, 0)
    taken = set(weights.values())
    sites: dict[str, Site] = {}
    rows: int | None = None
    for name, array in like.items():
        fitting = []
        for site, its in known.items():
            wide = _as_wide(its, array)
            if site.name in taken or site in sites.values() or wide is None or rows not in (None, len(wide)):
                continue
            inside = len(wide) <= len(array) and _rows(wide) <= _rows(array)
            if not given or inside:
                fitting.append((site, (not inside, canonical(site.name) != canonical(name))))
        if not fitting:
            raise ValueError(
                f"{recording.source.name} has no array like {name} of shape {('N', *array.shape[1:])}; "
                f"it has {_shapes(recording.before[0])}"
            )
        site = min(fitting, key=lambda pair: pair[1])[0]
        if rows is None or any(its.line for its in sites.values()):  # y comes in batches where x does
            batches = [s for s, _ in fitting if s.line and _taken_from(known[s], known[site])]
            site = batches[0] if batches else site
        sites[name] = site
        rows = len(known[site])
    steps: list[dict[str, Array]] = []
    for step in range(len(recording.events)):
        held = values(recording, step)
        here = {name: _as_wide(held.get(site, known[site]), like[name]) for name, site in sites.items()}
        steps.append({name: a for name, a in here.items() if a is not None})
    return steps


def bound(
    names: list[str], needed: int, main: Mapping[str, Any], others: Mapping[str, Any], steps: int, rate: Any
) -> dict[str, Any]:
    """The arguments for a function of these parameters, of which the first `needed` have no default.

    The `main` arrays go to the parameters of their names where all are there, else to the first ones
    in order; `others` only by name. Raises ValueError that shows the form.
    """
    form = f"({', '.join(main)}, steps, learning_rate)"
    if set(main) <= set(names):
        found = dict(main)
    elif len(names) >= len(main):
        found = dict(zip(names, main.values(), strict=False))
    else:
        raise ValueError(f"it takes ({', '.join(names)}), and should take {form}")
    for i, name in enumerate(names):
        if name not in found:
            if name in others:
                found[name] = others[name]
            elif name.lower() in STEPS:
                found[name] = steps
            elif name.lower() in RATES:
                found[name] = rate
            elif i < needed:
                raise ValueError(f"what its parameter {name} should be is not clear: it should take {form}")
    return found


def _as_wide(a: Array, like: Array) -> Array | None:
    """An array with samples of the same shape as those of another."""
    kinds = "iu" if like.dtype.kind in "iu" else "fiu"  # classes are whole numbers
    if a.dtype.kind not in kinds or not a.ndim:
        return None
    a = a if a.dtype.kind == like.dtype.kind else a.astype(like.dtype)
    if a.ndim == like.ndim and a.shape[1:] == like.shape[1:]:
        return a
    shape, wanted = ([n for n in array.shape[1:] if n != 1] for array in (a, like))
    return a.reshape(len(a), *like.shape[1:]) if shape == wanted else None


def _rows(a: Array) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(a, np.float64)}


def _taken_from(batch: Array, whole: Array) -> bool:
    return len(batch) <= len(whole) and _rows(batch) <= _rows(whole)


def _shapes(arrays: Mapping[str, Array]) -> str:
    return ", ".join(f"{name} {a.shape}" for name, a in arrays.items() if a.ndim) or "none"
