"""Texts of objects: the call that builds them, and tables of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

GAP = 2
LEAST = 24  # columns that the first cell keeps on any terminal
REQUIRED: Any = object()  # stands for the default of an argument that has none

VARARGS, KEYWORDS = 0x04, 0x08  # the flags of code with *args, and with **kwargs


def constructor_arguments(cls: Any) -> dict[str, Any]:
    """Return the arguments that a class is called with, by name, and their defaults."""
    code = getattr(cls.__init__, "__code__", None)  # none if __init__ is object's
    if code is None:
        return {}
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    positional = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(positional[::-1], (cls.__init__.__defaults__ or ())[::-1], strict=False))
    defaults |= cls.__init__.__kwdefaults__ or {}
    return {name: defaults.get(name, REQUIRED) for name in names}


def variable_argument(cls: Any) -> str | None:
    """Return the name of the `*sizes` that a class is called with before all others, or None without."""
    code = getattr(cls.__init__, "__code__", None)
    if code is None or code.co_flags & (VARARGS | KEYWORDS) != VARARGS or code.co_argcount > 1:
        return None
    name: str = code.co_varnames[1 + code.co_kwonlyargcount]
    return name


def call_arguments(layer: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return what builds such a layer, by position and by name; read as `call_text` reads it."""
    several = variable_argument(type(layer))
    options: dict[str, Any] = {}
    for name, default in constructor_arguments(type(layer)).items():
        if name == "dtype" and layer._dtype is not None:
            options[name] = layer._dtype
        elif name in vars(layer) and name != "rng":
            value = vars(layer)[name]
            is_there = isinstance(default, bool) and not isinstance(value, bool)
            options[name] = value is not None if is_there else value
    return list(getattr(layer, several)) if several else [], options


def call_text(thing: Any) -> str:
    """`LeakyReLU(negative_slope=0.2)`: the class, and the arguments that are not the defaults.

    An argument is read from the attribute of its name; those of `*sizes`, a tuple in the attribute `sizes`,
    and those without a default come first and bare. One that says whether there is a parameter, as `bias`,
    is read from that; `dtype` from what is inside. A random generator is left out.
    """
    parts = [repr(value) for value in vars(thing).get(variable_argument(type(thing)) or "", ())]
    for name, default in constructor_arguments(type(thing)).items():
        if name not in vars(thing) or name == "rng":
            if default is REQUIRED:
                parts.append("...")
            elif name == "dtype" and getattr(thing, "_dtype", None) not in (None, default):
                parts.append(f"dtype={str(thing._dtype)!r}")
            continue
        value = vars(thing)[name]
        if isinstance(default, bool) and not isinstance(value, bool):
            value = value is not None
        value = value.tolist() if hasattr(value, "tolist") else value  # an array as the list it comes from
        if default is REQUIRED:
            parts.append(repr(value))
        elif not (value is default or value == default):
            parts.append(f"{name}={value!r}")
    return f"{type(thing).__name__}({', '.join(parts)})"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right, and no line longer than the terminal.

    What is too long for that is cut in the first column, where names and layers stand.
    """
    import shutil  # slow to import

    rows = [header, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    terminal = shutil.get_terminal_size((100, 24)).columns
    widths[0] = min(widths[0], max(LEAST, terminal - sum(GAP + width for width in widths[1:])))
    return "\n".join((" " * GAP).join(_cells(row, widths)).rstrip() for row in rows)


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
    return [first.ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]


def bytes_text(count: int) -> str:
    """A number of bytes as one reads it, in steps of 1000: `512.0 kB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
