"""Tables from CSV files, as spreadsheets, databases and data frames write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from minitorch_np.commands.tables import DECIMAL_COMMA, Problems, Table

DELIMITERS = ",;\t|"
SAMPLE = 50  # records that the delimiter is read off
NAMES = {"\t": "tabs", " ": "spaces"}


def read_csv(
    path: Path,
    problems: Problems,
    *,
    delimiter: str | None = None,
    header: bool = True,
    encoding: str = "utf-8",
    decimal_comma: bool = False,
) -> Table:
    """The table of a file; rows of another length than the first go to the problems.

    Cells are texts without the blanks around them; empty lines are left out. With `decimal_comma`,
    numbers such as 1,5 become 1.5. Raises ValueError for what is no such file.
    """
    file = StringIO(_decoded(path, encoding), newline="")
    try:
        if delimiter is None:
            delimiter = sniffed(file)
            file.seek(0)
        table = _table(path, _records(file, delimiter), problems, header, delimiter)
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as CSV: {error}") from None
    if decimal_comma:
        for column in table.columns.values():
            column[:] = [cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell for cell in column]
    return table


def sniffed(file: IO[str]) -> str:
    """The delimiter that cuts the first records into the same number of cells, two or more."""
    lines = list(islice(file, SAMPLE))

    def agreeing(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(record) for record in csv.reader(lines, delimiter=delimiter) if record]
        except csv.Error:
            return 0, 0
        width = widths[0] if widths else 0
        return (widths.count(width), width) if width > 1 else (0, 0)

    return max(DELIMITERS, key=agreeing)  # of equal ones the first


def _decoded(path: Path, encoding: str) -> str:
    """The text of a file, without the mark at its beginning that some programs write."""
    data = path.read_bytes()
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} is not {encoding} in line {line}: say how it is written, for example --encoding latin-1"
        ) from None
    except LookupError:
        raise ValueError(f"there is no encoding {encoding!r}") from None


def _records(file: IO[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The line where each record begins, and its cells."""
    reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
    begin = 1
    try:
        for record in reader:
            if record:
                yield begin, [cell.strip() for cell in record]
            begin = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"the record that begins in line {begin}: {error}") from None


def _table(
    path: Path,
    records: Iterator[tuple[int, list[str]]],
    problems: Problems,
    header: bool,
    delimiter: str,
) -> Table:
    rows: list[list[str]] = []
    lines: list[int] = []
    names: list[str] = []
    unnamed: list[str] = []
    for line, record in records:
        if not names:
            names, unnamed = _names(path, record, header)
            if header:
                continue
        if record == [""] and len(names) > 1:  # a line of blanks
            continue
        if len(record) != len(names):
            than = "the header" if header else "the first one"
            problems.add(line, f"line {line} has {len(record)} cells where {than} has {len(names)}")
            continue
        rows.append(record)
        lines.append(line)
    if not rows:
        problems.check(str(path))
        raise ValueError(f"{path} has no rows{' below its header' * bool(names)}")
    columns = {
        name: np.array(column, dtype=object)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    said = f"separated by {NAMES.get(delimiter, repr(delimiter))}{'' if header else ', without a header'}"
    return Table(str(path), columns, lines, said=said, unnamed=tuple(unnamed))


def _names(path: Path, record: list[str], header: bool) -> tuple[list[str], list[str]]:
    """The names of the columns, and those that have none of their own."""
    numbered = [f"column {i}" for i in range(1, len(record) + 1)]
    if not header:
        return numbered, numbered
    names = [name or number for name, number in zip(record, numbered, strict=True)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if _all_numbers(record):
        raise ValueError(
            f"the first line of {path} holds numbers and no names of columns: "
            "--no-header takes it as data, and columns are called by number"
        )
    if twice:
        raise ValueError(f"{path} has more than one column {', '.join(map(repr, twice))}: names have to differ")
    return names, [number for name, number in zip(record, numbered, strict=True) if not name]


def _all_numbers(record: list[str]) -> bool:
    """Whether a header is a row of data; 0, 1, 2, … are names that data frames give."""
    try:
        values = [float(cell) for cell in record]
    except ValueError:
        return False
    return len(values) == 1 or values not in (list(range(len(values))), list(range(1, len(values) + 1)))
