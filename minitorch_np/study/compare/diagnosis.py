"""From a recording to what is said about it: findings that its numbers prove, and remarks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.study.compare import update_rules
from minitorch_np.study.compare.findings import Search, crash_finding, made_by
from minitorch_np.study.compare.instrument import Execution, carried
from minitorch_np.study.compare.judge import RIGHT as RIGHT_UPDATE
from minitorch_np.study.compare.judge import STILL, UNKNOWN, UNUSED, Judge, Judgement, Verdict, multiple
from minitorch_np.study.compare.objective import dependent, rank
from minitorch_np.study.compare.recorded import LEAF, Node
from minitorch_np.study.compare.recording import Recording
from minitorch_np.study.compare.report import NOT_JUDGED, RIGHT, WRONG, Comparison, WrongLine

MOST_UPDATES = 6  # of each parameter that the rule is read off


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
        found = self.judge.judge()
        if (not found or found[0].wrong) and self.judge.has_ties():
            other = Judge(recording.tape, recording.executions, tie=1.0)
            again = other.judge()
            if again and (not found or again[0].score > found[0].score):
                self.judge, found = other, again
        self.judgement: Any = found[0] if found else None
        self.result = Comparison(recording.source.name, recording.source.text)
        self.longer: Any = self.judgement  # the same of more updates
        self.rule: update_rules.Rule | None = None

    def comparison(self) -> Comparison:
        result, recording = self.result, self.recording
        result.steps = min((len(p.versions) - 1 for p in self.judge.parameters), default=0)
        result.findings = list(self._findings())
        if self.judgement is not None:
            result.loss = self.judgement.loss.described()
            result.gradients = [v.update.name for v in self.judgement.right]
        if recording.error is not None:
            result.failure = recording.error
            finding = crash_finding(self.judge, self.executions)
            if finding is not None:
                result.findings.append(finding)
        if result.findings:
            result.judged = WRONG
        elif recording.error is not None and (
            result.steps < 2 or self.judgement is None or not self.judgement.right
        ):
            result.judged = NOT_JUDGED
            result.reason = "it ends with an error before its gradients can be judged"
        elif self.judgement is None or not self.judgement.right or self.judgement.wrong:
            result.judged, result.reason = NOT_JUDGED, self._reason()
        else:
            missing = (UNKNOWN, UNUSED) if self._unknown(self.judgement.verdicts) else (UNKNOWN,)
            unknown = sorted(
                {v.update.name for v in self.judgement.verdicts if v.what in missing} - set(result.gradients)
            )
            if not self.longer.is_steady:
                result.judged = NOT_JUDGED
                result.reason = (
                    f"its gradients are another multiple of those of {self.judgement.loss.described()} in "
                    "every step: is that the loss?"
                )
            elif unknown and not self._was_infinite():
                result.judged = NOT_JUDGED
                result.reason = (
                    f"the gradient of {', '.join(unknown)} cannot be derived{self._unknown_operations()}"
                )
            else:
                result.judged = RIGHT
        if self.judgement is not None and result.judged != NOT_JUDGED:
            result.remarks += self._remarks(self.judgement)
        return result

    def _findings(self) -> Iterator[WrongLine]:
        yield from self._outputs_by_accident()
        judgement = self.judgement
        if judgement is None:
            return
        if judgement.wrong:
            if not self.judge.left_out:
                found = Search(self.judge, judgement).findings()
                if self._is_proven(judgement, found):
                    yield from found
            return
        self.longer = self.judge.by(judgement.loss, judgement.mode, MOST_UPDATES)
        if not self.longer.is_steady:
            return  # of another loss than this one
        odd = list(self._odd(judgement))
        yield from odd or self._climbing(judgement)
        yield from self._not_used(judgement)
        yield from self.stale(judgement)
        yield from self.not_updated(judgement)
        yield from self._rule()

    def _is_proven(self, judgement: Judgement, found: list[WrongLine]) -> bool:
        """Whether the loss is sure enough to blame a line by it."""
        if self._unknown(judgement.wrong) or not self.judge.is_of_the_steps(judgement):
            return False
        is_written = not judgement.loss.kind and rank(judgement.loss) > 0
        return (
            bool(judgement.right)
            or bool(is_written)
            or (not judgement.loss.kind and any(f.write for f in found))
        )

    def _outputs_by_accident(self) -> Iterator[WrongLine]:
        for execution, call, name in self.tape.written_by_position:
            statement = execution.statement
            mistake = f"{call} writes its result into {name}: a second array there is `out`"
            yield WrongLine(statement.line, statement.text, name, mistake)

    def _odd(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Gradients that are another multiple of the true one than the others'."""
        odd = judgement.odd(self.judge.bound)
        if not odd:
            return
        searches = []
        for beside_first in (False, True):
            others = [verdict for verdict, _ in judgement.odd(self.judge.bound, beside_first=beside_first)]
            search = Search(self.judge, judgement, others)
            searches.append((search.findings(), search.cost))
        found, cost = min(searches, key=lambda pair: pair[1])
        if cost < float("inf"):
            yield from found
            return
        for verdict, times in odd[:1]:
            made = next((n for n, _ in verdict.found if n.execution is not None), verdict.update.new)
            execution = made.execution
            if execution is None:
                continue
            statement = execution.statement
            name = made_by(execution) or verdict.update.name
            mistake = f"{name} is {self.times(times, execution)} the right one, beside the other gradients"
            yield WrongLine(
                statement.line, statement.text, name, mistake, (), self._factors(judgement, verdict)
            )

    def _factors(self, judgement: Judgement, odd: Verdict) -> str:
        bound = self.judge.bound
        values = {v.update.name: next(iter(v.multiples(bound)[1]), None) for v in (odd, *judgement.right)}
        mine = values[odd.update.name]
        name, usual = next(((n, c) for n, c in values.items() if n != odd.update.name and c), ("", None))
        if mine is None or usual is None:
            return ""
        return f"{mine:.6g} times the true gradient for {odd.update.name}, {usual:.6g} times for {name}"

    def times(self, factor: float, execution: Execution) -> str:
        """`1/N of`, `2 times`, `half`; N by the program's own name."""
        if factor < 0:
            return (
                "minus " + self.times(-factor, execution).replace("1 times ", "")
                if abs(factor + 1) > 1e-6
                else "minus"
            )
        for value, word in ((1.0, "1 times"), (2.0, "2 times"), (0.5, "half")):
            if abs(factor - value) < 1e-6 * value:
                return word
        sizes = {n: v for n, v in execution.scope.items() if type(v) is int and v > 1}
        sizes |= {
            f"{name}.shape[{axis}]": length
            for name, node in execution.values.items()
            for axis, length in enumerate(node.value.shape)
        }
        sizes |= {f"{name}.size": node.value.size for name, node in execution.values.items()}
        for name, value in sizes.items():
            if value > 1 and abs(factor - value) < 1e-6 * value:
                return f"N times, N = {name} = {value},"
            if value > 1 and abs(factor - 1 / value) < 1e-6 / value:
                return f"1/N, N = {name} = {value}, of"
        return f"{factor:.6g} times"

    def _climbing(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Updates that go up the gradient."""
        signs: dict[str, float] = {}
        firsts: dict[str, Verdict] = {}
        for verdict in judgement.right:
            if verdict.truth is None or verdict.update.name in signs:
                continue
            change = (verdict.update.new.value - verdict.update.old.value).reshape(-1)
            signs[verdict.update.name] = float(np.sign(change @ verdict.truth.reshape(-1)))
            firsts[verdict.update.name] = verdict
        climbing = [name for name, sign in signs.items() if sign > 0]
        values = [
            float(node.value.reshape(-1)[0])
            for node, _ in judgement.loss.instances[:4]
            if not judgement.loss.kind
        ]
        if not climbing or (len(climbing) == len(signs) and values and values[0] < 0):
            return  # a likelihood is maximised
        if (
            len(climbing) == len(signs)
            and len(values) > 1
            and re.search("lik|reward|return|ll", judgement.loss.name.lower())
        ):
            return
        if len(climbing) == len(signs) > 1:
            search = Search(self.judge, judgement, list(firsts.values()))
            found = search.findings()
            turned = self._turned(firsts[climbing[0]])
            if search.cost < float("inf") and (turned is None or not turned[1]):
                yield from found
                return
        for name in climbing if len(climbing) < len(signs) else climbing[:1]:
            verdict = firsts[name]
            execution = verdict.update.new.execution
            if execution is None:
                continue
            where = execution
            if len(climbing) == len(signs):
                signed = self._turned(verdict)
                where = signed[0].execution if signed is not None else execution
            mistake = (
                "its update has the wrong sign: gradient descent subtracts, w -= learning_rate * gradient"
                if where is execution else "it has the other sign: the steps go up the loss"
            )  # fmt: skip
            rising = f"the loss goes from {values[0]:.6g} to {values[1]:.6g}" if len(values) > 1 else ""
            yield WrongLine(
                where.statement.line,
                where.statement.text,
                made_by(where) or name,
                mistake,
                self.other_sign(where),
                rising,
            )

    def _turned(self, verdict: Verdict) -> tuple[Node, bool] | None:
        """The first array of another sign than the gradient that it is made of, or of the other at all."""
        gradients = self.output_gradients(verdict)
        multiples = {node.index: c for node, c, _ in gradients}
        known: dict[int, float] = {}  # of a step on the way that of what it is made of
        for node in self.judge.made_of(verdict.update):
            before = [known[n.index] for n in node.inputs if n.index in known]
            c = multiples.get(node.index, before[0] if before else None)
            if c is None:
                continue
            known[node.index] = c
            if before and before[0] * c < 0 and node is not verdict.update.new:
                return node, True
        return next(((n, False) for n, c, _ in gradients if c < 0), None)

    def output_gradients(self, verdict: Verdict) -> list[Gradient]:
        """The arrays of the backward pass that are multiples of true gradients, in order."""
        found = []
        truths = [(r.nodes[i], g) for r in verdict.passes for i, g in r.gradients.items() if g.size > 1]
        forward = {n.index for n, _ in truths}
        truths = [(n, g) for n, g in truths if self.judge.is_seen(n)]
        for node in self.judge.made_of(verdict.update):
            if node.index in forward or node.value.size == 1 or node.execution is None:
                continue
            for of, truth in truths:
                c = multiple(node.value, truth) if node.value.size == truth.size else None
                if c is not None:
                    found.append(Gradient(node, c, of))
                    break
        return found

    def other_sign(self, execution: Execution) -> tuple[str, ...]:
        tree = execution.statement.tree
        if isinstance(tree, ast.AugAssign) and isinstance(tree.op, ast.Add | ast.Sub):
            made = ast.AugAssign(
                tree.target, ast.Sub() if isinstance(tree.op, ast.Add) else ast.Add(), tree.value
            )
            return (ast.unparse(made),)
        if (
            isinstance(tree, ast.Assign)
            and isinstance(tree.value, ast.BinOp)
            and isinstance(tree.value.op, ast.Add)
        ):
            value = tree.value
            return (
                ast.unparse(ast.Assign(tree.targets, ast.BinOp(value.left, ast.Sub(), value.right), lineno=0)),
            )
        if isinstance(tree, ast.Assign):
            turned: ast.expr = ast.UnaryOp(ast.USub(), tree.value)
            if isinstance(tree.value, ast.UnaryOp) and isinstance(tree.value.op, ast.USub):
                turned = tree.value.operand
            return (ast.unparse(ast.Assign(tree.targets, turned, lineno=0)),)
        return ()

    def _not_used(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Parameters with a gradient on which the loss does not depend."""
        truths = [(r.nodes[i], g) for v in judgement.right for r in v.passes for i, g in r.gradients.items()]
        for verdict in judgement.verdicts:
            update = verdict.update
            if verdict.what != UNUSED or update.old.value.size == 1:
                continue
            if not update.name or any(update.old.index > v.update.new.index for v in judgement.right):
                continue  # a sum of gradients that was begun when the recording ended
            own = {v.index for p in self.judge.parameters if p.name == update.name for v in p.versions}
            made = (m for v in judgement.right for m in self.judge.made_of(v.update))
            if any(n.index in own for m in made for n in (m, *m.inputs)):
                continue
            nodes = self.judge.made_of(update)
            for forward, gradient in truths:
                if gradient.ndim != 2 or forward.execution is None:
                    continue
                sums = [gradient.sum(axis=axis) for axis in (0, 1) if gradient.shape[axis] > 1]
                if any(
                    multiple(n.value, total) is not None
                    for n in nodes
                    for total in sums
                    if total.size == n.value.size
                ):
                    execution = forward.execution
                    mistake = (
                        f"{update.name} is trained, but the loss does not depend on it: it is left out here"
                    )
                    yield WrongLine(
                        execution.statement.line,
                        execution.statement.text,
                        made_by(execution),
                        mistake,
                        _with(execution, update.name),
                    )
                    break

    def stale(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Parameters of which the loss goes on to use the first values."""
        counts: dict[str, list[Verdict]] = {}
        for verdict in judgement.right:
            counts.setdefault(verdict.update.name, []).append(verdict)
        most = max((len(v) for v in counts.values()), default=0)
        for name, verdicts in counts.items():
            later = [v for vs in counts.values() if len(vs) == most for v in vs[1:]]
            if len(verdicts) > 1 or most < 2 or not later:
                continue
            old = verdicts[0].update.old
            for reverse in later[0].passes:
                path = [
                    n for n in reverse.nodes.values()
                    if old in n.inputs and n.execution is not None and n.index not in self.judge.versions
                ]  # fmt: skip
                if not path:
                    continue
                execution = path[0].execution
                again = [e for e in self.executions if e.statement is execution.statement]
                if len(again) > 1:
                    continue
                made = made_by(execution)
                mistake = (
                    f"{made} is that of the step before: it has to be computed in every step, inside the loop"
                )
                proof = f"it is computed once, and {name} is updated {len(self._versions(name)) - 1} times"
                yield WrongLine(execution.statement.line, execution.statement.text, made, mistake, (), proof, 1)

    def _versions(self, name: str) -> list[Node]:
        return next(p.versions for p in self.judge.parameters if p.name == name)

    def not_updated(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Arrays whose gradient is computed as for the parameters, but that stay as they are."""
        names = {re.sub(r"\d", "", p.name) for p in self.judge.parameters}
        known: dict[int, str] = {}
        for execution in self.executions[:2000]:
            known |= {
                node.index: path for path, node in execution.values.items() if re.sub(r"\d", "", path) in names
            }
        versions = self.judge.versions
        for reverse in [r for v in judgement.right[:1] for r in v.passes]:
            for index, truth in reverse.gradients.items():
                node = reverse.nodes[index]
                is_array = node.value.size > 1 and node.value.dtype.kind == "f" and np.any(truth)
                if node.operation != LEAF and node.inputs and not all(n.operation == LEAF for n in node.inputs):
                    continue
                if index in versions or index not in known or not is_array:
                    continue
                new = next((b for a, b in self.tape.replaced.values() if a is node), None)
                if new is not None and carried(node, new) is None and new.execution is not None:
                    if (c := multiple(new.value, truth)) is not None:
                        statement = new.execution.statement
                        name = made_by(new.execution)
                        write = (
                            (f"{name} -= {ast.unparse(statement.tree.value)}",)
                            if isinstance(statement.tree, ast.Assign)
                            else ()
                        )
                        yield WrongLine(
                            statement.line,
                            statement.text,
                            name,
                            "it is replaced by its step",
                            write,
                            f"it is {c:.6g} times its gradient",
                        )
                    continue
                computed = next(
                    (
                        n
                        for n in self.tape.nodes
                        if n.index in self.judge.bound
                        and n.index > index
                        and n.value.size == truth.size
                        and multiple(n.value, truth)
                    ),
                    None,
                )
                if computed is not None and new is None and computed.execution is not None:
                    line, text = self._loop()
                    proof = (
                        f"its gradient is computed in line {computed.execution.statement.line}, and is not zero"
                    )
                    name = known[index]
                    yield WrongLine(
                        line,
                        text,
                        name,
                        f"{name} is not updated: it stays as it was before the step",
                        (),
                        proof,
                    )

    def _loop(self) -> tuple[int, str]:
        """The innermost loop around the updates."""
        lines = [
            p.versions[1].execution.statement.line for p in self.judge.parameters if p.versions[1].execution
        ]
        loops = [
            n
            for n in ast.walk(self.recording.source.tree())
            if isinstance(n, ast.For | ast.While) and n.lineno < lines[0] <= (n.end_lineno or 0)
        ]
        line = max((n.lineno for n in loops), default=lines[0])
        return line, self.recording.source.line(line).strip()

    def _rule(self) -> Iterator[WrongLine]:
        """Recognise the rule of the updates, and what it lacks."""
        verdicts = [v for v in self.longer.verdicts if v.what == RIGHT_UPDATE]
        steps = update_rules.steps_of(verdicts, 1.0)
        constants = update_rules.constants_of(self.recording.source.tree())
        with np.errstate(all="ignore"):
            rule = update_rules.rule_of(list(steps.values()), constants) if steps else None
        if rule is None or (rule.name == "SGD" and "momentum" not in rule.options):
            forgotten = list(self._forgotten(verdicts))
            yield from forgotten
            if rule is None and not forgotten:
                self.result.remarks.append(
                    "the update is none of the rules known here; the gradients that it uses are right"
                )
        elif rule.options.get("momentum", 0) > 0.9999:
            yield from self.added_up(verdicts)
        self.rule, self.result.rule = rule, "" if rule is None else str(rule)

    def added_up(self, verdicts: list[Verdict]) -> Iterator[WrongLine]:
        for verdict in verdicts:
            for node in self.judge.made_of(verdict.update):
                if (
                    node.operation == "add"
                    and any(n.index < verdict.update.old.index and np.any(n.value) for n in node.inputs)
                    and node.execution
                ):
                    statement = node.execution.statement
                    mistake = "the one of the step before is still in it: set it to zero in every step"
                    name = made_by(node.execution)
                    yield WrongLine(
                        statement.line, statement.text, name, mistake, (), "", 1, target=verdict.update.old
                    )
                    return

    def _forgotten(self, verdicts: list[Verdict]) -> Iterator[WrongLine]:
        """A momentum buffer that no update uses."""
        used = {n.index for v in verdicts for n in self.judge.made_of(v.update)}
        used |= {m.index for v in verdicts for n in self.judge.made_of(v.update) for m in n.inputs}
        for old, new in self.tape.replaced.values():
            added = carried(old, new)
            if (
                new.index in used
                or old.index in used
                or not added
                or new.operation not in ("add", "subtract")
                or new.execution is None
            ):
                continue
            if new.inputs[0].operation != "multiply" or new.index in self.judge.versions:
                continue
            for verdict in verdicts:
                if (
                    verdict.truth is not None
                    and verdict.truth.size > 1
                    and any(multiple(a.value, verdict.truth) for a in added if a.value.size > 1)
                ):
                    statement, name = new.execution.statement, made_by(new.execution)
                    update = verdict.update.new.execution
                    line, text = (
                        (update.statement.line, update.statement.text)
                        if update
                        else (statement.line, statement.text)
                    )
                    mistake = f"the momentum {name} of line {statement.line} is not used by it"
                    yield WrongLine(
                        line,
                        text,
                        verdict.update.name,
                        mistake,
                        (),
                        f"its steps are {verdict.step:.6g} times its gradients",
                    )
                    return

    def _remarks(self, judgement: Judgement) -> list[str]:
        remarks = []
        factors = {c for v in judgement.right[:1] for c in v.multiples(self.judge.bound)[1]}
        if not judgement.wrong and judgement.loss.kind:
            remarks.append(
                f"the program does not compute this loss: it is implied by line {judgement.loss.line}"
            )
        elif not judgement.wrong and factors and all(abs(abs(c) - 1) > 1e-3 for c in factors):
            first = judgement.right[0].found[0][0]
            if first.execution is not None:
                said = self.times(abs(next(iter(factors))), first.execution)
                remarks.append(
                    f"as they are made, the gradients are {said} those of this loss, for all parameters alike"
                )
        versions = [p.versions[0] for p in self.judge.parameters]
        used = {v.update.old.index for v in judgement.right}
        if not judgement.loss.kind and judgement.right and not used & {v.index for v in versions}:
            remarks.append(
                f"the loss of line {judgement.loss.line} is computed after the update, of the next step"
            )
        if (node := self._infinite()) is not None and node.execution is not None:
            remarks.append(
                f"not finite first in line {node.execution.statement.line}: {node.execution.statement.text}"
            )
        still = sorted({v.update.name for v in judgement.verdicts if v.what == STILL})
        if still:
            remarks.append(f"the gradient of {', '.join(still)} is zero in some steps, and so is the change")
        for verdict in judgement.verdicts:
            whole = [r[verdict.update.old] for r in verdict.passes]
            row = self.judge.constant_row(verdict.update, np.sum(whole, axis=0)) if whole else None
            if row is not None:
                remarks.append(f"row {row} of {verdict.update.name} is held constant, whatever its gradient")
        return list(dict.fromkeys(remarks))

    def _infinite(self) -> Node | None:
        return next(
            (
                n
                for n in self.tape.nodes
                if n.inputs and n.value.dtype.kind == "f" and not np.isfinite(n.value).all()
            ),
            None,
        )

    def _was_infinite(self) -> bool:
        return self._infinite() is not None

    def _unknown_operations(self) -> str:
        unknown = self._unknown(self.judgement.verdicts)
        if not unknown:
            return ""
        node = unknown[0]
        where = f" in line {node.execution.statement.line}" if node.execution else ""
        return f": the derivative of {node.operation}{where} is not known here"

    def _unknown(self, verdicts: list[Verdict]) -> list[Node]:
        """Operations without a derivative between the parameters and the loss."""
        depends = dependent(self.tape, self.judge.versions)
        return [n for v in verdicts for r in v.passes for n in r.unknown if n.index in depends]

    def _reason(self) -> str:
        """Why nothing could be judged, and what to give."""
        if (node := self._infinite()) is not None and node.execution is not None and self.judge.parameters:
            statement = node.execution.statement
            return f"its numbers are not finite from line {statement.line} on: {statement.text}"
        if not self.judge.parameters:
            called = {e.statement.function for e in self.executions}
            tree = self.recording.source.tree()
            idle = [
                n.name
                for n in ast.walk(tree)
                if isinstance(n, ast.FunctionDef) and n.name not in called and not n.name.startswith("_")
            ]
            said = "it updates no array by a gradient, as in w -= learning_rate * grad_w"
            if not self.tape.nodes:
                said = "no NumPy array is made in it"
            if "np.matrix" in self.recording.source.text or "np.mat(" in self.recording.source.text:
                said += "; np.matrix is not followed: use np.array and @"
            if idle:
                said += f"; nothing calls {', '.join(idle[:4])}: call the training at the end of the file"
            return said
        if self.judge.left_out:
            return (
                f"{self.judge.left_out} of {len(self.judge.losses)} numbers that could be its loss were not "
                "tried, as that takes too long: give it less data, or print the loss"
            )
        names = ", ".join(p.name for p in self.judge.parameters)
        if self.judgement is not None and self.judgement.wrong:
            wrong = ", ".join(dict.fromkeys(v.update.name for v in self.judgement.wrong))
            said = f"the gradient of {wrong} is not that of {self.judgement.loss.described()}"
            if not self.judgement.loss.kind:
                return f"{said}, and no line was found that is to blame; is that the loss?"
            return (
                f"the program does not compute its loss, and {said}: "
                "compute the loss, as in loss = np.square(y_pred - y).sum()"
            )
        return (
            f"no loss was found that depends on {names}: compute it, as in loss = np.square(y_pred - y).sum()"
        )


def _with(execution: Execution, name: str) -> tuple[str, ...]:
    """The statement with a parameter added."""
    tree = execution.statement.tree
    if not isinstance(tree, ast.Assign):
        return ()
    value = ast.BinOp(tree.value, ast.Add(), ast.parse(name, mode="eval").body)
    return (ast.unparse(ast.Assign(tree.targets, value, lineno=0)),)
