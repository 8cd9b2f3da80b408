"""An autoencoder of convolutions says a digit of 64 pixels in 8 numbers, and draws it again from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import minitorch_np as mt
from minitorch_np.examples import _digits

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = "mean squared error of unseen digits, over their variance:"
EPOCHS = 20


def network(rng: np.random.Generator) -> mt.Sequential:
    """The second half takes back the steps of the first, with ConvTranspose2d for Conv2d."""
    return mt.Sequential(
        mt.Conv2d(1, 16, 3, stride=2, padding=1, rng=rng),  # (N, 1, 8, 8) -> (N, 16, 4, 4)
        mt.ReLU(),
        mt.Conv2d(16, 32, 3, stride=2, padding=1, rng=rng),  # -> (N, 32, 2, 2)
        mt.ReLU(),
        mt.Flatten(),
        mt.Linear(128, 8, rng=rng),  # the 8 numbers
        mt.Linear(8, 128, rng=rng),
        mt.ReLU(),
        mt.Unflatten(1, (32, 2, 2)),
        mt.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1, rng=rng),  # -> (N, 16, 4, 4)
        mt.ReLU(),
        mt.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1, rng=rng),  # -> (N, 1, 8, 8)
        mt.Sigmoid(),
    ).astype("float32")


def run(seed: int = 0, plot: Path | None = None, verbose: int = 1) -> float:
    """Train it; draw digits and what becomes of them; return its error on digits that it has not seen."""
    x, x_test, _, _ = _digits.load(seed)
    model = network(np.random.default_rng(seed))
    optimizer = mt.Adam(model.parameters(), lr=3e-3)
    mt.fit(
        model, mt.MSELoss(), optimizer, x, x, epochs=EPOCHS, batch_size=64, rng=seed,
        validation_data=(x_test, x_test), schedule=mt.CosineAnnealingLR(optimizer, EPOCHS), verbose=verbose,
    )  # fmt: skip
    again = mt.predict(model, x_test)
    if plot is not None:
        _digits.draw([x_test[:10], again[:10]], [], plot)
    return float(((again - x_test) ** 2).mean() / x_test.var(axis=0).mean())
