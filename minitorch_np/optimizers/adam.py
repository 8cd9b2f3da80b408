"""Adam and its variants: AdamW, which decays the weights apart from the gradient, NAdam and RAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class Adam(Optimizer):
    """Adam: w ← w − lr · m̂ / (√v̂ + ε), from the running means of the gradient and of its square.

    m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g² start at 0; m̂ = m / (1 − β₁ᵗ) and
    v̂ = v / (1 − β₂ᵗ) take the pull towards that start out again, t counting a parameter's steps.
    `amsgrad` puts the largest v so far in the place of v. `weight_decay` λ adds λ w to the
    gradient, or, with `decoupled_weight_decay`, takes lr λ w from the weights and leaves m and v
    alone. `maximize` turns the gradient's sign round before all that.

    As in torch, ε stands outside the root; amsgrad takes the largest v before its correction.

    Raises ValueError for negative options, and for betas outside [0, 1).
    Source: Kingma & Ba 2014, https://arxiv.org/abs/1412.6980; amsgrad: Reddi et al. 2018;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    states = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    flags = ("amsgrad", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def state_names(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return self.states if options["amsgrad"] else self.states[:2]

    def update(
        self,
        blocks: list[Block],
        step: int,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
        decoupled_weight_decay: bool,
    ) -> None:
        beta1, beta2 = betas
        correction1 = 1 - beta1**step
        root_correction2 = (1 - beta2**step) ** 0.5
        # lr m̂ / (√v̂ + ε), multiplied through with √(1 − β₂ᵗ): one array operation less
        step_size = lr * root_correction2 / correction1
        step_eps = eps * root_correction2
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
            if amsgrad:
                v = np.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
            w -= step_size * m / (np.sqrt(v) + step_eps)


class AdamW(Adam):
    """Adam with decoupled weight decay λ: w ← w − lr λ w, then Adam's step with the bare gradient.

    In Adam the decay goes through m and v, and so is weakest where gradients are largest; here
    every weight shrinks by the same factor. The paper multiplies λ with a schedule only, not with lr;
    as in torch, lr is in.

    Raises ValueError for negative options, and for betas outside [0, 1).
    Source: Loshchilov & Hutter 2017, https://arxiv.org/abs/1711.05101;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )


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

    def only_in_torch(self, step: int, options: dict[str, Any]) -> dict[str, float]:
        return {"mu_product": momentum_product(step, options["betas"][0], options["momentum_decay"])}


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
