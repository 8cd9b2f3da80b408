"""The numbers themselves: arrays, and one element of a product or a derivative worked out term by term."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.study.explaining.axes import Named
from minitorch_np.study.explaining.products import Order

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FULL = 8  # terms of a sum that are all shown


def agrees(computed: Array, array: Array) -> bool:
    """Whether a formula gives what backward computed, up to rounding."""
    scale = float(np.abs(array).max(initial=0, where=np.isfinite(array)))
    return bool(np.allclose(computed, array, rtol=1e-3, atol=1e-5 * scale, equal_nan=True))


def largest(array: Array) -> tuple[int, ...] | None:
    """Where the number furthest from 0 stands; None in an empty array."""
    if not array.size:
        return None
    return tuple(map(int, np.unravel_index(np.argmax(np.abs(array)), array.shape)))


def product_element(order: Order, target: Named) -> str:
    """The largest element of a product: its terms, their sum, and what was computed."""
    at = largest(target.value)
    if at is None:
        return ""
    terms = list(zip(order.left.value[at[0]], order.right.value[:, at[1]], strict=True))
    value = sum(float(a) * float(b) for a, b in terms)
    return _worked(target, at, [f"{_factor(a)}·{_factor(b)}" for a, b in terms], value)


def sum_element(summed: Named, target: Named) -> str:
    """The largest element of a sum over the rows."""
    at = largest(target.value)
    if at is None:
        return ""
    terms = list(summed.value[:, at[0]])
    return _worked(target, at, [_factor(term) for term in terms], sum(map(float, terms)))


def slope_elements(dy: Named, slope: Array, dx: Named) -> Iterator[str]:
    """An elementwise derivative where dx is largest, and where another slope is smallest."""
    at = largest(dx.value)
    if at is None:
        return
    smallest = tuple(map(int, np.unravel_index(np.argmin(np.abs(slope)), slope.shape)))
    for place in [at, smallest] if slope[at] != slope[smallest] else [at]:
        up, down = dy.value[place], slope[place]
        yield _worked(dx, place, [f"{_factor(up)}·{_factor(down)}"], float(up) * float(down))


def _worked(target: Named, at: tuple[int, ...], terms: list[str], value: float) -> str:
    """`grad_w[0, 1] = 2·3 + 4·5 = 26, as computed`."""
    if len(terms) > FULL:
        terms = [*terms[:3], f"… {len(terms) - 4} more …", terms[-1]]
    computed = target.value[at]
    scale = float(np.abs(target.value).max())
    same = np.isclose(value, computed, rtol=1e-3, atol=1e-5 * scale, equal_nan=True)
    verdict = "as computed" if same else f"but what was computed is {_number(computed)}"
    return f"{target.name}{list(at)} = {' + '.join(terms)} = {_number(value)}, {verdict}"


def _number(value: float) -> str:
    return f"{float(value):.4g}"


def _factor(value: float) -> str:
    """A number beside a sign or a dot."""
    text = _number(value)
    return f"({text})" if text.startswith("-") else text
