"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.validation import whole
from minitorch_np.schedules.schedule import Schedule

if TYPE_CHECKING:
    from minitorch_np.optimizers.optimizer import Optimizer


class SequentialLR(Schedule):
    """One schedule after the other: the next begins, at its epoch 0, when a milestone is reached.

    All start from the base rate that the optimizer had before any of them was made:

        warmup = LinearLR(optimizer, total_iters=5)
        decay = CosineAnnealingLR(optimizer, T_max=95)
        schedule = SequentialLR(optimizer, [warmup, decay], milestones=[5])

    Raises ValueError for parts of another optimizer, that were stepped already, or that are no
    functions of the epoch and a base rate (OneCycleLR, ReduceLROnPlateau), and if the number of
    milestones is not one less than that of the schedules.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.SequentialLR.html
    """

    def __init__(self, optimizer: Optimizer, schedulers: Iterable[Schedule], milestones: Iterable[int]) -> None:
        self.schedulers = _parts(self._name, schedulers, optimizer)
        self.milestones = [whole(self._name, "milestones", milestone, 1) for milestone in milestones]
        if self.milestones != sorted(set(self.milestones)):
            raise ValueError(f"{self._name} expects milestones that rise, got {self.milestones}")
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"{self._name} expects a milestone between each two schedulers, "
                f"got {len(self.milestones)} for {len(self.schedulers)} schedulers"
            )
        _take(self._name, self.schedulers)
        super().__init__(optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        place = bisect_right(self.milestones, epoch)
        begin = self.milestones[place - 1] if place else 0
        return self.schedulers[place].rate(epoch - begin, lr, group)


class ChainedScheduler(Schedule):
    """All schedules at once: each takes the rate that the one before it gives, so factors multiply.

    Raises ValueError as SequentialLR does.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ChainedScheduler.html
    """

    def __init__(self, schedulers: Iterable[Schedule], optimizer: Optimizer | None = None) -> None:
        self.schedulers = _parts(self._name, schedulers, optimizer)
        _take(self._name, self.schedulers)
        super().__init__(self.schedulers[0].optimizer)

    def rate(self, epoch: int, lr: float, group: int) -> float:
        for part in self.schedulers:
            lr = part.rate(epoch, lr, group)
        return lr


def _parts(owner: str, schedulers: Any, optimizer: Optimizer | None) -> list[Schedule]:
    parts = list(schedulers)
    if not parts:
        raise ValueError(f"{owner} got no schedulers")
    for part in parts:
        if not isinstance(part, Schedule):
            raise ValueError(
                f"{owner} expects schedules that are functions of the epoch, got {type(part).__name__}"
            )
        if part.optimizer is not (optimizer or parts[0].optimizer):
            raise ValueError(f"{owner} expects schedules of one optimizer; {part!r} has another")
        if part.last_epoch or part.part_of:
            used = f"is a part of a {part.part_of}" if part.part_of else "was stepped already"
            raise ValueError(f"{owner} expects new schedules; {part!r} {used}")
    return parts


def _take(owner: str, parts: list[Schedule]) -> None:
    """Make the schedules parts of another, and give the optimizer back the rates from before them.

    Each that has changed the rate on being made found the rate that the one before it had set.
    """
    for part in reversed(parts):
        if part.last_lrs == part.base_lrs:
            continue
        if part.get_last_lr() != part.last_lrs:
            raise ValueError(
                f"{owner} expects its schedulers made in their order, right before it: "
                f"{part!r} set lr to {part.last_lrs}, now it is {part.get_last_lr()}"
            )
        for group, lr in zip(part.optimizer.param_groups, part.base_lrs, strict=True):
            group["lr"] = lr
    for part in parts:
        part.part_of = owner
