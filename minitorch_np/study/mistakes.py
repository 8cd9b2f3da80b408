"""The usual mistakes in a backward pass, each with what its wrong gradient looks like.

A mistake is named only if it explains every element: it makes the wrong gradient out of the right one,
or the right one out of the wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.study.evidence import Evidence, alike, subsets
from minitorch_np.study.normalisation_mistakes import further_normalisation, normalisation
from minitorch_np.study.wrong_terms import OF_FORMULAS, OF_PLACES, beyond_a_limit

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


LARGEST = 400  # elements of x
MOST = 500_000  # elements of a Jacobian
UNNAMED = "no usual mistake explains it"


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
    for axes in subsets(e.got.ndim)[1:]:
        for keepdims in (False, True):
            if alike(e.got.sum(axis=axes, keepdims=keepdims), e.right):
                one = len(axes) == 1
                which = f"axis {axes[0]} has" if one else f"axes {_listed(axes)} have"
                return (
                    f"its {which} to be summed: {e.name} was broadcast along {'it' if one else 'them'}, so "
                    f"every copy adds its part, .sum(axis={axes[0] if one else axes}"
                    f"{', keepdims=True' if keepdims else ''})"
                )
    return None


def other_axis_summed(e: Evidence) -> str | None:
    """dy summed over other axes than those along which it was broadcast."""
    wanted, given = (_summed_axes(e.dy, gradient) for gradient in (e.right, e.got))
    if wanted is None or given is None or wanted == given:
        return None
    return f"it is dy summed over {_axes(given)}: the sum belongs over {_axes(wanted)}"


def _summed_axes(dy: Array, gradient: Array) -> tuple[int, ...] | None:
    """The axes over which dy is summed in a gradient, None if it is no such sum."""
    for axes in subsets(dy.ndim)[1:]:
        total = dy.sum(axis=axes)
        if total.size == gradient.size and alike(np.reshape(total, gradient.shape), gradient):
            return axes
    return None


def padding_left_on(e: Evidence) -> str | None:
    """The gradient of the padded x."""
    if e.got.ndim != e.right.ndim or e.got.shape == e.right.shape:
        return None
    more = [a - b for a, b in zip(e.got.shape, e.right.shape, strict=True)]
    if min(more) < 0 or any(m % 2 for m in more):
        return None
    inner = e.got[tuple(slice(m // 2, n - m // 2) for m, n in zip(more, e.got.shape, strict=True))]
    return "the padding is still on it: cut it off" if alike(inner, e.right) else None


def other_order(e: Evidence) -> str | None:
    """The right numbers at wrong places."""
    if e.got.size < 6 or e.got.size != e.right.size or not alike(np.sort(e.got, None), np.sort(e.right, None)):
        return None
    return "it has the right numbers at other places: reshape does not turn axes round, transpose does"


def _listed(axes: tuple[int, ...]) -> str:
    return ", ".join(map(str, axes[:-1])) + f" and {axes[-1]}"


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {_listed(axes)}"


def unused(e: Evidence) -> str | None:
    """A gradient of what moves nothing."""
    moves = np.abs(e.right).max(initial=0) > 1e-8
    return None if moves or not e.got.any() else "y does not depend on it here: does forward use it?"


def nothing(e: Evidence) -> str | None:
    """All zeros."""
    return None if e.got.any() else "it is 0 everywhere: is it computed at all?"


def _of_windows(e: Evidence) -> list[tuple[float, str]]:
    """Pooling: k in place of k², the number of x for each y."""
    each = e.x.size // e.y.size if e.x.ndim == e.y.ndim == 4 and e.y.size else 0
    k = round(each**0.5)
    if k < 2 or k * k * e.y.size != e.x.size:
        return []
    what = f"the right one, k = {k}, and a window has k² numbers"
    return [
        (k, f"it is k times {what}: a division by k is missing"),
        (1 / k, f"it is 1/k of {what}: a division by k is too much"),
    ]


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
        *_of_windows(e),
        (1 / n, f"it is 1/N of the right one, N = {n}: averaged over the batch where the sum belongs"),
        (n, f"it is N times the right one, N = {n}: summed over the batch where the mean belongs"),
        (1 / size, f"it is the right one divided by the number of elements, {size}"),
        (size, f"it is {size} times the right one, the number of elements: a division is missing"),
        (2, "it is twice the right one: a factor 2 is too much"),
        (0.5, "it is half the right one: a factor 2 (of a square?) is missing"),
    ]
    array = e.dy if e.dy.ndim else e.x
    for axes in subsets(array.ndim)[1:]:
        count = int(np.prod([array.shape[axis] for axis in axes]))
        known.append(
            (1 / count, f"it is 1/{count} of the right one: averaged over {_axes(axes)} where the sum belongs")
        )
        if e.dy.ndim == 0:
            what = f"it is {count} times the right one: summed over {_axes(axes)} where the mean belongs"
            known.append((count, what))
    if e.y.size and e.x.size % e.y.size == 0 and e.x.size > e.y.size > 1:
        each = e.x.size // e.y.size
        known.append(
            (each, f"it is {each} times the right one, the number of x for each y: a division is missing")
        )
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


def mask_of_forward(e: Evidence) -> str | None:  # noqa: PLR0911, one for each case
    """A mask that is left out, not scaled, taken of dy or drawn anew."""
    if not e.is_elementwise or not e.dy.all():
        return None
    right, got = e.right / e.dy, e.got / e.dy  # elementwise factors
    low, high = float(right.min()), float(right.max())
    if not (np.isclose(right, low, atol=1e-4) | np.isclose(right, high, atol=1e-4)).all() or high - low < 1e-3:
        return None
    mask = np.isclose(right, high, atol=1e-4)
    where = "x > 0" if np.array_equal(mask, e.x > 0) else "its mask is true"
    if np.allclose(got, np.where(e.dy > 0, high, low), atol=1e-4):
        return f"its mask is taken of dy: take the mask of forward, {where}"
    if np.ptp(got) < 1e-4:
        return (
            f"the mask of forward is left out: the slope is {high:.4g} where {where}, and {low:.4g} elsewhere"
        )
    if low == 0 and np.allclose(got, mask * got[mask].mean(), atol=1e-4):
        missing = high / got[mask].mean()
        return f"it has the mask of forward, not scaled as forward does: a factor {missing:.4g} is missing"
    if (np.isclose(got, low, atol=1e-4) | np.isclose(got, high, atol=1e-4)).all() and where[0] == "i":
        return "it has a mask of its own: keep the one that forward drew"
    if np.allclose(got, e.x, rtol=1e-4):
        return "it multiplies by x where the mask of forward belongs"
    return None


def zeros_left_out(e: Evidence) -> str | None:
    """Right where the right one is not 0."""
    if e.got.shape != e.right.shape:
        return None
    scale = float(np.abs(e.right).max(initial=0))
    mask = np.abs(e.right) > 1e-7 * scale
    if (
        mask.all()
        or not np.abs(e.got[~mask]).max(initial=0) > 1e-3 * scale
        or not alike(e.got[mask], e.right[mask])
    ):
        return None
    return "it is right where it should not be 0, and not 0 elsewhere: the mask of forward is left out"


def factor_missing(e: Evidence) -> str | None:
    """A factor of the formula left out, or once too many."""
    if e.got.shape != e.right.shape:
        return None
    for name, factor in e.factors().items():
        if alike(e.got * factor, e.right):
            return f"the factor {name} is missing"
        if alike(e.got, e.right * factor):
            return f"the factor {name} is once too many in it"
    if e.y.shape == e.dy.shape and e.y.ndim and e.jacobian().size <= MOST:
        for name, factor in (("1 − y²", 1 - e.y**2), ("y (1 − y)", e.y * (1 - e.y)), ("1 + y", 1 + e.y)):
            if factor.all() and alike(e.got, e.right_for(e.dy / factor)):
                return f"the factor {name} is missing in what comes back to it"
    return None


FORMS: dict[str, Callable[[Array], Array]] = {
    "y (1 − y)": lambda a: a * (1 - a),
    "1 − y²": lambda a: 1 - a * a,
    "y": lambda a: a,
}


def activated_value(e: Evidence) -> str | None:
    """The derivative at y in place of x, or the formula that takes y given x."""
    if not e.is_elementwise or e.v.shape != e.x.shape or e.target is not None:
        return None
    for form, of in FORMS.items():
        if alike(e.right, e.dy * of(e.y)) and alike(e.got, e.dy * of(e.x)):
            return f"its formula takes x where y belongs: {form}"
    at_x, at_y = ((e.y_at(point + 1e-6) - e.y_at(point - 1e-6)) / 2e-6 for point in (e.x, e.y))
    if alike(e.right, e.dy * at_x) and alike(e.got, e.dy * at_y):
        return "the derivative is taken at the activated value y: it belongs at x"
    return None


def term_missing(e: Evidence) -> str | None:
    """A term of a sum: dy past a layer, the gradient of a penalty, the target."""
    if e.got.shape != e.right.shape:
        return None
    rest = e.right - e.got
    terms = {"dy": e.dy, e.name: e.v, "x": e.x, **e.others}
    if (
        e.target is not None
        and e.target.dtype.kind in "iu"
        and e.x.ndim == 2
        and e.target.shape == e.x.shape[:1]
    ):
        terms["the target"] = np.eye(e.x.shape[1])[e.target]
    elif e.target is not None:
        terms["the target"] = e.target
    for name, term in terms.items():
        if term.shape != rest.shape or not np.any(term) or rest.size < 3:
            continue
        factor = float((rest * term).sum() / np.square(term).sum())
        if not alike(rest, factor * term):
            continue
        if name == "the target":
            return "the target is left out of it: does it subtract it?"
        if name == "dy":
            return (
                "dy itself is missing: what goes past the layer, as in y = x + f(x)"
                if abs(factor - 1) < 1e-3
                else (f"it is the right one and {-factor:.4g} dy")
            )
        return f"a multiple of {name} is missing, {factor:.4g} {name}: the gradient of a penalty?"
    return None


def kernel_not_turned(e: Evidence) -> str | None:
    """A convolution back through the kernel as it is."""
    for name, kernel in e.others.items():
        if kernel.ndim < 3 or e.got.shape != e.right.shape or e.name == name:
            continue
        axes = tuple(range(2, kernel.ndim))
        kept = kernel.copy()
        try:
            kernel[...] = np.flip(kept, axes)
            turned = e.right_now()
        finally:
            kernel[...] = kept
        if alike(e.got, turned):
            return (
                f"it is the right one for a {name} that is turned round: {name}[..., ::-1, ::-1] is missing or "
                "too much (a correlation over dy turns the kernel round; adding up windows of it does not)"
            )
    if (
        e.v.ndim > 2
        and e.got.shape == e.right.shape
        and alike(np.flip(e.got, tuple(range(2, e.v.ndim))), e.right)
    ):
        return "it is turned round: leave the order of its last axes"
    return None


def assigned_not_added(e: Evidence) -> str | None:
    """One part of a sum of several."""
    if e.got.shape != e.right.shape or e.dy.shape != e.y.shape or not e.y.ndim or e.v.size * e.y.size > MOST:
        return None
    parts = e.jacobian() * e.dy
    scale = float(np.abs(e.right).max(initial=0))
    for axes in subsets(e.y.ndim)[:-1]:
        one = parts.sum(axis=tuple(e.v.ndim + axis for axis in axes)).reshape(e.v.size, -1)
        got, right = e.got.reshape(-1, 1), e.right.reshape(-1)
        is_part = np.isclose(one, got, rtol=1e-4, atol=1e-6 * scale).any(axis=1) | (got[:, 0] == 0)
        several = (np.abs(one) > 1e-7 * scale).sum(axis=1) > 1
        wrong = ~np.isclose(got[:, 0], right, rtol=1e-4, atol=1e-6 * scale)
        if is_part.all() and (several & wrong & (got[:, 0] != 0)).any():
            if e.x.dtype.kind in "iu":
                return (
                    f"where an index stands twice its part is assigned, not added: np.add.at(d{e.name}, x, dy)"
                )
            return (
                "it has one of several parts only, as where windows overlap: is each assigned where it "
                "should be added, +=, or are some left out?"
            )
    return None


def later_steps_left_out(e: Evidence) -> str | None:
    """A sequence that is right at its end alone, where nothing comes back from later."""
    if e.got.shape != e.right.shape or e.got.ndim != 3:
        return None
    wrong = ~np.isclose(e.got, e.right, rtol=1e-3, atol=1e-5)
    for axis in range(2):
        lines = np.flatnonzero(wrong.any(axis=(1 - axis, 2)))
        if wrong.shape[axis] > 2 and np.array_equal(lines, np.arange(wrong.shape[axis] - 1)):
            return (
                f"it is right for the last index of axis {axis} alone: what comes back through the later ones "
                "is missing"
            )
    return None


def spread_over_window(e: Evidence) -> str | None:
    """Max pooling whose dy goes to all of the window."""
    if e.x.ndim < 3 or e.y.ndim != e.x.ndim or e.got.shape != e.x.shape or e.x.shape[:2] != e.y.shape[:2]:
        return None  # it is no pooling
    size, out = e.x.shape[2:], e.y.shape[2:]
    for k in range(2, min(size) + 1):
        for s in range(1, k + 1):
            if tuple((n - k) // s + 1 for n in size) != out:
                continue
            spread, both = np.zeros(e.x.shape), (slice(None), slice(None))
            for place in np.ndindex(out):
                window = (slice(i * s, i * s + k) for i in place)
                spread[(*both, *window)] += e.dy[(*both, *(slice(i, i + 1) for i in place))]
            if alike(e.got, spread) or alike(e.got, spread / k ** len(out)):
                return "it is spread over the whole window: of a maximum, the largest element alone gets it"
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
    if alike(e.got, e.dy * e.y) and any(
        alike(e.right, e.y * (e.dy - (e.dy * e.y).sum(axis=axis, keepdims=True))) for axis in range(e.y.ndim)
    ):
        return "the sum in softmax's gradient is missing: dx = y (dy − Σ dy·y)"
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
    unused,
    nothing,
    transposed,
    weight_not_transposed,
    axis_not_summed,
    padding_left_on,
    mask_of_forward,
    other_axis_summed,
    constant_factor,
    mask_turned_round,
    upstream_left_out,
    wrong_argument,
    activated_value,
    another_axis,
    normalisation,
    further_normalisation,
    factor_missing,
    only_the_diagonal,
    one_sample,
    constant_offset,
    spread_over_window,
    later_steps_left_out,
    assigned_not_added,
    term_missing,
    zeros_left_out,
    kernel_not_turned,
    other_order,
    *OF_FORMULAS,
)


def likely_mistake(e: Evidence) -> str:
    """Return the first mistake that explains the gradient, or which elements are wrong."""
    for fits in SUSPECTS:
        if (text := fits(e)) is not None:
            return text
    return _place(e)


def _place(e: Evidence) -> str:
    if e.got.shape != e.right.shape:
        return UNNAMED
    for fits in OF_PLACES:
        if (text := fits(e)) is not None:
            return text
    wrong = ~np.isclose(e.got, e.right, rtol=1e-3, atol=1e-5)
    for axis, what in enumerate(("row", "column")[: wrong.ndim] if wrong.ndim == 2 else ()):
        lines = np.flatnonzero(wrong.any(axis=1 - axis))
        if len(lines) == 1 and wrong.shape[axis] > 1:
            return f"only {what} {lines[0]} is wrong"
    if e.x.shape == wrong.shape and not wrong.all():
        for what, where in (("x < 0", e.x < 0), ("x > 0", e.x > 0)):
            if where[wrong].all() and np.count_nonzero(wrong) > 1 and not where.all():
                return f"it is wrong only where {what}"
    return beyond_a_limit(e) or UNNAMED


def forward_mistake(y: Array, expected: Array, x: Array) -> str:
    """Return what explains that a forward pass gives y in place of another, or nothing."""
    if not np.isfinite(y).all() or not np.any(expected):
        return "it is not finite" if not np.isfinite(y).all() else ""
    for axis in range(x.ndim if x.ndim > 1 and x.shape == y.shape else 0):
        n, std = x.shape[axis], x.std(axis=axis, keepdims=True)
        centred = expected - expected.mean(axis=axis, keepdims=True)
        slope = (y * centred).sum(axis=axis, keepdims=True) / np.square(centred).sum(axis=axis, keepdims=True)
        if np.allclose(slope, np.sqrt((n - 1) / n), rtol=1e-3):
            return f"it divides by N − 1 where N belongs in the variance along axis {axis}, N = {n}"
        if np.allclose(slope, 1 / std, rtol=1e-3):
            return f"it divides by the variance where the standard deviation belongs, along axis {axis}"
    factor = float((y * expected).sum() / np.square(expected).sum())
    if alike(y, factor * expected) and (y.size > 1 or factor == round(factor)):
        return f"it is {factor:.4g} times that"
    offset = y - expected
    if y.size > 2 and np.ptp(offset) < 1e-4 * float(np.abs(y).max()):
        return f"it is that and {float(offset.mean()):.4g}"
    return ""
