"""Adagrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class Adagrad(Optimizer):
    """Adagrad: w ← w − lrₜ · g / (√s + ε), with s ← s + g², the sum of all squares so far.

    s starts at `initial_accumulator_value`; lrₜ = lr / (1 + (t − 1) · lr_decay), t counting a
    parameter's steps. `weight_decay` λ adds λ w to the gradient before that, `maximize` turns the
    gradient's sign round before that.

    The paper has neither lr_decay nor ε. A group may start s at a value of its own, which torch
    overlooks.

    Raises ValueError for negative options.
    Source: Duchi, Hazan & Singer 2011, https://jmlr.org/papers/v12/duchi11a.html;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    states = ("sum",)
    flags = ("maximize",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def start(self, options: Mapping[str, Any]) -> float:
        return float(options["initial_accumulator_value"])

    def update(
        self,
        blocks: list[Block],
        step: int,
        *,
        lr: float,
        lr_decay: float,
        weight_decay: float,
        initial_accumulator_value: float,
        eps: float,
        maximize: bool,
    ) -> None:
        step_size = lr / (1 + (step - 1) * lr_decay)
        for w, g, state in blocks:
            s = state["sum"]
            if maximize:
                g = -g
            if weight_decay:
                g = g + weight_decay * w
            s += g * g
            w -= step_size * g / (np.sqrt(s) + eps)
