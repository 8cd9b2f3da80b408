"""The rule by which a program updates: recognised from its steps and the true gradients."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.compare.judge import Verdict
from minitorch_np.study.compare.recorded import CONSTANT, LEAF, Node, ancestors
from minitorch_np.study.compare.trained import Update

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

ADAM = "Adam"
CLOSE = 1e-5  # of the largest step
SAMPLE = 200  # elements of a parameter that an adaptive rule is tried on


class Rule(NamedTuple):
    """A rule in words, with torch's name of the optimizer, and its options."""

    name: str
    options: dict[str, float]

    def of_multiples(self, c: float) -> Rule:
        """The same rule of gradients that are c times those that it is read off with."""
        powers = {"lr": -1 if self.name.startswith("SGD") else 0, "weight_decay": 1, "l1_penalty": 1}
        return _rule(self.name, **{k: v * c ** powers.get(k, 0) for k, v in self.options.items()})

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v:.6g}' for k, v in self.options.items())})"


class StepSeries(NamedTuple):
    """Of one parameter, from its first update on: gradients, changes and values before, flat.

    `made` are the other arrays that each update is made of.
    """

    gradients: list[Array]
    changes: list[Array]
    values: list[Array]
    made: list[list[Array]]


def steps_of(verdicts: Sequence[Verdict]) -> dict[str, StepSeries]:
    """The steps of every parameter, with the true gradients."""
    found: dict[str, StepSeries] = {}
    for v in verdicts:
        steps = found.setdefault(v.update.name, StepSeries([], [], [], []))
        steps.gradients.append(v.truth.reshape(-1))
        before = v.update.old.value.reshape(-1).astype(float)
        steps.changes.append(v.update.new.value.reshape(-1) - before)
        steps.values.append(before)
        steps.made.append(_made_of(v.update))
    return found


def _made_of(update: Update) -> list[Array]:
    """The arrays of its size that an update is made of, in order."""
    old, new = update.old, update.new
    nodes = sorted(ancestors([new], lambda n: n.index > old.index).values())
    arrays = (n.value.reshape(-1) for n in nodes if old.index < n.index < new.index)
    return [a for a in arrays if a.size == old.value.size and a.dtype.kind == "f"]


def rule_of(steps: Sequence[StepSeries], constants: Sequence[float]) -> Rule | None:
    """The rule that makes all steps; None if it is none of those known here."""
    rule = next(chain(_linear(steps), _adaptive(steps, constants)), None)
    if rule is not None or (found := _penalised(steps)) is None:
        return rule
    rule = next(chain(_linear(found[0]), _adaptive(found[0], constants)), None)
    return None if rule is None else _rule(rule.name, **rule.options, **found[1])


def _penalised(steps: Sequence[StepSeries]) -> tuple[list[StepSeries], dict[str, float]] | None:
    """The steps with what the program adds to the gradient in it, and the factors of this penalty."""
    found, penalties = [], []
    for s in steps:
        gradients = []
        for gradient, value, made in zip(s.gradients, s.values, s.made, strict=True):
            fits = (
                (a, factors) for a in reversed(made) if (factors := _penalty(a, gradient, value)) is not None
            )
            total, factors = next(fits, (gradient, None))
            gradients.append(total if factors is None else total / factors[0])
            penalties += [] if factors is None else [factors[1:] / factors[0]]
        found.append(s._replace(gradients=gradients))
    if not penalties or not np.allclose(penalties, penalties[0], rtol=1e-3, atol=1e-6):
        return None
    names = ("weight_decay", "l1_penalty")
    return found, {name: float(c) for name, c in zip(names, penalties[0], strict=True) if c > 1e-6}


def _penalty(a: Array, gradient: Array, value: Array) -> Array | None:
    """How often the gradient, the value and its sign are in an array that is their sum; None if it is not."""
    columns = np.stack([gradient, value, np.sign(value)], axis=1)
    if a.size < 4 or not np.isfinite(a).all():
        return None
    factors: Array = np.linalg.lstsq(columns[:SAMPLE], a[:SAMPLE], rcond=None)[0]
    largest = np.abs(a).max()
    is_sum = np.abs(columns @ factors - a).max() <= CLOSE * largest
    parts = np.abs(columns * factors).max(axis=0)
    has_both = parts[0] > 1e-3 * largest < parts[1:].max()
    return factors if is_sum and has_both and (factors[1:] / factors[0]).min() > -1e-6 else None


def constants_of(tree: ast.AST) -> list[float]:
    """The numbers between 0 and 1 in a program: what decay rates can be."""
    found = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is float}
    return sorted(v for v in found if 0 < v < 1)


COLUMNS: dict[str, Callable[[StepSeries, int], Array]] = {
    "gradient": lambda s, k: s.gradients[k],
    "gradient before": lambda s, k: s.gradients[k - 1],
    "value": lambda s, k: s.values[k],
    "step before": lambda s, k: s.changes[k - 1],
}


def _fit(steps: list[tuple[StepSeries, int]], *columns: str) -> list[float] | None:
    """The coefficients with which the columns make these steps; None if they do not."""
    if not steps:
        return None
    matrix = np.stack([np.concatenate([COLUMNS[name](s, k) for s, k in steps]) for name in columns], axis=1)
    target = np.concatenate([s.changes[k] for s, k in steps])
    others = [i for i, name in enumerate(columns) if name != "value"]
    is_touched = (target != 0) | matrix[:, others].any(axis=1)  # of a table the rows that are looked up
    matrix, target = matrix[is_touched], target[is_touched]
    if not target.size:
        return None
    scale = np.abs(matrix).max(axis=0)
    if not (np.isfinite(scale).all() and np.isfinite(target).all() and scale.all() and np.any(target)):
        return None
    solution, *_ = np.linalg.lstsq(matrix / scale, target, rcond=None)
    if np.abs(matrix / scale @ solution - target).max() > CLOSE * np.abs(target).max():
        return None
    return [float(c) for c in solution / scale]


def _linear(steps: Sequence[StepSeries]) -> Iterator[Rule]:
    """The rules whose step is a sum of multiples of a few arrays."""
    every = [(s, k) for s in steps for k in range(len(s.changes))]
    later = [(s, k) for s, k in every if k > 0]
    rates = [_fit([(s, k) for s, k in every if k == at], "gradient") for at in sorted({k for _, k in every})]
    if rates[0] is not None and None not in rates:  # it may fall from step to step
        yield _rule("SGD", lr=-rates[0][0])
    rest = [one for one in every if _fit([one], "gradient") is None]  # biases, as a rule, have no decay
    for fit in (_fit(every, "gradient", "value"), _fit(rest, "gradient", "value")):
        if fit is not None and fit[1] < 0:
            yield _rule("SGD", lr=-fit[0], weight_decay=fit[1] / fit[0])
    fit = _fit(later, "step before", "gradient")
    if fit is not None and fit[0] < 1.0001:
        yield _rule("SGD", lr=-fit[1], momentum=fit[0])
    fit = _fit(later, "step before", "gradient", "value")
    if fit is not None and fit[2] / fit[1] > 0 and fit[0] < 1.0001:
        yield _rule("SGD", lr=-fit[1], momentum=fit[0], weight_decay=fit[2] / fit[1])
    fit = _fit(later, "step before", "gradient", "gradient before")
    if fit is not None and fit[1] and 0 < fit[0] < 0.9999:
        yield _rule("SGD with Nesterov's momentum", lr=-fit[1] / (1 + fit[0]), momentum=fit[0])


def _adaptive(steps: Sequence[StepSeries], constants: Sequence[float]) -> Iterator[Rule]:
    rates = sorted({*constants, 0.9, 0.999}, reverse=True)[:12]
    small = [c for c in constants if c <= 1e-3] or [1e-8]
    for eps, inside in product((*small, 1e-8), (False, True)):
        for second, first in product(rates, (0.0, *rates)):
            for name in (ADAM, "Adam without bias correction") if first else ("RMSprop",):
                lr = _rate(steps, first, second, eps, inside, name)
                if lr is not None and not first:
                    yield _rule(name, lr=lr, alpha=second, eps=eps)
                elif lr is not None:
                    yield _rule(name, lr=lr, beta1=first, beta2=second, eps=eps)
        lr = _rate(steps, 0.0, 1.0, eps, inside, "Adagrad")
        if lr is not None:
            yield _rule("Adagrad", lr=lr, eps=eps)


def _rate(
    steps: Sequence[StepSeries], first: float, second: float, eps: float, inside: bool, name: str
) -> float | None:
    """The learning rate with which this adaptive rule makes all steps; None if there is none."""
    lr: float | None = None
    for s in steps:
        gradients = [g[:SAMPLE] for g in s.gradients]
        m, v = np.zeros_like(gradients[0]), np.zeros_like(gradients[0])
        for t, g in enumerate(gradients, start=1):
            m = first * m + (1 - first) * g
            v = second * v + (1 - second if second < 1 else 1.0) * g * g
            m_hat, v_hat = (m / (1 - first**t), v / (1 - second**t)) if name == ADAM else (m, v)
            made = m_hat / (np.sqrt(v_hat + eps) if inside else np.sqrt(v_hat) + eps)
            wanted = -s.changes[t - 1][:SAMPLE]
            norm = float(made @ made)
            c = float(made @ wanted) / norm if norm else 0.0
            lr = c if lr is None else lr
            if not norm or lr <= 0 or not np.abs(lr * made - wanted).max() <= CLOSE * np.abs(wanted).max():
                return None
    return lr


def _rule(name: str, **options: float) -> Rule:
    return Rule(name, {key: float(f"{value:.6g}") for key, value in options.items()})


class Average(NamedTuple):
    """A moving average in an update: decay · before + factor · of, and what it is divided by afterwards."""

    node: Node
    decay: float
    before: Node
    factor: float
    of: Node
    corrections: list[tuple[Node, float]]

    def steps(self, divisor: float) -> float:
        """The t of a bias correction by 1 - decay ** t; NaN if it is none."""
        with np.errstate(all="ignore"):
            t = float(np.log(1 - divisor) / np.log(self.decay))
        return round(t) if abs(t - round(t)) < 1e-4 and t > 0.5 else float("nan")


def averages(
    nodes: Sequence[Node], old: Node, depends: Collection[int], versions: Collection[int]
) -> list[Average]:
    """The moving averages among what an update is made of.

    `depends` are the nodes that parameters go into, `versions` the parameters.
    """
    found = []
    for n in nodes:
        for kept, added in (n.inputs, n.inputs[::-1]) if n.operation == "add" else ():
            decay, before = _scaled(kept, depends, ("multiply",))  # a division may be the bias correction
            factor, of = _scaled(added, depends)
            is_state = before.index < old.index or before.operation in (LEAF, CONSTANT)
            is_state &= before.index not in versions  # which has a penalty
            if 0 < decay < 1 and is_state and of.index > old.index and before.value.size == n.value.size:
                divided = (m for m in nodes if m.operation == "divide" and m.inputs[0] is n)
                pairs = [(m, m.inputs[1]) for m in divided]
                numbers = [(m, float(d.value.item())) for m, d in pairs if d.value.size == 1]
                found.append(Average(n, decay, before, factor, of, numbers))
    return found


def _scaled(
    node: Node, depends: Collection[int], operations: Collection[str] = ("multiply", "divide")
) -> tuple[float, Node]:
    """What a node is a multiple of in its statement, by numbers of no parameter, with their product."""
    factor = 1.0
    execution = node.execution
    while node.operation in operations and node.execution is execution:
        a, b = node.inputs
        is_left = a.value.size == 1 and a.index not in depends and node.operation == "multiply"
        number, other = (a, b) if is_left else (b, a)
        if number.value.size > 1 or number.index in depends:
            break
        value = float(number.value.item())
        factor = factor * value if node.operation == "multiply" else factor / value
        node = other
    return factor, node
