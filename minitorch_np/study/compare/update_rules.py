"""The rule by which a program updates: recognised from its steps and the true gradients."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.study.compare.judge import Verdict

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

CLOSE = 1e-5  # of the largest step
SAMPLE = 200  # elements of a parameter that an adaptive rule is tried on


class Rule(NamedTuple):
    """A rule in words, with torch's name of the optimizer, and its options."""

    name: str
    options: dict[str, float]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v:.6g}' for k, v in self.options.items())})"


class StepSeries(NamedTuple):
    """Of one parameter, from its first update on: gradients, changes and values before, flat."""

    gradients: list[Array]
    changes: list[Array]
    values: list[Array]


def steps_of(verdicts: Sequence[Verdict]) -> dict[str, StepSeries]:
    """The steps of every parameter, with the true gradients."""
    found: dict[str, StepSeries] = {}
    for v in verdicts:
        steps = found.setdefault(v.update.name, StepSeries([], [], []))
        steps.gradients.append(v.truth.reshape(-1))
        before = v.update.old.value.reshape(-1).astype(float)
        steps.changes.append(v.update.new.value.reshape(-1) - before)
        steps.values.append(before)
    return found


def rule_of(steps: Sequence[StepSeries], constants: Sequence[float]) -> Rule | None:
    """The rule that makes all steps; None if it is none of those known here."""
    for rules in (_plain, _decayed, _momentum, _nesterov, _adaptive):
        for rule in rules(steps, constants):
            return rule
    return None


def constants_of(tree: ast.AST) -> list[float]:
    """The numbers between 0 and 1 in a program: what decay rates can be."""
    found = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is float}
    return sorted(v for v in found if 0 < v < 1)


def _fit(columns: list[list[Array]], wanted: list[Array]) -> list[float] | None:
    """The coefficients with which the columns make what is wanted; None if they do not."""
    matrix = np.stack([np.concatenate(column) for column in columns], axis=1)
    target = np.concatenate(wanted)
    if not (np.isfinite(matrix).all() and np.isfinite(target).all()) or not np.any(target):
        return None
    scale = np.abs(matrix).max(axis=0)
    if not scale.all():
        return None
    solution, *_ = np.linalg.lstsq(matrix / scale, target, rcond=None)
    if np.abs(matrix / scale @ solution - target).max() > CLOSE * np.abs(target).max():
        return None
    return [float(c) for c in solution / scale]


def _plain(steps: Sequence[StepSeries], constants: Sequence[float]) -> Iterator[Rule]:
    rates = []
    for k in range(max(len(s.changes) for s in steps)):
        here = [s for s in steps if len(s.changes) > k]
        fit = _fit([[s.gradients[k] for s in here]], [s.changes[k] for s in here])
        if fit is None:
            return
        rates.append(-fit[0])
    yield Rule("SGD", {"lr": _rounded(rates[0])})


def _decayed(steps: Sequence[StepSeries], constants: Sequence[float]) -> Iterator[Rule]:
    """Weight decay, of all parameters or of those with two axes or more alone."""
    pairs = [(s, k) for s in steps for k in range(len(s.changes))]
    for chosen in (pairs, [(s, k) for s, k in pairs if _fit([[s.gradients[k]]], [s.changes[k]]) is None]):
        if not chosen:
            continue
        fit = _fit(
            [[s.gradients[k] for s, k in chosen], [s.values[k] for s, k in chosen]],
            [s.changes[k] for s, k in chosen],
        )
        if fit is not None and fit[1] < 0:
            yield Rule("SGD", {"lr": _rounded(-fit[0]), "weight_decay": _rounded(fit[1] / fit[0])})


def _momentum(steps: Sequence[StepSeries], constants: Sequence[float]) -> Iterator[Rule]:
    later = [(s, k) for s in steps for k in range(1, len(s.changes))]
    if len(later) == 0:
        return
    columns = [[s.changes[k - 1] for s, k in later], [s.gradients[k] for s, k in later]]
    fit = _fit(columns, [s.changes[k] for s, k in later])
    if fit is not None:
        yield Rule("SGD", {"lr": _rounded(-fit[1]), "momentum": _rounded(fit[0])})
        return
    before = [s.values[k] - 0 * s.changes[k - 1] for s, k in later]
    fit = _fit([*columns, before], [s.changes[k] for s, k in later])
    if fit is not None and fit[2] / fit[1] > 0:
        yield Rule(
            "SGD",
            {"lr": _rounded(-fit[1]), "momentum": _rounded(fit[0]), "weight_decay": _rounded(fit[2] / fit[1])},
        )


def _nesterov(steps: Sequence[StepSeries], constants: Sequence[float]) -> Iterator[Rule]:
    later = [(s, k) for s in steps for k in range(1, len(s.changes))]
    if len(later) == 0:
        return
    fit = _fit(
        [
            [s.changes[k - 1] for s, k in later],
            [s.gradients[k] for s, k in later],
            [s.gradients[k - 1] for s, k in later],
        ],
        [s.changes[k] for s, k in later],
    )  # fmt: skip
    if fit is not None and fit[1]:
        momentum = fit[0]
        yield Rule(
            "SGD with Nesterov's momentum",
            {"lr": _rounded(-fit[1] / (1 + momentum)), "momentum": _rounded(momentum)},
        )


def _adaptive(steps: Sequence[StepSeries], constants: Sequence[float]) -> Iterator[Rule]:
    steps = [StepSeries(*([a[:SAMPLE] for a in arrays] for arrays in s)) for s in steps]
    rates = sorted({*constants, 0.9, 0.999}, reverse=True)[:12]
    small = [c for c in constants if c <= 1e-3] or [1e-8]
    for eps, inside in product((*small, 1e-8), (False, True)):
        for second in rates:
            for first in (0.0, *rates):
                for corrected in (True, False) if first else (False,):
                    lr = _rate(steps, first, second, eps, corrected, inside)
                    if lr is not None:
                        if not first:
                            yield Rule("RMSprop", {"lr": lr, "alpha": second, "eps": eps})
                        else:
                            name = "Adam" if corrected else "Adam without bias correction"
                            yield Rule(name, {"lr": lr, "beta1": first, "beta2": second, "eps": eps})
        lr = _rate(steps, 0.0, 1.0, eps, False, inside)
        if lr is not None:
            yield Rule("Adagrad", {"lr": lr, "eps": eps})


def _rate(
    steps: Sequence[StepSeries], first: float, second: float, eps: float, corrected: bool, inside: bool
) -> float | None:
    """The learning rate with which this adaptive rule makes all steps; None if there is none."""
    lr: float | None = None
    for s in steps:
        m, v = np.zeros_like(s.gradients[0]), np.zeros_like(s.gradients[0])
        for t, g in enumerate(s.gradients, start=1):
            m = first * m + (1 - first) * g
            v = second * v + (1 - second if second < 1 else 1.0) * g * g
            m_hat, v_hat = (m / (1 - first**t), v / (1 - second**t)) if corrected else (m, v)
            made = m_hat / (np.sqrt(v_hat + eps) if inside else np.sqrt(v_hat) + eps)
            wanted = -s.changes[t - 1]
            norm = float(made @ made)
            c = float(made @ wanted) / norm if norm else 0.0
            lr = c if lr is None else lr
            if not norm or lr <= 0 or not np.abs(lr * made - wanted).max() <= CLOSE * np.abs(wanted).max():
                return None
    return None if lr is None else _rounded(lr)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
