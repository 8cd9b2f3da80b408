"""Two residual blocks read the digits of scikit-learn; the shortcut of the second has a kernel of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import minitorch_np as mt
from minitorch_np.examples import _digits

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = "test accuracy"
EPOCHS = 8


def block(channels: int, out: int, stride: int, rng: np.random.Generator) -> mt.Sequential:
    """relu(F(x) + x) with F of two convolutions; where its y has another shape, x takes one to get there."""
    body = mt.Sequential(
        mt.Conv2d(channels, out, 3, stride, padding=1, bias=False, rng=rng),
        mt.BatchNorm2d(out),
        mt.ReLU(),
        mt.Conv2d(out, out, 3, padding=1, bias=False, rng=rng),
        mt.BatchNorm2d(out),
    )
    same = channels == out and stride == 1
    shortcut = None if same else mt.Conv2d(channels, out, 1, stride, bias=False, rng=rng)
    return mt.Sequential(mt.Residual(body, shortcut), mt.ReLU())


def network(rng: np.random.Generator) -> mt.Sequential:
    return mt.Sequential(
        mt.Conv2d(1, 16, 3, padding=1, rng=rng),  # (N, 1, 8, 8) -> (N, 16, 8, 8)
        mt.ReLU(),
        block(16, 16, 1, rng),
        block(16, 32, 2, rng),  # -> (N, 32, 4, 4)
        mt.AdaptiveAvgPool2d(1),  # -> (N, 32, 1, 1)
        mt.Flatten(),
        mt.Linear(32, 10, rng=rng),
    ).astype("float32")


def run(seed: int = 0, plot: Path | None = None, verbose: int = 1) -> float:
    """Train it; draw its loss and accuracy; return the part of the test digits that it reads."""
    x, x_test, y, y_test = _digits.load(seed)
    model = network(np.random.default_rng(seed))
    optimizer = mt.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    history = mt.fit(
        model, mt.CrossEntropyLoss(), optimizer, x, y, epochs=EPOCHS, batch_size=64, rng=seed,
        validation_data=(x_test, y_test), metrics="accuracy", verbose=verbose,
        schedule=mt.CosineAnnealingLR(optimizer, EPOCHS),
    )  # fmt: skip
    if plot is not None:
        history.plot(plot)
    return float(history["val_accuracy"][-1])
