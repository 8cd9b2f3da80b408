"""JSON codec of a checkpoint: values of Python, the arrays in them, and the metadata around them."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.serialization.npz import can_be_named

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

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

    `other` says how to write anything else; without it that raises TypeError.
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
        raise TypeError(f"{_short(value)} is not a number, text, list, tuple, dict or array of them")
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
        raise ValueError(f"{_short(data)} is not a valid value")
    [(name, content)] = data.items()
    if name in KINDS:
        try:
            return KINDS[name].read(content, other)
        except (LookupError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"{_short(data)} is not a valid {name}: {error}") from error
    if other is None:
        raise ValueError(f"{_short(data)} is not a valid value")
    return other(name, content)


class Kind(NamedTuple):
    """A type that JSON does not have."""

    type: type
    write: Callable[[Any, Any], Any]
    read: Callable[[Any, Any], Any]


MOST_COLLISIONS = 100  # keys of one hash: a dict of them takes time in proportion to the square of their number


def _write_dict(value: dict[Any, Any], other: Any) -> Any:
    if all(type(key) is str for key in value):
        return {key: encode(part, other) for key, part in value.items()}
    return [[encode(key, other), encode(part, other)] for key, part in value.items()]


def _read_dict(content: Any, other: Any) -> dict[Any, Any]:
    if isinstance(content, dict):
        return {key: decode(part, other) for key, part in content.items()}
    keys = [decode(key) for key, _ in content]
    if max(Counter(map(hash, keys)).values(), default=0) > MOST_COLLISIONS:
        raise ValueError(f"more than {MOST_COLLISIONS} of its keys have one hash")
    return {key: decode(part, other) for key, (_, part) in zip(keys, content, strict=True)}


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


LONG = 32  # floats in a list; as text, each takes twice the bytes or more


class Attached:
    """Stands for an array of the file in plain data."""

    def __init__(self, name: str, is_list: bool) -> None:
        self.name = name
        self.is_list = is_list


def attach(name: str, value: Any) -> tuple[Any, dict[str, Array]]:
    """`value` as data for JSON, and the arrays that it speaks of: `extra["table"]` is `extra.table`.

    Raises TypeError for what is not a number, text, array, or list, tuple or dict of them.
    """
    arrays: dict[str, Array] = {}
    try:
        data = encode(
            _without_arrays(name, value, arrays),
            lambda part: {"attached": [part.name, part.is_list]} if type(part) is Attached else encode(part),
        )
    except TypeError as error:
        raise TypeError(f"save cannot write {name}: {error}") from None
    except RecursionError:
        raise ValueError(f"save cannot write {name}: it is nested too deeply, or contains itself") from None
    return data, arrays


def attached(data: Any, arrays: Mapping[str, Array]) -> Any:
    """The value again."""

    named: set[str] = set()

    def other(kind: str, content: Any) -> Any:
        if kind != "attached":
            raise ValueError(f"{kind!r} is not a kind of value")
        name, is_list = content
        if name not in arrays:
            raise ValueError(f"there is no array {name!r}")
        if name in named:  # each time it would take memory again
            raise ValueError(f"the array {name!r} is spoken of twice")
        named.add(name)
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


FORMAT = "minitorch_np checkpoint"

VERSION = 1  # of the format

LARGEST = 1024 * 1024  # bytes; read, they take up to 45 times the memory

FIELDS: dict[str, tuple[type, ...]] = {
    "model": (dict, type(None)),
    "loss": (dict, type(None)),
    "optimizer": (dict, type(None)),
    "schedule": (dict, type(None)),
    "epoch": (int, type(None)),
    "generators": (list,),
    "history": (object,),
    "extra": (object,),
}


def pack(metadata: Mapping[str, Any]) -> Array:
    """The metadata, with the format and what it was written by, as bytes."""
    import json
    import platform

    written_by = {
        "minitorch_np": sys.modules["minitorch_np"].__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    data = {"format": FORMAT, "version": VERSION, "written_by": written_by, **metadata}
    text = json.dumps(data, allow_nan=False).encode("ascii")
    if len(text) > LARGEST:
        raise ValueError(
            f"history, extra and the description of the network take {len(text)} bytes as text, of at most "
            f"{LARGEST}: put what is long into extra, as arrays"
        )
    return np.frombuffer(text, np.uint8)


def unpack(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The metadata, each of FIELDS there and of its type; raises ValueError for what is none."""
    import json

    packed = arrays.get("metadata")
    if packed is None or packed.dtype != np.uint8 or packed.ndim != 1:
        raise ValueError("it has no metadata, and so is not a file that minitorch_np's save has made")
    if packed.size > LARGEST:
        raise ValueError(f"its metadata has {packed.size} bytes, of at most {LARGEST}")
    try:
        data = json.loads(packed.tobytes().decode("ascii"), parse_constant=_refuse)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"its metadata is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"its metadata does not say that it is a {FORMAT}")
    version, written_by = data.get("version"), data.get("written_by")
    if type(version) is not int or not isinstance(written_by, dict):
        raise ValueError("its metadata does not say what has written it")
    if version > VERSION:
        raise ValueError(
            f"minitorch_np {written_by.get('minitorch_np')} has written it in version {version} of the format; "
            f"this one reads up to {VERSION}: update minitorch_np"
        )
    for name, types in FIELDS.items():
        value = data.setdefault(name, None)
        if not isinstance(value, types) or (isinstance(value, bool) and object not in types):
            raise ValueError(f"its metadata has no {name}")
    return data


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")
