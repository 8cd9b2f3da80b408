"""The straightforward loops in NumPy, as one would write them by hand for these networks."""

from __future__ import annotations

from typing import Any

import numpy as np


def with_momentum(x: Any, y: Any, weights: Any, biases: Any, lr: float, momentum: float) -> Any:
    """Three layers, ReLU, the sum of squares, gradient descent with momentum; returns run(steps)."""
    w1, w2, w3 = weights
    b1, b2, b3 = biases
    vw1, vw2, vw3, vb1, vb2, vb3 = (np.zeros_like(p) for p in (w1, w2, w3, b1, b2, b3))

    def run(steps: int) -> None:
        nonlocal vw1, vw2, vw3, vb1, vb2, vb3, w1, w2, w3, b1, b2, b3
        losses = []
        for _ in range(steps):
            h1 = x.dot(w1) + b1
            h1_relu = np.maximum(h1, 0)
            h2 = h1_relu.dot(w2) + b2
            h2_relu = np.maximum(h2, 0)
            y_pred = h2_relu.dot(w3) + b3
            losses.append(np.square(y_pred - y).sum())

            grad_y_pred = 2.0 * (y_pred - y)
            grad_w3 = h2_relu.T.dot(grad_y_pred)
            grad_b3 = grad_y_pred.sum(axis=0)
            grad_h2_relu = grad_y_pred.dot(w3.T)
            grad_h2 = grad_h2_relu.copy()
            grad_h2[h2 < 0] = 0
            grad_w2 = h1_relu.T.dot(grad_h2)
            grad_b2 = grad_h2.sum(axis=0)
            grad_h1_relu = grad_h2.dot(w2.T)
            grad_h1 = grad_h1_relu.copy()
            grad_h1[h1 < 0] = 0
            grad_w1 = x.T.dot(grad_h1)
            grad_b1 = grad_h1.sum(axis=0)

            vw1 = momentum * vw1 + grad_w1
            vb1 = momentum * vb1 + grad_b1
            vw2 = momentum * vw2 + grad_w2
            vb2 = momentum * vb2 + grad_b2
            vw3 = momentum * vw3 + grad_w3
            vb3 = momentum * vb3 + grad_b3
            w1 -= lr * vw1
            b1 -= lr * vb1
            w2 -= lr * vw2
            b2 -= lr * vb2
            w3 -= lr * vw3
            b3 -= lr * vb3

    return run


def with_adam(weights: Any, biases: Any, lr: float) -> Any:
    """Three layers, ReLU, Adam; returns train(batches), which updates the weights and biases in place.

    The loss is the mean cross entropy where y holds classes, else the sum of squares.
    """
    w1, w2, w3 = weights
    b1, b2, b3 = biases
    parameters = [w1, b1, w2, b2, w3, b3]
    ms = [np.zeros_like(p) for p in parameters]
    vs = [np.zeros_like(p) for p in parameters]
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    t = 0

    def train(batches: Any) -> list[Any]:
        nonlocal t
        losses = []
        for x, y in batches:
            h1 = x.dot(w1) + b1
            h1_relu = np.maximum(h1, 0)
            h2 = h1_relu.dot(w2) + b2
            h2_relu = np.maximum(h2, 0)
            y_pred = h2_relu.dot(w3) + b3
            if y.ndim == 1:
                rows = np.arange(len(x))
                shifted = y_pred - y_pred.max(axis=1, keepdims=True)
                log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
                losses.append(-log_p[rows, y].mean())
                grad_y_pred = np.exp(log_p)
                grad_y_pred[rows, y] -= 1
                grad_y_pred /= len(x)
            else:
                losses.append(np.square(y_pred - y).sum())
                grad_y_pred = 2.0 * (y_pred - y)

            grad_w3 = h2_relu.T.dot(grad_y_pred)
            grad_b3 = grad_y_pred.sum(axis=0)
            grad_h2 = grad_y_pred.dot(w3.T)
            grad_h2[h2 < 0] = 0
            grad_w2 = h1_relu.T.dot(grad_h2)
            grad_b2 = grad_h2.sum(axis=0)
            grad_h1 = grad_h2.dot(w2.T)
            grad_h1[h1 < 0] = 0
            grad_w1 = x.T.dot(grad_h1)
            grad_b1 = grad_h1.sum(axis=0)

            t += 1
            step_size = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
            step_eps = eps * (1 - beta2**t) ** 0.5
            gradients = [grad_w1, grad_b1, grad_w2, grad_b2, grad_w3, grad_b3]
            for p, g, m, v in zip(parameters, gradients, ms, vs, strict=True):
                m *= beta1
                m += (1 - beta1) * g
                v *= beta2
                v += (1 - beta2) * g * g
                p -= step_size * m / (np.sqrt(v) + step_eps)
        return losses

    return train
