"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

import numpy as np

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class NAdam(Optimizer):
    """NAdam: Adam whose step looks ahead, w ← w − lr · m̂ / (√v̂ + ε).

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g² and v̂ = v / (1 − β₂ᵗ) are Adam's, and
    m̂ = μₜ₊₁ m / (1 − ∏ᵢ₌₁ᵗ⁺¹ μᵢ) + (1 − μₜ) g / (1 − ∏ᵢ₌₁ᵗ μᵢ)
    with the momentum μₜ = β₁ (1 − ½ · 0.96^(t ψ)), ψ being `momentum_decay`. `weight_decay` λ adds
    λ w to the gradient, or, with `decoupled_weight_decay`, takes lr λ w from the weights.
    `maximize` turns the gradient's sign round before all that.

    The products take the options of this step for all steps before it, as the other corrections do;
    torch multiplies up the μᵢ that each step had, which is the same while β₁ and ψ stay.

    Raises ValueError for negative options, and for betas outside [0, 1).
    Source: Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html
    """

    states = ("exp_avg", "exp_avg_sq")
    flags = ("decoupled_weight_decay", "maximize")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            momentum_decay=momentum_decay,
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
        momentum_decay: float,
        decoupled_weight_decay: bool,
        maximize: bool,
    ) -> None:
        beta1, beta2 = betas
        momentum = momentum_at(step, beta1, momentum_decay)
        next_momentum = momentum_at(step + 1, beta1, momentum_decay)
        product = momentum_product(step, beta1, momentum_decay)
        root_correction2 = (1 - beta2**step) ** 0.5
        # multiplied through with √(1 − β₂ᵗ), as in Adam
        step_eps = eps * root_correction2
        g_size = lr * root_correction2 * (1 - momentum) / (1 - product)
        m_size = lr * root_correction2 * next_momentum / (1 - product * next_momentum)
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
            w -= (g_size * g + m_size * m) / (np.sqrt(v) + step_eps)


def momentum_at(step: int, beta1: float, momentum_decay: float) -> float:
    """μₜ: from about β₁/2 it grows to β₁."""
    return beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay))


def momentum_product(step: int, beta1: float, momentum_decay: float) -> float:
    """∏ᵢ₌₁ᵗ μᵢ, as exactly as 1 − ∏ needs it: with the defaults 45 factors are enough."""
    product = 1.0
    for i in range(1, step + 1):
        product *= momentum_at(i, beta1, momentum_decay)
        if product < 1e-17:  # from here on 1 − product is 1
            break
    return product
