"""Values of Python as JSON can hold them, and back: tuples, NaN and arrays say what they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

AS_THEY_ARE = (type(None), bool, int, str)  # in JSON and in Python
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool",
        "float32",
        "float64",
        *(f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)),
    )
}


def encode(value: Any, other: Callable[[Any], dict[str, Any]] | None = None) -> Any:
    """`value` in None, booleans, numbers, strings and lists, and dicts {what it is: what is in it}.

    `other` says how to write what is no such thing; without it that raises TypeError.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in AS_THEY_ARE or (type(value) is float and math.isfinite(value)):
        return value
    if type(value) is list:
        return [encode(part, other) for part in value]
    for name, kind in KINDS.items():
        if type(value) is kind.type:
            return {name: kind.write(value, other)}
    if other is None:
        raise TypeError(f"{_short(value)} is no number, text, list, tuple, dict or array of them")
    return other(value)


def decode(data: Any, other: Callable[[str, Any], Any] | None = None) -> Any:
    """What `encode` was given; `other(kind, content)` makes what its `other` wrote.

    Raises ValueError for data that `encode` does not make.
    """
    if type(data) in AS_THEY_ARE or type(data) is float:
        return data
    if isinstance(data, list):
        return [decode(part, other) for part in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError(f"{_short(data)} is no value")
    [(name, content)] = data.items()
    if name in KINDS:
        try:
            return KINDS[name].read(content, other)
        except (LookupError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"{_short(data)} is no {name}: {error}") from error
    if other is None:
        raise ValueError(f"{_short(data)} is no value")
    return other(name, content)


class Kind(NamedTuple):
    """A type that JSON does not have."""

    type: type
    write: Callable[[Any, Any], Any]
    read: Callable[[Any, Any], Any]


def _write_dict(value: dict[Any, Any], other: Any) -> Any:
    if all(type(key) is str for key in value):
        return {key: encode(part, other) for key, part in value.items()}
    return [[encode(key, other), encode(part, other)] for key, part in value.items()]


def _read_dict(content: Any, other: Any) -> dict[Any, Any]:
    if isinstance(content, dict):
        return {key: decode(part, other) for key, part in content.items()}
    return {decode(key, other): decode(part, other) for key, part in content}


def _write_array(value: Any, other: Any) -> Any:
    if str(value.dtype) not in DTYPES:
        raise TypeError(f"an array of dtype {value.dtype} is none of {', '.join(DTYPES)}")
    return [str(value.dtype), list(value.shape), encode(value.ravel().tolist())]


def _read_array(content: Any, other: Any) -> Any:
    dtype, shape, numbers = content
    return np.array(decode(numbers), DTYPES[dtype]).reshape(shape)


KINDS = {
    "float": Kind(float, lambda value, _: str(value), lambda content, _: NOT_FINITE[content]),
    "tuple": Kind(
        tuple,
        lambda value, other: [encode(part, other) for part in value],
        lambda content, other: tuple([decode(part, other) for part in content]),
    ),
    "dict": Kind(dict, _write_dict, _read_dict),
    "array": Kind(np.ndarray, _write_array, _read_array),
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
