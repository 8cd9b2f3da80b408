"""What the picture of a network is made of, and how large each part of it is, in inches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LARGEST, SMALLEST = 1.5, 0.04  # the longest side, and one that would be too thin to see
PAD = 0.08  # between a box and its label
SIZE = 8.5  # of the text, in points
LINE = SIZE * 1.3 / 72


class Box(NamedTuple):
    """An array: its name, a formula or so below it, its axes in words, its sizes."""

    name: str
    note: str
    axes: str
    shape: tuple[int, ...]

    def lines(self) -> list[str]:
        sizes = " × ".join(map(str, self.shape)) or "one number"
        return [line for line in (self.name, self.note, f"{self.axes}  {sizes}".strip()) if line]


class Column(NamedTuple):
    """An array with its gradient, or, with a title, a layer: parameters, what it keeps, their gradients."""

    title: str = ""
    forward: Box | None = None
    backward: Box | None = None
    above: Sequence[Box] = ()
    kept: Sequence[str] = ()
    below: Sequence[Box] = ()
    learns: bool = True  # what stands above is learned, not given
    goes_back: bool = True  # of a layer: whether a gradient leaves it to the left


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
    kept = max((LINE * (len(c.kept) + 2.5) for c in columns), default=0)
    return [
        max((stack_height(c.above, scale) for c in columns), default=0),
        max(tallest(forward, scale) + PAD + LINE * labels[0], kept + tallest(forward, scale) / 2),
        tallest(backward, scale) + PAD + LINE * labels[1],
        max((stack_height(c.below, scale) for c in columns), default=0),
    ]
