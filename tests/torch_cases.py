"""The same training run in torch and here, for every option of the loss and of SGD.

`python tests/torch_cases.py` (with torch 2.13 installed) writes `torch_reference.npz`, so that the tests
need no torch; where it is installed they run both.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt

FILE = Path(__file__).with_name("torch_reference.npz")
STEPS = 50
GAINS = [("linear", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("selu", None)]
GAINS += [("leaky_relu", None), ("leaky_relu", 0.2), ("leaky_relu", 0)]

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


def has_torch() -> bool:
    return find_spec("torch") is not None


def inputs() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 5), "y": (6, 3), "w1": (5, 4), "b1": (4,), "w2": (4, 3), "b2": (3,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def split(case: dict[str, Any]) -> tuple[bool, str, str, dict[str, Any]]:
    options = dict(case)
    parts = options.pop("bias", True), options.pop("activation", "ReLU"), options.pop("reduction", "sum")
    return *parts, options


def ours(tensor: Any) -> Any:
    """torch's weight (out, in) as ours (in, out)."""
    return (tensor.T if tensor.ndim == 2 else tensor).numpy().copy()


def run_torch(case: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    import torch

    bias, activation, reduction, options = split(case)
    a = {name: torch.from_numpy(np.array(array)) for name, array in given.items()}
    first, last = (torch.nn.Linear(n, m, bias=bias, dtype=torch.float64) for n, m in ((5, 4), (4, 3)))
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


def run_ours(case: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    bias, activation, reduction, options = split(case)
    model = mt.Sequential(mt.Linear(5, 4, bias=bias), getattr(mt, activation)(), mt.Linear(4, 3, bias=bias))
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


def make_reference() -> dict[str, Any]:
    import torch

    arrays = {f"inputs/{name}": array for name, array in inputs().items()}
    arrays["gains"] = np.array([torch.nn.init.calculate_gain(name, param) for name, param in GAINS])
    for name, case in CASES.items():
        arrays |= {f"{name}/{key}": np.array(value) for key, value in run_torch(case, inputs()).items()}
    return arrays


if __name__ == "__main__":
    np.savez_compressed(FILE, **make_reference())
