"""Convolution: one small linear map at every place of an image or a sequence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.correlation import (
    correlate,
    correlate_input_gradient,
    correlate_weight_gradient,
)
from minitorch_np._internal.images import MODES, Pair, Size, padded, padded_backward, pair, short
from minitorch_np._internal.validation import choice, flag, whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Convolution(Layer):
    """The convolutions of sequences (axes = 1, as images of one row) and of images (axes = 2)."""

    axes: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        name = type(self).__name__
        self.in_channels = whole(name, "in_channels", in_channels, 1)
        self.out_channels = whole(name, "out_channels", out_channels, 1)
        self.kernel_size = self._size("kernel_size", kernel_size, 1)
        self.stride = self._size("stride", stride, 1)
        self.padding = padding if isinstance(padding, str) else self._size("padding", padding, 0)
        self.dilation = self._size("dilation", dilation, 1)
        self.groups = _groups(name, groups, in_channels, out_channels)
        self.padding_mode = choice(name, "padding_mode", padding_mode, "zeros", *MODES)
        self._edges()  # raises for a padding that does not fit
        kernel = self._pair(self.kernel_size, 1)
        shape = (self.out_channels, self.in_channels // self.groups, *kernel[2 - self.axes :])
        self.weight, self.bias = _weights(name, shape, self.out_channels, bias, dtype, rng)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, self.in_channels, *(None for _ in range(self.axes))))
        self._check_size(x)
        shape, x = self._images(x).shape, self._padded(x)
        y = correlate(self._images(x), self._images(self.weight.data), *self._geometry)
        if self.bias is not None:
            y += self.bias.data.reshape(-1, 1, 1)
        y = self._without_height(y)
        self.save_for_backward(x, shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, x, shape = self._parameter_gradients(dy)
        dx = correlate_input_gradient(
            dy, self._images(self.weight.data), self._images(x).shape, *self._geometry
        )
        if self.padding_mode != "zeros":
            dx = padded_backward(dx, shape, self._edges(), self.padding_mode)
        return self._without_height(dx)

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> tuple[Array, Array, tuple[int, ...]]:
        dy, x, shape = self.saved(dy)
        dy = self._images(dy)
        kernels = self._images(self.weight.data).shape
        dw = correlate_weight_gradient(self._images(x), dy, kernels, *self._geometry)
        self.weight.add_grad(self._without_height(dw))
        if self.bias is not None:
            self.bias.add_grad(dy.sum(axis=(0, 2, 3)))
        return dy, x, shape

    def _padded(self, x: Array) -> Array:
        """x with copies of its numbers around it; zeros come with the products."""
        if self.padding_mode == "zeros":
            return x
        return self._without_height(padded(self._images(x), self._edges(), self.padding_mode))

    def _images(self, a: Array) -> Array:
        """x, y or the weight with the axes that they have for images."""
        return a if self.axes == 2 else a[:, :, np.newaxis]

    def _without_height(self, a: Array) -> Array:
        return a if self.axes == 2 else a[:, :, 0]

    def _size(self, name: str, value: Size, least: int) -> Size:
        if self.axes == 1:
            one = value[0] if isinstance(value, tuple | list) and len(value) == 1 else value
            return whole(type(self).__name__, name, one, least)
        return short(pair(type(self).__name__, name, value, least))

    def _pair(self, size: Size, other: int) -> tuple[int, int]:
        """(height, width), with `other` for the height of a sequence."""
        return (other, size) if self.axes == 1 and not isinstance(size, tuple) else _both(size)

    @property
    def _geometry(self) -> tuple[tuple[Pair, Pair], Pair, Pair, int]:
        """Padding with zeros, stride, dilation and groups, as correlation takes them."""
        edges = self._edges() if self.padding_mode == "zeros" else ((0, 0), (0, 0))
        return edges, self._pair(self.stride, 1), self._pair(self.dilation, 1), self.groups

    def _edges(self) -> tuple[Pair, Pair]:
        """How many numbers are added above and below, and to the left and the right."""
        name = type(self).__name__
        if not isinstance(self.padding, str):
            height, width = self._pair(self.padding, 0)
            return (height, height), (width, width)
        if choice(name, "padding", self.padding, "valid", "same") == "valid":
            return (0, 0), (0, 0)
        if self.stride != 1:
            raise ValueError(f"{name} expects stride=1 with padding='same', got stride={self.stride}")
        kernel, dilation = self._pair(self.kernel_size, 1), self._pair(self.dilation, 1)
        height, width = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        return (height // 2, height - height // 2), (width // 2, width - width // 2)

    def _check_size(self, x: Array) -> None:
        edges, dilation = self._edges(), self._pair(self.dilation, 1)
        inside = self._images(x).shape[2:]
        sizes = [size + sum(added) for size, added in zip(inside, edges, strict=True)]
        kernel = self._pair(self.kernel_size, 1)
        least = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        if sizes[0] < least[0] or sizes[1] < least[1]:
            what = f"images of {least[0]} by {least[1]}" if self.axes == 2 else f"sequences of {least[1]} steps"
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects {what} or more, with padding, got x of shape {x.shape}: a smaller "
                "kernel_size, or more padding"
            )
        most = {"reflect": [size - 1 for size in inside], "circular": inside}.get(self.padding_mode)
        if most and any(max(added) > least for added, least in zip(edges, most, strict=True)):
            self.clear_saved()
            bound = "smaller than" if self.padding_mode == "reflect" else "no larger than"
            raise ValueError(
                f"{self!r} expects padding {bound} what it is taken from, got x of shape {x.shape}"
            )

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return math.prod(y_shape) * math.prod(self.weight.shape[1:])


class Conv1d(Convolution):
    """y = Σ_ci x[n,c,st+di−p] W[o,c,i] + b[o] at each step t; stride s, dilation d, padding p.

    Shapes: x (N, in_channels, T) -> y (N, out_channels, T_out),
    weight W (out_channels, in_channels / groups, kernel_size), bias b (out_channels,), with
    T_out = (T + 2 padding − dilation (kernel_size − 1) − 1) / stride + 1, rounded down. padding may also be
    "valid", which is 0, or "same", which keeps T. Zeros stand before and after the sequence; with padding_mode
    "reflect", "replicate" or "circular" copies of its numbers do, as np.pad makes them by "reflect", "edge" and
    "wrap". The channels are divided into `groups`, each with kernels of its own.

    Backward: the weight W[o,c,i] takes x[n,c,st+di−p] into y[n,o,t] at every step of every sample, so
    dW[o,c,i] = Σ_nt x[n,c,st+di−p] dy[n,o,t], the same windows times dy; b[o] is added at every step, so
    db[o] = Σ_nt dy[n,o,t]. x goes into every window that sees it, so
    dx[n,c,st+di−p] sums dy[n,o,t] W[o,c,i] over all of them and over the channels o: what a copy in the padding
    gets back is added to the number that it is a copy of.

    Weight and bias are uniform in ±1/√fan_in, as in torch. Raises ValueError for a sequence that is shorter
    than the kernel, and for channels that the groups do not divide.
    Source: Waibel et al. (1989), https://doi.org/10.1109/29.21701;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
    """

    axes = 1


class Conv2d(Convolution):
    """y = Σ_cij x[n,c,sh+di−p,sw+dj−p] W[o,c,i,j] + b[o] at each place (h, w); stride s, dilation d, padding p.

    Shapes: x (N, in_channels, H, W) -> y (N, out_channels, H_out, W_out),
    weight W (out_channels, in_channels / groups, kh, kw), bias b (out_channels,), with
    H_out = (H + 2 padding − dilation (kh − 1) − 1) / stride + 1, rounded down. kernel_size, stride, padding
    and dilation are one number or (height, width); padding may also be "valid", which is 0, or "same", which
    keeps H and W. Zeros stand around the image; with padding_mode "reflect", "replicate" or "circular" copies
    of its numbers do, as np.pad makes them by "reflect", "edge" and "wrap". The channels are divided into
    `groups`, each with kernels of its own.

    Backward: the weight W[o,c,i,j] takes x[n,c,sh+di−p,sw+dj−p] into y[n,o,h,w] everywhere, so
    dW[o,c,i,j] = Σ_nhw x[n,c,sh+di−p,sw+dj−p] dy[n,o,h,w], the same windows times dy; b[o] is added at every
    place, so db[o] = Σ_nhw dy[n,o,h,w]. x goes into every window that sees it, so
    dx[n,c,sh+di−p,sw+dj−p] sums dy[n,o,h,w] W[o,c,i,j] over all of them and over the channels o: what W takes
    back into a window is added up where it came from, and what a copy in the padding gets back, at the number
    that it is a copy of.

    Weight and bias are uniform in ±1/√fan_in, as in torch. Raises ValueError for an image that is smaller than
    the kernel, and for channels that the groups do not divide.
    Source: LeCun et al. (1998), http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

    axes = 2


class ConvTranspose2d(Layer):
    """y = Σ_c x[n,c,h,w] W[c,o,i,j] + b[o], summed up at (sh+di−p, sw+dj−p); stride s, dilation d, padding p.

    Shapes: x (N, in_channels, H, W) -> y (N, out_channels, H_out, W_out),
    weight W (in_channels, out_channels / groups, kh, kw), bias b (out_channels,), with
    H_out = (H − 1) stride − 2 padding + dilation (kh − 1) + output_padding + 1. kernel_size, stride, padding,
    output_padding and dilation are one number or (height, width). It takes an image back to the size that a
    Conv2d of the same sizes made it from, with that layer's dx as its forward pass; padding cuts off the
    edges, and output_padding, smaller than stride, says which of the sizes that a stride makes equal is meant.

    Backward: y is what the gradient of a Conv2d is, linear in x with the same W, so dx is a Conv2d of dy:
    dx[n,c,h,w] = Σ_oij dy[n,o,sh+di−p,sw+dj−p] W[c,o,i,j]; W[c,o,i,j] takes x[n,c,h,w] into
    y[n,o,sh+di−p,sw+dj−p] everywhere, so dW[c,o,i,j] = Σ_nhw x[n,c,h,w] dy[n,o,sh+di−p,sw+dj−p]; b[o] is
    added at every place, so
    db[o] = Σ_nhw dy[n,o,h,w].

    Weight and bias are uniform in ±1/√(out_channels / groups · kh kw), as in torch. Raises ValueError for
    channels that the groups do not divide, and for an output_padding of stride or more.
    Source: Zeiler et al. (2010), https://doi.org/10.1109/CVPR.2010.5539957;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        name = "ConvTranspose2d"
        self.in_channels = whole(name, "in_channels", in_channels, 1)
        self.out_channels = whole(name, "out_channels", out_channels, 1)
        kernel, pace, spread = (
            pair(name, key, value, 1)
            for key, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
        )
        cut, rest = pair(name, "padding", padding, 0), pair(name, "output_padding", output_padding, 0)
        if any(more >= step for more, step in zip(rest, pace, strict=True)):
            raise ValueError(
                f"{name} expects output_padding smaller than stride, got output_padding={output_padding} for "
                f"stride={stride}"
            )
        self.kernel_size, self.stride, self.dilation = short(kernel), short(pace), short(spread)
        self.padding, self.output_padding = short(cut), short(rest)
        self.groups = _groups(name, groups, in_channels, out_channels)
        shape = (self.in_channels, self.out_channels // self.groups, *kernel)
        self.weight, self.bias = _weights(name, shape, self.out_channels, bias, dtype, rng)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, self.in_channels, None, None))
        y = correlate_input_gradient(x, self.weight.data, self._shape(x), *self._geometry)
        if self.bias is not None:
            y += self.bias.data.reshape(-1, 1, 1)
        self.save_for_backward(x, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        return correlate(self._parameter_gradients(dy), self.weight.data, *self._geometry)

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> Array:
        dy, x = self.saved(dy)
        self.weight.add_grad(correlate_weight_gradient(dy, x, self.weight.shape, *self._geometry))
        if self.bias is not None:
            self.bias.add_grad(dy.sum(axis=(0, 2, 3)))
        return dy

    @property
    def _geometry(self) -> tuple[tuple[Pair, Pair], Pair, Pair, int]:
        (top, left), stride, dilation = map(_both, (self.padding, self.stride, self.dilation))
        return ((top, top), (left, left)), stride, dilation, self.groups

    def _shape(self, x: Array) -> tuple[int, ...]:
        edges, stride, dilation, _ = self._geometry
        rest = _both(self.output_padding)
        sizes = [
            (x.shape[2 + axis] - 1) * stride[axis] - sum(edges[axis])
            + dilation[axis] * (self.weight.shape[2 + axis] - 1) + rest[axis] + 1
            for axis in (0, 1)
        ]  # fmt: skip
        if min(sizes) < 1 or min(x.shape[2:]) < 1:
            self.clear_saved()
            raise ValueError(
                f"{self!r} makes images of {sizes[0]} by {sizes[1]} from x of shape {x.shape}: it expects less "
                "padding, or larger images"
            )
        return x.shape[0], self.out_channels, *sizes

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return math.prod(x_shape) * math.prod(self.weight.shape[1:])


def _both(size: Size) -> Pair:
    """Height and width."""
    return size if isinstance(size, tuple) else (size, size)


def _groups(name: str, groups: int, in_channels: int, out_channels: int) -> int:
    groups = whole(name, "groups", groups, 1)
    if in_channels % groups or out_channels % groups:
        both = math.gcd(in_channels, out_channels)
        fewer = max(n for n in range(1, groups) if both % n == 0)
        raise ValueError(
            f"{name} expects groups that divide the channels, got {groups} for {in_channels} and "
            f"{out_channels}: groups={fewer}"
        )
    return groups


def _weights(
    name: str,
    shape: tuple[int, ...],
    out_channels: int,
    bias: bool,
    dtype: DTypeLike,
    rng: np.random.Generator | int | None,
) -> tuple[Parameter, Parameter | None]:
    """Kernels and biases, uniform in ±1/√fan_in."""
    rng, dtype = np.random.default_rng(rng), float_dtype(dtype)
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    weight = Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
    has_bias = flag(name, "bias", bias)
    return weight, Parameter(rng.uniform(-bound, bound, out_channels).astype(dtype)) if has_bias else None
