"""Standardize: features with mean 0 and standard deviation 1, as a layer that is saved with the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array

BLOCK = 2**18  # numbers; rows of about so many are read at once


class Standardize(Layer):
    """y = (x − mean) / std, feature by feature, with the mean and standard deviation of given data.

    `fit(x)` takes both from data, `mean` and `std` hold them; before it y = x. Fit it to the training
    data alone: what comes later is measured by the same rule, and the network has learned under it.

        model = Sequential(Standardize(4).fit(x_train), Linear(4, 3))

    Both are buffers: saved with the parameters, not learned. std divides by the number of samples. A
    feature that is the same in all samples has std 1, so that it becomes 0 and nothing is divided by 0.

    Shapes: x (..., num_features) -> y (..., num_features), mean and std (num_features,).
    Backward: y_ni depends on x_ni alone, with the slope 1 / std_i, so dx = dy / std.
    Source: LeCun et al. (1998), Efficient BackProp, section 4.3, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    """

    buffer_names = ("mean", "std")

    def __init__(self, num_features: int, *, dtype: DTypeLike = np.float64) -> None:
        self.num_features = whole("Standardize", "num_features", num_features, 1)
        self.mean = np.zeros(self.num_features, float_dtype(dtype))
        self.std = np.ones(self.num_features, float_dtype(dtype))

    def fit(self, x: Any) -> Self:
        """Take mean and std from x (..., num_features), numbers of any dtype; returns the layer.

        Rows are read block by block, so x may be a memory-mapped file larger than memory. Raises
        ValueError for another shape, for no samples, and for NaN or infinity.
        """
        x = np.asarray(x)
        if x.ndim < 2 or x.shape[-1] != self.num_features or x.size == 0 or x.dtype.kind not in "biuf":
            raise ValueError(
                f"{self!r}.fit expects numbers of shape (N, {self.num_features}) with a sample or more, "
                f"got {x.dtype} of shape {x.shape}"
            )
        mean, std = _mean_and_std(self._blocks(x), self.num_features)
        self.mean = mean.astype(self.mean.dtype)
        std = std.astype(self.std.dtype)
        self.std = np.where(std > 0, std, 1).astype(std.dtype)
        return self

    def _blocks(self, x: Array) -> Iterator[Array]:
        """x in blocks (rows, num_features) of float64."""
        samples = max(1, BLOCK // x[0].size)
        for start in range(0, len(x), samples):
            block = x[start : start + samples].reshape(-1, self.num_features).astype(np.float64)
            if not np.isfinite(block).all():
                last = min(start + samples, len(x)) - 1
                raise ValueError(
                    f"{self!r}.fit found NaN or infinity among the samples {start} to {last}: "
                    "leave those samples out, or put numbers in"
                )
            yield block

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., self.num_features))
        y = (x - self.mean) / self.std
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        return dy / self.std

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        dtype = "" if self._dtype == np.float64 else f", dtype={str(self._dtype)!r}"
        return f"Standardize({self.num_features}{dtype})"


def _mean_and_std(blocks: Iterator[Array], num_features: int) -> tuple[Array, Array]:
    """Return both over the rows of all blocks; the std of a feature that never changes is exactly 0.

    Two blocks with the means m, n and k, l rows have Σ (x − mean)² of each, plus (m − n)² k l / (k + l),
    together (Chan, Golub & LeVeque 1979); Σ x² − (Σ x)² / N loses all digits if the mean is large.
    """
    count, mean, squares = 0, np.zeros(num_features), np.zeros(num_features)
    least, most = np.full(num_features, np.inf), np.full(num_features, -np.inf)
    for block in blocks:
        rows, block_mean = len(block), block.mean(axis=0)
        apart = block_mean - mean
        squares += np.square(block - block_mean).sum(axis=0) + apart**2 * (count * rows / (count + rows))
        mean += apart * (rows / (count + rows))
        count += rows
        least = np.minimum(least, block.min(axis=0))
        most = np.maximum(most, block.max(axis=0))
    same = least == most
    return np.where(same, least, mean), np.where(same, 0.0, np.sqrt(squares / count))
