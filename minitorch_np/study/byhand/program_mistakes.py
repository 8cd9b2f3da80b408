"""The usual mistakes in a program written by hand, each with what its wrong array looks like.

A mistake is named only if it explains every element. Most are found by trying: the statements of the
right program are run once more, with one of the arrays that they use replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.byhand.matching import close
from minitorch_np.study.byhand.reference import Reference
from minitorch_np.study.mistakes import Evidence, alike, likely_mistake

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Case(NamedTuple):
    """A wrong array and what is known around it.

    `used` are the arrays that make it, `others` all arrays of the step so far, `updated` the weights
    after this step, `earlier` the arrays of the step before; all by the reference's names. `names`
    are the program's own names for them, `text` the program's lines that make the array, `late` the
    arrays that the program makes only after it. `made_with` makes it again with other arrays;
    `right_before` and `right_after` are the right one of the step before and, of a loss, of the next.
    """

    name: str
    got: Array
    right: Array
    weight_before: Array | None
    used: Mapping[str, Array]
    others: Mapping[str, Array]
    updated: Mapping[str, Array]
    earlier: Mapping[str, Array]
    names: Mapping[str, str]
    text: str
    late: frozenset[str]
    made_with: Callable[[Mapping[str, Array]], Array | None]
    right_before: Array | None = None
    right_after: Array | None = None

    def mentions(self, name: str) -> bool:
        """Whether the program's lines mention its variable for an array of the reference."""
        variable = self.names.get(name, name)
        if variable.isidentifier():
            return variable in re.findall(r"\w+", self.text)
        return variable in self.text.replace('"', "'")

    def call(self, name: str) -> str:
        """An array by the program's name, and the reference's where that differs."""
        own = self.names.get(name, name)
        return name if own == name else f"{own} ({name})"


class Swap(NamedTuple):
    """One array in the place of another makes the wrong array: what to say, and whether the line shows it."""

    text: str
    shown: bool


def same(case: Case, candidate: Array | None) -> bool:
    """Whether this is the wrong array, to within rounding."""
    return candidate is not None and candidate.shape == case.got.shape and close(case.got, candidate)


def swaps(case: Case) -> list[Swap]:
    """The replacements of one array that make the wrong one."""
    found = []
    for name, array in case.used.items():
        for text, candidate, other in _replacements(case, name, array):
            if candidate.shape == array.shape and same(case, case.made_with({name: candidate})):
                shown = case.mentions(other) and (other == name or not case.mentions(name))
                found.append(Swap(text, shown))
    return found


def _replacements(case: Case, name: str, array: Array) -> list[tuple[str, Array, str]]:
    """(what to say, the replacement, which array it is) for one of the arrays used."""
    own, found = case.call(name), []
    if name in case.updated:
        text = f"it is made with {own} after its update: compute all gradients first, update then"
        found.append((text, case.updated[name], name))
    if name in case.earlier:
        found.append((f"it is made with the {own} of the step before", case.earlier[name], name))
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        found.append((f"{own} stands in it the wrong way round: .T too much, or missing", array.T, name))
    for other, its in {**case.used, **case.others}.items():
        if other != name and its.shape == array.shape and not np.array_equal(its, array):
            late = f": {own} is made only after it" if name in case.late else ""
            found.append((f"it is made with {case.call(other)} where {own} belongs{late}", its, other))
    return found


def not_updated(case: Case) -> str | None:
    """The weight stays as it was."""
    if case.weight_before is None or not np.array_equal(case.got, case.weight_before):
        return None
    return "it is not updated: it stays as it was before the step"


def update_scaled(case: Case) -> str | None:
    """A step in the right direction, or the opposite one, of another length."""
    if case.weight_before is None:
        return None
    got, right = case.got - case.weight_before, case.right - case.weight_before
    size = float(np.square(right).sum())
    factor = float((got * right).sum()) / size if size > 0 and np.isfinite(got).all() else 0.0
    allowed = 1e-4 * float(np.abs(right).max(initial=0)) * max(1.0, abs(factor))
    allowed += 8 * float(np.finfo(right.dtype).eps) * float(np.abs(case.right).max(initial=0))
    if not factor or not (np.abs(got - factor * right) <= allowed).all():
        return None
    if abs(factor + 1) < 1e-3:
        return "its update has the wrong sign: gradient descent subtracts, w -= learning_rate * gradient"
    return (
        f"its step is {factor:.4g} times as long as it should be: is its learning rate the one of the others?"
    )


def momentum(case: Case) -> str | None:
    """A part of the step before in this one."""
    earlier = case.earlier.get(case.name)
    if case.weight_before is None or earlier is None:
        return None
    last, extra = case.weight_before - earlier, case.got - case.right
    size = float(np.square(last).sum())
    factor = float((extra * last).sum()) / size if size > 0 and np.isfinite(extra).all() else 0.0
    if not 0 < factor < 1 or not alike(extra, factor * last):
        return None
    return f"its step has {factor:.4g} of the step before in it: momentum, which this optimizer has not"


def stale(case: Case) -> str | None:
    """The array of the step before."""
    if not same(case, case.earlier.get(case.name)):
        return None
    return "it is that of the step before: it has to be computed in every step, inside the loop"


def another_time(case: Case) -> str | None:
    """The right one, of another step."""
    if case.right_after is not None and same(case, case.right_after):
        return "it is what it becomes by the update: compute it before the weights are updated"
    return "it is that of the step before" if same(case, case.right_before) else None


def accumulated(case: Case) -> str | None:
    """The gradient of the step before still in it."""
    before = case.earlier.get(case.name)
    if case.weight_before is not None or before is None or before.shape != case.got.shape or not before.any():
        return None
    if alike(case.got - before, case.right):
        return (
            "the one of the step before is still in it, added up: start afresh in every step, = in place of +="
        )
    return None


def left_out(case: Case) -> str | None:
    """Another array of the program, as it is."""
    fitting = [n for n, a in case.others.items() if n != case.name and same(case, a)]
    used = [name for name in fitting if name in case.used] or fitting
    return f"it is {case.call(used[0])} unchanged: what comes between the two is left out" if used else None


def swapped_as_shown(case: Case) -> str | None:
    """A wrong name in the line."""
    return next((swap.text for swap in swaps(case) if swap.shown), None)


def swapped(case: Case) -> str | None:
    """The wrong array, whatever the line calls it."""
    return next((swap.text for swap in swaps(case)), None)


MISTAKES = (
    not_updated,
    update_scaled,
    momentum,
    stale,
    another_time,
    swapped_as_shown,
    left_out,
    swapped,
    accumulated,
)


def mistake_of(case: Case) -> str | None:
    """The first mistake that explains the array."""
    return next((text for mistake in MISTAKES if (text := mistake(case)) is not None), None)


def explanation(case: Case, reference: Reference, dy: str) -> str:
    """Return the mistake that explains the array, of a program or of a layer; dy is a name."""
    if (text := mistake_of(case)) is not None:
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
