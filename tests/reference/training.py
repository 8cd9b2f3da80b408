"""Whole training runs, in torch and here: every option of SGD, both reductions, with and without bias."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt

STEPS = 50

CASES: dict[str, dict[str, Any]] = {
    "plain": {"lr": 0.01},
    "default lr": {},
    "no bias": {"lr": 0.01, "bias": False},
    "mean": {"lr": 0.1, "reduction": "mean"},
    "tanh": {"lr": 0.01, "activation": "Tanh"},
    "momentum": {"lr": 0.003, "momentum": 0.9},
    "dampening": {"lr": 0.01, "momentum": 0.9, "dampening": 0.3},
    "nesterov": {"lr": 0.003, "momentum": 0.9, "nesterov": True},
    "weight decay": {"lr": 0.01, "weight_decay": 0.1},
    "momentum decay": {"lr": 0.003, "momentum": 0.8, "weight_decay": 0.1},
    "nesterov decay": {"lr": 0.003, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True},
    "maximize": {"lr": 1e-4, "maximize": True},
    "all": {
        "lr": 1e-4,
        "momentum": 0.7,
        "dampening": 0.2,
        "weight_decay": 0.1,
        "maximize": True,
        "reduction": "mean",
    },
}


def inputs(dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 5), "y": (6, 3), "w1": (5, 4), "b1": (4,), "w2": (4, 3), "b2": (3,)}
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def split(case: dict[str, Any]) -> tuple[bool, str, str, dict[str, Any]]:
    options = dict(case)
    parts = options.pop("bias", True), options.pop("activation", "ReLU"), options.pop("reduction", "sum")
    return *parts, options


def ours(tensor: Any) -> Any:
    """torch's weight (out, in) as ours (in, out)."""
    return (tensor.T if tensor.ndim == 2 else tensor).numpy().copy()


def run_torch(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    import torch

    bias, activation, reduction, options = split(case)
    a = {name: torch.from_numpy(array) for name, array in inputs(dtype).items()}
    first, last = (torch.nn.Linear(n, m, bias=bias, dtype=getattr(torch, dtype)) for n, m in ((5, 4), (4, 3)))
    with torch.no_grad():
        for layer, w, b in ((first, a["w1"], a["b1"]), (last, a["w2"], a["b2"])):
            layer.weight.copy_(w.T)
            if bias:
                layer.bias.copy_(b)
    model = torch.nn.Sequential(first, getattr(torch.nn, activation)(), last)
    x = a["x"].requires_grad_()
    loss, optimizer = torch.nn.MSELoss(reduction=reduction), torch.optim.SGD(model.parameters(), **options)
    result: dict[str, Any] = {"losses": []}
    for step in range(STEPS):
        optimizer.zero_grad()
        value = loss(model(x), a["y"])
        value.backward()
        if step == 0:
            result["x.grad"] = x.grad.numpy().copy()
            result |= {f"{name}.grad": ours(p.grad) for name, p in model.named_parameters()}
        optimizer.step()
        result["losses"].append(value.item())
    return result | {name: ours(p.detach()) for name, p in model.named_parameters()}


def run_ours(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    bias, activation, reduction, options = split(case)
    given = inputs(dtype)
    first, last = (mt.Linear(n, m, bias=bias, dtype=dtype) for n, m in ((5, 4), (4, 3)))
    model = mt.Sequential(first, getattr(mt, activation)(), last)
    names = {"0.weight": "w1", "0.bias": "b1", "2.weight": "w2", "2.bias": "b2"}
    model.load_state_dict({name: given[key] for name, key in names.items() if bias or "weight" in name})
    loss, optimizer = mt.SquaredLoss(reduction), mt.SGD(model.parameters(), **options)
    result: dict[str, Any] = {"losses": []}
    for step in range(STEPS):
        result["losses"].append(loss(model(given["x"]), given["y"]))
        dx = model.backward(loss.backward(), input_grad=step == 0)
        if step == 0:
            result["x.grad"] = dx
            result |= {f"{name}.grad": p.grad.copy() for name, p in model.named_parameters()}
        optimizer.step()
    return result | model.state_dict()
