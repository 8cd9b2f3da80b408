"""Is a gradient right? Central differences against what a layer's or a loss's backward says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


def gradcheck(
    subject: Layer | Loss,
    *inputs: Array,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    rng: np.random.Generator | int | None = None,
) -> bool:
    """Compare the gradients of the input and of every parameter with (f(v + eps) − f(v − eps)) / 2 eps.

    For a layer f = Σ y · dy with a random dy, so that an error which cancels in Σ y is found; for a
    loss f is its value for (prediction, target), with reduction "none" Σ values · dy. Everything has to
    be float64. Numbers that are changed on the way are put back.

    Raises ValueError that names the gradient, the worst element and both values where they differ
    by more than atol + rtol · |numeric|; returns False instead with `raise_exception=False`.
    Names and defaults as in torch.autograd.gradcheck.
    """
    if len(inputs) != (2 if isinstance(subject, Loss) else 1):
        raise ValueError(
            f"gradcheck expects (layer, x) or (loss, prediction, target), got {len(inputs)} inputs"
        )
    x = np.array(inputs[0], dtype=np.float64)
    if isinstance(subject, Loss):
        problems = _of_loss(subject, x, inputs[1], np.random.default_rng(rng), eps, atol, rtol)
    else:
        problems = _of_layer(subject, x, np.random.default_rng(rng), eps, atol, rtol)
    if problems and raise_exception:
        raise ValueError(f"{subject!r} has a wrong gradient:\n  " + "\n  ".join(problems))
    return not problems


def _of_loss(
    loss: Loss, prediction: Array, target: Array, rng: np.random.Generator, *tolerance: float
) -> list[str]:
    value = loss(prediction, target)
    if loss.reduction == "none":
        dy = np.asarray(rng.standard_normal(value.shape))
        gradient = loss.backward(dy)
    else:
        dy = np.ones(())
        gradient = loss.backward()

    def f() -> float:
        return float((loss(prediction, target) * dy).sum())

    return _compare("prediction", gradient, prediction, f, *tolerance)


def _of_layer(layer: Layer, x: Array, rng: np.random.Generator, *tolerance: float) -> list[str]:
    parameters = dict(layer.named_parameters())
    if layer.dtype not in (None, np.float64):
        raise ValueError(
            f"gradcheck expects a float64 layer, {layer!r} is {layer.dtype}: float32 is too coarse"
        )
    before = {name: (p.grad.copy(), p.has_grad) for name, p in parameters.items()}
    try:
        layer.zero_grad()
        dy = rng.standard_normal(layer(x).shape)
        dx = layer.backward(dy, input_grad=True) if layer.takes_input_grad else layer.backward(dy)
        gradients = {name: p.grad.copy() for name, p in parameters.items()}
    finally:
        for name, parameter in parameters.items():
            parameter.grad[...], parameter.has_grad = before[name]

    def value() -> float:
        return float((layer(x) * dy).sum())

    problems = _compare("x", dx, x, value, *tolerance)
    for name, parameter in parameters.items():
        problems += _compare(name, gradients[name], parameter.data, value, *tolerance)
    return problems


def _compare(
    name: str, gradient: Any, v: Array, f: Callable[[], float], eps: float, atol: float, rtol: float
) -> list[str]:
    """The problem with a gradient with respect to v, which f depends on; empty where there is none."""
    if not isinstance(gradient, np.ndarray) or gradient.shape != v.shape:
        return [f"{name}: the gradient should be an array of shape {v.shape}, got {np.shape(gradient)}"]
    numeric = np.empty_like(v)
    for index in np.ndindex(v.shape):
        kept = v[index]
        try:
            v[index] = kept + eps
            above = f()
            v[index] = kept - eps
            below = f()
        finally:
            v[index] = kept
        numeric[index] = (above - below) / (2 * eps)
    excess = np.abs(gradient - numeric) - atol - rtol * np.abs(numeric)
    if not v.size or (excess <= 0).all():
        return []
    worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), v.shape)
    at = [int(i) for i in worst]
    return [f"{name}: at {at} backward says {gradient[worst]}, the difference quotient {numeric[worst]}"]
