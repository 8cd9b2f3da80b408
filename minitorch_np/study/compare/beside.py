"""A network of layers beside a program, given or read off it: the same bits or not, and where they differ."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice, product, zip_longest
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np import layers, losses, optimizers
from minitorch_np.derivation.values import Location
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study.bits import equal_bits, first_difference
from minitorch_np.study.compare.diagnosis import UPHILL, Examination, other_sign, times_of
from minitorch_np.study.compare.edits import Trial, Values, edits, forward_edits
from minitorch_np.study.compare.findings import Search
from minitorch_np.study.compare.instrument import Execution
from minitorch_np.study.compare.judge import Judge, Judgement, Verdict, multiple
from minitorch_np.study.compare.objective import Objective
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, Node
from minitorch_np.study.compare.recording import ProgramSource, record, time_steps
from minitorch_np.study.compare.report import RIGHT, WRONG, Comparison, Equal, WrongLine
from minitorch_np.study.compare.trained import TrainedArray
from minitorch_np.study.compare.update_rules import Rule
from minitorch_np.study.explain.run import Run
from minitorch_np.study.program import optimizer_call

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

ACTIVATIONS: tuple[type[layers.Activation], ...] = (
    layers.ReLU, layers.Tanh, layers.Sigmoid, layers.LeakyReLU, layers.ELU, layers.Softplus, layers.SiLU,
    layers.GELU,
)  # fmt: skip
LOSSES: tuple[type[Loss], ...] = (
    losses.SquaredLoss, losses.MSELoss, losses.CrossEntropyLoss, losses.BCELoss, losses.BCEWithLogitsLoss,
    losses.L1Loss,
)  # fmt: skip
COUNTED = ("losses", "numbers in gradients", "numbers in weights")
NO_EDIT = "no single change of this line makes it right"
RATES = frozenset("lr learning_rate rate eta alpha step_size".split())
STEPS = frozenset("steps epochs iterations n_steps num_steps n_epochs num_epochs n_iter iters".split())


class Training(NamedTuple):
    """A network, its loss, its optimizer and its data, which are the same in every step."""

    model: Layer
    loss: Loss
    optimizer: Optimizer
    x: Array
    y: Array

    def copied(self) -> Training:
        """Copies that belong together, without gradients that were not used."""
        made = Training(*copy.deepcopy(self[:3]), self.x, self.y)
        made.model.zero_grad()
        return made

    def step(self) -> Any:
        """One step of training; returns the loss."""
        value = self.loss(self.model(self.x), self.y)
        self.model.backward(self.loss.backward())
        self.optimizer.step()
        return value

    def load(self, weights: Mapping[str, Array]) -> None:
        """Take over weights, and their precision."""
        dtype = next(iter(weights.values())).dtype
        self.model.astype(dtype if dtype in (np.float64, np.float32) else np.dtype(np.float64))
        for name, parameter in self.model.named_parameters():
            if name in weights:
                parameter.data = weights[name].reshape(parameter.shape).astype(parameter.data.dtype)

    def __repr__(self) -> str:
        return f"{self.model!r}, {self.loss!r}, {optimizer_call(self.optimizer)}"


class Beside(NamedTuple):
    """A network and the program's parameters by torch's names; `is_turned` if its samples are columns."""

    training: Training
    parameters: dict[str, TrainedArray]
    is_turned: bool = False


class _Linear(NamedTuple):
    x: Node
    z: Node
    weight: TrainedArray
    bias: TrainedArray | None
    is_turned: bool


def read_off(diagnosis: Examination) -> Beside | None:
    """The stack of layers that the forward pass is, with its loss; None if it is none."""
    judge, judgement = diagnosis.judge, diagnosis.judgement
    optimizer = None if diagnosis.updates.rule is None else _optimizer(diagnosis.updates.rule)
    nodes = judgement.right[0].reverse.nodes if judgement.right else {}
    linears = _linears(judge, nodes)
    if optimizer is None or not linears:
        return None
    is_turned, dtype = linears[0].is_turned, linears[0].z.value.dtype
    parameters: dict[str, TrainedArray] = {}
    stack: list[Layer] = []
    for linear, following in zip_longest(linears, linears[1:]):
        between = _activation(linear.z.value, following and following.x, nodes)
        if between is None or linear.is_turned != is_turned:
            return None
        own = {"weight": linear.weight, "bias": linear.bias}
        parameters |= {f"{len(stack)}.{what}": p for what, p in own.items() if p is not None}
        height, width = _turned(linear.weight.versions[0].value, is_turned).shape
        stack += [layers.Linear(height, width, linear.bias is not None, dtype=dtype), *between]
    is_mixed = any(p.used[0].value.dtype != dtype for p in parameters.values())
    if is_mixed or len({p.name for p in judge.parameters}) != len(parameters):
        return None
    model = layers.Sequential(stack)
    x = _turned(linears[0].x.value, is_turned).astype(dtype)
    training = Training(model, losses.SquaredLoss(), optimizer(model), x, x)
    try:
        training.load({name: _turned(p.used[0].value, is_turned) for name, p in parameters.items()})
        out = model(x)
    except ValueError:  # between two of the layers stands something that is none
        return None
    found = _loss(judge, judgement, out, is_turned)
    if found is None:
        return None
    return Beside(training._replace(loss=found[0], y=found[1]), parameters, is_turned)


def _turned(a: Array, is_turned: bool) -> Array:
    return a.T if is_turned and a.ndim == 2 else a


def _optimizer(rule: Rule) -> Any:
    options: Any = dict(rule.options)
    if rule.name == "Adam":
        options["betas"] = options.pop("beta1"), options.pop("beta2")
    kind: Any = {"SGD": optimizers.SGD, "Adam": optimizers.Adam}.get(rule.name)
    is_usable = (
        kind is not None and "l1_penalty" not in options and min(options.get("momentum", 0), options["lr"]) >= 0
    )  # lr is below 0 where a likelihood is maximised
    return (lambda model: kind(model.parameters(), **options)) if is_usable else None


def _linears(judge: Judge, nodes: Mapping[int, Node]) -> list[_Linear]:
    """The products of an array and a parameter in a forward pass, with their biases, in order."""
    owners = {v.index: p for p in judge.parameters for v in p.versions}
    found = []
    for index in sorted(nodes):
        node = nodes[index]
        if node.operation not in ("dot", "matmul") or node.value.ndim != 2:
            continue
        a, b = node.inputs
        is_turned = a.index in owners
        if is_turned == (b.index in owners):
            return []
        weight, x = (a, b) if is_turned else (b, a)
        sums = (n for n in nodes.values() if n.operation == "add" and node in n.inputs)
        biased = ((n, owners[m.index]) for n in sums for m in n.inputs if m.index in owners)
        z, bias = next(biased, (node, None))
        found.append(_Linear(x, z, owners[weight.index], bias, is_turned))
    return found


def _activation(z: Array, after: Node | None, nodes: Mapping[int, Node]) -> list[Layer] | None:
    """What stands between a Linear and the next one, or the loss."""
    if after is not None and np.array_equal(after.value, z):
        return []
    wanted = [n.value for n in (nodes.values() if after is None else [after]) if n.value.shape == z.shape]
    for kind in ACTIVATIONS:
        try:
            made = kind()(z.copy())
        except (TypeError, ValueError):
            continue
        if not np.array_equal(made, z) and any(np.allclose(made, w, rtol=1e-9, atol=1e-12) for w in wanted):
            return [kind()]
    return None if after is not None else []


def _loss(judge: Judge, judgement: Judgement, out: Array, is_turned: bool) -> tuple[Loss, Array] | None:
    """The loss whose value the program has, and the target that it has it for."""
    values = judgement.loss.values()
    nodes = judge.tape.nodes[: judgement.loss.first.index + 1] if values else []
    given = (n.value for n in nodes if n.index not in judge.depends and n.value.ndim)
    targets = [_turned(a, is_turned) for a in given]
    for target, kind in product(targets, LOSSES):
        is_classes = kind is losses.CrossEntropyLoss and target.dtype.kind in "iu"
        y = target if is_classes else target.astype(out.dtype)
        if len(target) != len(out) or target.size not in (len(out), out.size):
            continue
        usual = out.shape if y.size == out.size else y.shape
        for shape in (y.shape, y.size) if kind is losses.CrossEntropyLoss else (usual,):
            loss = kind()
            with suppress(TypeError, ValueError, IndexError), np.errstate(all="ignore"):
                if np.isclose(float(loss(out, y.reshape(shape))), float(values[0]), rtol=1e-7):
                    return kind(), y.reshape(shape)
    return None


def count_bits(diagnosis: Examination, beside: Beside, steps: int, losses: list[Any]) -> bool:
    """Train the network on the program's numbers and count the same bits; False if it is another network.

    `losses` are the program's.
    """
    result, judgement = diagnosis.result, diagnosis.judgement
    counts = {what: [0, 0] for what in COUNTED}
    unequal: list[str] = []

    def add(what: str, name: str, right: Array, theirs: Array) -> None:
        value = _fitted(theirs, right, beside.is_turned)
        if value is not None:
            equal = equal_bits(right, value) if right.dtype == value.dtype else 0
            counts[what][0] += equal
            counts[what][1] += right.size
            unequal.extend([name] if equal < right.size else [])

    verdicts = diagnosis.judge.by(judgement.loss, judgement.mode, steps).verdicts
    found = {(v.update.name, v.update.old.index): v.found for v in verdicts}
    training = beside.training.copied()
    layered = dict(training.model.named_parameters())
    ours, ulps = [], []
    for k in range(steps):
        loss = training.step()
        ours.append(float(loss))
        if k < len(losses):
            value = np.asarray(loss)
            add("losses", f"the loss of step {k}", value, np.asarray(losses[k]))
            apart = first_difference(value, np.asarray(losses[k], value.dtype).reshape(value.shape))
            ulps.append(apart.ulps if apart else 0)
        for name, parameter in beside.parameters.items():
            if k >= len(parameter.used):
                continue
            old, p = parameter.used[k], layered[name]
            new = (parameter.after(old) or parameter.versions[-1]).value
            weight = _fitted(new, p.data, beside.is_turned)
            is_it = weight is not None and np.allclose(weight, p.data, rtol=1e-6, atol=1e-9)
            if not result.is_given and not is_it:
                return False
            multiples = found.get((parameter.name, old.index), ())
            exact = [n for n, c in multiples if abs(c - 1) < 1e-6]
            for node in (exact or [n for n, _ in multiples if result.is_given])[:1]:
                add("numbers in gradients", f"the gradient of {name} in step {k}", p.grad, node.value)
            add("numbers in weights", f"{name} after step {k}", p.data, new)
    result.losses, result.ulps = ours, ulps
    result.handwritten_losses = [float(value) for value in losses[:steps]]
    result.counts = [Equal(what, *count) for what, count in counts.items() if count[1]]
    result.first_count, result.steps = next(iter(unequal), ""), steps
    result.network, result.dtype = repr(beside.training), str(training.model.dtype)
    endless = next((k for k, value in enumerate(ours) if not np.isfinite(value)), None)
    if endless is not None and result.is_given:
        result.remarks.append(f"the loss is not finite from step {endless} on")
    return True


def time_both(result: Comparison, source: ProgramSource, beside: Beside, call: Any) -> None:
    """Run both once more, a step of each in turn."""
    updates = sorted(p.versions[1] for p in beside.parameters.values() if len(p.versions) > 1)
    lines = [v.execution.statement.line for v in updates if v.execution is not None]
    if not lines:
        return
    training = beside.training.copied()

    def step() -> None:
        start = perf_counter()
        training.step()
        result.times.append(perf_counter() - start)

    result.handwritten_times = time_steps(source, (lines[-1], lines.count(lines[-1])), result.steps, call, step)


def _fitted(a: Array, like: Array, is_turned: bool = False) -> Array | None:
    """An array in the shape of another: with other axes of length 1, or turned as a whole."""
    if is_turned and a.ndim == 2 and a.T.shape == like.shape:
        return np.ascontiguousarray(a.T)
    if a.shape == like.shape and not (is_turned and a.ndim == 2):
        return a
    squeezed = [[n for n in s if n != 1] for s in (a.shape, like.shape)]
    return a.reshape(like.shape) if a.size == like.size and squeezed[0] == squeezed[1] else None


class Against:
    """A program against a given network: its outputs, loss, gradients and steps have to be the network's.

    `program` None is the one that is derived from the network.
    """

    def __init__(self, given: Training, steps: int, program: Any) -> None:
        from minitorch_np.study.handwritten import write  # another one may be put in its place

        self.given, self.steps = given.copied(), steps
        self.program = write(*given.copied(), data="npz")  # no numbers in its text
        derived = ProgramSource(self.program.text, "<derived program>", "the derived program", namespace={})
        self.is_ours = program is None
        self.source = derived if self.is_ours else ProgramSource.of(program)
        self.call = self._call()
        self.recording = record(self.source, steps, self.call)
        self.diagnosis = Examination(self.recording)
        self.judge, self.result = self.diagnosis.judge, self.diagnosis.result
        self.result.is_given, self.result.is_ours = True, self.is_ours

    def _call(self) -> tuple[str, dict[str, Any]] | None:
        """The function to call and its arguments; None if the program is run as a script."""
        if self.is_ours:
            return "train", {**self.program.arrays, "steps": self.steps}
        tree = self.source.tree()
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        functions = [
            n for n in tree.body
            if isinstance(n, ast.FunctionDef) and n.name not in called
            and any(isinstance(m, ast.For | ast.While) for m in ast.walk(n))
        ]  # fmt: skip
        if not functions:
            return None
        arguments = functions[-1].args
        names = [a.arg for a in arguments.args]
        needed = names[: len(names) - len(arguments.defaults)]
        count = 2 + len(list(self.given.model.parameters()))
        main = dict(islice(self.program.arrays.items(), count))  # x, y and the weights
        if self.source.namespace is None and len(needed) < count:
            return None
        try:
            return functions[-1].name, self._arguments(names, needed, main)
        except ValueError as error:
            raise ValueError(f"{self.source.name}, line {functions[-1].lineno}: {error}") from None

    def _arguments(self, names: list[str], needed: list[str], main: dict[str, Array]) -> dict[str, Any]:
        """The arguments for a function of these parameters, of which some are `needed`.

        The `main` arrays go to the parameters of their names if all are there, else to the first ones in
        order; others only by name. Raises ValueError that shows the form.
        """
        form = f"({', '.join(main)}, steps, learning_rate)"
        is_by_name = set(main) <= set(names)
        if not is_by_name and len(names) < len(main):
            raise ValueError(f"it takes ({', '.join(names)}), and should take {form}")
        found: dict[str, Any] = main if is_by_name else dict(zip(names, main.values(), strict=False))
        rate = self.given.optimizer.param_groups[0].get("lr")
        options = dict.fromkeys(STEPS, self.steps) | dict.fromkeys(RATES, rate)
        known = {n: options[n.lower()] for n in names if n.lower() in options} | self.program.arrays | found
        unclear = [n for n in needed if n not in known]
        if unclear:
            raise ValueError(f"what its parameter {unclear[0]} should be is not clear: it should take {form}")
        return {n: known[n] for n in names if n in known}

    def comparison(self) -> Comparison:
        result, error = self.result, self.recording.error
        self.parameters = self._parameters()
        if self.call is None:
            self._take_over()
        result.network, result.failure = repr(self.given), error
        given, places = self.given, self.program.places
        run = Run(given.model, given.x, given.y, given.loss)
        self.prediction, self.loss = run.prediction, np.asarray(run.value)
        named = {place.layer: name for name, place in places.items() if place.what == "output"}
        made = [(named[p.path], p.y) for p in run.passages if p.path in named]
        self.outputs = [(name, places[name], value, self._same(value)) for name, value in made]
        findings = list(self._forward())
        if error is not None:
            findings += self.diagnosis.comparison().findings
        elif not findings:
            findings = list(self._backward() if self._predictions else self.diagnosis.comparison().findings)
        result.findings = list(dict.fromkeys(map(self._placed, findings)))  # of several weights it is one
        result.judged = RIGHT if error is None and not findings else WRONG
        if error is None or min((len(p.used) for p in self.parameters.values()), default=0) > 1:
            self._count()
        if error is not None:
            result.steps = len(result.losses)
        elif self.is_ours:
            result.findings, result.judged = [], RIGHT if result.is_identical else WRONG
        elif not result.is_identical and not any(f.place and f.place.what == "output" for f in findings):
            result.findings[:0] = islice(self._rounding(), 1)
        if error is None and result.counts:
            time_both(result, self.source, self.beside, self.call)
        return result

    def _count(self) -> None:
        """Count the bits over the steps that the program made."""
        result = self.result
        steps = max(1, min(self.steps, *(len(p.used) for p in self.parameters.values())))
        self.beside = Beside(self.given, self.parameters)
        if self._predictions:
            self.diagnosis.judgement = self._judgement
        if self.diagnosis.judgement is not None:
            own = (loss for loss in self.judge.losses if not loss.kind and self._is_loss(loss.first))
            losses = next(([node.value.reshape(()) for node, _ in loss.instances] for loss in own), [])
            count_bits(self.diagnosis, self.beside, steps, losses)
        if steps < self.steps and self.recording.error is None:
            result.remarks.append(f"the program made {steps} of the {self.steps} steps")

    def _parameters(self) -> dict[str, TrainedArray]:
        """The program's parameters by torch's names: of the same numbers, or else of the same shape."""
        found: dict[str, TrainedArray] = {}
        left = list(self.judge.parameters)
        leaves = [n for n in self.judge.tape.nodes if n.operation == LEAF]
        named = {n.index: path for e in reversed(self.judge.executions) for path, n in e.values.items()}
        for name, parameter in self.given.model.named_parameters():
            data = parameter.data
            fitting = [p for p in left if _fitted(p.versions[0].value, data) is not None]
            same = [p for p in fitting if (p.versions[0].value.reshape(data.shape) == data).all()]
            leaf = next((n for n in leaves if np.array_equal(n.value, data)), None)
            if self.call is not None and not same and leaf is not None:  # it is given, and not trained
                found[name] = TrainedArray(named.get(leaf.index, ""), [leaf], [leaf])
                continue
            if not fitting:
                shapes = [f"{p.name} {p.versions[0].value.shape}" for p in self.judge.parameters]
                raise ValueError(
                    f"{self.source.name} has no array of shape {parameter.shape} for {name} that it "
                    f"trains; it has {', '.join(shapes) or 'none'}"
                )
            found[name] = (same or fitting)[0]
            left.remove(found[name])
        return found

    def _take_over(self) -> None:
        """Let the network start from the file's arrays."""
        own = dict(self.given.model.named_parameters())
        starts = {n: p.versions[0].value for n, p in self.parameters.items()}
        is_other = any(not np.array_equal(a.reshape(own[n].shape), own[n].data) for n, a in starts.items())
        self.given.load(starts)
        x, y = self._data()
        if is_other or not np.array_equal(x, self.given.x):
            names = ", ".join([p.name for p in self.parameters.values()])
            self.result.remarks.append(f"the network starts from the file's own arrays: x, y, {names}")
        self.given = self.given._replace(x=x, y=y)

    def _data(self) -> tuple[Array, Array]:
        """The file's own x and y: what goes into the first product, and what is of the prediction's shape."""
        first = next(iter(self.parameters.values())).versions[0]
        nodes = self.judge.tape.nodes
        products = (n for n in nodes if n.operation in ("dot", "matmul") and first in n.inputs)
        x = next((m.value for n in products for m in n.inputs if m is not first), self.given.x)
        model = self.given.copied().model
        x = np.asarray(x, None if model.index_count else model.dtype)
        shape = (len(model(x)), *self.given.y.shape[1:])
        leaves = (n.value for n in nodes if n.operation != CONSTANT and not n.inputs)
        return x, next((a for a in leaves if a.shape == shape and not np.array_equal(a, x)), self.given.y)

    def _same(self, value: Array) -> Node | None:
        """The first node with these numbers that an operation made."""
        scale = float(np.abs(value).max(initial=0.0))
        tolerance = 1e-9 if value.dtype == np.float64 else 1e-4
        for node in self.judge.tape.nodes:
            if node.value.size == value.size and node.value.dtype.kind == "f" and node.inputs:
                a = _fitted(node.value, value)
                if a is not None and np.abs(a - value).max(initial=0.0) <= tolerance * scale:
                    return node
        return None

    def _is_loss(self, node: Node) -> bool:
        return bool(np.isclose(float(node.value.reshape(-1)[0]), float(self.loss), rtol=1e-9))

    def _forward(self) -> Iterator[WrongLine]:
        """The first output of a layer that the program does not have."""
        before: Node | None = None
        for name, place, value, node in self.outputs:
            if node is None:
                yield self._missing(value, before)._replace(array=name, place=place)
                return
            before = node
        written = [one for one in self.judge.losses if not one.kind and (one.name or "loss" in one.text)]
        if written and self._same(self.loss) is None and not any(self._is_loss(one.first) for one in written):
            yield self._other_loss(written[0].first)

    def _missing(self, value: Array, before: Node | None) -> WrongLine:
        """The statement that should make an output: one that goes on from the output before it."""

        def goes_on(execution: Execution) -> bool:
            own = self.judge.own.get(execution.number, [])
            if before is None:
                return bool(own and execution.bound)
            is_renamed = [b[2] for b in execution.bound] == [before] and not own
            return is_renamed or any(n.index > before.index for n in own)

        candidates = list(islice(filter(goes_on, self.judge.executions), 12))
        mended = (found for e in candidates if (found := self._mended(e, value)) is not None)
        execution = next(iter(candidates), None) or next(e for e in self.judge.executions if e.bound)
        return next(mended, WrongLine.at(execution, NO_EDIT))

    def _mended(self, execution: Execution, value: Array) -> WrongLine | None:
        """The edit of a statement that makes this value."""
        values = Values(execution.values, execution.values, {})
        trial = Trial(execution, values, self.judge.own.get(execution.number, []))
        every = (*forward_edits(execution, values), *edits(execution, values))
        for edit in sorted(every, key=lambda e: e.cost):
            for index, a in (trial.run(edit.tree) or {}).items():
                fitted = _fitted(a, value)
                if fitted is not None and np.allclose(fitted, value, rtol=1e-9, atol=1e-12):
                    got = self.judge.tape.nodes[index].value
                    is_number = got.shape == value.shape and got.size == 1
                    proof = f"it is {got.item():.6g} where {value.item():.6g} belongs" if is_number else ""
                    return WrongLine.at(execution, edit.mistake, edit.text(), proof=proof)
        return None

    def _other_loss(self, node: Node) -> WrongLine:
        got, right = float(node.value.reshape(-1)[0]), float(self.loss)
        found = self._mended(node.execution, self.loss) or WrongLine.at(node.execution, NO_EDIT)
        training = self.given.copied()
        training.step()
        if np.isclose(got, float(training.step()), rtol=1e-9):
            said = "it is what it becomes by the update: compute it before the weights are updated"
            found = found._replace(mistake=said, write=())
        elif found.write and right and np.isclose(got / right * self.prediction.size, 1):
            found = found._replace(mistake="it is the right one divided by the number of elements")
        proof = f"it is {got:.6g} where {right:.6g} belongs"
        place = Location("", repr(self.given.loss), "loss")
        return found._replace(name="loss", proof=proof, array="loss", place=place)

    @cached_property
    def _predictions(self) -> list[tuple[Node, Array]]:
        """The program's prediction in every step, with the gradient of the network's loss at its numbers."""
        first = self._same(self.prediction)
        if first is None or first.execution is None:
            return []

        def kind(node: Node) -> Any:
            line = None if node.execution is None else node.execution.statement.number
            return line, node.operation, node.value.shape, len(node.inputs)

        like = (n for n in self.judge.tape.nodes if kind(n) == kind(first))
        loss = self.given.copied().loss
        found = []
        for node in islice(like, self.steps):
            loss(np.array(node.value.reshape(self.prediction.shape)), self.given.y)
            found.append((node, loss.backward().reshape(node.value.shape)))
        return found

    @cached_property
    def _judgement(self) -> Judgement:
        """The program by the network's loss."""
        instances = [(node, {node: dy}) for node, dy in self._predictions]
        return self.judge.by(Objective(0, repr(self.given.loss), "", "", instances), "last", 3)

    def _backward(self) -> Iterator[WrongLine]:
        judgement = self.diagnosis.judgement = self._judgement
        wrong = Search(self.judge, judgement).findings() if judgement.wrong else []
        if wrong:
            lines = {f.line for f in wrong}
            steps = [f for f in self._steps(judgement) if f.line not in lines]
            order = {e.statement.line: e.number for e in reversed(self.judge.executions)}
            yield from sorted((*steps[:1], *wrong), key=lambda f: order[f.line])
            return
        idle = [*self.diagnosis.updates.stale(judgement), *self.diagnosis.updates.not_updated(judgement)]
        yield from idle or (*self._steps(judgement), *self._later_steps(judgement))

    def _steps(self, judgement: Judgement) -> Iterator[WrongLine]:
        """First steps that are not the network's."""
        training = self.given.copied()
        own = dict(training.model.named_parameters())
        before = {name: p.data.copy() for name, p in own.items()}
        training.step()
        starts = {p.used[0].index: name for name, p in self.parameters.items()}
        for verdict in judgement.right:
            name = starts.get(verdict.update.old.index)
            if name is None:
                continue
            right = own[name].data - before[name]
            change = (verdict.update.new.value - verdict.update.old.value).reshape(right.shape)
            rounding = 4 * np.finfo(right.dtype).eps * np.abs(before[name]).max()
            relative = 1e-6 if right.dtype == np.float64 else 1e-3
            is_off = np.abs(change - right).max() > relative * np.abs(right).max() + rounding
            if np.abs(right).max() < 1e4 * rounding:  # the step is lost in the rounding of the weights
                is_off |= all(abs(c - 1) > 1e-5 for _, c in verdict.found)
            if is_off:
                yield from self._other_step(verdict, change, right)

    def _other_step(self, verdict: Verdict, change: Array, right: Array) -> Iterator[WrongLine]:
        """A gradient of another size than the network's, or a step of another length."""
        execution = verdict.update.new.execution
        made = (g for g in self.diagnosis.output_gradients(verdict) if g.node.execution is not execution)
        last = {g.node.execution.number: g for g in made}  # of each executed statement
        off = next((g for g in last.values() if abs(g.c - 1) > 1e-6), None)
        if off is not None:
            times = times_of(off.c, off.node.execution)
            said = "it has the other sign" if times == "minus" else f"it is {times} the right one"
            if np.isclose(off.c, self.prediction.size):
                said = f"it is {off.c:.6g} times the right one, the number of elements"
            said += ": a division is missing" if off.c > 2 else ""
            value = off.node.value.reshape(-1)[0]
            proof = f"its first element is {value:.6g} where {value / off.c:.6g} belongs"
            yield WrongLine.at(off.node.execution, said, proof=proof, target=off.of)
        elif execution is not None:
            ratio = multiple(change, right)
            write: tuple[str, ...] = ()
            if ratio is None:
                said = "its step is none of the optimizer's"
            elif ratio < 0:
                said, write = UPHILL, other_sign(execution)
            else:
                said = f"its step is {ratio:.4g} times as long as it should be"
            yield WrongLine.at(execution, said, *write, name=verdict.update.name)

    def _later_steps(self, judgement: Judgement) -> Iterator[WrongLine]:
        """Steps after the first that are longer by what the step before leaves in them."""
        options = self.given.optimizer.param_groups[0]
        is_plain = type(self.given.optimizer).__name__ == "SGD"
        if not is_plain or options.get("momentum") or options.get("weight_decay"):
            return
        for verdicts in judgement.by_name().values():
            if len(verdicts) < 2 or verdicts[1].step is not None:
                continue
            name, _, new = verdicts[1].update
            before, now = ((v.update.new.value - v.update.old.value).reshape(-1) for v in verdicts[:2])
            columns = np.stack([before, verdicts[1].truth.reshape(-1)], axis=1)
            solution, *_ = np.linalg.lstsq(columns, now, rcond=None)
            if np.abs(columns @ solution - now).max() > 1e-6 * np.abs(now).max():
                continue
            if abs(solution[0] - 1) < 1e-6:
                yield from self.diagnosis.updates.added_up(verdicts)
            elif new.execution is not None:
                said = f"its step has {solution[0]:.4g} of the step before in it: momentum, which SGD has not"
                yield WrongLine.at(new.execution, said, name=name, step=1)

    def _placed(self, finding: WrongLine) -> WrongLine:
        """A finding with what it is in the network."""
        places, target = self.program.places, finding.target
        own = ((name, self.parameters.get(f"{p.layer}.{p.what}".lstrip("."))) for name, p in places.items())
        weights = [(name, parameter) for name, parameter in own if parameter is not None]
        outputs = [(name, node) for name, _, _, node in self.outputs if node is not None]
        names = [name for name, parameter in weights if parameter.name == finding.name]
        if target is not None:
            of = [name for name, parameter in weights if target in parameter.versions]
            of += [n for n, node in outputs if node is target or np.array_equal(node.value, target.value)]
            names += [f"grad_{name}" for name in of]
        here = (e for e in self.judge.executions if e.statement.line == finding.line)
        made = {new.index for e in here for _, _, new in e.bound}
        names += [name for name, node in outputs if node.index in made]
        if finding.place is not None or not names:
            return finding
        return finding._replace(array=names[0], place=places.get(names[0]))

    def _rounding(self) -> Iterator[WrongLine]:
        """The arrays whose bits differ, in order."""
        loss = "loss", Location("", repr(self.given.loss), "loss"), self.loss, self._same(self.loss)
        for name, place, value, node in (*self.outputs, loss):
            if node is None or node.execution is None or node.value.dtype != value.dtype:
                continue
            apart = first_difference(*map(np.ascontiguousarray, (node.value.reshape(value.shape), value)))
            if apart is not None:
                made = node.execution.made or name
                where = {"array": name, "place": place, "difference": apart}
                yield WrongLine.at(node.execution, "", name=made, is_rounding=True, **where)
