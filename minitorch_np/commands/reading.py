"""A table from whichever kind of file, with the options that say how to read it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from minitorch_np.commands.arguments import Parser
from minitorch_np.commands.arrayfiles import SUFFIXES, read_arrays
from minitorch_np.commands.csvfiles import read_csv
from minitorch_np.commands.tables import Problems, Table


def add_options(command: Parser) -> None:
    command.add_argument(
        "--delimiter", type=_delimiter, metavar="C", help="what separates cells (, ; tab or |, as found)"
    )
    command.add_argument(
        "--decimal", choices=[".", ","], default=".", help="what stands before the decimals in numbers (.)"
    )
    command.add_argument("--no-header", action="store_true", help="the first line is data, not names")
    command.add_argument("--encoding", default="utf-8", metavar="NAME", help="of the CSV file (utf-8)")


def read(
    path: Path, options: argparse.Namespace, problems: Problems, *, target: str | None
) -> tuple[Table, str]:
    """The table, and the name of the target in it; "" without a target."""
    if path.suffix in SUFFIXES:
        return read_arrays(path, target)
    if path.is_dir() or not path.exists():  # a pipe is fine
        raise ValueError(f"there is no file {path}")
    table = read_csv(
        path,
        problems,
        delimiter=options.delimiter,
        header=not options.no_header,
        encoding=options.encoding,
        decimal_comma=options.decimal == ",",
    )
    return table, "" if target is None else table.find(target)


def chosen(table: Table, given: Sequence[str]) -> set[str]:
    """The columns that options name, one by one or in a list with commas."""
    found = set()
    for text in given:
        parts = [text] if text in table.columns else [part.strip() for part in text.split(",")]
        found |= {table.find(part) for part in parts}
    return found


def _delimiter(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"expected one character, or tab, got {text!r}")
    return text
