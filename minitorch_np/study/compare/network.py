"""The network of layers beside a program: given, or read off its recording, and trained on the same numbers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from itertools import product, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np import layers, losses, optimizers
from minitorch_np._internal.reprs import constructor_arguments
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study.compare.judge import Judge, Judgement
from minitorch_np.study.compare.recorded import Node
from minitorch_np.study.compare.trained import TrainedArray
from minitorch_np.study.compare.update_rules import Rule

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.study.compare.diagnosis import Examination

ACTIVATIONS: tuple[type[layers.Activation], ...] = (
    layers.ReLU, layers.Tanh, layers.Sigmoid, layers.LeakyReLU, layers.ELU, layers.Softplus, layers.SiLU,
    layers.GELU,
)  # fmt: skip
LOSSES: tuple[type[Loss], ...] = (
    losses.SquaredLoss, losses.MSELoss, losses.CrossEntropyLoss, losses.BCELoss, losses.BCEWithLogitsLoss,
    losses.L1Loss,
)  # fmt: skip


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
                parameter.data = weights[name].astype(parameter.data.dtype)

    def __repr__(self) -> str:
        name, options = type(self.optimizer).__name__, self.optimizer.defaults
        usual = constructor_arguments(type(self.optimizer))
        said = [f"{n}={v!r}" for n, v in options.items() if n == "lr" or (n in usual and v != usual[n])]
        return f"{self.model!r}, {self.loss!r}, {name}({', '.join(said)})"


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
    if len({p.name for p in judge.parameters}) != len(parameters):
        return None
    model = layers.Sequential(stack)
    x = _turned(linears[0].x.value, is_turned).astype(dtype)
    training = Training(model, losses.SquaredLoss(), optimizer(model), x, x)
    try:
        shapes = {name: p.shape for name, p in model.named_parameters()}
        starts = {name: _turned(p.used[0].value, is_turned) for name, p in parameters.items()}
        training.load({name: a.reshape(shapes[name]) for name, a in starts.items()})
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
