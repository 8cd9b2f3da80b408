"""The loss that a program minimises: which of its numbers, or a loss that programs leave unsaid."""

from __future__ import annotations

import ast
import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.compare.recorded import CONSTANT, LEAF, PUT, Node, Tape

HALF_SQUARES, CROSS_ENTROPY = "half the squared error", "the cross entropy"
if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LOSS_NAMES = ("loss", "cost", "error", "objective", "mse", "nll", "j", "l")
PRODUCTS = ("dot", "matmul", "inner", "einsum", "tensordot", "outer")
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

    def described(self) -> str:
        if self.kind:
            return f"{self.kind} of `{self.text}`"
        return f"`{self.name or self.text}` in line {self.line}"


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
    places: dict[tuple[int, int, str], list[tuple[Node, Seeds]]] = {}
    implied: dict[tuple[int, int, str], list[tuple[Node, Seeds]]] = {}
    first: dict[int, int] = {}
    with_data: set[int] = set()  # what is made of other arrays than parameters too: no mere penalty
    after: set[int] = set()  # what is made of a difference of a prediction and a target
    for node in tape.nodes:
        if node.index in versions:
            continue
        if (not node.inputs and node.value.size > 1) or any(n.index in with_data for n in node.inputs):
            with_data.add(node.index)
        if node.execution is None:
            continue
        start = first.setdefault(node.execution.number, node.index)
        place = (node.execution.statement.number, node.index - start)
        if node.index not in depends or node.value.dtype.kind != "f":
            continue
        differences = list(_implied(node, depends, versions))
        is_residual = node.operation == "subtract" and bool(differences)
        if node.value.size == 1 and node.operation not in ("getitem", "setitem", PUT) and not is_residual:
            places.setdefault((*place, ""), []).append((node, {node: np.ones(node.value.shape)}))
        if node.index in after or any(n.index in after for n in node.inputs):
            after.add(node.index)
            continue
        if (
            any(n.operation != CONSTANT or n.value.size > 1 for n in node.inputs if n.index not in depends)
            and differences
        ):
            after.add(node.index)
        for kind, seeds in differences:
            implied.setdefault((*place, kind), []).append((node, seeds))
    written = [_loss(key[2], found, names) for key, found in places.items()]
    if any(loss.instances[0][0].index in with_data for loss in written):
        written = [loss for loss in written if loss.instances[0][0].index in with_data]
    used = _used_by_updates(tape, versions)
    written = [
        loss for loss in written
        if loss.instances[0][0].index not in used or any(w in loss.name.lower() for w in ("loss", "cost"))
    ]  # fmt: skip
    inner = _made_into_others([loss.instances[0][0] for loss in written])
    written = [loss._replace(is_inner=loss.instances[0][0].index in inner) for loss in written]
    written.sort(key=lambda loss: (-rank(loss), -loss.instances[0][0].index))
    likely = [loss for loss in written if rank(loss)]
    unsaid = [_loss(key[2], found, names) for key, found in implied.items()]
    return likely + unsaid + written[len(likely) :]


def _made_into_others(nodes: list[Node]) -> set[int]:
    """Those numbers from which others of them are computed."""
    found: set[int] = set()
    for node in nodes:
        pending = list(node.inputs)
        while pending:
            n = pending.pop()
            if n.value.size == 1 and n.index not in found:
                found.add(n.index)
                pending += n.inputs
    return found


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
    if any(len(n) > 1 and n in name for n in LOSS_NAMES) or name in LOSS_NAMES:
        return 2
    return 1 if any(w in loss.text.lower() for w in ("loss", "cost", "print", "error")) else 0


def _implied(node: Node, depends: set[int], versions: set[int]) -> Iterator[tuple[str, Seeds]]:
    """The losses whose gradient a difference of a prediction and a target is."""
    for output, sign in _predictions(node, depends):
        if output.index in versions or output.value.shape != node.value.shape:
            continue
        error = sign * node.value
        if node.operation == "subtract":
            yield HALF_SQUARES, {output: error}
        before = _before_activation(output, depends, versions)
        if before is not None and before is not output:
            gradient = _logit_gradient(output.value, before.value, error)
            if gradient is not None:
                yield CROSS_ENTROPY, {before: gradient}


def _logit_gradient(p: Array, z: Array, error: Array) -> Array | None:
    """The gradient p − t of the cross entropy in the shape of z, if p is the sigmoid or the softmax of z.

    Of a softmax it is only that if the targets sum to 1 along the same axis, and so p − t to 0.
    """
    if p.shape != z.shape:
        if p.ndim == 2 and p.shape == z.shape[::-1]:
            p, error = p.T, error.T
        else:
            p, error = p.reshape(z.shape), error.reshape(z.shape)
    with np.errstate(all="ignore"):
        if np.allclose(p, 1 / (1 + np.exp(-z)), rtol=1e-4, atol=1e-6):
            return error
        for axis in range(z.ndim):
            e = np.exp(z - z.max(axis=axis, keepdims=True))
            is_softmax = np.allclose(p, e / e.sum(axis=axis, keepdims=True), rtol=1e-4, atol=1e-6)
            if is_softmax and np.abs(error.sum(axis=axis)).max(initial=0) <= 1e-4 * np.abs(error).max(
                initial=0
            ):
                return error
    return None


def _predictions(node: Node, depends: set[int]) -> Iterator[tuple[Node, float]]:
    if node.operation == "subtract":
        a, b = node.inputs
        if (a.index in depends) != (b.index in depends):
            output, target, sign = (a, b, 1.0) if a.index in depends else (b, a, -1.0)
            if not _is_literal(target, node):  # 1 - a ** 2
                yield output, sign
    elif node.operation in ("setitem", PUT):  # p[range(n), labels] -= 1
        whole, part = node.inputs
        if (
            part.operation == "subtract"
            and part.inputs[1].operation in (CONSTANT, LEAF)
            and bool((part.inputs[1].value == 1).all())
            and whole.index in depends
        ):
            yield whole, 1.0


def _is_literal(target: Node, node: Node) -> bool:
    """Whether a number stands in the statement itself."""
    if target.operation != CONSTANT or target.value.size > 1 or node.execution is None:
        return False
    parts = ast.walk(node.execution.statement.tree)
    return any(isinstance(n, ast.Constant) and n.value == target.value for n in parts)


def _before_activation(output: Node, depends: set[int], versions: set[int]) -> Node | None:
    """The last array before `output` that a matrix product makes."""
    size = output.value.size
    pending = [(-output.index, output)]
    seen: set[int] = set()
    while pending:
        _, node = heapq.heappop(pending)
        if node.index in versions or node.index not in depends or node.index in seen:
            continue
        seen.add(node.index)
        is_sum = node.operation in ("add", "subtract") and any(
            n.operation in PRODUCTS or n.operation in ("sum", "add.reduce") or n.index in versions
            for n in node.inputs
        )
        if node.value.size == size and (node.operation in PRODUCTS or is_sum):
            return node
        for n in node.inputs:
            if n.index not in seen:
                heapq.heappush(pending, (-n.index, n))
    return None
