"""Schedules that begin with a smaller learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minitorch_np._internal.validation import fraction, whole
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
