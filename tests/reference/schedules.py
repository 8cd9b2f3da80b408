"""The learning rates and momenta of 100 epochs under every option of every schedule, and of chains of them.

A case is a schedule's name and its options, or the name of a chain and its parts; "apart" are schedules
that nothing joins, each stepped by itself. The optimizer has two groups with two rates.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minitorch_np as mt

EPOCHS = 100
WARMUP = ("LinearLR", {"start_factor": 0.1, "total_iters": 10})

CASES: dict[str, Any] = {
    "StepLR": ("StepLR", {"step_size": 30}),
    "StepLR gamma": ("StepLR", {"step_size": 7, "gamma": 0.5}),
    "MultiStepLR": ("MultiStepLR", {"milestones": [30, 80]}),
    "MultiStepLR gamma": ("MultiStepLR", {"milestones": [50, 20, 20, 70], "gamma": 0.5}),
    "ExponentialLR": ("ExponentialLR", {"gamma": 0.95}),
    "CosineAnnealingLR": ("CosineAnnealingLR", {"T_max": 100}),
    "CosineAnnealingLR eta_min": ("CosineAnnealingLR", {"T_max": 100, "eta_min": 0.01}),
    "CosineAnnealingLR beyond": ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.01}),
    "LambdaLR": ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    "LambdaLR list": ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1 + epoch]}),
    "ConstantLR": ("ConstantLR", {}),
    "ConstantLR options": ("ConstantLR", {"factor": 0.5, "total_iters": 40}),
    "LinearLR": ("LinearLR", {}),
    "LinearLR options": ("LinearLR", {"start_factor": 0.9, "end_factor": 0.2, "total_iters": 50}),
    "OneCycleLR": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100}),
    "OneCycleLR epochs": ("OneCycleLR", {"max_lr": 0.1, "epochs": 11, "steps_per_epoch": 10}),
    "OneCycleLR linear": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100, "anneal_strategy": "linear"}),
    "OneCycleLR pct_start": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100, "pct_start": 0.0}),
    "OneCycleLR steep": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 101, "pct_start": 0.015}),
    "OneCycleLR up only": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 101, "pct_start": 1.0}),
    "OneCycleLR momentum": (
        "OneCycleLR",
        {"max_lr": [0.1, 0.2], "total_steps": 100, "base_momentum": 0.5, "max_momentum": [0.9, 0.8]},
    ),
    "OneCycleLR no momentum": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100, "cycle_momentum": False}),
    "OneCycleLR factors": (
        "OneCycleLR",
        {"max_lr": 0.1, "total_steps": 100, "div_factor": 10, "final_div_factor": 100},
    ),
    "OneCycleLR three_phase": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100, "three_phase": True}),
    "OneCycleLR three_phase linear": (
        "OneCycleLR",
        {
            "max_lr": 0.1,
            "total_steps": 100,
            "three_phase": True,
            "anneal_strategy": "linear",
            "pct_start": 0.45,
        },
    ),
    "OneCycleLR Adam": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 100}),
    "ReduceLROnPlateau": ("ReduceLROnPlateau", {}),
    "ReduceLROnPlateau max": ("ReduceLROnPlateau", {"mode": "max", "patience": 3}),
    "ReduceLROnPlateau factor": ("ReduceLROnPlateau", {"factor": 0.5, "patience": 0}),
    "ReduceLROnPlateau threshold": ("ReduceLROnPlateau", {"threshold": 0.1, "patience": 2, "factor": 0.7}),
    "ReduceLROnPlateau abs": (
        "ReduceLROnPlateau",
        {"threshold": 0.2, "threshold_mode": "abs", "patience": 2, "factor": 0.7},
    ),
    "ReduceLROnPlateau max abs": (
        "ReduceLROnPlateau",
        {"mode": "max", "threshold": 0.2, "threshold_mode": "abs", "patience": 5, "factor": 0.7},
    ),
    "ReduceLROnPlateau cooldown": ("ReduceLROnPlateau", {"cooldown": 6, "patience": 1, "factor": 0.6}),
    "ReduceLROnPlateau min_lr": ("ReduceLROnPlateau", {"min_lr": [0.03, 0.001], "patience": 1}),
    "ReduceLROnPlateau eps": ("ReduceLROnPlateau", {"eps": 0.01, "patience": 1, "factor": 0.5}),
    "SequentialLR": ("SequentialLR", [WARMUP, ("CosineAnnealingLR", {"T_max": 90})], [10]),
    "SequentialLR three": (
        "SequentialLR",
        [WARMUP, ("ExponentialLR", {"gamma": 0.9}), ("StepLR", {"step_size": 10})],
        [10, 50],
    ),
    "SequentialLR other order": ("SequentialLR", [("ExponentialLR", {"gamma": 0.9}), WARMUP], [50]),
    "ChainedScheduler": ("ChainedScheduler", [WARMUP, ("ExponentialLR", {"gamma": 0.9})]),
    "ChainedScheduler three": (
        "ChainedScheduler",
        [WARMUP, ("MultiStepLR", {"milestones": [20, 60]}), ("CosineAnnealingLR", {"T_max": 120})],
    ),
    "ChainedScheduler constant": (
        "ChainedScheduler",
        [("ConstantLR", {"factor": 0.1, "total_iters": 20}), ("ExponentialLR", {"gamma": 0.9})],
    ),
    "apart": ("apart", [WARMUP, ("ExponentialLR", {"gamma": 0.9})]),
    "apart plateau": ("apart", [WARMUP, ("ReduceLROnPlateau", {"patience": 3, "factor": 0.5})]),
}


def metric(epoch: int) -> float:
    """Falls, with bumps; NaN at times."""
    return math.nan if epoch % 23 == 22 else 3 * 0.9 ** min(epoch, 40) + 0.3 * math.sin(epoch)


def build(source: Any, optimizer: Any, case: Any) -> list[Any]:
    """The schedules that are to be stepped."""
    name, given, *more = case
    if isinstance(given, dict):
        return [getattr(source, name)(optimizer, **given)]
    parts = [schedule for part in given for schedule in build(source, optimizer, part)]
    if name == "apart":
        return parts
    chain = getattr(source, name)
    return [chain(optimizer, parts, *more) if name == "SequentialLR" else chain(parts)]


def run(source: Any, optimizer: Any, case: Any) -> dict[str, Any]:
    schedules = build(source, optimizer, case)
    found = []
    for epoch in range(EPOCHS):
        groups = optimizer.param_groups
        found.append([[g["lr"], g["betas"][0] if "betas" in g else g["momentum"]] for g in groups])
        for schedule in schedules:
            optimizer._opt_called = True  # else torch warns that no step was made
            schedule.step(*([metric(epoch)] if type(schedule).__name__ == "ReduceLROnPlateau" else []))
    return {"lr": np.array(found)[..., 0], "momentum": np.array(found)[..., 1]}


def optimizer_of(source: Any, parameters: list[Any], case: Any) -> Any:
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.05}]
    if case is CASES["OneCycleLR Adam"]:
        return source.Adam(groups, lr=0.1)
    return source.SGD(groups, lr=0.1, momentum=0.9)


def run_torch(case: Any, dtype: str) -> dict[str, Any]:
    import torch

    parameters = [torch.nn.Parameter(torch.zeros(2, dtype=getattr(torch, dtype))) for _ in range(2)]
    return run(torch.optim.lr_scheduler, optimizer_of(torch.optim, parameters, case), case)


def run_ours(case: Any, dtype: str) -> dict[str, Any]:
    parameters = [mt.Parameter(np.zeros(2, dtype)) for _ in range(2)]
    return run(mt, optimizer_of(mt, parameters, case), case)
