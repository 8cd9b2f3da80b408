"""The gains of the initializers, in torch and here."""

from __future__ import annotations

from typing import Any

import minitorch_np as mt

CASES: dict[str, tuple[str, float | None]] = {
    name: (name, None) for name in ("linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu")
} | {"leaky_relu 0.2": ("leaky_relu", 0.2), "leaky_relu 0": ("leaky_relu", 0)}


def run_torch(case: tuple[str, float | None], dtype: str) -> dict[str, Any]:
    import torch

    return {"gain": torch.nn.init.calculate_gain(*case)}


def run_ours(case: tuple[str, float | None], dtype: str) -> dict[str, Any]:
    return {"gain": mt.initializers.calculate_gain(*case)}
