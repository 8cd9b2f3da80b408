"""Tables: named columns of texts or numbers, and what is wrong in them, said by line and column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np.arrays import Array

SHOWN = 10  # bad cells that are named one by one
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
LARGEST = 1e100  # beyond it, squares overflow


class Table(NamedTuple):
    """Columns by name, of texts (dtype object) from a CSV file or of numbers from arrays."""

    source: str
    columns: dict[str, Array]
    lines: Sequence[int]  # of the file, where each row begins; of arrays the index
    unit: str = "line"  # what the numbers in `lines` count
    said: str = ""  # how it was read
    unnamed: tuple[str, ...] = ()  # columns without a name in the header

    def find(self, name: str) -> str:
        """The name of a column; by its number, from 1, or from the end, -1, where no header gives names."""
        if name in self.columns:
            return name
        names = list(self.columns)
        if len(self.unnamed) == len(names):
            try:
                number = int(name)
            except ValueError:
                number = 0
            if 0 < abs(number) <= len(names):
                return names[number - 1 if number > 0 else number]
        raise ValueError(f"{self.source} has no column {name!r}; it has {listed(names, 20)}")

    def renamed(self, names: Sequence[str]) -> Table:
        """The same columns under other names, by position."""
        return self._replace(columns=dict(zip(names, self.columns.values(), strict=True)))


class Problems:
    """What is wrong in a table; all of it is looked for before any of it is raised."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def add(self, line: int, text: str) -> None:
        self.found.append((line, text))

    def cell(self, table: Table, row: int, name: str, text: str) -> None:
        line = table.lines[row]
        self.add(line, f"{table.unit} {line}, column {name!r}: {text}")

    def check(self, source: str, fix: str = "") -> None:
        """Raise ValueError that names the first ten, by line, and their number."""
        if not self.found:
            return
        n = len(self.found)
        texts = [text for _, text in sorted(self.found, key=lambda found: found[0])[:SHOWN]]
        more = [f"… and {n - SHOWN} more"] * (n > SHOWN)
        lines = [f"{source} has {n} bad {'place' if n == 1 else 'places'}:", *texts, *more]
        raise ValueError("\n  ".join(lines) + (f"\n{fix}" if fix else ""))


def numbers(table: Table, name: str, problems: Problems) -> Array:
    """A column as float64 (N,); what is no finite number goes to the problems."""
    values = parsed(table.columns[name])
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(values) <= LARGEST)
    for row in np.flatnonzero(bad):
        problems.cell(table, int(row), name, _complaint(table.columns[name][row]))
    return values


def texts(table: Table, name: str, problems: Problems) -> list[str]:
    """A column as texts, numbers in their shortest form; what is missing goes to the problems."""
    column = table.columns[name]
    cells = list(column) if column.dtype == object else [label(value) for value in column]
    for row, cell in enumerate(cells):
        if is_missing(cell):
            problems.cell(table, row, name, _complaint(cell))
    return cells


def parsed(column: Array) -> Array:
    """Texts as float64, NaN where one is no number."""
    if column.dtype != object:
        return column.astype(np.float64)
    return np.array([_number(cell) for cell in column], np.float64)


def with_decimal_comma(cells: Iterable[str]) -> str:
    """The first number such as 1,5 where all of these texts are that or whole numbers; otherwise ""."""
    fractions = [cell for cell in cells if not cell.isdecimal()]
    return fractions[0] if fractions and all(map(DECIMAL_COMMA.fullmatch, fractions)) else ""


def is_missing(cell: str) -> bool:
    return cell == "" or cell.lower() == "nan"


def label(value: Any) -> str:
    """A number as a text: 3 for 3.0."""
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def listed(names: Sequence[str], most: int) -> str:
    """Some names, and how many there are where that is not all."""
    shown = ", ".join(repr(name) if "," in name else name for name in names[:most]) or "none"
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def _number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else np.nan  # Python reads 1_000
    except ValueError:
        return np.nan


def _complaint(cell: Any) -> str:
    if cell == "":
        return "the cell is empty"
    value = _number(cell) if isinstance(cell, str) else float(cell)
    if isinstance(cell, str) and not cell.lower().lstrip("+-").startswith("nan") and np.isnan(value):
        shown = cell if len(cell) <= 40 else f"{cell[:40]}…"
        return f"{shown!r} is no number"
    if np.isfinite(value):
        return f"{cell} is beyond {LARGEST:g}"
    return f"the value is {value}"
