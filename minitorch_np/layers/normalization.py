"""Normalisation: numbers less their mean, over their standard deviation, by batch or by sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.validation import flag, fraction, number, whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class BatchNorm1d(Layer):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each feature over the batch.

    Shapes: x (N, num_features, ...) -> y (N, num_features, ...), weight w (num_features,),
    bias b (num_features,), with one axis more at most. While it trains, mean and var are those of the
    batch, and the buffers `running_mean` and `running_var` move towards them by `momentum` (the variance by
    that with N − 1 in place of N, as in torch); in evaluation mode the buffers are used.

    Backward: with x̂ = (x − mean) / √(var + eps), w and b go into every sample: dw = Σ dy x̂ and db = Σ dy
    over the batch; with g = dy w, dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps). The two means are there
    because x_i moves, through mean and var, all numbers of its feature.

    In evaluation mode mean and var are constants, and both means are left out of dx.
    Raises ValueError while it trains for a batch with a single value a feature, whose variance is 0.
    Source: Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    """

    buffer_names = ("running_mean", "running_var")
    dims: tuple[int, ...] = (2, 3)  # of x

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        name = type(self).__name__
        self.num_features = whole(name, "num_features", num_features, 1)
        self.eps = number(name, "eps", eps)
        self.momentum = fraction(name, "momentum", momentum)
        dtype = float_dtype(dtype)
        self.affine = flag(name, "affine", affine)
        self.weight = Parameter(np.ones(self.num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(self.num_features, dtype)) if affine else None
        self.running_mean = np.zeros(self.num_features, dtype)
        self.running_var = np.ones(self.num_features, dtype)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, self.num_features, *(None for _ in np.shape(x)[2:])))
        if x.ndim not in self.dims:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects x with {' or '.join(map(str, self.dims))} axes, got x of shape {x.shape}"
            )
        axes = (0, *range(2, x.ndim))
        count = x.size // self.num_features
        if self.training and count == 1:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects more than one value a feature while it trains, got x of shape {x.shape}: "
                "the variance of one value is 0; give a larger batch, or call eval()"
            )
        if self.training and count:
            mean, var = x.mean(axis=axes), x.var(axis=axes)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * (
                count / (count - 1)
            )
        else:
            mean, var = self.running_mean, self.running_var
        scale = 1 / np.sqrt(var + self.eps)
        normal = (x - self._by_feature(mean, x)) * self._by_feature(scale, x)
        y = normal
        if self.weight is not None and self.bias is not None:
            y = normal * self._by_feature(self.weight.data, x) + self._by_feature(self.bias.data, x)
        self.save_for_backward(normal, scale, self.training, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale, was_training = self.saved(dy)
        axes = (0, *range(2, dy.ndim))
        if self.weight is not None and self.bias is not None:
            self.weight.add_grad((dy * normal).sum(axis=axes))
            self.bias.add_grad(dy.sum(axis=axes))
            dy = dy * self._by_feature(self.weight.data, dy)
        if was_training and dy.size:
            mean, along = dy.mean(axis=axes), (dy * normal).mean(axis=axes)
            dy = dy - self._by_feature(mean, dy) - normal * self._by_feature(along, dy)
        return dy * self._by_feature(scale, dy)

    def _by_feature(self, values: Array, x: Array) -> Array:
        """One value for each feature, in the shape that goes with x."""
        return values.reshape(1, self.num_features, *(1 for _ in x.shape[2:]))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        options = [] if self.eps == 1e-5 else [f"eps={self.eps!r}"]
        options += [] if self.momentum == 0.1 else [f"momentum={self.momentum!r}"]
        options += [] if self.affine else ["affine=False"]
        options += [] if self._dtype == np.float64 else [f"dtype={str(self._dtype)!r}"]
        return f"{type(self).__name__}({', '.join([str(self.num_features), *options])})"


class BatchNorm2d(BatchNorm1d):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each channel over batch, height and width.

    Shapes: x (N, num_features, H, W) -> y (N, num_features, H, W), weight w (num_features,),
    bias b (num_features,).
    Buffers, evaluation mode and the backward pass are those of BatchNorm1d, with all pixels of all samples
    for the samples there.

    Backward: dw = Σ_nhw dy x̂ and db = Σ_nhw dy; with g = dy w,
    dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps).
    Source: Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """

    dims = (4,)


class LayerNorm(Layer):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each sample over its last axes.

    Shapes: x (..., normalized_shape) -> y (..., normalized_shape), weight w (normalized_shape),
    bias b (normalized_shape). No sample sees another one, so it is the same in training and evaluation.

    Backward: with x̂ = (x − mean) / √(var + eps) and g = dy w, dw = Σ dy x̂ and db = Σ dy over all
    samples, and dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps), the means over a sample.
    Source: Ba, Kiros and Hinton (2016), https://arxiv.org/abs/1607.06450;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
    """

    def __init__(
        self,
        normalized_shape: int | Iterable[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        sizes = [normalized_shape] if isinstance(normalized_shape, int | np.integer) else list(normalized_shape)
        self.normalized_shape = tuple(whole("LayerNorm", "normalized_shape", size, 1) for size in sizes)
        if not self.normalized_shape:
            raise ValueError("LayerNorm expects a size or more in normalized_shape, got none")
        self.eps = number("LayerNorm", "eps", eps)
        self.elementwise_affine = flag("LayerNorm", "elementwise_affine", elementwise_affine)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        has_bias = flag("LayerNorm", "bias", bias) and elementwise_affine
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if has_bias else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., *self.normalized_shape))
        axes = tuple(range(-len(self.normalized_shape), 0))
        scale = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + self.eps)
        normal = (x - x.mean(axis=axes, keepdims=True)) * scale
        y = normal
        if self.weight is not None:
            y = y * self.weight.data
        if self.bias is not None:
            y = y + self.bias.data
        self.save_for_backward(normal, scale, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale = self.saved(dy)
        axes = tuple(range(-len(self.normalized_shape), 0))
        if self.bias is not None:
            self.bias.add_grad(self._over_samples(dy))
        if self.weight is not None:
            self.weight.add_grad(self._over_samples(dy * normal))
            dy = dy * self.weight.data
        mean, along = dy.mean(axis=axes, keepdims=True), (dy * normal).mean(axis=axes, keepdims=True)
        return (dy - mean - normal * along) * scale

    def _over_samples(self, a: Array) -> Array:
        return a.sum(axis=tuple(range(a.ndim - len(self.normalized_shape))))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        shape = self.normalized_shape
        size = str(shape[0] if len(shape) == 1 else shape)
        options = [] if self.eps == 1e-5 else [f"eps={self.eps!r}"]
        options += [] if self.elementwise_affine else ["elementwise_affine=False"]
        options += ["bias=False"] if self.elementwise_affine and self.bias is None else []
        options += [f"dtype={str(self._dtype)!r}"] if self._dtype == np.float32 else []
        return f"LayerNorm({', '.join([size, *options])})"
