"""The tutorial's two-layer network twice, written by hand and layer by layer.

x (N, 1000) -> h = x w1 (N, H) -> max(h, 0) -> y_pred = h_relu w2 (N, 10), sum of squares, gradient
descent. The handwritten loop is the NumPy warm-up of the PyTorch tutorials.
Source: https://docs.pytorch.org/tutorials/beginner/pytorch_with_examples.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.arrays import float_dtype
from minitorch_np.layers.activations import ReLU
from minitorch_np.layers.containers import Sequential
from minitorch_np.layers.linear import Linear
from minitorch_np.losses import SquaredLoss
from minitorch_np.optimizers import SGD

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np.arrays import Array


class Problem(NamedTuple):
    """Data and initial weights: x (N, D_in), y (N, D_out), w1 (D_in, H), w2 (H, D_out)."""

    x: Array
    y: Array
    w1: Array
    w2: Array


def problem(
    batch: int = 64, hidden: int = 100, *, seed: int = 0, dtype: DTypeLike = np.float64, inputs: int = 1000, outputs: int = 10
) -> Problem:
    """Standard normal data and weights, as the tutorial draws them."""
    rng = np.random.default_rng(seed)
    shapes = [(batch, inputs), (batch, outputs), (inputs, hidden), (hidden, outputs)]
    return Problem(*(rng.standard_normal(shape).astype(float_dtype(dtype)) for shape in shapes))


def network(w1: Array, w2: Array) -> Sequential:
    """The two-layer network with copies of these weights."""
    (inputs, hidden), outputs = w1.shape, w2.shape[1]
    model = Sequential(
        Linear(inputs, hidden, bias=False, init="standard_normal", dtype=w1.dtype),
        ReLU(),
        Linear(hidden, outputs, bias=False, init="standard_normal", dtype=w1.dtype),
    )
    model.load_state_dict({"0.weight": w1, "2.weight": w2})
    return model


def handwritten(
    x: Array, y: Array, w1: Array, w2: Array, steps: int = 500, learning_rate: float = 1e-6
) -> tuple[list[Any], Array, Array]:
    """The tutorial's loop; updates w1 and w2 in place. Returns the losses and the last gradients."""
    losses = []
    for _ in range(steps):
        # forward: predict y
        h = x.dot(w1)
        h_relu = np.maximum(h, 0)
        y_pred = h_relu.dot(w2)
        losses.append(np.square(y_pred - y).sum())

        # backward: gradients of w2 and w1
        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h_relu.T.dot(grad_y_pred)
        grad_h_relu = grad_y_pred.dot(w2.T)
        grad_h = grad_h_relu.copy()
        grad_h[h < 0] = 0
        grad_w1 = x.T.dot(grad_h)

        # gradient descent
        w1 -= learning_rate * grad_w1
        w2 -= learning_rate * grad_w2
    return losses, grad_w1, grad_w2
