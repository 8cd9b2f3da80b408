"""Schedules in closed form: warm-up and decay of the learning rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.validation import fraction, number, whole
from minitorch_np.schedules.schedule import Schedule

if TYPE_CHECKING:
    from minitorch_np.optimizers.optimizer import Optimizer


class ConstantLR(Schedule):
    """lr · `factor` in the first `total_iters` epochs, lr after them.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.factor = fraction(self._name, "factor", factor)
        self.total_iters = whole(self._name, "total_iters", total_iters, 1)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        return lr * self.factor if epoch < self.total_iters else lr


class LinearLR(Schedule):
    """lr times a factor that goes from `start_factor` at epoch 0 to `end_factor` at `total_iters`, evenly.

    Unlike torch's, `start_factor` may be 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor = fraction(self._name, "start_factor", start_factor)
        self.end_factor = fraction(self._name, "end_factor", end_factor)
        self.total_iters = whole(self._name, "total_iters", total_iters, 1)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        done = min(epoch, self.total_iters) / self.total_iters
        return lr * (self.start_factor + (self.end_factor - self.start_factor) * done)


class StepLR(Schedule):
    """lr · γ^⌊epoch / step_size⌋: by γ every `step_size` epochs.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = whole(self._name, "step_size", step_size, 1)
        self.gamma = number(self._name, "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        return lr * self.gamma ** (epoch // self.step_size)


class MultiStepLR(Schedule):
    """lr · γⁿ, n being the number of `milestones` that the epoch has reached; one may count twice.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiStepLR.html
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(whole(self._name, "milestones", milestone) for milestone in milestones)
        self.gamma = number(self._name, "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        return lr * self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(Schedule):
    """lr · γ^epoch.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = number(self._name, "gamma", gamma)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        return lr * self.gamma**epoch


class CosineAnnealingLR(Schedule):
    """η + (lr − η) · (1 + cos(π epoch / T_max)) / 2: from lr at epoch 0 to η = `eta_min` at `T_max`.

    After that it rises again, to lr at 2 T_max, as in torch. In a ChainedScheduler it takes what
    the schedules before it give for lr; torch's numbers are the same there for η = 0, up to T_max.

    Source: Loshchilov & Hutter 2016, https://arxiv.org/abs/1608.03983 (without its restarts);
        https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = whole(self._name, "T_max", T_max, 1)
        self.eta_min = number(self._name, "eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        return self.eta_min + (lr - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class LambdaLR(Schedule):
    """lr · f(epoch), with a function of your own, or a list with one for each group.

    The state holds the epoch and the rates, not the functions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]]
    ) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        return lr * self._per_group("lr_lambda", self.lr_lambda, _function)[group](epoch)


def _function(owner: str, name: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(f"{owner} expects {name} to be a function of the epoch, got {value!r}")
    return value
