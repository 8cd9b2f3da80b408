"""Positions: what tells the steps of a sequence apart, which attention by itself does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch_np import initializers
from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class PositionalEmbedding(Layer):
    """y = x + W[:T], with a learned vector W_t for each position t.

    Shapes: x (N, T, embed_dim) -> y (N, T, embed_dim), weight W (num_positions, embed_dim), T no longer than
    num_positions. W is standard normal at first, as the weight of torch's Embedding.

    Backward: W_t is added to step t of every sample, so dW_t = Σ_n dy_nt, and 0 for positions beyond T;
    x is added as it is, so dx is dy.

    Raises ValueError for a sequence of more steps than there are positions.
    Source: Gehring et al. (2017), https://arxiv.org/abs/1705.03122
    """

    def __init__(
        self,
        num_positions: int,
        embed_dim: int,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.num_positions = whole("PositionalEmbedding", "num_positions", num_positions, 1)
        self.embed_dim = whole("PositionalEmbedding", "embed_dim", embed_dim, 1)
        shape = (self.num_positions, self.embed_dim)
        self.weight = Parameter(initializers.standard_normal(shape, rng, float_dtype(dtype)))

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, self.embed_dim))
        steps = x.shape[1]
        if steps > self.num_positions:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects sequences of {self.num_positions} steps or fewer, got x of shape {x.shape}: "
                f"num_positions={steps}, or shorter sequences"
            )
        y = x + self.weight.data[:steps]
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        self.backward_parameters(dy)
        return dy.copy()

    def backward_parameters(self, dy: Array) -> None:
        (dy,) = self.saved(dy)
        self.weight.add_rows(np.arange(dy.shape[1]), dy.sum(axis=0))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        dtype = "" if self._dtype == np.float64 else f", dtype={str(self._dtype)!r}"
        return f"PositionalEmbedding({self.num_positions}, {self.embed_dim}{dtype})"


class SinusoidalPositionalEncoding(Layer):
    """y = x + p, p_t(2i) = sin(t / 10000^(2i/embed_dim)) and p_t(2i+1) = cos of the same.

    Shapes: x (N, T, embed_dim) -> y (N, T, embed_dim), for any T. Nothing is learned: p_(t+k) is p_t turned by
    an angle that depends on k alone, so that a linear map of p can tell distances. An odd embed_dim ends with
    a sine.

    Backward: p is a constant, so dx = dy.
    Source: Vaswani et al. (2017), section 3.5, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, embed_dim: int) -> None:
        self.embed_dim = whole("SinusoidalPositionalEncoding", "embed_dim", embed_dim, 1)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, self.embed_dim))
        y = x + sinusoids(x.shape[1], self.embed_dim).astype(x.dtype)
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        return dy.copy()

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


def sinusoids(steps: int, features: int) -> Array:
    """Waves of a sine and a cosine in turn, from 2π steps long to nearly 2π 10000: (steps, features)."""
    frequencies = 10000.0 ** (-np.arange(0, features, 2) / features)
    angles = np.outer(np.arange(steps), frequencies)
    waves = np.empty((steps, features))
    waves[:, 0::2] = np.sin(angles)
    waves[:, 1::2] = np.cos(angles[:, : features // 2])
    return waves
