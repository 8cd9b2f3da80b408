"""The contract of a loss: one number, and its gradient, where every backward pass starts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.arrays import FLOATS, as_floats
from minitorch_np.text import call_text

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


class Loss(ABC):
    """value = Σ function(prediction, target), gradient = derivative(prediction, target).

    `reduction="mean"` divides both by the number of elements, as torch does. A subclass writes
    `function` and its derivative with respect to the prediction, elementwise.

    `loss(prediction, target)` returns the value, a NumPy number of the prediction's dtype. After it
    `backward()` returns the gradient of that value with respect to the prediction. It takes no dy:
    here the chain rule starts. Prediction and target are kept, not copied: leave them as they are
    until then.
    """

    _kept: tuple[Array, Array] | None = None

    def __init__(self, reduction: str = "sum") -> None:
        if reduction not in ("sum", "mean"):
            raise ValueError(f"{type(self).__name__} expects reduction 'sum' or 'mean', got {reduction!r}")
        self.reduction = reduction

    @abstractmethod
    def function(self, prediction: Array, target: Array) -> Array: ...

    @abstractmethod
    def derivative(self, prediction: Array, target: Array) -> Array: ...

    def forward(self, prediction: Array, target: Array) -> Any:
        self._kept = None
        if type(prediction) is not np.ndarray or prediction.dtype not in FLOATS:
            prediction = as_floats(prediction, None, self, "prediction")
        if type(target) is not np.ndarray or target.dtype is not prediction.dtype:
            target = as_floats(target, prediction.dtype, self, "target")
        if prediction.shape != target.shape or not prediction.ndim:
            raise ValueError(
                f"{self!r} expects prediction and target of the same shape, "
                f"got {prediction.shape} and {target.shape}{_likely_fix(prediction, target)}"
            )
        if self.reduction == "mean" and prediction.size == 0:
            raise ValueError(
                f"{self!r} has no mean over an empty batch, prediction of shape {prediction.shape}"
            )
        values = self.function(prediction, target)
        self._kept = prediction, target
        return values.sum() if self.reduction == "sum" else values.mean()

    def backward(self) -> Array:
        if self._kept is None:
            raise RuntimeError(
                f"{self!r} has nothing kept: call it with prediction and target before each backward"
            )
        prediction, target = self._kept
        self._kept = None
        gradient = self.derivative(prediction, target)
        return gradient if self.reduction == "sum" else gradient / gradient.size

    def __call__(self, prediction: Array, target: Array) -> Any:
        return self.forward(prediction, target)

    def __repr__(self) -> str:
        return call_text(self)


def _likely_fix(prediction: Array, target: Array) -> str:
    if target.ndim == 1 and prediction.shape == (target.size, 1):
        return ": make the target a column with target.reshape(-1, 1)"
    if prediction.ndim == 1 and target.shape == (prediction.size, 1):
        return ": make the target flat with target.reshape(-1)"
    return ""
