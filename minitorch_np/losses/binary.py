"""Binary classification losses: the cross-entropy of a probability, given as it is or as a logit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.numerics import sigmoid, weighted
from minitorch_np.losses import checks
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class BinaryLoss(Loss):
    """Base of the two: targets between 0 and 1, and weights that broadcast to them."""

    def __init__(self, weight: Any, reduction: str) -> None:
        super().__init__(reduction)
        self.weight = checks.weights(weight, type(self).__name__, "weight")

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        prediction, target = super().prepare(prediction, target)
        checks.between_0_and_1(
            self, target, "targets", "for labels −1 and 1, (target + 1) / 2; for classes, CrossEntropyLoss"
        )
        return prediction, target, checks.fitting(self, self.weight, "weight", prediction)

    def divisor(self, prediction: Array, target: Array, *weights: Array | None) -> float:
        return prediction.size


class BCELoss(BinaryLoss):
    """value = mean of −w (t log p + (1 − t) log(1 − p)), for probabilities p and targets t.

    Shapes: prediction and target (...), the same -> value (). Targets lie between 0 and 1. `weight` w
    broadcasts to them (one for each sample: (N, 1)); the mean is over the number of elements,
    whatever the weights. What weighs 0 takes no part.

    Backward: gradient = (p − t) / (p (1 − p)) / number of elements. Of −t log p the derivative is −t/p; of
    −(1 − t) log(1 − p) it is (1 − t)/(1 − p), by the chain rule with (1 − p)′ = −1. Over one denominator
    they make (p − t) / (p (1 − p)), times w if there is a weight. Both logarithms are at least −100, and
    the denominator at least 1e-12, as in torch, so that p = 0 and p = 1 stay finite.

    Raises ValueError for predictions or targets outside [0, 1], and for weights that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html
    """

    def __init__(self, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        p, t, weight = super().prepare(prediction, target)
        checks.between_0_and_1(self, p, "probabilities", "for logits use BCEWithLogitsLoss")
        return p, t, weight

    def function(self, p: Array, t: Array, weight: Array | None = None) -> Array:
        with np.errstate(divide="ignore"):  # log 0 = −inf
            log_p = np.maximum(np.log(p), -100)
            log_not_p = np.maximum(np.log1p(-p), -100)
        values = -(t * log_p + (1 - t) * log_not_p)
        return values if weight is None else weighted(weight, values)

    def derivative(self, p: Array, t: Array, weight: Array | None = None) -> Array:
        gradient = (p - t) / np.maximum(p * (1 - p), 1e-12)
        return gradient if weight is None else weighted(weight, gradient)


class BCEWithLogitsLoss(BinaryLoss):
    """BCELoss of σ(x): value = mean of −w (r t log σ(x) + (1 − t) log(1 − σ(x))), for logits x.

    Shapes: prediction and target (...), the same -> value (). Targets t lie between 0 and 1. `weight` w
    and `pos_weight` r broadcast to them: an r of shape (C,) weighs the positives of C questions. The
    mean is over the number of elements, whatever the weights. What weighs 0 takes no part, nor does an
    infinite logit on the side of its target (torch gives NaN there).

    −log σ(x) = log(1 + exp(−x)) is max(−x, 0) + log(1 + exp(−|x|)), which no logit overflows, and
    −log(1 − σ(x)) the same of −x. For r = 1 the value is max(x, 0) − x t + log(1 + exp(−|x|)).
    Backward: gradient = (σ(x) − t) / number of elements. By the chain rule, with σ′ = σ (1 − σ):
    d(−log σ(x))/dx = σ(x) − 1 and d(−log(1 − σ(x)))/dx = σ(x). Times t and 1 − t they make σ(x) − t; with
    r it is (1 − t + r t) σ(x) − r t, and all of it times w if there is a weight.

    Raises ValueError for targets outside [0, 1], and for weights that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
    """

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(weight, reduction)
        self.pos_weight = checks.weights(pos_weight, "BCEWithLogitsLoss", "pos_weight")

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        x, t, weight = super().prepare(prediction, target)
        return x, t, weight, checks.fitting(self, self.pos_weight, "pos_weight", x)

    def function(
        self, x: Array, t: Array, weight: Array | None = None, pos_weight: Array | None = None
    ) -> Array:
        positive = t if pos_weight is None else pos_weight * t
        tail = np.log1p(np.exp(-np.abs(x)))
        values = weighted(positive, np.maximum(-x, 0) + tail) + weighted(1 - t, np.maximum(x, 0) + tail)
        return values if weight is None else weighted(weight, values)

    def derivative(
        self, x: Array, t: Array, weight: Array | None = None, pos_weight: Array | None = None
    ) -> Array:
        positive = t if pos_weight is None else pos_weight * t
        gradient = (1 - t + positive) * sigmoid(x) - positive
        return gradient if weight is None else weighted(weight, gradient)
