"""Validation of options, and of saved arrays before they replace others.

Each check returns the value as plain Python, or raises an error that says what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LARGEST = float(np.finfo(np.float64).max)


def plain(value: Any) -> Any:
    """Return NumPy numbers as Python numbers, which take on the precision of arrays; lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    return value.item() if isinstance(value, np.generic) else value


def is_number(value: Any, least: float = -LARGEST, most: float = LARGEST) -> bool:
    """Return whether `value` is a Python number from `least` to `most`; NaN, inf and booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def number(owner: str, name: str, value: Any) -> Any:
    """A number, 0 or more."""
    return _expected(is_number(plain(value), 0), owner, name, "a number, 0 or more", value)


def any_number(owner: str, name: str, value: Any) -> Any:
    """A number, of either sign."""
    return _expected(is_number(plain(value)), owner, name, "a number", value)


def above_zero(owner: str, name: str, value: Any) -> Any:
    """A number above 0."""
    fine = is_number(plain(value), 0) and value != 0
    return _expected(fine, owner, name, "a number above 0", value)


def fraction(owner: str, name: str, value: Any) -> Any:
    """A number from 0 to 1."""
    return _expected(is_number(plain(value), 0, 1), owner, name, "a number in [0, 1]", value)


def betas(owner: str, name: str, value: Any) -> Any:
    """Two numbers from 0 to below 1."""
    given = plain(value)
    fine = isinstance(given, tuple) and len(given) == 2 and all(is_number(b, 0, 1) and b < 1 for b in given)
    return _expected(fine, owner, name, "two numbers in [0, 1)", value)


def whole(owner: str, name: str, value: Any, least: int | None = 0) -> Any:
    """A whole number, `least` or more; None: of either sign."""
    fine = is_number(plain(value), -LARGEST if least is None else least) and isinstance(plain(value), int)
    what = "a whole number" if least is None else f"a whole number, {least} or more"
    return _expected(fine, owner, name, what, value)


def divisor(owner: str, name: str, value: Any, of: str, size: int) -> Any:
    """A whole number that divides the option `of`."""
    count = whole(owner, name, value, 1)
    if size % count:
        fewer = max(n for n in range(1, min(count, size + 1)) if size % n == 0)
        raise ValueError(
            f"{owner} expects {name} to divide {of}, got {count} for {size}: {name}={fewer}, or "
            f"{of}={-(-size // count) * count}"
        )
    return count


def axis(owner: str, name: str, value: Any) -> Any:
    """The number of an axis, negative from the end."""
    fine = is_number(plain(value)) and isinstance(plain(value), int)
    return _expected(fine, owner, name, "the number of an axis", value)


def batch_comes_first(owner: str, batch_first: bool) -> bool:
    """True, as torch's argument of that name has to be for layers of sequences."""
    if batch_first is not True:
        raise ValueError(
            f"{owner} expects batch_first=True, x of shape (N, T, features), got {batch_first!r}: it takes no "
            "other order, x.swapaxes(0, 1) brings it about"
        )
    return True


def flag(owner: str, name: str, value: Any) -> Any:
    """True or False."""
    if not isinstance(plain(value), bool):
        raise TypeError(f"{owner} expects {name} to be True or False, got {value!r}")
    return plain(value)


def choice(owner: str, name: str, value: Any, *choices: str) -> Any:
    """One of a few words."""
    fine = isinstance(value, str) and value in choices
    return _expected(fine, owner, name, " or ".join(map(repr, choices)), value)


def _expected(fine: bool, owner: str, name: str, what: str, value: Any) -> Any:
    if not fine:
        raise ValueError(f"{owner} expects {name} to be {what}, got {value!r}")
    return plain(value)


class StateMismatch(NamedTuple):
    """The keys that a state lacked, and those that nothing asked for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def fitting_state(
    owner: str, current: Mapping[str, Any], state: Mapping[str, Any], strict: bool = True
) -> tuple[dict[str, Array], StateMismatch]:
    """Return the arrays of `state` by the names of `current`, each of the shape and dtype it has there.

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
        except (TypeError, ValueError):  # torch's bfloat16 among them
            problems.append(f"{name!r} is not an array of numbers that NumPy has")
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


def check_layout(owner: str, layout: str | None) -> None:
    """Raise ValueError if arrays are asked for in a layout other than ours, None, and torch's."""
    if layout not in (None, "torch"):
        raise ValueError(f"{owner} expects layout=None or 'torch', got {layout!r}")
