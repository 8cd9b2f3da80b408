"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minitorch_np._internal.flat_buffers import Block
from minitorch_np.optimizers.optimizer import Optimizer, Params


class SGD(Optimizer):
    """Stochastic gradient descent: w ← w − lr · g.

    With momentum μ and dampening τ a velocity v stands in for the gradient: v ← μ v + (1 − τ) g,
    at a parameter's first step v ← g; with `nesterov` g + μ v does. `weight_decay` λ adds λ w to
    the gradient before that, `maximize` turns the gradient's sign round before that.

    Raises ValueError for negative options, and for nesterov without momentum or with dampening.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    states = ("momentum_buffer",)
    flags = ("nesterov", "maximize")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def check(self, options: Mapping[str, Any]) -> None:
        super().check(options)
        if options["nesterov"] and (not options["momentum"] or options["dampening"]):
            raise ValueError(
                f"SGD with nesterov=True expects momentum above 0 and dampening 0, "
                f"got momentum={options['momentum']}, dampening={options['dampening']}"
            )

    def state_names(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return self.states if options["momentum"] else ()

    def update(
        self,
        blocks: list[Block],
        step: int,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        for w, g, state in blocks:
            if maximize:
                g = -g
            if weight_decay:
                g = g + weight_decay * w
            if momentum:
                v = state["momentum_buffer"]
                if step == 1:
                    v[...] = g
                else:
                    v *= momentum
                    v += (1 - dampening) * g if dampening else g
                g = g + momentum * v if nesterov else v
            w -= lr * g
