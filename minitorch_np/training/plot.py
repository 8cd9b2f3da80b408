"""A picture of a training: losses above, metrics below, against the epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minitorch_np._internal.atomic_write import check_writable, replaced

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

    from minitorch_np.training.history import History

TRAINING, VALIDATION = "#0072B2", "#E69F00"  # of Okabe and Ito's colours, which the colour-blind tell apart
LARGEST = 1e200  # matplotlib cannot label a log scale that ends near the largest float


def draw_history(history: History, figure: Figure | None = None) -> Figure:
    """A panel for the loss of the epochs and one for each metric; below them the loss of every step.

    A loss is on a log scale where all of it is above 0.
    """
    if not history.epochs and not history.step_losses:
        raise ValueError("there is nothing to draw: this history has no epoch")
    measured = [name.removeprefix("val_") for name in history.names if name not in ("lr", "seconds")]
    names = list(dict.fromkeys(measured))
    steps = len(history.step_losses) > history.epochs
    figure = figure or Figure(figsize=(7, 2.4 * (len(names) + steps) + 0.8), layout="constrained")
    panels = list(figure.subplots(len(names) + steps, 1, squeeze=False)[:, 0])
    for name, axes in zip(names, panels, strict=False):
        shown = [
            _curve(axes, np.arange(1, history.epochs + 1), history[key], label, color)
            for key, label, color in (
                (name, "training", TRAINING),
                (f"val_{name}", "validation", VALIDATION),
            )
            if key in history
        ]
        _finish(axes, "epoch", name.replace("_", " "), name == "loss" and all((v > 0).all() for v in shown))
        if len(shown) > 1:
            axes.legend(frameon=False)
    if steps:
        losses = history.step_losses
        values = _curve(panels[-1], np.arange(1, len(losses) + 1), losses, "training", TRAINING, width=0.8)
        _finish(panels[-1], "step", "loss of a step", bool((values > 0).all()))
    return figure


def _curve(axes: Axes, at: Any, values: Any, label: str, color: str, width: float = 1.8) -> Any:
    """Draw a curve; returns the numbers that are in it."""
    values = np.array(values, dtype=float)
    values[~(np.abs(values) < LARGEST)] = np.nan
    marker = "o" if len(values) == 1 else ""  # a line needs two
    axes.plot(at, values, color=color, label=label, linewidth=width, marker=marker)
    return values[np.isfinite(values)]


def _finish(axes: Axes, x: str, y: str, log: bool) -> None:
    if log:
        axes.set_yscale("log", nonpositive="mask")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)


def write(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the picture, in the format that the file's name says, whole or not at all."""
    where = Path(path)
    check_writable(where)
    with replaced(where) as part:
        figure.savefig(part, format=where.suffix[1:].lower() or "png", dpi=150)
