"""Embedding in torch and here: values, gradients, training."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from reference.layer_runs import STEPS, weights

CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "sequences": ((7, 4), {}, (5, 6)),
    "padding": ((7, 4), {"padding_idx": 2}, (5, 6)),
    "padding from the end": ((7, 1), {"padding_idx": -1}, (20,)),
    "more axes": ((3, 5), {}, (2, 3, 4)),
}


def arrays(count: int, shape: tuple[int, ...], dim: int, dtype: str) -> Any:
    """Indices and dy of each step."""
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        yield rng.integers(0, count, shape), rng.standard_normal((*shape, dim)).astype(dtype)


def run_torch(case: Any, dtype: str) -> dict[str, Any]:
    import torch

    sizes, options, shape = case
    layer = torch.nn.Embedding(*sizes, **options).to(getattr(torch, dtype))
    layer.weight.data = torch.from_numpy(weights({"weight": sizes})["weight"].astype(dtype))
    optimizer, found = torch.optim.Adam(layer.parameters(), lr=1e-2), {}
    for x, dy in arrays(sizes[0], shape, sizes[1], dtype):
        optimizer.zero_grad()
        y = layer(torch.from_numpy(x))
        y.backward(torch.from_numpy(dy))
        if not found:
            found = {"y": y.detach().numpy().copy(), "weight.grad": layer.weight.grad.numpy().copy()}
        optimizer.step()
    return found | {"weight at the end": layer.weight.detach().numpy()}


def run_ours(case: Any, dtype: str) -> dict[str, Any]:
    sizes, options, shape = case
    layer = mt.Embedding(*sizes, **options, dtype=dtype)
    layer.weight.data = weights({"weight": sizes})["weight"].astype(dtype)
    optimizer, found = mt.Adam(layer.parameters(), lr=1e-2), {}
    for x, dy in arrays(sizes[0], shape, sizes[1], dtype):
        y = layer(x)
        layer.backward(dy)
        if not found:
            found = {"y": y, "weight.grad": layer.weight.grad.copy()}
        optimizer.step()
    return found | {"weight at the end": layer.weight.data}
