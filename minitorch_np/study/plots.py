"""Pictures, drawn with matplotlib."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

COLORS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito
FORMATS = ("png", "svg", "pdf", "jpg")
LARGEST = 1e200  # matplotlib cannot label a log scale that ends near the largest float


def draw_losses(curves: Mapping[str, Sequence[float]], figure: Figure | None = None) -> Figure:
    """Loss against training step, on a log scale; earlier curves are wider, to be seen below later ones."""
    figure = figure or Figure(figsize=(7, 4.3), layout="constrained")
    axes = figure.subplots()
    positive = False
    for i, (name, losses) in enumerate(curves.items()):
        values = np.array(losses, dtype=float)
        values[~(np.abs(values) < LARGEST)] = np.nan
        positive |= bool((values > 0).any())
        width = 2 + 5 * (len(curves) - 1 - i) / max(1, len(curves) - 1)
        marker = "o" if np.isfinite(values).sum() == 1 else ""  # a line needs two
        color = COLORS[i % len(COLORS)]
        axes.plot(values, color=color, linewidth=width, marker=marker, markersize=2 * width, label=name)
    if positive:
        axes.set_yscale("log", nonpositive="mask")
    axes.set_xlabel("train num")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.margins(x=0.01)
    axes.legend(frameon=False)
    return figure


def check_path(path: Path) -> None:
    """Raise ValueError where a picture cannot be written to `path`."""
    if path.suffix[1:].lower() not in FORMATS:
        raise ValueError(f"{path} should end in one of .{', .'.join(FORMATS)}")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    if not path.parent.is_dir():
        raise ValueError(f"there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the directory {path.parent} cannot be written to")


def save(figure: Figure, path: Path) -> None:
    """Write the picture beside `path` and rename it, so that there is never half a picture."""
    path = path.resolve()  # through a link
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=150)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def show(draw: Callable[[Figure], object]) -> None:
    """Draw in a window and wait until it is closed."""
    import matplotlib
    from matplotlib import pyplot

    if matplotlib.get_backend().lower() == "agg":
        raise ValueError("matplotlib finds no screen to show a window on")
    draw(pyplot.figure(figsize=(7, 4.3), layout="constrained"))
    pyplot.show()
