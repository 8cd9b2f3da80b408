"""The tutorial's two-layer network twice, written by hand and layer by layer.

x (N, 1000) -> h = x w1 (N, H) -> max(h, 0) -> y_pred = h_relu w2 (N, 10), sum of squares, gradient
descent. The handwritten loop is the NumPy warm-up of the PyTorch tutorials.
Source: https://docs.pytorch.org/tutorials/beginner/pytorch_with_examples.html
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np.layer import Layer
from minitorch_np.layers.linear import Linear
from minitorch_np.layers.piecewise import ReLU
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.regression import SquaredLoss
from minitorch_np.optimizers.sgd import SGD

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Problem(NamedTuple):
    """Data and initial weights: x (N, D_in), y (N, D_out), w1 (D_in, H), w2 (H, D_out)."""

    x: Array
    y: Array
    w1: Array
    w2: Array


def problem(
    batch: int = 64,
    hidden: int = 100,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    inputs: int = 1000,
    outputs: int = 10,
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


def losses_with(
    activation: Layer, start: Problem, *, steps: int = 300, learning_rate: float = 1e-4, seed: int = 0
) -> list[float]:
    """The losses of a network of the tutorial's shape with another activation in the middle.

    Its weights are torch's default ones, drawn with `seed` and so the same for every activation,
    and it has biases; the tutorial's own weights are so large that a tanh would hardly move.
    """
    rng = np.random.default_rng(seed)
    first = Linear(*start.w1.shape, rng=rng, dtype=start.x.dtype)
    last = Linear(*start.w2.shape, rng=rng, dtype=start.x.dtype)
    model, loss = Sequential(first, activation, last), SquaredLoss()
    optimizer = SGD(model.parameters(), lr=learning_rate)
    losses = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            losses.append(float(loss(model(start.x), start.y)))
            model.backward(loss.backward())
            optimizer.step()
    return losses


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


class SideBySide:
    """Both programs in one process, from copies of the same arrays.

    They take turns, a few steps each, so that what else the machine does meets both. `times` and
    `handwritten_times` are seconds a step, one for each turn.
    """

    def __init__(self, start: Problem, learning_rate: float = 1e-6) -> None:
        self.x, self.y = start.x, start.y
        self.learning_rate = learning_rate
        self.model = network(start.w1, start.w2)
        self.loss = SquaredLoss()
        self.optimizer = SGD(self.model.parameters(), lr=learning_rate)
        self.w1, self.w2 = start.w1.copy(), start.w2.copy()
        self.grad_w1, self.grad_w2 = np.zeros_like(self.w1), np.zeros_like(self.w2)
        self.losses: list[Any] = []
        self.handwritten_losses: list[Any] = []
        self.times: list[float] = []
        self.handwritten_times: list[float] = []

    def advance(self, steps: int) -> None:
        """Train both for some steps."""
        start = perf_counter()
        for _ in range(steps):
            y_pred = self.model(self.x)
            self.losses.append(self.loss(y_pred, self.y))
            self.model.backward(self.loss.backward())
            self.optimizer.step()
        turn = perf_counter()
        losses, self.grad_w1, self.grad_w2 = handwritten(
            self.x, self.y, self.w1, self.w2, steps, self.learning_rate
        )
        end = perf_counter()
        self.handwritten_losses += losses
        self.times.append((turn - start) / steps)
        self.handwritten_times.append((end - turn) / steps)

    def arrays(self) -> dict[str, list[tuple[str, Array, Array]]]:
        """What to compare, layered and handwritten, in the order of computation."""
        weight1, weight2 = self.model.parameters()
        return {
            "losses": [("loss", np.array(self.losses), np.array(self.handwritten_losses))],
            "gradients of the last step": [
                ("grad_w2", weight2.grad, self.grad_w2),
                ("grad_w1", weight1.grad, self.grad_w1),
            ],
            "final weights": [("w1", weight1.data, self.w1), ("w2", weight2.data, self.w2)],
        }
