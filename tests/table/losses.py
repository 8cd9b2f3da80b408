"""One line or more for every public loss; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


class LossCase(NamedTuple):
    make: Callable[[], mt.Loss]
    prediction: Any  # float64; the laws convert floats to the precision under test
    target: Any


def probabilities(*shape: int, seed: int = 0) -> Any:
    """Positive numbers that sum to 1 along axis 1."""
    e = np.exp(normal(*shape, seed=seed))
    return e / e.sum(axis=1, keepdims=True)


X, Y, IMAGES = normal(5, 4), normal(5, 4, seed=1), normal(2, 3, 4)
CLASSES, CLASSES_OF_IMAGES = np.array([3, 0, 1, 1, 2]), np.array([[0, 2, 1, 1], [2, 1, 0, 0]])
PIXELS, CLASSES_OF_PIXELS = (
    normal(2, 3, 2, 4),
    np.array([[[0, 2, 1, 1], [2, -100, 0, 0]], [[1] * 4, [-100] * 4]]),
)
SOME_IGNORED = np.array([3, -100, 1, 1, -100])
P, LOG_P, LOG_P_OF_IMAGES = probabilities(5, 4), np.log(probabilities(5, 4)), np.log(probabilities(2, 3, 4))
Q, YES_NO = probabilities(5, 4, seed=1), (normal(5, 4, seed=2) > 0).astype(float)
WEIGHT = [0.5, 2.0, 1.0, 3.0]


def every_reduction(name: str, prediction: Any, target: Any, **options: Any) -> dict[str, LossCase]:
    """The cases of a loss with these options, one for each of its reductions."""
    loss, said = getattr(mt, name), ", ".join(f"{k}={v}" for k, v in options.items())
    return {
        f"{name}({said}) {reduction} {np.shape(prediction)}, {np.asarray(target).dtype}": LossCase(
            partial(loss, reduction=reduction, **options), prediction, target
        )
        for reduction in loss.reductions
    }


LOSSES = {
    "SquaredLoss": LossCase(mt.SquaredLoss, X, Y),
    **every_reduction("SquaredLoss", X, Y),
    **every_reduction("MSELoss", X, Y),
    **every_reduction("L1Loss", X, Y),
    **every_reduction("HuberLoss", X, Y),
    **every_reduction("HuberLoss", X, Y, delta=0.5),
    **every_reduction("SmoothL1Loss", X, Y),
    **every_reduction("SmoothL1Loss", X, Y, beta=0.5),
    **every_reduction("SmoothL1Loss", X, Y, beta=0.0),
    **every_reduction("CrossEntropyLoss", X, CLASSES),
    **every_reduction("CrossEntropyLoss", X[0], np.array(2)),
    **every_reduction("CrossEntropyLoss", IMAGES, CLASSES_OF_IMAGES),
    **every_reduction("CrossEntropyLoss", X, SOME_IGNORED, weight=WEIGHT),
    **every_reduction("CrossEntropyLoss", X, CLASSES, ignore_index=1),
    **every_reduction("CrossEntropyLoss", X, SOME_IGNORED, weight=WEIGHT, label_smoothing=0.1),
    **every_reduction("CrossEntropyLoss", IMAGES, CLASSES_OF_IMAGES, weight=WEIGHT[:3], label_smoothing=0.1),
    **every_reduction("CrossEntropyLoss", PIXELS, CLASSES_OF_PIXELS, weight=WEIGHT[:3], label_smoothing=0.1),
    **every_reduction("CrossEntropyLoss", X, Q),
    **every_reduction("CrossEntropyLoss", X[0], Q[0]),
    **every_reduction("CrossEntropyLoss", X, Q, weight=WEIGHT, label_smoothing=0.1),
    **every_reduction("NLLLoss", LOG_P, CLASSES),
    **every_reduction("NLLLoss", LOG_P[0], np.array(2), weight=WEIGHT),
    **every_reduction("NLLLoss", LOG_P, SOME_IGNORED, weight=WEIGHT),
    **every_reduction("NLLLoss", LOG_P_OF_IMAGES, CLASSES_OF_IMAGES, ignore_index=0),
    **every_reduction("NLLLoss", np.log(probabilities(2, 3, 2, 4)), CLASSES_OF_PIXELS, weight=WEIGHT[:3]),
    **every_reduction("BCELoss", P, YES_NO),
    **every_reduction("BCELoss", P, Q, weight=WEIGHT),
    **every_reduction("BCEWithLogitsLoss", X, YES_NO),
    **every_reduction("BCEWithLogitsLoss", X, Q, weight=[[1.0], [2.0], [0.0], [1.0], [3.0]]),
    **every_reduction("BCEWithLogitsLoss", X, Q, weight=WEIGHT, pos_weight=2.0),
    **every_reduction("KLDivLoss", LOG_P, Q),
    **every_reduction("KLDivLoss", LOG_P, np.log(Q), log_target=True),
}
