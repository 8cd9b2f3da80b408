"""Likeness of arrays and of names: equal but for rounding; `dW1`, `grads["W1"]` and `grad_w1` are one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

ROUNDINGS = 4096  # of the largest element: a sum over thousands of products, in another order


def rounding(right: Array) -> float:
    """How far rounding alone can take an array: some thousand eps of its largest element."""
    return ROUNDINGS * float(np.finfo(right.dtype).eps) * largest(right)


def largest(a: Array) -> float:
    """The largest magnitude among the finite elements."""
    return float(np.abs(np.where(np.isfinite(a), a, 0)).max(initial=0))


def close(got: Array, right: Array, allowed: float | None = None) -> bool:
    """Whether arrays of one shape differ by no more than rounding; NaN and infinities have to agree."""
    allowed = rounding(right) if allowed is None else allowed
    with np.errstate(all="ignore"):
        return bool((np.abs(got - right) <= allowed).all()) or bool(
            np.allclose(got, right, rtol=0, atol=allowed, equal_nan=True)
        )


def fitted(value: Array, like: Array) -> Array | None:
    """A value in the shape of another array where they differ by axes of length 1 only: (1, H) as (H,)."""
    if value.shape == like.shape:
        return value
    short, wanted = ([n for n in a.shape if n != 1] for a in (value, like))
    return value.reshape(like.shape) if short == wanted else None


GRADIENT = re.compile(
    r"^(grad(ient)?s?_?(of_)?|delta_?|d_|d(?=[a-z]\d?$)|d(?=(h|y|z|a|w|b|out|pred|yhat)))(?=.)"
)

SYNONYMS = {
    "yhat": "ypred",
    "pred": "ypred",
    "preds": "ypred",
    "prediction": "ypred",
    "predictions": "ypred",
    "output": "ypred",
    "out": "ypred",
    "logits": "ypred",
    "weight": "w",
    "bias": "b",
    "hrelu": "a",
}

LOSSES = re.compile(r"loss|cost|err|mse|sse|objective|^j$|\[-1\]|\[step\]")

TARGETS = ("y", "t", "target", "targets", "labels", "ytrain")

RATES = ("learning_rate", "lr", "alpha", "eta", "rate", "step_size", "learningrate", "l_rate")

STEPS = (
    *("steps", "n_steps", "num_steps", "epochs", "n_epochs", "num_epochs", "iterations", "n_iterations"),
    *("num_iterations", "n_iter", "num_iters", "iters", "max_iter"),
)


def canonical(name: str) -> str:
    """A name without its container, case, underscores and ways to say gradient, which becomes `grad:`."""
    containers = re.split(r"[.\[]", name)
    inner = re.findall(r"[A-Za-z_]\w*", containers[-1]) or re.findall(r"[A-Za-z_]\w*", name)[-1:]
    word = (inner[-1] if inner else name).lower()
    gradient = bool(len(containers) > 1 and re.match(r"^(self\.)?(d_?|grad)", name.lower()))
    if word.endswith("_grad"):
        word, gradient = word.removesuffix("_grad"), True
    if (found := GRADIENT.match(word)) and word[found.end() :]:
        word, gradient = word[found.end() :], True
    plain = word.replace("_", "")
    return ("grad:" if gradient else "") + SYNONYMS.get(plain, plain)


def is_loss(name: str) -> bool:
    return bool(LOSSES.search(name.lower()))


def is_rate(name: str) -> bool:
    return re.split(r"[.\[]", name)[-1].strip("'\"]").lower() in RATES
