"""Arrays and long lists of floats inside plain data: they go into the file as arrays of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.serialization.codec import decode, encode
from minitorch_np.serialization.npz import can_be_named

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LONG = 32  # floats in a list; as text, each takes twice the bytes or more


class Attached:
    """Stands for an array of the file in plain data."""

    def __init__(self, name: str, is_list: bool) -> None:
        self.name = name
        self.is_list = is_list


def attach(name: str, value: Any) -> tuple[Any, dict[str, Array]]:
    """`value` as data for JSON, and the arrays that it speaks of: `extra["table"]` is `extra.table`.

    Raises TypeError for what is no number, text, array, or list, tuple or dict of them.
    """
    arrays: dict[str, Array] = {}
    try:
        data = encode(
            _without_arrays(name, value, arrays),
            lambda part: {"attached": [part.name, part.is_list]} if type(part) is Attached else encode(part),
        )
    except TypeError as error:
        raise TypeError(f"save cannot write {name}: {error}") from None
    return data, arrays


def attached(data: Any, arrays: Mapping[str, Array]) -> Any:
    """The value again."""

    def other(kind: str, content: Any) -> Any:
        if kind != "attached":
            raise ValueError(f"{kind!r} is no kind of value")
        name, is_list = content
        if name not in arrays:
            raise ValueError(f"there is no array {name!r}")
        return arrays[name].tolist() if is_list else arrays[name]

    return decode(data, other)


def _without_arrays(name: str, value: Any, arrays: dict[str, Array]) -> Any:
    if type(value) is dict:
        return {key: _without_arrays(f"{name}.{key}", part, arrays) for key, part in value.items()}
    if type(value) is tuple:
        return tuple([_without_arrays(f"{name}.{i}", part, arrays) for i, part in enumerate(value)])
    is_list = type(value) is list
    if is_list and not (len(value) >= LONG and all(type(part) is float for part in value)):
        return [_without_arrays(f"{name}.{i}", part, arrays) for i, part in enumerate(value)]
    if (is_list or type(value) is np.ndarray) and can_be_named(name) and name not in arrays:
        arrays[name] = np.asarray(value)
        return Attached(name, is_list)
    return value
