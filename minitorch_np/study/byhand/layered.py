"""The layered network's side of a comparison: losses, gradients, weights, step by step and by bits."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study.bits import equal_bits, first_difference
from minitorch_np.study.byhand.comparison import Comparison, Equal
from minitorch_np.study.byhand.matching import Match, fitted, values
from minitorch_np.study.byhand.recording import Recording
from minitorch_np.study.byhand.reference import LOSS, Reference

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LOSSES, GRADIENTS, WEIGHTS = "losses", "numbers in gradients", "numbers in weights"


class Tally:
    """Counts. `titles` are torch's names of the weights, by those of the reference."""

    def __init__(
        self, reference: Reference, recording: Recording, found: Match, titles: Mapping[str, str]
    ) -> None:
        self.reference, self.recording, self.found, self.titles = reference, recording, found, titles
        self.counts = {what: [0, 0] for what in (LOSSES, GRADIENTS, WEIGHTS)}
        self.first = ""
        self.losses: list[float] = []
        self.theirs: list[float] = []
        self.ulps: list[int] = []

    def train(self, training: Training, data: Iterable[tuple[Array, ...]]) -> None:
        """Train the network on x and y of each step that the program finished, and compare."""
        recording, found = self.recording, self.found
        gradients = {name: self.reference.gradient_of(name) for name in self.titles}
        inputs = list(data)[: recording.steps]
        for step, ours in enumerate(training.steps(inputs)):
            known, left = values(recording, step), recording.before[step + 1]
            theirs = {name: known.get(site) for name, site in found.sites.items()}
            value = np.asarray(ours.loss)
            self.losses.append(float(value))
            if (loss := theirs.get(LOSS)) is not None:
                self._add(LOSSES, f"the loss of step {step}", value, loss)
                self.theirs.append(float(loss))
                apart = first_difference(value, np.asarray(loss, value.dtype).reshape(value.shape))
                self.ulps.append(apart.ulps if apart else 0)
            for name, title in self.titles.items():
                gradient = theirs.get(gradients[name] or "")
                self._add(GRADIENTS, f"the gradient of {title} in step {step}", ours.gradients[title], gradient)
                self._add(
                    WEIGHTS, f"{title} after step {step}", ours.weights[title], left.get(found.weights[name])
                )

    def enter(self, result: Comparison) -> None:
        """Write it all into a comparison."""
        result.losses, result.handwritten_losses, result.ulps = self.losses, self.theirs, self.ulps
        result.counts = [Equal(what, *count) for what, count in self.counts.items() if count[1]]
        result.first_count = self.first
        endless = [step for step, value in enumerate(self.losses) if not np.isfinite(value)]
        if endless:
            result.remarks.append(f"the loss is not finite from step {endless[0]} on")

    def _add(self, what: str, name: str, right: Array, theirs: Array | None) -> None:
        value = None if theirs is None else fitted(theirs, right)
        if value is None:
            return
        equal = equal_bits(right, value) if right.dtype == value.dtype else 0
        self.counts[what][0] += equal
        self.counts[what][1] += right.size
        if equal < right.size:
            self.first = self.first or name


class LayeredStep(NamedTuple):
    """The loss of a step, and by torch's names the gradients and the weights after it: views, not copies."""

    loss: Any
    gradients: dict[str, Array]
    weights: dict[str, Array]


class Training(NamedTuple):
    """A network, its loss and its optimizer."""

    model: Layer
    loss: Loss
    optimizer: Optimizer

    def copied(self) -> Training:
        """Copies that belong together, without gradients that were not used."""
        made = Training(*copy.deepcopy((self.model, self.loss, self.optimizer)))
        made.model.zero_grad()
        return made

    def step(self, x: Array, y: Array) -> Any:
        """One step of training; returns the loss."""
        value = self.loss(self.model(x), y)
        self.model.backward(self.loss.backward())
        self.optimizer.step()
        return value

    def steps(self, data: Iterable[tuple[Array, ...]]) -> Iterator[LayeredStep]:
        """Train, a step for each x and y."""
        parameters = dict(self.model.named_parameters())
        with np.errstate(all="ignore"):
            for x, y in data:
                value = self.step(x, y)
                gradients = {name: parameter.grad for name, parameter in parameters.items()}
                yield LayeredStep(
                    value, gradients, {name: parameter.data for name, parameter in parameters.items()}
                )

    def load(self, weights: Mapping[str, Array]) -> None:
        """Take over weights, and their precision."""
        dtypes = {a.dtype for a in weights.values()}
        dtype = next(iter(dtypes))
        if len(dtypes) > 1 or dtype not in (np.float64, np.float32):
            raise ValueError(
                "the weights should all be float64 or all float32, got "
                + ", ".join(f"{name} {a.dtype}" for name, a in weights.items())
            )
        self.model.astype(dtype)
        for name, parameter in self.model.named_parameters():
            parameter.data = weights[name]

    def __repr__(self) -> str:
        name, options = type(self.optimizer).__name__, self.optimizer.defaults
        usual = inspect.signature(type(self.optimizer)).parameters
        said = [f"{n}={v!r}" for n, v in options.items() if n == "lr" or (n in usual and v != usual[n].default)]
        return f"{self.model!r}, {self.loss!r}, {name}({', '.join(said)})"


class Stopwatch:
    """Times steps of a training; called in turn with the steps of another program."""

    def __init__(self, training: Training, x: Array, y: Array) -> None:
        self.training, self.x, self.y = training, x, y
        self.times: list[float] = []

    def __call__(self) -> None:
        start = perf_counter()
        self.training.step(self.x, self.y)
        self.times.append(perf_counter() - start)
