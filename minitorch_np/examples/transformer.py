"""A small transformer reads sums such as 12+7=19 character by character, and answers those it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import minitorch_np as mt

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = "unseen sums answered correctly:"
EPOCHS = 10
CHARACTERS = "0123456789+= "
QUESTION = 6  # characters, 12+ 7=, before those of the answer


def network(rng: np.random.Generator) -> mt.Sequential:
    """Every character is given probabilities of the next one, which it must not see: hence causal."""
    return mt.Sequential(
        mt.Embedding(len(CHARACTERS), 64, rng=rng),  # (N, T) -> (N, T, 64)
        mt.PositionalEmbedding(8, 64, rng=rng),
        *[mt.TransformerEncoderLayer(64, 4, 128, 0.0, norm_first=True, causal=True, rng=rng) for _ in range(2)],
        mt.LayerNorm(64),
        mt.Linear(64, len(CHARACTERS), rng=rng),
        mt.Transpose(1, 2),  # -> (N, 13, T), as CrossEntropyLoss takes it
    ).astype("float32")


def answered(model: mt.Sequential, text: np.ndarray) -> np.ndarray:
    """The questions of these sums, and one by one the characters that the network takes for the next."""
    text = text.copy()
    for at in range(QUESTION, text.shape[1]):
        text[:, at] = mt.predict(model, text[:, :at])[:, :, -1].argmax(axis=1)
    return text


def run(seed: int = 0, plot: Path | None = None, verbose: int = 1) -> float:
    """Train it on four fifths of the sums, print its answers to some others, return the part that is right."""
    rng = np.random.default_rng(seed)
    sums = [f"{a:2}+{b:2}={a + b:<3}" for a in range(100) for b in range(100)]
    text = rng.permutation([[CHARACTERS.index(character) for character in line] for line in sums])
    train, test = text[:8000], text[8000:]  # (8000, 9) and (2000, 9)
    following = np.where(np.arange(1, 9) < QUESTION, -100, train[:, 1:])  # -100: no target, the loss ignores it
    model = network(rng)
    optimizer = mt.AdamW(model.parameters(), lr=2e-3)
    history = mt.fit(
        model, mt.CrossEntropyLoss(), optimizer, train[:, :-1], following, epochs=EPOCHS, batch_size=64,
        rng=seed, schedule=mt.CosineAnnealingLR(optimizer, EPOCHS), verbose=verbose,
    )  # fmt: skip
    said = answered(model, test)
    if verbose:
        print(*("".join(CHARACTERS[i] for i in line) for line in said[:10]), sep="\n")
    if plot is not None:
        history.plot(plot)
    return float((said == test).all(axis=1).mean())
