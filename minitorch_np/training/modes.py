"""Evaluation mode for a while, and every layer put back to its own mode after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minitorch_np.layer import Layer


@contextmanager
def evaluating(model: Layer) -> Iterator[None]:
    """Inside, `training` is False in the whole model; afterwards it is what it was, layer by layer.

    What the layers have kept for a backward goes, as no backward fits it.
    """
    layers = [layer for _, layer in model.named_modules()]
    modes = [layer.training for layer in layers]
    try:
        model.eval()
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
            vars(layer).pop("_saved", None)
