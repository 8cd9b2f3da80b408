"""Losses for numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


class SquaredLoss(Loss):
    """value = Σ (prediction − target)², gradient = 2 (prediction − target).

    Shapes: prediction and target (...), the same. The sum over all elements, batch included, as in
    the handwritten program; `SquaredLoss("mean")` is torch's MSELoss with its default reduction.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """

    def function(self, prediction: Array, target: Array) -> Array:
        return np.square(prediction - target)

    def derivative(self, prediction: Array, target: Array) -> Array:
        return 2.0 * (prediction - target)
