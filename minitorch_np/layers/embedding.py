"""Embedding: a learned row of numbers for each index."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.numerics import rows_at
from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Embedding(Layer):
    """y = W[x], the row of W at each index in x.

    Shapes: x (...) -> y (..., embedding_dim), weight W (num_embeddings, embedding_dim). x is an array of
    integers from 0 to num_embeddings − 1: words, products or other things by their number. The product of
    one-hot rows with W has the same rows; here nothing is multiplied.

    Backward: each row of y is a row of W, unchanged, so that row gets dy, and where an index stands several
    times, the sum of dy over these places, one after the other in their order; rows that no index took get
    0. Integers have no gradient: dx is zeros in the shape of x.

    W is drawn from the normal distribution with mean 0 and standard deviation 1, as in torch. With
    `padding_idx` that row starts as zeros and gets no gradient; sequences of different lengths are filled
    up with it.

    A backward pass makes no array of the size of W. The gradient that W keeps has that size, though: it is
    set to 0 before the rows in use are added, and an optimizer's step goes through all of W, its gradient
    and its own arrays. So a step takes time in proportion to num_embeddings, even if it uses a few rows;
    and with momentum or weight decay rows change that it did not use, as with torch's dense gradients.

    Raises TypeError for an x that is not of integers, and ValueError for an index that W does not have.
    Source: Bengio et al. (2003), https://www.jmlr.org/papers/v3/bengio03a.html;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.num_embeddings = whole("Embedding", "num_embeddings", num_embeddings, 1)
        self.embedding_dim = whole("Embedding", "embedding_dim", embedding_dim, 1)
        self.padding_idx = self._row(padding_idx)
        shape = (self.num_embeddings, self.embedding_dim)
        self.weight = Parameter(np.random.default_rng(rng).standard_normal(shape).astype(float_dtype(dtype)))
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def _row(self, padding_idx: int | None) -> int | None:
        if padding_idx is None:
            return None
        count = self.num_embeddings
        is_whole = isinstance(padding_idx, int | np.integer) and not isinstance(padding_idx, bool)
        if not is_whole or not -count <= padding_idx < count:
            raise ValueError(
                f"Embedding expects padding_idx to be an index of its {count} rows, got {padding_idx!r}"
            )
        return operator.index(padding_idx) % count

    @property
    def index_count(self) -> int:  # type: ignore[override]
        return self.num_embeddings

    def forward(self, x: Array) -> Array:
        x = self.check_indices(x)
        y = rows_at(self.weight.data, x)
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        x = self._parameter_gradients(dy)
        return np.zeros(x.shape, self.weight.dtype)

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> Array:
        dy, x = self.saved(dy)
        index, rows = x.reshape(-1), dy.reshape(-1, self.embedding_dim)
        if self.padding_idx is not None:
            learned = index != self.padding_idx
            index, rows = index[learned], rows[learned]
        self.weight.add_rows(index, rows)
        return x

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0
