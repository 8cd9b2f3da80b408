"""Where the transposes come from: of all orders of two matrices, the ones whose shapes fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from minitorch_np.study.explaining.axes import Axes, Named, axes_text


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


def choices(chosen: Order, target: Named) -> Iterator[tuple[Order, str]]:
    """The chosen order, the other ones that are products at all, and the plain one, each with a verdict."""
    plain = orders(_upright(chosen.left), _upright(chosen.right))
    yield chosen, f"as {target.name.removeprefix('grad_')}: this one"
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
