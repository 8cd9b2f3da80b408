"""Classification losses: the negative log-likelihood of the right class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import as_floats
from minitorch_np._internal.numerics import log_softmax, weighted
from minitorch_np._internal.validation import fraction
from minitorch_np.losses import checks
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class NLLLoss(Loss):
    """value = Σ w_t (−log p_t) / Σ w_t, over samples with class t, for given log-probabilities.

    Shapes: prediction (N, C), target (N,) -> value (), with "none" (N,); or prediction (N, C, d1, ...)
    and target (N, d1, ...); or (C,) and () for one sample. Targets are integers from 0 to C − 1, or
    `ignore_index`. A `weight` (C,) is the weight w of each class, without it 1. An ignored sample and
    one of weight 0 take no part, whatever their prediction: value 0, gradient 0.

    Backward: gradient = −w_t / Σ w_t at class t and 0 elsewhere. Of a sample only the log-probability of
    its class is in the value, as −w_t log p_t: with respect to log p_t the derivative of that is −w_t.

    Raises ValueError for indices out of range or of another shape, and for a mean over no weight;
    TypeError for indices that are not integers. Positive predictions are pointed out by a warning, at
    the first call.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html
    """

    _first_call = True

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        name = type(self).__name__
        self.weight = checks.weights(weight, name, "weight")
        if self.weight is not None and self.weight.ndim != 1:
            raise ValueError(f"{name} expects weight of shape (classes,), got {self.weight.shape}")
        if isinstance(ignore_index, bool) or not isinstance(ignore_index, int | np.integer):
            raise TypeError(f"{name} expects ignore_index to be an integer, got {ignore_index!r}")
        self.ignore_index = int(ignore_index)

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        log_p = self._scores(prediction)
        if self._first_call:
            self._first_call = False
            checks.warn_of_positive(self, log_p, stacklevel=4)
        target, counts = checks.class_indices(self, log_p, checks.as_target(self, target), self.ignore_index)
        return log_p, target, self._sample_weight(target, counts, log_p.dtype)

    def function(self, log_p: Array, target: Array, sample_weight: Array | None = None) -> Array:
        values = -log_p[_right_class(target)]
        return values if sample_weight is None else weighted(sample_weight, values)

    def derivative(self, log_p: Array, target: Array, sample_weight: Array | None = None) -> Array:
        gradient = np.zeros_like(log_p)
        gradient[_right_class(target)] = -1 if sample_weight is None else -sample_weight
        return gradient

    def divisor(self, log_p: Array, target: Array, sample_weight: Array | None = None) -> float:
        """Return the sum of the weights of the samples; without any their number."""
        if sample_weight is not None:
            return float(sample_weight.sum())
        return (
            target.size if target.dtype.kind != "f" else target.size // target.shape[checks.class_axis(target)]
        )

    def spread(self, dy: Array) -> Array:
        return dy[:, None] if dy.ndim else dy  # (N, ...) -> (N, 1, ...): the same for all classes

    def _scores(self, prediction: Array) -> Array:
        """Return the prediction as floats, with a class axis that fits the weight."""
        prediction = self._floats(prediction)
        classes = prediction.shape[checks.class_axis(prediction)] if prediction.ndim else 0
        if classes == 0:
            raise ValueError(
                f"{self!r} expects prediction of shape (N, C), (N, C, d1, ...) or (C,) with a class or more, "
                f"got {prediction.shape}"
            )
        if self.weight is not None and len(self.weight) != classes:
            raise ValueError(
                f"{self!r} has weights for {len(self.weight)} classes, "
                f"got a prediction of {classes}, shape {prediction.shape}"
            )
        return prediction

    def _sample_weight(self, target: Array, counts: Array | None, dtype: np.dtype[Any]) -> Array | None:
        """Return the weight of each sample's class, 0 for the ignored; None if all are 1."""
        if self.weight is None:
            return None if counts is None else counts.astype(dtype)
        weight = self.weight.astype(dtype)[target]
        return weight if counts is None else weight * counts


class CrossEntropyLoss(NLLLoss):
    """NLLLoss of log softmax: value = mean of −log p_t, p = softmax(x), for logits x and class t.

    Shapes: prediction (N, C), target (N,) -> value (), with "none" (N,); or prediction (N, C, d1, ...)
    and target (N, d1, ...); or (C,) and () for one sample. Integer targets are class indices, with
    `weight` and `ignore_index` as in NLLLoss. Floats of the prediction's shape are probabilities:
    value = mean of Σ_c −w_c q_c log p_c, over the number of samples, whatever the weights, as in torch.
    A class with q_c = 0 takes no part, also if its logit is −inf (torch gives NaN there).
    `label_smoothing` ε replaces q by (1 − ε) q + ε/C (for an index, q is 1 there and 0 elsewhere).

    Backward: gradient = (softmax(x) − onehot(t)) / number of targets. Of −log p_t = log Σ_c exp x_c − x_t
    the first part has, by the chain rule, the derivative exp x / Σ_c exp x_c, which is softmax(x); that of
    x_t is 1 at class t and 0 elsewhere, which is onehot(t). With q, all of it: softmax(x) Σ_c w_c q_c − w q.

    Raises, beyond what NLLLoss does, ValueError for probabilities that are negative or do not sum to 1.
    Predictions that look like the output of a Softmax are pointed out by a warning, at the first call.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = fraction("CrossEntropyLoss", "label_smoothing", label_smoothing)

    def prepare(self, prediction: Array, target: Array) -> tuple[Any, ...]:
        x = self._scores(prediction)
        if self._first_call:
            self._first_call = False
            checks.warn_of_softmax(self, x, stacklevel=4)
        log_p = log_softmax(x, checks.class_axis(x))
        target = checks.as_target(self, target)
        if target.dtype.kind == "f" and target.shape == x.shape:
            return log_p, self._probabilities(as_floats(target, x.dtype, self, "target"))
        target, counts = checks.class_indices(self, x, target, self.ignore_index)
        sample_weight = self._sample_weight(target, counts, x.dtype)
        if self.label_smoothing:
            target = self._smoothed(target, counts, log_p)
        return log_p, target, sample_weight

    def function(self, log_p: Array, target: Array, sample_weight: Array | None = None) -> Array:
        if target.dtype.kind == "f":
            return self._of_probabilities(log_p, target)
        return super().function(log_p, target, sample_weight)

    def derivative(self, log_p: Array, target: Array, sample_weight: Array | None = None) -> Array:
        if target.dtype.kind == "f":
            return self._gradient_of_probabilities(log_p, target)
        return self._gradient_of_indices(log_p, target, sample_weight)

    def _gradient_of_indices(self, log_p: Array, target: Array, sample_weight: Array | None) -> Array:
        """w (softmax(x) − onehot(t))."""
        p = np.exp(log_p)  # softmax(x)
        p[_right_class(target)] -= 1
        return p if sample_weight is None else weighted(self.spread(sample_weight), p)

    def _of_probabilities(self, log_p: Array, q: Array) -> Array:
        """Σ_c −q_c log p_c, with the weights in q."""
        return -weighted(q, log_p).sum(axis=checks.class_axis(log_p))

    def _gradient_of_probabilities(self, log_p: Array, q: Array) -> Array:
        """softmax(x) Σ_c q_c − q, with the weights in q."""
        p = np.exp(log_p)  # softmax(x)
        return weighted(q.sum(axis=checks.class_axis(p), keepdims=True), p) - q

    def _probabilities(self, q: Array) -> Array:
        """Return target probabilities, smoothed and weighted."""
        if self.ignore_index >= 0:
            raise ValueError(f"{self!r} expects class indices as target: probabilities cannot be ignored")
        axis = checks.class_axis(q)
        checks.probabilities(self, q, axis)
        if self.label_smoothing:
            q = (1 - self.label_smoothing) * q + self.label_smoothing / q.shape[axis]
        return self._class_weighted(q)

    def _smoothed(self, target: Array, counts: Array | None, log_p: Array) -> Array:
        """Return class indices as smoothed and weighted probabilities, 0 for ignored samples."""
        q = np.full_like(log_p, self.label_smoothing / log_p.shape[checks.class_axis(log_p)])
        q[_right_class(target)] += 1 - self.label_smoothing
        return self._class_weighted(q if counts is None else q * self.spread(counts))

    def _class_weighted(self, q: Array) -> Array:
        if self.weight is None:
            return q
        return q * self.weight.astype(q.dtype).reshape(-1, *(1,) * (q.ndim - 2))  # (C, 1, ...)


def _right_class(target: Array) -> tuple[Array, ...]:
    """Return the index of the right class of each sample: (n, t_n); with more axes (n, t_ni, i)."""
    if target.ndim == 1:
        return np.arange(len(target)), target
    places = np.indices(target.shape, sparse=True)
    return (*places[:1], target, *places[1:])
