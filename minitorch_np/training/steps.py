"""The steps of an epoch: forward, loss, backward, update, as one writes them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.clipping import clip_grad_norm_, clip_grad_value_
from minitorch_np.metrics import measured
from minitorch_np.training.watch import KEEP, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from minitorch_np._internal.arrays import Array
    from minitorch_np.training.interrupt import Interrupt
    from minitorch_np.training.state import TrainingState


class Steps:
    """What is done in every step, and what is known of the steps so far."""

    def __init__(
        self,
        state: TrainingState,
        *,
        accumulate: int,
        clip_norm: float | None,
        clip_value: float | None,
        by_step: bool,  # whether the schedule is stepped here
        metrics: Mapping[str, Any],
        check: Callable[[Array], None] | None,
    ) -> None:
        self.state = state
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.schedule: Any = state.schedule if by_step else None
        self.metrics, self.check = metrics, check
        self.parameters = list(state.model.parameters())
        self.watch = Watch(state)
        self.sums = state.loss.reduction == "sum"
        self.losses: list[float] = []  # of all steps
        self.predictions: list[Array] = []  # of this epoch, each from before its step
        self.targets: list[Array] = []

    def epoch(self, batches: Iterable[Any], interrupt: Interrupt) -> dict[str, float] | None:
        """Train on the batches; returns loss and metrics of the epoch, None where Ctrl-C breaks it off."""
        model, loss, optimizer, losses = self.state.model, self.state.loss, self.state.optimizer, self.losses
        accumulate, last, first = self.accumulate, len(self.state.loader), len(losses)
        self.predictions, self.targets = [], []
        so_far = 0.0  # the loss of the parts of a step
        for number, (x, y) in enumerate(batches, 1):
            y_pred = model(x)
            if self.check is not None:
                self.check(y_pred)
                self.check = None
            value = loss(y_pred, y)
            if not isfinite(value):
                self._record(first)
                raise self.watch.of_loss(float(value), x, y, losses)
            if not len(losses) % KEEP:
                self.watch.keep(len(losses))
            dy = loss.backward()
            if accumulate > 1:
                value, dy = self._share(number, len(x), value, dy)
                so_far += value
            model.backward(dy)
            if self.metrics:
                self.predictions.append(y_pred)
                self.targets.append(y)
            if number % accumulate and number < last:
                continue
            if self.clip_norm is not None:
                clip_grad_norm_(self.parameters, self.clip_norm)
            if self.clip_value is not None:
                clip_grad_value_(self.parameters, self.clip_value)
            optimizer.step()
            if self.schedule is not None:
                self.schedule.step()
            losses.append(so_far if accumulate > 1 else float(value))
            so_far = 0.0
            if interrupt.asked and number < last:
                self._record(first)
                return None
        self._record(first)
        row = {"loss": self._loss(losses[first:])}
        if self.metrics:
            row |= measured(self.metrics, np.concatenate(self.predictions), np.concatenate(self.targets))
        return row

    def check_end(self) -> None:
        """Raise where the last update, which no loss has followed, has broken the weights."""
        with np.errstate(all="ignore"):
            error = self.watch.of_parameters(self.losses)
        if error is not None:
            raise error

    def _share(self, number: int, samples: int, value: Any, dy: Array) -> tuple[float, Array]:
        """What a part of a step adds to it: of a mean over all of its samples, as many as it has of them."""
        if self.sums:
            return float(value), dy
        begin = (number - 1) // self.accumulate * self.accumulate * self.state.loader.batch_size
        share = samples / min(self.accumulate * self.state.loader.batch_size, self.state.loader.samples - begin)
        return float(value) * share, dy * share

    def _loss(self, values: list[float]) -> float:
        """The mean over the samples of an epoch, of which the last step may have fewer; or the sum."""
        if self.sums:
            return sum(values)
        size = self.state.loader.batch_size * self.accumulate
        rest = self.state.loader.samples - size * (len(values) - 1)
        return (sum(values[:-1]) * size + values[-1] * rest) / self.state.loader.samples

    def _record(self, first: int) -> None:
        self.state.history.step_losses += self.losses[first:]
