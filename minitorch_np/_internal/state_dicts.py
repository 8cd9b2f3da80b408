"""Checking saved arrays against the ones they are to replace, before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class StateMismatch(NamedTuple):
    """The keys that a state lacked, and those that nothing asked for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def fitting_state(
    owner: str, current: Mapping[str, Any], state: Mapping[str, Any], strict: bool = True
) -> tuple[dict[str, Array], StateMismatch]:
    """The arrays of `state` by the names of `current`, each of the shape and dtype it has there.

    Everything that does not fit goes into one ValueError.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"{owner} expects a dict of names and arrays, got {type(state).__name__}")
    missing = [name for name in current if name not in state]
    unexpected = [name for name in state if name not in current]
    problems = []
    if strict:
        problems += [f"missing key {name!r}" for name in missing]
        problems += [f"unexpected key {name!r}" for name in unexpected]
    arrays = {}
    for name in current:
        if name not in state:
            continue
        now = np.asarray(current[name])
        try:
            array = np.asarray(state[name])
        except ValueError:
            problems.append(f"{name!r} is not an array of numbers")
            continue
        if array.shape != now.shape:
            fix = ": transposed?" * (array.shape == now.shape[::-1])
            problems.append(f"{name!r} has shape {array.shape}, expected {now.shape}{fix}")
        elif array.dtype.kind not in ("biuf" if now.dtype.kind == "f" else "iu"):
            problems.append(f"{name!r} has dtype {array.dtype}, expected {now.dtype}")
        else:
            arrays[name] = array.astype(now.dtype)
    if problems:
        raise ValueError(f"this state does not fit {owner}; nothing was changed:\n  " + "\n  ".join(problems))
    return arrays, StateMismatch(missing, unexpected)
