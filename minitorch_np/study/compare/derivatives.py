"""Derivatives of NumPy's operations, one rule each, and the reverse pass over a recording.

A rule takes the node and the gradient with respect to its value, and returns those with respect to its
inputs, in the inputs' shapes or in one that they were broadcast to; None is a gradient of zero.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.study.compare.recorded import CONSTANT, ELEMENTWISE, HOLE, LEAF, PUT, Node

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

Gradients = Sequence["Array | None"]
Rule = Callable[[Node, "Array"], Gradients]


class NoDerivative(Exception):  # noqa: N818
    """The recording has an operation on the way whose derivative is not known."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.operation)
        self.node = node


def argument(node: Node, position: int, name: str, default: Any = None) -> Any:
    """An argument of a recorded function, by its position or name; HOLE where it is an input."""
    positional, named = node.options["shape"]
    if name in named:
        return named[name]
    return positional[position] if len(positional) > position else default


def _axis(node: Node) -> tuple[Any, bool]:
    """The axis argument of a reduction, and whether it keeps the reduced axes."""
    if "shape" in node.options:
        _, named = node.options["shape"]
        return argument(node, 1, "axis"), bool(named.get("keepdims", False))
    return node.options.get("axis", 0), bool(node.options.get("keepdims", False))


def _expanded(g: Array, node: Node) -> Array:
    """The gradient of a reduction's result with the reduced axes in it, of length 1."""
    axis, keepdims = _axis(node)
    x = node.inputs[0].value
    if axis is None:
        return np.reshape(g, (1,) * x.ndim)
    if not keepdims:
        for a in sorted(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))):
            g = np.expand_dims(g, a)
    return g


def values(node: Node) -> list[Array]:
    """The values of the inputs, as floats."""
    return [n.value if n.value.dtype.kind == "f" else n.value.astype(float) for n in node.inputs]


def elementwise(derivative: Callable[[Array, Array], Array]) -> Rule:
    """The rule of y = f(x) for one array, from dy/dx as a function of x and y."""
    return lambda node, g: [g * derivative(values(node)[0], node.value)]


def two(derivatives: Callable[[Array, Array, Array], tuple[Any, Any]]) -> Rule:
    """The rule of y = f(a, b), from dy/da and dy/db as functions of a, b and y."""

    def rule(node: Node, g: Array) -> Gradients:
        a, b = values(node)
        return [None if d is None else g * d for d in derivatives(a, b, node.value)]

    return rule


_tie = [0.0]


@contextmanager
def ties(passed: float) -> Iterator[None]:
    """The part of a gradient that passes where both sides of a maximum are equal: 1 in `grad[h < 0] = 0`."""
    _tie[0] = passed
    try:
        yield
    finally:
        _tie[0] = 0.0


def _larger(a: Array, b: Array, y: Array) -> tuple[Any, Any]:
    tie = np.where(a == b, _tie[0], 0.0)
    return (a > b) + tie, (b > a) + tie


def _smaller(a: Array, b: Array, y: Array) -> tuple[Any, Any]:
    tie = np.where(a == b, _tie[0], 0.0)
    return (a < b) + tie, (b < a) + tie


def _power(node: Node, g: Array) -> Gradients:
    a, b = values(node)
    da = g * b * np.power(a, b - 1)
    if node.inputs[1].operation == CONSTANT or node.inputs[1].value.dtype.kind in "iu":
        return [da, None]
    return [da, g * node.value * np.log(a)]


def _sum(node: Node, g: Array) -> Gradients:
    return [np.broadcast_to(_expanded(g, node), node.inputs[0].value.shape)]


def _mean(node: Node, g: Array) -> Gradients:
    x = node.inputs[0].value
    return [np.broadcast_to(_expanded(g, node), x.shape) * (node.value.size / x.size)]


def _extremum(node: Node, g: Array) -> Gradients:
    x = values(node)[0]
    is_it = x == _expanded(node.value, node)
    return [is_it * _expanded(g, node) / _count(is_it, node)]


def _count(is_it: Array, node: Node) -> Array:
    axis, _ = _axis(node)
    return np.maximum(is_it.sum(axis=axis, keepdims=True), 1)


def _prod(node: Node, g: Array) -> Gradients:
    x = values(node)[0]
    return [_expanded(g * node.value, node) / x]


def _variance(node: Node, g: Array) -> Gradients:
    x = values(node)[0]
    axis, _ = _axis(node)
    _, named = node.options["shape"]
    count = x.size / node.value.size - named.get("ddof", 0)
    return [_expanded(g, node) * 2 * (x - x.mean(axis=axis, keepdims=True)) / count]


def _deviation(node: Node, g: Array) -> Gradients:
    return _variance(node, g / (2 * node.value))


def _norm(node: Node, g: Array) -> Gradients:
    order = argument(node, 1, "ord")
    axis = argument(node, 2, "axis")
    keepdims = bool(argument(node, 3, "keepdims", False))
    x = values(node)[0]
    if order not in (None, 2, "fro") or (order == 2 and axis is None and x.ndim > 1):
        raise NoDerivative(node)
    y = node.value
    if axis is None:
        return [g * x / np.where(y == 0, 1, y)]
    if not keepdims:
        g, y = np.expand_dims(g, axis), np.expand_dims(y, axis)
    return [g * x / np.where(y == 0, 1, y)]


def _product(node: Node, g: Array) -> Gradients:
    """Matrix products of one and two axes; stacks of matrices for matmul."""
    a, b = values(node)
    if a.ndim == 0 or b.ndim == 0:
        return [g * b, g * a]
    if node.operation == "dot" and max(a.ndim, b.ndim) > 2:
        raise NoDerivative(node)
    a2 = a[None, :] if a.ndim == 1 else a
    b2 = b[:, None] if b.ndim == 1 else b
    if a.ndim == 1:
        g = np.expand_dims(g, -2 if b.ndim > 1 else -1)
    if b.ndim == 1:
        g = np.expand_dims(g, -1)
    da, db = g @ np.swapaxes(b2, -1, -2), np.swapaxes(a2, -1, -2) @ g
    if a.ndim == 1:
        da = da.reshape(-1, a.size).sum(axis=0)
    if b.ndim == 1:
        db = db.reshape(-1, b.size, 1).sum(axis=0)[:, 0]
    return [da, db]


def _inner(node: Node, g: Array) -> Gradients:
    a, b = values(node)
    if max(a.ndim, b.ndim) <= 1:
        return [g * b, g * a]
    if a.ndim == b.ndim == 2:
        return [g @ b, g.T @ a]
    raise NoDerivative(node)


def _vdot(node: Node, g: Array) -> Gradients:
    a, b = values(node)
    return [g * b.reshape(a.shape), g * a.reshape(b.shape)]


def _outer(node: Node, g: Array) -> Gradients:
    a, b = values(node)
    return [(g @ b.ravel()).reshape(a.shape), (a.ravel() @ g).reshape(b.shape)]


def _einsum(node: Node, g: Array) -> Gradients:
    subscripts = argument(node, 0, "")
    if not isinstance(subscripts, str) or "." in subscripts:
        raise NoDerivative(node)
    text = subscripts.replace(" ", "")
    given, _, result = text.partition("->")
    terms = given.split(",")
    if "->" not in text:
        result = "".join(sorted(c for c in set(given) - {","} if given.count(c) == 1))
    arrays = values(node)
    found: list[Array | None] = []
    for i, term in enumerate(terms):
        others = [arrays[k] for k in range(len(terms)) if k != i]
        letters = [terms[k] for k in range(len(terms)) if k != i]
        missing = [c for c in term if c not in result + "".join(letters)]
        if len(set(term)) < len(term):
            raise NoDerivative(node)
        ones = [np.ones(arrays[i].shape[term.index(c)]) for c in missing]
        found.append(np.einsum(",".join([result, *letters, *missing]) + "->" + term, g, *others, *ones))
    return found


def _tensordot(node: Node, g: Array) -> Gradients:
    axes = argument(node, 2, "axes", 2)
    a, b = values(node)
    if isinstance(axes, int):
        axes = (list(range(a.ndim - axes, a.ndim)), list(range(axes)))
    of_a, of_b = (
        [k % n for k in ([s] if isinstance(s, int) else s)] for s, n in zip(axes, (a.ndim, b.ndim), strict=True)
    )
    free_a, free_b = ([k for k in range(n) if k not in used] for n, used in ((a.ndim, of_a), (b.ndim, of_b)))
    at = len(free_a)
    da = np.tensordot(g, b, (list(range(at, g.ndim)), free_b))
    order = free_a + [of_a[of_b.index(k)] for k in sorted(of_b)]
    db = np.tensordot(g, a, (list(range(at)), free_a))
    order_b = free_b + [of_b[of_a.index(k)] for k in sorted(of_a)]
    return [np.transpose(da, np.argsort(order)), np.transpose(db, np.argsort(order_b))]


def _transposed(node: Node, g: Array) -> Gradients:
    axes = argument(node, 1, "axes")
    return [np.transpose(g, None if axes is None else np.argsort([a % g.ndim for a in axes]))]


def _reshaped(node: Node, g: Array) -> Gradients:
    if argument(node, 2, "order", "C") != "C" and node.operation != "copy":
        return _moved(node, g)
    return [np.reshape(g, node.inputs[0].value.shape)]


def _same(node: Node, g: Array) -> Gradients:
    return [g if g.size != node.inputs[0].value.size else np.reshape(g, node.inputs[0].value.shape)]


def _clip(node: Node, g: Array) -> Gradients:
    x = values(node)[0]
    is_inside = node.value == x
    return [g * is_inside, *[None] * (len(node.inputs) - 1)]


def _where(node: Node, g: Array) -> Gradients:
    condition = argument(node, 0, "condition")
    inputs = iter(node.inputs)
    chosen = next(inputs).value if condition is HOLE else condition
    found: list[Array | None] = [None] if condition is HOLE else []
    if argument(node, 1, "x") is HOLE:
        found.append(np.where(chosen, g, 0.0))
    if argument(node, 2, "y") is HOLE:
        found.append(np.where(chosen, 0.0, g))
    return found


def _taken(node: Node, g: Array) -> Gradients:
    found = np.zeros(node.inputs[0].value.shape)
    np.add.at(found, node.options["index"], g)
    return [found]


def _set(node: Node, g: Array) -> Gradients:
    index = node.options["index"]
    whole, part = np.array(g, dtype=float), np.asarray(g)[index]
    whole[index] = 0
    return [whole, part]


def _put(node: Node, g: Array) -> Gradients:
    positions = node.options["positions"]
    whole = np.array(g, dtype=float)
    part = whole.reshape(-1)[positions]
    whole.reshape(-1)[positions] = 0
    return [whole, part]


def _added_at(node: Node, g: Array) -> Gradients:
    return [g, g[node.options["index"]]]


def _moved(node: Node, g: Array) -> Gradients:
    """Functions that only put elements in other places: see where each one goes."""
    ends = np.cumsum([0, *(n.value.size for n in node.inputs)])
    numbers = [
        np.arange(1 + start, 1 + start + n.value.size, dtype=float).reshape(n.value.shape)
        for start, n in zip(ends, node.inputs, strict=False)
    ]
    if node.compute is None:
        raise NoDerivative(node)
    where = np.asarray(node.compute(*numbers)).astype(int)
    sums = np.zeros(ends[-1] + 1)
    np.add.at(sums, where, g)
    return [
        sums[1 + start : 1 + start + n.value.size].reshape(n.value.shape)
        for start, n in zip(ends, node.inputs, strict=False)
    ]


def _cumsum(node: Node, g: Array) -> Gradients:
    axis = argument(node, 1, "axis")
    if axis is None:
        return [np.cumsum(g[::-1])[::-1].reshape(node.inputs[0].value.shape)]
    return [np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)]


def _trace(node: Node, g: Array) -> Gradients:
    return [g * np.eye(*node.inputs[0].value.shape)]


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


def _sigmoid(x: Array, y: Array) -> Array:
    return y * (1 - y)


RULES: dict[str, Rule] = {
    "add": two(lambda a, b, y: (1, 1)),
    "subtract": two(lambda a, b, y: (1, -1)),
    "multiply": two(lambda a, b, y: (b, a)),
    "divide": two(lambda a, b, y: (1 / b, -a / b**2)),
    "maximum": two(_larger),
    "fmax": two(_larger),
    "minimum": two(_smaller),
    "fmin": two(_smaller),
    "logaddexp": two(lambda a, b, y: (np.exp(a - y), np.exp(b - y))),
    "hypot": two(lambda a, b, y: (a / y, b / y)),
    "arctan2": two(lambda a, b, y: (b / (a * a + b * b), -a / (a * a + b * b))),
    "power": _power,
    "float_power": _power,
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
    "absolute": elementwise(lambda x, y: np.sign(x)),
    "fabs": elementwise(lambda x, y: np.sign(x)),
    "expit": elementwise(_sigmoid),
    "sinc": elementwise(lambda x, y: np.where(x == 0, 0.0, (np.cos(np.pi * x) - y) / np.where(x == 0, 1.0, x))),
    "erf": elementwise(lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    "sum": _sum,
    "nansum": _sum,
    "add.reduce": _sum,
    "mean": _mean,
    "average": _mean,
    "max": _extremum,
    "amax": _extremum,
    "min": _extremum,
    "amin": _extremum,
    "maximum.reduce": _extremum,
    "minimum.reduce": _extremum,
    "prod": _prod,
    "multiply.reduce": _prod,
    "var": _variance,
    "std": _deviation,
    "norm": _norm,
    "trace": _trace,
    "cumsum": _cumsum,
    "dot": _product,
    "matmul": _product,
    "inner": _inner,
    "vdot": _vdot,
    "outer": _outer,
    "einsum": _einsum,
    "tensordot": _tensordot,
    "transpose": _transposed,
    "reshape": _reshaped,
    "ravel": _same,
    "squeeze": _same,
    "expand_dims": _same,
    "copy": _same,
    "astype": _same,
    "asarray": _same,
    "asanyarray": _same,
    "atleast_1d": _same,
    "atleast_2d": _same,
    "nan_to_num": _same,
    "clip": _clip,
    "where": _where,
    ELEMENTWISE: _by_differences,
    "getitem": _taken,
    "setitem": _set,
    PUT: _put,
    "add.at": _added_at,
}
MOVING = """
    array concatenate stack hstack vstack dstack column_stack append insert delete roll flip fliplr flipud
    repeat tile take swapaxes moveaxis rollaxis rot90 diag diagonal pad split array_split hsplit vsplit
    broadcast_to take_along_axis ascontiguousarray block tril triu diagflat compress sort
"""  # functions that only put elements in other places
RULES |= dict.fromkeys(MOVING.split(), _moved)
RULES |= dict.fromkeys(
    """
    greater greater_equal less less_equal equal not_equal logical_and logical_or logical_not
    logical_xor sign heaviside floor ceil rint trunc round around isnan isinf isfinite floor_divide
    signbit bitwise_and bitwise_or invert
""".split(),
    _nothing,
)


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its array was broadcast."""
    g = np.asarray(g, dtype=float)
    if g.shape == shape:
        return g
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return np.broadcast_to(g, shape)


def backward(node: Node, g: Array) -> list[Array | None]:
    """The gradients of a node's inputs. Raises NoDerivative where there is no rule."""
    rule = RULES.get(node.operation)
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

    `ends` are the nodes that are taken for independent variables. `unknown` are operations without a
    rule that were met: what lies behind them has no gradient here.
    """

    def __init__(self, seeds: Mapping[Node, Array], ends: Collection[int] = ()) -> None:
        self.gradients: dict[int, Array] = {}
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
                    found = backward(node, self.gradients[node.index])
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
            self.gradients[node.index] = known + g

    def __contains__(self, node: Node) -> bool:
        return node.index in self.gradients

    def __getitem__(self, node: Node) -> Array:
        return self.gradients[node.index]
