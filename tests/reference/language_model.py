"""A causal transformer and a GRU that read sums character by character: their losses in torch and here."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from reference.layer_runs import in_torch

CHARACTERS = "0123456789+= "
WIDTH, HEADS, LAYERS, STEPS = 64, 4, 2, 100
TOLERANCES = {"float64": (1e-9, 1e-12), "float32": (1e-4, 1e-6)}  # 100 steps of Adam: roundings grow
CASES: dict[str, dict[str, Any]] = {
    "norm first": {"activation": "gelu", "norm_first": True},
    "norm last": {"activation": "relu", "norm_first": False},
    "gru": {},
}


def batches() -> Any:
    """The characters (N, T) of each step by their indices, and which ones follow them, (N · T,)."""
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        sums = [f"{a:2}+{b:2}={a + b:<3}" for a, b in rng.integers(0, 100, (32, 2))]
        text = np.array([[CHARACTERS.index(character) for character in line] for line in sums])
        yield text[:, :-1], text[:, 1:].reshape(-1)


def network(case: dict[str, Any], dtype: str) -> mt.Sequential:
    rng = np.random.default_rng(1)
    embedding = mt.Embedding(len(CHARACTERS), WIDTH, rng=rng)
    if not case:
        layers = [mt.GRU(WIDTH, WIDTH, rng=rng)]
    else:
        options = {"causal": True, "rng": rng, **case}
        encoders = [mt.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, **options) for _ in range(LAYERS)]
        layers = [mt.PositionalEmbedding(8, WIDTH, rng=rng), *encoders, mt.LayerNorm(WIDTH)]
    last = mt.Linear(WIDTH, len(CHARACTERS), rng=rng)
    return mt.Sequential(embedding, *layers, mt.Flatten(0, 1), last).astype(dtype)


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

    class GRU(nn.GRU):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            return super().forward(x)[0]

    if not case:
        layers: list[Any] = [GRU(WIDTH, WIDTH, batch_first=True)]
    else:
        encoders = [Causal(WIDTH, HEADS, 2 * WIDTH, 0.0, batch_first=True, **case) for _ in range(LAYERS)]
        layers = [Positions(), *encoders, nn.LayerNorm(WIDTH)]
    last = nn.Linear(WIDTH, len(CHARACTERS))
    model = nn.Sequential(nn.Embedding(len(CHARACTERS), WIDTH), *layers, nn.Flatten(0, 1), last)
    model = model.to(getattr(torch, dtype))
    start = network(case, dtype).named_parameters()
    model.load_state_dict({name: torch.from_numpy(in_torch(p, p.data).copy()) for name, p in start})
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for x, y in batches():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses}


def run_ours(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    model, loss = network(case, dtype), mt.CrossEntropyLoss()
    optimizer, losses = mt.Adam(model.parameters(), lr=1e-3), []
    for x, y in batches():
        losses.append(loss(model(x), y))
        model.backward(loss.backward())
        optimizer.step()
    return {"losses": losses}
