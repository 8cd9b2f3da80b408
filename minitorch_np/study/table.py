"""Rows of text under one another, for what is printed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

GAP = 2
LEAST = 24  # columns that the first cell keeps on any terminal


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right, and no line longer than the terminal.

    What is too long for that is cut in the first column, where names and layers stand.
    """
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
