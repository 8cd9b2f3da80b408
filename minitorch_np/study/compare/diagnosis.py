"""From a recording to what is said about it: findings that its numbers prove, and remarks."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.study.compare import update_rules
from minitorch_np.study.compare.edits import OTHER_DERIVATIVE
from minitorch_np.study.compare.findings import Search, crash_finding
from minitorch_np.study.compare.instrument import Execution, carried
from minitorch_np.study.compare.judge import (
    STILL,
    UNKNOWN,
    UNUSED,
    Judge,
    Judgement,
    Verdict,
    are_equal,
    decayed,
    multiple,
    origin,
)
from minitorch_np.study.compare.objective import UNSURE_LOSSES, prediction, rank
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, Node, ancestors
from minitorch_np.study.compare.recording import Recording
from minitorch_np.study.compare.report import NOT_JUDGED, RIGHT, WRONG, Comparison, WrongLine
from minitorch_np.study.compare.trained import Update

SWAPPED = 1.3  # the cost of an edit that takes another variable, or the value before an activation
FEW = 4  # elements that may all go up by a momentum
MOVING = ("getitem", "setitem")
MOST_UPDATES = 6  # of each parameter that the rule is read off
LIKELIHOOD = re.compile("lik|reward|return|ll")  # in the name of what is maximised
UPHILL = "its update has the wrong sign: gradient descent subtracts, w -= learning_rate * gradient"


ADDED_UP = (
    "the one of the step before is still in it, undiminished: set it to zero in every step, or multiply it by "
    "the momentum"
)
TURNED = "the momentum has the other sign: each step takes a part of the one before back"


class Gradient(NamedTuple):
    """An array of the program that is c times the true gradient with respect to `of`."""

    node: Node
    c: float
    of: Node


class Examination:
    """One recording with all that is found in it."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.tape, self.executions = recording, recording.tape, recording.executions
        self.judge = Judge(recording.tape, recording.executions)
        self.judgement: Any = self.judge.judge()
        first = self.judge
        wrong = None if self.judgement is None else next(iter(self.judgement.wrong), None)
        for options in (
            lambda: {"tie": 1.0} if first.has_ties() else {},
            lambda: {"detached": first.copies},
            lambda: {"detached": first.targets(wrong.reverse, 0)} if wrong else {},
            lambda: {"detached": first.targets(wrong.reverse, 1)} if wrong else {},
        ):
            how = options() if self._rank()[1] else {}
            if any(how.values()):
                before = self.judge, self.judgement, self._rank()
                self.judge = Judge(recording.tape, recording.executions, **how)
                self.judgement = self.judge.judge()
                if self._rank() <= before[2]:
                    self.judge, self.judgement = before[:2]
        self.result = Comparison(recording.source.name, recording.source.text)
        self.longer: Any = self.judgement  # the same of more updates
        self.rule: update_rules.Rule | None = None
        self.cut_off: list[WrongLine] = []  # where a recurrent network's gradient ends, perhaps on purpose

    def _rank(self) -> tuple[tuple[int, int], int]:
        """How much is right, and whether nothing is wrong: 0, or below it."""
        if self.judgement is None:
            return (0, 0), -1
        return self.judgement.score, -len(self.judgement.wrong) - len(self.judgement.odd(self.judge.bound)[0])

    @property
    def has_loss(self) -> bool:
        """Whether the program has computed a number that is a loss by its name."""
        return any(rank(loss) > 1 and not loss.kind for loss in self.judge.losses)

    def comparison(self) -> Comparison:
        result, error = self.result, self.recording.error
        result.steps = min((len(p.versions) - 1 for p in self.judge.parameters), default=0)
        result.findings = list(self._findings())
        if self.judgement is not None:
            result.loss = self.judgement.loss.described()
            result.gradients = [v.update.name for v in self.judgement.right]
        if error is not None:
            result.failure = error
            finding = crash_finding(self.judge, self.executions)
            result.findings += [] if finding is None else [finding]
        if result.findings:
            result.remarks = [r for r in result.remarks if "none of the rules" not in r]
        result.reason = "" if result.findings else self._reason()
        result.judged = WRONG if result.findings else NOT_JUDGED if result.reason else RIGHT
        if self.judgement is not None and result.judged != NOT_JUDGED:
            result.remarks += self._remarks(self.judgement)
        return result

    def _findings(self) -> Iterator[WrongLine]:
        for execution, call, name in self.tape.written_by_position:
            mistake = f"{call} writes its result into {name}: a second array there is `out`"
            yield WrongLine.at(execution, mistake, name=name)
        judgement = self.judgement
        if (judgement is None or judgement.wrong) and (found := list(self._softmax())):
            yield from found
            return
        if judgement is None or self._is_by_chance(judgement):
            return
        if found := [*self._replaced(judgement), *self._not_reset(judgement)][:1]:
            yield from found
            return
        if judgement.wrong:
            if not self.judge.left_out:
                search = Search(self.judge, judgement)
                found = search.findings()
                turned = list(self._turned_term(judgement)) or list(self._spoiled(judgement, found))
                if turned or self._is_proven(judgement, search, found):
                    yield from turned or found
                elif search.is_recurrent and search.window.part is not None:
                    self.cut_off = found[:1]
            return
        self.longer = self.judge.by(judgement.loss, judgement.mode, MOST_UPDATES)
        if not self.longer.is_steady:
            return  # of another loss than this one
        if judgement.loss.kind in UNSURE_LOSSES:
            yield from self._rule()
            return
        if not self._is_of_numbers(judgement):
            yield from list(self._odd(judgement)) or self._climbing(judgement)
        yield from self._growing(judgement)
        yield from self._repeated(judgement)
        yield from self._after_update(judgement)
        yield from self._lost(judgement)
        yield from self._not_used(judgement)
        yield from self.stale(judgement)
        yield from self.not_updated(judgement)
        yield from self._rule()

    def _is_proven(self, judgement: Judgement, search: Search, found: list[WrongLine]) -> bool:
        """Whether the loss is sure enough to blame a line by it."""
        if self._unknown(judgement.wrong) or not self.judge.is_of_the_steps(judgement) or search.is_of_states:
            return False
        loss = judgement.loss
        if loss.first.value.size > 1 and not loss.kind:
            return any(not v.is_number for v in judgement.right)
        has_weight = any(self.judge.is_weight(v) for v in judgement.right)
        if search.mends and (judgement.right or not loss.kind):  # one edit, or one for each, makes all right
            return has_weight or rank(loss) > 0 or search.mends > 1
        if search.mends:
            # a loss that the program leaves unsaid: of what is made of the forward pass alone, and of several
            is_usual = search.cost <= SWAPPED or not search.takes_the_error
            is_derivative = search.cost == OTHER_DERIVATIVE and any(not v.is_number for v in judgement.wrong)
            are_many = search.mends > 1 or search.keeps_a_part
            return len(found) == 1 and ((is_usual and are_many) or is_derivative)
        # the gradient of a recurrent network may be a part of its sum on purpose; otherwise the gradient of a
        # weight is right, or the backward pass begins with a gradient of the loss that the program states
        begins_right = not loss.kind and rank(loss) > 1 and search.begins_right
        is_sure = (has_weight and bool(loss.kind or rank(loss))) or begins_right
        return is_sure and not (search.is_recurrent and search.window.part is not None)

    def _spoiled(self, judgement: Judgement, found: list[WrongLine]) -> Iterator[WrongLine]:
        """Gradients that are right, and are multiplied with weights on their way to the update."""
        firsts = {v.update.name: v for v in judgement.wrong[::-1] if v.truth is not None and not v.is_number}
        nodes = [self.judge.spoiled(v) for v in firsts.values()]
        for node in nodes if None not in nodes else ():
            if node is not None and node.execution is not None:
                line = node.execution.statement.line
                mistake = "the gradient is multiplied with something of the forward pass, and is none any more"
                proof = f"what it is made of is the gradient of {next(iter(firsts))}, its own multiple is not"
                mended = [f for f in found if f.line == line and f.write]
                yield from mended or [WrongLine.at(node.execution, mistake, proof=proof)]
                return

    def _not_reset(self, judgement: Judgement) -> Iterator[WrongLine]:
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

    def _softmax(self) -> Iterator[WrongLine]:
        """A softmax that is not taken over the classes, in which the targets sum to 1."""
        for node in self.tape.nodes:
            found = prediction(node, self.judge.depends) if node.value.ndim == 2 else None
            if found is None or found[0].value.shape != node.value.shape or min(node.value.shape) < 2:
                continue
            output, sign = found
            p, t = output.value, output.value - sign * node.value
            while output.operation in ("copy", "setitem", "getitem", "asarray", "array"):
                output = output.inputs[0]
            for axis in (0, 1):
                sums = p.sum(axis=1 - axis), p.sum()
                is_of_classes = np.allclose(t.sum(axis=axis), 1) and not np.allclose(t.sum(axis=1 - axis), 1)
                is_other = any(np.allclose(s, 1) for s in sums) and not np.allclose(p.sum(axis=axis), 1)
                if is_of_classes and is_other and (p >= 0).all() and output.execution is not None:
                    over = "samples" if np.allclose(sums[0], 1) else "all classes of all samples"
                    mistake = f"the softmax is taken over the {over}: sum over axis={axis}, with keepdims=True"
                    proof = f"a sample's probabilities sum to {p.sum(axis=axis)[0]:.6g}, its targets to 1"
                    yield WrongLine.at(output.execution, mistake, proof=proof)
                    return

    def _turned_term(self, judgement: Judgement) -> Iterator[WrongLine]:
        """The minus in the statement of the loss that all gradients take for a plus."""
        last = judgement.loss.instances[0][0].execution
        tree = None if last is None else last.statement.tree
        if last is None or tree is None:
            return
        parts = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Add | ast.Sub)]
        for position, part in enumerate(parts):  # the outermost first
            if isinstance(part.op, ast.Add):
                continue
            instances = []
            for node, seeds in judgement.loss.instances:
                reverse = self.judge.reverse(seeds)
                own = self.judge.own.get(node.execution.number, ())
                sums = [n for n in own if n.operation in ("add", "subtract") and n.value.size == 1][::-1]
                if (
                    len(sums) == len(parts)
                    and sums[position] in reverse
                    and sums[position].inputs[1] in reverse
                ):
                    term = sums[position].inputs[1]
                    instances.append((node, {**seeds, term: -2 * reverse[term]}))
            if len(instances) < len(judgement.loss.instances):
                return
            changed = self.judge.by(judgement.loss._replace(instances=instances), judgement.mode, 2)
            if changed.right and not changed.wrong and not changed.odd(self.judge.bound)[0]:
                made = copied_tree(tree, {id(part): ast.BinOp(part.left, ast.Add(), part.right)})
                proof = "with it the gradients of " + ", ".join(
                    dict.fromkeys(v.update.name for v in changed.right)
                )
                mistake = "a term of the loss has the other sign than its gradient"
                yield WrongLine.at(last, mistake, ast.unparse(made), proof=f"{proof} are right")
                return

    def _is_of_numbers(self, judgement: Judgement) -> bool:
        """Whether single numbers have a momentum: with it they move by any multiple of their gradients."""
        right = judgement.right
        return all(v.is_number for v in right) and any(self.judge.has_history(v.update) for v in right)

    def _odd(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Gradients that are another multiple of the true one than the others'."""
        bound = self.judge.bound
        odd = judgement.odd(bound)
        if odd[0] and self._are_rates(odd[0], judgement.right):
            self.result.remarks.append(f"{odd[0][0][0].update.name} has another learning rate than the others")
            return
        best = None
        for others in {tuple(id(v) for v, _ in one): [v for v, _ in one] for one in odd if odd[0]}.values():
            search = Search(self.judge, judgement, others)
            found = search.findings()
            is_exact = not judgement.loss.kind and any(_is_exact(v, bound) for v in others)
            cost = search.cost + is_exact  # rather those that are no gradients of the loss as it is written
            if cost < (float("inf") if best is None else best[0]):
                best = cost, found
        if best is not None:
            yield from best[1]
            return
        if not odd[0]:
            return
        verdict, times = odd[0][0]
        made = next((n for n, _ in verdict.found if n.execution is not None), verdict.update.new)
        if made.execution is None:
            return
        name = made.execution.made or verdict.update.name
        values = {v.update.name: next(iter(v.multiples(bound)[1]), None) for v in (verdict, *judgement.right)}
        mine = values.pop(verdict.update.name)
        name_of = verdict.update.name
        if mine is None:
            return
        proof = next(
            (
                f"{mine:.6g} times the true gradient for {name_of}, {usual:.6g} times for {other}"
                for other, usual in values.items() if usual and abs(mine - usual) > 1e-4 * abs(usual)
            ),
            "",
        )  # fmt: skip
        if not proof:
            return
        mistake = f"{name} is {times_of(times, made.execution)} the right one, beside the other gradients"
        yield WrongLine.at(made.execution, mistake, name=name, proof=proof)

    def _are_rates(self, odd: list[tuple[Verdict, float]], right: list[Verdict]) -> bool:
        """Whether odd steps differ by numbers that stand in the updates themselves, and are no sizes."""
        blamed = {v.update.name for v, _ in odd}
        usual = next((v for v in right if v.update.name not in blamed), None)
        ends = [v.update.new.execution for v in (*(v for v, _ in odd), usual) if v is not None]
        if usual is None or None in ends:
            return False
        ratios = [_rate(end) / _rate(ends[-1]) for end in ends]
        return all(abs(ratio - c) < 1e-4 * c for ratio, (_, c) in zip(ratios[:-1], odd, strict=True))

    def _climbing(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Updates that go up the gradient."""
        firsts = {name: verdicts[0] for name, verdicts in judgement.by_name().items()}
        changes = {n: (v.update.new.value - v.update.old.value).reshape(-1) for n, v in firsts.items()}
        climbing = [n for n, v in firsts.items() if changes[n] @ v.truth.reshape(-1) > 0]
        are_all = len(climbing) == len(firsts)
        values = judgement.loss.values()[:4]
        is_likelihood = values and (
            values[0] < 0 or (len(values) > 1 and LIKELIHOOD.search(judgement.loss.name.lower()))
        )
        is_said = judgement.loss.kind or rank(judgement.loss)  # to be the loss
        if not climbing or (are_all and (is_likelihood or not is_said)):
            return  # a likelihood is maximised
        # a momentum that is made of something else may go up too, with the right sign
        climbing = [n for n in climbing if _climbs(changes[n], firsts[n])]
        if not climbing:
            return
        turned = self._turned(firsts[climbing[0]])
        others = [v for n, v in firsts.items() if changes[n] @ v.truth.reshape(-1) < 0]
        if turned is not None and any(turned[0] in self.judge.made_of(v.update) for v in others):
            turned = None  # the others go down with it
        is_plain = all(v.step is not None for v in firsts.values())
        if are_all and is_plain and len(climbing) > 1 and (turned is None or not turned[1]):
            search = Search(self.judge, judgement, list(firsts.values()))
            found = search.findings()
            if search.cost < float("inf"):
                yield from found
                return
        rising = f"the loss goes from {values[0]:.6g} to {values[1]:.6g}" if len(values) > 1 else ""
        for name in climbing[:1] if are_all else climbing:
            update = firsts[name].update.new.execution
            if update is not None:
                where = update if turned is None else turned[0].execution
                bound = (
                    (e, *b) for e in self.executions[: update.number] for b in e.bound if b[0] == update.made
                )
                versions = self.judge.versions
                named = [
                    e
                    for e, _, old, new in bound
                    if new.index in versions and (old is None or old.index not in versions)
                ]
                if named and update.made != name.partition(" (")[0]:
                    mistake = (
                        f"{update.made} is the same array as {name}: what is added to it, is added to {name}"
                    )
                    yield WrongLine.at(named[-1], mistake, name=update.made, proof=rising)
                    continue
                mistake = UPHILL if where is update else "it has the other sign: the steps go up the loss"
                write = other_sign(where)
                yield WrongLine.at(where, mistake, *write, name=where.made or name, proof=rising)

    @staticmethod
    def _is_by_chance(judgement: Judgement) -> bool:
        """Whether a number that nothing says is a loss rises with the steps of one weight."""
        is_one = sum(not v.is_number for v, *_ in judgement.by_name().values()) < 2
        return is_one and not (judgement.descends or judgement.loss.kind or rank(judgement.loss))

    def _turned(self, verdict: Verdict) -> tuple[Node, bool] | None:
        """The first array of another sign than the gradient that it is made of, or of the other at all."""
        gradients = self.output_gradients(verdict)
        multiples = {node.index: c for node, c, _ in gradients}
        known: dict[int, float] = {}  # of a step on the way that of what it is made of
        for node in self.judge.made_of(verdict.update):
            before = [known[n.index] for n in node.inputs if n.index in known]
            sign = -1 if node.operation == "negative" else 1
            c = multiples.get(node.index, sign * before[0] if before else None)
            if c is None:
                continue
            known[node.index] = c
            if before and before[0] * c < 0 and node is not verdict.update.new:
                return node, True
        return next(((n, False) for n, c, _ in gradients if c < 0), None)

    def output_gradients(self, verdict: Verdict) -> list[Gradient]:
        """The arrays of the backward pass that are multiples of true gradients, in order."""
        truths = [(n, g) for n, g in verdict.reverse.pairs() if g.size > 1]
        forward = {n.index for n, _ in truths}
        truths = [(n, g) for n, g in truths if self.judge.is_seen(n)]
        found = []
        for node in self.judge.made_of(verdict.update):
            if node.index in forward or node.value.size == 1 or node.execution is None:
                continue
            pairs = ((of, multiple(node.value, truth)) for of, truth in truths)
            found += [Gradient(node, c, of) for of, c in pairs if c is not None][:1]
        return found

    def _growing(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Weights to which a part of themselves is added in every step: weight decay with the other sign."""
        for name, every in self.longer.by_name().items():
            parts = []
            verdicts = [v for v in every if np.any(v.update.old.value) and v.step is None]  # or it is too small
            for v in verdicts:
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

    def _repeated(self, judgement: Judgement) -> Iterator[WrongLine]:
        """A prediction that is made once, before the steps."""
        for p in self.judge.parameters:
            verdict = next((v for v in judgement.right if v.update.name == p.name and not v.is_number), None)
            if verdict is None or len(p.used) > 1 or len(p.versions) < 5:
                continue
            changes = [b.value - a.value for a, b in pairwise(p.versions)]
            forward = [n for n in verdict.reverse.nodes.values() if p.versions[0] in n.inputs and n.execution]
            if forward and all(np.allclose(c, changes[0], rtol=1e-6, atol=0) for c in changes):
                mistake = "it is made once, before the steps: compute it in every step, inside the loop"
                proof = f"{p.name} is changed by the same numbers in {len(changes)} steps"
                yield WrongLine.at(max(forward).execution, mistake, proof=proof)
                return

    def _after_update(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Steps with another parameter in them that was updated since the forward pass."""
        owners = self.judge.owners
        for v in (v for v in judgement.right if not v.found and not v.is_number):
            used = {owners[i]: n for i, n in sorted(v.reverse.nodes.items()) if i in owners}
            used.pop(owners[v.update.old.index], None)
            taken = (
                (n, m) for n in self.judge.made_of(v.update) if n.operation not in MOVING for m in n.inputs
            )
            for n, m in taken:
                whole, parts = m, []
                while whole.operation == "getitem" and whole.index not in owners:
                    parts.append(whole)
                    whole = whole.inputs[0]
                before = used.get(owners.get(whole.index, -1))
                if before is None or n.execution is None or whole.index <= before.index:
                    continue
                value = before.value
                for part in reversed(parts):
                    value = np.asarray(part.compute(value))  # type: ignore[misc]
                if not np.array_equal(value, m.value):
                    seen = {**n.execution.values, **n.execution.loads}
                    name = next((k for k, of in seen.items() if of is m), "a parameter")
                    mistake = (
                        f"it is made with {name} after its update: compute all gradients first, update then"
                    )
                    at = np.flatnonzero(value != m.value)[0]
                    proof = f"{m.value.flat[at]:.8g} goes into it, {value.flat[at]:.8g} into the prediction"
                    yield WrongLine.at(n.execution, mistake, name=v.update.name, proof=proof)
                    return

    def _lost(self, judgement: Judgement) -> Iterator[WrongLine]:
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
                mistake = (
                    f"it takes only the last of {count} gradients: it belongs into the loop that makes them"
                )
                proof = f"line {named[-1].execution.statement.line} is executed {count} times for one update"
                yield WrongLine.at(last, mistake, name=name, proof=proof)
                return

    def _not_used(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Parameters with a gradient on which the loss does not depend."""
        if self._unknown(judgement.verdicts):
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
        """Parameters of which the loss goes on to use the first values."""
        by_name = judgement.by_name()
        most = max((len(v) for v in by_name.values()), default=0)
        later = [v for verdicts in by_name.values() if len(verdicts) == most for v in verdicts[1:]]
        for name, verdicts in by_name.items():
            if len(verdicts) > 1 or not later:
                continue
            old = verdicts[0].update.old
            users = (n for n in later[0].reverse.nodes.values() if old in n.inputs and n.execution is not None)
            execution = next((n.execution for n in users if n.index not in self.judge.versions), None)
            if execution is None or sum(e.statement is execution.statement for e in self.executions) > 1:
                continue
            mistake = (
                f"{execution.made} is that of the step before: it has to be computed in every step, "
                "inside the loop"
            )
            times = next(len(p.versions) for p in self.judge.parameters if p.name == name) - 1
            proof = f"it is computed once, and {name} is updated {times} times"
            yield WrongLine.at(execution, mistake, proof=proof, step=1)

    def _replaced(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Parameters that are replaced by their step: its penalty has the old value in it."""
        for v in judgement.verdicts:
            if v.truth is not None and v.step is None and not v.is_number:
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
        seen = [pair for execution in self.executions[:2000] for pair in execution.values.items()]
        names = {re.sub(r"\d", "", path) for path, node in seen if node.index in self.judge.owners}
        known = {node.index: path for path, node in seen if re.sub(r"\d", "", path) in names}
        for verdict in judgement.right[:1]:
            for node, truth in verdict.reverse.pairs():
                index = node.index
                is_start = node.operation == LEAF or all(n.operation in (LEAF, CONSTANT) for n in node.inputs)
                is_array = node.value.size > 1 and node.value.dtype.kind == "f" and np.any(truth)
                if index in self.judge.versions or index not in known or not (is_start and is_array):
                    continue
                new = next((b for a, b in self.tape.replaced.values() if a is node), None)
                if new is None:
                    later = (n for n in self.tape.nodes[index + 1 :] if n.index in self.judge.bound)
                    computed = next((n for n in later if multiple(n.value, truth)), None)
                    if computed is not None and computed.execution is not None:
                        line = computed.execution.statement.line
                        proof = f"its gradient is computed in line {line}, and is not zero"
                        mistake = f"{known[index]} is not updated: it stays as it was before the step"
                        sums = (
                            n for n in self.tape.nodes[computed.index :] if n.operation in ("add", "subtract")
                        )
                        step = next(
                            (n for n in sums if node in n.inputs and computed.index in ancestors([n])), None
                        )
                        if step is not None and step.execution is not None and step.execution.made:
                            mistake = (
                                f"{known[index]} is not updated: its step is given to {step.execution.made}"
                            )
                            yield WrongLine.at(step.execution, mistake, name=known[index], proof=proof)
                        else:
                            yield WrongLine(*self._loop(), known[index], mistake, (), proof)
                elif carried(node, new) is None and new.execution is not None:
                    c, name = multiple(new.value, truth), new.execution.made
                    if c is not None:
                        yield from self._replacing(new, c)
                        continue
                    made = ancestors([new], lambda n: n.operation in ("multiply", "divide"))
                    steps = (n for i, n in made.items() if i > index and n is not new)
                    found = next((n for n in steps if multiple(n.value, truth)), None)
                    if index in made and found is not None:
                        mistake = f"{name} is multiplied by its gradient: a step is subtracted from it"
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

    def _rule(self) -> Iterator[WrongLine]:
        """Recognise the rule of the updates, and what it lacks."""
        verdicts: list[Verdict] = self.longer.right
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
                self.result.remarks.append(
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
            yield from list(self._averages(verdicts)) or self._root_of_negative()
        self.rule, self.result.rule = rule, "" if rule is None else str(rule)

    def _averages(self, verdicts: list[Verdict]) -> Iterator[WrongLine]:
        """Adam's averages: what they are of, and their bias correction."""
        by_name: dict[str, list[Verdict]] = {}
        for v in verdicts:
            by_name.setdefault(v.update.name, []).append(v)
        for steps in by_name.values():
            found = [
                update_rules.averages(
                    self.judge.made_of(v.update), v.update.old, self.judge.depends, self.judge.versions
                )
                for v in steps[:2]
            ]
            first = {origin(a.node): a for a in found[0]}
            for v, averages in zip(steps, found, strict=False):
                decays = {a.decay for a in averages}
                roots = [n.inputs[0] for n in self.judge.made_of(v.update) if n.operation == "sqrt"]
                under = set().union(*(_within(r, v.update.old.index) for r in roots))
                for a in averages:
                    before = None if v is steps[0] else first.get(origin(a.node))
                    said = self._mistake_of(a, decays, before)
                    if a.node.index in under and _is_of_gradient(a, v, before, steps[0]):
                        said = (
                            a.node,
                            "the square of the gradient belongs in this average, which is under a root",
                        )
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
            if abs(a.factor - (1 - a.decay)) > 1e-6:
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

    def _remarks(self, judgement: Judgement) -> list[str]:
        remarks = []
        loss, right = judgement.loss, judgement.right
        factors = {c for v in right[:1] for c in v.multiples(self.judge.bound)[1]}
        if not judgement.wrong and loss.kind:
            remarks.append(f"the program does not compute this loss: it is implied by line {loss.line}")
            named = next((n for n in self.judge.losses if not n.kind and rank(n) == 2), None)
            if named is not None:
                remarks.append(f"{named.described()} is another loss: these are not its gradients")
        elif not judgement.wrong and factors and all(abs(abs(c) - 1) > 1e-3 for c in factors):
            first = right[0].found[0][0]
            if first.execution is not None:
                said = times_of(abs(next(iter(factors))), first.execution)
                remarks.append(
                    f"as they are made, the gradients are {said} those of this loss, for all parameters alike"
                )
        starts = {p.versions[0].index for p in self.judge.parameters}
        if not loss.kind and right and not starts & {v.update.old.index for v in right}:
            remarks.append(f"the loss of line {loss.line} is computed after the update, of the next step")
        if where := self._infinite():
            remarks.append(f"not finite first in line {where}")
        still = sorted({
            v.update.name for v in judgement.verdicts
            if v.what == STILL and np.array_equal(v.update.new.value, v.update.old.value)
        })  # fmt: skip
        if still:
            remarks.append(f"the gradient of {', '.join(still)} is zero in some steps, and so is the change")
        for v in judgement.verdicts:
            row = v.reverse and self.judge.constant_row(v.update, v.reverse[v.update.old])
            if row is not None:
                remarks.append(f"row {row} of {v.update.name} is held constant, whatever its gradient")
        return list(dict.fromkeys(remarks))

    def _infinite(self) -> str:
        """The first line that makes numbers that are not finite; "" if there is none."""
        made = (n for n in self.tape.nodes if n.inputs and n.value.dtype.kind == "f")
        execution = next((n.execution for n in made if not np.isfinite(n.value).all()), None)
        return "" if execution is None else f"{execution.statement.line}: {execution.statement.text}"

    def _unknown(self, verdicts: list[Verdict]) -> list[Node]:
        """Operations without a derivative between the parameters and the loss."""
        return [
            n
            for v in verdicts
            if v.reverse is not None
            for n in v.reverse.unknown
            if n.index in self.judge.depends
        ]

    def _reason(self) -> str:  # noqa: PLR0911
        """Why it cannot be judged, and what to give; "" if it is right."""
        judgement, parameters, error = self.judgement, self.judge.parameters, self.recording.error
        is_right = judgement is not None and bool(judgement.right)
        if error is not None and (self.result.steps < 2 or not is_right):
            return "it ends with an error before its gradients can be judged"
        if is_right and not judgement.wrong and not self._is_by_chance(judgement):
            if not self.longer.is_steady:
                return (
                    f"its gradients are another multiple of those of {judgement.loss.described()} in "
                    "every step: is that the loss?"
                )
            named = {new.index for e in self.executions for _, _, new in e.bound}
            gradients = [node for v in judgement.right for node, _ in v.found]
            is_unsure = judgement.loss.kind in UNSURE_LOSSES or all(v.is_number for v in judgement.right)
            is_named = not is_unsure and any(n.index in named for n in gradients)
            if judgement.loss.kind and self.rule is None and not is_named:
                self.result.remarks.clear()
                return (
                    f"it computes no loss, and its update is not one of {judgement.loss.described()} by a rule "
                    "known here: have it compute its loss"
                )
            unknown = self._unknown(judgement.verdicts)
            missing = {
                v.update.name for v in judgement.verdicts if v.what == UNKNOWN or (unknown and v.what == UNUSED)
            }
            missing -= set(self.result.gradients)
            if not missing or self._infinite():
                return ""
            reason = f"the gradient of {', '.join(sorted(missing))} cannot be derived"
            if unknown:
                node = unknown[0]
                where = f" in line {node.execution.statement.line}" if node.execution else ""
                reason += f": the derivative of {node.operation}{where} is not known here"
            return reason
        if not parameters:
            return self._no_parameters()
        if where := self._infinite():
            line, _, text = where.partition(": ")
            return f"its numbers are not finite from line {line} on: {text}"
        if self.judge.left_out:
            return (
                f"{self.judge.left_out} of {len(self.judge.losses)} numbers that could be its loss were not "
                "tried, as that takes too long: give it less data, or print the loss"
            )
        is_said = judgement is not None and (judgement.loss.kind or rank(judgement.loss))  # to be the loss
        if not is_said or not judgement.wrong or self._is_by_chance(judgement):
            names = ", ".join(p.name for p in parameters)
            return f"no loss was found that depends on {names}: compute it, as in {LOSS}"
        if self.cut_off:
            first = self.cut_off[0]
            return (
                f"in line {first.line}, `{first.text}`, {first.mistake}; that is a mistake, unless later steps "
                "are left out on purpose (truncated backpropagation through time)"
            )
        wrong = ", ".join(dict.fromkeys(v.update.name for v in judgement.wrong))
        said = f"the gradient of {wrong} is not that of {judgement.loss.described()}"
        if judgement.loss.kind:
            return f"the program does not compute its loss, and {said}: compute the loss, as in {LOSS}"
        return f"{said}, and no line was found that is to blame; is that the loss?"

    def _no_parameters(self) -> str:
        source, called = self.recording.source, {e.statement.function for e in self.executions}
        functions = [n.name for n in ast.walk(source.tree()) if isinstance(n, ast.FunctionDef)]
        idle = [name for name in functions if name not in called and not name.startswith("_")]
        said = "it updates no array by a gradient, as in w -= learning_rate * grad_w"
        if not self.tape.nodes:
            said = "no NumPy array is made in it"
        for old, new in self.tape.replaced.values():
            is_of_it = old.operation == LEAF and old.value.shape == new.value.shape != () and new.execution
            if is_of_it and old.index in ancestors([new]) and carried(old, new) is None:
                line = f"{new.execution.statement.line}: {new.execution.statement.text}"
                said += f"; {new.execution.made} is not changed by a step but replaced in line {line}"
                break
        if idle:
            said += f"; nothing calls {', '.join(idle[:4])}: call the training at the end of the file"
        return said


def _within(node: Node, start: int) -> set[int]:
    """What a node is made of since then."""
    return set(ancestors([node], lambda n: n.index > start))


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


def _is_exact(verdict: Verdict, bound: Collection[int]) -> bool:
    """Whether the variable that holds a gradient is the true one, not a multiple."""
    return any(abs(c - 1) < 1e-6 for c in verdict.multiples(bound)[1])


def _rate(execution: Execution) -> float:
    """The product of the numbers in a statement, but for sizes of arrays: of an update the learning rate."""
    sizes = {n for node in execution.values.values() for n in (*node.value.shape, node.value.size)}
    known = execution.scope | {name: n.value.item() for name, n in execution.values.items() if not n.value.ndim}
    parts = list(ast.walk(execution.statement.tree))
    numbers = [n.value for n in parts if isinstance(n, ast.Constant)]
    numbers += [known.get(ast.unparse(n)) for n in parts if isinstance(n, ast.Name | ast.Attribute)]
    return float(np.prod([v for v in numbers if isinstance(v, int | float) and v > 0 and v not in sizes - {2}]))


def _climbs(change: Any, verdict: Verdict) -> bool:
    """Whether an update goes up its gradient in all elements, but for weight decay."""
    truth = verdict.truth.reshape(-1)
    if verdict.is_number or verdict.step is not None:
        return verdict.step is not None and (verdict.is_number or verdict.step < 0)
    found = decayed(change, truth, verdict.update.old.value.reshape(-1))
    return bool((change * truth >= 0).all()) and truth.size > FEW if found is None else found[0] > 0


LOSS = "loss = np.square(y_pred - y).sum()"


def times_of(factor: float, execution: Execution) -> str:
    """`1/N of`, `2 times`, `half`; N by the program's own name."""
    if factor < 0:
        return "minus" if abs(factor + 1) < 1e-6 else f"minus {times_of(-factor, execution)}"
    for value, word in ((1.0, "1 times"), (2.0, "2 times"), (0.5, "half")):
        if abs(factor - value) < 1e-6 * value:
            return word
    sizes = {n: v for n, v in execution.scope.items() if type(v) is int}
    for name, node in execution.values.items():
        sizes |= {f"{name}.shape[{axis}]": length for axis, length in enumerate(node.value.shape)}
    sizes |= {f"{name}.size": node.value.size for name, node in execution.values.items()}
    for name, value in sizes.items():
        if value > 1 and abs(factor - value) < 1e-6 * value:
            return f"{name} = {value} times"
        if value > 1 and abs(factor - 1 / value) < 1e-6 / value:
            return f"1/{name} = 1/{value} of"
    return f"{factor:.6g} times"


def other_sign(execution: Execution) -> tuple[str, ...]:
    """The statement with the other sign."""
    made: ast.stmt
    match execution.statement.tree:
        case ast.AugAssign(target, ast.Add() | ast.Sub() as operator, value):
            made = ast.AugAssign(target, ast.Sub() if isinstance(operator, ast.Add) else ast.Add(), value)
        case ast.Assign(targets, ast.BinOp(left, ast.Add(), right)):
            made = ast.Assign(targets, ast.BinOp(left, ast.Sub(), right), lineno=0)
        case ast.Assign(targets, ast.UnaryOp(ast.USub(), value)):
            made = ast.Assign(targets, value, lineno=0)
        case ast.Assign(targets, value):
            made = ast.Assign(targets, ast.UnaryOp(ast.USub(), value), lineno=0)
        case _:
            return ()
    return (ast.unparse(made),)
