"""The plain recurrent layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.validation import choice
from minitorch_np.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


def rnn_forward(products: Array, weight: Array, nonlinearity: str) -> Array:
    """The states h_0 … h_T of an RNN, from its products with the inputs of all steps."""
    steps, samples, size = products.shape
    h = np.zeros((steps + 1, samples, size), products.dtype)
    for t in range(steps):
        a = products[t] + h[t] @ weight.T
        h[t + 1] = np.tanh(a) if nonlinearity == "tanh" else np.maximum(a, 0)
    return h


def rnn_backward(dh: Array, weight: Array, slope: Array) -> Array:
    """The gradient of the sums of all steps, from that of the states and the slope of the nonlinearity."""
    da = np.empty_like(slope)
    later = np.zeros_like(slope[0])  # what comes back to h[t] from the next step
    for t in reversed(range(len(slope))):
        da[t] = slope[t] * (dh[t] + later)
        later = da[t] @ weight
    return da


class RNN(Recurrent):
    """y[t] = f(x[t] Wᵀ + b + y[t−1] Uᵀ + v) with f = tanh, or relu as the nonlinearity.

    Shapes: x (N, T, input_size) -> y (N, T, hidden_size), weight_ih_l0 W (hidden_size, input_size),
    weight_hh_l0 U (hidden_size, hidden_size), bias_ih_l0 b (hidden_size,), bias_hh_l0 v (hidden_size,).
    The batch comes first, as with batch_first=True in torch.

    The same weights stand at all T steps; y[t], the state after step t, is what is known of the steps up to it,
    and the state before the first is 0. A second layer, `num_layers=2`, takes the states of the first for its
    x, with weights weight_ih_l1 and so on. With `bidirectional=True` a layer goes through time in the other
    direction too, with weights of its own, weight_ih_l0_reverse, and y has both states of each step side by
    side, (N, T, 2 hidden_size). `return_sequences=False` gives the state that each direction of the last layer
    ends with, (N, hidden_size) or (N, 2 hidden_size). relu is max(0, ·).
    `dropout` is the probability with which a number on its way from one layer to the next is left out while it
    trains, drawn from `rng`.

    Backward: the state goes into y[t] and into step t + 1. With dh[t] for the sum of what comes back from both,
    and a[t] for what f is taken of, dh[t] = dy[t] + da[t+1] U, from the last step to the first:
    backpropagation through time. (Where y is the last state alone, dy[t] of the others is 0.) tanh has the
    slope 1 − y[t]², relu 1 where y[t] > 0, else 0; da[t] is dh[t] times that. All steps use the same W
    and U, so their gradients sum over steps and samples: dW = Σ_t da[t]ᵀ x[t], dU = Σ_t da[t]ᵀ y[t−1], and
    db = dv = Σ_t Σ_n da[n,t]. x[t] goes into a[t] alone: dx[t] = da[t] W.

    All weights are uniform in ±1/√hidden_size, as in torch. Raises ValueError for an x without a time step.
    Source: Elman (1990), https://doi.org/10.1207/s15516709cog1402_1; Werbos (1990),
    https://doi.org/10.1109/5.58337; https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        return_sequences: bool = True,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.nonlinearity = choice("RNN", "nonlinearity", nonlinearity, "tanh", "relu")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            return_sequences=return_sequences, dtype=dtype, rng=rng,
        )  # fmt: skip

    def through_time(
        self, products: Array, weight: Array, bias: Array | None
    ) -> tuple[Array, tuple[Array, ...]]:
        if bias is not None:
            products = products + bias
        return rnn_forward(products, weight, self.nonlinearity), ()

    def back_through_time(self, dh: Array, weight: Array, h: Array, *saved: Array) -> tuple[Array, Array]:
        h = h[1:]
        slope = 1 - h * h if self.nonlinearity == "tanh" else (h > 0).astype(h.dtype)
        da = rnn_backward(dh, weight, slope)
        return da, da
