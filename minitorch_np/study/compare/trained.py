"""Arrays that a program trains: the values that are updated, version by version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from minitorch_np.study.compare.instrument import Execution, carried, used_version
from minitorch_np.study.compare.recorded import FORWARD_PRODUCTS, Node, Tape, ancestors

ELEMENTWISE = frozenset(
    "add subtract multiply divide negative sqrt power square copy maximum getitem reshape".split()
)


MOST = 100  # versions of which one has to go into a product


class Update(NamedTuple):
    """From one version of a parameter that the program computes with to the next one."""

    name: str
    old: Node
    new: Node


class TrainedArray(NamedTuple):
    """The versions of a parameter, oldest first; `name` is what the program calls it most often.

    `used` are the versions that a gradient was computed with.
    """

    name: str
    versions: list[Node]
    used: list[Node]

    def after(self, version: Node) -> Node | None:
        """The version that the update of this one ends with; None if the recording ends in it."""
        following = next((v for v in self.used if v.index > version.index), None)
        if following is not None or len(self.used) < 2:
            return following
        at = [self.versions.index(v) for v in (*self.used[:2], version)]
        left = self.versions[at[2] :]
        return left[-1] if len(left) - 1 == at[1] - at[0] else None  # the last update is complete


def parameters(tape: Tape, executions: list[Execution]) -> list[TrainedArray]:
    """Everything that is updated by something that depends on itself, in the order of its first value."""
    found = _updated(tape, executions)
    if not found:
        for old, new in _renamed(executions):
            tape.replace(old, new)
        found = _updated(tape, executions)
    return found


def _renamed(executions: list[Execution]) -> Iterator[tuple[Node, Node]]:
    """Steps written out once, of which the result has a name of its own: w_new = w - lr * g."""
    for e in executions:
        for path, before, new in e.bound:
            if before is None and new.operation in ("add", "subtract") and new.execution is e:
                old, step = new.inputs
                is_scaled = step.operation == "multiply" and any(n.value.size == 1 for n in step.inputs)
                if is_scaled and any(n is old and name in path for name, n in e.values.items()):
                    yield old, new


def _updated(tape: Tape, executions: list[Execution]) -> list[TrainedArray]:
    added: dict[tuple[int, int], list[Node]] = {}
    following: dict[int, list[Node]] = {}
    for old, new in tape.replaced.values():
        more = carried(old, new)
        if more is not None and _fits(old, new) and old.value.dtype.kind in "fi":
            added[old.index, new.index] = more
            following.setdefault(old.index, []).append(new)
    for index, nodes in following.items():  # rather its next step than a copy in a function
        following[index] = [n for n in nodes if added[index, n.index]] or nodes
    consumers: dict[int, list[Node]] = {}
    for node in tape.nodes:
        for n in node.inputs:
            consumers.setdefault(n.index, []).append(node)
    found: list[tuple[list[Node], list[Node]]] = []
    owners: dict[int, int] = {}
    for versions in chains(tape, following):
        used = _used(versions, added) or _consumed(versions, consumers)
        later = {v.index for v in versions[2:]}  # what a function returns has the name of what it was given
        firsts = (n for n in following[versions[0].index] if n.index not in later)
        is_data = len({n.value.tobytes() for n in firsts}) > 1
        is_square = all(any(map(_is_square, added[pair])) for pair in _indices(versions))
        if used and not is_data and not is_square and not owners.keys() & ancestors(versions[:1]).keys():
            owners |= {v.index: len(found) for v in versions}
            found.append((versions, used))
    states: set[int] = set()
    for i, (versions, used) in enumerate(found):
        for old, new in pairwise(versions):
            now = max((v for v in used if v.index <= old.index), default=old)
            buffers = {owners[n.index] for n in _buffers(added[old.index, new.index], owners, i, now)}
            states |= {
                k for k in buffers if not any(_feeds_a_product(v, consumers) for v in found[k][0][:MOST])
            }
    most = max((versions for versions, _ in found), key=len, default=[])
    arrays: list[TrainedArray] = []
    for i, (versions, used) in enumerate(found):
        is_data = len(versions) == 2 < len(most) and versions[1].index < most[1].index
        if i not in states and not is_data:  # changed once before the first update of others
            name = called(versions, executions)
            same = sum(name == p.name.partition(" (")[0] for p in arrays)  # l.params['W'] of every layer
            versions = [_in_shape(versions[0], versions[1], consumers), *versions[1:]]
            arrays.append(TrainedArray(f"{name} ({same + 1})" if same else name, versions, used))
    return arrays


def _in_shape(first: Node, second: Node, consumers: Mapping[int, list[Node]]) -> Node:
    """The first version of an array in the shape of the others, which it may be given after it is drawn."""
    pending = [first]
    while pending:
        node = pending.pop(0)
        if node.value.shape == second.value.shape:
            return node
        pending += [n for n in consumers.get(node.index, []) if n.operation in ("reshape", "astype", "copy")]
    return first


def _indices(versions: list[Node]) -> list[tuple[int, int]]:
    return [(old.index, new.index) for old, new in pairwise(versions)]


def _is_square(node: Node) -> bool:
    """Whether something cannot be negative: it is summed up for the size of steps, and is no gradient."""
    if node.operation == "multiply" and node.inputs[0] is not node.inputs[1]:
        return any(map(_is_square, node.inputs)) and any(n.value.size == 1 for n in node.inputs)
    return node.operation in ("square", "power", "multiply")


def chains(tape: Tape, following: Mapping[int, list[Node]]) -> list[list[Node]]:
    """The successive versions of arrays, each with the first of those that follow it."""
    later = {n.index for nodes in following.values() for n in nodes}
    found = []
    for index in sorted(following.keys() - later):
        versions = [tape.nodes[index]]
        while nexts := following.get(versions[-1].index):
            versions.append(nexts[0])
        found.append(versions)
    return found


def _fits(old: Node, new: Node) -> bool:
    """Whether a new version has the shape of the old one, or one that broadcasting has made of it."""
    try:
        is_wider = np.broadcast_shapes(old.value.shape, new.value.shape) == new.value.shape
    except ValueError:
        is_wider = False
    return is_wider or old.value.size == new.value.size


def _used(versions: list[Node], added: dict[tuple[int, int], list[Node]]) -> list[Node]:
    """The versions that a gradient was computed with: what is added to a later one depends on them."""
    found: list[Node] = []
    open_versions = {versions[0].index: versions[0]}
    for old, new in pairwise(versions):
        used = used_version(added[old.index, new.index], open_versions)
        if used is not None and used not in found[-1:]:
            found.append(used)
            open_versions = {i: v for i, v in open_versions.items() if i >= used.index}
        open_versions[new.index] = new
    return found


def _consumed(versions: list[Node], consumers: dict[int, list[Node]]) -> list[Node]:
    """Of an array updated by something else than its gradient: the versions that matrix products use."""
    used = [v for v in versions if any(_is_forward(c) for c in consumers.get(v.index, ()))]
    return used[:-1] if len(used) > 1 and versions[0] in used else []


def _is_forward(node: Node) -> bool:
    """Whether an operation takes a weight, or a bias."""
    is_bias = node.operation in ("add", "subtract") and any(
        n.operation in FORWARD_PRODUCTS for n in node.inputs
    )
    return node.operation in FORWARD_PRODUCTS or is_bias


def _feeds_a_product(version: Node, consumers: dict[int, list[Node]]) -> bool:
    """Whether a matrix product takes an array, or a part or view of it: it is no momentum buffer then."""
    return any(
        node.operation in FORWARD_PRODUCTS
        or (node.operation in ("getitem", "transpose", "reshape") and _feeds_a_product(node, consumers))
        for node in consumers.get(version.index, ())
    )


def _buffers(added: list[Node], owners: dict[int, int], mine: int, now: Node) -> list[Node]:
    """Versions of other arrays that an update is made of element by element: momentum, Adam's averages."""
    found = ancestors(added, lambda n: n.index not in owners and n.operation in ELEMENTWISE)
    return [
        n for n in found.values()
        if owners.get(n.index, mine) != mine
        and used_version(list(n.inputs), {now.index: now}) is not None
    ]  # fmt: skip


def called(versions: list[Node], executions: list[Execution]) -> str:
    """What the program calls a parameter most often."""
    wanted = {v.index for v in versions}
    counts = Counter(path for e in executions for path, node in e.values.items() if node.index in wanted)
    return min(counts, key=lambda path: (-counts[path], len(path))) if counts else ""
