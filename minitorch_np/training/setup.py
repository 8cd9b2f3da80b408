"""Whether model, loss, optimizer, schedule and data fit together, asked before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minitorch_np._internal.validation import choice, number, whole
from minitorch_np.layer import Layer
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.schedules.one_cycle import OneCycleLR
from minitorch_np.schedules.plateau import ReduceLROnPlateau
from minitorch_np.schedules.schedule import LRScheduler
from minitorch_np.training.evaluation import check_loss

if TYPE_CHECKING:
    from minitorch_np.training.history import History


def check_parts(model: Any, loss: Any, optimizer: Any, schedule: Any) -> None:
    """Raise TypeError or ValueError for what is not what it should be, or belongs to something else."""
    if not isinstance(model, Layer):
        raise TypeError(f"fit expects a layer or a network, got {model!r}")
    check_loss("fit", loss)
    if not isinstance(optimizer, Optimizer):
        fix = f": write {optimizer.__name__}(model.parameters())" if isinstance(optimizer, type) else ""
        raise TypeError(f"fit expects an optimizer, got {optimizer!r}{fix}")
    own = {id(parameter) for parameter in model.parameters()}
    if not own & {id(p) for group in optimizer.param_groups for p in group["params"]}:
        raise ValueError(
            f"the optimizer has none of the model's parameters: make it of this model, "
            f"{type(optimizer).__name__}(model.parameters())"
        )
    if schedule is not None:
        if not isinstance(schedule, LRScheduler):
            raise TypeError(f"fit expects a schedule such as StepLR(optimizer, ...), got {schedule!r}")
        if schedule.optimizer is not optimizer:
            raise ValueError(f"{schedule!r} was made of another optimizer than the one that is given")


def check_epochs(start: Any, epochs: Any, history: History) -> None:
    """Raise ValueError where there is nothing to do, or the history is of another time."""
    whole("fit", "epochs", epochs, 1)
    if whole("fit", "start_epoch", start) >= epochs:
        raise ValueError(
            f"fit expects start_epoch, {start}, to be below epochs, {epochs}: epochs is where training ends, "
            "counted from the first of all"
        )
    if history.epochs not in (0, start):
        raise ValueError(
            f"the history has {history.epochs} epochs and training starts at {start}: pass "
            f"start_epoch={history.epochs} to go on, or no history to begin a new one"
        )


def schedule_unit(schedule: LRScheduler | None, every: str | None, per_epoch: int, epochs: int) -> str:
    """When the schedule is stepped, "step" or "epoch", in so many epochs to come."""
    if every is not None:
        choice("fit", "schedule_every", every, "step", "epoch")
    if isinstance(schedule, ReduceLROnPlateau) and every == "step":
        raise ValueError("ReduceLROnPlateau takes the loss of an epoch: it cannot be stepped with every batch")
    every = every or ("step" if isinstance(schedule, OneCycleLR) else "epoch")
    if isinstance(schedule, OneCycleLR):
        left = schedule.total_steps - schedule.last_epoch
        needed = epochs * (per_epoch if every == "step" else 1)
        if left < needed:
            raise ValueError(
                f"OneCycleLR has {left} steps left, and this training takes {needed}, {per_epoch} an epoch: "
                f"OneCycleLR(optimizer, max_lr, total_steps={needed})"
            )
    return every


def limit(name: str, value: Any) -> float | None:
    """What gradients are clipped to; None does not clip."""
    return None if value is None else number("fit", name, value)
