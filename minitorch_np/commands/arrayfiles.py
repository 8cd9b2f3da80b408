"""Tables from arrays in files: a .npz with x and y, or a .npy for each."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.commands.tables import Table

if TYPE_CHECKING:
    from minitorch_np.arrays import Array

SUFFIXES = (".npz", ".npy")


def read_arrays(path: Path, target: str | None) -> tuple[Table, str]:
    """The columns x[0], x[1], … and that of the target, and its name.

    In a .npz, the target is the name of an array; beside a .npy, another .npy. Without a target, the
    name is empty and there is x alone.
    """
    arrays = _load(path)
    if path.suffix == ".npy":
        x = arrays[""]
        name = "" if target is None else Path(target).stem
        y = None if target is None else _load(Path(target)).get("")
        if target is not None and y is None:
            raise ValueError(f"the target of {path} is a .npy file too, got {target}")
    else:
        name = target or ""
        if name and name not in arrays:
            raise ValueError(f"{path} has no array {name!r}; it has {', '.join(arrays)}")
        y = arrays.pop(name, None) if name else None
        if "x" not in arrays and len(arrays) != 1:
            raise ValueError(
                f"{path} should have one array x of features, it has {', '.join(arrays) or 'none'}"
            )
        x = arrays["x"] if "x" in arrays else next(iter(arrays.values()))
    if x.dtype.kind not in "biuf" or x.ndim < 2 or x.size == 0:
        raise ValueError(
            f"{path}: x should be numbers of shape (N, features), got {x.dtype} of shape {x.shape}"
        )
    flat = x.reshape(len(x), -1)
    columns = {f"x[{i}]": flat[:, i] for i in range(flat.shape[1])}
    if y is not None:
        columns[name] = _target(name, y, len(x))
    return Table(str(path), columns, range(len(x)), "row", f"an array of shape {x.shape}"), name


def _target(name: str, y: Array, rows: int) -> Array:
    if y.shape not in ((rows,), (rows, 1)) or y.dtype.kind not in "biufU":
        raise ValueError(
            f"the target {name} should be one number or text for each of the {rows} rows, "
            f"got {y.dtype} of shape {y.shape}"
        )
    y = y.reshape(-1)
    return y.astype(object) if y.dtype.kind == "U" else y


def _load(path: Path) -> dict[str, Array]:
    """The arrays of a file by name; the one of a .npy has the name ""."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} should end in .npy")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with path.open("rb") as file:  # np.load leaves a broken one open
            found = np.load(file, allow_pickle=False)
            return {"": found} if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, EOFError, zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path} cannot be read as arrays of numbers: {error}") from error
