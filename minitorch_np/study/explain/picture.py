"""The picture of a network: forward above, backward below, arrays as boxes with sides in proportion."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.textpath import TextPath

from minitorch_np._internal.pictures import Picture
from minitorch_np.layers.activation import Activation
from minitorch_np.study.explain import formulas
from minitorch_np.study.explain.axes import axes_text
from minitorch_np.study.explain.formulas import backward_formulas, loss_formulas, order_of, split_formula
from minitorch_np.study.explain.run import ONE_AFTER_THE_OTHER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minitorch_np.losses.loss import Loss
    from minitorch_np.study.explain.axes import Named
    from minitorch_np.study.explain.chain import Chain, SavedArray, Step

LARGEST, SMALLEST = 1.5, 0.04  # the longest side, and one that would be too thin to see

PAD = 0.08  # between a box and its label

SIZE = 8.5  # of the text, in points

LINE = SIZE * 1.3 / 72


NARROW = 30  # letters of a label that are not broken into two lines


class Box(NamedTuple):
    """An array: its name, a formula or so below it, its axes in words, its sizes."""

    name: str
    note: str
    axes: str
    shape: tuple[int, ...]

    def lines(self) -> list[str]:
        sizes = " × ".join(map(str, self.shape)) or "one number"
        shape = [f"{self.axes}  {sizes}".strip()]
        if len(shape[0]) > NARROW:
            shape = [self.axes, sizes]
        note = [self.note]
        if len(self.note) > NARROW and " · " in self.note:
            left, _, right = self.note.partition(" · ")
            note = [left, f"· {right}"]
        return [line for line in (self.name, *note, *shape) if line]


class Column(NamedTuple):
    """An array with its gradient, or, with a title, a layer: parameters, what it saves, their gradients."""

    title: str = ""
    forward: Box | None = None
    backward: Box | None = None
    above: Sequence[Box] = ()
    saved: Sequence[str] = ()
    below: Sequence[Box] = ()
    learns: bool = True  # what stands above is learned, not given
    goes_back: bool = True  # of a layer: whether a gradient leaves it to the left
    frames: tuple[str, ...] = ()  # the layers that this one is inside of, the outermost first
    begins: bool = False  # of an array: a branch, or what comes after one, begins on a line of its own


def scale_of(columns: Sequence[Column]) -> float:
    boxes = [box for c in columns for box in (c.forward, c.backward, *c.above, *c.below) if box is not None]
    longest = max(max(box.shape[-1] if box.shape else 1, math.prod(box.shape[:-1])) for box in boxes)
    return LARGEST / math.sqrt(max(longest, 25))


def sides(box: Box, scale: float) -> tuple[float, float]:
    """Width and height in inches: the last axis, and those before it together."""
    width, height = box.shape[-1] if box.shape else 1, math.prod(box.shape[:-1])
    return max(SMALLEST, scale * math.sqrt(width)), max(SMALLEST, scale * math.sqrt(height))


def tallest(boxes: Sequence[Box | None], scale: float) -> float:
    return max((sides(box, scale)[1] for box in boxes if box is not None), default=LINE)


def stack_height(boxes: Sequence[Box], scale: float) -> float:
    return sum(sides(box, scale)[1] + 2 * PAD + LINE * len(box.lines()) for box in boxes)


def row_heights(columns: Sequence[Column], scale: float) -> list[float]:
    forward, backward = [c.forward for c in columns], [c.backward for c in columns]
    labels = [max((len(box.lines()) for box in row if box), default=0) for row in (forward, backward)]
    saved = max((LINE * (len(c.saved) + 2.5) for c in columns), default=0)
    return [
        max((stack_height(c.above, scale) for c in columns), default=0),
        max(tallest(forward, scale) + PAD + LINE * labels[0], saved + tallest(forward, scale) / 2),
        tallest(backward, scale) + PAD + LINE * labels[1],
        max((stack_height(c.below, scale) for c in columns), default=0),
    ]


LONGEST = 34  # letters of a formula that still fits below a box


def columns(chain: Chain) -> list[Column]:
    """Arrays and layers in turn, from x to the loss, or without one to the prediction."""
    first = chain.steps[0].arrays.get("dx") if chain.steps else chain.dy
    note = _input_note(chain.steps[0]) if chain.steps else _start(chain)
    found = [Column(forward=_box(chain.x), backward=first and _box(first, note))]
    found += _flow(chain.steps, _start(chain), ())
    return [*found, *(_loss(chain, chain.loss) if chain.loss is not None else [])]


def _flow(steps: Sequence[Step], start: str, frames: tuple[str, ...]) -> list[Column]:
    """Layers and their outputs in turn; `start` stands below the gradient of the last output."""
    found = []
    for step, after in itertools.zip_longest(steps, steps[1:]):
        y, dy = step.arrays["y"], step.arrays["dy"]
        note = start if after is None else _input_note(after)
        formula = split_formula(step)[0]
        if step.joined == ONE_AFTER_THE_OTHER:
            found += _flow(step.branches[0].steps, note, (*frames, type(step.layer).__name__))
            found[-1] = found[-1]._replace(frames=frames)
            continue
        if step.branches:
            found += _branches(step, frames)
            formula = f"{y.name} = {formulas.joined_text(step, [branch.y.name for branch in step.branches])}"
        else:
            found.append(_layer(step, frames))
        found.append(Column(forward=_box(y, _note(y.name, formula)), backward=_box(dy, note), frames=frames))
    return found


def _branches(step: Step, frames: tuple[str, ...]) -> list[Column]:
    """The branches, on a line each but for the first, and where they meet."""
    name, x, dy = type(step.layer).__name__, step.arrays["x"], step.arrays["dy"]
    inside = [branch for branch in step.branches if branch.steps]
    around = (*frames, name)
    found: list[Column] = []
    for branch in inside:
        if found:
            dx = branch.dx and _box(branch.dx, _input_note(branch.steps[0]))
            found.append(Column(forward=_box(x), backward=dx, frames=frames, begins=True))
        frame = around if len(inside) == 1 else (*frames, f"{name}, {branch.name}")
        start = f"= {dy.name}" if step.joined == "sum" else f"a part of {dy.name}"
        found += _flow(branch.steps, start, frame)
    main = inside[0] if inside else step.branches[0]
    if len(inside) > 1:
        found.append(Column(forward=_box(main.y), backward=_box(main.dy), frames=around, begins=True))
    others = [branch for branch in step.branches if branch is not main]
    meet = Column(
        title="+" if step.joined == "sum" else "side by side",
        above=[_box(branch.y) for branch in others],
        below=[_box(branch.dy, "" if branch.steps else f"to {x.name}") for branch in others],
        learns=False,
        frames=around,
    )
    return [*found, meet]


def _layer(step: Step, frames: tuple[str, ...]) -> Column:
    notes = _gradient_notes(step)
    return Column(
        title=repr(step.layer).partition("(")[0],
        above=[_box(step.arrays[symbol]) for symbol in step.parameters],
        saved=_saved_arrays(step.saved),
        below=[_box(step.arrays[f"d{symbol}"], notes.get(f"d{symbol}", "")) for symbol in step.parameters],
        goes_back="dx" in step.arrays,
        frames=frames,
    )


def _input_note(step: Step) -> str:
    """The formula of the gradient that a step gives back."""
    if step.joined == ONE_AFTER_THE_OTHER:
        return _input_note(step.branches[0].steps[0])
    if not step.branches:
        return _gradient_notes(step).get("dx", "")
    text = " + ".join(branch.dx.name for branch in step.branches if branch.dx is not None)
    return f"= {text}" if text and len(text) <= LONGEST else ""


def _loss(chain: Chain, loss: Loss) -> Iterator[Column]:
    above = [_box(chain.target)] if chain.target is not None else []
    yield Column(title=type(loss).__name__, above=above, learns=False, saved=_saved_arrays(chain.loss_saved))
    value = np.asarray(chain.value)
    said = f"= {value:.4g}" if not value.ndim else ""
    yield Column(forward=Box("loss", said, "", value.shape), backward=Box("grad_loss", "= 1", "", value.shape))


def _start(chain: Chain) -> str:
    """What stands below the gradient that the backward pass starts with."""
    if chain.loss is None:
        return "random, without a loss"
    return _note(chain.dy.name, loss_formulas(chain, chain.loss)[1])


def _gradient_notes(step: Step) -> dict[str, str]:
    """The formulas of a layer's gradients that are short enough for a picture."""
    text = backward_formulas(step.layer)
    if isinstance(step.layer, Activation):
        found = re.search(r"dx = ([^,.;]*)", text)
        return {"dx": f"= {step.renamed(found[1])}"} if found else {}
    notes = {}
    for equation in formulas.equations(text, step.arrays):
        right = str(order_of(step, equation)) if equation.right else f"Σ_n {step.arrays[equation.left].name}[n]"
        notes[equation.target] = f"= {right}"
    return notes


def _note(name: str, formula: str) -> str:
    """`= x w1` of `h = x w1`, where it is short."""
    left, equals, right = formula.partition(" = ")
    return f"= {right}" if equals and left == name and len(right) <= LONGEST else ""


def _box(array: Named, note: str = "") -> Box:
    return Box(array.name, note, axes_text(array.axes), array.value.shape)


def _saved_arrays(saved: Sequence[SavedArray]) -> list[str]:
    names = list(dict.fromkeys(one.name for one in saved if one.name))
    unnamed = sum(not one.name for one in saved)
    if unnamed:
        names.append("an array" if unnamed == 1 else f"{unnamed} arrays")
    return ["saves", *names] if names else []


GAP = 0.34  # inches between columns, and between rows

FRAME = 1.5 * LINE  # height of the name of a frame

WIDEST, OF_A_NOTEBOOK = 14, 10.5  # inches; a notebook shrinks what is wider than a page

DATA, LEARNED, INK = "#0072B2", "#D55E00", "#333333"

LEGEND = (
    "Sides are in proportion to the square roots of the sizes. Blue: data on its way; orange: what is "
    "learned; hatched: gradients, each in the shape of its array; dashed: saved by forward for backward."
)

IN_FRAMES = " Grey: layers inside another; where their branches meet, the others arrive from above."


def draw(columns: Sequence[Column], figure: Figure | None = None, widest: float | None = None) -> Figure:
    """The picture, in a figure that is made as large as it has to be; long networks go on below."""
    scale = scale_of(columns)
    gutter = _text_width("backward", bold=True) + GAP
    bands = list(_bands(columns, scale, widest or WIDEST))
    if len(bands) > 1:
        bands = list(_bands(columns, scale, (widest or WIDEST) - gutter))
    width = gutter + max(_band_width(band, scale) for band in bands)
    letter = _text_width(LEGEND) / len(LEGEND)
    said = LEGEND + IN_FRAMES * any(column.frames for column in columns)
    legend = textwrap.wrap(said, int((width - 2 * GAP) / letter * 0.94))
    heights = [row_heights(band, scale) for band in bands]
    rooms = [FRAME * max(len(column.frames) for column in band) for band in bands]  # for the frames' names
    tall = [sum(rows) + 4 * GAP + room for rows, room in zip(heights, rooms, strict=True)]
    height = sum(tall) + GAP + LINE * len(legend)
    figure = figure or Picture()
    figure.set_layout_engine("none")
    figure.set_size_inches(width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    canvas = _Canvas(axes, scale)
    top = height
    for band, rows, room, whole in zip(bands, heights, rooms, tall, strict=True):
        canvas.band(band, rows, gutter, top - room)
        canvas.frames(band, gutter, top, top - whole)
        top -= whole
    for i, line in enumerate(legend):
        canvas.text(GAP, GAP / 2 + LINE * (len(legend) - 1 - i), line, ha="left", va="bottom")
    return figure


def _bands(columns: Sequence[Column], scale: float, widest: float) -> Iterator[Sequence[Column]]:
    """Parts that are not too wide; the array at the end of one begins the next, but for that of a branch."""
    starts = [0, *(i for i, column in enumerate(columns) if column.begins), len(columns)]
    for first, last in itertools.pairwise(starts):
        start = first
        while start < last - 1 or start == first:
            end = start + 3
            while end < last and _band_width(columns[start : end + 2], scale) <= widest:
                end += 2
            yield columns[start : min(end, last)]
            start = end - 1


def _band_width(band: Sequence[Column], scale: float) -> float:
    return sum(_column_width(column, scale) for column in band) + GAP * (len(band) + 1)


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

    def band(self, columns: Sequence[Column], heights: Sequence[float], left: float, top: float) -> None:
        """Columns beside each other, from `left` and `top` on."""
        centers = self.centers(columns, left)
        tops = [top - GAP - sum(heights[:i]) - GAP * i for i in range(4)]
        lines = [tops[1] - tallest([c.forward for c in columns], self.scale) / 2]
        lines.append(tops[2] - tallest([c.backward for c in columns], self.scale) / 2)
        for y, name in zip(lines, ("forward", "backward"), strict=True):
            self.text(GAP, y, name, weight="bold", ha="left")
        for column, center in zip(columns, centers, strict=True):
            self.column(column, center, tops, lines)
        self.arrows(columns, centers, lines)

    def centers(self, columns: Sequence[Column], left: float) -> list[float]:
        widths = [_column_width(column, self.scale) for column in columns]
        return [left + GAP * (i + 1) + sum(widths[:i]) + w / 2 for i, w in enumerate(widths)]

    def frames(self, columns: Sequence[Column], left: float, top: float, bottom: float) -> None:
        """Around the columns of each layer that has others inside it, with its name."""
        centers = self.centers(columns, left)
        names = [column.frames for column in columns]
        for depth in range(max(map(len, names))):
            start = 0
            for frame, some in itertools.groupby(names, key=itemgetter(slice(depth + 1))):
                first, start = start, start + len(list(some))
                if len(frame) > depth:
                    self.frame(columns[first:start], centers[first:start], depth, top, bottom)

    def frame(
        self, columns: Sequence[Column], centers: Sequence[float], depth: int, top: float, bottom: float
    ) -> None:
        space = GAP * (0.45 - 0.12 * depth)
        left = centers[0] - _column_width(columns[0], self.scale) / 2 - space
        right = centers[-1] + _column_width(columns[-1], self.scale) / 2 + space
        top, bottom = top - GAP / 2 - FRAME * depth, bottom + GAP * 0.1 * (depth - 1)
        style: dict[str, Any] = {"facecolor": "0.5", "alpha": 0.08, "linewidth": 0, "zorder": 0}
        corners = f"round,pad=0,rounding_size={LINE / 2:.3f}"
        self.axes.add_patch(
            FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle=corners, **style)
        )
        self.text(left + PAD, top - FRAME / 2, columns[0].frames[depth], ha="left", style="italic")

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
        if column.saved:
            self.arrow((x, lines[0] - half), (x, lines[1] + half), linestyle=(0, (4, 2)))
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            self.text(x, (lines[0] + lines[1]) / 2, "\n".join(column.saved), bbox=ground, zorder=5)
        if column.below:
            self.stack(column.below, x, tops[3], LEARNED if column.learns else DATA, "////")
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
    ends = TextPath((0, 0), text, size=SIZE, prop=prop).vertices[:, 0]
    return float(np.ptp(ends)) / 72 * 1.03


def _label_width(box: Box) -> float:
    return max(_text_width(line, bold=i == 0) for i, line in enumerate(box.lines()))


def _column_width(column: Column, scale: float) -> float:
    boxes = [box for box in (column.forward, column.backward, *column.above, *column.below) if box is not None]
    texts = [column.title, *column.saved]
    return max(
        *(max(sides(box, scale)[0], _label_width(box)) for box in boxes),
        *(_text_width(text) + LINE / 2 for text in texts if text),
        0,
        0,
    )
