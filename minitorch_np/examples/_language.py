"""Names of a made-up language: two or three syllables, whose vowels are all of one kind, as in Finnish."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LETTERS = ".abdefgiklmnorstuvy"  # the point stands before and after a name
LONGEST = 10
RULES = re.compile(r"([bdfgklmnrstv][aou][nrl]?){2,3}|([bdfgklmnrstv][eiy][nrl]?){2,3}")


def drawn(count: int, rng: np.random.Generator) -> list[str]:
    """Names by the rules."""
    names = []
    for vowels in rng.choice(["aou", "eiy"], count):
        parts = [list("bdfgklmnrstv"), list(vowels), ["", "", "n", "r", "l"]] * rng.integers(2, 4)
        names.append("".join(rng.choice(part) for part in parts))
    return names


def data(names: list[str]) -> tuple[Array, Array]:
    """The letters, (N, LONGEST), and those that follow them; after the end -100, which the loss ignores."""
    x = np.zeros((len(names), LONGEST), int)
    y = np.full_like(x, -100)
    for i, name in enumerate(names):
        x[i, 1 : len(name) + 1] = y[i, : len(name)] = [LETTERS.index(letter) for letter in name]
        y[i, len(name)] = 0
    return x, y


def text(row: Array) -> str:
    """The name that begins after a point and ends before one."""
    return "".join(LETTERS[code] for code in row[1:]).partition(".")[0]
