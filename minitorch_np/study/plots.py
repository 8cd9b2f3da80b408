"""Pictures, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from minitorch_np._internal.pictures import Picture, check_path, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minitorch_np._internal.arrays import Array
    from minitorch_np.layers.activation import Activation

__all__ = ["check_path", "draw_comparison", "draw_functions", "draw_losses", "save", "show"]

COLORS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")  # Okabe and Ito
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
OVER = (0, (4, 4))  # of a second curve that may lie on the first
WIDTH = 2.0  # of every curve: a width that differs would seem to mean something
LARGEST = 1e200  # matplotlib cannot label a log scale that ends near the largest float


def draw_losses(
    curves: Mapping[str, Sequence[float]], figure: Figure | None = None, *, xlabel: str = "step"
) -> Figure:
    """Draw loss against training step on a log scale, each curve named at its end.

    Two curves that may be one: the second is dashed, so that the first is seen through it.
    """
    figure = figure or Picture(figsize=(7, max(4.3, 0.26 * len(curves))), layout="constrained")
    axes = figure.subplots()
    ends: dict[str, float | None] = {}
    for i, (name, losses) in enumerate(curves.items()):
        values = np.array(losses, dtype=float)
        finite = np.abs(values) < LARGEST
        values[~finite] = np.nan
        shown = values[finite & (values > 0)]
        axes.plot(
            values,
            color=COLORS[i % len(COLORS)],
            linestyle=OVER if len(curves) == 2 and i == 1 else DASHES[i // len(COLORS) % len(DASHES)],
            linewidth=WIDTH,
            marker="o" if len(shown) == 1 else "",  # a line needs two
        )
        ends[name if finite.all() else f"{name} (not finite)"] = shown[-1] if len(shown) else None
    if any(end is not None for end in ends.values()):
        axes.set_yscale("log", nonpositive="mask")
    axes.set_xlabel(xlabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.margins(x=0)
    _label_ends(figure, axes, ends)
    return figure


def _label_ends(figure: Figure, axes: Axes, ends: Mapping[str, float | None]) -> None:
    """Names to the right of the axes, at the heights of the ends but never on each other."""
    figure.draw_without_rendering()  # the layout has to be known
    gap = 13 / (axes.bbox.height * 72 / figure.dpi)  # of a line of text, as a part of the axes
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [0.0 if end is None else float(to_axes.transform((0, end))[1]) for end in ends.values()]
    colors = [line.get_color() for line in axes.lines]
    order = sorted(range(len(heights)), key=heights.__getitem__)
    for i, place in zip(order, _spread([heights[i] for i in order], gap), strict=True):
        style: dict[str, Any] = {"transform": axes.transAxes, "color": colors[i]}
        axes.plot((1, 1.03), (heights[i], place), linewidth=0.7, clip_on=False, **style)
        axes.text(1.04, place, list(ends)[i], va="center", fontsize=9, **style)


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights moved as little as keeps them `gap` apart: those that are closer share their mean."""
    groups: list[tuple[float, int]] = []  # mean height less what the gaps below add, members
    for i, height in enumerate(heights):
        mean, members = height - i * gap, 1
        while groups and groups[-1][0] > mean:
            below, its_members = groups.pop()
            mean = (mean * members + below * its_members) / (members + its_members)
            members += its_members
        groups.append((mean, members))
    means = [mean for mean, members in groups for _ in range(members)]
    return [mean + i * gap for i, mean in enumerate(means)]


USUAL = (-1.6, 3.2)  # where the usual activations have what is worth seeing


def draw_functions(
    activations: Mapping[str, Activation], figure: Figure | None = None, *, reach: float = 4
) -> Figure:
    """Every activation and its derivative for −reach ≤ x ≤ reach, a panel each."""
    columns = min(4, max(1, len(activations)))
    rows = -(-len(activations) // columns)
    figure = figure or Picture(figsize=(2.6 * columns, 2.3 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
    x = np.linspace(-reach, reach, 1601)
    for axes, (name, activation) in zip(panels, activations.items(), strict=False):
        y = activation(x)
        slope = activation.derivative(x, y)
        y, slope = (np.where(_jumps(a), np.nan, a) for a in (y, slope))
        axes.axhline(0, color="0.8", linewidth=0.8)
        axes.axvline(0, color="0.8", linewidth=0.8)
        axes.plot(x, y, color=COLORS[1], linewidth=WIDTH)
        axes.plot(x, slope, color=COLORS[5], linewidth=WIDTH, linestyle=(0, (4, 1.5)))
        axes.set_ylim(*_limits(y, slope))
        axes.set_title(name, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(activations) :]:
        axes.set_visible(False)
    figure.supxlabel("solid: y(x), dashed: dy/dx", fontsize=10)
    return figure


def _jumps(values: Array) -> Any:
    """Where a curve should be broken: a step far larger than those beside it."""
    step = np.abs(np.diff(values, prepend=values[0]))
    beside = np.maximum(np.roll(step, 1), np.roll(step, -1))
    return (step > 0.05) & (step > 10 * beside)


def _limits(*curves: Array) -> tuple[float, float]:
    """The ends of a panel's y axis: the same for all functions that fit, its own for one that does not."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    usual = (values >= USUAL[0]) & (values <= USUAL[1])
    if not values.size or (usual.mean() > 0.85 and np.ptp(values) > 0.1):
        return USUAL
    low, high = (float(end) for end in np.percentile(values, (1, 99)))
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def draw_comparison(
    ours: Sequence[float], theirs: Sequence[float], ulps: Sequence[int], figure: Figure | None = None
) -> Figure:
    """Two loss curves that should be one, and below them how many ULPs they are apart."""
    figure = figure or Picture(figsize=(7, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for name, losses, color, dashes in (
        ("handwritten", theirs, COLORS[0], DASHES[0]),
        ("layer by layer", ours, COLORS[1], OVER),
    ):
        values = np.array(losses, dtype=float)
        values[~(np.abs(values) < LARGEST)] = np.nan
        marker = "o" if len(values) == 1 else ""
        above.plot(values, color=color, linewidth=WIDTH, linestyle=dashes, label=name, marker=marker)
    if any(0 < value < LARGEST for value in (*ours, *theirs)):
        above.set_yscale("log", nonpositive="mask")
    above.set_ylabel("loss")
    above.legend(frameon=False)
    below.bar(range(len(ulps)), [float(count) for count in ulps], color=COLORS[5])
    if any(ulps):
        below.set_yscale("symlog", linthresh=1)
        decades = np.unique(np.linspace(0, np.log10(float(max(ulps))), 4).astype(int))
        below.set_yticks([0, *10.0 ** decades[decades > 0 if decades[-1] > 2 else decades >= 0]])
        below.minorticks_off()
    else:
        below.text(0.5, 0.5, "the same bits in every step", transform=below.transAxes, ha="center", va="center")
        below.set_yticks([0])
    below.set_ylim(bottom=0)
    below.set_xlabel("step")
    below.set_ylabel("ULPs apart")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def show(draw: Callable[[Figure], object]) -> None:
    """Draw in a window and wait until it is closed."""
    import matplotlib
    from matplotlib import pyplot

    if matplotlib.get_backend().lower() == "agg":
        raise ValueError("matplotlib finds no screen to show a window on")
    draw(pyplot.figure(figsize=(7, 4.3), layout="constrained"))
    pyplot.show()
