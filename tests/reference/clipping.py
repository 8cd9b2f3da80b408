"""Clipped gradients and their norm: every option, and gradients that are not finite or nearly so."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt

CASES: dict[str, dict[str, Any]] = {
    "norm": {"max_norm": 1.0},
    "norm that fits": {"max_norm": 1e3},
    "norm 0": {"max_norm": 0},
    "norm of zeros": {"max_norm": 1.0, "scale": 0.0},
    "largest": {"max_norm": 0.5, "norm_type": float("inf")},
    "sum": {"max_norm": 0.5, "norm_type": 1},
    "third power": {"max_norm": 0.5, "norm_type": 3.0},
    "half power": {"max_norm": 0.5, "norm_type": 0.5},
    "no limit": {"max_norm": float("inf")},
    "inf": {"max_norm": 1.0, "element": np.inf},
    "nan": {"max_norm": 1.0, "element": np.nan},
    "inf largest": {"max_norm": 1.0, "element": -np.inf, "norm_type": float("inf")},
    "value": {"clip_value": 0.5},
    "value inf": {"clip_value": 0.5, "element": -np.inf},
    "value nan": {"clip_value": 0.5, "element": np.nan},
}


def split(case: dict[str, Any], dtype: str) -> tuple[list[Any], dict[str, Any]]:
    options = dict(case)
    scale, element = options.pop("scale", 1.0), options.pop("element", None)
    rng = np.random.default_rng(0)
    gradients = [scale * rng.standard_normal(shape) for shape in ((3, 4), (5,), (), (0,))]
    if element is not None:
        gradients[1][2] = element
    return [np.array(g, dtype) for g in gradients], options


def result(norm: Any, gradients: list[Any]) -> dict[str, Any]:
    norms = {} if norm is None else {"norm": float(norm)}
    return {"gradients": np.concatenate([g.ravel() for g in gradients]), **norms}


def run_torch(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    import torch

    gradients, options = split(case, dtype)
    if "norm_type" in case and case["norm_type"] == float("inf"):
        gradients = gradients[:-1]  # torch has no largest of nothing
    parameters = [torch.nn.Parameter(torch.from_numpy(np.zeros_like(g))) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.from_numpy(g.copy())
    clip = torch.nn.utils.clip_grad_value_ if "clip_value" in case else torch.nn.utils.clip_grad_norm_
    norm = clip(parameters, **options)
    return result(norm, [p.grad.numpy() for p in parameters])


def run_ours(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    gradients, options = split(case, dtype)
    parameters = [mt.Parameter(np.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    clip = mt.clip_grad_value_ if "clip_value" in case else mt.clip_grad_norm_
    norm = clip(parameters, **options)
    return result(norm, [p.grad for p in parameters])
