"""The 1cycle policy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.validation import above_zero, choice, flag, fraction, whole
from minitorch_np.schedules.schedule import LRScheduler

if TYPE_CHECKING:
    from minitorch_np.optimizers.optimizer import Optimizer


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, then down to max_lr / (div_factor · final_div_factor).

    It is stepped after every batch, `total_steps` (or epochs · steps_per_epoch) times; up takes the
    part `pct_start` of them. `three_phase` comes down to its start as fast as it went up
    before it goes further down. Each phase follows half a cosine, or, with `anneal_strategy="linear"`,
    a straight line. With `cycle_momentum`, `momentum` (of Adam and its kin: β₁) goes the other way
    round, from `max_momentum` down to `base_momentum` and up again. Rates and momenta may be lists
    with a value for each group.

    The optimizer's own lr does not matter. The call after the last batch leaves the rates as they
    are, while torch goes on beyond the end; one more raises RuntimeError.

    Raises ValueError for options that make no sense, and for cycle_momentum with an optimizer that
    has no momentum.
    Source: Smith & Topin 2017, https://arxiv.org/abs/1708.07120;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        super().__init__(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(f"{self._name} expects total_steps, or epochs and steps_per_epoch")
            epochs = whole(self._name, "epochs", epochs, 1)
            total_steps = epochs * whole(self._name, "steps_per_epoch", steps_per_epoch, 1)
        self.total_steps = whole(self._name, "total_steps", total_steps, 1)
        self.max_lr = max_lr
        self.pct_start = fraction(self._name, "pct_start", pct_start)
        self.anneal_strategy = choice(self._name, "anneal_strategy", anneal_strategy, "cos", "linear")
        self.cycle_momentum = flag(self._name, "cycle_momentum", cycle_momentum)
        if self.cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                f"{self._name} expects an optimizer with momentum or betas, got {type(optimizer).__name__}: "
                f"pass cycle_momentum=False"
            )
        self.base_momentum = base_momentum
        self.max_momentum = max_momentum
        self.div_factor = above_zero(self._name, "div_factor", div_factor)
        self.final_div_factor = above_zero(self._name, "final_div_factor", final_div_factor)
        self.three_phase = flag(self._name, "three_phase", three_phase)
        self._tops = self._per_group("max_lr", max_lr, above_zero)
        self._lows = self._per_group("base_momentum", base_momentum, fraction)
        self._highs = self._per_group("max_momentum", max_momentum, fraction)
        self._set(0)

    def step(self) -> None:
        """Go on to the next batch."""
        if self.last_epoch >= self.total_steps:
            raise RuntimeError(f"{self._name} was made for {self.total_steps} steps, this is one more")
        self._set(self.last_epoch + 1)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._set(self.last_epoch)

    def _set(self, step: int) -> None:
        phase, done = self._phase(step)
        for group, top, low, high in zip(self._groups(), self._tops, self._lows, self._highs, strict=True):
            start = top / self.div_factor
            middle = (start,) if self.three_phase else ()
            rates = (start, top, *middle, start / self.final_div_factor)
            group["lr"] = self._between(rates[phase], rates[phase + 1], done)
            if self.cycle_momentum:
                momenta = (high, low, high, high)
                momentum = self._between(momenta[phase], momenta[phase + 1], done)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        self.last_epoch = step

    def _phase(self, step: int) -> tuple[int, float]:
        """The phase that a step lies in, and how much of it is done, from 0 to 1."""
        ends = [self.pct_start * self.total_steps - 1, self.total_steps - 1]
        if self.three_phase:
            ends.insert(1, 2 * self.pct_start * self.total_steps - 2)
        starts = [0, *ends]
        phase = next((i for i, end in enumerate(ends[:-1]) if step <= end), len(ends) - 1)
        length = ends[phase] - starts[phase]
        return phase, min((step - starts[phase]) / length, 1.0) if length else 1.0

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
        return start + (end - start) * done
