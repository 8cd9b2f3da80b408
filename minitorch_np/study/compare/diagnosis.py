"""From a recording to what is said about it: findings that its numbers prove, and remarks."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree
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
    decayed,
    multiple,
)
from minitorch_np.study.compare.objective import UNSURE_LOSSES, prediction, rank
from minitorch_np.study.compare.recorded import LEAF, Node, ancestors
from minitorch_np.study.compare.recording import Recording
from minitorch_np.study.compare.report import NOT_JUDGED, RIGHT, WRONG, Comparison, WrongLine
from minitorch_np.study.compare.update_mistakes import UpdateMistakes

SWAPPED = 1.3  # the cost of an edit that takes another variable, or the value before an activation
FEW = 4  # elements that may all go up by a momentum
MOST_UPDATES = 6  # of each parameter that the rule is read off
LIKELIHOOD = re.compile("lik|reward|return|ll")  # in the name of what is maximised
UPHILL = "its update has the wrong sign: gradient descent subtracts, w -= learning_rate * gradient"


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
        self.updates = UpdateMistakes(recording, self.judge)
        self.cut_off: list[WrongLine] = []  # where a recurrent network's gradient ends, perhaps on purpose

    def _rank(self) -> tuple[tuple[int, int], int]:
        """How much is right, and whether nothing is wrong: 0, or below it."""
        if self.judgement is None:
            return (0, 0), -1
        return self.judgement.score, -len(self.judgement.wrong) - len(self.judgement.odd(self.judge.bound)[0])

    @cached_property
    def _named(self) -> set[int]:
        """What variables hold, but for the averages of optimizers."""
        return {new.index for e in self.executions for _, _, new in e.bound} & self.judge.bound

    @property
    def has_loss(self) -> bool:
        """Whether the program has computed a number that is a loss by its name."""
        return any(rank(loss) > 1 and not loss.kind for loss in self.judge.losses)

    def comparison(self) -> Comparison:
        result, error = self.result, self.recording.error
        result.steps = min((len(p.versions) - 1 for p in self.judge.parameters), default=0)
        result.findings = list(self._findings())
        result.remarks += self.updates.remarks
        if self.judgement is not None:
            found = [c for v in self.judgement.right[:1] for n, c in v.found if n.index in self._named]
            rule = self.updates.rule
            result.rule = "" if rule is None else str(rule.of_multiples(abs([1.0, *found][-1])))
            losses = [self.judgement.loss, *self.judgement.more]
            result.loss = " and ".join(dict.fromkeys(loss.described() for loss in losses))
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
        first = [*self.updates.replaced(judgement), *self.updates.not_reset(judgement)][:1]
        if first or (first := list(self._turned_loss(judgement))):
            yield from first
        elif judgement.wrong:
            yield from () if self.judge.left_out else self._wrong_gradients(judgement)
        else:
            self.longer = self.judge.by(judgement.loss, judgement.mode, MOST_UPDATES)
            if self.longer.is_steady:  # otherwise they are of another loss than this one
                if judgement.loss.kind not in UNSURE_LOSSES:
                    yield from self._wrong_updates(judgement)
                yield from self.updates.read_rule(self.longer)

    def _wrong_gradients(self, judgement: Judgement) -> Iterator[WrongLine]:
        search = Search(self.judge, judgement)
        found = search.findings()
        is_known = self._is_known(judgement, search)
        if is_known and (spoiled := list(self._spoiled(judgement, found))):
            yield from spoiled
        elif is_known and self._is_proven(judgement, search, found):
            yield from found
        elif search.is_recurrent and search.window.part is not None:
            self.cut_off = found[:1]
        elif all(v.is_number for v in judgement.right):
            yield from self._by_unsaid_loss(search.deadline)

    def _wrong_updates(self, judgement: Judgement) -> Iterator[WrongLine]:
        if not self._is_of_numbers(judgement):
            yield from list(self._odd(judgement)) or self._climbing(judgement)
        yield from self.updates.growing(self.longer)
        yield from self.updates.lost(judgement)
        yield from self.updates.not_used(judgement)
        yield from self.updates.stale(judgement)
        yield from self.updates.not_updated(judgement)

    def _by_unsaid_loss(self, deadline: float) -> Iterator[WrongLine]:
        """Where no gradient is right: the edit that makes all those of a loss right that is not written out."""
        for judgement in [j for j in self.judge.judgements if j.loss.kind and not j.right][:3]:
            search = Search(self.judge, judgement, deadline=deadline)
            found = search.findings()
            is_known = search.mends and self._is_known(judgement, search)
            if is_known and self._is_proven(judgement, search, found):
                self.judgement = judgement
                yield from found
                return

    def _is_known(self, judgement: Judgement, search: Search) -> bool:
        """Whether the gradients of the loss are those of the steps, and these are made of nothing else."""
        is_of_loss = not self.judge.unknown(judgement.wrong) and self.judge.is_of_the_steps(judgement)
        return is_of_loss and not search.is_of_states

    def _is_proven(self, judgement: Judgement, search: Search, found: list[WrongLine]) -> bool:
        """Whether the loss is sure enough to blame a line by it."""
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

    def _turned_loss(self, judgement: Judgement) -> Iterator[WrongLine]:
        """The sign in the statement of a written loss that all gradients take for the other one."""
        written = [
            j for j in self.judge.judgements if rank(j.loss) > 1 and not (j.loss.kind or j.loss.is_inner)
        ]
        for other in [judgement] if judgement.wrong else written[:2] if judgement.loss.kind else []:
            if found := list(self._turned_term(other)):
                yield from found
                return

    def _turned_term(self, judgement: Judgement) -> Iterator[WrongLine]:
        last = judgement.loss.instances[0][0].execution
        tree = None if last is None else last.statement.tree
        parts = [n for n in ast.walk(tree or ast.Pass()) if isinstance(n, ast.BinOp)]
        parts = [n for n in parts if isinstance(n.op, ast.Add | ast.Sub)]  # the outermost first
        for position, part in enumerate(parts):
            instances = []
            for node, seeds in judgement.loss.instances:
                reverse = self.judge.reverse(seeds)
                own = self.judge.own.get(node.execution.number, ())
                sums = [n for n in own if n.operation in ("add", "subtract")][::-1]
                term = sums[position].inputs[1] if len(sums) == len(parts) else None
                if term is not None and term in reverse:
                    instances.append((node, {**seeds, term: -2 * reverse[term]}))
            if len(instances) < len(judgement.loss.instances):
                continue
            changed = self.judge.by(judgement.loss._replace(instances=instances), judgement.mode, 2)
            if changed.right and not changed.wrong and not changed.odd(self.judge.bound)[0]:
                operator = ast.Add() if isinstance(part.op, ast.Sub) else ast.Sub()
                made = copied_tree(tree, {id(part): ast.BinOp(part.left, operator, part.right)})
                names = ", ".join(dict.fromkeys(v.update.name for v in changed.right))
                mistake = "a term of the loss has the other sign than its gradient"
                proof = f"with it the gradients of {names} are right"
                yield WrongLine.at(last, mistake, ast.unparse(made), proof=proof)
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
        is_said = not judgement.loss.kind  # and its true gradients are none to blame
        verdict, times = min(odd, key=lambda one: is_said and any(_is_exact(v, bound) for v, _ in one))[0]
        name = verdict.update.name
        made = next((n for n, _ in verdict.found if n.execution is not None), verdict.update.new)
        values = {v.update.name: next(iter(v.multiples(bound)[1]), 0.0) for v in (verdict, *judgement.right)}
        mine = values.pop(name)
        other = next((n for n, c in values.items() if c and mine and abs(mine - c) > 1e-4 * abs(c)), None)
        if made.execution is None or other is None:
            return
        mistake = (
            f"{made.execution.made or name} is {times_of(times, made.execution)} the right one, beside the "
        )
        proof = f"{mine:.6g} times the true gradient for {name}, {values[other]:.6g} times for {other}"
        yield WrongLine.at(made.execution, f"{mistake}other gradients", name=name, proof=proof)

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
        is_said = len(values) > 1 and LIKELIHOOD.search(judgement.loss.name.lower())
        is_likelihood = values and (values[0] < 0 or is_said)
        if not climbing or (are_all and (is_likelihood or self._is_by_chance(judgement))):
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
                versions = self.judge.versions
                named = [
                    e for e in self.executions[: update.number] for path, old, new in e.bound
                    if path == update.made and new.index in versions
                    and (old is None or old.index not in versions)
                ]  # fmt: skip
                if named and update.made != name.partition(" (")[0]:
                    mistake = f"{update.made} is the same array as {name}: both are changed together"
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
            remarks.append(f"the loss of line {loss.line} is computed only after the first update")
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
            gradients = [node for v in judgement.right for node, _ in v.found]
            is_unsure = judgement.loss.kind in UNSURE_LOSSES or all(v.is_number for v in judgement.right)
            is_named = not is_unsure and any(n.index in self._named for n in gradients)
            if judgement.loss.kind and self.updates.rule is None and not is_named:
                self.result.remarks.clear()
                return (
                    f"it computes no loss, and its update is not one of {judgement.loss.described()} by a rule "
                    "known here: have it compute its loss"
                )
            unknown = self.judge.unknown(judgement.verdicts)
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
