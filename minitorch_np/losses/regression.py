"""Losses for numbers: functions of the difference d = prediction − target.

Two names for the square: `SquaredLoss` is the handwritten program's and sums by default, `MSELoss` is
torch's and takes the mean by default, as do all losses with a name from torch. The formula is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.validation import number
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class SquaredLoss(Loss):
    """value = Σ (prediction − target)², gradient = 2 (prediction − target).

    Shapes: prediction and target (...), the same -> value (). The sum over all elements, batch
    included, as in the handwritten program.
    Backward: A prediction is in one term of the sum alone, d² with d = prediction − target; by the chain rule
    its derivative is 2 d · 1, since the derivative of d² is 2 d and that of d, as the prediction changes, is 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """

    def function(self, prediction: Array, target: Array) -> Array:
        return np.square(prediction - target)

    def derivative(self, prediction: Array, target: Array) -> Array:
        return 2.0 * (prediction - target)


class MSELoss(SquaredLoss):
    """value = mean (prediction − target)², gradient = 2 (prediction − target) / number of elements.

    Shapes: prediction and target (...), the same -> value ().
    Backward: A prediction is in one term of the sum alone, d² with d = prediction − target; by the chain rule
    its derivative is 2 d · 1, and the mean divides the sum by the number of elements.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)


class L1Loss(Loss):
    """value = mean |d|, gradient = sign(d) / number of elements; d = prediction − target.

    Shapes: prediction and target (...), the same -> value (). At d = 0, where the absolute value has a
    kink, the gradient is 0, which lies between the −1 and the 1 on its sides; torch does so too.

    Backward: The derivative of |d| is the sign of d; by the chain rule times that of d, as the prediction
    changes, which is 1; the mean divides by the number of elements.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.L1Loss.html
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def function(self, prediction: Array, target: Array) -> Array:
        return np.abs(prediction - target)

    def derivative(self, prediction: Array, target: Array) -> Array:
        return np.sign(prediction - target)


class HuberLoss(Loss):
    """value = mean of d² / 2 where |d| ≤ delta, and of delta (|d| − delta / 2) beyond; d = prediction − target.

    Shapes: prediction and target (...), the same -> value ().

    Backward: gradient = clip(d, −delta, delta) / number of elements. The derivative of d² / 2 is d, that of
    delta |d| is ±delta, with the sign of d; by the chain rule times that of d, as the prediction changes,
    which is 1. So it is d itself, but no more than ±delta: outliers pull with a bounded force. With
    c = clip(d, −delta, delta) both pieces are one: value c (d − c/2), gradient c.

    Raises ValueError for a delta that is not positive.
    Source: Huber 1964; https://docs.pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = number("HuberLoss", "delta", delta)
        if self.delta == 0:
            raise ValueError("HuberLoss expects a positive delta, got 0: at 0 every value would be 0")

    def function(self, prediction: Array, target: Array) -> Array:
        d = prediction - target
        c = np.clip(d, -self.delta, self.delta)
        return c * (d - c / 2)

    def derivative(self, prediction: Array, target: Array) -> Array:
        return np.clip(prediction - target, -self.delta, self.delta)


class SmoothL1Loss(Loss):
    """value = mean of d² / (2 beta) where |d| < beta, and of |d| − beta / 2 beyond; d = prediction − target.

    Shapes: prediction and target (...), the same -> value (). HuberLoss with delta = beta, divided by
    beta: the slope of the straight part is always 1, and beta = 0 is L1Loss.

    Backward: gradient = clip(d, −beta, beta) / beta / number of elements. The derivative of d² / (2 beta) is
    d / beta, that of |d| is the sign of d; by the chain rule times that of d, as the prediction changes,
    which is 1. With c = clip(d, −beta, beta) the value is c (d − c/2) / beta, the gradient c / beta.

    Raises ValueError for a negative beta.
    Source: Girshick 2015; https://docs.pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = number("SmoothL1Loss", "beta", beta)

    def function(self, prediction: Array, target: Array) -> Array:
        d = prediction - target
        if self.beta == 0:
            return np.abs(d)
        c = np.clip(d, -self.beta, self.beta)
        return c / self.beta * (d - c / 2)

    def derivative(self, prediction: Array, target: Array) -> Array:
        d = prediction - target
        return np.sign(d) if self.beta == 0 else np.clip(d, -self.beta, self.beta) / self.beta
