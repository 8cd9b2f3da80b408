"""Inputs that a network takes and targets that a loss accepts, drawn at random."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.losses.checks import class_axis
from minitorch_np.study.explain.formulas import shapes

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss


EXTENTS = {"C": 2, **dict.fromkeys(("H", "W", "T", "L"), 8)}  # of images and sequences that a layer leaves open


def usual_shape(model: Layer, batch: int, guesses: bool = True) -> tuple[int, ...] | None:
    """A shape of x, by the docstring of the first layer that says one: (N, in_channels, H, W); None of none.

    Heights, widths and lengths are guesses; without them it is None of a layer that leaves them open.
    """
    if not guesses and model.index_count is not None:
        return None
    for layer in model.modules():
        says = shapes(type(layer))[0].get("x", ())
        words = says[1:-1] if says[1:] and says[-1] == "..." else says[1:]
        asked = [EXTENTS.get(word, vars(layer).get(word)) for word in words]
        sizes = [size for size in asked if isinstance(size, int)]
        if not guesses and any(word in EXTENTS for word in words):
            return None
        if sizes and len(sizes) == len(asked):
            return batch, *sizes
        if hasattr(layer, "in_features"):  # a layer of one's own
            return batch, int(layer.in_features)
    return None


def drawn_input(model: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw an x: normal numbers, or indices for a layer that looks them up."""
    count = getattr(model, "index_count", None)
    return rng.standard_normal(shape) if count is None else rng.integers(0, count, shape)


def drawn_targets(prediction: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Return targets for a prediction by their kind: normal numbers, class indices, probabilities."""
    shape, axis = prediction.shape, class_axis(prediction)
    drawn = {"normal": rng.standard_normal(shape).astype(prediction.dtype)}
    if shape:
        drawn["classes"] = rng.integers(0, max(1, shape[axis]), shape[:axis] + shape[axis + 1 :])
        p = rng.uniform(0.1, 0.9, shape)
        drawn["probabilities"] = (p / p.sum(axis=axis, keepdims=True)).astype(prediction.dtype)
    return drawn


def accepted_target(loss: Loss, prediction: Array, targets: Mapping[str, Any]) -> str:
    """Return the name of the first target that the loss accepts; raise the error of the last if none is."""
    refused: Exception | None = None
    for name, target in targets.items():
        try:
            with warnings.catch_warnings(action="ignore"):
                copy.deepcopy(loss)(prediction, target)
        except (TypeError, ValueError, IndexError) as error:
            refused = error
        else:
            return name
    raise refused or ValueError(f"there is no target to try for {loss!r}")
