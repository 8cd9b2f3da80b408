"""Mistakes in the gradient of a normalisation, told from the three parts of which it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.study.evidence import Evidence, alike

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def normalisation(e: Evidence) -> str | None:
    """Normalisation: of its three parts, dy, its mean and what the variance moves, one is not as it should be.

    Both gradients are fitted by the three, in each group that is normalised together; how their factors
    differ says what is wrong.
    """
    if not e.is_elementwise or e.x.ndim < 2 or e.target is not None:
        return None
    scales: dict[str, Array] = {"": np.ones(1)} | {n: f for n, f in e.factors().items() if n in e.others}
    axes = [(axis,) for axis in range(e.x.ndim)] + ([(0, 2, 3), (1, 2, 3), (2, 3)] if e.x.ndim == 4 else [])
    for over, is_centred in [(a, c) for a in axes for c in (False, True)]:
        fits = {}
        for name, scale in scales.items():
            columns = _columns(e.x, e.dy * scale, over, is_centred)
            fits[name] = (_fitted(columns, _groups(e.right, over)), _fitted(columns, _groups(e.got, over)))
        for name, (right, _) in fits.items():
            if right is None:
                continue
            for other in dict.fromkeys((name, "")):
                got = fits[other][1]
                if got is None:
                    continue
                ratios = got / np.where(np.abs(right) > 1e-9, right, np.nan)
                std = np.sqrt(
                    _groups(e.x, over).var(axis=1) if is_centred else (_groups(e.x, over) ** 2).mean(axis=1)
                )
                text = _which_part(ratios, std, _groups(e.x, over).shape[1], is_centred)
                if text is None and other != name and np.allclose(ratios[~np.isnan(ratios)], 1, rtol=1e-3):
                    text = f"the factor {name} is missing"
                if text is not None:
                    return text
    return None


def _groups(array: Array, over: tuple[int, ...]) -> Array:
    """The array as rows of what is normalised together."""
    rest = [axis for axis in range(array.ndim) if axis not in over]
    turned = array.transpose(*rest, *over)
    return turned.reshape(int(np.prod([array.shape[axis] for axis in rest])), -1)


def _columns(x: Array, dy: Array, over: tuple[int, ...], is_centred: bool) -> Array:
    """The parts of the gradient, of shape (groups, elements, parts)."""
    rows, up = _groups(x, over), _groups(dy, over)
    centred = rows - rows.mean(axis=1, keepdims=True) if is_centred else rows
    mean = np.broadcast_to(up.mean(axis=1, keepdims=True), up.shape)
    variance = centred * (up * centred).mean(axis=1, keepdims=True)
    return np.stack([up, mean, variance] if is_centred else [up, variance], axis=-1)


def _fitted(columns: Array, rows: Array) -> Array | None:
    """The factors of the parts in each group, if these make up the rows."""
    if columns.shape[1] <= columns.shape[2]:
        return None
    found = np.stack([np.linalg.lstsq(c, r)[0] for c, r in zip(columns, rows, strict=True)])
    made = (columns * found[:, None, :]).sum(axis=-1)
    return found if alike(made, rows) else None


def _which_part(ratios: Array, std: Array, n: int, is_centred: bool) -> str | None:
    names = ["dy", "the mean", "the variance"] if is_centred else ["dy", "the mean square"]
    zero = [name for name, r in zip(names, ratios.T, strict=True) if np.abs(r).max() < 1e-3]
    if zero and zero[0] != "dy":
        what = " and ".join(zero).replace("and the ", "and ")
        what += (
            " as a constant, but x moves it too" if len(zero) == 1 else " as constants, but x moves them too"
        )
        return f"it takes {what}: that adds terms to the gradient"
    for name, r in zip(names, ratios.T, strict=True):
        part = f"in the part of {name}"
        known = {
            n / (n - 1): f"{part} it divides by N − 1 where forward divides by N, N = {n}",
            (n - 1) / n: f"{part} it divides by N where forward divides by N − 1, N = {n}",
            n: f"{part} a sum stands where the mean belongs, N = {n}",
            1 / n: f"{part} a mean stands where the sum belongs, N = {n}",
            0.5: f"{part} a factor 2 is missing",
            2: f"{part} a factor 2 is too much",
            -1: f"{part} the sign is the other one",
        }
        for value, text in known.items():
            if np.allclose(r, value, rtol=1e-3):
                return text
        for power, text in (
            (-1, "the variance where the standard deviation belongs"),
            (1, "too small a power of it"),
        ):
            if np.ptp(std) > 1e-3 and np.allclose(r, std**power, rtol=1e-3):
                return f"{part} it divides by {text}"
    return None


def further_normalisation(e: Evidence) -> str | None:
    """Another axis in one of the sums, another product under it, or x that is not normalised."""
    if e.target is not None or e.x.ndim < 2 or e.dy.shape != e.x.shape:
        return None
    return _unnormalised(e) if e.got.ndim == 1 else _another_sum(e) or _divided_again(e)


def _unnormalised(e: Evidence) -> str | None:
    """The gradient of γ with x, or x less its mean, in place of what is normalised."""
    if e.got.shape != e.right.shape or not e.right.all():
        return None
    for axis in (axis for axis, n in enumerate(e.x.shape) if n == e.got.size):
        over = tuple(i for i in range(e.x.ndim) if i != axis)
        ratio, std = e.got / e.right, e.x.std(axis=over)
        if np.ptp(std) > 1e-3 and np.allclose(ratio, std, rtol=1e-3):
            return (
                "it is made with x less its mean: the normalised x, divided by its standard deviation, belongs"
            )
    return None


def _another_sum(e: Evidence) -> str | None:
    """The mean of dy, or of dy·x̂, taken along another axis or of another product."""
    if not e.is_elementwise:
        return None
    scales = [np.ones(1), *(f for n, f in e.factors().items() if n in e.others)]
    for axis in range(e.x.ndim):
        for up in (e.dy * scale for scale in scales):
            fitted = _fitted(_columns(e.x, up, (axis,), True), _groups(e.right, (axis,)))
            if fitted is None:
                continue
            centred = _groups(e.x - e.x.mean(axis=axis, keepdims=True), (axis,))
            rows, off = _groups(up, (axis,)), _groups(e.got - e.right, (axis,))
            mean = np.broadcast_to(rows.mean(axis=1, keepdims=True), rows.shape)
            variance = centred * (rows * centred).mean(axis=1, keepdims=True)
            part_of_mean, part_of_variance = fitted[:, 1:2] * mean, fitted[:, 2:] * variance
            for other in (i for i in range(e.x.ndim) if i != axis):
                along = np.broadcast_to(up.mean(axis=other, keepdims=True), up.shape)
                if alike(off + part_of_mean, fitted[:, 1:2] * _groups(along, (axis,))):
                    return f"in the part of the mean the sum is over axis {other}: it belongs over axis {axis}"
            for what, product in (("dy", rows), ("x̂", centred)):
                column = centred * product.mean(axis=1, keepdims=True)
                if _has_factors(off + part_of_variance, column):
                    return f"in the part of the variance Σ {what} stands where Σ dy·x̂ belongs"
    return None


def _has_factors(rows: Array, column: Array) -> bool:
    """Whether the column, with a factor for each group, makes up the rows."""
    square = np.square(column).sum(axis=1, keepdims=True)
    factor = (rows * column).sum(axis=1, keepdims=True) / np.where(square, square, 1)
    return bool(square.all()) and alike(factor * column, rows)


def _divided_again(e: Evidence) -> str | None:
    """The right one times a power of the size of its group."""
    if not e.is_elementwise:
        return None
    for axis in range(e.x.ndim):
        sizes = {
            "the norm of x": np.sqrt(np.square(e.x).sum(axis=axis, keepdims=True)),
            "the standard deviation of x": e.x.std(axis=axis, keepdims=True),
        }
        for what, size in sizes.items():
            for power, text in ((-1, "once too often"), (1, "once too seldom")):
                if np.ptp(size) > 1e-3 and alike(e.got, e.right * size**power):
                    return f"it is divided by {what} along axis {axis} {text}"
    return None
