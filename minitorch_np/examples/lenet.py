"""A small convolutional network reads the 8 by 8 digits of scikit-learn, 0.99 of those it has not seen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

import minitorch_np as mt

if TYPE_CHECKING:
    from pathlib import Path

    from minitorch_np._internal.arrays import Array

EPOCHS = 15


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
        mt.Dropout(0.25, rng=rng),
        mt.Linear(128, 10, rng=rng),
    ).astype("float32")


def data(seed: int) -> tuple[Array, ...]:
    """The digits as images from 0 to 1, four fifths to train with, the rest to test: x, x_test, y, y_test."""
    try:
        datasets, selection = (import_module(f"sklearn.{name}") for name in ("datasets", "model_selection"))
    except ImportError:
        raise ValueError("this example reads scikit-learn's digits: pip install scikit-learn") from None
    digits = datasets.load_digits()
    images = (digits.images[:, np.newaxis] / 16).astype("float32")
    parts = selection.train_test_split(
        images, digits.target, test_size=0.2, random_state=seed, stratify=digits.target
    )
    return tuple(parts)


def run(seed: int = 0, plot: Path | None = None, verbose: int = 1) -> float:
    """Train it, and return the part of the test digits that it reads."""
    x, x_test, y, y_test = data(seed)
    model = network(np.random.default_rng(seed))
    optimizer = mt.Adam(model.parameters(), lr=3e-3)
    schedule = mt.CosineAnnealingLR(optimizer, EPOCHS)
    mt.fit(
        model, mt.CrossEntropyLoss(), optimizer, x, y, epochs=EPOCHS, batch_size=64, rng=seed,
        validation_data=(x_test, y_test), metrics="accuracy", schedule=schedule, verbose=verbose,
    )  # fmt: skip
    read = mt.predict(model, x_test).argmax(axis=1)
    if plot is not None:
        draw(x_test[read != y_test], read[read != y_test], y_test[read != y_test], plot)
    return float((read == y_test).mean())


def draw(images: Array, read: Array, digits: Array, path: Path) -> None:
    """Draw the digits that were misread."""
    from matplotlib.figure import Figure

    from minitorch_np.study import plots

    figure = Figure(figsize=(1.3 * max(1, len(images)), 1.8))
    for i, (image, said, digit) in enumerate(zip(images, read, digits, strict=True)):
        axes = figure.add_subplot(1, len(images), i + 1, xticks=[], yticks=[])
        axes.imshow(image[0], cmap="gray_r")
        axes.set_title(f"{digit}, read as {said}", fontsize=8)
    plots.save(figure, path)
