"""One line or more for every public schedule; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minitorch_np as mt

SCHEDULES: dict[str, Callable[[Any], mt.LRScheduler]] = {
    "StepLR": lambda o: mt.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda o: mt.MultiStepLR(o, [2, 5], gamma=0.5),
    "ExponentialLR": lambda o: mt.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: mt.CosineAnnealingLR(o, 6, eta_min=0.01),
    "LambdaLR": lambda o: mt.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "ConstantLR": lambda o: mt.ConstantLR(o, total_iters=4),
    "LinearLR": lambda o: mt.LinearLR(o, start_factor=0.1),
    "OneCycleLR": lambda o: mt.OneCycleLR(o, 0.1, total_steps=20),
    "OneCycleLR three_phase": lambda o: mt.OneCycleLR(o, 0.1, epochs=4, steps_per_epoch=5, three_phase=True),
    "ReduceLROnPlateau": lambda o: mt.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1),
    "SequentialLR": lambda o: mt.SequentialLR(o, [mt.LinearLR(o), mt.ExponentialLR(o, 0.9)], [5]),
    "ChainedScheduler": lambda o: mt.ChainedScheduler([mt.LinearLR(o), mt.ExponentialLR(o, 0.9)]),
    "nested": lambda o: mt.SequentialLR(
        o, [mt.ChainedScheduler([mt.LinearLR(o), mt.StepLR(o, 2)]), mt.CosineAnnealingLR(o, 9)], [6]
    ),
}
