"""Runs of one layer in torch and here: value, gradients, training, running statistics, evaluation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import minitorch_np as mt

Case = tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]  # class, arguments, options, shape of x
STEPS = 50


def arrays(shape: tuple[int, ...], y_shape: tuple[int, ...], dtype: str) -> Any:
    """x and dy of each step, with some equal numbers in x for the pooling layers."""
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        x = np.round(rng.standard_normal(shape), 1) + 1
        yield x.astype(dtype), rng.standard_normal(y_shape).astype(dtype)


def weights(parameters: dict[str, Any], scale: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {name: scale * rng.standard_normal(tuple(shape)) for name, shape in parameters.items()}


def run_torch(case: Case, dtype: str) -> dict[str, Any]:
    from torch import nn

    name, positional, options, shape = case
    with warnings.catch_warnings(action="ignore"):  # torch pads a copy for some kernels, and says so
        return run_module(getattr(nn, name)(*positional, **options), shape, dtype)


def run_module(layer: Any, shape: tuple[int, ...], dtype: str, scale: float = 1.0) -> dict[str, Any]:
    """What a module of torch computes, and what 50 steps make of it."""
    import torch

    layer = layer.to(getattr(torch, dtype))
    for key, array in weights({n: p.shape for n, p in layer.named_parameters()}, scale).items():
        layer.get_parameter(key).data = torch.from_numpy(array.astype(dtype))
    y_shape = layer(torch.zeros(shape, dtype=getattr(torch, dtype))).shape
    found: dict[str, Any] = {}
    parameters = list(layer.parameters())
    optimizer = torch.optim.SGD(parameters, lr=1e-3) if parameters else None
    for x, dy in arrays(shape, y_shape, dtype):
        layer.zero_grad()
        given = torch.from_numpy(x).requires_grad_()
        y = layer(given)
        y.backward(torch.from_numpy(dy))
        if not found:
            found = {"y": y.detach().numpy(), "dx": given.grad.numpy().copy()}
            found |= {f"{n}.grad": p.grad.numpy().copy() for n, p in layer.named_parameters()}
        if optimizer is not None:
            optimizer.step()
    found |= {f"{n} at the end": p.detach().numpy() for n, p in layer.named_parameters()}
    counts = getattr(layer, "momentum", 0.0) is None  # only then does the layer here
    found |= {n: b.numpy() for n, b in layer.named_buffers() if counts or n != "num_batches_tracked"}
    return found | {"evaluated": layer.eval()(torch.from_numpy(x)).detach().numpy()}


def in_torch(parameter: mt.Parameter, array: Any) -> Any:
    """Its data or gradient in torch's layout."""
    return array.T if parameter.is_transposed_in_torch else array


def run_ours(case: Case, dtype: str, scale: float = 1.0) -> dict[str, Any]:
    name, positional, options, shape = case
    layer = getattr(mt, name)(*positional, **options).astype(dtype)
    shapes = {n: in_torch(p, p.data).shape for n, p in layer.named_parameters()}
    state = {n: array.astype(dtype) for n, array in weights(shapes, scale).items()}
    layer.load_state_dict(state, strict=False, layout="torch")
    y_shape = layer(np.zeros(shape, dtype)).shape
    found: dict[str, Any] = {}
    parameters = list(layer.parameters())
    optimizer = mt.SGD(parameters, lr=1e-3) if parameters else None
    for x, dy in arrays(shape, y_shape, dtype):
        y = layer(x)
        dx = layer.backward(dy)
        if not found:
            found = {"y": y, "dx": dx}
            found |= {f"{n}.grad": in_torch(p, p.grad).copy() for n, p in layer.named_parameters()}
        if optimizer is not None:
            optimizer.step()
    found |= {f"{n} at the end": in_torch(p, p.data) for n, p in layer.named_parameters()}
    found |= dict(layer.named_buffers())
    return found | {"evaluated": layer.eval()(x)}
