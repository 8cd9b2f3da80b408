"""RAdam: Adam whose adaptive step begins once the variance can be estimated."""

from __future__ import annotations

import numpy as np

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class RAdam(Optimizer):
    """RAdam: w ← w − lr · r · m̂ / ((√v + ε) / √(1 − β₂ᵗ)) where ρₜ > 5, before that w ← w − lr · m̂.

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g² and m̂ = m / (1 − β₁ᵗ) are Adam's. To how many
    gradients v amounts is ρₜ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ), with ρ∞ = 2 / (1 − β₂) − 1; the step is
    rectified by r = √((ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ)). With β₂ = 0.999 this begins at
    the sixth step. `weight_decay` λ adds λ w to the gradient, or, with `decoupled_weight_decay`,
    takes lr λ w from the weights. `maximize` turns the gradient's sign round before all that.

    As in torch the threshold is 5, where the paper has 4, and ε, which the paper has not, is added
    before the correction of √v.

    Raises ValueError for negative options, and for betas outside [0, 1).
    Source: Liu et al. 2019, https://arxiv.org/abs/1908.03265;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html
    """

    states = ("exp_avg", "exp_avg_sq")
    flags = ("decoupled_weight_decay", "maximize")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def update(
        self,
        blocks: list[Block],
        step: int,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled_weight_decay: bool,
        maximize: bool,
    ) -> None:
        beta1, beta2 = betas
        correction2 = 1 - beta2**step
        step_size = lr / (1 - beta1**step)
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * beta2**step / correction2
        rectified = length > 5
        if rectified:
            step_size *= ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5
            step_size *= correction2**0.5
        for w, g, state in blocks:
            m, v = state["exp_avg"], state["exp_avg_sq"]
            if maximize:
                g = -g
            if weight_decay:
                if decoupled_weight_decay:
                    w *= 1 - lr * weight_decay
                else:
                    g = g + weight_decay * w
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * g * g
            if rectified:
                w -= step_size * m / (np.sqrt(v) + eps)
            else:
                w -= step_size * m
