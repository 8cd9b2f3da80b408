"""The steps of an epoch: forward, loss, backward, update, and the watch over NaN and Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import number
from minitorch_np.clipping import clip_grad_norm_, clip_grad_value_
from minitorch_np.data.datasets import WeightedSamples
from minitorch_np.metrics import Measurement
from minitorch_np.training.non_finite import NotFiniteError, broken_parameters, broken_pass
from minitorch_np.training.weights import WeightedLoss

if TYPE_CHECKING:
    from collections.abc import Callable

    from minitorch_np._internal.arrays import Array
    from minitorch_np.training.callbacks import TrainingState

SNAPSHOT_EVERY = 100  # steps; a snapshot takes less time than a step


class Steps:
    """The steps of `fit`, and the losses of those so far."""

    def __init__(
        self,
        state: TrainingState,
        *,
        clip_norm: float | None,
        clip_value: float | None,
        by_step: bool,  # whether the schedule is stepped here
        metrics: Mapping[str, Any],
        check: Callable[[Array], None] | None,
        compiled: Any = None,  # a CompiledStep of the same model, loss and optimizer
    ) -> None:
        self.state = state
        weighted = type(state.loader.dataset) is WeightedSamples  # batches of x, y and weights
        self.ranks = state.ranks
        several = self.ranks.size > 1
        weighs = weighted and not several  # of several, the shared loss does it
        self.loss: Any = WeightedLoss(state.loss) if weighs else self.ranks.share(state.loss)
        self.accumulate = state.accumulate
        self.clip_norm = None if clip_norm is None else number("fit", "clip_norm", clip_norm)
        self.clip_value = None if clip_value is None else number("fit", "clip_value", clip_value)
        self.schedule: Any = state.schedule if by_step else None
        self.metrics, self.check = metrics, check
        self.compiled = None if weighted or state.accumulate > 1 or several else compiled
        self.parameters = self.ranks.learned(state.model, state.optimizer)
        self.watchdog = Watchdog(state)
        self.sums = state.loss.reduction == "sum"
        self.losses: list[float] = []  # of all steps
        self.speed = 0.0  # steps a second, in the last epoch

    def epoch(self, batches: Iterable[Any], interrupt: Interrupt) -> dict[str, float] | None:
        """Train on the batches; return loss and metrics of the epoch, None if Ctrl-C breaks it off."""
        model, loss, optimizer, losses = self.state.model, self.loss, self.state.optimizer, self.losses
        accumulate, last, first = self.accumulate, len(self.state.loader), len(losses)
        measurement, begin = Measurement(self.metrics), perf_counter()
        so_far = 0.0  # the loss of the parts of a step
        for count, (x, *targets) in enumerate(batches, 1):
            if self.compiled is not None and self.check is None:
                self._compiled_step(x, targets, losses, measurement, first)
                if interrupt.asked and count < last:
                    self._record(first)
                    return None
                continue
            y_pred = self._predicted(x)
            value = loss(y_pred, *targets)
            if not isfinite(value):
                self._record(first)
                raise self.watchdog.loss_error(float(value), x, targets[0], losses)
            if not len(losses) % SNAPSHOT_EVERY:
                self.watchdog.take_snapshot(len(losses))
            dy = loss.backward()
            if accumulate > 1:
                value, dy = self._share(count, value, dy)
                so_far += value
            model.backward(dy)
            if self.metrics:
                self._measure(measurement, y_pred, targets[0])
            if count % accumulate and count < last:
                continue
            self._update(optimizer.step)
            losses.append(so_far if accumulate > 1 else float(value))
            so_far = 0.0
            if interrupt.asked and count < last:
                self._record(first)
                return None
        self._record(first)
        self.speed = (len(losses) - first) / (perf_counter() - begin)
        row = {"loss": self._loss(losses[first:])}
        return row | ({} if self.state.rank else measurement.values())

    def _measure(self, measurement: Measurement, y_pred: Any, y: Any) -> None:
        y_pred, y = self.ranks.rows(y_pred), self.ranks.rows(y)
        if not self.state.rank:
            measurement.add(y_pred, y)

    def _predicted(self, x: Any) -> Any:
        y_pred = self.state.model(x)
        if self.check is not None:
            self.check(y_pred)
            self.check = None
        return y_pred

    def _update(self, step: Callable[[], None]) -> None:
        """Add up the gradients of all ranks, clip them, make the optimizer's step, and the schedule's."""
        self.ranks.add_gradients(self.state.optimizer)
        if self.clip_norm is not None:
            clip_grad_norm_(self.parameters, self.clip_norm)
        if self.clip_value is not None:
            clip_grad_value_(self.parameters, self.clip_value)
        step()
        if self.schedule is not None:
            self.schedule.step()

    def _compiled_step(
        self, x: Any, targets: list[Any], losses: list[float], measurement: Measurement, first: int
    ) -> None:
        """What an iteration of `epoch` does, with a compiled step."""

        def check(value: Any) -> None:
            if not isfinite(value):
                self.state.model.zero_grad()  # the loop over layers ends before it makes any
                self._record(first)
                raise self.watchdog.loss_error(float(value), x, targets[0], losses)
            if not len(losses) % SNAPSHOT_EVERY:
                self.watchdog.take_snapshot(len(losses))
            if self.metrics:
                measurement.add(compiled.prediction, targets[0])

        compiled: Any = self.compiled
        if self.clip_norm is None and self.clip_value is None:
            value = compiled(x, *targets, check=check)
            if self.schedule is not None:
                self.schedule.step()
        else:
            value = compiled.gradients(x, *targets)
            check(value)
            self._update(compiled.update)
        losses.append(float(value))

    def check_end(self) -> None:
        """Raise if the last update, which no loss has followed, has broken the weights."""
        with np.errstate(all="ignore"):
            error = self.watchdog.parameter_error(self.losses)
        if error is not None:
            raise error

    def _share(self, count: int, value: Any, dy: Array) -> tuple[float, Array]:
        """Return what a part of a step adds to it: of a mean over all of its samples, its share of them."""
        if self.sums:
            return float(value), dy
        size, samples = self.state.loader.batch_size, self.state.loader.samples
        begin = (count - 1) // self.accumulate * self.accumulate * size
        share = min(size, samples - (count - 1) * size) / min(self.accumulate * size, samples - begin)
        return float(value) * share, dy * share

    def _loss(self, values: list[float]) -> float:
        """Return the mean over the samples of an epoch, of which the last step may have fewer; or the sum."""
        if self.sums:
            return sum(values)
        size = self.state.loader.batch_size * self.accumulate
        rest = self.state.loader.samples - size * (len(values) - 1)
        return (sum(values[:-1]) * size + values[-1] * rest) / self.state.loader.samples

    def _record(self, first: int) -> None:
        self.state.history.step_losses += self.losses[first:]


class Watchdog:
    """A snapshot of weights with which the loss was finite, and the error when it no longer is."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self._snapshot: dict[str, Array] = {}  # parameters and buffers
        self._steps = 0  # before it

    def take_snapshot(self, steps: int) -> None:
        """Take one after so many steps: the loss was finite, and the next step changes the weights."""
        model = self.state.model
        if not self._snapshot:
            self._snapshot, self._parameters = model.state_dict(), list(model.named_parameters())
        else:  # nothing the size of a parameter is allocated
            for name, parameter in self._parameters:
                np.copyto(self._snapshot[name], parameter.data)
            for name, buffer in model.named_buffers():
                np.copyto(self._snapshot[name], buffer)
        self._steps = steps

    def loss_error(self, value: float, x: Any, y: Any, losses: Sequence[float]) -> NotFiniteError:
        """Return the error for the loss of a batch, after those of the steps before in this run of `fit`."""
        with np.errstate(all="ignore"):
            began = broken_parameters(self.state.model, losses)
            began = began or broken_pass(self.state.model, self.state.loss, x, y, losses)
            began = self.state.ranks.report(began)
        before = f", after {', '.join(f'{v:.4g}' for v in losses[-3:])}" if len(losses) else ""
        return self._error(f"the loss is {value} in step {len(losses) + 1}{before}", began)

    def parameter_error(self, losses: Sequence[float]) -> NotFiniteError | None:
        """Return the error for parameters that the last update has made NaN or infinite, if it has."""
        began = broken_parameters(self.state.model, losses)
        if began is None:
            return None
        return self._error(f"the last step, {len(losses)}, has broken the weights", began)

    def _error(self, what: str, began: str) -> NotFiniteError:
        if not self._snapshot:
            now = "the weights are those it started with"
        else:
            self.state.model.load_state_dict(self._snapshot)
            now = f"the model has the weights from before step {self._steps + 1} again; make a new optimizer"
        self.state.history.stopped = what
        return NotFiniteError(
            f"{what}, epoch {self.state.epoch + 1} of {self.state.epochs}\n  it began here: {began}\n  {now}",
            self.state.history,
        )


class Interrupt:
    """Whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Note the first Ctrl-C, so that the running step is done; a second one is KeyboardInterrupt as always.

    If something else handles Ctrl-C already, and in another thread than the main one, which gets no
    signals, nothing is changed.
    """
    import signal
    from threading import current_thread, main_thread

    interrupt = Interrupt()
    usual = signal.default_int_handler
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield interrupt
        return

    def note(number: int, frame: Any) -> None:
        if interrupt.asked:
            usual(number, frame)
        interrupt.asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, usual)
