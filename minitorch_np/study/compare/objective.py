"""The loss that a program minimises: which of its numbers, or a loss that programs leave unsaid."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.compare.derivatives import Reverse
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, PRODUCTS, Node, Tape, ancestors

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

HALF_SQUARES, CROSS_ENTROPY = "half the squared error", "the cross entropy"
# Losses of a margin y z with labels y of -1 and 1: their derivatives by the margin.
MARGIN_LOSSES: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "the perceptron loss": lambda m: -1.0 * (m <= 0),
        "the hinge loss": lambda m: -1.0 * (m < 1),
        "the logistic loss": lambda m: -1 / (1 + np.exp(m)),
    }
)
PERCEPTRON, WEIGHTED = "the perceptron loss", "the weighted cross entropy"
UNSURE_LOSSES = frozenset([*MARGIN_LOSSES, WEIGHTED])  # no line is blamed by one of them
LOSS_NAMES = ("loss", "cost", "error", "objective", "mse", "nll", "total", "j", "l", "err", "e")
VECTOR_NAMES = ("loss", "losses", "cost", "costs")  # of an array whose sum is meant
Seeds = dict[Node, "np.ndarray"]


class Objective(NamedTuple):
    """A loss of the program: where it is, and what to start a reverse pass with, by each time it was computed.

    `kind` is "" for a number of the program, otherwise the loss that is not written out there.
    """

    line: int
    text: str
    name: str
    kind: str
    instances: list[tuple[Node, Seeds]]
    is_inner: bool = False  # another one is computed from it: a sum that is then divided, or turned in sign

    @property
    def first(self) -> Node:
        return self.instances[0][0]

    def values(self) -> list[Array]:
        """Its numbers, if the program computes it."""
        return [] if self.kind else [node.value.sum() for node, _ in self.instances]

    def described(self) -> str:
        if self.kind:
            return f"{self.kind} of `{self.text}`"
        total = "the sum of " if self.first.value.size > 1 else ""
        return f"{total}`{self.name or self.text}` in line {self.line}"


def dependent(tape: Tape, versions: set[int]) -> set[int]:
    """The indices of all nodes that depend on a parameter."""
    found = set(versions)
    for node in tape.nodes:
        if node.inputs and node.index not in found and any(n.index in found for n in node.inputs):
            found.add(node.index)
    return found


def losses(tape: Tape, versions: set[int], names: dict[int, str]) -> list[Objective]:
    """All that may be the loss: the program's numbers, likely ones first, then what is implied."""
    depends = dependent(tape, versions)
    places: dict[tuple[int, int, str], list[tuple[Node, Seeds]]] = {}  # by statement, operation and kind
    first: dict[int, int] = {}
    with_data: set[int] = set()  # what is made of other arrays than parameters too: no mere penalty
    entropies: dict[int, Seeds] = {}  # by the difference that is the gradient
    steps = {n.index for i in versions for n in tape.nodes[i].inputs}
    after: set[int] = set()  # what is made of a difference of a prediction and a target
    for node in tape.nodes:
        if node.index in versions:
            after.clear()  # a momentum goes into the next prediction
            continue
        if (not node.inputs and node.value.size > 1) or any(n.index in with_data for n in node.inputs):
            with_data.add(node.index)
        if node.execution is None:
            continue
        start = first.setdefault(node.execution.number, node.index)
        place = (node.execution.statement.number, node.index - start)
        is_test = isinstance(node.execution.statement.tree, ast.If | ast.While)
        if node.index not in depends:
            continue
        for kind, seeds in _of_margin(node, depends, versions):
            places.setdefault((*place, kind), []).append((node, seeds))
        if (weighted := _weighted(node, entropies, depends)) is not None:
            places.setdefault((*place, WEIGHTED), []).append((node, weighted))
        if node.value.dtype.kind != "f" or is_test:
            continue
        is_other = node.index in steps or re.search("loss|cost", names.get(node.index, "").lower())
        differences = [] if is_other else list(_implied(node, depends, versions))
        entropies[node.index] = dict(differences).get(CROSS_ENTROPY, {})
        is_named = names.get(node.index, "").lower().removeprefix("self.") in VECTOR_NAMES
        is_part = node.operation in ("getitem", "setitem") or (node.operation == "subtract" and differences)
        if (node.value.size == 1 or is_named) and not is_part:
            places.setdefault((*place, ""), []).append((node, {node: np.ones(node.value.shape)}))
        if any(n.index in after for n in node.inputs):
            after.add(node.index)
            continue
        given = [
            n for n in node.inputs if n.index not in depends and (n.operation != CONSTANT or n.value.size > 1)
        ]
        after |= {node.index} if differences and given else set()
        for kind, seeds in differences:
            places.setdefault((*place, kind), []).append((node, seeds))
    found = [_loss(key[2], instances, names) for key, instances in places.items()]
    written = [n for n in found if not n.kind and (rank(n) or _label(n.first, depends) is None)]
    used = _used_by_updates(tape, versions)
    written = [
        loss for loss in written
        if loss.first.index not in used or any(w in loss.name.lower() for w in ("loss", "cost"))
    ]  # fmt: skip
    written = [loss for loss in written if loss.first.index in with_data] or written
    made = [ancestors(loss.first.inputs, lambda n: n.value.size == 1).keys() for loss in written]
    inner = set().union(*made)
    written = [loss._replace(is_inner=loss.first.index in inner) for loss in written]
    written.sort(key=lambda loss: (-rank(loss), -loss.first.index))
    likely = [loss for loss in written if rank(loss)]
    unsure = [loss for loss in found if loss.kind in UNSURE_LOSSES]
    implied = [loss for loss in found if loss.kind and loss.kind not in UNSURE_LOSSES]
    return [*likely, *implied, *written[len(likely) :], *unsure, *_sums(likely)]


def _sums(likely: list[Objective]) -> Iterator[Objective]:
    """The sums of two losses that the program computes apart: of a reconstruction, and of a penalty."""
    for a, b in combinations([loss for loss in likely if loss.name][:4], 2):
        is_apart = a.line != b.line and not a.is_inner and not b.is_inner
        if is_apart and len(a.instances) == len(b.instances):
            both = zip(a.instances, b.instances, strict=True)
            instances = [(max(n, m), {**s, **t}) for (n, s), (m, t) in both]
            yield a._replace(name=f"{a.name} + {b.name}", instances=instances)


def _used_by_updates(tape: Tape, versions: set[int]) -> set[int]:
    """What goes into the next version of a parameter: predictions and gradients, but no loss."""
    found: set[int] = set()
    for node in reversed(tape.nodes):
        if node.index in found or node.index in versions:
            found |= {n.index for n in node.inputs}
    return found


def _loss(kind: str, instances: list[tuple[Node, Seeds]], names: dict[int, str]) -> Objective:
    node = instances[0][0]
    statement = node.execution.statement
    return Objective(statement.line, statement.text, names.get(node.index, ""), kind, instances)


def rank(loss: Objective) -> int:
    """How likely a number is the loss by its name, or what stands in its line: 2, 1 or 0."""
    name = loss.name.lower().replace("self.", "")
    execution = loss.first.execution
    function = execution.statement.function.lower() if execution and loss.text.startswith("return ") else ""
    is_named = name in LOSS_NAMES or re.fullmatch(r"j_\w+", name) is not None  # J_G
    if is_named or any(len(n) > 1 and (n in name or n in function) for n in LOSS_NAMES):
        return 2
    if re.search(r"(loss|cost)\w*\(", loss.text.lower()):
        return 2
    return 1 if any(w in loss.text.lower() for w in ("loss", "cost", "print", "error")) else 0


def _implied(node: Node, depends: set[int], versions: set[int]) -> Iterator[tuple[str, Seeds]]:
    """The losses whose gradient a difference of a prediction and a target is."""
    found = prediction(node, depends)
    if found is None or found[0].index in versions or found[0].value.shape != node.value.shape:
        return
    output, error = found[0], found[1] * node.value
    if output.operation == "multiply" and any(
        n.index in versions and n.value.shape == output.value.shape for n in output.inputs
    ):
        return  # a part of an update: weight decay
    if node.operation == "subtract":
        yield HALF_SQUARES, {output: error}
    before = _before_activation(output, depends, versions)
    if before is not None and before is not output:
        gradient = _logit_gradient(output, before, error, {before.index, *versions})
        if gradient is not None:
            yield CROSS_ENTROPY, {before: gradient}


def _weighted(node: Node, entropies: Mapping[int, Seeds], depends: set[int]) -> Seeds | None:
    """The cross entropy times a weight of each sample, or a reward."""
    if node.operation != "multiply":
        return None
    for a, b in (node.inputs, node.inputs[::-1]):
        for z, g in entropies.get(a.index, {}).items():
            if b.index not in depends and a.value.shape == g.shape == node.value.shape:
                return {z: g * b.value}
    return None


def _of_margin(node: Node, depends: set[int], versions: set[int]) -> Iterator[tuple[str, Seeds]]:
    """The losses of a margin that a node may be, or minus it, or of a prediction that is only a sign."""
    found = prediction(node, depends)
    if found is not None and np.isin(found[0].value, (-1, 0, 1)).all():
        z = _before_activation(found[0], depends, versions)
        if z is not None and z is not found[0] and _is_sign(found[0].value, z.value):
            yield PERCEPTRON, {z: found[1] * node.value}
    label = _label(node, depends)
    if label is None:
        return
    is_turned = any(isinstance(n, ast.USub) for n in _parts(node))
    if is_turned and label.operation == CONSTANT:  # it may be of -y
        return
    sign = -1.0 if any(n.operation == "negative" for n in node.inputs) else 1.0
    with np.errstate(over="ignore"):
        for kind, derivative in MARGIN_LOSSES.items():
            yield kind, {node: sign * derivative(sign * node.value)}


def _label(node: Node, depends: set[int]) -> Node | None:
    """The labels of -1 and 1 that a node is a product with; None if it is none."""
    given = [n for n in node.inputs if n.index not in depends] if node.operation == "multiply" else []
    if len(given) != 1 or not np.isin(given[0].value, (-1, 1)).all():
        return None
    products = (n for n in _parts(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult))
    factors = (factor for n in products for factor in (n.left, n.right))
    is_literal = any(isinstance(getattr(f, "operand", f), ast.Constant) for f in factors)
    return None if is_literal and given[0].operation == CONSTANT else given[0]


def _parts(node: Node) -> Iterator[ast.AST]:
    """The expressions of the statement that made a node; of an `if` those of its test."""
    tree = node.execution.statement.tree
    return ast.walk(getattr(tree, "test", tree))


def _is_sign(output: Array, z: Array) -> bool:
    """Whether a prediction of 1, and of 0 or -1, says which z are positive."""
    return any(np.array_equal(output > 0, side) for side in (z > 0, z >= 0))


def _logit_gradient(output: Node, before: Node, error: Array, ends: set[int]) -> Array | None:
    """The gradient p − t of the cross entropy in the shape of z, if p is the sigmoid or the softmax of z.

    It is t − p if p is the sigmoid of −z. Of a softmax it is only that if the targets sum to 1 along the
    same axis, and so p − t to 0.
    """
    turn = -1.0 if (output.value < 0).all() else 1.0  # of d = -p, to which 1 is added
    p, z = turn * output.value, before.value
    if p.shape != z.shape:
        is_turned = p.ndim == 2 and p.shape == z.shape[::-1]
        p, error = (a.T if is_turned else a.reshape(z.shape) for a in (p, error))
    with np.errstate(all="ignore"):
        for sign in (1.0, -1.0):
            if np.allclose(p, 1 / (1 + np.exp(-sign * z)), rtol=1e-4, atol=1e-6):
                if np.any(z):
                    return turn * sign * error
                # both fit; z may be computed twice, as in exp(z) / (1 + exp(z))
                nodes = ancestors([output], lambda n: n.index not in ends).values()
                alike = [n for n in nodes if n.operation == before.operation and n.inputs == before.inputs]
                passed = Reverse(
                    {output: np.full(output.value.shape, turn)}, ends.union(n.index for n in alike)
                )
                slope = sum((passed[n] for n in alike if n in passed), np.zeros(before.value.shape))
                return error * np.sign(slope.reshape(z.shape) if slope.shape != z.shape[::-1] else slope.T)
        largest = np.abs(error).max(initial=0)
        for axis in range(z.ndim):
            e = np.exp(z - z.max(axis=axis, keepdims=True))
            is_softmax = np.allclose(p, e / e.sum(axis=axis, keepdims=True), rtol=1e-4, atol=1e-6)
            if is_softmax and np.abs(error.sum(axis=axis)).max(initial=0) <= 1e-4 * largest:
                return error
    return None


def prediction(node: Node, depends: set[int]) -> tuple[Node, float] | None:
    """What a node takes a target from, or is taken from one, with the sign that it has then."""
    if node.operation == "subtract":
        a, b = node.inputs
        if (a.index in depends) != (b.index in depends):
            output, target, sign = (a, b, 1.0) if a.index in depends else (b, a, -1.0)
            return None if _is_literal(target, node) else (output, sign)  # 1 - a ** 2
    elif node.operation == "setitem":  # p[range(n), labels] -= 1
        whole, part = node.inputs
        sign = {"subtract": 1.0, "add": -1.0}.get(part.operation, 0.0)
        if sign and whole.index in depends:
            one = part.inputs[1]
            if one.operation in (CONSTANT, LEAF) and bool((one.value == 1).all()):
                return whole, sign
    return None


def _is_literal(target: Node, node: Node) -> bool:
    """Whether a number stands in the statement itself, or is one for all elements."""
    if target.operation != CONSTANT or target.value.size > 1 or node.execution is None:
        return False
    return node.value.size > 1 or any(
        isinstance(n, ast.Constant) and n.value == target.value for n in _parts(node)
    )


def _before_activation(output: Node, depends: set[int], versions: set[int]) -> Node | None:
    """The last array before `output` that a matrix product makes, or the sum of one and a bias."""

    def is_made(node: Node) -> bool:
        terms = node.inputs if node.operation in ("add", "subtract") else ()
        sums = (*PRODUCTS, "sum", "add.reduce")
        return node.operation in PRODUCTS or any(n.operation in sums or n.index in versions for n in terms)

    reached = ancestors([output], lambda n: n.index in depends and n.index not in versions)
    return max(
        (
            n for n in reached.values()
            if n.value.size == output.value.size
            and n.index in depends and n.index not in versions and is_made(n)
        ),
        default=None,
    )  # fmt: skip
