"""Mistakes of updates: what the steps say of the parameters, whose gradients may be right."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.study.compare import update_rules
from minitorch_np.study.compare.derivatives import Reverse
from minitorch_np.study.compare.instrument import carried
from minitorch_np.study.compare.judge import (
    STILL,
    UNUSED,
    Judge,
    Judgement,
    Verdict,
    are_equal,
    decayed,
    multiple,
    origin,
)
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, Node, ancestors
from minitorch_np.study.compare.recording import Recording
from minitorch_np.study.compare.report import WrongLine
from minitorch_np.study.compare.trained import Update

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

ADDED_UP = (
    "the one of the step before is still in it, undiminished: set it to zero in every step, or multiply it by "
    "the momentum"
)
TURNED = "the momentum has the other sign: each step takes a part of the one before back"


class UpdateMistakes:
    """The updates of a recording; `rule` and `remarks` are what is read off beside the mistakes."""

    def __init__(self, recording: Recording, judge: Judge) -> None:
        self.recording, self.tape, self.executions = recording, recording.tape, recording.executions
        self.judge = judge
        self.rule: update_rules.Rule | None = None
        self.remarks: list[str] = []

    def not_reset(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Sums of gradients that are right in the first step, and go on with what it has left."""
        by_name = judgement.by_name()
        for v in judgement.wrong:
            first = by_name.get(v.update.name, [v])[0]
            if first.update.new.index > v.update.old.index or v.is_number:
                continue  # it is wrong from the start
            for node in self.judge.made_of(v.update):
                left = next((n for n in node.inputs if n.index < v.update.old.index and np.any(n.value)), None)
                is_sum = node.operation == "add" and left is not None and left.value.shape == v.truth.shape
                last = self._last_sum(node, v)
                if is_sum and left is not None and multiple(last.value - left.value, v.truth) is not None:
                    yield WrongLine.at(node.execution or last.execution, ADDED_UP, step=1, target=v.update.old)
                    return

    def _last_sum(self, node: Node, verdict: Verdict) -> Node:
        """What a sum has become when an update takes it."""
        for n in self.judge.made_of(verdict.update):
            if n.operation == "add" and node in n.inputs and n is not verdict.update.new:
                node = n
        return node

    def growing(self, longer: Judgement) -> Iterator[WrongLine]:
        """Weights to which a part of themselves is added in every step: weight decay with the other sign."""
        for name, every in longer.by_name().items():
            parts = []
            verdicts = [v for v in every if np.any(v.update.old.value) and v.step is None]  # or it is too small
            for v in verdicts if not self.judge.has_history(every[-1].update) else ():
                change = (v.update.new.value - v.update.old.value).reshape(-1)
                found = decayed(change, v.truth.reshape(-1), v.update.old.value.reshape(-1))
                if found is not None and found[0] < 0 < found[1]:
                    parts.append(found[1])
            if not 1 < len(parts) == len(verdicts):
                continue
            update = verdicts[0].update
            made = (n for n in self.judge.made_of(update) if n.operation in ("add", "subtract"))
            taken = (n for n in made if any(multiple(m.value, update.old.value) for m in n.inputs))
            node = next((n for n in taken if n.execution is not None), update.new)
            if node.execution is not None:
                mistake = f"{name} grows by a part of itself: its weight decay has the other sign"
                proof = f"beside its gradient, {parts[0]:.3g} times itself is added in a step"
                yield WrongLine.at(node.execution, mistake, name=name, proof=proof)
                return

    def lost(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Gradients that are computed several times for one update, which takes only the last."""
        used = {n.index for node in self.tape.nodes for n in node.inputs}
        bound: dict[int, list[Node]] = {}  # by statement
        for e in self.executions:
            bound.setdefault(e.statement.number, []).extend(new for _, _, new in e.bound)
        for name, verdicts in judgement.by_name().items():
            lost = []
            for v in verdicts:
                named = [n for n, _ in v.found if n.index in self.judge.bound and n.execution]
                alike = bound.get(named[-1].execution.statement.number, []) if named else []
                others = [n for n in alike if v.update.old.index < n.index < named[-1].index]
                is_lost = all(
                    n.index not in used and not np.array_equal(n.value, named[-1].value) for n in others
                )
                lost.append(len(others) if is_lost else 0)
            last = verdicts[-1].update.new.execution
            if min(lost) > 0 < len(lost) - 1 and last is not None:
                count = lost[0] + 1
                mistake = f"it takes only the last of {count} gradients: it belongs into their loop"
                proof = f"line {named[-1].execution.statement.line} is executed {count} times for one update"
                yield WrongLine.at(last, mistake, name=name, proof=proof)
                return

    def not_used(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Parameters with a gradient on which the loss does not depend."""
        if self.judge.unknown(judgement.verdicts):
            return
        truths = [pair for v in judgement.right for pair in v.reverse.pairs()]
        made = [m for v in judgement.right for m in self.judge.made_of(v.update)]
        used = {n.index for m in made for n in (m, *m.inputs)}
        for name, old, new in (v.update for v in judgement.verdicts if v.what == UNUSED):
            is_late = any(old.index > v.update.new.index for v in judgement.right)
            own = {v.index for p in self.judge.parameters if p.name == name for v in p.versions}
            if old.value.size == 1 or not name or is_late or own & used:
                continue  # a sum of gradients, perhaps one that was begun when the recording ended
            nodes = self.judge.made_of(Update(name, old, new))
            for forward, gradient in truths:
                if gradient.ndim != 2 or forward.execution is None:
                    continue
                sums = [gradient.sum(axis=axis) for axis in (0, 1) if 1 < gradient.shape[axis] < gradient.size]
                if any(multiple(n.value, total) is not None for n in nodes for total in sums):
                    tree = forward.execution.statement.tree
                    write = []
                    if isinstance(tree, ast.Assign):
                        added = ast.BinOp(tree.value, ast.Add(), ast.parse(name, mode="eval").body)
                        write = [ast.unparse(ast.Assign(tree.targets, added, lineno=0))]
                    mistake = f"{name} is trained, but the loss does not depend on it: it is left out here"
                    yield WrongLine.at(forward.execution, mistake, *write)
                    break

    def stale(self, judgement: Judgement) -> Iterator[WrongLine]:
        """What is made once, before the steps, of a parameter that they change."""
        by_name = judgement.by_name()
        most = max((len(v) for v in by_name.values()), default=0)
        later = [v for verdicts in by_name.values() if len(verdicts) == most for v in verdicts[1:]]
        for p in self.judge.parameters:
            verdicts = by_name.get(p.name, [])
            changes = [b.value - a.value for a, b in pairwise(p.versions)]
            if len(verdicts) != 1 or verdicts[0].is_number or not changes:
                continue
            is_same = all(np.allclose(c, changes[0], rtol=1e-6, atol=0) for c in changes)
            nodes = (later or verdicts)[0].reverse.nodes.values()
            users = [n for n in nodes if p.versions[0] in n.inputs and n.index not in self.judge.versions]
            execution = max(users).execution if users else None
            if execution is None or not (later or (is_same and len(changes) > 3)):
                continue
            if sum(e.statement is execution.statement for e in self.executions) == 1:
                mistake = "it is made once, before the steps: compute it in every step, inside the loop"
                proof = f"{p.name} is updated {len(changes)} times, and not in it"
                yield WrongLine.at(execution, mistake, proof=proof, step=1)

    def replaced(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Parameters that are replaced by their step: its penalty has the old value in it."""
        for v in judgement.verdicts:
            if v.what != STILL and v.truth is not None and v.step is None and not v.is_number:
                c = multiple(v.update.new.value, v.truth)
                yield from () if c is None else self._replacing(v.update.new, c)

    def _replacing(self, new: Node, c: float) -> Iterator[WrongLine]:
        """What is said of a parameter that is c times its gradient after the update."""
        execution = next(
            (
                e
                for e in self.executions
                if any(n is new and old and old.index in self.judge.versions for _, old, n in e.bound)
            ),
            new.execution,
        )
        if execution is not None:
            tree, name = execution.statement.tree, execution.made
            write = [f"{name} -= {ast.unparse(tree.value)}"] if isinstance(tree, ast.Assign) else []
            proof = f"it is {c:.6g} times its gradient"
            yield WrongLine.at(execution, "it is replaced by its step", *write, proof=proof)

    def not_updated(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Arrays whose gradient is computed as for the parameters, but that stay as they are."""
        known = {node.index: path for e in self.executions[:2000] for path, node in e.values.items()}
        names = {re.sub(r"\d", "", path) for index, path in known.items() if index in self.judge.owners}
        reverse: Any = judgement.right[0].reverse if judgement.right else Reverse({})
        for node, truth in reverse.pairs():
            name = known.get(node.index, "")
            is_start = node.operation == LEAF or all(n.operation in (LEAF, CONSTANT) for n in node.inputs)
            is_float = node.value.dtype.kind == "f" and np.any(truth)
            if node.index in self.judge.versions or not (name and is_start and is_float):
                continue
            new = next((b for a, b in self.tape.replaced.values() if a is node), None)
            if new is None:
                if truth.size > 1:
                    yield from self._not_assigned(reverse, node, name, re.sub(r"\d", "", name) in names)
            elif new.execution is None:
                continue
            elif carried(node, new) is None:
                yield from self._replaced_or_scaled(node, new, truth) if truth.size > 1 else ()
            elif np.array_equal(new.value, node.value) and new.index not in self.judge.depends:
                mistake = f"it adds 0 to {name}: what it takes for the gradient is made of no prediction"
                proof = f"the largest element of the gradient is {np.abs(truth).max():.6g}"
                yield WrongLine.at(new.execution, mistake, name=name, proof=proof)
                return

    def _not_assigned(self, reverse: Reverse, node: Node, name: str, is_alike: bool) -> Iterator[WrongLine]:
        """What is said of an array that nothing replaces; one that is named otherwise needs a step."""
        truth = reverse[node]
        later = (n for n in self.tape.nodes[node.index + 1 :] if n.index in self.judge.bound)
        computed = next((n for n in later if n.execution is not None and multiple(n.value, truth)), None)
        if computed is None:
            return
        sums = (n for n in self.tape.nodes[computed.index :] if n.operation in ("add", "subtract"))
        pairs = ((n, m) for n in sums if node in n.inputs for m in n.inputs if m not in reverse)
        step = next((n for n, m in pairs if multiple(m.value, truth)), None)
        proof = f"its gradient is computed in line {computed.execution.statement.line}, and is not zero"
        mistake = f"{name} is not updated: it stays as it was before the step"
        if step is not None and step.execution is not None and step.execution.made:
            mistake = f"{name} is not updated: its step is given to {step.execution.made}"
            yield WrongLine.at(step.execution, mistake, name=name, proof=proof)
        elif is_alike:
            yield WrongLine(*self._loop(), name, mistake, (), proof)

    def _replaced_or_scaled(self, node: Node, new: Node, truth: Array) -> Iterator[WrongLine]:
        """What is said of an array that becomes its own step, or is multiplied by its gradient."""
        if (c := multiple(new.value, truth)) is not None:
            yield from self._replacing(new, c)
            return
        made = ancestors([new], lambda n: n.operation in ("multiply", "divide"))
        steps = (n for i, n in made.items() if i > node.index and n is not new)
        if node.index in made and any(multiple(n.value, truth) for n in steps):
            mistake = f"{new.execution.made} is multiplied by its gradient: a step is subtracted from it"
            before, after = (np.abs(a.value).max() for a in (node, new))
            proof = f"its largest element goes from {before:.6g} to {after:.6g} in one step"
            yield WrongLine.at(new.execution, mistake, proof=proof)

    def _loop(self) -> tuple[int, str]:
        """The innermost loop around the updates, or the line that calls the function that makes them."""
        updates = [e for p in self.judge.parameters if (e := p.versions[1].execution) is not None]
        first, last = updates[0].statement.line, updates[-1]
        loops = (n for n in ast.walk(self.recording.source.tree()) if isinstance(n, ast.For | ast.While))
        around = [n.lineno for n in loops if n.lineno < first <= (n.end_lineno or 0)]
        function = last.statement.function
        before = (
            e.statement for e in reversed(self.executions[: last.number]) if e.statement.function != function
        )
        line = max(around) if around else next((s.line for s in before), first)
        return line, self.recording.source.line(line).strip()

    def read_rule(self, longer: Judgement) -> Iterator[WrongLine]:
        """Recognise the rule of the updates, and what it lacks."""
        verdicts = longer.right
        steps = update_rules.steps_of(verdicts)
        constants = update_rules.constants_of(self.recording.source.tree())
        with np.errstate(all="ignore"):
            rule = update_rules.rule_of(list(steps.values()), constants) if steps else None
        if rule is None or (rule.name == "SGD" and "momentum" not in rule.options):
            forgotten = list(self._forgotten(verdicts))
            yield from forgotten
            if rule is None and not forgotten:
                arrays = dict.fromkeys(v.update.name for v in verdicts if not v.is_number)
                rules = {name: update_rules.rule_of([steps[name]], constants) for name in arrays}
                said = [f"{name} is updated by {one}" for name, one in rules.items() if one is not None]
                self.remarks.append(
                    "; ".join(["the update is none of the rules known here", *said[:4]])
                    + "; the gradients that it uses are right"
                )
                turned = [name for name, one in rules.items() if one and one.options.get("momentum", 0) < -1e-4]
                yield from self.added_up([v for v in verdicts if v.update.name in turned], TURNED)
        elif rule.options.get("momentum", 0) > 0.9999 and rule.options["lr"] > 0:
            yield from self.added_up(verdicts)
        elif rule.options.get("momentum", 0) < -1e-4:
            yield from self.added_up(verdicts, TURNED)
        if rule is None or rule.name.startswith("Adam"):
            yield from list(self._averages(longer)) or self._root_of_negative()
        self.rule = rule

    def _averages(self, longer: Judgement) -> Iterator[WrongLine]:
        """Adam's averages: what they are of, and their bias correction."""
        for steps in longer.by_name().values():
            found = [
                update_rules.averages(
                    self.judge.made_of(v.update), v.update.old, self.judge.depends, self.judge.versions
                )
                for v in steps[:2]
            ]
            first = {origin(a.node): a for a in found[0]}
            for v, averages in zip(steps, found, strict=False):
                decays = {a.decay for a in averages}
                new = set(self.judge.made_of(v.update))
                under = ancestors([n.inputs[0] for n in new if n.operation == "sqrt"], new.__contains__)
                for a in averages:
                    before = None if v is steps[0] else first.get(origin(a.node))
                    said = self._mistake_of(a, decays, before)
                    if a.node.index in under and _is_of_gradient(a, v, before, steps[0]):
                        mistake = "the square of the gradient belongs in this average, which is under a root"
                        said = a.node, mistake
                    if said is not None and said[0].execution is not None:
                        proof = (
                            f"it is {a.decay:.6g} times the one before, and {a.factor:.6g} times what is new"
                        )
                        proof += "".join(f", divided by {divisor:.6g}" for _, divisor in a.corrections)
                        yield WrongLine.at(said[0].execution, said[1], proof=proof)
                        return

    def _root_of_negative(self) -> Iterator[WrongLine]:
        """A step that takes the square root of negative numbers: sums of squares have none."""
        for p in self.judge.parameters:
            for old, new in pairwise(p.versions):
                if np.isfinite(old.value).all() and not np.isfinite(new.value).all():
                    nodes = self.judge.made_of(Update(p.name, old, new))
                    roots = (n for n in nodes if n.operation == "sqrt" and (n.inputs[0].value < 0).any())
                    for n in (n for n in roots if n.execution is not None):
                        mistake = "the square root of negative numbers: an average of squares belongs under it"
                        proof = f"the smallest is {n.inputs[0].value.min():.6g}"
                        yield WrongLine.at(n.execution, mistake, proof=proof)
                        return

    @staticmethod
    def _mistake_of(
        a: update_rules.Average, decays: set[float], before: update_rules.Average | None
    ) -> tuple[Node, str] | None:
        """What is wrong with a moving average of an update, and where; `before` is it in the first step."""
        if a.before.operation == "divide" and a.before.inputs[0].operation == "add":
            return a.before, "the corrected average takes the place of the average: give it a name of its own"
        for k, (node, divisor) in enumerate(a.corrections):
            if np.isnan(a.steps(divisor)):
                others = [d for d in decays if a._replace(decay=d).steps(divisor) > 0]
                if others:
                    return (
                        node,
                        f"the bias correction takes {others[0]:.6g} for the decay {a.decay:.6g} of the average",
                    )
                continue
            is_other = any(abs(a.factor - c) < 1e-6 for c in (1.0, *(1 - d for d in decays)))
            if is_other and abs(a.factor - (1 - a.decay)) > 1e-6:
                return (
                    a.node,
                    f"{1 - a.decay:.6g} times what is averaged belongs in it: the bias correction takes it so",
                )
            if (
                before is not None
                and before.corrections[k : k + 1]
                and before.corrections[k][1] == divisor < 0.999
            ):
                return node, "the bias correction is the same in every step: t has to count the steps"
        return None

    def added_up(self, verdicts: list[Verdict], mistake: str = ADDED_UP) -> Iterator[WrongLine]:
        """The statement that adds what earlier steps have left."""
        for _, old, new in (v.update for v in verdicts):
            for node in self.judge.made_of(Update("", old, new)):
                parts = ancestors(node.inputs, lambda n: n.operation == "multiply").values()
                is_sum = any(
                    n.index < old.index and n.value.shape == old.value.shape and np.any(n.value) for n in parts
                )
                if node.operation in ("add", "subtract") and is_sum and node.execution:
                    yield WrongLine.at(node.execution, mistake, step=1, target=old)
                    return

    def _forgotten(self, verdicts: list[Verdict]) -> Iterator[WrongLine]:
        """A momentum buffer that no update uses."""
        made = [n for v in verdicts for n in self.judge.made_of(v.update)]
        used = {m.index for n in made for m in (n, *n.inputs)} | self.judge.versions
        seen = max((v.update.new.index for v in verdicts), default=0)
        for old, new in (pair for pair in self.tape.replaced.values() if pair[1].index < seen):
            added = carried(old, new)
            is_sum = new.operation in ("add", "subtract") and new.inputs[0].operation == "multiply"
            if not added or not is_sum or new.execution is None or {old.index, new.index} & used:
                continue
            for verdict in verdicts:
                if not verdict.is_number and any(multiple(a.value, verdict.truth) for a in added):
                    line = new.execution.statement.line
                    mistake = f"the momentum {new.execution.made} of line {line} is not used by it"
                    proof = f"its steps are {-(verdict.step or 0):.6g} times its gradients"
                    where = verdict.update.new.execution or new.execution
                    yield WrongLine.at(where, mistake, name=verdict.update.name, proof=proof)
                    return


def _is_of_gradient(
    a: update_rules.Average, v: Verdict, before: update_rules.Average | None, first: Verdict
) -> bool:
    """Whether an average is of the gradient and not of its square; of a number two steps say it."""
    if v.truth.size > 1:
        return multiple(a.of.value, v.truth) is not None and multiple(a.of.value, v.truth**2) is None
    if before is None:
        return False
    pairs = [
        (float(average.of.value.item()), float(w.truth.item())) for average, w in ((before, first), (a, v))
    ]
    plain, squared = (are_equal([of / g**power for of, g in pairs]) for power in (1, 2))
    return plain and not squared
