"""Normalisation: numbers less their mean, over their standard deviation, by batch or by sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.validation import divisor, flag, fraction, number, whole
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
    that with N − 1 in place of N, as in torch); in evaluation mode the buffers are used. With momentum=None
    they are the means over all batches so far, which the buffer `num_batches_tracked` counts. With
    track_running_stats=False there are no buffers, and mean and var are always those of the batch.

    Backward: x̂ = (x − mean) / √(var + eps) is saved as normal, 1 / √(var + eps) as scale; w and b go into every
    sample, so dw = Σ dy x̂ and db = Σ dy over the batch; dx = w (dy − mean(dy) − x̂ mean(dy x̂)) / √(var + eps),
    with w = 1 without affine. The means are there because x_i moves, through mean and var, all numbers of its
    feature: mean(dy) comes back through mean, and x̂ mean(dy x̂) through var. What is left neither shifts all x
    of a feature nor scales them, which would not change x̂. In evaluation mode mean and var are constants, and
    dx = w · dy / √(var + eps).

    Raises ValueError while it trains for a batch with a single value a feature, whose variance is 0.
    Source: Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    """

    buffer_names = ("running_mean", "running_var", "num_batches_tracked")
    dims: tuple[int, ...] = (2, 3)  # of x
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        name = type(self).__name__
        self.num_features = whole(name, "num_features", num_features, 1)
        self.eps = number(name, "eps", eps)
        self.momentum = None if momentum is None else fraction(name, "momentum", momentum)
        dtype = float_dtype(dtype)
        self.affine = flag(name, "affine", affine)
        self.weight = Parameter(np.ones(self.num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(self.num_features, dtype)) if affine else None
        self.track_running_stats = flag(name, "track_running_stats", track_running_stats)
        self.running_mean = np.zeros(self.num_features, dtype) if track_running_stats else None
        self.running_var = np.ones(self.num_features, dtype) if track_running_stats else None
        counts = track_running_stats and momentum is None
        self.num_batches_tracked = np.zeros((), dtype) if counts else None

    def forward(self, x: Array) -> Array:
        if np.ndim(x) not in self.dims:
            self.clear_saved()
            other = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d"}.get(np.ndim(x))
            raise ValueError(
                f"{self!r} expects x with {' or '.join(map(str, self.dims))} axes, got x of shape {np.shape(x)}"
                + (f": {other} takes it" if other else "")
            )
        x = self.check_input(x, (None, self.num_features, *(None for _ in np.shape(x)[2:])))
        flat = self._flat(x)
        count = x.size // self.num_features
        of_batch = self.training or self.running_mean is None
        if of_batch and count == 1:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects more than one value a feature while it trains, got x of shape {x.shape}: "
                "the variance of one value is 0; give a larger batch, a batch_size that leaves no single "
                "sample over at the end, or call eval()"
            )
        if of_batch and count:
            mean = flat.mean(axis=(0, 2))
            normal = flat - mean[:, np.newaxis]
            var = np.einsum("nfi,nfi->f", normal, normal) / count
            if self.training:
                self._track(mean, var * (count / (count - 1)))
        elif self.running_mean is not None and self.running_var is not None:
            normal, var = flat - self.running_mean[:, np.newaxis], self.running_var
        else:  # an empty batch
            normal, var = flat.copy(), np.ones(self.num_features, x.dtype)
        scale = 1 / np.sqrt(var + self.eps)
        normal *= scale[:, np.newaxis]
        y = normal
        if self.weight is not None and self.bias is not None:
            y = normal * self.weight.data[:, np.newaxis]
            y += self.bias.data[:, np.newaxis]
        y = y.reshape(x.shape)
        self.save_for_backward(normal, scale, of_batch, output=y)
        return y

    def _track(self, mean: Array, var: Array) -> None:
        """Move the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None:
            return
        momentum: Any = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked = self.num_batches_tracked + 1
            momentum = 1 / self.num_batches_tracked
        self.running_mean = (1 - momentum) * self.running_mean + momentum * mean
        self.running_var = (1 - momentum) * self.running_var + momentum * var

    def backward(self, dy: Array) -> Array:
        dy, normal, scale, of_batch = self.saved(dy)
        shape, count = dy.shape, dy.size // self.num_features
        dy = self._flat(dy)
        dw, db = np.einsum("nfi,nfi->f", dy, normal), dy.sum(axis=(0, 2))
        if self.weight is not None and self.bias is not None:
            self.weight.add_grad(dw)
            self.bias.add_grad(db)
            scale = scale * self.weight.data
        if not of_batch or count == 0:
            return (dy * scale[:, np.newaxis]).reshape(shape)
        dx = normal * (-dw / count)[:, np.newaxis]
        dx += dy
        dx -= (db / count)[:, np.newaxis]
        dx *= scale[:, np.newaxis]
        return dx.reshape(shape)

    def _flat(self, x: Array) -> Array:
        """(N, num_features, numbers of a feature in a sample)."""
        return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class BatchNorm2d(BatchNorm1d):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each channel over batch, height and width.

    Shapes: x (N, num_features, H, W) -> y (N, num_features, H, W), weight w (num_features,),
    bias b (num_features,).
    Buffers, evaluation mode and the backward pass are those of BatchNorm1d, with all pixels of all samples
    for the samples there.

    Backward: x̂ = (x − mean) / √(var + eps) is saved as normal, 1 / √(var + eps) as scale; w and b go into every
    pixel of their channel, so dw = Σ_nhw dy x̂ and db = Σ_nhw dy;
    dx = w (dy − mean(dy) − x̂ mean(dy x̂)) / √(var + eps), with w = 1 without affine. The means are there because
    x_i moves, through mean and var, all numbers of its channel: mean(dy) comes back through mean, and
    x̂ mean(dy x̂) through var. What is left neither shifts all x of a channel nor scales them, which would not
    change x̂. In evaluation mode mean and var are constants, and dx = w · dy / √(var + eps).
    Source: Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """

    dims = (4,)


class LayerNorm(Layer):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each sample over its last axes.

    Shapes: x (..., normalized_shape) -> y (..., normalized_shape), weight w (normalized_shape),
    bias b (normalized_shape). No sample sees another one, so it is the same in training and evaluation.

    Backward: x̂ = (x − mean) / √(var + eps) is saved as normal, 1 / √(var + eps) as scale. With g = dy w
    (without affine dy), dw = Σ dy x̂ and db = Σ dy over all samples, and
    dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps), the means over a sample. They are there because x_i moves,
    through mean and var, all numbers of its sample: mean(g) comes back through mean, and x̂ mean(g x̂) through
    var. What is left neither shifts all x of a sample nor scales them, which would not change x̂.
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
        shape = _sizes("LayerNorm", normalized_shape)
        self.normalized_shape, self._shape, self._size = _short(shape), shape, math.prod(shape)
        self.eps = number("LayerNorm", "eps", eps)
        self.elementwise_affine = flag("LayerNorm", "elementwise_affine", elementwise_affine)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(shape, dtype)) if elementwise_affine else None
        has_bias = flag("LayerNorm", "bias", bias) and elementwise_affine
        self.bias = Parameter(np.zeros(shape, dtype)) if has_bias else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., *self._shape))
        normal, scale = standardized(_rows(x, self._size), self.eps)
        y = normal
        if self.weight is not None:
            y = normal * self.weight.data.reshape(-1)
        if self.bias is not None:
            y += self.bias.data.reshape(-1)
        y = y.reshape(x.shape)
        self.save_for_backward(normal, scale, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale = self.saved(dy)
        shape, dy = dy.shape, _rows(dy, self._size)
        if self.bias is not None:
            db = np.ones(len(dy), dy.dtype) @ dy  # dy.sum(axis=0) in a third of its time
            self.bias.add_grad(db.reshape(self.bias.shape))
        if self.weight is not None:
            self.weight.add_grad(np.einsum("ni,ni->i", dy, normal).reshape(self.weight.shape))
            dy = dy * self.weight.data.reshape(-1)
        return standardized_backward(dy, normal, scale).reshape(shape)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class RMSNorm(Layer):
    """y = x / √(mean(x²) + eps) · w, the mean over the last axes of each sample.

    Shapes: x (..., normalized_shape) -> y (..., normalized_shape), weight w (normalized_shape).
    eps=None is the distance from 1 to the next number of x's dtype. No mean is taken off and there is no
    bias, as in LayerNorm; no sample sees another one.

    Backward: x̂ = x / √(mean(x²) + eps) is saved as normal, 1 / √(mean(x²) + eps) as scale. With g = dy w
    (without affine dy), dw = Σ dy x̂ over all samples, and dx = (g − x̂ mean(g x̂)) / √(mean(x²) + eps), the mean
    over a sample: x_i moves, through the mean of the squares, all numbers of its sample, and x̂ mean(g x̂) comes
    back through it. What is left does not scale all x of a sample, which would not change x̂.
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
        shape = _sizes("RMSNorm", normalized_shape)
        self.normalized_shape, self._shape, self._size = _short(shape), shape, math.prod(shape)
        self.eps = None if eps is None else number("RMSNorm", "eps", eps)
        self.elementwise_affine = flag("RMSNorm", "elementwise_affine", elementwise_affine)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.ones(shape, dtype)) if elementwise_affine else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (..., *self._shape))
        rows = _rows(x, self._size)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        scale = 1 / np.sqrt(mean_product(rows, rows) + eps)
        normal = rows * scale
        y = normal if self.weight is None else normal * self.weight.data.reshape(-1)
        y = y.reshape(x.shape)
        self.save_for_backward(normal, scale, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale = self.saved(dy)
        shape, dy = dy.shape, _rows(dy, self._size)
        if self.weight is not None:
            self.weight.add_grad(np.einsum("ni,ni->i", dy, normal).reshape(self.weight.shape))
            dy = dy * self.weight.data.reshape(-1)
        dx = normal * -mean_product(dy, normal)
        dx += dy
        dx *= scale
        return dx.reshape(shape)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


class GroupNorm(Layer):
    """y = (x − mean) / √(var + eps) · w + b, mean and variance of each sample over each group of its channels.

    Shapes: x (N, num_channels, ...) -> y (N, num_channels, ...), weight w (num_channels,),
    bias b (num_channels,). A group is num_channels / num_groups channels side by side, with all their pixels.
    No sample sees another one, so it is the same in training and evaluation, for any size of the batch.

    Backward: x̂ = (x − mean) / √(var + eps) is saved as normal, 1 / √(var + eps) as scale. With g = dy w
    (without affine dy), dw = Σ dy x̂ and db = Σ dy over all samples and pixels, and
    dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps), the means over a group of a sample. They are there because
    x_i moves, through mean and var, all numbers of its group: mean(g) comes back through mean, and
    x̂ mean(g x̂) through var. What is left neither shifts all x of a group nor scales them, which would not
    change x̂.
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
        self.num_channels = whole("GroupNorm", "num_channels", num_channels, 1)
        self.num_groups = divisor("GroupNorm", "num_groups", num_groups, "num_channels", self.num_channels)
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
        grouped, scale = standardized(self._in_groups(x), self.eps)
        normal = y = grouped.reshape(x.shape)
        if self.weight is not None and self.bias is not None:
            y = normal * self._by_channel(self.weight.data, x)
            y += self._by_channel(self.bias.data, x)
        self.save_for_backward(normal, scale, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, normal, scale = self.saved(dy)
        if self.weight is not None and self.bias is not None:
            axes = (0, *range(2, dy.ndim))
            self.weight.add_grad((dy * normal).sum(axis=axes))
            self.bias.add_grad(dy.sum(axis=axes))
            dy = dy * self._by_channel(self.weight.data, dy)
        dx = standardized_backward(self._in_groups(dy), self._in_groups(normal), scale)
        return dx.reshape(dy.shape)

    def _in_groups(self, a: Array) -> Array:
        """(N, num_groups, numbers of a group)."""
        return a.reshape(a.shape[0], self.num_groups, math.prod(a.shape[1:]) // self.num_groups)

    def _by_channel(self, values: Array, x: Array) -> Array:
        """One value for each channel, in the shape that goes with x."""
        return values.reshape(self.num_channels, *(1 for _ in x.shape[2:]))

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0


def standardized(x: Array, eps: float) -> tuple[Array, Array]:
    """x̂ = (x − mean) / √(var + eps), mean and variance over the last axis, and the factor 1 / √(var + eps)."""
    normal = x - mean_product(x, np.ones(x.shape[-1], x.dtype))
    scale = 1 / np.sqrt(mean_product(normal, normal) + eps)
    normal *= scale
    return normal, scale


def standardized_backward(g: Array, normal: Array, scale: Array) -> Array:
    """dx = (g − mean(g) − x̂ mean(g x̂)) / √(var + eps), for the gradient g with respect to x̂."""
    dx: Array = normal * -mean_product(g, normal)
    dx += g
    dx -= mean_product(g, np.ones(g.shape[-1], g.dtype))
    dx *= scale
    return dx


def mean_product(a: Array, b: Array) -> Array:
    """The mean of a b over the last axis, which stays; with ones for b it takes a third of a.mean's time."""
    mean: Array = np.vecdot(a, b)[..., np.newaxis] / a.shape[-1]
    return mean


def _rows(x: Array, size: int) -> Array:
    """A row for each sample."""
    return x.reshape(x.size // size, size)


def _sizes(owner: str, normalized_shape: int | Iterable[int]) -> tuple[int, ...]:
    sizes = list(normalized_shape) if isinstance(normalized_shape, Iterable) else [normalized_shape]
    if not sizes:
        raise ValueError(f"{owner} expects a size or more in normalized_shape, got none")
    return tuple(whole(owner, "normalized_shape", size, 1) for size in sizes)


def _short(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    return sizes[0] if len(sizes) == 1 else sizes
