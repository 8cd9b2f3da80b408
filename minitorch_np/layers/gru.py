"""The recurrent layer with two gates and no cell: the gated recurrent unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import sigmoid
from minitorch_np.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def gru_forward(products: Array, weight: Array, bias: Array | None) -> tuple[Array, Array, Array]:
    """The states h of all steps, the gates r, z, n side by side, and of q = h[t−1] Uᵀ + v the part for n."""
    steps, samples, size = *products.shape[:2], weight.shape[1]
    h = np.zeros((steps + 1, samples, size), products.dtype)
    gates = np.empty_like(products)
    q_n = np.empty((steps, samples, size), products.dtype)
    r, z, n = gates.reshape(steps, samples, 3, size).transpose(2, 0, 1, 3)  # views of it
    for t in range(steps):
        q = h[t] @ weight.T
        if bias is not None:
            q += bias
        q_n[t] = q[:, 2 * size :]
        gates[t, :, : 2 * size] = sigmoid(products[t, :, : 2 * size] + q[:, : 2 * size])
        n[t] = np.tanh(products[t, :, 2 * size :] + r[t] * q_n[t])
        h[t + 1] = (1 - z[t]) * n[t] + z[t] * h[t]
    return h, gates, q_n


def gru_backward(dh: Array, weight: Array, h: Array, gates: Array, q_n: Array) -> tuple[Array, Array]:
    """The gradients of x[t] Wᵀ + b and of h[t−1] Uᵀ + v of all steps, from that of the states."""
    steps, samples, size = q_n.shape
    r, z, n = gates.reshape(steps, samples, 3, size).transpose(2, 0, 1, 3)
    dq = np.empty_like(gates)
    by_gate = dq.reshape(steps, samples, 3, size)
    dq_r, dq_z, dq_n = by_gate.transpose(2, 0, 1, 3)
    slope = (1 - z) * (1 - n * n)  # of h[t] in the sum before n
    dq_r[:] = slope * q_n * r * (1 - r)  # in that before r, which n has q_n of
    dq_z[:] = (h[:-1] - n) * z * (1 - z)
    dq_n[:] = slope * r
    later = np.zeros((samples, size), dh.dtype)  # what comes back to h[t] from the next step
    for t in reversed(range(steps)):
        dh_t = dh[t] + later
        by_gate[t] *= dh_t[:, np.newaxis]
        slope[t] *= dh_t
        later = dh_t * z[t] + dq[t] @ weight
    dp = dq.copy()
    dp[:, :, 2 * size :] = slope
    return dp, dq


class GRU(Recurrent):
    """y[t] = (1 − z) n + z y[t−1], n = tanh(p + r q); r, z = σ(p + q), p = x[t] Wᵀ + b, q = y[t−1] Uᵀ + v.

    Shapes: x (N, T, input_size) -> y (N, T, hidden_size), weight_ih_l0 W (3 hidden_size, input_size),
    weight_hh_l0 U (3 hidden_size, hidden_size), bias_ih_l0 b (3 hidden_size,), bias_hh_l0 v (3 hidden_size,).
    The batch comes first, as with batch_first=True in torch.

    Each of r, z and n has a p and a q of its own: W, U, b and v hold theirs in that order, one below the other.
    The state before the first step is 0. z is how much of the old state stays, r how much of it the new n sees.
    As in torch r scales q, with the bias in it; the paper has it scale y[t−1], before the product. Stacks,
    directions, `return_sequences=False` and `dropout` are as in RNN.

    Backward: the state goes into y[t], through z into the next state, and into the three q of step t + 1. With
    dh[t] for the sum of what comes back, dh[t] = dy[t] + dh[t+1] z[t+1] + dq[t+1] U, from the last step to the
    first: backpropagation through time. (Where y is the last state alone, dy[t] of the others is 0.) r, z and n
    get what they are multiplied by, and their p that times the slope, σ (1 − σ) or 1 − n²: dp_n = dh (1 − z)
    (1 − n²), dp_z = dh (y[t−1] − n) z (1 − z) and dp_r = dp_n q_n r (1 − r). p and q are added, so dq = dp, but
    that r scales q_n: dq_n = dp_n r. All steps use the same weights, so their gradients sum over steps and
    samples: dW = Σ_t dp[t]ᵀ x[t], dU = Σ_t dq[t]ᵀ y[t−1], db = Σ_t Σ_n dp[n,t] and dv = Σ_t Σ_n dq[n,t]. x[t]
    goes into p[t] alone: dx[t] = dp[t] W.

    All weights are uniform in ±1/√hidden_size, as in torch. Raises ValueError for an x without a time step.
    Source: Cho et al. (2014), https://arxiv.org/abs/1406.1078;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    gates = 3

    def through_time(
        self, products: Array, weight: Array, bias: Array | None
    ) -> tuple[Array, tuple[Array, ...]]:
        h, gates, q_n = gru_forward(products, weight, bias)
        return h, (gates, q_n)

    def back_through_time(self, dh: Array, weight: Array, h: Array, *saved: Array) -> tuple[Array, Array]:
        return gru_backward(dh, weight, h, *saved)
