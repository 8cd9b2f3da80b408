"""The layered network's side of a comparison: its losses, gradients and weights, step by step."""

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

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Step(NamedTuple):
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

    def steps(self, data: Iterable[tuple[Array, ...]]) -> Iterator[Step]:
        """Train, a step for each x and y."""
        parameters = dict(self.model.named_parameters())
        with np.errstate(all="ignore"):
            for x, y in data:
                value = self.step(x, y)
                gradients = {name: parameter.grad for name, parameter in parameters.items()}
                yield Step(value, gradients, {name: parameter.data for name, parameter in parameters.items()})

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
