"""Mistakes in the terms of a formula: another array in a product, a term left out, one branch of two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.study.evidence import Evidence, alike, subsets

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def product_rule(e: Evidence) -> str | None:
    """One term of two in the derivative of y = x·f(x)."""
    if not e.is_elementwise or e.target is not None or not e.x.all():
        return None
    function = e.dy * e.y / e.x
    if alike(e.got, function):
        return "it is dy·f(x) of y = x·f(x): by the product rule x·f′(x) has to be added to f(x)"
    for got, what in ((e.got, "f(x) is left out"), (e.got * e.x, "f(x) and the factor x are left out")):
        if _factor(e.right - function, got) is not None:
            return f"{what}: by the product rule y = x·f(x) has the derivative f(x) + x·f′(x)"
    return None


def upstream_replaced(e: Evidence) -> str | None:
    """Another array in the place of dy."""
    arrays = {"y": e.y, "x": e.x, "dy²": np.square(e.dy), "|dy|": np.abs(e.dy), "the sign of dy": np.sign(e.dy)}
    for name, array in arrays.items():
        if array.shape == e.dy.shape and e.dy.ndim and alike(e.got, e.right_for(array)):
            return f"{name} stands where dy belongs"
    return None


def output_left_out(e: Evidence) -> str | None:
    """What comes back through one of several outputs."""
    ends = np.cumsum(e.sizes)
    for i, (end, size) in enumerate(zip(ends, e.sizes, strict=True)):
        one = e.dy.copy()
        one[end - size : end] = 0
        if len(e.sizes) > 1 and alike(e.got, e.right_for(one)):
            which = ("first", "second", "third")[i] if i < 3 else f"{i + 1}th"
            return (
                f"what comes back through the {which} output is left out: the gradients of all of them add up"
            )
    return None


def passed_by(e: Evidence) -> str | None:
    """A product with dy, of a linear part of the way, as if nothing came after that part."""
    if e.target is not None or e.dy.ndim < 1 or e.dy.size == 0 or e.got.shape != e.right.shape:
        return None
    rest = "a factor by which it moves y, or what lies between (an activation?), is left out"
    if e.got.ndim <= 1 and e.name not in ("x",):
        for axes in subsets(e.dy.ndim)[1:]:
            for name, array in (("", np.ones(1)), ("x", e.x), ("y", e.y)):
                if array.shape not in ((1,), e.dy.shape):
                    continue
                total = np.asarray((e.dy * array).sum(axis=axes))
                if total.shape == e.got.shape and alike(e.got, total):
                    what = f"Σ dy·{name} over all of them" if name else "the sum of dy"
                    more = "a part of that, or another array, belongs there" if name else rest
                    return f"it is {what}: {more}"
    if e.dy.ndim != 2:
        return None
    for name, array in {"x": e.x, "y": e.y, **e.others}.items():
        if array.ndim != 2 or name == e.name:
            continue
        if len(array) == len(e.dy) and e.got.ndim == 2 and alike(e.got, array.T @ e.dy):
            return f"it is {name}ᵀ dy: {rest}"
        if array.shape[1] == e.dy.shape[1] and alike(e.got, e.dy @ array.T):
            return f"it is dy {name}ᵀ: {rest}"
    return None


def another_factor(e: Evidence) -> str | None:
    """dy times an array that is not the one it was multiplied with."""
    dy = e.dy.reshape(e.dy.shape + (1,) * (e.got.ndim - e.dy.ndim))
    if e.got.shape != e.right.shape or e.target is not None or not e.dy.ndim or not _broadcasts(dy, e.got):
        return None
    for name, array in e.factors().items():
        if alike(e.got, dy * array):
            return f"it is dy·{name}: another factor belongs there"
    return None


def _broadcasts(array: Array, to: Array) -> bool:
    return array.ndim == to.ndim and all(n in (1, m) for n, m in zip(array.shape, to.shape, strict=True))


def smallest_of_window(e: Evidence) -> str | None:
    """Pooling whose dy goes to the smallest element."""
    if e.x.ndim != 4 or e.y.ndim != 4 or e.got.shape != e.x.shape or e.x.shape[:2] != e.y.shape[:2]:
        return None
    for k in range(2, min(e.x.shape[2:]) + 1):
        for stride in range(1, k + 1):
            if tuple((n - k) // stride + 1 for n in e.x.shape[2:]) != e.y.shape[2:]:
                continue
            placed = np.zeros(e.x.shape)
            for n, c, i, j in np.ndindex(e.y.shape):
                window = e.x[n, c, i * stride : i * stride + k, j * stride : j * stride + k]
                a, b = np.unravel_index(window.argmin(), window.shape)
                placed[n, c, i * stride + a, j * stride + b] += e.dy[n, c, i, j]
            if alike(e.got, placed):
                return "it goes to the smallest element of each window: the largest gets it"
    return None


def log_softmax(e: Evidence) -> str | None:
    """The gradient of a log-softmax without its sum, or with that over another axis."""
    if not e.is_elementwise or e.target is not None:
        return None
    p = np.exp(e.y)
    axes = [axis for axis in range(p.ndim) if np.allclose(p.sum(axis=axis), 1)]
    for axis in axes:
        if alike(e.got, e.dy - p):
            return "the sum in the gradient of log-softmax is missing: dx = dy − softmax(x) Σ dy"
        if alike(e.got, e.dy) or alike(e.got, -p * e.dy.sum(axis=axis, keepdims=True)):
            return "a term is missing: the gradient of log-softmax is dx = dy − softmax(x) Σ dy"
        for other in (i for i in range(p.ndim) if i != axis):
            if alike(e.got, e.dy - p * e.dy.sum(axis=other, keepdims=True)):
                return (
                    f"the sum in the gradient of log-softmax is over axis {other}: it belongs over axis {axis}"
                )
    return None


def _one_hot(e: Evidence) -> Array | None:
    """The target in the shape of the prediction, class indices as rows of 0 and 1."""
    t = e.target
    if t is None or e.got.shape != e.right.shape or e.got.shape != e.x.shape or e.x.shape != e.v.shape:
        return None
    if t.dtype.kind in "iu" and e.x.ndim == 2 and t.shape == e.x.shape[:1]:
        return np.eye(e.x.shape[1])[t]
    return t if t.shape == e.x.shape else None


def another_loss(e: Evidence) -> str | None:
    """The gradient of a loss, of the usual ones, that forward does not compute."""
    t = _one_hot(e)
    if t is None:
        return None
    x = e.x
    softmax = np.exp(x - x.max(axis=-1, keepdims=True)) if x.ndim else np.exp(x)
    softmax = softmax / softmax.sum(axis=-1, keepdims=True) if x.ndim else softmax
    sigmoid = 1 / (1 + np.exp(-x))
    losses = {
        "prediction − target, as of a squared error, or of softmax or sigmoid and cross entropy together": x
        - t,
        "softmax(x) − target, as of softmax and cross entropy together": softmax - t,
        "σ(x) − target, as of sigmoid and binary cross entropy together": sigmoid - t,
        "(σ(x) − target) σ(x) (1 − σ(x)), as of sigmoid and squared error": (sigmoid - t)
        * sigmoid
        * (1 - sigmoid),
        "−target / prediction, as of the cross entropy of probabilities": -t / np.where(x, x, 1),
        "the sign of prediction − target, as of absolute errors": np.sign(x - t),
        "−target, as of a product": -t,
    }
    for said, gradient in losses.items():
        factor = _factor(e.got, gradient)
        if factor is not None and factor > 0:
            times = "" if abs(factor - 1) < 1e-6 else f"{factor:.4g} times "
            return f"it is {times}{said}: forward computes another loss"
    return None


def _factor(got: Array, of: Array) -> float | None:
    square = float(np.square(of).sum())
    factor = float((got * of).sum()) / square if square else 0.0
    return factor if factor and alike(got, factor * of) else None


def all_targets(e: Evidence) -> str | None:
    """1 subtracted in the columns of all targets: p[:, t] in place of p[arange(N), t]."""
    t = _one_hot(e)
    if t is None or e.target is None or e.target.dtype.kind not in "iu":
        return None
    every = np.broadcast_to(t.any(axis=0), t.shape).astype(float)
    counts = np.broadcast_to(t.sum(axis=0), t.shape)
    for columns in (every, counts):
        if _factor(e.right - e.got, columns - t) is not None:
            return "the columns of all targets are changed in each row: [np.arange(N), t] takes each row's own"
    return None


OF_FORMULAS = (
    product_rule, log_softmax, another_loss, all_targets, output_left_out, upstream_replaced,
    smallest_of_window, another_factor, passed_by,
)  # fmt: skip


def mask_by_sign(e: Evidence) -> str | None:
    """Wrong only where dy and x are not of the same sign."""
    if not e.is_elementwise or e.target is not None:
        return None
    wrong = _wrong(e)
    unlike = (e.dy > 0) != (e.x > 0)
    if np.count_nonzero(wrong) > 2 and not wrong[~unlike].any() and wrong[unlike].mean() > 0.8:
        return (
            "it is wrong where dy and x differ in sign: is its mask taken of dy? That of forward belongs, of x"
        )
    return None


def at_the_target(e: Evidence) -> str | None:
    """Wrong only at the class that is the target, or only at the others."""
    t = _one_hot(e)
    if t is None or not np.isin(t, (0, 1)).all():
        return None
    wrong, is_target = _wrong(e), t == 1
    if wrong.any() and not wrong[~is_target].any():
        return "it is wrong only at the class of each row's target" + _multiple(e, wrong)
    if wrong.any() and not wrong[is_target].any():
        return "it is right only at the class of each row's target" + _multiple(e, wrong)
    return None


def beyond_a_limit(e: Evidence) -> str | None:
    """Wrong on one side of a limit of x, or of what a loss compares."""
    if e.got.shape != e.right.shape or e.got.shape != e.x.shape or e.x.shape != e.v.shape:
        return None
    wrong = _wrong(e)
    values = {"x": e.x, "|x|": np.abs(e.x)}
    t = _one_hot(e)
    if t is not None:
        values = {"|prediction − target|": np.abs(e.x - t), "prediction − target": e.x - t, "prediction": e.x}
    if not 2 < np.count_nonzero(wrong) < wrong.size - 2:
        return None
    for name, value in values.items():
        inside, outside = value[wrong], value[~wrong]
        for sign, below, above in ((">", outside, inside), ("<", inside, outside)):
            if below.max() < above.min():
                limit = (below.max() + above.min()) / 2
                limit = 0.0 if below.max() < 0 < above.min() else limit
                return f"it is wrong only where {name} {sign} {limit:.2g}" + _multiple(e, wrong)
    return None


def _wrong(e: Evidence) -> Array:
    """Which elements are wrong, the others being right to the error of the quotients; all if that is not so."""
    off, largest = np.abs(e.got - e.right), max(1.0, float(np.abs(e.right).max(initial=0)))
    wrong = ~np.isclose(e.got, e.right, rtol=1e-3, atol=1e-5 * largest)
    return wrong if off[~wrong].max(initial=0) < 1e-6 * largest else np.ones_like(wrong)


def _multiple(e: Evidence, wrong: Array) -> str:
    """What the wrong elements have in common."""
    got, right = e.got[wrong], e.right[wrong]
    factor = _factor(got, right)
    if factor is not None:
        return f", {factor:.4g} times the right one there"
    if not got.any():
        return ", 0 there"
    if got.size > 1 and np.ptp(got - right) < 1e-5 * float(np.abs(got).max()):
        return f", the right one plus {float((got - right).mean()):.4g} there"
    return ""


OF_PLACES = (mask_by_sign, at_the_target)
