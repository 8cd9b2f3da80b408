"""The Kullback-Leibler divergence of two distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.numerics import weighted
from minitorch_np.losses import checks
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class KLDivLoss(Loss):
    """value = mean of q (log q − log p), for log-probabilities log p and a target q.

    The Kullback-Leibler divergence of two distributions.

    Shapes: prediction log p and target (...), the same -> value (). The target holds probabilities q,
    with `log_target=True` their logarithms. If q = 0 the value is 0, the limit of q log q, also
    if log p is −inf (torch gives NaN there). Rows need not sum to 1.

    As in torch "mean" divides by the number of elements, which is not what the divergence means;
    `reduction="batchmean"` divides the sum by the number of samples N, which is.

    Backward: gradient = −q / number of elements. The prediction is log p, and only −q log p depends on
    it: with respect to log p the derivative of that is −q. With "batchmean" N divides it, as the value.

    Raises ValueError for negative probabilities. Positive predictions, which no logarithms of
    probabilities are, are pointed out by a warning, at the first call.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
    """

    reductions = ("none", "mean", "batchmean", "sum")

    _first_call = True

    def __init__(self, reduction: str = "mean", *, log_target: bool = False) -> None:
        super().__init__(reduction)
        if not isinstance(log_target, bool):
            raise TypeError(f"KLDivLoss expects log_target to be True or False, got {log_target!r}")
        self.log_target = log_target

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        log_p, target = super().prepare(prediction, target)
        if self._first_call:
            self._first_call = False
            checks.warn_of_positive(self, log_p, stacklevel=4)
        if not self.log_target and (target < 0).any():
            raise ValueError(
                f"{self!r} expects probabilities as target, got the negative {target.min():.6g}: "
                "for logarithms of them KLDivLoss(log_target=True)"
            )
        return log_p, target

    def function(self, log_p: Array, target: Array) -> Array:
        q = np.exp(target) if self.log_target else target
        log_q = np.where(q == 0, 0, target) if self.log_target else np.log(np.where(q == 0, 1, q))
        return weighted(q, log_q - log_p)

    def derivative(self, log_p: Array, target: Array) -> Array:
        return -np.exp(target) if self.log_target else -target

    def divisor(self, log_p: Array, target: Array) -> float:
        if self.reduction != "batchmean":
            return log_p.size
        return len(log_p) if log_p.ndim else 1
