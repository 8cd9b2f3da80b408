"""Lines of text for a terminal: formulas to the left, shapes to the right, prose wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minitorch_np.study.explaining.axes import Named

LABEL = 15  # columns of what stands before a list
WIDEST = 44  # columns that formulas get at most, before the shapes


class Page:
    """Text that grows line by line; no line is longer than `width`, but for what cannot be broken."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[str] = []

    def gap(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def line(self, text: str, right: str = "", indent: int = 3) -> None:
        """A formula, and what stands to the right of it: on the next line if both need more room."""
        column = min(WIDEST, self.width // 2)
        if not right:
            self.prose(text, indent)
        elif indent + len(text) + 2 > column or column + len(right) > self.width:
            self.prose(text, indent)
            self.prose(right, max(indent + 4, min(column, self.width - len(right))))
        else:
            self.lines.append(f"{' ' * indent + text:{column}}{right}")

    def prose(self, text: str, indent: int = 3, hanging: int = 0) -> None:
        first, others = " " * indent, " " * (indent + hanging)
        self.lines += textwrap.wrap(
            text, self.width, initial_indent=first, subsequent_indent=others, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip

    def item(self, label: str, text: str, indent: int = 3) -> None:
        self.prose(f"{label:{LABEL}}{text}", indent, hanging=LABEL)

    def table(self, rows: Iterable[tuple[str, ...]], indent: int) -> None:
        """Columns under one another; where a row is too long its last cell goes below it."""
        rows = list(rows)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
        for *cells, last in rows:
            start = " " * indent + "  ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True))
            if len(start) + 2 + len(last) <= self.width:
                self.lines.append(f"{start}  {last}")
            else:
                self.lines += [start.rstrip(), f"{' ' * (indent + 4)}{last}"]

    def title(self, path: str, thing: object) -> None:
        self.prose(f"{path:1}  {' '.join(repr(thing).split())}", 0, hanging=3)

    def array(self, array: Named, indent: int = 6) -> None:
        """The numbers: a small array in full, of a large one the corners."""
        text = np.array2string(
            array.value, max_line_width=self.width - indent - 3, precision=4, threshold=40, edgeitems=2
        )
        self.prose(f"{array.name} =", indent)
        self.lines += textwrap.indent(text, " " * (indent + 3)).splitlines()

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


def listed(names: list[str]) -> str:
    """`grad_w (…), grad_b (…) and grad_x (…)`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
