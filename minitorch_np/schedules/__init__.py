"""Schedules of the learning rate."""

from minitorch_np.schedules.chains import ChainedScheduler, SequentialLR
from minitorch_np.schedules.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from minitorch_np.schedules.one_cycle import OneCycleLR
from minitorch_np.schedules.plateau import ReduceLROnPlateau
from minitorch_np.schedules.schedule import LRScheduler, Schedule

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
]
