"""The contract of a schedule: an optimizer's learning rates, an epoch, a state to save."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.reprs import call_text
from minitorch_np._internal.validation import is_number, plain

if TYPE_CHECKING:
    from minitorch_np.optimizers.optimizer import Optimizer


class LRScheduler:
    """Base of all that sets the `lr` of an optimizer's groups.

    `step()` comes after the epoch's last `optimizer.step()`; called before the first one it silently skips
    the first rate. `last_epoch` counts its calls. A run is resumed by making
    optimizer and schedule anew and loading both states.
    """

    saved_names: tuple[str, ...] = (
        "last_epoch",
    )  # the attributes in `state_dict`: numbers, and lists of them by group

    def __init__(self, optimizer: Optimizer) -> None:
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"{self._name} expects an optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0
        self._number_of_groups = len(optimizer.param_groups)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self._groups()]

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on, as plain numbers (JSON can hold them)."""
        values = {name: getattr(self, name) for name in self.saved_names}
        return {name: list(value) if isinstance(value, list) else value for name, value in values.items()} | {
            "lr": self.get_last_lr()
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue as the schedule that gave this state; its learning rates go to the optimizer."""
        groups, expected = self._groups(), self.state_dict()
        if not isinstance(state_dict, Mapping) or set(state_dict) != set(expected):
            got = sorted(state_dict) if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise ValueError(f"{self._name} expects a state with {sorted(expected)}, got {got}")
        for name, now in expected.items():
            value = state_dict[name]
            if isinstance(now, list):
                fine = isinstance(value, list) and len(value) == len(now) and all(map(is_number, value))
            elif isinstance(now, int):
                fine = isinstance(value, int)
            else:  # the best metric, None before the first
                fine = value is None or is_number(value) or value in (math.inf, -math.inf)
            if not fine:
                raise ValueError(f"{self._name} expects {name} like {now!r}, got {value!r}")
        for name in self.saved_names:
            value = state_dict[name]
            setattr(self, name, list(value) if isinstance(value, list) else value)
        for group, lr in zip(groups, state_dict["lr"], strict=True):
            group["lr"] = lr

    def _groups(self) -> list[dict[str, Any]]:
        groups = self.optimizer.param_groups
        if len(groups) > self._number_of_groups:
            self._take(groups[self._number_of_groups :])
        if len(groups) != self._number_of_groups:
            raise RuntimeError(
                f"{self._name} was made for {self._number_of_groups} groups of parameters, the optimizer "
                f"has {len(groups)}: call add_param_group before making the schedule"
            )
        return groups

    def _take(self, groups: list[dict[str, Any]]) -> None:
        """Take groups that were added since, if it can be said what becomes of their learning rates."""

    def _per_group(self, name: str, value: Any, check: Callable[[str, str, Any], Any]) -> list[Any]:
        """An option that is one value for all groups, or a list with one for each."""
        values = value if isinstance(value, list | tuple) else [value] * self._number_of_groups
        if len(values) != self._number_of_groups:
            raise ValueError(
                f"{self._name} expects {name} for {self._number_of_groups} groups, got {len(values)} values"
            )
        return [check(self._name, name, one) for one in values]

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return call_text(self).replace(repr(self.optimizer), "optimizer", 1)


class Schedule(LRScheduler, ABC):
    """A learning rate that is a function of the epoch.

    A subclass stores its options, calls `super().__init__(optimizer)` and writes `rate`. The rate is
    computed afresh from the base rate each time, so that rounding does not add up as it does in
    torch, which multiplies from epoch to epoch.

    If something else has changed a group's `lr` since the last step (a hand, another schedule),
    its factor is kept: the base rate is scaled by it. A group that is added to the optimizer later goes
    on from its `lr` as the first one does from its own.
    """

    saved_names = ("last_epoch", "base_lrs", "last_lrs")

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        self.base_lrs = self.get_last_lr()
        self.part_of: str | None = None
        self._set()

    @abstractmethod
    def rate(self, epoch: int, lr: float, group: int) -> float:
        """The learning rate in an epoch, counted from 0; `lr` is the base rate of the group."""

    def step(self) -> None:
        """Go on to the next epoch."""
        if self.part_of:
            raise RuntimeError(f"this {self._name} is a part of a {self.part_of}: call step() of that")
        for i, (now, before) in enumerate(zip(self.get_last_lr(), self.last_lrs, strict=True)):
            if now != before:
                self.base_lrs[i] *= now / before if before else 1
        self.last_epoch += 1
        self._set()

    def _take(self, groups: list[dict[str, Any]]) -> None:
        self._number_of_groups += len(groups)
        base, last = self.base_lrs[0], self.last_lrs[0]
        for group in groups:
            self.base_lrs.append(group["lr"] * base / last if last else group["lr"])
            self.last_lrs.append(group["lr"])

    def _set(self) -> None:
        self.last_lrs = [plain(self.rate(self.last_epoch, lr, i)) for i, lr in enumerate(self.base_lrs)]
        for group, lr in zip(self._groups(), self.last_lrs, strict=True):
            group["lr"] = lr
