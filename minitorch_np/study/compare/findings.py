"""The first wrong line of a backward pass, and the edit that mends it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import chain
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.bits import Difference, first_difference
from minitorch_np.study.compare.edits import (
    FACTOR_LEFT_OUT,
    MOST_EDITS,
    Edit,
    Trial,
    Values,
    edits,
    is_a_name,
    scalings,
)
from minitorch_np.study.compare.instrument import Execution
from minitorch_np.study.compare.judge import (
    Judge,
    Judgement,
    Verdict,
    multiple,
)
from minitorch_np.study.compare.objective import losses
from minitorch_np.study.compare.recorded import LEAF, PRODUCTS, Node, ancestors
from minitorch_np.study.compare.report import WrongLine
from minitorch_np.study.compare.window import Multiples, Window, is_uniform, shape_key

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


MOST_TIMES = 1500  # executions of one statement that an edit is tried in
VARIABLE_INDEX = re.compile(r"\[[^\]]*[a-z]\w*[^\]'\"]*\]$")
SECONDS = 8.0  # after which no further statement is searched
STATEMENT_SECONDS = 1.5


class Mend(NamedTuple):
    """An edit of an executed statement, what it changes, and all values that there are then."""

    execution: Execution
    edit: Edit
    changed: dict[int, Array]
    values: dict[int, Array]


class Search:
    """The wrong lines of one judgement."""

    def __init__(
        self,
        judge: Judge,
        judgement: Judgement,
        odd: Collection[Verdict] = (),
        deadline: float | None = None,
    ) -> None:
        self.judge, self.judgement, self.executions = judge, judgement, judge.executions
        self.is_odd = bool(odd)  # the gradients are right but for a factor
        self.cost = float("inf")  # of the edit that was found
        self.mends = 0  # arrays that the first edit makes right, if that are all
        self.takes_the_error = False  # its statement
        self.keeps_a_part = False  # of a wrong array, as it was right before
        self.window = Window(judge, judgement.verdicts, list(odd))
        self.states = judge.states(max(v.update.new.index for v in self.window.all))
        self.own = judge.own
        self._seen: dict[int, Values] = {}
        self.deadline = process_time() + SECONDS if deadline is None else deadline

    @cached_property
    def is_recurrent(self) -> bool:
        """Whether a wrong parameter is used again by what an earlier use of it has made."""
        for v in self.window.wrong:
            nodes, old = set(v.reverse.nodes.values()), v.update.old
            uses = sorted(n for n in nodes if old in n.inputs and n.operation != "getitem")[:6]
            made = (ancestors(n.inputs, nodes.__contains__).keys() for n in uses[1:])
            if any(a.index in before for a, before in zip(uses, made, strict=False)):
                return True
        return False

    @property
    def is_of_states(self) -> bool:
        """Whether a step is made of more than gradients, so that its direction proves nothing.

        A matrix that is kept from step to step is multiplied with them, as by Newton's method, or a table is
        updated row by row with sizes of steps that are kept.
        """
        owners = {self.judge.owners[i] for i in self.window.passed if i in self.judge.owners}
        foreign = {i for i, owner in self.judge.owners.items() if owner not in owners} | self.states
        taken = [(n, m) for n in self.window.nodes for m in n.inputs if m.index in foreign]
        is_table = any(not v.truth.any(axis=tuple(range(1, v.truth.ndim))).all() for v in self.window.wrong)
        return any(n.operation in PRODUCTS for n, _ in taken) or (is_table and bool(taken) and not self.mends)

    @cached_property
    def begins_right(self) -> bool:
        """Whether the backward pass has, or begins with, a true gradient of what the forward pass has made."""
        made = [n for n in self.window.nodes if n.index not in self.window.forward]
        truths = map(self.window.truth_at, dict.fromkeys(m for n in made for m in (n, *n.inputs)))
        return any(truth is not None and truth[0].index not in self.judge.versions for truth in truths)

    def findings(self, most: int = 3) -> list[WrongLine]:
        found: list[WrongLine] = []
        values: dict[int, Array] = {}
        done: set[int] = set()
        while len(found) < most and process_time() <= self.deadline:
            pending = [v for v in self.window.wrong if self.is_odd or self.window.multiples(v, values) is None]
            candidates = self.window.scaled() if self.is_odd else self.window.candidates(values)
            candidates = [e for e in candidates if e.statement.number not in done and not self._is_excused(e)]
            others = [e for e in self.window.others() if not self._is_excused(e)]
            if not candidates and not found and not self.is_odd:
                candidates = others  # all is right, but not what the update needs
            if not pending or not candidates:
                break
            once: dict[int, Execution] = {}  # an edit is tried in all executions of a statement
            for e in (*candidates, *others):
                once.setdefault(e.statement.number, e)
            likely = {e.statement.number for e in candidates}
            best = self._best([e for n, e in once.items() if n not in done], likely, pending, values)
            if best is None:
                if not found:
                    found.append(self._unexplained(candidates, pending))
                break
            execution, values = best.execution, best.values
            done.add(execution.statement.number)
            self.cost = best.edit.cost
            found.append(self._finding(best))
            mended = [v for v in self.window.wrong if self.window.multiples(v, values) is not None]
            arrays = [v for v in mended if v.truth is not None and v.truth.size > 1]
            self.mends = len(arrays) or 1 if len(mended) == len(self.window.wrong) else 0
            self.keeps_a_part |= any(self._keeps_a_part(v, values) for v in arrays)
            self.takes_the_error |= self._takes_the_error(execution)
            if self.is_odd:
                break
        return found if self.mends else found[:1]  # what follows is right if all is right with it

    def _best(
        self,
        candidates: list[Execution],
        likely: set[int],
        pending: list[Verdict],
        values: dict[int, Array],
    ) -> Mend | None:
        """The edit that makes most of what is wrong right, by the likeliest mistake."""
        found: list[tuple[tuple[float, float, int], Mend]] = []
        latest = len(candidates)  # that is tried
        for position, execution in enumerate(candidates[:24]):
            end = process_time() + STATEMENT_SECONDS
            for score, mend in self._scored(execution, pending, values, end):
                is_late = (
                    mend.edit.is_missing and mend.edit.cost < FACTOR_LEFT_OUT
                )  # a derivative may come late
                cost = mend.edit.cost + (max(-0.12 * position, -0.5) if is_late else 0.05 * position)
                cost += 0.4 * (execution.statement.number not in likely)  # what it makes is right
                cost += 0.1 * self._is_called(execution)  # rather the line that calls it
                cost -= 0.5 * (mend.edit.is_missing and is_a_name(execution.statement.tree.value))
                found.append(((score, cost, position), mend))
            if latest == len(candidates) and found and min(f[0] for f in found)[0] <= 0:
                latest = position + 3
            if process_time() > self.deadline or position >= latest:
                break
        return min(found, key=lambda f: f[0])[1] if found else None

    def _is_called(self, execution: Execution) -> bool:
        """Whether a statement returns what another one goes on with."""
        made = execution.result.get("")
        return made is not None and any(e is not execution for e in self.window.handed_on.get(made.index, ()))

    def _scored(
        self, execution: Execution, pending: list[Verdict], values: dict[int, Array], deadline: float
    ) -> Iterator[tuple[float, Mend]]:
        """The edits of a statement that mend something, with how little they leave."""
        scores: dict[object, float | None] = {}
        for edit, changed in self._tried(execution, values, deadline):
            if process_time() > deadline:
                break
            everywhere = self._everywhere(execution, edit, changed, values)
            if everywhere is None:
                continue
            changed, made = everywhere
            key = tuple((index, value.shape, value.tobytes()) for index, value in changed.items())
            if key not in scores:
                scores[key] = self._score(made, changed, pending)
            score = scores[key]
            if score is not None:
                yield score, Mend(execution, edit, changed, made)

    def _tried(
        self, execution: Execution, values: dict[int, Array], deadline: float
    ) -> list[tuple[Edit, dict[int, Array]]]:
        """The edits with what they change in this execution; first those that make a true gradient of it."""
        seen = self._values(execution)
        trial = Trial(execution, seen, self.own.get(execution.number, []), values)
        found: list[tuple[bool, int, Edit, dict[int, Array]]] = []
        tried: set[str] = set()
        factor = self.window.ratios.get(execution.number)
        for edit in chain(scalings(execution, factor), edits(execution, seen)):
            if len(tried) > MOST_EDITS or process_time() > deadline - STATEMENT_SECONDS / 2:
                break
            text = edit.text()
            if text in tried:
                continue
            tried.add(text)
            changed = trial.run(edit.tree)
            if changed and not (self.is_odd and (edit.is_missing or not self._is_rescaled(changed))):
                is_truth = any(self.window.truth_of(a) for a in changed.values() if a.size > 1)
                found.append((not is_truth, len(tried), edit, changed))
        return [(edit, changed) for *_, edit, changed in sorted(found, key=lambda f: f[:2])]

    def _nodes(self, execution: Execution) -> list[Node]:
        """What a statement makes, or hands on."""
        return [*self.own.get(execution.number, ()), *execution.result.values()]

    def _again(self, execution: Execution) -> list[Execution]:
        """The other executions of a statement in this window: in a loop or a function."""
        others = [e for e in self._executed.get(execution.statement.number, ()) if e is not execution]
        return others if len(others) < MOST_TIMES else []

    @cached_property
    def _executed(self) -> dict[int, list[Execution]]:
        """The executions of every statement in this window."""
        numbers = [n.execution.number for n in self.window.every if n.execution is not None]
        found: dict[int, list[Execution]] = {}
        for e in self.executions[min(numbers) : max(numbers) + 1]:
            found.setdefault(e.statement.number, []).append(e)
        return found

    def _everywhere(
        self, execution: Execution, edit: Edit, changed: dict[int, Array], values: dict[int, Array]
    ) -> tuple[dict[int, Array], dict[int, Array]] | None:
        """What an edit changes in all executions of its statement, and all values that there are then."""
        again = sorted([execution, *self._again(execution)], key=lambda e: e.number)
        every: dict[int, Array] = {}
        made = dict(values)
        for e, following in zip(again, [*again[1:], None], strict=True):
            more: dict[int, Array] | None = changed
            if e is not again[0] or e is not execution:
                more = Trial(e, self._values(e), self.own.get(e.number, []), made).run(edit.tree)
            if not more:
                return None
            every |= more
            end = None
            if following is not None:  # what it loads comes first
                end = max([following.start, *(n.index + 1 for n in following.loads.values())])
            now = self.window.replay(more, made, e.start, end)
            if now is None:
                return None
            made = now
        return every, made

    def _is_excused(self, execution: Execution) -> bool:
        """Whether a statement goes on from an optimizer's state, or makes what implies the loss."""
        own = self.own.get(execution.number, [])
        for n in own[-1:]:
            is_forward = n.index in self.window.forward and n.index not in self.judge.versions
            if is_forward and self.judgement.loss.kind and n.operation not in ("transpose", "getitem"):
                return True
        return any(m.index in self.states for n in own for m in n.inputs)

    @staticmethod
    def _keeps_a_part(verdict: Verdict, values: dict[int, Array]) -> bool:
        """Whether an edit leaves a good part of a wrong step as it is."""
        old, new = verdict.update.old.value, verdict.update.new.value
        mended = values.get(verdict.update.new.index, new)
        if not old.shape == new.shape == mended.shape:
            return False
        is_same = np.isclose(mended - old, new - old, rtol=1e-6, atol=0) & (new != old)
        return 0.1 < is_same.mean() < 1

    def _takes_the_error(self, execution: Execution) -> bool:
        """Whether what implies the loss goes into a statement, or is made by it."""
        errors = {n.value.tobytes() for n, _ in self.judgement.loss.instances}  # it may be made again
        made = ancestors(self._nodes(execution), lambda n: n.index > self.window.begin)
        return any(n.value.tobytes() in errors for n in made.values())

    def _is_rescaled(self, changed: dict[int, Array]) -> bool:
        """Whether an edit only multiplies what it changes by a number."""
        nodes = self.judge.tape.nodes
        pairs = [(nodes[i].value, a) for i, a in changed.items() if not np.array_equal(nodes[i].value, a)]
        return bool(pairs) and all(
            a.shape == b.shape and multiple(b, a.astype(float)) is not None for b, a in pairs
        )

    def _score(self, made: dict[int, Array], changed: dict[int, Array], pending: list[Verdict]) -> float | None:
        """How little is left after an edit; None if it makes nothing right, or something wrong."""
        factors: list[Multiples] = []
        righted, usual = 0, None
        for v in sorted(self.window.all, key=lambda v: v.truth.size == 1):
            m = self.window.multiples(v, made, usual)
            if v in pending and m is not None and not (m.step is None and v.update.new.index in changed):
                righted += 1
            elif v in pending or (v in self.window.wrong and m is None):
                continue
            elif m is None or (m.step is None and self.window.has_step(v)):
                return None
            usual = m if v.truth.size > 1 and usual is None else usual
            factors.append(m)
        if not righted:
            is_used = any(i in self.window.needed for i in made.keys() - changed.keys())
            is_truth = is_used and all(self._is_a_truth(i, a) for i, a in changed.items())
            return 2.0 if changed and is_truth else None
        is_part = any(f.step is None for f in factors) and all(map(self.window.has_step, self.window.right))
        if not is_uniform(factors) or (is_part and self.window.right and not self.judgement.loss.kind):
            return None  # something else is added to it later
        is_exact = all(f.named is not None and abs(f.named - 1) < 1e-4 for f in factors)
        ends = [(made.get(v.update.new.index, v.update.new.value), v) for v in pending]
        downhill = (
            (new - v.update.old.value).reshape(-1) @ v.truth.reshape(-1) < 0
            for new, v in ends if new.shape == v.truth.shape
        )  # fmt: skip
        is_down = all(downhill)
        return 1 - righted / len(pending) - 0.001 * is_exact - 0.002 * is_down

    def _is_a_truth(self, index: int, value: Array) -> bool:
        """Whether a new value is a gradient that the program has nowhere yet."""
        truth = self.window.truth_of(value)
        if truth is None or index in self.judge.versions:
            return False
        node, _ = truth
        own = next((v for v in self.window.all if v.update.old is node), None)
        if own is not None and all(n.index != index for n in self.judge.made_of(own.update)):
            return False  # the gradient of another parameter
        if self.window.truth_of(self.judge.tape.nodes[index].value) is not None:
            return False
        known = (n for n in self.window.every if n.index not in self.window.forward and n.index != index)
        gradients = self.window.truths.gradients(node, shape_key(value))
        return not any(multiple(n.value, gradient) for n in known for gradient in gradients)

    @cached_property
    def _lines(self) -> dict[int, int]:
        """The first line in which a node is bound to a name."""
        bound = [(e.statement.line, new.index) for e in self.executions for _, _, new in e.bound]
        return {index: line for line, index in sorted(bound, reverse=True)}

    def _values(self, execution: Execution) -> Values:
        known = self._seen.get(execution.number)
        if known is not None:
            return known
        here = dict(execution.values)
        earlier: dict[str, list[tuple[Node, str]]] = {}
        others = self.executions[max(0, execution.number - 60) : execution.number][::-1]
        others += self.executions[execution.number + 1 : execution.number + 30]
        for other in others:
            is_same = other.statement is execution.statement
            if is_same or other.statement.function != execution.statement.function:
                continue
            for name, node in other.values.items():
                now = here.get(name)
                versions = earlier.setdefault(name, [])
                if now is None or now is node or any(node is n for n, _ in versions):
                    continue
                is_turned = now.value.dtype.kind == "f" and np.array_equal(node.value, -now.value)
                if not is_turned and len(versions) < 3:
                    versions.append((node, self._earlier(name, node, now, other)))
        for text in {text for other in others for text in other.loads if VARIABLE_INDEX.search(text)}:
            with suppress(Exception):  # z[t] of a list is z[3] here
                tree: Any = ast.parse(text, mode="eval").body
                is_pure = not any(isinstance(n, ast.Call) for n in ast.walk(tree.slice))
                index = is_pure and eval(ast.unparse(tree.slice), execution.namespace, execution.scope)
                here[text] = execution.values[f"{ast.unparse(tree.value)}[{index!r}]"]

        forward = {n: node for n, node in here.items() if node.index in self.window.forward}
        self._seen[execution.number] = Values(here, forward, earlier)
        return self._seen[execution.number]

    def _earlier(self, name: str, node: Node, now: Node, seen: Execution) -> str:
        if node.index > now.index:
            line = (node.execution or seen).statement.line
            return f"{name} is made only after it: line {line} has to come first"
        if now.index in self.judge.versions:
            return f"it is made with {name} after its update: compute all gradients first, update then"
        line = self._lines.get(node.index)
        where = " as it was before" if line is None else f" of line {line}"
        return f"it is made with {name} after a change: {name}{where} belongs in it"

    def _finding(self, mend: Mend) -> WrongLine:
        text = mend.edit.text()
        write = () if "__earlier_" in text else (text,)
        pairs = [(self.judge.tape.nodes[index].value, right) for index, right in mend.changed.items()]
        return WrongLine.at(
            mend.execution, mend.edit.mistake, *write,
            proof=_proof(pairs), target=self._target(mend.values), difference=_difference(pairs),
        )  # fmt: skip

    def _target(self, values: Mapping[int, Array]) -> Node | None:
        """The node of the forward pass whose gradient is made right."""
        for index, value in sorted(values.items()):
            for verdict in self.window.all:
                if verdict.truth is None:
                    continue
                is_its = value.size > 1 and multiple(value, verdict.truth) is not None
                if is_its or index == verdict.update.new.index:
                    return verdict.update.old
            truth = self.window.truth_of(value)
            if truth is not None:
                return truth[0]
        return None

    def _unexplained(self, candidates: list[Execution], pending: list[Verdict]) -> WrongLine:
        """The first statement that takes something right and makes something wrong of it."""
        proven, part = self.window.proven, self.window.part
        is_explained = any(n.index in proven and self.window.is_gradient(n) for n in self.window.nodes)
        unproven = [
            e for e in candidates
            if any(n.index not in proven or (part and n is part[0]) for n in self._nodes(e))
        ] or candidates  # fmt: skip
        unproven = [e for e in unproven if not self.window.is_slope(e)] or unproven
        ends = {v.update.new.execution for v in pending}  # an update that is right, if its gradient were
        errors = {n.execution for n, _ in self.judgement.loss.instances}
        kept = [e for e in candidates if e not in ends | errors and not self.window.is_slope(e)]
        candidates = [e for e in unproven if e not in ends] or kept or unproven
        passed = (n for n in self.judge.tape.nodes if n.index in self.window.passed and n.inputs)
        forward = {n.execution.statement.number for n in passed if n.execution is not None}
        late = [
            e for e in candidates
            if e.statement.number in forward  # a function that the forward pass calls, too
            or not any(n.inputs for n in self._nodes(e))  # zeros, for sums
            or (isinstance(e.statement.tree, ast.AugAssign) and self._again(e))  # right only at the end
            or all(n.value.size == 1 for n in self._nodes(e))
        ]  # fmt: skip
        candidates = [e for e in candidates if e not in late] or late
        candidates = self._first_of(candidates) or candidates
        execution = next((e for e in candidates if is_explained and self._takes_a_gradient(e)), candidates[0])
        for verdict in pending:
            name, old, new = verdict.update
            change = new.value - old.value if new.value.shape == old.value.shape else new.value
            for other in self.window.right:
                is_array = other.truth is not None and change.size > 1
                if is_array and multiple(change, other.truth) is not None:
                    mistake = f"it is made with the gradient of {other.update.name}, not of {name}"
                    proof = self._direction(verdict)
                    return WrongLine.at(new.execution or execution, mistake, name=name, proof=proof)
        if part is not None and part[0] in self._nodes(execution):
            return self._partial(execution, pending, *part)
        names = ", ".join(dict.fromkeys(v.update.name for v in pending))
        mistake = f"from here on the gradient of {names} is wrong; no single change of this line makes it right"
        return WrongLine.at(execution, mistake, proof=self._direction(pending[0]))

    def _partial(self, execution: Execution, pending: list[Verdict], term: Node, whole: Node) -> WrongLine:
        """A term that is taken for the sum: where it is, or where the sum is lost on the way to the update."""
        owner = next((v.update for v in pending if v.update.old is whole), None)
        line = (whole.execution or execution).statement.line
        of = next((n for n, node in execution.values.items() if node is whole), f"what line {line} makes")
        mistake = f"it is only a part of the gradient of {of}: that of its other uses is left out"
        end = self.executions[-1].number
        if owner is not None:
            mistake = f"it is only a part of the gradient of {owner.name}: the sum with the others is lost"
            end = (owner.new.execution or execution).number
        if owner is not None or self._again(execution):
            later = self.executions[term.execution.number + 1 : end]
            handed_on = [e for e in later if term in e.result.values()] or [execution]
            execution = handed_on[0 if owner is None else -1]
        return WrongLine.at(execution, mistake, proof=self._direction(pending[0]))

    def _first_of(self, candidates: list[Execution]) -> list[Execution]:
        """The statements that make something of parameters, and of nothing that is wrong already."""
        found = []
        for e in candidates:
            nodes = self._nodes(e)
            taken = [m for n in nodes for m in n.inputs if m.execution is not None]
            unproven = (m for m in taken if m.index in self.judge.depends - self.window.proven)
            is_later = any(m.execution.statement is not e.statement for m in unproven)
            if any(n.index in self.judge.depends for n in nodes) and not is_later:
                found.append(e)
        return found

    def _direction(self, verdict: Verdict) -> str:
        """The direction of an update against the true gradient; of a single number its size."""
        name, old, new = verdict.update
        change, truth = (new.value - old.value).reshape(-1), verdict.truth.reshape(-1)
        usual = self.window.usual
        if truth.size == 1 and change.size == 1 and usual is not None and usual.step is not None:
            right = -usual.step * float(truth[0])
            return f"{name} changes by {change[0]:.6g}; beside the others it should change by {right:.6g}"
        norm = float(np.sqrt((change @ change) * (truth @ truth))) if change.size == truth.size else 0.0
        cosine = float(change @ truth) / norm if norm else 0.0
        if cosine < -0.9995:
            what = f"-1 + {1 + cosine:.1e}"
            return f"{name} goes nearly, but not quite, against its gradient: the cosine is {what}"
        return f"the cosine between the change of {name} and its gradient is {cosine:.3f}, not -1"

    def _takes_a_gradient(self, execution: Execution) -> bool:
        """Whether a gradient that is right goes into a statement."""
        return any(self.window.is_gradient(m) for n in self.own.get(execution.number, ()) for m in n.inputs)


Pairs = list[tuple["Array", "Array"]]  # what the program has, and what belongs there


def _difference(pairs: Pairs) -> Difference | None:
    for got, right in pairs:
        if got.shape == right.shape and got.dtype == right.dtype and got.dtype.kind == "f":
            return first_difference(np.ascontiguousarray(got), np.ascontiguousarray(right))
    return None


def _proof(pairs: Pairs) -> str:
    """Where the value that the program has differs first from the one that belongs there."""
    for got, right in pairs:
        if got.shape != right.shape:
            return f"it has the shape {got.shape} where {right.shape} belongs"
        differs = np.flatnonzero(~np.isclose(got, right, rtol=1e-6, atol=0))
        if differs.size:
            at = tuple(int(i) for i in np.unravel_index(differs[0], got.shape))
            count = f"{differs.size} of {got.size} elements differ, first at {list(at)}: " if got.ndim else ""
            return f"{count}{got[at]:.6g} where {right[at]:.6g} belongs"
    return ""


def crash_finding(judge: Judge, executions: list[Execution]) -> WrongLine | None:
    """What the statement that ended the program should be: the edit that makes a true gradient of it."""
    if not executions:
        return None
    execution = executions[-1]
    finding = _widened(judge)
    if finding is not None:
        return finding
    execution.result = {"": Node(-1, "", (), np.zeros(0), {}, None, execution)}
    nodes = (n for n in judge.tape.nodes if n.operation == LEAF and n.value.dtype.kind == "f")
    leaves = {n.index for n in nodes if n.value.size > 1}
    values = Values(execution.values, execution.values, {})
    trial = Trial(execution, values, [])
    for loss in losses(judge.tape, leaves, {}):
        reverse = judge.reverse(loss.instances[-1][1])
        truths = [(n, g) for n, g in reverse.pairs() if g.size > 1]
        for edit in sorted(edits(execution, values), key=lambda e: e.cost):
            value = (trial.run(edit.tree) or {}).get(-1)
            if value is None:
                continue
            node = next((n for n, g in truths if multiple(value, g) is not None), None)
            if node is not None:
                named = (path for path, n in execution.values.items() if n is node)
                proof = f"it should make the gradient of {next(named, 'an array of the forward pass')}"
                return WrongLine.at(execution, edit.mistake, edit.text(), proof=proof, target=node)
    return None


def _widened(judge: Judge) -> WrongLine | None:
    """The difference of a column and a row, of which broadcasting has made a matrix that fits nowhere."""
    for node in judge.tape.nodes:
        if node.operation != "subtract" or node.execution is None:
            continue
        a, b = (n.value for n in node.inputs)
        if a.size == b.size < node.value.size:
            mistake = (
                f"broadcasting makes an array of shape {node.value.shape} of one of {a.shape} and one of "
                f"{b.shape}: give both the same shape"
            )
            proof = f"{node.value.size} differences of {a.size} pairs"
            return WrongLine.at(node.execution, mistake, proof=proof)
    return None
