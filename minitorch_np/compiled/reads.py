"""Reads: what decided when a step was derived, and whether it is still so."""

from __future__ import annotations

from types import MethodType, NoneType
from typing import Any

import numpy as np

from minitorch_np.derivation.objects import Read
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.parameter import Parameter

COMPARED = (int, float, str, bytes, bool, tuple, np.dtype, type, NoneType)


def can_be_compared(read: Read) -> bool:
    """Whether a read decides: arrays and generators are given to the step anew each time."""
    return read.key != "__dict__" and not isinstance(read.value, np.ndarray | np.random.Generator)


def is_as_read(read: Read) -> bool:
    """Whether an attribute, or an element of a list or dict, is what it was when the step was derived."""
    owner, key, value = read
    try:
        now = owner[key] if isinstance(owner, list | dict) else getattr(owner, key)
    except (AttributeError, KeyError, IndexError):
        return False
    if isinstance(value, MethodType):
        return isinstance(now, MethodType) and now.__func__ is value.__func__
    return _same(now, value)


def _same(now: Any, value: Any) -> bool:
    if now is value:
        return True
    if isinstance(value, Layer | Loss | Parameter) or type(now) is not type(value):
        return False
    if isinstance(value, list):
        return len(now) == len(value) and all(map(_same, now, value))
    if isinstance(value, dict):
        return list(now) == list(value) and all(map(_same, now.values(), value.values()))
    return not isinstance(value, COMPARED) or bool(now == value)
