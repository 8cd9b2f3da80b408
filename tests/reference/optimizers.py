"""Every option of every optimizer over 100 steps: the weights after some of them, and the last state.

The last parameter has a gradient at every second step only, and the last two are a group with another lr.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt

STEPS = 100
SHOWN = (1, 2, 10, 100)
SHAPES = ((2, 3), (4,), (3,))

CASES: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1},
    "Adam": {},
    "Adam betas": {"betas": (0.8, 0.99)},
    "Adam no betas": {"betas": (0.0, 0.0)},
    "Adam eps": {"eps": 0.1},
    "Adam no eps": {"eps": 0},
    "Adam decay": {"weight_decay": 0.1},
    "Adam amsgrad": {"amsgrad": True, "betas": (0.9, 0.9)},
    "Adam maximize": {"maximize": True},
    "Adam decoupled": {"weight_decay": 0.1, "decoupled_weight_decay": True},
    "Adam all": {"betas": (0.8, 0.9), "weight_decay": 0.1, "amsgrad": True, "maximize": True, "eps": 1e-3},
    "Adam changed": {"change": {"lr": 0.005, "betas": (0.7, 0.95), "weight_decay": 0.2, "eps": 1e-4}},
    "AdamW": {},
    "AdamW decay": {"weight_decay": 0.2},
    "AdamW all": {"betas": (0.8, 0.9), "weight_decay": 0.3, "amsgrad": True, "maximize": True, "eps": 1e-3},
    "RMSprop": {},
    "RMSprop alpha": {"alpha": 0.9},
    "RMSprop eps": {"eps": 0.1},
    "RMSprop decay": {"weight_decay": 0.1},
    "RMSprop momentum": {"momentum": 0.8},
    "RMSprop centered": {"centered": True},
    "RMSprop maximize": {"maximize": True},
    "RMSprop all": {"alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "eps": 0.1},
    "RMSprop changed": {"change": {"lr": 0.002, "alpha": 0.9, "eps": 1e-4}},
    "Adagrad": {},
    "Adagrad lr_decay": {"lr_decay": 0.1},
    "Adagrad start": {"initial_accumulator_value": 0.5},
    "Adagrad eps": {"eps": 0.1},
    "Adagrad decay": {"weight_decay": 0.1},
    "Adagrad maximize": {"maximize": True},
    "Adagrad all": {"lr_decay": 0.01, "initial_accumulator_value": 0.1, "weight_decay": 0.1, "maximize": True},
    "Adadelta": {},
    "Adadelta rho": {"rho": 0.6},
    "Adadelta eps": {"eps": 1e-3},
    "Adadelta decay": {"weight_decay": 0.1},
    "Adadelta maximize": {"maximize": True},
    "Adadelta all": {"rho": 0.8, "eps": 1e-4, "weight_decay": 0.1, "maximize": True},
    "NAdam": {},
    "NAdam betas": {"betas": (0.5, 0.9)},
    "NAdam eps": {"eps": 0.1},
    "NAdam decay": {"weight_decay": 0.1},
    "NAdam momentum_decay": {"momentum_decay": 0.1},
    "NAdam maximize": {"maximize": True},
    "NAdam decoupled": {"weight_decay": 0.1, "decoupled_weight_decay": True},
    "NAdam all": {"betas": (0.8, 0.9), "momentum_decay": 0.5, "weight_decay": 0.1, "maximize": True},
    "NAdam changed": {"change": {"lr": 0.005, "eps": 1e-4, "betas": (0.9, 0.9)}},
    "RAdam": {},
    "RAdam betas": {"betas": (0.5, 0.9)},
    "RAdam never rectified": {"betas": (0.9, 0.5)},
    "RAdam eps": {"eps": 0.1},
    "RAdam decay": {"weight_decay": 0.1},
    "RAdam maximize": {"maximize": True},
    "RAdam decoupled": {"weight_decay": 0.1, "decoupled_weight_decay": True},
    "RAdam all": {"betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True, "eps": 1e-3},
}
for name, case in CASES.items():
    case["optimizer"] = name.split()[0]
    case["lr"] = 0.5 if case["optimizer"] == "Adadelta" else 0.01


def start(dtype: str) -> list[Any]:
    return [np.random.default_rng(i).standard_normal(shape).astype(dtype) for i, shape in enumerate(SHAPES)]


def gradients(weights: list[Any], step: int) -> list[Any]:
    """Of a bowl around 1 that shakes, in float64: only the optimizer rounds; None where there is none."""
    noise = np.random.default_rng(1000 + step)
    found = [(w.astype("float64") - 1 + noise.uniform(0.2, 0.7, w.shape)).astype(w.dtype) for w in weights]
    return found if step % 2 else [*found[:-1], None]


def groups(case: dict[str, Any], parameters: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    options = {key: value for key, value in case.items() if key not in ("optimizer", "change")}
    return [{"params": parameters[:1]}, {"params": parameters[1:], "lr": case["lr"] / 2}], options


def run(case: dict[str, Any], optimizer: Any, weights: Any, give: Any) -> Any:
    """The weights after the steps of `SHOWN`."""
    shown = []
    for step in range(1, STEPS + 1):
        if step == STEPS // 2:
            optimizer.param_groups[0].update(case.get("change", {}))
        for i, gradient in enumerate(gradients(weights(), step)):
            give(i, gradient)
        optimizer.step()
        if step in SHOWN:
            shown.append(np.concatenate([w.ravel() for w in weights()]))
    return np.array(shown)


def states(optimizer: Any) -> Any:
    """Names and arrays of the last state; NAdam's `mu_product` is a number that we do not keep."""
    entries = list(optimizer.state_dict()["state"].values())
    names = sorted(name for name in entries[0] if name not in ("step", "mu_product"))
    return np.concatenate([np.asarray(entry[name]).ravel() for entry in entries for name in names])


def run_torch(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    import torch

    parameters = [torch.nn.Parameter(torch.from_numpy(w)) for w in start(dtype)]
    given, options = groups(case, parameters)
    optimizer = getattr(torch.optim, case["optimizer"])(given, **options)

    def give(i: int, gradient: Any) -> None:
        parameters[i].grad = None if gradient is None else torch.from_numpy(gradient)

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # in which torch keeps NAdam's product
    try:
        weights = run(case, optimizer, lambda: [p.detach().numpy().copy() for p in parameters], give)
    finally:
        torch.set_default_dtype(before)
    return {"weights": weights, "states": states(optimizer)}


def run_ours(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    parameters = [mt.Parameter(w) for w in start(dtype)]
    given, options = groups(case, parameters)
    optimizer = getattr(mt, case["optimizer"])(given, **options)

    def give(i: int, gradient: Any) -> None:
        parameters[i].grad = gradient

    weights = run(case, optimizer, lambda: [p.data.copy() for p in parameters], give)
    return {"weights": weights, "states": states(optimizer)}
