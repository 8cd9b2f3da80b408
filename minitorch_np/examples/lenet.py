"""A small convolutional network reads the 8 by 8 digits of scikit-learn, 0.99 of those it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import minitorch_np as mt
from minitorch_np.examples import _digits

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = "test accuracy"
EPOCHS = 12


def network(rng: np.random.Generator) -> mt.Sequential:
    """Two convolutions, each with its normalisation and pooling, and a Linear that names the digit."""
    return mt.Sequential(
        mt.Conv2d(1, 16, 3, padding=1, rng=rng),  # (N, 1, 8, 8) -> (N, 16, 8, 8)
        mt.BatchNorm2d(16),
        mt.ReLU(),
        mt.MaxPool2d(2),  # -> (N, 16, 4, 4)
        mt.Conv2d(16, 32, 3, padding=1, rng=rng),
        mt.BatchNorm2d(32),
        mt.ReLU(),
        mt.MaxPool2d(2),  # -> (N, 32, 2, 2)
        mt.Flatten(),  # -> (N, 128)
        mt.Dropout(0.4, rng=rng),
        mt.Linear(128, 10, rng=rng),
    ).astype("float32")


def run(seed: int = 0, plot: Path | None = None, verbose: int = 1) -> float:
    """Train it; draw the digits that it misreads; return the part that it reads."""
    x, x_test, y, y_test = _digits.load(seed)
    model = network(np.random.default_rng(seed))
    optimizer = mt.AdamW(model.parameters(), lr=5e-3)
    schedule = mt.CosineAnnealingLR(optimizer, EPOCHS)
    mt.fit(
        model, mt.CrossEntropyLoss(), optimizer, x, y, epochs=EPOCHS, batch_size=32, rng=seed,
        validation_data=(x_test, y_test), metrics="accuracy", schedule=schedule, verbose=verbose,
    )  # fmt: skip
    read = mt.predict(model, x_test).argmax(axis=1)
    wrong = np.flatnonzero(read != y_test)
    if plot is not None:
        _digits.draw([x_test[wrong]], [f"{y_test[i]}, read as {read[i]}" for i in wrong], plot)
    return float((read == y_test).mean())
