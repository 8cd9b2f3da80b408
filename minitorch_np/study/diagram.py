"""A network as a picture: forward above, backward below, arrays as boxes with sides in proportion.

Columns of arrays and columns of layers alternate. A layer stands between its input and its output in both
rows; what it learns stands above, the gradient of that below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.textpath import TextPath

from minitorch_np.study.explaining.boxes import (
    LINE,
    PAD,
    SIZE,
    Box,
    Column,
    row_heights,
    scale_of,
    sides,
    stack_height,
    tallest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.34  # inches between columns, and between rows
DATA, LEARNED, INK = "#0072B2", "#D55E00", "#333333"
LEGEND = (
    "Sides are in proportion to the square roots of the sizes. Blue: data on its way; orange: what is "
    "learned; hatched: gradients, each in the shape of its array; dashed: kept by forward for backward."
)


def draw(columns: Sequence[Column], figure: Figure | None = None) -> Figure:
    """The picture, in a figure that is made as large as it has to be."""
    scale = scale_of(columns)
    widths = [_column_width(column, scale) for column in columns]
    gutter = _text_width("backward", bold=True) + GAP
    width = gutter + sum(widths) + GAP * (len(widths) + 1)
    letter = _text_width(LEGEND) / len(LEGEND)
    legend = textwrap.wrap(LEGEND, int((width - 2 * GAP) / letter * 0.94))
    heights = row_heights(columns, scale)
    height = sum(heights) + GAP * 5 + LINE * len(legend)
    figure = figure or Figure()
    figure.set_layout_engine("none")
    figure.set_size_inches(width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    canvas = _Canvas(axes, scale)
    tops = [height - GAP - sum(heights[:i]) - GAP * i for i in range(4)]
    lines = [tops[1] - tallest([c.forward for c in columns], scale) / 2]
    lines.append(tops[2] - tallest([c.backward for c in columns], scale) / 2)
    for y, name in zip(lines, ("forward", "backward"), strict=True):
        canvas.text(GAP, y, name, weight="bold", ha="left")
    centers = [gutter + GAP * (i + 1) + sum(widths[:i]) + w / 2 for i, w in enumerate(widths)]
    for i, column in enumerate(columns):
        canvas.column(column, centers[i], tops, lines)
    canvas.arrows(columns, centers, lines)
    for i, line in enumerate(legend):
        canvas.text(GAP, GAP / 2 + LINE * (len(legend) - 1 - i), line, ha="left", va="bottom")
    return figure


class _Canvas:
    """Draws in inches."""

    def __init__(self, axes: Axes, scale: float) -> None:
        self.axes, self.scale = axes, scale

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        usual: dict[str, Any] = {"fontsize": SIZE, "color": INK, "ha": "center", "va": "center"}
        self.axes.text(x, y, text, **(usual | style))

    def box(self, box: Box, x: float, y: float, color: str, hatch: str = "") -> float:
        """Centered at x and y, its label below; returns where the label ends."""
        width, height = sides(box, self.scale)
        corner = (x - width / 2, y - height / 2)
        fill: dict[str, Any] = {
            "facecolor": "white" if hatch else f"{color}40",
            "edgecolor": color,
            "hatch": hatch,
        }
        self.axes.add_patch(Rectangle(corner, width, height, linewidth=1, zorder=3, **fill))
        y -= height / 2 + PAD
        for i, line in enumerate(box.lines()):
            self.text(x, y - LINE * (i + 0.5), line, weight="bold" if i == 0 else "normal")
        return y - LINE * len(box.lines())

    def stack(self, boxes: Sequence[Box], x: float, top: float, color: str, hatch: str = "") -> None:
        for box in boxes:
            top = self.box(box, x, top - sides(box, self.scale)[1] / 2, color, hatch) - PAD

    def column(self, column: Column, x: float, tops: Sequence[float], lines: Sequence[float]) -> None:
        if column.forward is not None:
            self.box(column.forward, x, lines[0], DATA)
        if column.backward is not None:
            self.box(column.backward, x, lines[1], DATA, "////")
        if not column.title:
            return
        for y in lines:
            self.pill(column.title, x, y)
        half = LINE * 0.75
        above = stack_height(column.above, self.scale)
        if column.above:
            self.stack(column.above, x, tops[1] + GAP + above, LEARNED if column.learns else DATA)
            self.arrow((x, tops[1] + GAP), (x, lines[0] + half))
        if column.kept:
            self.arrow((x, lines[0] - half), (x, lines[1] + half), linestyle=(0, (4, 2)))
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            self.text(x, (lines[0] + lines[1]) / 2, "\n".join(column.kept), bbox=ground, zorder=5)
        if column.below:
            self.stack(column.below, x, tops[3], LEARNED, "////")
            self.arrow((x, lines[1] - half), (x, tops[3] + PAD / 2))

    def pill(self, title: str, x: float, y: float) -> None:
        width, height = _text_width(title), LINE
        corner = (x - width / 2, y - height / 2)
        style = f"round,pad={LINE / 4:.3f},rounding_size={LINE / 2:.3f}"
        self.axes.add_patch(
            FancyBboxPatch(corner, width, height, boxstyle=style, facecolor="0.93", edgecolor="0.5", zorder=3)
        )
        self.text(x, y, title, zorder=4)

    def arrow(self, start: tuple[float, float], end: tuple[float, float], **style: Any) -> None:
        arrow = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.1} | style
        self.axes.annotate("", end, start, arrowprops=arrow, zorder=2)

    def arrows(self, columns: Sequence[Column], centers: Sequence[float], lines: Sequence[float]) -> None:
        """Along the two rows, from each array through each layer and back."""
        halves = [
            [_half(column, box, self.scale) for box in (column.forward, column.backward)] for column in columns
        ]
        for i in range(len(columns) - 1):
            left, right = halves[i], halves[i + 1]
            self.arrow((centers[i] + left[0], lines[0]), (centers[i + 1] - right[0], lines[0]))
            layer = columns[i] if columns[i].title else columns[i + 1]
            if layer.goes_back or not columns[i + 1].title:
                self.arrow((centers[i + 1] - right[1], lines[1]), (centers[i] + left[1], lines[1]))


def _half(column: Column, box: Box | None, scale: float) -> float:
    if column.title:
        return _text_width(column.title) / 2 + LINE / 4
    return sides(box, scale)[0] / 2 if box else 0


@lru_cache
def _text_width(text: str, bold: bool = False) -> float:
    prop = FontProperties(weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=SIZE, prop=prop).get_extents().width) / 72 * 1.03


def _label_width(box: Box) -> float:
    return max(_text_width(line, bold=i == 0) for i, line in enumerate(box.lines()))


def _column_width(column: Column, scale: float) -> float:
    boxes = [box for box in (column.forward, column.backward, *column.above, *column.below) if box is not None]
    texts = [column.title, *column.kept]
    return max(
        *(max(sides(box, scale)[0], _label_width(box)) for box in boxes),
        *(_text_width(text) + LINE / 2 for text in texts if text),
        0,
        0,
    )
