"""The recurrent layer with a memory cell: long short-term memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.numerics import sigmoid
from minitorch_np.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def lstm_forward(products: Array, weight: Array) -> tuple[Array, Array, Array, Array]:
    """The states h, the cells c and tanh(c) of all steps, and the gates i, f, g, o side by side."""
    steps, samples, size = *products.shape[:2], weight.shape[1]
    h = np.zeros((steps + 1, samples, size), products.dtype)
    c = np.zeros_like(h)
    tanh_c = np.empty((steps, samples, size), products.dtype)
    gates = np.empty_like(products)
    i, f, g, o = gates.reshape(steps, samples, 4, size).transpose(2, 0, 1, 3)  # views of it
    weight = weight.T.copy()  # transposed in memory too: each of the products is quicker
    for t in range(steps):
        a = h[t] @ weight
        a += products[t]
        gates[t] = sigmoid(a)
        g[t] = np.tanh(a[:, 2 * size : 3 * size])
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        tanh_c[t] = np.tanh(c[t + 1])
        h[t + 1] = o[t] * tanh_c[t]
    return h, c, tanh_c, gates


def lstm_backward(dh: Array, weight: Array, c: Array, tanh_c: Array, gates: Array) -> Array:
    """The gradient of the sums before the gates of all steps, from that of the states."""
    steps, samples, size = tanh_c.shape
    i, f, g, o = gates.reshape(steps, samples, 4, size).transpose(2, 0, 1, 3)
    da = np.empty_like(gates)
    da_i, da_f, da_g, da_o = da.reshape(steps, samples, 4, size).transpose(2, 0, 1, 3)
    da_i[:] = g * i * (1 - i)  # the slopes of c[t] in the sums before i, f and g
    da_f[:] = c[:-1] * f * (1 - f)
    da_g[:] = i * (1 - g * g)
    da_o[:] = tanh_c * o * (1 - o)  # that of h[t] in the sum before o
    slope = o * (1 - tanh_c * tanh_c)  # of h[t] in c[t]
    dc, later = np.zeros((2, samples, size), dh.dtype)  # what comes back from the next step
    for t in reversed(range(steps)):
        dh_t = dh[t] + later
        dc += dh_t * slope[t]
        da_i[t] *= dc
        da_f[t] *= dc
        da_g[t] *= dc
        da_o[t] *= dh_t
        dc *= f[t]  # c[t−1] goes into c[t] through f
        later = da[t] @ weight
    return da


class LSTM(Recurrent):
    """y[t] = o tanh c[t], c[t] = f c[t−1] + i g; i, f, o = σ(a), g = tanh(a), a = x[t] Wᵀ + b + y[t−1] Uᵀ + v.

    Shapes: x (N, T, input_size) -> y (N, T, hidden_size), weight_ih_l0 W (4 hidden_size, input_size),
    weight_hh_l0 U (4 hidden_size, hidden_size), bias_ih_l0 b (4 hidden_size,), bias_hh_l0 v (4 hidden_size,).
    The batch comes first, as with batch_first=True in torch.

    Each of i, f, g and o has an a of its own: W, U, b and v hold theirs in that order, one below the other. The
    states before the first step are 0. The cell c is carried along by a sum: i is what it takes of the new g, f
    what it keeps, o what is shown of it. Stacks, directions, `return_sequences=False` and `dropout` are as in
    RNN.

    Backward: the state goes into y[t] and into the four a of step t + 1. With dh[t] for the sum of what comes
    back, dh[t] = dy[t] + da[t+1] U, from the last step to the first: backpropagation through time. (Where y is
    the last state alone, dy[t] of the others is 0.) c[t] goes into the state, and through f into c[t+1]:
    dc[t] = dh[t] o[t] (1 − tanh² c[t]) + dc[t+1] f[t+1]. The second term has no weight and no slope in it: it
    is why gradients arrive from far away. Each gate gets what it is multiplied by, and its a that times the
    slope, σ (1 − σ) or 1 − g²: da_i = dc g i (1 − i), da_f = dc c[t−1] f (1 − f), da_g = dc i (1 − g²) and
    da_o = dh tanh(c) o (1 − o). All steps use the same weights, so their gradients sum over steps and samples:
    dW = Σ_t da[t]ᵀ x[t], dU = Σ_t da[t]ᵀ y[t−1], and db = dv = Σ_t Σ_n da[n,t]. x[t] goes into a[t] alone:
    dx[t] = da[t] W.

    All weights are uniform in ±1/√hidden_size, as in torch. Raises ValueError for an x without a time step.
    Source: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735; Gers, Schmidhuber
    and Cummins (2000), https://doi.org/10.1162/089976600300015015;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    gates = 4

    def through_time(
        self, products: Array, weight: Array, bias: Array | None
    ) -> tuple[Array, tuple[Array, ...]]:
        if bias is not None:
            products = products + bias
        h, c, tanh_c, gates = lstm_forward(products, weight)
        return h, (c, tanh_c, gates)

    def back_through_time(self, dh: Array, weight: Array, h: Array, *saved: Array) -> tuple[Array, Array]:
        da = lstm_backward(dh, weight, *saved)
        return da, da
