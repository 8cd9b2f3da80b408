"""Normalisation: numbers less their mean, over their standard deviation, by batch or by sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

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
        return _text(self, self.num_features, eps=1e-5, momentum=0.1, affine=True)


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
        self.normalized_shape = _sizes("LayerNorm", normalized_shape)
        self.eps = number("LayerNorm", "eps", eps)
        self.elementwise_affine = flag("LayerNorm", "elementwise_affine", elementwise_affine)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        has_bias = flag("LayerNorm", "bias", bias) and elementwise_affine
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if has_bias else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., *self.normalized_shape))
        axes = tuple(range(-len(self.normalized_shape), 0))
        normal, scale = standardized(x, axes, self.eps)
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
        samples = tuple(range(dy.ndim - len(axes)))
        if self.bias is not None:
            self.bias.add_grad(dy.sum(axis=samples))
        if self.weight is not None:
            self.weight.add_grad((dy * normal).sum(axis=samples))
            dy = dy * self.weight.data
        return standardized_backward(dy, normal, scale, axes)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        bias = {"bias": True} if self.elementwise_affine else {}
        return _text(self, _short(self.normalized_shape), eps=1e-5, elementwise_affine=True, **bias)


class RMSNorm(Layer):
    """y = x / √(mean(x²) + eps) · w, the mean over the last axes of each sample.

    Shapes: x (..., normalized_shape) -> y (..., normalized_shape), weight w (normalized_shape).
    eps=None is the distance from 1 to the next number of x's dtype. No mean is taken off and there is no
    bias, as in LayerNorm; no sample sees another one.

    Backward: with x̂ = x / √(mean(x²) + eps) and g = dy w, dw = Σ dy x̂ over all samples, and
    dx = (g − x̂ mean(g x̂)) / √(mean(x²) + eps), the mean over a sample: x_i moves, through the mean of the
    squares, all numbers of its sample.
    Source: Zhang and Sennrich (2019), https://arxiv.org/abs/1910.07467;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html
    """

    def __init__(
        self,
        normalized_shape: int | Iterable[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.normalized_shape = _sizes("RMSNorm", normalized_shape)
        self.eps = None if eps is None else number("RMSNorm", "eps", eps)
        self.elementwise_affine = flag("RMSNorm", "elementwise_affine", elementwise_affine)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., *self.normalized_shape))
        axes = tuple(range(-len(self.normalized_shape), 0))
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        scale = 1 / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + eps)
        normal = x * scale
        y = normal if self.weight is None else normal * self.weight.data
        self.save_for_backward(normal, scale, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale = self.saved(dy)
        axes = tuple(range(-len(self.normalized_shape), 0))
        if self.weight is not None:
            self.weight.add_grad((dy * normal).sum(axis=tuple(range(dy.ndim - len(axes)))))
            dy = dy * self.weight.data
        return (dy - normal * (dy * normal).mean(axis=axes, keepdims=True)) * scale

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        return _text(self, _short(self.normalized_shape), eps=None, elementwise_affine=True)


class GroupNorm(Layer):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each sample over each group of its channels.

    Shapes: x (N, num_channels, ...) -> y (N, num_channels, ...), weight w (num_channels,),
    bias b (num_channels,). A group is num_channels / num_groups channels side by side, with all their pixels.
    No sample sees another one, so it is the same in training and evaluation, for any size of the batch.

    Backward: with x̂ = (x − mean) / √(var + eps) and g = dy w, dw = Σ dy x̂ and db = Σ dy over all samples
    and pixels, and dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps), the means over a group of a sample.
    Raises ValueError for channels that the groups do not divide.
    Source: Wu and He (2018), https://arxiv.org/abs/1803.08494;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.num_groups = whole("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = whole("GroupNorm", "num_channels", num_channels, 1)
        if self.num_channels % self.num_groups:
            raise ValueError(
                f"GroupNorm expects num_groups that divide num_channels, got {num_groups} for {num_channels}"
            )
        self.eps = number("GroupNorm", "eps", eps)
        self.affine = flag("GroupNorm", "affine", affine)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(self.num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(self.num_channels, dtype)) if affine else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, self.num_channels, *(None for _ in np.shape(x)[2:])))
        if 0 in x.shape[1:]:
            self.clear_saved()
            raise ValueError(f"{self!r} expects a pixel or more of each channel, got x of shape {x.shape}")
        grouped, scale = standardized(self._in_groups(x), (2,), self.eps)
        normal = y = grouped.reshape(x.shape)
        if self.weight is not None and self.bias is not None:
            y = normal * self._by_channel(self.weight.data, x) + self._by_channel(self.bias.data, x)
        self.save_for_backward(normal, scale, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale = self.saved(dy)
        if self.weight is not None and self.bias is not None:
            axes = (0, *range(2, dy.ndim))
            self.weight.add_grad((dy * normal).sum(axis=axes))
            self.bias.add_grad(dy.sum(axis=axes))
            dy = dy * self._by_channel(self.weight.data, dy)
        dx = standardized_backward(self._in_groups(dy), self._in_groups(normal), scale, (2,))
        return dx.reshape(dy.shape)

    def _in_groups(self, a: Array) -> Array:
        """(N, num_groups, numbers of a group)."""
        return a.reshape(a.shape[0], self.num_groups, math.prod(a.shape[1:]) // self.num_groups)

    def _by_channel(self, values: Array, x: Array) -> Array:
        """One value for each channel, in the shape that goes with x."""
        return values.reshape(self.num_channels, *(1 for _ in x.shape[2:]))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        return _text(self, self.num_groups, self.num_channels, eps=1e-5, affine=True)


def standardized(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """x̂ = (x − mean) / √(var + eps), mean and variance over `axes`, and the factor 1 / √(var + eps)."""
    scale = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return (x - x.mean(axis=axes, keepdims=True)) * scale, scale


def standardized_backward(g: Array, normal: Array, scale: Array, axes: tuple[int, ...]) -> Array:
    """dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps), for the gradient g with respect to x̂."""
    mean, along = g.mean(axis=axes, keepdims=True), (g * normal).mean(axis=axes, keepdims=True)
    dx: Array = (g - mean - normal * along) * scale
    return dx


def _sizes(owner: str, normalized_shape: int | Iterable[int]) -> tuple[int, ...]:
    sizes = [normalized_shape] if isinstance(normalized_shape, int | np.integer) else list(normalized_shape)
    if not sizes:
        raise ValueError(f"{owner} expects a size or more in normalized_shape, got none")
    return tuple(whole(owner, "normalized_shape", size, 1) for size in sizes)


def _short(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    return sizes[0] if len(sizes) == 1 else sizes


def _text(layer: Layer, *sizes: Any, **defaults: Any) -> str:
    """The call that builds a layer: its sizes, and the options that are not the defaults."""
    values = {name: getattr(layer, name) for name in defaults}
    if "bias" in values:
        values["bias"] = values["bias"] is not None
    options = [f"{name}={value!r}" for name, value in values.items() if value != defaults[name]]
    options += [f"dtype={str(layer._dtype)!r}"] if layer._dtype == np.float32 else []
    return f"{type(layer).__name__}({', '.join([*map(str, sizes), *options])})"
