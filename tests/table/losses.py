"""One line or more for every public loss; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


class LossCase(NamedTuple):
    make: Callable[[], mt.Loss]
    prediction: Any  # float64; the laws convert floats to the precision under test
    target: Any


LOSSES = {
    "SquaredLoss": LossCase(mt.SquaredLoss, normal(5, 4), normal(5, 4, seed=1)),
    "SquaredLoss mean": LossCase(lambda: mt.SquaredLoss("mean"), normal(5, 4), normal(5, 4, seed=1)),
}
