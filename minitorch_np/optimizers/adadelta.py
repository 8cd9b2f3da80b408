"""Adadelta."""

from __future__ import annotations

import numpy as np

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class Adadelta(Optimizer):
    """Adadelta: w ← w − lr · Δ, with Δ = √((d + ε) / (s + ε)) · g, a step in the units of w.

    s ← ρ s + (1 − ρ) g² is the running mean of the squared gradients, d ← ρ d + (1 − ρ) Δ² that of
    the squared steps; Δ takes d as the step before left it. `weight_decay` λ adds λ w to the
    gradient before that, `maximize` turns the gradient's sign round before that.

    The paper has no lr (it is 1, torch's default); ε stands inside both roots, as in the paper.

    Raises ValueError for negative options, and for rho above 1.
    Source: Zeiler 2012, https://arxiv.org/abs/1212.5701;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html
    """

    states = ("square_avg", "acc_delta")
    flags = ("maximize",)
    fractions = ("rho",)

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def update(
        self,
        blocks: list[Block],
        step: int,
        *,
        lr: float,
        rho: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
    ) -> None:
        for w, g, state in blocks:
            s, d = state["square_avg"], state["acc_delta"]
            if maximize:
                g = -g
            if weight_decay:
                g = g + weight_decay * w
            s *= rho
            s += (1 - rho) * g * g
            delta = np.sqrt((d + eps) / (s + eps)) * g
            d *= rho
            d += (1 - rho) * delta * delta
            w -= lr * delta
