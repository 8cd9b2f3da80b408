"""The updates of one step: which are wrong, and what they are made of."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.compare.derivatives import Reverse
from minitorch_np.study.compare.edits import is_a_name
from minitorch_np.study.compare.instrument import Execution
from minitorch_np.study.compare.judge import (
    EMPTY,
    NOISE,
    RIGHT,
    WRONG,
    Judge,
    Verdict,
    are_equal,
    is_varied,
    multiple,
    origin,
)
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, PRODUCTS, Node

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FEW_NUMBERS = 3  # of one expression: fewer are multiples of others by chance
FEW = 8  # gradients of one shape that are compared one by one
FACTORED = (*PRODUCTS, "multiply", "divide")


class Multiples(NamedTuple):
    """Of a step, downwards, and of the last variable that holds the gradient."""

    step: float | None
    named: float | None


class Truths:
    """True gradients, to be found by their multiples."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[int, ...], list[tuple[Node, Array]]] = {}
        self._directions: dict[tuple[int, ...], Array] = {}

    def add(self, node: Node, gradient: Array) -> None:
        self._by_shape.setdefault(shape_key(gradient), []).append((node, gradient))

    def of(self, value: Array) -> tuple[Node, float] | None:
        """The array of the forward pass whose gradient `value` is a multiple of, with the multiple."""
        key = shape_key(value)
        pairs = self._by_shape.get(key, [])
        if len(pairs) > FEW:  # only those of the same direction
            turned = [value, value.T] if value.ndim == 2 else [value]
            flat = np.stack([a.reshape(-1) for a in turned], axis=1).astype(float)
            cosines = self._unit_vectors(key) @ (flat / max(float(np.linalg.norm(flat[:, 0])), 1e-300))
            pairs = [pairs[i] for i in np.flatnonzero((np.abs(cosines) > 0.999).any(axis=1))]
        return next(((n, c) for n, g in pairs if (c := multiple(value, g)) is not None), None)

    def _unit_vectors(self, key: tuple[int, ...]) -> Array:
        if key not in self._directions:
            rows = np.stack([g.reshape(-1) for _, g in self._by_shape[key]])
            self._directions[key] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return self._directions[key]

    def gradients(self, node: Node, shape: tuple[int, ...]) -> list[Array]:
        return [g for n, g in self._by_shape.get(shape, ()) if n is node]


class Window:
    """The updates of one step: the wrong and the right ones, and what they are made of."""

    def __init__(self, judge: Judge, verdicts: list[Verdict], odd: list[Verdict]) -> None:
        self.judge = judge
        self.proven: set[int] = set()  # nodes of which something right comes
        self.part: tuple[Node, Node] | None = None  # a term that is taken for the gradient, and of what
        self.ratios: dict[int, float] = {}  # by execution: how many times its value is of what it is made of
        self._has_step: dict[int, bool] = {}
        self.usual: Multiples | None = None  # of the right gradients: a single number must have the same
        amiss = odd or [v for v in verdicts if v.what == WRONG]
        first = min(amiss, key=lambda v: v.update.new.index).update
        by_name: dict[int, Verdict] = {}
        for v in verdicts:
            is_within = v.update.old.index < first.new.index and v.update.new.index > first.old.index
            if v.what in (RIGHT, WRONG) and is_within:
                by_name.setdefault(judge.parameter_of(v.update), v)
        blamed = set(map(id, amiss))
        self.wrong = [v for v in by_name.values() if id(v) in blamed]
        self.right = [v for v in by_name.values() if id(v) not in blamed]
        self.all = [*self.wrong, *self.right]
        self.nodes, self.every = self._made_of(self.wrong), self._made_of(self.all)
        self.needed = {n.index for n in self.every}
        passes = list({id(v.reverse): v.reverse for v in self.all}.values())
        parts = [r for v in self.all for r in judge.parts(v.update)]  # of the loss without its penalty
        self.begin = min(i for r in passes for i in r.nodes if i in judge.depends - judge.versions)
        self.truths, self.terms = Truths(), Truths()
        self.truth_of = self.truths.of
        ends = {v.update.new.index for v in self.wrong}
        self.ends = {v.update.new.index for v in self.all}
        self.passed = {i for r in passes for i in r.nodes} - ends  # which may go into another pass of the step
        self.forward = set(self.passed)
        for reverse in dict.fromkeys([*passes, *parts]):
            largest = max(float(np.abs(g).max(initial=0)) for g in reverse.gradients.values())
            for node, gradient in reverse.pairs():
                # not those that are all of one number, or of rounding: many things are
                is_usable = node.value.size > 1 and np.ptp(gradient) > NOISE * largest
                if is_usable and judge.is_seen(node):
                    self.truths.add(node, gradient)
                    for term in reverse.terms.get(node.index, ()):
                        if np.ptp(term) > NOISE * largest:
                            self.terms.add(node, term)
        values = {n.value.tobytes() for r in passes for n in r.nodes.values() if is_varied(n.value)}
        copies = (n for n in self.nodes if n.value.size > 1 and n.index not in ends)
        self.forward |= {n.index for n in copies if n.value.tobytes() in values}
        for n in self.every:  # what is kept of the forward pass for later
            is_kept = n.operation == "setitem" and n.inputs[1].index in self.forward
            if is_kept and (n.inputs[0].index in self.forward or n.inputs[0].operation == LEAF):
                self.forward.add(n.index)
        found = [(v.is_number, m) for v in self.right if (m := self.multiples(v, {})) is not None]
        arrays = [m for is_number, m in found if not is_number]
        numbers = [m for is_number, m in found if is_number]
        are_numbers = len(numbers) > 1 or all(v.is_number for v in self.all)
        if arrays or (numbers and are_numbers and is_uniform(numbers)):
            every = arrays or numbers
            self.usual = max(every, key=lambda m: sum(is_close(m.named, other.named) for other in every))

    def is_slope(self, execution: Execution) -> bool:
        """Whether a statement makes the derivative of an activation, as it should be."""
        made = (n for n in execution.result.values() if n.value.size > 1 and n.execution is execution)
        found = (self._slopes.of(n.value) for n in made)
        return any(slope is not None and abs(slope[1] - 1) < 1e-6 for slope in found)

    @cached_property
    def _slopes(self) -> Truths:
        """The derivatives of what the forward pass makes element by element."""
        truths = Truths()
        nodes = {n.index: n for v in self.all for n in v.reverse.nodes.values()}
        for n in nodes.values():
            pending = list(n.inputs) if n.value.size > 1 and self.judge.is_seen(n) else []
            while pending:
                m = pending.pop()
                if m.index not in nodes or m.value.shape != n.value.shape:
                    continue
                if self.judge.is_seen(m):
                    slope = Reverse({n: np.ones(n.value.shape)}, {m.index})
                    if m in slope and is_varied(slope[m]):
                        truths.add(n, slope[m])
                else:
                    pending += m.inputs
        return truths

    @cached_property
    def handed_on(self) -> dict[int, list[Execution]]:
        """By node, the statements that only give it a name, or return it."""
        found: dict[int, list[Execution]] = {}
        for e in self.judge.executions:
            node = e.result.get("")
            if node is not None and node.execution is not e:
                found.setdefault(node.index, []).append(e)
        return found

    def _made_of(self, verdicts: list[Verdict]) -> list[Node]:
        found = {n.index: n for v in verdicts for n in self.judge.made_of(v.update)}
        return [found[i] for i in sorted(found)]

    def truth_at(self, node: Node, changed: Mapping[int, Array] = EMPTY) -> tuple[Node, float] | None:
        """The truth of a node; a single number counts together with all others that its expression makes."""
        value = changed.get(node.index, node.value)
        if value.size > 1:
            return self.truths.of(value)
        alike = self._numbers.get(origin(node), ()) if node.inputs else ()
        if len(alike) < FEW_NUMBERS or node.index in self.forward:
            return None
        numbers = np.concatenate([changed.get(n.index, n.value).reshape(-1) for n in alike])
        found = self._truths_of_numbers.of(np.sort(numbers))
        turned = self._truths_of_numbers.of(np.sort(-numbers)) if found is None else None
        return found if turned is None else (turned[0], -turned[1])

    @cached_property
    def _numbers(self) -> dict[tuple[int, int, str], list[Node]]:
        """The single numbers of the backward pass, by the expression that makes them."""
        return _by_expression(n for n in self.every if n.index not in self.forward)

    @cached_property
    def _truths_of_numbers(self) -> Truths:
        """The gradients of what the forward pass makes number by number, or takes its numbers from, sorted."""
        truths = Truths()
        counts = {len(nodes) for nodes in self._numbers.values() if len(nodes) >= FEW_NUMBERS}
        lists = [list(e.result.values()) for e in self.judge.executions if len(e.result) in counts]
        for reverse in {id(v.reverse): v.reverse for v in self.all}.values():
            groups = [n for n in _by_expression(reverse.nodes.values()).values() if len(n) in counts]
            groups += [[n] for n in reverse.nodes.values() if n.value.size in counts]
            groups += [nodes for nodes in lists if all(n in reverse and n.value.size == 1 for n in nodes)]
            for nodes in groups:
                gradients = np.concatenate([reverse[n].reshape(-1) for n in nodes])
                if np.ptp(gradients) > NOISE and self.judge.is_seen(nodes[0]):
                    truths.add(nodes[0], np.sort(gradients))
        return truths

    def is_gradient(self, node: Node) -> bool:
        """Whether an array of the backward pass is a true gradient, or a multiple of one."""
        return node.index not in self.forward and self.truth_at(node) is not None

    def candidates(self, changed: Mapping[int, Array]) -> list[Execution]:
        """Executed statements, in order, that made something of which nothing right came."""
        proven = set(self.forward)
        proven |= {n.index for v in self.right for n in self.judge.made_of(v.update)}
        terms = self._terms_in(changed)
        right = self._right(changed)
        for node in reversed(self.nodes):
            if node.index in proven or node.index in terms or node.index in right:
                proven.add(node.index)
                if node.operation != "getitem":  # a right part proves nothing of the whole
                    proven |= {n.index for n in node.inputs}
        self.proven = proven
        unproven = [n for n in self.nodes if n.index not in proven and n.index not in changed]
        leaves = {
            m.index: m for n in unproven for m in n.inputs
            if m.operation == LEAF and m.index > self.begin and m.index in self.judge.bound
            and m.index not in proven and m.index not in changed
        }  # fmt: skip
        # a term that is used as if it were the whole gradient
        ends = {v.update.new.index for v in self.wrong}
        taken = (m for n in unproven if n.operation in FACTORED or n.index in ends for m in n.inputs)
        wholes = (_whole(m) for m in taken)
        parts = [m for m in wholes if m.index in terms and m.index not in right][:1]
        parts = [m for m in parts if m.index < unproven[0].index]  # before all else that is wrong
        while parts and (scaled := [m for m in parts[0].inputs if terms.get(m.index) is terms[parts[0].index]]):
            if parts[0].operation not in ("multiply", "divide", "negative", "getitem"):
                break
            parts = scaled[:1]
        self.part = (parts[0], terms[parts[0].index]) if parts else None
        unproven = [*parts, *leaves.values(), *unproven]
        return self._making([*self._unchanged(unproven, changed), *unproven])

    def _right(self, changed: Mapping[int, Array]) -> set[int]:
        """The nodes that are multiples of a gradient, the same one wherever their expression is executed.

        And of the sign of the gradient that they are made of, until the gradient of a parameter.
        """
        known: dict[int, float] = {}
        turned: set[int] = set()
        factors: dict[tuple[int, int, str], dict[int, float]] = {}
        for node in self.nodes:
            truth = None if node.index in self.forward else self.truth_at(node, changed)
            if truth is not None:
                known[node.index] = truth[1]
                taken = next((n.index for n in node.inputs if n.index in known), None)
                ratio = truth[1] / known.get(taken, 1.0)  # type: ignore[arg-type]
                factors.setdefault(origin(node), {})[node.index] = ratio
                is_end = truth[0].index in self.judge.versions
                turns = taken is not None and is_close(ratio, -1.0) and not is_end
                turned |= {node.index} if turns != (taken in turned) else set()
        uneven = (f for f in factors.values() if len(f) >= FEW_NUMBERS and not are_equal(list(f.values())))
        return known.keys() - turned - {index for f in uneven for index in f}

    def _terms_in(self, changed: Mapping[int, Array]) -> dict[int, Node]:
        """The arrays that are a term of a gradient, or the sum of some of its terms, and of which gradient."""
        terms: dict[int, tuple[Node, float]] = {}
        for node in self.nodes:
            term = None if node.index in self.forward else self.terms.of(changed.get(node.index, node.value))
            terms |= {} if term is None else {node.index: term}
        usual = sum(np.sign(c) for _, c in terms.values())  # one of another sign is a mistake
        found = {index: node for index, (node, c) in terms.items() if c * usual >= 0}
        for node in (n for n in self.nodes if n.operation == "add" and n.index not in terms):
            a, b = (found.get(n.index) for n in node.inputs)
            found |= {node.index: a} if a is not None and a is b else {}
        return found

    def others(self) -> list[Execution]:
        """The statements that make an array of the backward pass; first those that only name one."""
        return sorted(
            self._making(self.nodes), key=lambda e: not is_a_name(getattr(e.statement.tree, "value", None))
        )

    def _making(self, nodes: Iterable[Node]) -> list[Execution]:
        """The executed statements that made some nodes or handed them on, in order."""
        found: list[Execution | None] = []
        for n in nodes:
            handed_on = self.handed_on.get(n.index, [])
            if n.index in self.passed and n.execution is not None:  # no line of the forward pass
                found += [e for e in handed_on if e.number > n.execution.number]
            else:
                found += [n.execution, *handed_on]
        return _in_order(found)

    def _unchanged(self, unproven: list[Node], changed: Mapping[int, Array]) -> list[Node]:
        """Steps before the first wrong one that leave a gradient as it is: something may be missing there."""
        found: list[Node] = []
        for node in unproven:
            pending = list(node.inputs)
            while pending:
                n = pending.pop()
                truth = self.truth_at(n, changed)
                if truth is None or n.operation in (LEAF, CONSTANT) or n.index in self.forward:
                    continue
                found.append(n)
                before = ((m, self.truth_at(m)) for m in n.inputs if m.index not in self.forward)
                pending += [m for m, of in before if of is not None and of[0] is truth[0]]
            if found:
                break
        return found

    def scaled(self) -> list[Execution]:
        """Executed statements that make another multiple of a true gradient than went into them, in order."""
        known: dict[int, float] = {}
        found: list[Node] = []
        for node in self.nodes:
            if node.index in self.forward or node.execution is None:
                continue
            truth = self.truth_of(node.value)
            if truth is None:
                found.append(node)  # a part of a gradient, or a factor
                continue
            known[node.index] = truth[1]
            before = next((known[n.index] for n in node.inputs if n.index in known), None)
            if before is None or abs(before - truth[1]) > 1e-6 * abs(truth[1]):
                found.append(node)
                number = node.execution.number
                ratio = 1.0 if before is None else truth[1] / before
                self.ratios[number] = self.ratios.get(number, 1.0) * ratio
        return _in_order(n.execution for n in found)

    def replay(
        self, changed: Mapping[int, Array], known: Mapping[int, Array], start: int, end: int | None = None
    ) -> dict[int, Array] | None:
        """All values that follow from changed ones, from node to node; None if they cannot be made."""
        values = {**known, **changed}
        end = self.every[-1].index + 1 if end is None else end
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            for node in self.judge.tape.nodes[start:end]:
                inputs = (n.index for n in node.inputs if n.index not in self.ends)  # of a later pass no more
                if node.index in changed or not any(i in values for i in inputs):
                    continue
                try:
                    made = node.compute(*(values.get(n.index, n.value) for n in node.inputs))  # type: ignore[misc]
                    values[node.index] = np.asarray(made)
                except Exception:
                    if node.index in self.needed:
                        return None
        return values

    def multiples(
        self, verdict: Verdict, values: Mapping[int, Array], usual: Multiples | None = None
    ) -> Multiples | None:
        """The multiples of the true gradient that an update is made of, with changed values; or None."""
        truth, update, usual = verdict.truth, verdict.update, usual or self.usual
        new = values.get(update.new.index, update.new.value)
        if new.shape != update.old.value.shape or not np.isfinite(new).all():
            return None  # broadcasting makes another array of it, or an error
        found = self.judge.gradients_in(update, truth, self.forward, values)
        step = self.judge.step_of(new, update, truth)
        if truth.size == 1 and usual is not None:  # any number is a multiple of another
            step = step if is_close(step, usual.step) else None
            found = [(n, c) for n, c in found if is_close(c, usual.named)]
        if step is None and not found:
            return None
        named = [c for n, c in found if n.index in self.judge.bound]
        return Multiples(step, named[-1] if named else found[0][1] if found else None)

    def has_step(self, verdict: Verdict) -> bool:
        """Whether an update is a step along its gradient, as the program has it."""
        if id(verdict) not in self._has_step:
            multiples = self.multiples(verdict, {})
            self._has_step[id(verdict)] = multiples is not None and multiples.step is not None
        return self._has_step[id(verdict)]


def _whole(node: Node) -> Node:
    """What a node is an element or a part of."""
    while node.operation == "getitem":
        node = node.inputs[0]
    return node


def _in_order(executions: Iterable[Execution | None]) -> list[Execution]:
    """Executed statements, each once, in the order in which they were executed."""
    found = {e.number: e for e in executions if e is not None}
    return [found[number] for number in sorted(found)]


def _by_expression(nodes: Iterable[Node]) -> dict[tuple[int, int, str], list[Node]]:
    """The single numbers among some nodes, by the expression that made them."""
    found: dict[tuple[int, int, str], list[Node]] = {}
    for n in nodes:
        if n.value.size == 1 and n.inputs:
            found.setdefault(origin(n), []).append(n)
    return found


def is_close(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) <= 1e-4 * abs(b)


def shape_key(a: Array) -> tuple[int, ...]:
    return tuple(sorted(n for n in a.shape if n != 1))


def is_uniform(factors: list[Multiples]) -> bool:
    """Whether all gradients are one multiple of the true ones: in steps, which go down, or in variables."""
    for values, is_step in (([f.step for f in factors], True), ([f.named for f in factors], False)):
        known = [v for v in values if v is not None]
        if len(known) == len(values) and max(known) - min(known) <= 1e-4 * max(map(abs, known)):
            return known[0] > 0 or not is_step
    return False
