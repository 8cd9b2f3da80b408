"""Convolution: one small linear map at every place of an image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.images import Size, pair, short, windows
from minitorch_np._internal.validation import choice, flag, whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Conv2d(Layer):
    """y = Σ_cij x_nc(h+i)(w+j) W_ocij + b_o at each place (h, w), with the same weights at all of them.

    Shapes: x (N, in_channels, H, W) -> y (N, out_channels, H_out, W_out),
    weight W (out_channels, in_channels / groups, kh, kw), bias b (out_channels,), with
    H_out = (H + 2 padding − dilation (kh − 1) − 1) / stride + 1, rounded down. kernel_size, stride, padding
    and dilation are one number or (height, width); padding may also be "valid", which is 0, or "same", which
    keeps H and W. Zeros stand around the image. The channels are divided into `groups`, each with kernels of
    its own.

    It is one matrix product: the windows of all places, a row each, times the weights, a column an output
    channel.

    Backward: the weight W_ocij takes x_nc(h+i)(w+j) into y_nohw at every place of every sample, so
    dW_ocij = Σ_nhw x_nc(h+i)(w+j) dy_nohw, the same windows times dy; b_o is added at every place, so
    db_o = Σ_nhw dy_nohw. x goes into every window that sees it, so
    dx_nc(h+i)(w+j) sums dy_nohw W_ocij over all of them: the windows' gradients dy Wᵀ are added up where they
    came from.

    Weight and bias are uniform in ±1/√fan_in, as in torch. Raises ValueError for an image that is smaller than
    the kernel, and for channels that the groups do not divide.
    Source: LeCun et al. (1998), http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

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
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.in_channels = whole("Conv2d", "in_channels", in_channels, 1)
        self.out_channels = whole("Conv2d", "out_channels", out_channels, 1)
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        self.groups = whole("Conv2d", "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d expects groups that divide the channels, got {groups} for {in_channels} and "
                f"{out_channels}"
            )
        self.padding: Any = padding
        self._padding = self._edges(padding)
        rng, dtype = np.random.default_rng(rng), float_dtype(dtype)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
        has_bias = flag("Conv2d", "bias", bias)
        self.bias = Parameter(rng.uniform(-bound, bound, self.out_channels).astype(dtype)) if has_bias else None

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, self.in_channels, None, None))
        padded = np.pad(x, ((0, 0), (0, 0), *self._padding))
        self._check_size(x, padded)
        seen = windows(padded, self.kernel_size, self.stride, self.dilation)
        samples, _, height, width = seen.shape[:4]
        columns = self._grouped(seen.transpose(1, 4, 5, 0, 2, 3), -1, samples * height * width)
        y = np.matmul(self._grouped(self.weight.data, self.out_channels // self.groups, -1), columns)
        y = y.reshape(self.out_channels, samples, height, width).transpose(1, 0, 2, 3)
        if self.bias is not None:
            y = y + self.bias.data.reshape(-1, 1, 1)
        y = np.ascontiguousarray(y)
        self.save_for_backward(columns, padded.shape, x.shape, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        rows, padded_shape, shape = self._parameter_gradients(dy)
        samples, height, width = dy.shape[0], *dy.shape[2:]
        weight = self._grouped(self.weight.data, self.out_channels // self.groups, -1)
        seen = np.matmul(weight.transpose(0, 2, 1), rows)
        seen = seen.reshape(self.in_channels, *self.kernel_size, samples, height, width)
        dx = np.zeros(padded_shape, dy.dtype)
        for i in range(self.kernel_size[0]):
            for j in range(self.kernel_size[1]):
                top, left = i * self.dilation[0], j * self.dilation[1]
                bottom = top + self.stride[0] * (height - 1) + 1
                right = left + self.stride[1] * (width - 1) + 1
                part = dx[:, :, top : bottom : self.stride[0], left : right : self.stride[1]]
                part += seen[:, i, j].transpose(1, 0, 2, 3)
        top, left = self._padding[0][0], self._padding[1][0]
        return np.ascontiguousarray(dx[:, :, top : top + shape[2], left : left + shape[3]])

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
        dy, columns, padded_shape, shape = self.saved(dy)
        rows = self._grouped(dy.transpose(1, 0, 2, 3), self.out_channels // self.groups, columns.shape[2])
        self.weight.add_grad(np.matmul(rows, columns.transpose(0, 2, 1)).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.add_grad(dy.sum(axis=(0, 2, 3)))
        return rows, padded_shape, shape

    def _grouped(self, a: Array, rows: int, columns: int) -> Array:
        """An array as one matrix a group."""
        if rows == -1:
            rows = a.size // (self.groups * columns) if columns else math.prod(self.weight.shape[1:])
        if columns == -1:
            columns = a.size // (self.groups * rows)
        return a.reshape(self.groups, rows, columns)

    def _edges(self, padding: Size | str) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many zeros stand above and below, and to the left and the right."""
        if not isinstance(padding, str):
            height, width = self.padding = pair("Conv2d", "padding", padding, 0)
            return (height, height), (width, width)
        if choice("Conv2d", "padding", padding, "valid", "same") == "valid":
            return (0, 0), (0, 0)
        if self.stride != (1, 1):
            raise ValueError(f"Conv2d expects stride=1 with padding='same', got stride={short(self.stride)}")
        total = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)

    def _check_size(self, x: Array, padded: Array) -> None:
        least = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))
        if padded.shape[2] < least[0] or padded.shape[3] < least[1]:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects images of {least[0]} by {least[1]} or more, with padding, got x of shape "
                f"{x.shape}: a smaller kernel_size, or more padding"
            )

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return math.prod(y_shape) * math.prod(self.weight.shape[1:])

    def __repr__(self) -> str:
        sizes = [str(self.in_channels), str(self.out_channels), str(short(self.kernel_size))]
        padding = self.padding if isinstance(self.padding, str) else short(self.padding)
        options = [] if self.stride == (1, 1) else [f"stride={short(self.stride)}"]
        options += [] if padding == 0 else [f"padding={padding!r}"]
        options += [] if self.dilation == (1, 1) else [f"dilation={short(self.dilation)}"]
        options += [] if self.groups == 1 else [f"groups={self.groups}"]
        options += [] if self.bias is not None else ["bias=False"]
        options += [] if self.weight.dtype == np.float64 else [f"dtype={str(self.weight.dtype)!r}"]
        return f"Conv2d({', '.join([*sizes, *options])})"
