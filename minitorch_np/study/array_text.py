"""Arrays in a program: as numbers in its text, or in a file beside it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_np._internal.atomic_write import check_writable, replaced
from minitorch_np.derivation.values import literal

READABLE = 64  # elements; larger arrays are written by their bytes

ROW = 96  # hexadecimal digits a line


def embedded(arrays: dict[str, Any]) -> list[str]:
    """The lines that say all numbers: small arrays readably, others by their bytes."""
    return [line for name, array in arrays.items() for line in _said(name, array)]


def _said(name: str, array: Any) -> list[str]:
    if isinstance(array, np.random.Generator):
        kind = type(array.bit_generator).__name__
        state = array.bit_generator.state
        return [
            f"{name} = np.random.Generator(np.random.{kind}())",
            f"{name}.bit_generator.state = {_plain(state)!r}",
        ]
    kind = ast.unparse(literal(array.dtype) or ast.Constant(array.dtype.str))
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    if array.size == 0:
        return [f"{name} = np.zeros({array.shape}, {kind})"]
    if array.size <= READABLE and np.isfinite(array).all() and not by_columns:
        default = array.dtype in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool))
        end = ")" if default else f", {kind})"
        if array.ndim < 2:
            return [f"{name} = np.array({array.tolist()!r}{end}"]
        return [f"{name} = np.array([", *(f"    {row.tolist()!r}," for row in array), f"]{end}"]
    order = ', order="F"' if by_columns else ""
    digits = array.tobytes(order="F" if by_columns else "C").hex()
    rows = [f"    {digits[i : i + ROW]}" for i in range(0, len(digits), ROW)]
    return [
        f'{name} = np.frombuffer(bytes.fromhex("""',
        *rows,
        f'"""), {kind}).reshape({array.shape}{order}).copy({order[2:]})',
    ]


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def stored(arrays: dict[str, Any]) -> list[str]:
    """The lines that read the arrays from an .npz file that is called as the program and stands beside it."""
    saved = [name for name, array in arrays.items() if isinstance(array, np.ndarray)]
    others = {name: array for name, array in arrays.items() if name not in saved}
    taken = f"{', '.join(saved)} = (arrays[name] for name in {saved!r})".replace("'", '"')
    return [
        'arrays = np.load(__file__.removesuffix(".py") + ".npz")',
        *([taken] if saved else []),
        *embedded(others),
    ]


def made_otherwise(lines: list[str], arrays: dict[str, Any]) -> str:
    """The first array that the lines do not make to the bit; "" if they make all."""
    scope: dict[str, Any] = {"np": np}
    exec("\n".join(lines), scope)
    for name, array in arrays.items():
        if isinstance(array, np.ndarray):
            made = scope[name]
            if (made.dtype, made.tobytes("A")) != (array.dtype, array.tobytes("A")):
                return name
    return ""


def save_beside(arrays: dict[str, Any], path: str | Path | None) -> None:
    """Write the file that `stored` reads, beside the program that will be at `path`."""
    if path is None or Path(path).suffix != ".py":
        raise ValueError(
            "handwritten with data='npz' expects path, where the program will be, such as network.py: the "
            f"arrays go beside it; got {path!r}"
        )
    check_writable(Path(path))
    saved: dict[str, Any] = {key: array for key, array in arrays.items() if isinstance(array, np.ndarray)}
    with replaced(Path(path).with_suffix(".npz")) as part, part.open("wb") as file:
        np.savez(file, **saved)
