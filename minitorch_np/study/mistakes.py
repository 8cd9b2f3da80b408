"""The usual mistakes in a backward pass, each with what its wrong gradient looks like.

A mistake is named only if it explains every element: it makes the wrong gradient out of the right one,
or the right one out of the wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Evidence(NamedTuple):
    """A gradient that is wrong, the right one, and what may tell how the one became the other."""

    name: str
    got: Array
    right: Array
    x: Array
    y: Array
    dy: Array
    v: Array  # the variable itself
    y_at: Callable[[Array], Array]  # the output for another v
    jacobian: Callable[[], Array]  # ∂y/∂v, of the shape of v followed by that of y
    others: Mapping[str, Array]  # the parameters and inputs besides x and v
    derivative: Callable[[Array, Array], Array] | None = None  # of an activation
    target: Array | None = None  # of a loss

    def right_for(self, dy: Array) -> Array:
        """The right gradient for another dy."""
        return np.tensordot(self.jacobian(), dy, dy.ndim) if dy.ndim else self.jacobian() * dy


def alike(a: Any, b: Array) -> bool:
    """Equal but for the error of difference quotients, and not only because nearly all is 0."""
    scale = float(np.abs(b).max(initial=0))
    return np.shape(a) == b.shape and scale > 0 and np.allclose(a, b, rtol=1e-4, atol=1e-5 * scale)


LARGEST = 400  # elements; the Jacobian of more takes too long


def transposed(e: Evidence) -> str | None:
    """(out, in) in place of (in, out)."""
    if e.got.ndim == 2 and alike(e.got.T, e.right) and not alike(e.got, e.right):
        return "it looks like the transpose of the right one: swap the factors of the product, or add .T"
    return None


def weight_not_transposed(e: Evidence) -> str | None:
    """dx = dy W, which fits only where W is square, in place of dy Wᵀ."""
    for weight in e.others.values():
        square = weight.ndim == 2 and weight.shape == (e.dy.shape[-1:] * 2)
        if e.name == "x" and square and any(alike(e.got, e.dy @ w) for w in (weight, weight.T)):
            return "it is dy times the weight the wrong way round: dx = dy Wᵀ where y = x W"
    return None


def axis_not_summed(e: Evidence) -> str | None:
    """What was broadcast on the way forward has to be summed on the way back."""
    if e.got.ndim < e.right.ndim or e.got.shape == e.right.shape:
        return None
    for axis in range(e.got.ndim):
        for keepdims in (False, True):
            if alike(e.got.sum(axis=axis, keepdims=keepdims), e.right):
                return (
                    f"its axis {axis} has to be summed: {e.name} was broadcast along it, so every copy "
                    f"adds its part, .sum(axis={axis}{', keepdims=True' if keepdims else ''})"
                )
    return None


def nothing(e: Evidence) -> str | None:
    """All zeros."""
    return None if e.got.any() else "it is 0 everywhere: is it computed at all?"


def constant_factor(e: Evidence) -> str | None:
    """2, 1/2, the number of samples or of elements, a sign."""
    if e.got.shape != e.right.shape or not np.isfinite(e.got).all() or not e.right.any():
        return None
    factor = float((e.got * e.right).sum() / np.square(e.right).sum())
    if not alike(e.got, factor * e.right):
        return None
    n = len(e.x) if e.x.ndim > 1 else 1
    size = e.y.size if e.y.ndim else e.x.size
    known = [
        (-1, "it is the right one with the other sign"),
        (1 / n, f"it is 1/N of the right one, N = {n}: averaged over the batch where the sum belongs"),
        (n, f"it is N times the right one, N = {n}: summed over the batch where the mean belongs"),
        (1 / size, f"it is the right one divided by the number of elements, {size}"),
        (size, f"it is {size} times the right one, the number of elements: a division is missing"),
        (2, "it is twice the right one: a factor 2 is too much"),
        (0.5, "it is half the right one: a factor 2 (of a square?) is missing"),
    ]
    if e.right.size > 1:  # of one number everything is a multiple
        known.append((factor, f"it is {factor:.4g} times the right one everywhere"))
    return next((text for value, text in known if abs(factor - value) <= 1e-3 * abs(value)), None)


def mask_turned_round(e: Evidence) -> str | None:
    """Nonzero just where it should be zero."""
    if e.got.shape != e.right.shape or e.dy.shape != e.right.shape:
        return None
    got, right = e.got != 0, np.abs(e.right) > 1e-9
    if right.any() and not right.all() and np.array_equal(got, ~right):
        return "its mask looks turned round: it is nonzero just where it should be 0, and 0 elsewhere"
    return None


def upstream_left_out(e: Evidence) -> str | None:
    """As if dy were 1."""
    if alike(e.got, e.right_for(np.ones_like(e.dy))):
        return "dy is left out: it is the right one for a dy of ones. Multiply by dy (the chain rule)"
    return None


def wrong_argument(e: Evidence) -> str | None:
    """x where the formula needs y, or the other way round."""
    if e.derivative is None or e.x.shape != e.y.shape:
        return None
    with np.errstate(all="ignore"):
        for argument, other, value in (("x", "y", e.y), ("y", "x", e.x)):
            if alike(e.dy * e.derivative(value, value), e.right):
                return f"its formula takes {argument} where {other} belongs"
    return None


def another_axis(e: Evidence) -> str | None:
    """The sum in the gradient of softmax along an axis that is not the forward's."""
    if e.y.shape != e.x.shape or e.got.shape != e.x.shape:
        return None
    for axis in [*range(e.y.ndim), None]:
        inner = (e.dy * e.y).sum(axis=axis, keepdims=True)
        if alike(e.got, e.y * (e.dy - inner)):
            where = "over all axes" if axis is None else f"along axis {axis}"
            return f"the sum in softmax's gradient, Σ dy·y, is taken {where}: forward normalises along another"
    return None


def only_the_diagonal(e: Evidence) -> str | None:
    """As if every output depended on one input."""
    if e.y.shape != e.x.shape or e.got.shape != e.x.shape or e.x.size > LARGEST:
        return None
    diagonal = np.empty_like(e.x)
    for index in np.ndindex(e.x.shape):
        one = np.zeros_like(e.dy)
        one[index] = 1
        diagonal[index] = e.right_for(one)[index]
    if alike(e.got, e.dy * diagonal):
        return (
            "it takes each output to depend on its own input alone, dy·∂yᵢ/∂xᵢ: the terms ∂yᵢ/∂xⱼ of the "
            "others are missing (softmax and normalisation have them)"
        )
    return None


def statistics_as_constants(e: Evidence) -> str | None:
    """Normalisation, with mean and variance taken not to depend on x."""
    if e.y.shape != e.x.shape or e.got.shape != e.x.shape:
        return None
    for axis in range(e.x.ndim):
        std = e.x.std(axis=axis, keepdims=True)
        centred = e.dy - e.dy.mean(axis=axis, keepdims=True)
        for passed, what in ((e.dy, "mean and variance"), (centred, "the variance")):
            if std.all() and alike(e.got, passed / std):
                return f"it takes {what} as constants, but x moves them too: that adds terms to the gradient"
    return None


def one_sample(e: Evidence) -> str | None:
    """The sum over the batch left out."""
    if e.dy.ndim < 2 or len(e.dy) < 2 or e.name == "x":
        return None
    for i, which in ((0, "first"), (len(e.dy) - 1, "last")):
        one = np.zeros_like(e.dy)
        one[i] = e.dy[i]
        if alike(e.got, e.right_for(one)):
            return f"it is that of the {which} sample alone: the sum over the batch is missing"
    return None


def constant_offset(e: Evidence) -> str | None:
    """Something added."""
    if e.got.shape != e.right.shape or e.got.size <= 2:
        return None
    added = float(np.mean(e.got - e.right))
    scale = max(float(np.abs(e.right).max()), abs(added))
    if np.ptp(e.got - e.right) < 1e-4 * scale and abs(added) > 1e-3 * scale:
        return f"it is the right one plus {added:.4g} everywhere"
    return None


SUSPECTS = (
    nothing,
    transposed,
    weight_not_transposed,
    axis_not_summed,
    constant_factor,
    mask_turned_round,
    upstream_left_out,
    wrong_argument,
    another_axis,
    statistics_as_constants,
    only_the_diagonal,
    one_sample,
    constant_offset,
)


def likely_mistake(e: Evidence) -> str:
    """Return the first mistake that explains the gradient, or which elements are wrong."""
    for fits in SUSPECTS:
        if (text := fits(e)) is not None:
            return text
    return _place(e)


def _place(e: Evidence) -> str:
    if e.got.shape != e.right.shape:
        return "no usual mistake explains it"
    wrong = ~np.isclose(e.got, e.right, rtol=1e-3, atol=1e-5)
    for axis, what in enumerate(("row", "column")[: wrong.ndim] if wrong.ndim == 2 else ()):
        lines = np.flatnonzero(wrong.any(axis=1 - axis))
        if len(lines) == 1 and wrong.shape[axis] > 1:
            return f"only {what} {lines[0]} is wrong"
    if e.x.shape == wrong.shape and not wrong.all():
        for what, where in (("x < 0", e.x < 0), ("x > 0", e.x > 0)):
            if where[wrong].all() and np.count_nonzero(wrong) > 1 and not where.all():
                return f"it is wrong only where {what}"
    return "no usual mistake explains it"


def forward_mistake(y: Array, expected: Array, x: Array) -> str:
    """Return what explains that a forward pass gives y in place of another."""
    return ""
