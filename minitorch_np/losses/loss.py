"""The contract of a loss: one number, and its gradient, where every backward pass starts."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import FLOATS, as_floats, likely_fix
from minitorch_np._internal.names import ChecksArguments
from minitorch_np._internal.numerics import total
from minitorch_np._internal.reprs import call_text
from minitorch_np.parameter import Counted

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Loss(ChecksArguments, Counted):
    """value = Σ function(prediction, target), gradient = derivative(prediction, target).

    A subclass writes `function` and its derivative with respect to the prediction, elementwise; the
    rest is here. `reduction="mean"` divides both by the number of elements, as torch does;
    `reduction="none"` gives the values themselves.

    `loss(prediction, target)` returns the value, a NumPy number of the prediction's dtype. After it
    `backward()` returns the gradient of that value with respect to the prediction. It takes no dy:
    here the chain rule starts. With "none" it starts later, at what you make of the values, and
    `backward(dy)` takes the gradient that arrives at them, in their shape; the weights w of
    Σ w · values, for one. Prediction and target are saved, not copied: leave them as they are until
    then.

    `explain` takes the first line of the docstring as `value = …, gradient = ….`; the gradient may also
    begin the paragraph `Backward:`.

    Three methods are for losses that are not elementwise, such as those over classes:
    `prepare` checks prediction and target and returns the arguments of `function`, `derivative` and
    `divisor`: these two, or what is made of them once for all three;
    `divisor` says what "mean" divides by;
    `spread` gives a dy of the values' shape the axes of the gradient.

    Raises ValueError for shapes that differ (nothing is broadcast), for a mean over nothing and for a
    dy that does not fit the reduction; TypeError for a target of another precision.
    """

    reductions: tuple[str, ...] = ("none", "mean", "sum")

    _saved: tuple[tuple[Any, ...], float | None, tuple[int, ...]] | None = None

    def __init__(self, reduction: str = "sum") -> None:
        if reduction not in self.reductions:
            *others, last = map(repr, self.reductions)
            raise ValueError(
                f"{type(self).__name__} expects reduction {', '.join(others)} or {last}, got {reduction!r}"
            )
        self.reduction = reduction

    @abstractmethod
    def function(self, prediction: Array, target: Array) -> Array: ...

    @abstractmethod
    def derivative(self, prediction: Array, target: Array) -> Array: ...

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        prediction = self._floats(prediction)
        if type(target) is not np.ndarray or target.dtype != prediction.dtype:
            target = as_floats(target, prediction.dtype, self, "target")
        if prediction.shape != target.shape:
            fix = likely_fix("target", target.shape, prediction.shape)
            raise ValueError(
                f"{self!r} expects prediction and target of the same shape, "
                f"got {prediction.shape} and {target.shape}{fix}"
            )
        return prediction, target

    def divisor(self, prediction: Array, target: Array) -> float:
        return prediction.size

    def spread(self, dy: Array) -> Array:
        return dy

    def forward(self, prediction: Array, target: Array) -> Any:
        self.__dict__["_saved"] = None  # as self._saved = None, which counts as a change
        arguments = self.prepare(prediction, target)
        values = self.function(*arguments)
        if not arguments[0].ndim:  # NumPy makes numbers of arrays without axes
            values = np.asarray(values)
        divisor = None if self.reduction in ("none", "sum") else self._count(*arguments)
        self.__dict__["_saved"] = arguments, divisor, values.shape
        if self.reduction == "none":
            return values
        value = total(values)
        return value if divisor is None else value / divisor

    def backward(self, dy: Array | None = None) -> Array:
        if self._saved is None:
            raise RuntimeError(
                f"{self!r} has nothing saved: call it with prediction and target before each backward"
            )
        arguments, divisor, shape = self._saved
        if dy is not None or self.reduction == "none":
            dy = self._upstream(dy, arguments[0].dtype, shape)
        self.__dict__["_saved"] = None
        gradient = self.derivative(*arguments)
        if dy is not None:
            gradient = gradient * self.spread(dy)
        elif divisor is not None:
            gradient = gradient / divisor
        return gradient if arguments[0].ndim else np.asarray(gradient)

    def clear_saved(self) -> None:
        """Drop what forward saved."""
        self._saved = None

    def __call__(self, prediction: Array, target: Array) -> Any:
        return self.forward(prediction, target)

    def __repr__(self) -> str:
        return call_text(self)

    def _floats(self, prediction: Array) -> Array:
        if type(prediction) is np.ndarray and prediction.dtype in FLOATS:
            return prediction
        return as_floats(prediction, None, self, "prediction")

    def _count(self, *arguments: Any) -> float:
        count = self.divisor(*arguments)
        if count == 0:
            prediction = arguments[0]
            what = "an empty batch" if prediction.size == 0 else "targets that are all ignored or of weight 0"
            raise ValueError(f"{self!r} has no mean over {what}, prediction of shape {prediction.shape}")
        return count

    def _upstream(self, dy: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        if self.reduction != "none":
            raise ValueError(
                f"{self!r} starts the backward pass: its backward takes no dy, reduction='none' does"
            )
        if dy is None:
            raise ValueError(
                f"{self!r} gives values of shape {shape}: its backward expects their gradient dy "
                "(for backward() without one: reduction='sum' or 'mean')"
            )
        dy = as_floats(dy, dtype, self, "dy")
        if dy.shape != shape:
            raise ValueError(f"{self!r} expects dy of the shape of its values {shape}, got {dy.shape}")
        return dy
