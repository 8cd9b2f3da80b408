"""The mistake that explains a wrong array, of a program or of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.study.byhand.reference import Reference
from minitorch_np.study.byhand.slips import Case, slip_of
from minitorch_np.study.mistakes import Evidence, likely_mistake

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def explanation(case: Case, reference: Reference, dy: str) -> str:
    """Return the mistake that explains the array, of a program or of a layer; dy is a name."""
    if (text := slip_of(case)) is not None:
        return text
    if case.weight_before is not None:
        return "no usual mistake explains it"
    return likely_mistake(evidence(case, reference, dy))


def evidence(case: Case, reference: Reference, dy: str) -> Evidence:
    """A wrong array as the gradient check takes it: with x, y and dy of the layer that makes it."""
    upstream = case.used.get(dy, np.zeros_like(case.right))
    weight = reference.weight_of(case.name)
    plain = [a for n, a in case.used.items() if n not in reference.weights and not reference.is_gradient(n)]
    y = case.others.get(dy.removeprefix("grad_"), case.right)  # dy is the gradient of it

    def right_for(other: Array) -> Array:
        made = case.made_with({dy: other}) if dy else None
        return np.zeros_like(case.right) if made is None else made

    weights = tuple(a for n, a in case.used.items() if n in reference.weights)
    name = reference.place(weight).what if weight else "x"
    x = plain[0] if plain else y
    return Evidence(name, case.got, case.right, x, y, upstream, right_for, None, weights)
