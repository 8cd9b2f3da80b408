"""Reads: what decided when a step was derived, and whether it is still so."""

from __future__ import annotations

import keyword
from types import MethodType, NoneType
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.derivation.objects import UNSET, Read

HOLDERS = (list, dict, tuple)

COMPARED = (int, str, bytes, bool, np.dtype, NoneType)

NUMBERS = (float, complex, np.generic)  # 0.0 and -0.0 are equal, and not the same

GIVEN = np.ndarray | np.random.Generator  # to the step, each time


class Content(NamedTuple):
    """A list, a dict or a set, or a tuple that holds one or an array, and what was in it."""

    holder: Any
    parts: dict[Any, Any]


class Contents:
    """Reads whose changes nothing counts: they are looked at before each step.

    Most of them are the very objects that they were. That is asked first, by one expression.
    """

    def __init__(self, reads: list[Read]) -> None:
        self.same, self.others = [], []
        scope: dict[str, Any] = {}
        tests = ["True"]
        for i, read in enumerate(reads):
            if not _can_be_written(read):
                self.others.append(read)
                continue
            self.same.append(read)
            scope |= {f"owner{i}": read.owner, f"value{i}": read.value}
            place = f"[{read.key!r}]" if isinstance(read.owner, HOLDERS) else f".{read.key}"
            tests.append(f"owner{i}{place} is value{i}")
        self._are_the_very_objects = eval(f"lambda: {' and '.join(tests)}", scope)

    def are_as_read(self) -> bool:
        try:
            same = self._are_the_very_objects()
        except (AttributeError, LookupError, ValueError):
            return False
        if not same and not all(map(is_as_read, self.same)):
            return False
        return not self.others or all(map(is_as_read, self.others))


def _can_be_written(read: Read) -> bool:
    """Whether it can be asked in an expression if an attribute or an element is the very object that it was."""
    if _now(read) is not read.value or read.value is UNSET:
        return False
    if isinstance(read.owner, HOLDERS):
        return type(read.key) in (int, str)
    return str(read.key).isidentifier() and not keyword.iskeyword(read.key)


def compared(reads: list[Read]) -> list[Read]:
    """The reads that decide, with what is in lists, dicts and sets; arrays are given to the step each time."""
    decide = [read for read in reads if read.key != "__dict__" and not isinstance(read.value, GIVEN)]
    return [read._replace(value=_content(read.value)) for read in decide]


def is_as_read(read: Read) -> bool:
    """Whether an attribute, or an element of a list or dict, is what it was when the step was derived."""
    return _same(_now(read), read.value)


def _now(read: Read) -> Any:
    owner, key, _ = read
    try:
        return owner[key] if isinstance(owner, HOLDERS) else getattr(owner, key)
    except (AttributeError, LookupError, ValueError):  # ValueError: of an empty cell
        return UNSET


def _parts(holder: Any) -> dict[Any, Any]:
    if isinstance(holder, set):
        return dict.fromkeys(holder)
    return holder if isinstance(holder, dict) else dict(enumerate(holder))


def _content(value: Any) -> Any:
    if not isinstance(value, (*HOLDERS, set)):
        return value
    parts = {key: _content(part) for key, part in _parts(value).items()}
    is_all = isinstance(value, tuple) and not any(isinstance(part, Content | GIVEN) for part in parts.values())
    return value if is_all else Content(value, parts)


def _same(now: Any, value: Any) -> bool:
    if isinstance(value, Content):
        parts = _parts(now) if now is value.holder else {UNSET: UNSET}
        return list(parts) == list(value.parts) and all(map(_same_part, parts.values(), value.parts.values()))
    if now is value or type(now) is not type(value):
        return now is value
    if isinstance(value, tuple):
        return len(now) == len(value) and all(map(_same, now, value))
    if isinstance(value, MethodType):
        return now.__func__ is value.__func__ and now.__self__ is value.__self__
    if isinstance(value, NUMBERS):
        return repr(now) == repr(value)
    return isinstance(value, COMPARED) and bool(now == value)


def _same_part(now: Any, value: Any) -> bool:
    return (isinstance(value, GIVEN) and type(now) is type(value)) or _same(now, value)
