"""A learning rate that falls when a metric stops improving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minitorch_np._internal.best import improves
from minitorch_np._internal.validation import choice, number, whole
from minitorch_np.schedules.schedule import LRScheduler

if TYPE_CHECKING:
    from minitorch_np.optimizers.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """lr ← max(lr · factor, min_lr) when a metric has not improved for more than `patience` epochs.

    `mode` says whether smaller ("min") or larger ("max") is better. An improvement goes beyond the
    best so far by `threshold`, as a part of the best ("rel") or as it is ("abs"). For `cooldown`
    epochs after a reduction none are counted. A reduction by `eps` or less is not made. `min_lr` may
    be a list with a value for each group. NaN does not count as an improvement, as in torch.

    `step(metrics)` takes the epoch's metric; it is required.

    Raises ValueError for options that make no sense, TypeError for a metric that is not a number.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html
    """

    saved_names = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(optimizer)
        self.mode = choice(self._name, "mode", mode, "min", "max")
        self.factor = number(self._name, "factor", factor)
        if self.factor >= 1:
            raise ValueError(f"{self._name} expects factor to be below 1, got {factor!r}")
        self.patience = whole(self._name, "patience", patience)
        self.threshold = number(self._name, "threshold", threshold)
        self.threshold_mode = choice(self._name, "threshold_mode", threshold_mode, "rel", "abs")
        self.cooldown = whole(self._name, "cooldown", cooldown)
        self.min_lr = min_lr
        self.eps = number(self._name, "eps", eps)
        self._floors = self._per_group("min_lr", min_lr, number)
        self.best: float | None = None
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def _take(self, groups: list[dict[str, Any]]) -> None:
        self._number_of_groups += len(groups)
        self._floors += [self._floors[-1]] * len(groups)

    def step(self, metrics: Any) -> None:
        """Take an epoch's metric, and lower the learning rates if it is time."""
        groups = self._groups()
        try:
            metric = float(metrics)
        except (TypeError, ValueError):
            raise TypeError(f"{self._name}.step expects a number, got {metrics!r}") from None
        self.last_epoch += 1
        if improves(metric, self.best, self.mode, self.threshold, self.threshold_mode == "rel"):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, floor in zip(groups, self._floors, strict=True):
                lr = max(group["lr"] * self.factor, floor)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
