"""The history of a training: what each epoch and each step came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

SHOWN = 12  # epochs that the table has room for


class History:
    """`history["loss"]` is a list with a number for each whole epoch; `step_losses` has one for each step.

    The names of what was measured are in `names`: `loss`, the metrics, the same of the validation data
    as `val_loss` and so on, `lr` and `seconds`. The loss of an epoch is that of its samples,
    each before its step: their mean, or the sum where the loss sums. `epochs`, as `len`, is the number
    of epochs that are whole; `step_losses` has the steps of one that was broken off, too. `stopped`
    says why training ended before its last epoch, None where it did not. `str` is a short table.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        """A new history, or the one that gave these values `as_dict`."""
        given = dict(values or {})
        self.step_losses: list[float] = [float(v) for v in given.pop("step_losses", [])]
        self.stopped: str | None = given.pop("stopped", None)
        self._columns: dict[str, list[float]] = {
            str(name): [float(v) for v in column] for name, column in given.pop("epochs", {}).items()
        }
        lengths = {len(column) for column in self._columns.values()}
        if given or len(lengths) > 1:
            raise ValueError(
                f"History expects step_losses, stopped and epochs of one length, got {list(values or {})} "
                f"with {sorted(lengths)} epochs"
            )

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    @property
    def epochs(self) -> int:
        return len(next(iter(self._columns.values()), []))

    def append(self, row: Mapping[str, float]) -> None:
        """Take the numbers of one more epoch; a name that an epoch lacks has NaN there."""
        before = self.epochs
        for name in row:
            self._columns.setdefault(name, [np.nan] * before)
        for name, column in self._columns.items():
            column.append(float(row.get(name, np.nan)))

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(f"{name!r} is not in this history; it has {', '.join(self.names) or 'no epochs'}")
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        return self.epochs

    def as_dict(self) -> dict[str, Any]:
        """All of it as numbers, lists and texts: `History(history.as_dict())` is equal."""
        return {
            "epochs": {name: list(column) for name, column in self._columns.items()},
            "step_losses": list(self.step_losses),
            "stopped": self.stopped,
        }

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write `as_dict()`, with null for what is NaN or infinite."""
        import json

        values = self.as_dict()
        values["epochs"] = {name: _nulls(column) for name, column in values["epochs"].items()}
        values["step_losses"] = _nulls(values["step_losses"])
        _write(path, json.dumps(values, indent=1, allow_nan=False) + "\n")

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a line for each epoch, counted from 1, under a line of names."""
        lines = [",".join(["epoch", *map(_quoted, self.names)])]
        lines += [
            ",".join([str(i + 1), *(repr(column[i]) for column in self._columns.values())])
            for i in range(self.epochs)
        ]
        _write(path, "\n".join(lines) + "\n")

    def plot(self, path: str | os.PathLike[str] | None = None, figure: Figure | None = None) -> Figure:
        """Draw losses and metrics against the epoch; returns matplotlib's Figure, which a notebook shows.

        With `path` it is written there, as .png, .svg or .pdf; with `figure` drawn into that one, so in
        a program `history.plot(figure=plt.figure()); plt.show()` opens a window.
        """
        from minitorch_np.training import plot

        drawn = plot.draw_history(self, figure)
        if path is not None:
            plot.write(drawn, path)
        return drawn

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {_short(self[name][-1])}" for name in self.names) if self.epochs else ""
        return f"History({self.epochs} epochs, {len(self.step_losses)} steps{', ' * bool(last)}{last})"

    def __str__(self) -> str:
        n = self.epochs
        head = range(n) if n <= SHOWN else [*range(3), *range(n - SHOWN + 4, n)]
        rows = [["epoch", *(name.replace("_", " ") for name in self.names)]]
        for before, i in zip([-1, *head], head, strict=False):
            if i != before + 1:
                rows.append(["…"] * len(rows[0]))
            rows.append([str(i + 1), *(_short(self[name][i]) for name in self.names)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(lines if self.stopped is None else [*lines, f"stopped: {self.stopped}"])


def _short(value: float) -> str:
    return f"{value:.4g}"


def _nulls(values: Iterable[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def _quoted(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',"\r\n') else name


def _write(path: str | os.PathLike[str], text: str) -> None:
    from pathlib import Path  # which takes longer to import than all of this

    from minitorch_np._internal.atomic_write import check_writable, replaced

    where = Path(path)
    check_writable(where)
    with replaced(where) as part:
        part.write_text(text, encoding="utf-8", newline="")
