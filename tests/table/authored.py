"""Layers and activations as a reader writes them, without a thought for what may come of their source."""

import numpy as np

import minitorch_np as mt
from minitorch_np import Activation, Layer, Parameter
from minitorch_np._internal.numerics import sigmoid


class Swish(Activation):
    """y = x·σ(β x), as in the README but with an option."""

    def __init__(self, beta=1.0):
        self.beta = beta

    def function(self, x):
        return x / (1 + np.exp(-self.beta * x))

    def derivative(self, x, y):
        s = 1 / (1 + np.exp(-self.beta * x))
        return s + self.beta * y * (1 - s)


def hat(x, width=2.0):
    inside = np.abs(x) < width
    return np.where(inside, width - np.abs(x), 0)


class Hat(Activation):
    def function(self, x):
        return hat(x, width=1.5)

    def derivative(self, x, y):
        return np.where(y > 0, -np.sign(x), 0).astype(x.dtype)


class Series(Activation):
    """A Taylor series of the sine, in a loop over its coefficients."""

    coefficients = (1, -1 / 6, 1 / 120)

    def function(self, x):
        return sum(c * x ** (2 * i + 1) for i, c in enumerate(self.coefficients))

    def derivative(self, x, y):
        slope = np.zeros_like(x)
        for i, c in enumerate(self.coefficients):
            slope += c * (2 * i + 1) * x ** (2 * i)
        return slope


class Jumpy(Activation):
    """Another slope where the batch is large: a branch on numbers that stays in the program."""

    def function(self, x):
        largest = np.abs(x).max()
        slope = before = 2 - 1 / (1 + largest)
        if largest > 1:
            slope = slope - 1.5
            slope *= 2
        self.before = before
        return slope * x + 0 * before

    def derivative(self, x, y):
        if np.abs(x).max() > 1:
            return np.full_like(x, 2 * (self.before - 1.5))
        return np.full_like(x, self.before)


class Gated(Layer):
    """Keeps things in attributes instead of using save_for_backward."""

    def __init__(self, size):
        self.scale = Parameter(np.linspace(0.5, 1.5, size))
        self.shift = Parameter(np.zeros(size))

    def forward(self, x):
        self.x, self.gate = x, sigmoid(x)
        return x * self.gate * self.scale.data + self.shift.data

    def backward(self, dy):
        x, gate = self.x, self.gate
        total = dy.sum(axis=0)
        self.shift.add_grad(total)
        total *= 0  # it was copied
        self.scale.grad = (dy * x * gate).sum(axis=0)

        def slope(g):
            return g + x * g * (1 - g)

        return dy * self.scale.data * slope(gate)


class InPlace(Layer):
    """Changes its own arrays on the way, also through views, and uses what it had before."""

    def forward(self, x):
        a = x.copy()
        twice = 2 * a
        a += 1
        first = a[:, :1]
        a[:, 0] *= 3
        b = same = 1 * x
        b -= 1
        self.ones = np.ones_like(x)
        self.ones[:, 0] = 3
        return twice + a + first * 0 + same - 0.5 * x

    def backward(self, dy):
        return 2.5 * dy + dy * self.ones


class Masked(Layer):
    """Draws a mask at every forward, from a generator of its own."""

    def __init__(self, p=0.5, rng=0):
        self.p = p
        self.rng = np.random.default_rng(rng)

    def forward(self, x):
        if not self.training:
            self.mask = None
            return x
        self.mask = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.mask.astype(x.dtype)

    def backward(self, dy):
        return dy if self.mask is None else dy * self.mask.astype(dy.dtype)


class Centre(Layer):
    """Subtracts a running mean: a state that goes from step to step, in a new array each time."""

    def __init__(self, size):
        self.mean = np.zeros(size)

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return x - self.mean

    def backward(self, dy):
        return dy - 0.1 * dy.sum(axis=0) / len(dy)


class Warming(Layer):
    """Counts its steps in an array, and does something else after two of them."""

    def __init__(self):
        self.seen = np.zeros(1)

    def forward(self, x):
        self.seen += 1
        self.factor = 1.0
        if self.seen[0] > 2:
            self.factor = 0.5
        return x * self.factor

    def backward(self, dy):
        return dy * self.factor


class Branched(Layer):
    """y = x + f(x), a container with arithmetic of its own."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)

    def backward(self, dy):
        return dy + self.inner.backward(dy)


class Halved(mt.Linear):
    """Does something to what it inherits."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.weight.grad /= 2
        self.bias.grad *= 0.5
        return dx


class Lion(mt.Optimizer):
    """An optimizer of a reader's own (Chen et al. 2023)."""

    states = ("exp_avg",)

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99)):
        super().__init__(params, lr=lr, betas=betas)

    def update(self, blocks, step, *, lr, betas):
        for w, g, state in blocks:
            m = state["exp_avg"]
            w -= lr * np.sign(betas[0] * m + (1 - betas[0]) * g)
            m *= betas[1]
            m += (1 - betas[1]) * g
