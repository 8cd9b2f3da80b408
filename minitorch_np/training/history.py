"""History of a training: the numbers of each epoch and each step, their table, files and picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minitorch_np._internal.arrays import Array

SHOWN = 12  # epochs in the table
TRAINING, VALIDATION = "#0072B2", "#E69F00"  # of Okabe and Ito's colours, which the colour-blind tell apart
LARGEST = 1e200  # matplotlib cannot label a log scale that ends near the largest float
WIDTH = 1.8  # of every curve


class History:
    """`history["loss"]` is a list with a number for each whole epoch; `step_losses` has one for each step.

    The names of what was measured are in `names`: `loss`, the metrics, the same of the validation data
    as `val_loss` and so on, `lr` and `seconds`. The loss of an epoch is that of its samples,
    each before its step: their mean, or the sum for a loss that sums. `epochs`, as `len`, is the number
    of epochs that are whole; `step_losses` has the steps of one that was broken off, too. `stopped`
    says why training ended before its last epoch, None if it did not. `str` is a short table.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        """Make a new history, or the one that gave these values `as_dict`."""
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
            fix = "; fit(..., validation_data=(x, y)) measures it" if name.startswith("val") else ""
            names = ", ".join(self.names) or "no epochs"
            raise KeyError(f"{name!r} is not in this history; it has {names}{fix}")
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        return self.epochs

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as numbers, lists and texts: `History(history.as_dict())` is equal."""
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
        _write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a line for each epoch, counted from 1, under a line of names."""
        lines = [",".join(["epoch", *map(_quoted, self.names)])]
        lines += [
            ",".join([str(i + 1), *(repr(column[i]) for column in self._columns.values())])
            for i in range(self.epochs)
        ]
        _write_text(path, "\n".join(lines) + "\n")

    def plot(
        self,
        path: str | os.PathLike[str] | None = None,
        figure: Figure | None = None,
        *,
        ax: Axes | None = None,
    ) -> Any:
        """Draw losses and metrics against the epoch; returns matplotlib's Figure, which a notebook shows.

        With `path` it is written there, as .png, .svg or .pdf, and a warning says if it takes the place of
        another; with `figure` drawn into that one, so in
        a program `history.plot(figure=plt.figure()); plt.show()` opens a window. With `ax` the loss of the
        epochs alone is drawn into these axes, which are returned.
        """
        if ax is not None:
            if path is not None or figure is not None or "loss" not in self:
                raise ValueError(
                    "History.plot expects ax alone, without path or figure, and epochs with a loss"
                )
            _panel(self, "loss", ax)
            return ax
        from minitorch_np._internal.pictures import plotted

        return plotted(_draw(self, figure), path)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {_short(self[name][-1])}" for name in self.names) if self.epochs else ""
        return f"History({self.epochs} epochs, {len(self.step_losses)} steps{', ' * bool(last)}{last})"

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(lines if self.stopped is None else [*lines, f"stopped: {self.stopped}"])

    def _repr_html_(self) -> str:
        from minitorch_np._internal.notebook import picture_html, table_html

        header, *rows = self._rows()
        table = table_html(header, rows, f"stopped: {self.stopped}" if self.stopped is not None else "", left=0)
        return table + (picture_html(self.plot()) if self.epochs or self.step_losses else "")

    def _rows(self) -> list[list[str]]:
        n = self.epochs
        head = range(n) if n <= SHOWN else [*range(3), *range(n - SHOWN + 4, n)]
        rows = [["epoch", *(name.replace("_", " ") for name in self.names)]]
        for before, i in zip([-1, *head], head, strict=False):
            if i != before + 1:
                rows.append(["…"] * len(rows[0]))
            rows.append([str(i + 1), *(_short(self[name][i]) for name in self.names)])
        return rows


def _short(value: float) -> str:
    return f"{value:.4g}"


def _nulls(values: Iterable[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def _quoted(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',"\r\n') else name


def _write(path: str | os.PathLike[str], writer: Callable[[Path], Any]) -> None:
    """Write a file whole or not at all."""
    from pathlib import Path

    from minitorch_np._internal.atomic_write import check_writable, replaced

    check_writable(Path(path))
    with replaced(Path(path)) as part:
        writer(part)


def _write_text(path: str | os.PathLike[str], text: str) -> None:
    _write(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))


def _draw(history: History, figure: Figure | None = None) -> Figure:
    """Draw a panel for the loss of the epochs and one for each metric; below them the loss of every step.

    A loss is on a log scale if all of it is above 0.
    """
    from minitorch_np._internal.pictures import Picture

    if not history.epochs and not history.step_losses:
        raise ValueError("there is nothing to draw: this history has no epoch")
    measured = [name.removeprefix("val_") for name in history.names if name not in ("lr", "seconds")]
    names = list(dict.fromkeys(measured))
    steps = len(history.step_losses) > history.epochs
    figure = figure or Picture(figsize=(7, 2.4 * (len(names) + steps) + 0.8), layout="constrained")
    panels = list(figure.subplots(len(names) + steps, 1, squeeze=False)[:, 0])
    for name, axes in zip(names, panels, strict=False):
        _panel(history, name, axes)
    if steps:
        losses = history.step_losses
        values = _curve(panels[-1], np.arange(1, len(losses) + 1), losses, "training", TRAINING)
        _finish(panels[-1], "step", "loss of a training step", bool((values > 0).all()))
    return figure


def _panel(history: History, name: str, axes: Axes) -> None:
    """Draw one measure of the epochs, of training and validation."""
    shown = [
        _curve(axes, np.arange(1, history.epochs + 1), history[key], label, color)
        for key, label, color in (
            (name, "training", TRAINING),
            (f"val_{name}", "validation", VALIDATION),
        )
        if key in history
    ]
    if history.epochs == 1:
        axes.set_xlim(0.5, 1.5)
    _finish(axes, "epoch", name.replace("_", " "), name == "loss" and all((v > 0).all() for v in shown))
    if any(key.startswith("val_") for key in history.names):  # a curve alone has to be told, too
        axes.legend(frameon=False)


def _curve(axes: Axes, at: Any, values: Any, label: str, color: str) -> Array:
    """Draw a curve; return the numbers that are in it."""
    values = np.array(values, dtype=np.float64)
    values[~(np.abs(values) < LARGEST)] = np.nan
    marker = "o" if len(values) == 1 else ""  # a line needs two
    dashes = (0, (5, 1.5)) if label == "validation" else "-"
    axes.plot(at, values, color=color, label=label, linewidth=WIDTH, linestyle=dashes, marker=marker)
    return values[np.isfinite(values)]


def _finish(axes: Axes, x: str, y: str, log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if log:
        axes.set_yscale("log", nonpositive="mask")
        low, high = axes.get_ylim()
        decades = np.log10(high / low)
        if decades < 1:  # a log scale has no tick of its own in so little
            axes.yaxis.set_major_locator(MaxNLocator(5))
        elif decades < 3:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        if decades < 3:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
