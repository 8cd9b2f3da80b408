"""Derivatives of NumPy's operations, one rule each, and the reverse pass over a recording.

A rule takes the node and the gradient with respect to its value, and returns those with respect to its
inputs, in the inputs' shapes or in one that they were broadcast to; None is a gradient of zero.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from math import prod
from string import ascii_letters
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.study.compare.recorded import CONSTANT, ELEMENTWISE, HOLE, LEAF, Node

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Gradients = Sequence["Array | None"]
Rule = Callable[[Node, "Array"], Gradients]


class NoDerivative(Exception):  # noqa: N818
    """Of a node, by an operation whose derivative is not known."""


def argument(node: Node, position: int, name: str, default: Any = None) -> Any:
    """An argument of a recorded function, by its position or name; HOLE where it is an input."""
    positional, named = node.options["shape"]
    if name in named:
        return named[name]
    return positional[position] if len(positional) > position else default


def values(node: Node) -> list[Array]:
    """The values of the inputs, as floats."""
    return [n.value if n.value.dtype.kind == "f" else n.value.astype(float) for n in node.inputs]


def elementwise(derivative: Callable[..., Any]) -> Rule:
    """The rule of y = f(a, …), element by element, from dy/da, … as a function of a, … and y."""

    def rule(node: Node, g: Array) -> Gradients:
        found = derivative(*values(node), node.value)
        return [g * d for d in (found if isinstance(found, tuple) else (found,))]

    return rule


def extremum(sign: int, passed: float = 0.0) -> Rule:
    """The rule of the larger (1) or the smaller (-1) of two; of equal ones `passed` is the part of each."""

    def larger(a: Array, b: Array, y: Array) -> tuple[Any, Any]:
        tie = np.where(a == b, passed, 0.0)
        return (sign * a > sign * b) + tie, (sign * b > sign * a) + tie

    return elementwise(larger)


def _power(node: Node, g: Array) -> Gradients:
    a, b = values(node)
    da = g * b * np.power(a, b - 1)
    if node.inputs[1].operation == CONSTANT or node.inputs[1].value.dtype.kind in "iu":
        return [da, None]
    return [da, g * node.value * np.log(a)]


def reduction(derivative: Callable[..., Any]) -> Rule:
    """The rule of a reduction, from dy/dx as a function of x, y, how many x make one y, axis and ddof.

    y is given with the reduced axes in it, of length 1.
    """

    def rule(node: Node, g: Array) -> Gradients:
        x, y = values(node)[0], node.value
        is_norm, is_reduce = node.operation == "norm", "." in node.operation
        axis, ddof = argument(node, 1 + is_norm, "axis", 0 if is_reduce else None), argument(node, 4, "ddof", 0)
        keepdims = argument(node, 3 if is_norm else 5, "keepdims")  # after out= nobody gives it by position
        if axis is None:
            y, g = (np.reshape(a, (1,) * x.ndim) for a in (y, g))
        elif not keepdims and y.ndim < x.ndim:  # of a matrix it is as many
            y, g = np.expand_dims(y, axis), np.expand_dims(g, axis)
        return [g * derivative(x, y, x.size / y.size, axis, ddof)]

    return rule


def _of_extremum(x: Array, y: Array, n: float, axis: Any, ddof: int) -> Array:
    is_it = x == y
    return is_it / np.maximum(is_it.sum(axis=axis, keepdims=True), 1)


def _of_variance(x: Array, y: Array, n: float, axis: Any, ddof: int) -> Array:
    return 2 * (x - x.mean(axis=axis, keepdims=True)) / (n - ddof)


def _norm(node: Node, g: Array) -> Gradients:
    order, axis = argument(node, 1, "ord"), argument(node, 2, "axis")
    if order not in (None, 2, "fro") or (order == 2 and axis is None and node.inputs[0].value.ndim > 1):
        raise NoDerivative(node)
    return reduction(lambda x, y, n, axis, ddof: x / np.where(y == 0, 1, y))(node, g)


def _matmul(node: Node, g: Array) -> Gradients:
    """Stacks of matrices; all else is as for dot."""
    a, b = values(node)
    if b.ndim < 3:
        return _contracted(node, g)
    if a.ndim == 1:
        raise NoDerivative(node)
    return [g @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ g]


def _contracted(node: Node, g: Array) -> Gradients:
    """Sums of products over axes of a and b: tensordot, and the products that are special cases of it."""
    a, b = values(node)
    axes: Any = 0 if not (a.ndim and b.ndim) else argument(node, 2, "axes", 2)
    if node.operation in ("outer", "vdot"):
        a, b, axes = a.ravel(), b.ravel(), int(node.operation == "vdot")
    elif node.operation in ("dot", "matmul", "inner") and a.ndim and b.ndim:
        axes = (-1, -1 if node.operation == "inner" or b.ndim == 1 else -2)
    if isinstance(axes, int):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    of_a, of_b = list(ascii_letters[: a.ndim]), list(ascii_letters[a.ndim : a.ndim + b.ndim])
    for i, j in zip(*map(np.atleast_1d, axes), strict=True):
        of_b[j] = of_a[i]
    result = [axis for axis in of_a + of_b if not (axis in of_a and axis in of_b)]
    x, w, y = map("".join, (of_a, of_b, result))
    found = (np.einsum(how, g, c, optimize=True) for how, c in ((f"{y},{w}->{x}", b), (f"{y},{x}->{w}", a)))
    return [d.reshape(n.value.shape) for d, n in zip(found, node.inputs, strict=True)]


def _einsum(node: Node, g: Array) -> Gradients:
    text = argument(node, 0, "")
    if not isinstance(text, str) or "." in text:
        raise NoDerivative(node)
    given, arrow, result = text.replace(" ", "").partition("->")
    terms, factors = given.split(","), values(node)
    if not arrow:
        result = "".join(sorted(c for c in set(given) - {","} if given.count(c) == 1))
    found: list[Array | None] = []
    for i, term in enumerate(terms):
        if len(set(term)) < len(term):
            raise NoDerivative(node)
        others, letters = [*factors[:i], *factors[i + 1 :]], [result, *terms[:i], *terms[i + 1 :]]
        missing = [c for c in term if c not in "".join(letters)]
        ones = [np.ones(factors[i].shape[term.index(c)]) for c in missing]
        found.append(np.einsum(",".join([*letters, *missing]) + "->" + term, g, *others, *ones))
    return found


def _transposed(node: Node, g: Array) -> Gradients:
    axes = argument(node, 1, "axes")
    return [np.transpose(g, None if axes is None else np.argsort([a % g.ndim for a in axes]))]


def _reshaped(node: Node, g: Array) -> Gradients:
    return (_same if argument(node, 2, "order", "C") == "C" else _moved)(node, g)


def _same(node: Node, g: Array) -> Gradients:
    return [np.reshape(g, node.inputs[0].value.shape)]


def _clip(node: Node, g: Array) -> Gradients:
    return [g * (node.value == values(node)[0]), *[None] * (len(node.inputs) - 1)]


def _where(node: Node, g: Array) -> Gradients:
    condition, *sides = (argument(node, i, name) for i, name in enumerate(("condition", "x", "y")))
    found: list[Array | None] = [None] if condition is HOLE else []
    chosen = node.inputs[0].value if condition is HOLE else condition
    parts = np.where(chosen, g, 0.0), np.where(chosen, 0.0, g)
    return found + [part for part, side in zip(parts, sides, strict=True) if side is HOLE]


def _moved(node: Node, g: Array) -> Gradients:
    """Functions that only put elements in other places: see where each one goes."""
    if node.compute is None:
        raise NoDerivative(node)
    *starts, count = accumulate((n.value.size for n in node.inputs), initial=1)
    shapes = [n.value.shape for n in node.inputs]
    numbers = [np.arange(k, k + prod(s), dtype=float).reshape(s) for k, s in zip(starts, shapes, strict=True)]
    where = np.asarray(node.compute(*numbers))
    if "shape" in node.options:  # numbers among the arguments are no positions: np.append(h, 1)
        where = np.where(np.asarray(node.compute(*(-a for a in numbers))) == -where, where, 0)
    sums = np.bincount(where.astype(int).ravel(), np.broadcast_to(g, where.shape).ravel(), minlength=count)
    return [sums[a.astype(int)] for a in numbers]


def _sorted(node: Node, g: Array) -> Gradients:
    found, axis = np.zeros(node.value.shape), argument(node, 1, "axis", -1)
    np.put_along_axis(found, np.argsort(node.inputs[0].value, axis=axis, kind="stable"), g, axis)
    return [found]


def _cumsum(node: Node, g: Array) -> Gradients:
    axis = argument(node, 1, "axis")
    summed = np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)
    return [summed.reshape(node.inputs[0].value.shape)]


def _by_differences(node: Node, g: Array) -> Gradients:
    """A function of each element that is known only by its values: central difference quotients."""
    x = values(node)[0]
    step = 1e-5 * np.maximum(1.0, np.abs(x))
    if node.compute is None:
        raise NoDerivative(node)
    above, below = (np.asarray(node.compute(x + sign * step), dtype=float) for sign in (1, -1))
    return [g * (above - below) / (2 * step)]


def _nothing(node: Node, g: Array) -> Gradients:
    return [None] * len(node.inputs)


_TABLE: dict[str, Rule] = {  # by the operations that have it
    "add": elementwise(lambda a, b, y: (1, 1)),
    "subtract": elementwise(lambda a, b, y: (1, -1)),
    "multiply": elementwise(lambda a, b, y: (b, a)),
    "divide": elementwise(lambda a, b, y: (1 / b, -a / b**2)),
    "logaddexp": elementwise(lambda a, b, y: (np.exp(a - y), np.exp(b - y))),
    "hypot": elementwise(lambda a, b, y: (a / y, b / y)),
    "arctan2": elementwise(lambda a, b, y: (b / (a * a + b * b), -a / (a * a + b * b))),
    "negative": elementwise(lambda x, y: -np.ones_like(x)),
    "positive": elementwise(lambda x, y: np.ones_like(x)),
    "square": elementwise(lambda x, y: 2 * x),
    "sqrt": elementwise(lambda x, y: 1 / (2 * y)),
    "cbrt": elementwise(lambda x, y: 1 / (3 * y * y)),
    "reciprocal": elementwise(lambda x, y: -y * y),
    "exp": elementwise(lambda x, y: y),
    "exp2": elementwise(lambda x, y: y * np.log(2)),
    "expm1": elementwise(lambda x, y: y + 1),
    "log": elementwise(lambda x, y: 1 / x),
    "log2": elementwise(lambda x, y: 1 / (x * np.log(2))),
    "log10": elementwise(lambda x, y: 1 / (x * np.log(10))),
    "log1p": elementwise(lambda x, y: 1 / (1 + x)),
    "sin": elementwise(lambda x, y: np.cos(x)),
    "cos": elementwise(lambda x, y: -np.sin(x)),
    "tan": elementwise(lambda x, y: 1 + y * y),
    "sinh": elementwise(lambda x, y: np.cosh(x)),
    "cosh": elementwise(lambda x, y: np.sinh(x)),
    "tanh": elementwise(lambda x, y: 1 - y * y),
    "arcsin": elementwise(lambda x, y: 1 / np.sqrt(1 - x * x)),
    "arccos": elementwise(lambda x, y: -1 / np.sqrt(1 - x * x)),
    "arctan": elementwise(lambda x, y: 1 / (1 + x * x)),
    "arcsinh": elementwise(lambda x, y: 1 / np.sqrt(x * x + 1)),
    "arctanh": elementwise(lambda x, y: 1 / (1 - x * x)),
    "expit": elementwise(lambda x, y: y * (1 - y)),
    "sinc": elementwise(lambda x, y: np.where(x == 0, 0.0, (np.cos(np.pi * x) - y) / np.where(x == 0, 1.0, x))),
    "erf": elementwise(lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    "std": reduction(lambda x, y, n, axis, ddof: _of_variance(x, y, n, axis, ddof) / (2 * y)),
    "var": reduction(_of_variance),
    "norm": _norm,
    "trace": lambda node, g: [g * np.eye(*node.inputs[0].value.shape)],
    "cumsum": _cumsum,
    "sort": _sorted,
    "matmul": _matmul,
    "einsum": _einsum,
    "transpose": _transposed,
    "reshape": _reshaped,
    "clip": _clip,
    "where": _where,
    "add.at": lambda node, g: [g, g[node.options["index"]]],
    "maximum fmax": extremum(1),
    "minimum fmin": extremum(-1),
    "power float_power": _power,
    "absolute fabs": elementwise(lambda x, y: np.sign(x)),
    "sum nansum add.reduce": reduction(lambda x, y, n, axis, ddof: 1),
    "mean average": reduction(lambda x, y, n, axis, ddof: 1 / n),
    "prod multiply.reduce": reduction(lambda x, y, n, axis, ddof: y / x),
    "max amax min amin maximum.reduce minimum.reduce": reduction(_of_extremum),
    "dot inner vdot outer tensordot": _contracted,
    "ravel squeeze expand_dims copy astype asarray asanyarray atleast_1d atleast_2d nan_to_num": _same,
    """
        getitem setitem array concatenate stack hstack vstack dstack column_stack append insert delete
        roll flip fliplr flipud repeat tile take swapaxes moveaxis rollaxis rot90 diag diagonal pad split
        array_split hsplit vsplit broadcast_to take_along_axis ascontiguousarray block tril triu diagflat
        compress
    """: _moved,
    """
        greater greater_equal less less_equal equal not_equal logical_and logical_or logical_not
        logical_xor sign heaviside floor ceil rint trunc round around isnan isinf isfinite floor_divide
        signbit bitwise_and bitwise_or invert
    """: _nothing,
}
RULES = {name: rule for names, rule in _TABLE.items() for name in names.split()}
RULES[ELEMENTWISE] = _by_differences
# Those that pass the gradient where both sides are equal, as `grad[h < 0] = 0` does.
TIED_RULES = RULES | dict.fromkeys(("maximum", "fmax"), extremum(1, 1.0))
TIED_RULES |= dict.fromkeys(("minimum", "fmin"), extremum(-1, 1.0))


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its array was broadcast."""
    g = np.asarray(g, dtype=float)
    if g.shape == shape:
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    axes = (axis for axis, length in enumerate(shape) if length == 1 != g.shape[axis])
    return np.broadcast_to(g.sum(axis=tuple(axes), keepdims=True), shape)


def backward(node: Node, g: Array, rules: Mapping[str, Rule] = RULES) -> list[Array | None]:
    """The gradients of a node's inputs. Raises NoDerivative where there is no rule."""
    rule = rules.get(node.operation)
    if rule is None:
        raise NoDerivative(node)
    try:
        found = rule(node, g)
        return [
            None if d is None else unbroadcast(d, n.value.shape)
            for d, n in zip(found, node.inputs, strict=True)
        ]
    except (ValueError, IndexError, TypeError) as error:
        raise NoDerivative(node) from error


class Reverse:
    """A reverse pass: the gradient of the seeds' sum with respect to every node that leads to them.

    `ends` are the nodes that are taken for independent variables; with a `tie` both sides of a maximum pass the
    gradient where they are equal. `unknown` are operations without a
    rule that were met: what lies behind them has no gradient here. `terms` are the single gradients of what
    is used in several places: their sum is the gradient.
    """

    def __init__(self, seeds: Mapping[Node, Array], ends: Collection[int] = (), *, tie: bool = False) -> None:
        rules = TIED_RULES if tie else RULES
        self.gradients: dict[int, Array] = {}
        self.terms: dict[int, list[Array]] = {}
        self.nodes: dict[int, Node] = {}
        self.unknown: list[Node] = []
        heap: list[int] = []
        for node, g in seeds.items():
            self._give(node, np.asarray(g, dtype=float), heap)
        with np.errstate(all="ignore"):
            while heap:
                node = self.nodes[-heapq.heappop(heap)]
                if node.index in ends or node.operation in (LEAF, CONSTANT):
                    continue
                try:
                    found = backward(node, self.gradients[node.index], rules)
                except NoDerivative:
                    self.unknown.append(node)
                    continue
                for parent, gradient in zip(node.inputs, found, strict=True):
                    if gradient is not None and parent.operation != CONSTANT:
                        self._give(parent, gradient, heap)

    def _give(self, node: Node, g: Array, heap: list[int]) -> None:
        known = self.gradients.get(node.index)
        if known is None:
            self.nodes[node.index] = node
            self.gradients[node.index] = g
            heapq.heappush(heap, -node.index)
        else:
            self.terms.setdefault(node.index, [known]).append(g)
            self.gradients[node.index] = known + g

    def pairs(self) -> Iterator[tuple[Node, Array]]:
        """The nodes with their gradients."""
        return ((self.nodes[index], gradient) for index, gradient in self.gradients.items())

    def __contains__(self, node: Node) -> bool:
        return node.index in self.gradients

    def __getitem__(self, node: Node) -> Array:
        return self.gradients[node.index]
