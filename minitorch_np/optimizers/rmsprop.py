"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class RMSprop(Optimizer):
    """RMSprop: w ← w − lr · g / (√s + ε), with s ← α s + (1 − α) g², the running mean of the squares.

    `centered` divides by the running deviation instead, √(s − a²) with a ← α a + (1 − α) g.
    With `momentum` μ the step goes through a buffer: b ← μ b + g / (√s + ε), w ← w − lr b.
    `weight_decay` λ adds λ w to the gradient before that, `maximize` turns the gradient's sign
    round before that.

    As in torch, ε stands outside the root and s is not corrected for its start at 0. Where rounding
    makes s − a² negative, 0 stands in for it; torch's root is NaN there.

    Raises ValueError for negative options, and for alpha above 1.
    Source: Hinton, Neural Networks for Machine Learning 2012, lecture 6e; centered: Graves 2013,
        https://arxiv.org/abs/1308.0850;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    states = ("square_avg", "grad_avg", "momentum_buffer")
    flags = ("centered", "maximize")
    fractions = ("alpha",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def state_names(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        centered = ("grad_avg",) if options["centered"] else ()
        momentum = ("momentum_buffer",) if options["momentum"] else ()
        return ("square_avg", *centered, *momentum)

    def update(
        self,
        blocks: list[Block],
        step: int,
        *,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        maximize: bool,
    ) -> None:
        for w, g, state in blocks:
            s = state["square_avg"]
            if maximize:
                g = -g
            if weight_decay:
                g = g + weight_decay * w
            s *= alpha
            s += (1 - alpha) * g * g
            if centered:
                a = state["grad_avg"]
                a *= alpha
                a += (1 - alpha) * g
                s = np.maximum(s - a * a, 0)
            if momentum:
                b = state["momentum_buffer"]
                b *= momentum
                b += g / (np.sqrt(s) + eps)
                w -= lr * b
            else:
                w -= lr * g / (np.sqrt(s) + eps)
