"""The 8 by 8 digits of scikit-learn as images, for the examples that read or draw them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from minitorch_np._internal.arrays import Array


def load(seed: int) -> tuple[Array, ...]:
    """Images (N, 1, 8, 8) from 0 to 1, four fifths to train with, the rest to test: x, x_test, y, y_test."""
    try:
        datasets, selection = (import_module(f"sklearn.{name}") for name in ("datasets", "model_selection"))
    except ImportError:
        raise ValueError("this example reads scikit-learn's digits: pip install scikit-learn") from None
    digits = datasets.load_digits()
    images = (digits.images[:, np.newaxis] / 16).astype("float32")
    return tuple(
        selection.train_test_split(
            images, digits.target, test_size=0.2, random_state=seed, stratify=digits.target
        )
    )


def draw(rows: Sequence[Array], titles: Sequence[str], path: Path) -> None:
    """Draw rows of images below each other, with titles above the first."""
    from matplotlib.figure import Figure

    from minitorch_np.study import plots

    count = max(1, len(rows[0]))
    figure = Figure(figsize=(1.3 * count, 0.5 + 1.3 * len(rows)))
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            axes = figure.add_subplot(len(rows), count, i * count + j + 1, xticks=[], yticks=[])
            axes.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
            axes.set_title(titles[j] if i == 0 and titles else "", fontsize=8)
    plots.save(figure, path)
