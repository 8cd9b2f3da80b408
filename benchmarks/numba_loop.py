"""The loop by hand as functions that numba compiles; their products go to BLAS as NumPy's do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit
def momentum_update(p: Any, g: Any, v: Any, _: Any, lr: Any, momentum: Any, __: Any) -> None:
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        p[i] -= lr * v[i]


@njit
def adam_update(p: Any, g: Any, m: Any, v: Any, lr: Any, _: Any, t: Any) -> None:
    root = (1 - 0.999**t) ** 0.5
    rate, eps = lr * root / (1 - 0.9**t), 1e-8 * root
    for i in range(p.size):
        m[i] = 0.9 * m[i] + 0.1 * g[i]
        v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i]
        p[i] -= rate * m[i] / (np.sqrt(v[i]) + eps)


@njit
def squared_loss(out: Any, y: Any) -> Any:
    """The loss; `out` becomes its gradient."""
    loss = 0.0
    for n in range(len(out)):
        for k in range(out.shape[1]):
            out[n, k] -= y[n, k]
            loss += out[n, k] * out[n, k]
            out[n, k] *= 2
    return loss


@njit
def cross_entropy(out: Any, y: Any) -> Any:
    """The same for classes."""
    loss = 0.0
    for n in range(len(out)):
        out[n] -= out[n].max()
        total = np.log(np.exp(out[n]).sum())
        loss += (total - out[n, y[n]]) / len(out)
        out[n] = np.exp(out[n] - total) / len(out)
        out[n, y[n]] -= 1 / len(out)
    return loss


@njit
def train(steps: Any, *given: Any) -> Any:
    """The steps from `steps[0]` to `steps[1]`; the losses."""
    return [step(*given, t) for t in range(*steps)]


@njit
def step(x: Any, y: Any, ws: Any, bs: Any, states: Any, loss: Any, update: Any, how: Any, t: Any) -> Any:
    """A step of linear layers with ReLU between them; `bs` are empty arrays where there are no biases."""
    lr, momentum = how
    outputs = [x]
    for i in range(len(ws)):
        h = outputs[i].dot(ws[i])
        for n in range(len(h)):
            for k in range(h.shape[1]):
                if bs[i].size:
                    h[n, k] += bs[i][k]
                if i < len(ws) - 1:
                    h[n, k] = max(h[n, k], 0)
        outputs.append(h)
    dh = outputs[-1]
    value = loss(dh, y)
    for i in range(len(ws) - 1, -1, -1):
        dw, m, v = outputs[i].T.dot(dh), states[0][i], states[1][i]
        if bs[i].size:
            update(bs[i], dh.sum(axis=0), m[-bs[i].size :], v[-bs[i].size :], lr, momentum, t)
        if i:
            dh = dh.dot(ws[i].T)
            for n in range(len(dh)):
                for k in range(dh.shape[1]):
                    if outputs[i][n, k] <= 0:
                        dh[n, k] = 0
        update(ws[i].ravel(), dw.ravel(), m[: dw.size], v[: dw.size], lr, momentum, t)
    return value
