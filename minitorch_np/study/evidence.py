"""What there is to judge a wrong gradient by."""

from __future__ import annotations

from collections.abc import Callable
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
    right_for: Callable[[Array], Array]  # the right gradient for another dy
    derivative: Callable[[Array, Array], Array] | None = None  # of an activation
    weights: tuple[Array, ...] = ()  # the layer's own parameters


def alike(a: Any, b: Array) -> bool:
    """Equal but for the error of difference quotients, and not only because nearly all is 0."""
    scale = float(np.abs(b).max(initial=0))
    return np.shape(a) == b.shape and scale > 0 and np.allclose(a, b, rtol=1e-4, atol=1e-5 * scale)
