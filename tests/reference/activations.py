"""Values and gradients of every activation, in torch and here, at the kinks too."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    name: (name.split()[0], options)
    for name, options in {
        "CELU": {},
        "CELU alpha": {"alpha": 0.5},
        "ELU": {},
        "ELU alpha": {"alpha": 2.0},
        "GELU": {},
        "GELU tanh": {"approximate": "tanh"},
        "Hardshrink": {},
        "Hardshrink lambd": {"lambd": 1.0},
        "Hardsigmoid": {},
        "Hardswish": {},
        "Hardtanh": {},
        "Hardtanh bounds": {"min_val": -3.0, "max_val": 0.5},
        "Identity": {},
        "LeakyReLU": {},
        "LeakyReLU 0.2": {"negative_slope": 0.2},
        "LeakyReLU steep": {"negative_slope": 3.0},
        "LeakyReLU negative": {"negative_slope": -0.5},
        "LeakyReLU zero": {"negative_slope": 0.0},
        "LogSigmoid": {},
        "Mish": {},
        "GLU": {"dim": -1},
        "GLU dim": {"dim": 1},
        "LogSoftmax": {"dim": -1},
        "LogSoftmax dim": {"dim": 0},
        "Softmax": {"dim": -1},
        "Softmax dim": {"dim": 0},
        "PReLU": {},
        "PReLU channels": {"num_parameters": 4, "init": 0.1},
        "ReLU": {},
        "ReLU6": {},
        "SELU": {},
        "SiLU": {},
        "Sigmoid": {},
        "Softplus": {},
        "Softplus beta": {"beta": 2.0, "threshold": 5.0},
        "Softshrink": {},
        "Softshrink lambd": {"lambd": 1.0},
        "Softsign": {},
        "Tanh": {},
        "Tanhshrink": {},
        "Threshold": {"threshold": 0.5, "value": -2.0},
    }.items()
}

LOOSE = {"Hardsigmoid": 1e-7}  # torch multiplies by 1/6 as a float32, in float64 too


def inputs(name: str, dtype: str) -> tuple[Any, Any]:
    """x (N, 4) with kinks, large and small numbers, and dy. torch's ReLU differs at 0."""
    rng = np.random.default_rng(0)
    kinks = [-6.0, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 6.0]
    far = [-1e4, -100.0, -30.0, -15.0, -8.0, 8.0, 10.0, 15.0, 30.0, 100.0, 1e4]
    near = [0.2, -0.2] if name == "ReLU" else [0.0, -0.0]
    x = np.array([*kinks, *far, *near, *rng.standard_normal(9), *(5 * rng.standard_normal(12))])
    return x.reshape(-1, 4).astype(dtype), rng.standard_normal(x.size).reshape(-1, 4).astype(dtype)


def run_torch(case: tuple[str, dict[str, Any]], dtype: str) -> dict[str, Any]:
    import torch

    name, options = case
    x, dy = (torch.from_numpy(a) for a in inputs(name, dtype))
    if name == "PReLU":
        options = options | {"dtype": getattr(torch, dtype)}
    layer = getattr(torch.nn, name)(**options)
    y = layer(x.requires_grad_())
    y.backward(dy[:, : y.shape[1]])
    grads = {f"{n}.grad": p.grad.numpy() for n, p in layer.named_parameters()}
    return {"y": y.detach().numpy(), "dx": x.grad.numpy(), **grads}


def run_ours(case: tuple[str, dict[str, Any]], dtype: str) -> dict[str, Any]:
    name, options = case
    x, dy = inputs(name, dtype)
    layer = getattr(mt, name)(**options).astype(dtype)
    y = layer(x)
    dx = layer.backward(dy[:, : y.shape[1]])
    return {"y": y, "dx": dx, **{f"{n}.grad": p.grad for n, p in layer.named_parameters()}}
