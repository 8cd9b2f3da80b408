"""Convolution, pooling and normalisation in torch and here: values, gradients, running statistics, training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import minitorch_np as mt

IMAGES, SMALL, SEQUENCES, ROWS = (3, 4, 7, 6), (3, 4, 3, 2), (3, 4, 8), (6, 4)
CASES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "conv": ("Conv2d", (4, 6, 3), {}, IMAGES),
    "conv one by one": ("Conv2d", (4, 5, 1), {"bias": False}, IMAGES),
    "conv stride": ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1}, IMAGES),
    "conv stride that leaves a rest": ("Conv2d", (4, 6, (2, 3)), {"stride": (3, 2)}, IMAGES),
    "conv dilation": ("Conv2d", (4, 6, (3, 2)), {"dilation": (2, 3), "padding": (2, 1)}, IMAGES),
    "conv groups": ("Conv2d", (4, 6, 3), {"groups": 2, "padding": 1}, IMAGES),
    "conv depthwise": ("Conv2d", (4, 8, 3), {"groups": 4}, IMAGES),
    "conv same": ("Conv2d", (4, 6, (2, 3)), {"padding": "same"}, IMAGES),
    "conv same dilation": ("Conv2d", (4, 6, (4, 3)), {"padding": "same", "dilation": (1, 2)}, IMAGES),
    "conv valid": ("Conv2d", (4, 6, 3), {"padding": "valid"}, IMAGES),
    "conv many channels": ("Conv2d", (16, 3, (3, 2)), {"padding": (0, 1), "dilation": (2, 1)}, (3, 16, 6, 5)),
    "conv sequence": ("Conv1d", (4, 6, 3), {}, SEQUENCES),
    "conv sequence stride": ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "bias": False}, SEQUENCES),
    "conv sequence groups": ("Conv1d", (4, 6, 2), {"groups": 2, "dilation": 3}, SEQUENCES),
    "conv sequence same": ("Conv1d", (4, 6, 4), {"padding": "same"}, SEQUENCES),
    "conv transposed": ("ConvTranspose2d", (4, 6, 3), {}, SMALL),
    "conv transposed stride": ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1}, SMALL),
    "conv transposed to the other size": (
        "ConvTranspose2d",
        (4, 6, (3, 4)),
        {"stride": (3, 2), "padding": (1, 2), "output_padding": (2, 1)},
        SMALL,
    ),
    "conv transposed groups": (
        "ConvTranspose2d",
        (4, 6, 2),
        {"groups": 2, "dilation": 2, "bias": False},
        SMALL,
    ),
    "max pool": ("MaxPool2d", (2,), {}, IMAGES),
    "max pool overlapping": ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, IMAGES),
    "max pool oblong": ("MaxPool2d", ((3, 2),), {"stride": (1, 2)}, IMAGES),
    "mean pool": ("AvgPool2d", (2,), {}, IMAGES),
    "mean pool overlapping": ("AvgPool2d", (3,), {"stride": 2, "padding": 1}, IMAGES),
    "batch norm rows": ("BatchNorm1d", (4,), {}, ROWS),
    "batch norm sequences": ("BatchNorm1d", (4,), {"eps": 1e-3, "momentum": 0.3}, (6, 4, 5)),
    "batch norm images": ("BatchNorm2d", (4,), {}, IMAGES),
    "batch norm without weights": ("BatchNorm2d", (4,), {"affine": False}, IMAGES),
    "layer norm": ("LayerNorm", (4,), {}, ROWS),
    "layer norm of images": ("LayerNorm", ((4, 7, 6),), {"eps": 1e-3}, IMAGES),
    "layer norm without bias": ("LayerNorm", (6,), {"bias": False}, IMAGES),
    "layer norm without weights": ("LayerNorm", (6,), {"elementwise_affine": False}, IMAGES),
    "flatten": ("Flatten", (), {}, IMAGES),
    "flatten two axes": ("Flatten", (2, 3), {}, IMAGES),
    "unflatten": ("Unflatten", (1, (2, 2)), {}, IMAGES),
}
STEPS = 50


def arrays(shape: tuple[int, ...], y_shape: tuple[int, ...], dtype: str) -> Any:
    """x and dy of each step, with some equal numbers in x for the pooling layers."""
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        x = np.round(rng.standard_normal(shape), 1) + 1
        yield x.astype(dtype), rng.standard_normal(y_shape).astype(dtype)


def weights(parameters: dict[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {name: rng.standard_normal(tuple(shape)) for name, shape in parameters.items()}


def run_torch(case: Any, dtype: str) -> dict[str, Any]:
    with warnings.catch_warnings(action="ignore"):  # torch pads a copy for some kernels, and says so
        return _run_torch(case, dtype)


def _run_torch(case: Any, dtype: str) -> dict[str, Any]:
    import torch

    name, positional, options, shape = case
    layer = getattr(torch.nn, name)(*positional, **options).to(getattr(torch, dtype))
    for key, array in weights({n: p.shape for n, p in layer.named_parameters()}).items():
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
    found |= {n: b.numpy() for n, b in layer.named_buffers() if n != "num_batches_tracked"}
    return found | {"evaluated": layer.eval()(torch.from_numpy(x)).detach().numpy()}


def run_ours(case: Any, dtype: str) -> dict[str, Any]:
    name, positional, options, shape = case
    layer = getattr(mt, name)(*positional, **options).astype(dtype)
    for key, array in weights({n: p.shape for n, p in layer.named_parameters()}).items():
        dict(layer.named_parameters())[key].data = array.astype(dtype)
    y_shape = layer(np.zeros(shape, dtype)).shape
    found: dict[str, Any] = {}
    parameters = list(layer.parameters())
    optimizer = mt.SGD(parameters, lr=1e-3) if parameters else None
    for x, dy in arrays(shape, y_shape, dtype):
        y = layer(x)
        dx = layer.backward(dy)
        if not found:
            found = {"y": y, "dx": dx, **{f"{n}.grad": p.grad.copy() for n, p in layer.named_parameters()}}
        if optimizer is not None:
            optimizer.step()
    found |= {f"{n} at the end": p.data for n, p in layer.named_parameters()}
    found |= dict(layer.named_buffers())
    return found | {"evaluated": layer.eval()(x)}
