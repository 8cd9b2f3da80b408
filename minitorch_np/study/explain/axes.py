"""Arrays with names, their axes with names, and the orders of a matrix product whose shapes fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Axes = tuple[str, ...]

ROLES = {  # what the words of a docstring for axes mean: the axis is called so
    **dict.fromkeys(("C", "channels", "in_channels", "out_channels", "num_channels"), "C"),
    **dict.fromkeys(("H", "H_out"), "height"),
    **dict.fromkeys(("W", "W_out"), "width"),
    **dict.fromkeys(("T", "T_out"), "T"),
    **dict.fromkeys(("features", "embedding_dim"), "F"),
}


class Named(NamedTuple):
    """An array, what it is called, and what its axes are called."""

    name: str
    axes: Axes
    value: Array

    def __str__(self) -> str:
        return f"{self.name} {axes_text(self.axes)}"

    @property
    def T(self) -> Named:  # noqa: N802, NumPy's name
        return Named(f"{self.name}ᵀ", self.axes[::-1], self.value.T)

    def rows(self) -> Named:
        """As a matrix: the axes before the last taken together, as a layer of features takes them."""
        if len(self.axes) == 2:
            return self
        leading, last = self.value.shape[:-1], self.value.shape[-1]
        together = "·".join(self.axes[:-1]) or "1"
        return Named(self.name, (together, self.axes[-1]), self.value.reshape(math.prod(leading), last))


def axes_text(axes: Sequence[str]) -> str:
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def of_input(dimensions: int, says: Axes, fresh: Callable[[str], str]) -> Axes:
    """(N, D_in) with d1, d2, ... between them; a single sample has no N.

    Where the docstring of the first layer says what axes mean, these are called so.
    """
    between = [f"d{i}" for i in range(1, dimensions - 1)]
    axes = ("N", *(between if len(between) != 1 else ["d"]), "D_in")[-dimensions:] if dimensions else ()
    words = expanded(says, dimensions) or axes
    return tuple(fresh(w) if w in ROLES else axis for w, axis in zip(words, axes, strict=True))


def after(
    x: tuple[Axes, Sequence[int]],
    y_shape: Sequence[int],
    says: tuple[Axes, Axes],
    fresh: Callable[[str], str],
) -> tuple[Axes, dict[str, str]]:
    """The axes of y, and what the words of `Shapes: x (..., in) -> y (..., out)` stand for.

    An axis of y that the docstring calls as one of x is that one, and H_out is H if it has its size; others
    are new, whatever their size, and called as `fresh` says. If the docstring does not say, or not the
    truth, an axis of the same place and size is taken for the same one.
    """
    axes, x_shape = x
    words = _matched(says[0], axes)
    y_words = expanded(says[1], len(y_shape))
    if words is not None and y_words is not None:
        sizes = dict(zip(axes, x_shape, strict=True))
        for word, size in zip(y_words, y_shape, strict=True):
            before = words.get(word.removesuffix("_out"), "")
            if word not in words:
                words[word] = before if sizes.get(before) == size else fresh(word)
        y_axes = tuple(words[word] for word in y_words)
        if all(sizes.get(axis, size) == size for axis, size in zip(y_axes, y_shape, strict=True)):
            return y_axes, words
    if len(x_shape) == len(y_shape):
        same = [x == y for x, y in zip(x_shape, y_shape, strict=True)]
    else:
        same = [i == 0 and x_shape[:1] == y_shape[:1] for i in range(len(y_shape))]
    return tuple(axes[i] if is_same else fresh("") for i, is_same in enumerate(same)), {}


def _matched(says: Axes, axes: Axes) -> dict[str, str] | None:
    """Which axis each word stands for; None if the docstring does not say or says otherwise."""
    words = expanded(says, len(axes))
    if words is None:
        return None
    found = dict(zip(words, axes, strict=True))
    return found if len(found) == len(axes) else None


def expanded(says: Axes, count: int) -> Axes | None:
    """`(..., in)` as `(...0, ...1, in)` for three axes."""
    if says.count("...") != 1:
        return says if says and len(says) == count and "..." not in says else None
    extra = count - len(says) + 1
    at = says.index("...")
    return (*says[:at], *(f"...{i}" for i in range(extra)), *says[at + 1 :]) if extra >= 0 else None


class Order(NamedTuple):
    """left right, as a product: (H, N)(N, D_out) -> (H, D_out), if the inner axes are the same."""

    left: Named
    right: Named

    @property
    def fits(self) -> bool:
        return self.left.axes[1] == self.right.axes[0]

    @property
    def axes(self) -> Axes:
        return self.left.axes[0], self.right.axes[1]

    @property
    def inner(self) -> str:
        return self.left.axes[1]

    def __str__(self) -> str:
        return f"{self.left.name} {self.right.name}"

    def shapes(self) -> str:
        result = f" -> {axes_text(self.axes)}" if self.fits else ""
        return f"{axes_text(self.left.axes)}{axes_text(self.right.axes)}{result}"

    def cost(self) -> str:
        """How often it multiplies and adds, in axes: H·N·D_out."""
        return f"{self.axes[0]}·{self.inner}·{self.axes[1]}"

    def fits_by_size(self, sizes: Mapping[str, int], target: Axes) -> bool:
        """Whether the numbers would allow this order, whatever the axes mean."""
        given, wanted = (*self.axes, self.inner), (*target, self.right.axes[0])
        return all(size(a, sizes) == size(b, sizes) for a, b in zip(given, wanted, strict=True))


def size(axis: str, sizes: Mapping[str, int]) -> int:
    """The size of an axis; of `N·d` the product, of `1` itself."""
    product = 1
    for part in axis.split("·"):
        product *= sizes[part] if part in sizes else int(part)
    return product


def orders(a: Named, b: Named) -> list[Order]:
    """All eight products of two matrices or their transposes, plain ones first."""
    return [
        Order(first.T if turn else first, second.T if turn_too else second)
        for turn, turn_too in ((False, False), (True, False), (False, True), (True, True))
        for first, second in ((a, b), (b, a))
    ]


def choices(chosen: Order, target: Named, of: str) -> Iterator[tuple[Order, str]]:
    """The chosen order of the gradient of that array, the others that are products, the plain one; verdicts."""
    plain = orders(_upright(chosen.left), _upright(chosen.right))
    yield chosen, f"as {of}: this one"
    for order in plain:
        if order.fits and str(order) != str(chosen):
            if order.axes == target.axes:
                yield order, "fits too: only the axes' meaning decides"
            elif order.axes == target.axes[::-1]:
                yield order, "the transpose of it"
            else:
                yield order, f"not the shape of {target.name}"
    if not plain[0].fits:
        yield plain[0], f"no: {plain[0].inner} meets {plain[0].right.axes[0]}"


def by_chance(chosen: Order, target: Named, sizes: Mapping[str, int]) -> list[Order]:
    """The orders that fit only because two sizes happen to be equal."""
    both = orders(_upright(chosen.left), _upright(chosen.right))
    return [
        order
        for order in both
        if order.fits_by_size(sizes, target.axes) and not (order.fits and order.axes == target.axes)
    ]


def some(orders: Sequence[Order]) -> str:
    return " and ".join(map(str, orders)) if len(orders) <= 2 else f"{len(orders)} more of the 8 orders"


def equal_sizes(order: Order, sizes: Mapping[str, int]) -> str:
    """`N = D_in = 4`, of the axes that a product is made of."""
    axes = dict.fromkeys((*order.left.axes, *order.right.axes))
    groups: dict[int, list[str]] = {}
    for axis in axes:
        groups.setdefault(size(axis, sizes), []).append(axis)
    return " and ".join(f"{' = '.join(group)} = {size}" for size, group in groups.items() if len(group) > 1)


def _upright(matrix: Named) -> Named:
    return matrix.T._replace(name=matrix.name[:-1]) if matrix.name.endswith("ᵀ") else matrix
