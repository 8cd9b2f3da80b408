"""Adam, and AdamW, which decays the weights apart from the gradient."""

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
