"""A recurrent network reads names of a made-up language and invents others, letter by letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import minitorch_np as mt
from minitorch_np.examples import _language

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = "invented names that are of the language:"
STEPS, BATCH = 400, 64


def network(rng: np.random.Generator) -> mt.Sequential:
    """After each letter, how likely it makes each next one."""
    letters = len(_language.LETTERS)
    return mt.Sequential(
        mt.Embedding(letters, 16, rng=rng),  # (N, T) -> (N, T, 16)
        mt.GRU(16, 64, rng=rng),  # -> (N, T, 64)
        mt.Linear(64, letters, rng=rng),
        mt.Flatten(0, 1),  # -> (N·T, letters), a row for each target
    ).astype("float32")


def invented(model: mt.Layer, count: int, rng: np.random.Generator) -> list[str]:
    """Each letter is drawn with the probability that the model gives it after those before."""
    x = np.zeros((count, 1), int)
    for t in range(1, _language.LONGEST + 1):
        logits = model(x).reshape(count, t, -1)[:, -1]
        x = np.column_stack([x, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)])
    return [_language.text(row) for row in x]


def run(seed: int = 0, plot: Path | None = None, verbose: int = 1) -> float:
    """Train it, print some names, and return the part of 500 that are of the language."""
    rng = np.random.default_rng(seed)
    x, y = _language.data(_language.drawn(2000, rng))
    model, loss, losses = network(rng), mt.CrossEntropyLoss(), []
    optimizer = mt.Adam(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        rows = rng.integers(len(x), size=BATCH)
        losses.append(float(loss(model(x[rows]), y[rows].reshape(-1))))
        model.backward(loss.backward())
        optimizer.step()
    if plot is not None:
        from minitorch_np.study import plots

        plots.save(plots.draw_losses({"loss": losses}), plot)
    names = invented(model, 500, rng)
    if verbose:
        print(*names[:20])
    return sum(_language.RULES.fullmatch(name) is not None for name in names) / len(names)
