"""Inputs that a network takes and targets that a loss accepts, drawn at random."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.losses.checks import class_axis
from minitorch_np.study.explain.formulas import shapes

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.module import Module


EXTENTS = (8, *range(1, 65))  # of images and sequences that a layer leaves open, in the order of their trial

OPEN = ("C", "H", "W", "T", "L")  # words of a docstring for sizes that a layer leaves open


def usual_shape(model: Layer, batch: int, guesses: bool = True) -> tuple[int, ...] | None:
    """A shape of x, by the docstring of the first layer that says one: (N, in_channels, H, W); None of none.

    Heights, widths and lengths are guesses; without them it is None of a layer that leaves them open.
    """
    if not guesses and model.index_count is not None:
        return None
    for layer in model.modules():
        if not guesses and any(word in OPEN for word in shapes(type(layer))[0].get("x", ())):
            return None
        sizes = _sizes_of_sample(layer, EXTENTS[0])
        if sizes:
            return batch, *sizes
    return None


def fitting_shape(model: Layer, batch: int) -> tuple[int, ...]:
    """The usual shape of x or, if the model refuses it, another one that it takes.

    Raises ValueError if it takes none of those that are tried.
    """
    refused: dict[tuple[int, ...], Exception] = {}
    tried, rng = copy.deepcopy(model), np.random.default_rng(0)
    for sizes in _possible_sizes(model):
        if sizes in refused:
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                x = drawn_input(model, (batch, *sizes), rng)
                tried(x if model.index_count is not None else x.astype(model.dtype))
        except Exception as error:
            refused[sizes] = error
        else:
            return batch, *sizes
    first, reason = next(iter(refused.items()))
    if not isinstance(reason, ValueError):
        return batch, *first  # what is wrong is not its shape
    raise ValueError(
        f"{reason} (x was drawn: if its shape is wrong give another, x=(5, 4), on the command line --shape 5,4)"
    ) from reason


def _possible_sizes(model: Layer) -> Iterator[tuple[int, ...]]:
    """Sizes of a sample: those that a layer's docstring says, also in one row or at each step of a sequence."""
    for extent in EXTENTS:
        if model.index_count is not None:
            yield (extent,)
            continue
        for layer in model.modules():
            sizes = _sizes_of_sample(layer, extent)
            if sizes:
                yield sizes
                yield (math.prod(sizes),)
                yield (extent, *sizes)
    yield () if model.index_count is not None else (4,)


def _sizes_of_sample(layer: Module, extent: int) -> tuple[int, ...]:
    """The sizes after the batch, by the layer's docstring; empty if it does not say them."""
    says = shapes(type(layer))[0].get("x", ())
    words = says[1:-1] if says[1:] and says[-1] == "..." else says[1:]
    known = vars(layer) | {word: 2 if word == "C" else extent for word in OPEN}
    asked = [known.get(word) for word in words]
    sizes = [size for one in asked for size in (one if isinstance(one, tuple) else (one,))]
    if sizes and all(isinstance(size, int) for size in sizes):
        return tuple(sizes)
    return (int(layer.in_features),) if hasattr(layer, "in_features") else ()  # a layer of one's own


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
