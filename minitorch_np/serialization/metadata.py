"""All of a checkpoint that is not an array, as JSON in an array of bytes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

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
        raise ValueError("it has no metadata, and so is no file that minitorch_np's save has made")
    if packed.size > LARGEST:
        raise ValueError(f"its metadata has {packed.size} bytes, of at most {LARGEST}")
    try:
        data = json.loads(packed.tobytes().decode("ascii"), parse_constant=_refuse)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"its metadata is no JSON: {error}") from error
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
    raise ValueError(f"{constant} is no number in JSON")
