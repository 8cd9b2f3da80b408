"""A program and a network of layers side by side: the same bits or not, and where a given network differs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.study.bits import equal_bits, first_difference
from minitorch_np.study.compare.diagnosis import Examination, Gradient, other_sign, times_of
from minitorch_np.study.compare.edits import Trial, Values, edits, forward_edits
from minitorch_np.study.compare.findings import Search
from minitorch_np.study.compare.instrument import Execution
from minitorch_np.study.compare.judge import Judge, Judgement, Verdict, multiple
from minitorch_np.study.compare.network import Beside, Training, names_of
from minitorch_np.study.compare.objective import Objective
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, Node
from minitorch_np.study.compare.recording import ProgramSource, Recording, record
from minitorch_np.study.compare.report import RIGHT, WRONG, Comparison, Equal, WrongLine
from minitorch_np.study.compare.trained import TrainedArray
from minitorch_np.study.locations import Location

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LOSSES, GRADIENTS, WEIGHTS = "losses", "numbers in gradients", "numbers in weights"


def count_bits(
    result: Comparison, judge: Judge, judgement: Judgement, beside: Beside, steps: int, losses: list[Any]
) -> bool:
    """Train the network on the program's numbers and count the same bits; False if it is another network.

    `losses` are the program's.
    """
    counts = {what: [0, 0] for what in (LOSSES, GRADIENTS, WEIGHTS)}
    first = ""

    def add(what: str, name: str, right: Array, theirs: Array | None) -> None:
        nonlocal first
        if theirs is None:
            return
        value = _fitted(theirs, right, beside.is_turned)
        if value is None:
            return
        equal = equal_bits(right, value) if right.dtype == value.dtype else 0
        counts[what][0] += equal
        counts[what][1] += right.size
        if equal < right.size:
            first = first or name

    verdicts: dict[tuple[str, int], Verdict] = {}
    for v in judge.by(judgement.loss, judgement.mode, steps).verdicts:
        verdicts[v.update.name, v.update.old.index] = v
    training = beside.training.copied()
    data = [beside.data[min(k, len(beside.data) - 1)] for k in range(steps)]
    for k, ours in enumerate(training.steps(data)):
        result.losses.append(float(ours.loss))
        if k < len(losses):
            value = np.asarray(ours.loss)
            add(LOSSES, f"the loss of step {k}", value, losses[k])
            result.handwritten_losses.append(float(losses[k]))
            apart = first_difference(value, np.asarray(losses[k], value.dtype).reshape(value.shape))
            result.ulps.append(apart.ulps if apart else 0)
        for name, parameter in beside.parameters.items():
            if k >= len(parameter.used):
                continue
            old = parameter.used[k]
            new = parameter.after(old) or parameter.versions[-1]
            weight = _fitted(new.value, ours.weights[name], beside.is_turned)
            if not result.is_given and (
                weight is None or not np.allclose(weight, ours.weights[name], rtol=1e-6, atol=1e-9)
            ):
                return False
            verdict = verdicts.get((parameter.name, old.index))
            found = [] if verdict is None else verdict.found
            gradient = next((n for n, c in found if abs(c - 1) < 1e-6), None)
            gradient = found[0][0] if gradient is None and result.is_given and found else gradient
            add(
                GRADIENTS,
                f"the gradient of {name} in step {k}",
                ours.gradients[name],
                None if gradient is None else gradient.value,
            )
            add(WEIGHTS, f"{name} after step {k}", ours.weights[name], new.value)
    result.counts = [Equal(what, *count) for what, count in counts.items() if count[1]]
    result.first_count, result.steps = first, steps
    result.network, result.dtype = repr(beside.training), str(training.model.dtype)
    if not np.isfinite(result.losses).all():
        endless = next(k for k, value in enumerate(result.losses) if not np.isfinite(value))
        result.remarks.append(f"the loss is not finite from step {endless} on")
    return True


def _fitted(a: Array, like: Array, is_turned: bool) -> Array | None:
    """An array in the shape of another: with other axes of length 1, or turned as a whole."""
    if a.size != like.size:
        return None
    if a.shape == like.shape and not (is_turned and a.ndim == 2):
        return a
    if is_turned and a.ndim == 2 and a.T.shape == like.shape:
        return np.ascontiguousarray(a.T)
    squeezed = [[n for n in s if n != 1] for s in (a.shape, like.shape)]
    return a.reshape(like.shape) if squeezed[0] == squeezed[1] else None


class Against:
    """A program against a given network: its outputs, loss, gradients and steps have to be the network's."""

    def __init__(
        self,
        given: Training,
        x: Array,
        y: Array,
        program: Any,
        source: ProgramSource,
        steps: int,
        *,
        is_ours: bool,
    ) -> None:
        self.is_ours = is_ours
        self.given, self.program, self.source, self.steps = given.copied(), program, source, steps
        self.x, self.y = x, y
        self.call = self._call()
        self.recording: Recording = record(source, steps, self.call)
        self.diagnosis = Examination(self.recording)
        self.judge = self.diagnosis.judge
        self.result = self.diagnosis.result
        self.result.is_given = True

    def _call(self) -> tuple[str, dict[str, Any]] | None:
        """The function to call and its arguments; None if the program is run as a script."""
        tree = self.source.tree()
        functions = [
            n
            for n in tree.body
            if isinstance(n, ast.FunctionDef) and any(isinstance(m, ast.For | ast.While) for m in ast.walk(n))
        ]
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        idle = [f for f in functions if f.name not in called or self.is_ours]
        if not idle:
            return None
        function = idle[-1]
        names = [a.arg for a in function.args.args]
        needed = len(names) - len(function.args.defaults)
        weights = {
            name
            for name, place in self.program.places.items()
            if f"{place.layer}.{place.what}".lstrip(".") in dict(self.given.model.named_parameters())
        }
        data = [name for name in self.program.arrays if name not in weights][:2]
        main = {n: a for n, a in self.program.arrays.items() if n in weights or n in data}
        if self.source.namespace is None and not self.is_ours and needed < len(main):
            return None
        rate = self.given.optimizer.param_groups[0].get("lr")
        try:
            arguments = bound(names, needed, main, self.program.arrays, self.steps, rate)
        except ValueError as error:
            raise ValueError(f"{self.source.name}, line {function.lineno}: {error}") from None
        return function.name, {n: a.copy() if isinstance(a, np.ndarray) else a for n, a in arguments.items()}

    def comparison(self) -> Comparison:
        result = self.result
        self.parameters = self._parameters()
        if self.call is None:
            self._take_over()
        result.network = repr(self.given)
        self.names = names_of(self.given.copied(), self.x, self.y)
        findings = list(self._forward())
        if self.recording.error is not None:
            return self._failed(findings)
        predictions = self._predictions()
        if predictions and not findings:
            findings = list(self._backward(predictions))
        elif not findings:
            findings = self.diagnosis.comparison().findings
        result.findings = [self._placed(f) for f in findings]
        result.judged = WRONG if findings else RIGHT
        self._count(predictions)
        if self.is_ours:
            result.findings, result.judged = [], RIGHT if result.is_identical else WRONG
            return result
        if not result.is_identical and not any(
            f.place is not None and f.place.what == "output" for f in findings
        ):
            self._rounding()
        return result

    def _count(self, predictions: list[tuple[Node, Array]]) -> None:
        """Count the bits over the steps that the program made."""
        result = self.result
        steps = max(1, min(self.steps, *(len(p.used) for p in self.parameters.values())))
        beside = Beside(self.given, self.parameters, [(self.x, self.y)], False)
        judgement = (
            self.judge.by(self._loss(predictions), "last", 3) if predictions else self.diagnosis.judgement
        )
        if judgement is not None:
            count_bits(result, self.judge, judgement, beside, steps, self._own_losses())
        if steps < self.steps and self.recording.error is None:
            result.remarks.append(f"the program made {steps} of the {self.steps} steps")

    def _parameters(self) -> dict[str, TrainedArray]:
        """The program's parameters by torch's names: of the same numbers, or else of the same shape."""
        found: dict[str, TrainedArray] = {}
        left = list(self.judge.parameters)
        for name, parameter in self.given.model.named_parameters():
            fitting = [p for p in left if _fitted(p.versions[0].value, parameter.data, False) is not None]
            same = [
                p
                for p in fitting
                if np.array_equal(p.versions[0].value.reshape(parameter.shape), parameter.data)
            ]
            if self.call is not None and not same:
                leaf = self._leaf(parameter.data)
                if leaf is not None:
                    found[name] = TrainedArray(self._name(leaf), [leaf], [leaf])
                    continue
            if not same and not fitting:
                shapes = (
                    ", ".join(f"{p.name} {p.versions[0].value.shape}" for p in self.judge.parameters) or "none"
                )
                raise ValueError(
                    f"{self.source.name} has no array of shape {parameter.shape} for {name} that it "
                    f"trains; it has {shapes}"
                )
            found[name] = (same or fitting)[0]
            left.remove(found[name])
        return found

    def _leaf(self, value: Array) -> Node | None:
        return next(
            (n for n in self.judge.tape.nodes if n.operation == LEAF and np.array_equal(n.value, value)), None
        )

    def _name(self, node: Node) -> str:
        return next((path for e in self.judge.executions for path, n in e.values.items() if n is node), "")

    def _take_over(self) -> None:
        """Let the network start from the file's arrays."""
        starts = {n: p.versions[0].value for n, p in self.parameters.items()}
        own = dict(self.given.model.named_parameters())
        changed = [n for n, a in starts.items() if not np.array_equal(a.reshape(own[n].shape), own[n].data)]
        self.given.load({n: a.reshape(own[n].shape) for n, a in starts.items()})
        x, y = self._data()
        if changed or not np.array_equal(x, self.x):
            names = ", ".join([p.name for p in self.parameters.values()])
            self.result.remarks.append(f"the network starts from the file's own arrays: x, y, {names}")
        self.x, self.y = x, y

    def _data(self) -> tuple[Array, Array]:
        """The file's own x and y: what goes into the first product, and what is of the prediction's shape."""
        first = next(iter(self.parameters.values())).versions[0]
        x = self.x
        for node in self.judge.tape.nodes:
            if node.operation in ("dot", "matmul") and first in node.inputs:
                x = next(n.value for n in node.inputs if n is not first)
                break
        model = self.given.copied().model
        x = np.asarray(x, None if model.index_count else model.dtype)
        out = model(x)
        leaves = [n.value for n in self.judge.tape.nodes if n.operation not in (CONSTANT,) and not n.inputs]
        targets = [
            a
            for a in leaves
            if len(a.shape) == self.y.ndim
            and a.shape[:1] == out.shape[:1]
            and a.shape[1:] == self.y.shape[1:]
            and a is not x
        ]
        targets = [a for a in targets if not np.array_equal(a, x)] or [self.y]
        return x, targets[0]

    def _same(self, value: Array) -> Node | None:
        """The first node with these numbers that an operation made."""
        scale = float(np.abs(value).max(initial=0.0))
        tolerance = 1e-9 if value.dtype == np.float64 else 1e-4
        for node in self.judge.tape.nodes:
            if node.value.size != value.size or node.value.dtype.kind != "f" or not node.inputs:
                continue
            a = _fitted(node.value, value, False)
            if a is not None and np.abs(a - value).max(initial=0.0) <= tolerance * scale:
                return node
        return None

    def _forward(self) -> Iterator[WrongLine]:
        """The first output of a layer that the program does not have."""
        before: Node | None = None
        for name, place, value in self.names.outputs:
            node = self._same(value)
            if node is None:
                yield from self._missing(name, place, value, before)
                return
            before = node
        loss = np.asarray(self.names.loss)
        values = self.diagnosis.judge.losses
        written = [one for one in values if not one.kind and (one.name or "loss" in one.text)]
        if (
            written
            and self._same(loss) is None
            and not any(_near(one.instances[0][0], loss) for one in written)
        ):
            yield from self._other_loss(written[0], loss)

    def _missing(self, name: str, place: Location, value: Array, before: Node | None) -> Iterator[WrongLine]:
        """The statement that should make an output."""
        candidates = [e for e in self.judge.executions if self._takes(e, before)][:12]
        for execution in candidates:
            found = self._mended(execution, value)
            if found is not None:
                yield found._replace(array=name, place=place, name=execution.made)
                return
        execution = next(iter(candidates), None) or next(e for e in self.judge.executions if e.bound)
        statement = execution.statement
        yield WrongLine(
            statement.line,
            statement.text,
            execution.made,
            "no single change of this line makes it right",
            array=name,
            place=place,
        )

    def _takes(self, execution: Execution, node: Node | None) -> bool:
        """Whether a statement goes on from a node: computes with it, or gives it another name."""
        own = [n for n in self.judge.tape.nodes if n.execution is execution]
        if node is None:
            return bool(own) and execution.bound != []
        if any(b[2] is node for b in execution.bound) and not own and len(execution.bound) == 1:
            return True
        return any(n.index > node.index for n in own)

    def _mended(self, execution: Execution, value: Array) -> WrongLine | None:
        """The edit of a statement that makes this value."""
        own = [n for n in self.judge.tape.nodes if n.execution is execution]
        values = Values(dict(execution.values), dict(execution.values), {})
        trial = Trial(execution, values, own)
        best = None
        for edit in (*forward_edits(execution, values), *edits(execution, values)):
            made = trial.run(edit.tree)
            for index, a in (made or {}).items():
                fitted = _fitted(np.asarray(a), value, False)
                if (
                    fitted is not None
                    and np.allclose(fitted, value, rtol=1e-9, atol=1e-12)
                    and (best is None or edit.cost < best[0].cost)
                ):
                    best = edit, index
        if best is None:
            return None
        edit, index = best
        statement = execution.statement
        return WrongLine(
            statement.line,
            statement.text,
            execution.made,
            edit.mistake,
            (edit.text(),),
            self._proof(index, value),
        )

    def _proof(self, index: int, value: Array) -> str:
        got = self.judge.tape.nodes[index].value
        if got.shape != value.shape:
            return ""
        return (
            f"it is {got.reshape(-1)[0]:.6g} where {value.reshape(-1)[0]:.6g} belongs" if got.size == 1 else ""
        )

    def _other_loss(self, loss: Objective, value: Array) -> Iterator[WrongLine]:
        node = loss.instances[0][0]
        execution = node.execution
        statement, got, right = execution.statement, float(node.value.reshape(-1)[0]), float(value)
        place = Location("", repr(self.given.loss), "loss")
        found = self._mended(execution, value)
        after = self._loss_after()
        mistake = "no single change of this line makes it right"
        write: tuple[str, ...] = ()
        if after is not None and np.isclose(got, after, rtol=1e-9):
            mistake = "it is what it becomes by the update: compute it before the weights are updated"
        elif found is not None:
            ratio = got / right if right else 0.0
            size = self.names.prediction.size
            mistake = (
                "it is the right one divided by the number of elements"
                if np.isclose(ratio * size, 1)
                else found.mistake
            )
            write = found.write
        yield WrongLine(
            statement.line,
            statement.text,
            "loss",
            mistake,
            write,
            f"it is {got:.6g} where {right:.6g} belongs",
            array="loss",
            place=place,
        )

    def _loss_after(self) -> float | None:
        training = self.given.copied()
        steps = list(training.steps([(self.x, self.y)] * 2))
        return float(steps[1].loss) if len(steps) > 1 else None

    def _predictions(self) -> list[tuple[Node, Array]]:
        """The program's prediction in every step, with the gradient of the network's loss at its numbers."""
        first = self._same(self.names.prediction)
        if first is None or first.execution is None:
            return []
        numbers = [
            n
            for n in self.judge.tape.nodes
            if n.execution is not None and n.execution.statement is first.execution.statement
        ]
        like = [
            n
            for n in numbers
            if n.operation == first.operation
            and n.value.shape == first.value.shape
            and len(n.inputs) == len(first.inputs)
        ]
        loss = self.given.copied().loss
        found = []
        for node in like[: self.steps]:
            with np.errstate(all="ignore"):
                loss(np.array(node.value.reshape(self.names.prediction.shape)), self.y)
                found.append((node, loss.backward().reshape(node.value.shape)))
        return found

    def _loss(self, predictions: list[tuple[Node, Array]]) -> Objective:
        return Objective(0, repr(self.given.loss), "", "", [(node, {node: dy}) for node, dy in predictions])

    def _own_losses(self) -> list[Any]:
        """The values of the program's loss, where it computes the network's."""
        for loss in self.judge.losses:
            if not loss.kind and _near(loss.instances[0][0], np.asarray(self.names.loss)):
                return [node.value.reshape(()) for node, _ in loss.instances]
        return []

    def _backward(self, predictions: list[tuple[Node, Array]]) -> Iterator[WrongLine]:
        judgement = self.judge.by(self._loss(predictions), "last", 3)
        self.diagnosis.judgement = judgement
        wrong = Search(self.judge, judgement).findings() if judgement.wrong else []
        if wrong:
            lines = {f.line for f in wrong}
            steps = [f for f in self._steps(judgement) if f.line not in lines]
            order = {e.statement.line: -e.number for e in reversed(self.judge.executions)}
            yield from sorted((*steps[:1], *wrong), key=lambda f: -order[f.line])
            return
        stale = list(self.diagnosis.stale(judgement))
        idle = list(self.diagnosis.not_updated(judgement))
        if stale or idle:
            yield from stale + idle
            return
        yield from self._steps(judgement)
        yield from self._later_steps(judgement)

    def _steps(self, judgement: Judgement) -> Iterator[WrongLine]:
        """First steps that are not the network's."""
        training = self.given.copied()
        known = {id(p): name for name, p in self.parameters.items()}
        own = {name: p.data.copy() for name, p in training.model.named_parameters()}
        ours = next(training.steps([(self.x, self.y)]))
        for verdict in judgement.right:
            parameter = next(p for p in self.judge.parameters if verdict.update.old in p.versions)
            name = known.get(id(parameter))
            if name is None or verdict.update.old is not parameter.used[0]:
                continue
            right = ours.weights[name] - own[name]
            change = (verdict.update.new.value - verdict.update.old.value).reshape(right.shape)
            rounding = 4 * np.finfo(right.dtype).eps * np.abs(own[name]).max()
            relative = 1e-6 if right.dtype == np.float64 else 1e-3
            is_off = np.abs(change - right).max() > relative * np.abs(right).max() + rounding
            if np.abs(right).max() < 1e4 * rounding:  # the step is lost in the rounding of the weights
                is_off |= all(abs(c - 1) > 1e-5 for _, c in verdict.found)
            if is_off:
                yield from self._other_step(verdict, change, right)

    def _other_step(self, verdict: Verdict, change: Array, right: Array) -> Iterator[WrongLine]:
        """A gradient of another size than the network's, or a step of another length."""
        last: dict[int, Gradient] = {}  # by the executed statement
        for gradient in self.diagnosis.output_gradients(verdict):
            if (
                gradient.node is not verdict.update.new
                and gradient.node.execution is not verdict.update.new.execution
            ):
                last[gradient.node.execution.number] = gradient
        off = next((g for g in last.values() if abs(g.c - 1) > 1e-6), None)
        if off is not None:
            execution = off.node.execution
            times = times_of(off.c, execution)
            said = "it has the other sign" if times == "minus" else f"it is {times} the right one"
            if np.isclose(off.c, self.names.prediction.size):
                said = f"it is {off.c:.6g} times the right one, the number of elements"
            said += ": a division is missing" if off.c > 2 else ""
            value = off.node.value.reshape(-1)
            proof = f"its first element is {value[0]:.6g} where {value[0] / off.c:.6g} belongs"
            statement = execution.statement
            yield WrongLine(statement.line, statement.text, execution.made, said, (), proof, target=off.of)
            return
        execution = verdict.update.new.execution
        if execution is None:
            return
        ratio = multiple(change, right)
        said = (
            "its step is none of the optimizer's"
            if ratio is None
            else f"its step is {ratio:.4g} times as long as it should be"
        )
        if ratio is not None and ratio < 0:
            said = "its update has the wrong sign: gradient descent subtracts, w -= learning_rate * gradient"
        yield WrongLine(
            execution.statement.line,
            execution.statement.text,
            verdict.update.name,
            said,
            other_sign(execution) if ratio is not None and ratio < 0 else (),
        )

    def _later_steps(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Steps after the first that are longer by what the step before leaves in them."""
        by_name: dict[str, list[Verdict]] = {}
        for v in judgement.right:
            by_name.setdefault(v.update.name, []).append(v)
        options = self.given.optimizer.param_groups[0]
        if (
            type(self.given.optimizer).__name__ != "SGD"
            or options.get("momentum")
            or options.get("weight_decay")
        ):
            return
        for verdicts in by_name.values():
            if len(verdicts) < 2 or verdicts[1].step is not None or verdicts[1].truth is None:
                continue
            before, now = ((v.update.new.value - v.update.old.value).reshape(-1) for v in verdicts[:2])
            columns = np.stack([before, verdicts[1].truth.reshape(-1)], axis=1)
            solution, *_ = np.linalg.lstsq(columns, now, rcond=None)
            if np.abs(columns @ solution - now).max() > 1e-6 * np.abs(now).max():
                continue
            if abs(solution[0] - 1) < 1e-6:
                yield from self.diagnosis.added_up(verdicts)
            elif (execution := verdicts[1].update.new.execution) is not None:
                said = f"its step has {solution[0]:.4g} of the step before in it: momentum, which SGD has not"
                yield WrongLine(
                    execution.statement.line, execution.statement.text, verdicts[1].update.name, said, step=1
                )

    def _placed(self, finding: WrongLine) -> WrongLine:
        """A finding with what it is in the network."""
        if finding.place is not None:
            return finding
        for name, parameter in self.parameters.items():
            array, place = self.names.weights[name]
            if finding.name == parameter.name:
                return finding._replace(array=array, place=place)
        made = {
            new.index
            for e in self.judge.executions
            if e.statement.line == finding.line
            for _, _, new in e.bound
        }
        target = finding.target
        if target is not None:
            for name, parameter in self.parameters.items():
                if target in parameter.versions:
                    array, place = self.names.weights[name]
                    return finding._replace(
                        array=f"grad_{array}", place=place._replace(what=f"gradient of {place.what}")
                    )
            for (name, _, _), node in self._output_nodes():
                if node is target or np.array_equal(node.value, target.value):
                    return finding._replace(array=f"grad_{name}", place=self._gradient_place(f"grad_{name}"))
        for (name, place, _), node in self._output_nodes():
            if node.index in made:
                return finding._replace(array=name, place=place)
        return finding

    def _output_nodes(self) -> Iterator[tuple[tuple[str, Location, Array], Node]]:
        for output in self.names.outputs:
            node = self._same(output[2])
            if node is not None:
                yield output, node

    def _gradient_place(self, name: str) -> Location | None:
        return next((place for n, place, _ in self.names.gradients if n == name), None)

    def _rounding(self) -> None:
        """The first array whose bits differ."""
        for name, place, value in self.names.outputs:
            node = self._same(value)
            a = None if node is None else _fitted(node.value, value, False)
            if node is None or a is None or node.execution is None or a.dtype != value.dtype:
                continue
            difference = first_difference(np.ascontiguousarray(a), np.ascontiguousarray(value))
            if difference is not None:
                self._first(node, name, place, difference)
                return
        loss = np.asarray(self.names.loss)
        node = self._same(loss)
        if node is not None and node.execution is not None and node.value.dtype == loss.dtype:
            difference = first_difference(node.value.reshape(()), loss)
            if difference is not None:
                self._first(node, "loss", Location("", repr(self.given.loss), "loss"), difference)

    def _first(self, node: Node, name: str, place: Location, difference: Any) -> None:
        statement = node.execution.statement
        made = node.execution.made or name
        self.result.findings.insert(
            0,
            WrongLine(
                statement.line,
                statement.text,
                made,
                "",
                array=name,
                place=place,
                difference=difference,
                is_rounding=True,
            ),
        )

    def _failed(self, findings: list[WrongLine]) -> Comparison:
        result, error = self.result, self.recording.error
        result.failure = error
        found = self.diagnosis.comparison()
        result.findings = [self._placed(f) for f in (*findings, *found.findings)]
        result.judged = WRONG
        if min((len(p.used) for p in self.parameters.values()), default=0) > 1:
            self._count(self._predictions())
        result.steps = len(result.losses)
        return result


def _near(node: Node, value: Array) -> bool:
    return bool(np.isclose(float(node.value.reshape(-1)[0]), float(value), rtol=1e-9))


RATES = frozenset(["lr", "learning_rate", "rate", "eta", "alpha", "step_size"])
STEPS = frozenset(
    ["steps", "epochs", "iterations", "n_steps", "num_steps", "n_epochs", "num_epochs", "n_iter", "iters"]
)


def bound(
    names: list[str], needed: int, main: Mapping[str, Any], others: Mapping[str, Any], steps: int, rate: Any
) -> dict[str, Any]:
    """The arguments for a function of these parameters, of which the first `needed` have no default.

    The `main` arrays go to the parameters of their names if all are there, else to the first ones
    in order; `others` only by name. Raises ValueError that shows the form.
    """
    form = f"({', '.join(main)}, steps, learning_rate)"
    if set(main) <= set(names):
        found = dict(main)
    elif len(names) >= len(main):
        found = dict(zip(names, main.values(), strict=False))
    else:
        raise ValueError(f"it takes ({', '.join(names)}), and should take {form}")
    for i, name in enumerate(names):
        if name not in found:
            if name in others:
                found[name] = others[name]
            elif name.lower() in STEPS:
                found[name] = steps
            elif name.lower() in RATES:
                found[name] = rate
            elif i < needed:
                raise ValueError(f"what its parameter {name} should be is not clear: it should take {form}")
    return found
