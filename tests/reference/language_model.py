"""A causal transformer that reads sums character by character: its losses in torch and here."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from reference.layer_runs import in_torch

CHARACTERS = "0123456789+= "
WIDTH, HEADS, LAYERS, STEPS = 64, 4, 2, 100
CASES: dict[str, dict[str, Any]] = {
    "norm first": {"activation": "gelu", "norm_first": True},
    "norm last": {"activation": "relu", "norm_first": False},
}


def batches(dtype: str) -> Any:
    """One-hot characters (N, T, 13) of each step, and which ones follow them, (N · T,)."""
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        sums = [f"{a:2}+{b:2}={a + b:<3}" for a, b in rng.integers(0, 100, (32, 2))]
        text = np.array([[CHARACTERS.index(character) for character in line] for line in sums])
        yield np.eye(len(CHARACTERS), dtype=dtype)[text[:, :-1]], text[:, 1:].reshape(-1)


def network(case: dict[str, Any], dtype: str) -> mt.Sequential:
    """A Linear of one-hot rows is an embedding."""
    rng = np.random.default_rng(1)
    return mt.Sequential(
        mt.Linear(len(CHARACTERS), WIDTH, bias=False, rng=rng),
        mt.PositionalEmbedding(8, WIDTH, rng=rng),
        *[
            mt.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, causal=True, rng=rng, **case)
            for _ in range(LAYERS)
        ],
        mt.LayerNorm(WIDTH),
        mt.Flatten(0, 1),
        mt.Linear(WIDTH, len(CHARACTERS), rng=rng),
    ).astype(dtype)


def run_torch(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    import torch
    from torch import nn

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(8, WIDTH))

        def forward(self, x: Any) -> Any:
            return x + self.weight

    class Causal(nn.TransformerEncoderLayer):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
            return super().forward(x, src_mask=mask)

    model = nn.Sequential(
        nn.Linear(len(CHARACTERS), WIDTH, bias=False),
        Positions(),
        *[Causal(WIDTH, HEADS, 2 * WIDTH, 0.0, batch_first=True, **case) for _ in range(LAYERS)],
        nn.LayerNorm(WIDTH),
        nn.Flatten(0, 1),
        nn.Linear(WIDTH, len(CHARACTERS)),
    ).to(getattr(torch, dtype))
    start = network(case, dtype).named_parameters()
    model.load_state_dict({name: torch.from_numpy(in_torch(p, p.data).copy()) for name, p in start})
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for x, y in batches(dtype):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses}


def run_ours(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    model, loss = network(case, dtype), mt.CrossEntropyLoss()
    optimizer, losses = mt.Adam(model.parameters(), lr=1e-3), []
    for x, y in batches(dtype):
        losses.append(loss(model(x), y))
        model.backward(loss.backward())
        optimizer.step()
    return {"losses": losses}
