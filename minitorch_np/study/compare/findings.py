"""The first wrong line of a backward pass, and the edit that mends it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import chain
from time import process_time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.bits import Difference, first_difference
from minitorch_np.study.compare.edits import MOST_EDITS, Edit, Trial, Values, edits, scalings
from minitorch_np.study.compare.instrument import Execution, carried
from minitorch_np.study.compare.judge import NOISE, RIGHT, WRONG, Judge, Judgement, Verdict, multiple
from minitorch_np.study.compare.objective import losses
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, Node
from minitorch_np.study.compare.report import WrongLine

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


MOST_TIMES = 60  # executions of one statement that an edit is tried in
SECONDS = 4.0  # after which no further statement is searched


class Window:
    """The updates of one step: the wrong and the right ones, and what they are made of."""

    def __init__(self, judge: Judge, verdicts: list[Verdict], odd: list[Verdict]) -> None:
        self.judge = judge
        self._has_step: dict[int, bool] = {}
        self.usual: Multiples | None = None  # of the right gradients: a single number must have the same
        amiss = odd or [v for v in verdicts if v.what == WRONG]
        first = min(amiss, key=lambda v: v.update.new.index)
        start = first.update.old.index
        end = first.update.new.index
        by_name: dict[int, Verdict] = {}
        for v in verdicts:
            if v.what in (RIGHT, WRONG) and v.update.old.index < end and v.update.new.index > start:
                by_name.setdefault(judge.parameter_of(v.update), v)
        self.wrong = [v for v in by_name.values() if any(v is w for w in amiss)]
        self.right = [v for v in by_name.values() if not any(v is w for w in amiss)]
        slices = {n.index: n for v in self.wrong for n in judge.made_of(v.update)}
        self.nodes = [slices[i] for i in sorted(slices)]
        every = {n.index: n for v in (*self.wrong, *self.right) for n in judge.made_of(v.update)}
        self.every = [every[i] for i in sorted(every)]
        passes = {id(r): r for v in (*self.wrong, *self.right) for r in v.passes}
        self.begin = min(i for r in passes.values() for i, n in r.nodes.items() if i not in judge.versions)
        self.truths: dict[tuple[int, ...], list[tuple[Node, Array]]] = {}
        self.forward: set[int] = set()
        values = set()
        for reverse in passes.values():
            largest = max(float(np.abs(g).max(initial=0)) for g in reverse.gradients.values())
            for index, gradient in reverse.gradients.items():
                node = reverse.nodes[index]
                # not those that are all of one number, or of rounding: many things are
                is_varied = node.value.size > 1 and np.ptp(gradient) > NOISE * largest
                if is_varied and judge.is_seen(node):
                    self.truths.setdefault(_shape_key(gradient), []).append((node, gradient))
                self.forward.add(index)
                if node.value.size > 1:
                    values.add(node.value.tobytes())
        ends = {v.update.new.index for v in self.wrong}
        self.forward |= {
            n.index for n in self.nodes
            if n.value.size > 1 and n.index not in ends and n.value.tobytes() in values
        }  # fmt: skip
        found = [(v, m) for v in self.right if v.truth is not None and (m := self.multiples(v, {})) is not None]
        arrays = [m for v, m in found if v.truth.size > 1]
        numbers = [m for v, m in found if v.truth.size == 1]
        if arrays or (len(numbers) > 1 and is_uniform(numbers)):
            self.usual = (arrays or numbers)[0]

    def truth_of(self, value: Array) -> tuple[Node, float] | None:
        """The array of the forward pass whose gradient `value` is a multiple of, with the multiple."""
        for node, truth in self.truths.get(_shape_key(value), ()):
            c = multiple(value, truth)
            if c is not None:
                return node, c
        return None

    def candidates(self, changed: Mapping[int, Array]) -> list[Execution]:
        """Executed statements, in order, that made something of which nothing right came."""
        proven = set(self.forward)
        if all(v.truth is not None and v.truth.size == 1 for v in (*self.right, *self.wrong)):
            proven |= {n.index for v in self.right for n in self.judge.made_of(v.update)}  # of plain numbers
        for node in reversed(self.nodes):
            value = changed.get(node.index, node.value)
            if node.index in proven or self.truth_of(value):
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
        unproven = [*leaves.values(), *unproven]
        found: dict[int, Execution] = {}
        for node in (*self._unchanged(unproven, changed), *unproven):
            if node.execution is not None:
                found.setdefault(node.execution.number, node.execution)
        return [found[number] for number in sorted(found)]

    def _unchanged(self, unproven: list[Node], changed: Mapping[int, Array]) -> list[Node]:
        """Steps before the first wrong one that leave a gradient as it is: something may be missing there."""
        found: list[Node] = []
        for node in unproven:
            pending = [n for n in node.inputs if n.index not in self.forward]
            if found:
                break
            while pending:
                n = pending.pop()
                truth = self.truth_of(changed.get(n.index, n.value))
                if (
                    n.operation in (LEAF, CONSTANT)
                    or truth is None
                    or n.value.size == 1
                    or n.index in self.forward
                ):
                    continue
                found.append(n)
                before = [m for m in n.inputs if m.index not in self.forward and self.truth_of(m.value)]
                pending += [m for m in before if self.truth_of(m.value)[0] is truth[0]]  # type: ignore[index]
        return found

    def scaled(self) -> list[Execution]:
        """Executed statements that make another multiple of a true gradient than went into them, in order."""
        self.proven = set()
        self.ratios: dict[int, float] = {}
        known: dict[int, float] = {}
        found: dict[int, Execution] = {}
        helpers: dict[int, Execution] = {}
        for node in self.nodes:
            if node.index in self.forward or node.execution is None:
                continue
            execution = node.execution
            truth = self.truth_of(node.value) if node.value.size > 1 else None
            if truth is None:
                helpers.setdefault(execution.number, execution)
                continue
            known[node.index] = truth[1]
            before = [known[n.index] for n in node.inputs if n.index in known]
            if not before or abs(before[0] - truth[1]) > 1e-6 * abs(truth[1]):
                found.setdefault(execution.number, execution)
                self.ratios[execution.number] = self.ratios.get(execution.number, 1.0) * (
                    truth[1] / before[0] if before else 1.0
                )
        everything = {**helpers, **found}
        return [everything[number] for number in sorted(everything)]

    def replay(self, changed: Mapping[int, Array], start: Mapping[int, Array]) -> dict[int, Array] | None:
        """All values that follow from changed ones; None if they cannot be computed."""
        values = {**start, **changed}
        first = min(changed)
        try:
            with np.errstate(all="ignore"):
                for node in self.every:
                    if node.index <= first or node.index in changed:
                        continue
                    if any(n.index in values for n in node.inputs):
                        if node.compute is None:
                            return None
                        values[node.index] = np.asarray(
                            node.compute(*(values.get(n.index, n.value) for n in node.inputs))
                        )
        except Exception:
            return None
        return values

    def multiples(self, verdict: Verdict, values: Mapping[int, Array]) -> Multiples | None:
        """The multiples of the true gradient that an update is made of, with changed values; or None."""
        truth, update = verdict.truth, verdict.update
        if values.get(update.new.index, update.old.value).shape != update.old.value.shape:
            return None  # broadcasting makes another array of it, or an error
        nodes = [n for n in self.judge.made_of(update) if n.index not in self.forward and n is not update.new]
        found = [(n, c) for n in nodes if (c := multiple(values.get(n.index, n.value), truth)) is not None]
        step = self.judge.step_of(values.get(update.new.index, update.new.value), update, truth)
        named = [c for n, c in found if n.index in self.judge.bound and n is not update.new]
        if truth.size == 1 and self.usual is not None:  # any number is a multiple of another
            step = step if _is_close(step, self.usual.step) else None
            found = [(n, c) for n, c in found if _is_close(c, self.usual.named)]
            named = [c for c in named if _is_close(c, self.usual.named)]
        if step is None and not found:
            return None
        return Multiples(step, named[-1] if named else found[0][1] if found else None)

    def has_step(self, verdict: Verdict) -> bool:
        """Whether an update is a step along its gradient, as the program has it."""
        if id(verdict) not in self._has_step:
            multiples = self.multiples(verdict, {})
            self._has_step[id(verdict)] = multiples is not None and multiples.step is not None
        return self._has_step[id(verdict)]


class Multiples(NamedTuple):
    """Of a step, downwards, and of the last variable that holds the gradient."""

    step: float | None
    named: float | None


def _is_close(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) <= 1e-4 * abs(b)


def _shape_key(a: Array) -> tuple[int, ...]:
    return tuple(sorted(n for n in a.shape if n != 1))


class Search:
    """The wrong lines of one judgement."""

    def __init__(self, judge: Judge, judgement: Judgement, odd: list[Verdict] | None = None) -> None:
        self.judge, self.judgement, self.executions = judge, judgement, judge.executions
        self.is_odd = bool(odd)  # the gradients are right but for a factor
        self.cost = float("inf")  # of the edit that was found
        self.window = Window(judge, judgement.verdicts, odd or [])
        self.states = self._states(max(v.update.new.index for v in (*self.window.wrong, *self.window.right)))
        self.own: dict[int, list[Node]] = {}
        for node in judge.tape.nodes:
            if node.execution is not None:
                self.own.setdefault(node.execution.number, []).append(node)

    def findings(self, most: int = 3) -> list[WrongLine]:
        found: list[WrongLine] = []
        values: dict[int, Array] = {}
        done: set[int] = set()
        while len(found) < most:
            pending = [v for v in self.window.wrong if self.is_odd or self.window.multiples(v, values) is None]
            candidates = self.window.scaled() if self.is_odd else self.window.candidates(values)
            candidates = [
                e for e in candidates
                if e.statement.number not in done and not self._is_of_the_loss(e) and not self._has_state(e)
            ]  # fmt: skip
            if not pending or not candidates:
                break
            self.factors = self.window.ratios if self.is_odd else {}
            best = self._best(candidates, pending, values)
            if best is None:
                if not found:
                    found.append(self._unexplained(candidates, pending))
                break
            execution, edit, changed = best
            done.add(execution.statement.number)
            self.cost = edit.cost
            found.append(self._finding(execution, edit, changed))
            values = self.window.replay(changed, values) or values
            if self.is_odd:
                break
        return found

    def _best(
        self, candidates: list[Execution], pending: list[Verdict], values: dict[int, Array]
    ) -> tuple[Execution, Edit, dict[int, Array]] | None:
        """The edit that makes most of what is wrong right, by the likeliest mistake."""
        found = []
        deadline = process_time() + SECONDS
        for position, execution in enumerate(candidates[:12]):
            seen = self._values(execution)
            trial = Trial(execution, seen, self.own.get(execution.number, []), values)
            tried: set[str] = set()
            scores: dict[object, float | None] = {}
            factor = self.factors.get(execution.number)
            for count, edit in enumerate(chain(scalings(execution, factor), edits(execution, seen))):
                text = edit.text()
                if text in tried:
                    continue
                if count > MOST_EDITS or process_time() > 2 * SECONDS + deadline:
                    break
                tried.add(text)
                changed = trial.run(edit.tree)
                if not changed:
                    continue
                if self.is_odd and (edit.is_missing or not self._is_rescaled(changed)):
                    continue
                key = _key(changed)
                if key not in scores:
                    scores[key] = self._score(changed, pending, values)
                    if scores[key] is None and (again := self._again(execution)):
                        everywhere = self._everywhere(edit, changed, again, values)
                        scores[key] = None if everywhere is None else self._score(everywhere, pending, values)
                        changed = everywhere or changed
                score = scores[key]
                if score is not None:
                    late = -0.12 if edit.is_missing else 0.05  # what is missing may come late
                    found.append(((score, edit.cost + late * position, position), execution, edit, changed))
            if process_time() > deadline or (found and position > 2 and min(f[0] for f in found)[0] <= 0):
                break
        if not found:
            return None
        _, execution, edit, changed = min(found, key=lambda f: f[0])
        return execution, edit, changed

    def _again(self, execution: Execution) -> list[Execution]:
        """The other executions of a statement in this window: in a loop or a function."""
        found = {n.execution.number: n.execution for n in self.window.every if n.execution is not None}
        others = [e for e in found.values() if e.statement is execution.statement and e is not execution]
        return others if len(others) < MOST_TIMES else []

    def _accumulates(self, execution: Execution) -> bool:
        """Whether a statement adds to a sum over a loop, which is only right or wrong at its end."""
        return isinstance(execution.statement.tree, ast.AugAssign) and bool(self._again(execution))

    def _everywhere(
        self, edit: Edit, changed: dict[int, Array], again: list[Execution], values: dict[int, Array]
    ) -> dict[int, Array] | None:
        """What an edit changes in all executions of its statement."""
        made = dict(changed)
        for execution in sorted(again, key=lambda e: e.number):
            now = self.window.replay(made, values)
            if now is None:
                return None
            trial = Trial(execution, self._values(execution), self.own.get(execution.number, []), now)
            more = trial.run(edit.tree)
            if not more:
                return None
            made |= more
        return made

    def _states(self, end: int) -> set[int]:
        """Versions of arrays that are carried on beyond the step, as an optimizer's, but are no parameters."""
        following: dict[int, int] = {}
        for old, new in self.judge.tape.replaced.values():
            if old.index not in self.judge.versions and carried(old, new) is not None:
                following.setdefault(old.index, new.index)
        found: set[int] = set()
        for index in following.keys() - set(following.values()):
            versions = [index]
            while versions[-1] in following:
                versions.append(following[versions[-1]])
            found |= set(versions) if versions[0] <= end < versions[-1] else set()
        return found

    def _has_state(self, execution: Execution) -> bool:
        """Whether a statement goes on from what an optimizer keeps from step to step."""
        inputs = chain.from_iterable(n.inputs for n in self.own.get(execution.number, ()))
        return any(n.index in self.states for n in inputs)

    def _is_of_the_loss(self, execution: Execution) -> bool:
        """Whether a statement is part of the forward pass up to the difference that implies the loss."""
        if not self.judgement.loss.kind:
            return False
        return any(
            n.index in self.window.forward and n.index not in self.judge.versions
            for n in self.own.get(execution.number, ())
            if n.operation not in ("transpose", "getitem")
        )

    def _is_rescaled(self, changed: dict[int, Array]) -> bool:
        """Whether an edit only multiplies what it changes by a number."""
        nodes = self.judge.tape.nodes
        pairs = [(nodes[i].value, a) for i, a in changed.items() if not np.array_equal(nodes[i].value, a)]
        return bool(pairs) and all(
            a.shape == b.shape and multiple(b, a.astype(float)) is not None for b, a in pairs
        )

    def _score(
        self, changed: dict[int, Array], pending: list[Verdict], values: dict[int, Array]
    ) -> float | None:
        """How little is left after an edit; None if it makes nothing right, or something wrong."""
        made = self.window.replay(changed, values)
        if made is None:
            return None
        righted = 0
        factors: list[Multiples] = []
        for verdict in pending:
            multiples = self.window.multiples(verdict, made)
            is_step = verdict.update.new.index in changed
            if multiples is None or (is_step and multiples.step is None):
                continue
            righted += 1
            factors.append(multiples)
        if not righted:
            return 2.0 if any(self._is_a_truth(i, a) for i, a in changed.items()) else None
        for verdict in self.window.right:
            multiples = self.window.multiples(verdict, made)
            if multiples is None or (multiples.step is None and self.window.has_step(verdict)):
                return None
            factors.append(multiples)
        if not is_uniform(factors):
            return None
        is_exact = all(f.named is not None and abs(f.named - 1) < 1e-4 for f in factors)
        return 1 - righted / len(pending) - 0.001 * is_exact

    def _is_a_truth(self, index: int, value: Array) -> bool:
        """Whether a new value is a gradient that the program has nowhere yet."""
        truth = self.window.truth_of(value)
        if truth is None or value.size == 1 or index in self.judge.versions:
            return False
        node, _ = truth
        own = next((v for v in (*self.window.wrong, *self.window.right) if v.update.old is node), None)
        if own is not None and all(n.index != index for n in self.judge.made_of(own.update)):
            return False  # the gradient of another parameter
        before = self.window.truth_of(self.judge.tape.nodes[index].value)
        if before is not None:
            return False
        known = (n for n in self.window.nodes if n.index in self.window.proven and n.index != index)
        return not any(
            multiple(n.value, gradient)
            for n in known
            for m, gradient in self.window.truths[_shape_key(value)]
            if m is node
        )

    def _values(self, execution: Execution) -> Values:
        here = dict(execution.values)
        earlier: dict[str, list[tuple[Node, str]]] = {}
        others = self.executions[max(0, execution.number - 60) : execution.number][::-1]
        others += self.executions[execution.number + 1 : execution.number + 30]
        for before in others:
            if (
                before.statement.function != execution.statement.function
                or before.statement is execution.statement
            ):
                continue
            for name, node in before.values.items():
                now = here.get(name)
                if now is None or now is node:
                    continue
                versions = earlier.setdefault(name, [])
                if len(versions) < 3 and all(node is not n for n, _ in versions):
                    versions.append((node, self._earlier(name, node, now, before)))
        forward = {n: node for n, node in here.items() if node.index in self.window.forward}
        return Values(here, forward, earlier)

    def _earlier(self, name: str, node: Node, now: Node, before: Execution) -> str:
        if node.index > now.index:
            line = node.execution.statement.line if node.execution else before.statement.line
            return f"{name} is made only after it: line {line} has to come first"
        if now.index in self.judge.versions:
            return f"it is made with {name} after its update: compute all gradients first, update then"
        lines = sorted({e.statement.line for e in self.executions for _, _, new in e.bound if new is node})
        where = f" of line {lines[0]}" if lines else " as it was before"
        return f"it is made with {name} after a change: {name}{where} belongs in it"

    def _finding(self, execution: Execution, edit: Edit, changed: dict[int, Array]) -> WrongLine:
        statement = execution.statement
        text = edit.text()
        if "__earlier_" in text:
            write: tuple[str, ...] = ()
        else:
            write = (text,)
        return WrongLine(
            statement.line, statement.text, made_by(execution), edit.mistake, write, self._proof(changed),
            target=self._target(changed), difference=self._difference(changed),
        )  # fmt: skip

    def _target(self, changed: Mapping[int, Array]) -> Node | None:
        """The node of the forward pass whose gradient is made right."""
        values = self.window.replay(changed, {}) or changed
        for index in sorted(values):
            for verdict in (*self.window.wrong, *self.window.right):
                if verdict.truth is not None and index == verdict.update.new.index:
                    return verdict.update.old
                if (
                    verdict.truth is not None
                    and values[index].size > 1
                    and multiple(values[index], verdict.truth) is not None
                ):
                    return verdict.update.old
            truth = self.window.truth_of(values[index]) if values[index].size > 1 else None
            if truth is not None:
                return truth[0]
        return None

    def _difference(self, changed: Mapping[int, Array]) -> Difference | None:
        for index, right in changed.items():
            got = self.judge.tape.nodes[index].value
            if got.shape == right.shape and got.dtype == right.dtype and got.dtype.kind == "f":
                return first_difference(np.ascontiguousarray(got), np.ascontiguousarray(right))
        return None

    def _proof(self, changed: Mapping[int, Array]) -> str:
        """Where the value that the program has differs first from the one that belongs there."""
        for index, right in changed.items():
            got = self.judge.tape.nodes[index].value
            if got.shape != right.shape:
                return f"it has the shape {got.shape} where {right.shape} belongs"
            differs = np.flatnonzero(~np.isclose(got, right, rtol=1e-6, atol=0))
            if differs.size:
                at = tuple(int(i) for i in np.unravel_index(differs[0], got.shape))
                count = (
                    f"{differs.size} of {got.size} elements differ, first at {list(at)}: " if got.ndim else ""
                )
                return f"{count}{got[at]:.6g} where {right[at]:.6g} belongs"
        return ""

    def _unexplained(self, candidates: list[Execution], pending: list[Verdict]) -> WrongLine:
        """The first statement that takes something right and makes something wrong of it."""
        is_explained = any(
            n.index in self.window.proven
            and n.index not in self.window.forward
            and n.value.size > 1
            and self.window.truth_of(n.value)
            for n in self.window.nodes
        )
        numbers = {
            n.execution.number for n in self.window.nodes if n.index not in self.window.proven and n.execution
        }
        candidates = [e for e in candidates if e.number in numbers] or candidates
        candidates = [e for e in candidates if not self._accumulates(e)] or candidates
        execution = next((e for e in candidates if is_explained and self._takes_a_gradient(e)), candidates[0])
        for verdict in pending:
            old, new = verdict.update.old.value, verdict.update.new.value
            change = new - old if new.shape == old.shape else new
            for other in self.window.right:
                is_array = other.truth is not None and change.size > 1
                if is_array and multiple(change, other.truth) is not None:
                    last = verdict.update.new.execution or execution
                    mistake = (
                        f"it is made with the gradient of {other.update.name}, not of {verdict.update.name}"
                    )
                    return WrongLine(
                        last.statement.line,
                        last.statement.text,
                        verdict.update.name,
                        mistake,
                        (),
                        self._difference_of(verdict),
                    )
        names = ", ".join(dict.fromkeys(v.update.name for v in pending))
        mistake = f"from here on the gradient of {names} is wrong; no single change of this line makes it right"
        return WrongLine(
            execution.statement.line,
            execution.statement.text,
            made_by(execution),
            mistake,
            (),
            self._difference_of(pending[0]),
        )

    def _difference_of(self, verdict: Verdict) -> str:
        """The direction of an update against the true gradient; of a single number its size."""
        name, old, new = verdict.update.name, verdict.update.old.value, verdict.update.new.value
        change, truth = (new - old).reshape(-1), verdict.truth.reshape(-1)
        usual = self.window.usual
        if truth.size == 1 and change.size == 1 and usual is not None and usual.step is not None:
            right = -usual.step * float(truth[0])
            return f"{name} changes by {change[0]:.6g}; beside the others it should change by {right:.6g}"
        norm = float(np.sqrt((change @ change) * (truth @ truth))) if change.size == truth.size else 0.0
        cosine = float(change @ truth) / norm if norm else 0.0
        if cosine < -0.9995:
            return (
                f"{name} goes nearly, but not quite, against its gradient: the cosine is -1 + {1 + cosine:.1e}"
            )
        return f"the cosine between the change of {name} and its gradient is {cosine:.3f}, not -1"

    def _takes_a_gradient(self, execution: Execution) -> bool:
        """Whether a gradient that is right goes into a statement."""
        inputs = chain.from_iterable(n.inputs for n in self.own.get(execution.number, ()))
        return any(
            n.index not in self.window.forward and n.value.size > 1 and self.window.truth_of(n.value)
            for n in inputs
        )


def made_by(execution: Execution) -> str:
    """What a statement makes, as the program calls it."""
    tree = execution.statement.tree
    target = tree.targets[0] if isinstance(tree, ast.Assign) else getattr(tree, "target", None)
    if isinstance(target, ast.Subscript) and ast.unparse(target.value) in {
        **execution.values,
        **execution.loads,
    }:
        target = target.value
    return ast.unparse(target) if target is not None else ""


def _key(changed: Mapping[int, Array]) -> tuple[tuple[int, tuple[int, ...], bytes], ...]:
    return tuple((index, value.shape, value.tobytes()) for index, value in changed.items())


def is_uniform(factors: list[Multiples]) -> bool:
    """Whether all gradients are one multiple of the true ones: in the steps, or in the variables."""
    for values in ([f.step for f in factors], [f.named for f in factors]):
        known = [v for v in values if v is not None]
        if len(known) == len(values) and max(known) - min(known) <= 1e-4 * max(map(abs, known)):
            return known[0] > 0 or values[0] is not factors[0].step
    return False


def crash_finding(judge: Judge, executions: list[Execution]) -> WrongLine | None:
    """What the statement that ended the program should be: the edit that makes a true gradient of it."""
    if not executions:
        return None
    execution = executions[-1]
    execution.result = {"": Node(-1, "", (), np.zeros(0), {}, None, execution)}
    leaves = {
        n.index
        for n in judge.tape.nodes
        if n.operation == LEAF and n.value.dtype.kind == "f" and n.value.size > 1
    }
    forward = dict(execution.values)
    values = Values(execution.values, forward, {})
    trial = Trial(execution, values, [])
    for loss in losses(judge.tape, leaves, {}):
        reverse = judge.reverse(loss.instances[-1][1])
        truths = [(reverse.nodes[i], g) for i, g in reverse.gradients.items() if g.size > 1]
        for edit in sorted(edits(execution, values), key=lambda e: e.cost):
            made = trial.run(edit.tree)
            if not made:
                continue
            value = made[-1]
            node = next((n for n, g in truths if value.size == g.size and multiple(value, g) is not None), None)
            if node is not None:
                statement = execution.statement
                name = next(
                    (path for path, n in execution.values.items() if n is node), "an array of the forward pass"
                )
                return WrongLine(
                    statement.line,
                    statement.text,
                    made_by(execution),
                    edit.mistake,
                    (edit.text(),),
                    f"it should make the gradient of {name}",
                    target=node,
                )
    return None
