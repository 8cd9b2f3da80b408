"""Gradient clipping, between `backward` and `step`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import number
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

BLOCK = 32768  # elements; what is computed of so many stays in cache


def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients by min(1, max_norm / (‖g‖ + 10⁻⁶)), and return ‖g‖ as it was before.

    ‖g‖ is the p-norm of all gradients as one vector, p = `norm_type`; ∞ stands for the largest. It is
    right also if its p-th power overflows. Gradients that a step has consumed do not count.
    If ‖g‖ is inf, finite gradients become 0 and the others NaN; if it is NaN, all do.

    Raises ValueError for a negative max_norm or a norm_type that is not above 0, RuntimeError if no
    gradient is fresh, and, with `error_if_nonfinite`, if ‖g‖ is inf or NaN.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
    """
    name = "clip_grad_norm_"
    limit = math.inf if max_norm == math.inf else number(name, "max_norm", max_norm)
    power = float(norm_type)
    if not power > 0:
        raise ValueError(f"{name} expects norm_type to be a number above 0, or inf, got {norm_type!r}")
    gradients = _fresh(name, parameters)
    norm = _norm(gradients, power)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"{name} found gradients of norm {norm}; nothing was changed")
    factor = limit / (norm + 1e-6)
    if not factor >= 1:  # smaller, or NaN
        with np.errstate(invalid="ignore"):  # inf · 0
            for g in gradients:
                g *= factor
    return norm


def clip_grad_value_(parameters: Parameter | Iterable[Parameter], clip_value: float) -> None:
    """Bring every element of the gradients into [−clip_value, clip_value]. NaN stays.

    Raises ValueError for a negative clip_value, RuntimeError if no gradient is fresh.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
    """
    limit = number("clip_grad_value_", "clip_value", clip_value)
    for g in _fresh("clip_grad_value_", parameters):
        np.clip(g, -limit, limit, out=g)


def _norm(gradients: list[Array], power: float) -> float:
    """The p-norm, with the largest element taken out so that no power overflows or vanishes."""
    largest = float(np.max([max(g.max(), -g.min()) for g in gradients if g.size], initial=0.0))
    if power == math.inf or not 0 < largest < math.inf:
        return largest
    total = 0.0
    for g in gradients:
        flat = g.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            block = np.abs(flat[start : start + BLOCK]) / largest
            total += float((block**power).sum())
    return largest * total ** (1 / power)


def _fresh(name: str, parameters: Any) -> list[Array]:
    given = [parameters] if isinstance(parameters, Parameter) else list(parameters)
    for parameter in given:
        if not isinstance(parameter, Parameter):
            raise TypeError(f"{name} expects model.parameters(), got {type(parameter).__name__} among them")
    gradients = [parameter.grad for parameter in given if parameter.has_grad]
    if not gradients:
        raise RuntimeError(f"{name} found no fresh gradient: call it between model.backward and optimizer.step")
    return gradients
