"""Evidence of a wrong gradient: what backward says, what is right, and the arrays that tell how they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
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
    sizes: tuple[int, ...] = ()  # of several outputs, which are joined in y and dy

    def right_for(self, dy: Array) -> Array:
        """The right gradient for another dy."""
        return np.tensordot(self.jacobian(), dy, dy.ndim) if dy.ndim else self.jacobian() * dy

    def right_now(self) -> Array:
        """The right gradient with the numbers that the other parameters have now."""
        slopes = np.empty(self.v.shape)
        for index in np.ndindex(self.v.shape):
            step = np.zeros(self.v.shape)
            step[index] = 1e-5
            slopes[index] = ((self.y_at(self.v + step) - self.y_at(self.v - step)) * self.dy).sum() / 2e-5
        return slopes

    @property
    def is_elementwise(self) -> bool:
        """Whether got, x, y and dy are of one shape, so that each may have come of its own element."""
        return (
            self.got.shape == self.x.shape == self.y.shape == self.dy.shape
            and self.right.shape == self.got.shape
        )

    def factors(self) -> dict[str, Array]:
        """Arrays by which one multiplies, that fit the gradient: of the output, and the other parameters."""
        found: dict[str, Array] = {}
        shape = self.got.shape
        values = [("x", self.x), ("y", self.y)] if self.target is None else [(self.name, self.x)]
        for name, value in values:
            if value.shape == shape:
                found |= {name: value, f"1 − {name}": 1 - value, f"1 + {name}": 1 + value}
                found |= {f"{name} (1 − {name})": value * (1 - value), f"1 − {name}²": 1 - value * value}
                found |= {f"σ({name})": _sigmoid(value), f"σ′({name})": _sigmoid(value) * _sigmoid(-value)}
        for name, value in {**self.others, self.name: self.v}.items():
            if value.shape == shape:
                found[name] = value
            elif value.ndim == 1 and value.size > 1:
                for axis in (i for i, n in enumerate(shape) if n == value.size and len(shape) > 1):
                    along = value.reshape([-1 if i == axis else 1 for i in range(len(shape))])
                    found.setdefault(name, np.broadcast_to(along, shape))
        return found


def alike(a: Any, b: Array) -> bool:
    """Equal but for the error of difference quotients, and not only because nearly all is 0."""
    scale = float(np.abs(b).max(initial=0))
    return np.shape(a) == b.shape and scale > 0 and np.allclose(a, b, rtol=1e-4, atol=1e-5 * scale)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def subsets(ndim: int) -> list[tuple[int, ...]]:
    """All subsets of the axes, none and single ones first."""
    return [axes for count in range(ndim + 1) for axes in combinations(range(ndim), count)]
