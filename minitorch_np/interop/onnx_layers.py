"""The ONNX operators of each layer: a function a layer, or a line for those of a single operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np import layers
from minitorch_np._internal.images import MODES
from minitorch_np.layers.positions import sinusoids

if TYPE_CHECKING:
    from minitorch_np.interop.onnx import Graph, Value

TABLE: dict[type, Callable[..., Any]] = {}

# the operator, and what the layer calls each of its attributes
SINGLE: dict[type, tuple[str, dict[str, str]]] = {
    layers.ELU: ("Elu", {"alpha": "alpha"}),
    layers.Hardshrink: ("Shrink", {"lambd": "lambd"}),
    layers.Hardswish: ("HardSwish", {}),
    layers.LeakyReLU: ("LeakyRelu", {"alpha": "negative_slope"}),
    layers.LogSoftmax: ("LogSoftmax", {"axis": "dim"}),
    layers.Mish: ("Mish", {}),
    layers.ReLU: ("Relu", {}),
    layers.SELU: ("Selu", {"alpha": "ALPHA", "gamma": "SCALE"}),
    layers.Sigmoid: ("Sigmoid", {}),
    layers.Softmax: ("Softmax", {"axis": "dim"}),
    layers.Softshrink: ("Shrink", {"lambd": "lambd", "bias": "lambd"}),
    layers.Softsign: ("Softsign", {}),
    layers.Tanh: ("Tanh", {}),
}


def exports(*kinds: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Have a function (graph, layer, x) write layers of these classes; it returns the name of y."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        TABLE.update(dict.fromkeys(kinds, function))
        return function

    return decorate


# activations


@exports(*SINGLE)
def _single(graph: Graph, layer: Any, x: Value) -> str:
    op, names = SINGLE[type(layer)]
    options: dict[str, Any] = {key: getattr(layer, name) for key, name in names.items()}
    if "axis" not in options:  # what is no axis is a float, even if it was given as 2
        options = {key: float(value) for key, value in options.items()}
    return graph.add(op, x, **options)


@exports(layers.Identity, layers.Dropout, layers.Dropout2d)
def _unchanged(graph: Graph, layer: Any, x: Value) -> Value:
    return x


@exports(layers.CELU)
def _celu(graph: Graph, layer: Any, x: Value) -> str:
    alpha = graph.number(layer.alpha)
    return graph.add("Mul", graph.add("Elu", graph.add("Div", x, alpha)), alpha)


@exports(layers.GELU)
def _gelu(graph: Graph, layer: Any, x: Value) -> str:
    if graph.opset >= 20:
        return graph.add("Gelu", x, approximate=layer.approximate)
    if layer.approximate == "tanh":
        cube = graph.add("Mul", graph.add("Mul", x, x), x)
        inner = graph.add("Add", x, graph.add("Mul", cube, graph.number(0.044715)))
        t = graph.add("Tanh", graph.add("Mul", inner, graph.number(math.sqrt(2 / math.pi))))
    else:
        t = graph.add("Erf", graph.add("Mul", x, graph.number(math.sqrt(1 / 2))))
    cdf = graph.add("Mul", graph.add("Add", t, graph.number(1)), graph.number(0.5))
    return graph.add("Mul", x, cdf)


@exports(layers.Hardsigmoid)
def _hardsigmoid(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)


@exports(layers.Hardtanh)
def _hardtanh(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Clip", x, graph.number(layer.min_val), graph.number(layer.max_val))


@exports(layers.ReLU6)
def _relu6(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Clip", x, graph.number(0), graph.number(6))


@exports(layers.LogSigmoid)
def _log_sigmoid(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Neg", graph.add("Softplus", graph.add("Neg", x)))


@exports(layers.SiLU)
def _silu(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


@exports(layers.Softplus)
def _softplus(graph: Graph, layer: Any, x: Value) -> str:
    z = graph.add("Mul", x, graph.number(layer.beta))
    curve = graph.add("Div", graph.add("Softplus", z), graph.number(layer.beta))
    return graph.add("Where", graph.add("Greater", z, graph.number(layer.threshold)), x, curve)


@exports(layers.Tanhshrink)
def _tanhshrink(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Sub", x, graph.add("Tanh", x))


@exports(layers.Threshold)
def _threshold(graph: Graph, layer: Any, x: Value) -> str:
    below = graph.add("LessOrEqual", x, graph.number(layer.threshold))
    return graph.add("Where", below, graph.number(layer.value), x)


@exports(layers.PReLU)
def _prelu(graph: Graph, layer: Any, x: Value) -> str:
    slopes = graph.state("weight")
    return graph.add("PRelu", x, slopes if layer.num_parameters == 1 else _by_channel(graph, slopes, x))


@exports(layers.GLU)
def _glu(graph: Graph, layer: Any, x: Value) -> str:
    a, b = graph.add("Split", x, outputs=2, axis=layer.dim, num_outputs=2)
    return graph.add("Mul", a, graph.add("Sigmoid", b))


# linear, embedding, positions


@exports(layers.Linear)
def _linear(graph: Graph, layer: Any, x: Value) -> str:
    weight, bias = graph.state("weight"), graph.state("bias")
    if bias and len(x.shape) == 2:
        return graph.add("Gemm", x, weight, bias)
    y = graph.add("MatMul", x, weight)
    return graph.add("Add", y, bias) if bias else y


@exports(layers.Embedding)
def _embedding(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Gather", graph.state("weight"), x)


@exports(layers.PositionalEmbedding)
def _positional(graph: Graph, layer: Any, x: Value) -> str:
    weight, steps = graph.state("weight"), x.shape[1]
    if steps != layer.num_positions:
        weight = graph.add("Slice", weight, *(graph.constant([at]) for at in (0, steps, 0)))
    return graph.add("Add", x, weight)


@exports(layers.SinusoidalPositionalEncoding)
def _sinusoidal(graph: Graph, layer: Any, x: Value) -> str:
    steps, features = x.examples[0].shape[1:]
    return graph.add("Add", x, graph.constant(sinusoids(steps, features), "sinusoids"))


@exports(layers.Standardize)
def _standardize(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Div", graph.add("Sub", x, graph.state("mean")), graph.state("std"))


# convolution, pooling, resizing


@exports(layers.Conv1d, layers.Conv2d)
def _convolution(graph: Graph, layer: Any, x: Value) -> str:
    source: Any = x
    if layer.padding_mode == "circular":
        for axis, (before, after) in enumerate(layer._edges()[2 - layer.axes :], 2):
            taken = np.pad(np.arange(x.examples[0].shape[axis]), (before, after), "wrap")
            source = graph.add("Gather", source, graph.constant(taken, "circular"), axis=axis)
    elif layer.padding_mode != "zeros":
        edges = [(0, 0), (0, 0), *layer._edges()[2 - layer.axes :]]
        source = graph.add("Pad", source, _pads(graph, edges), mode=MODES[layer.padding_mode])
    edges, stride, dilation, groups = layer._geometry
    return graph.add(
        "Conv",
        source,
        graph.state("weight"),
        graph.state("bias"),
        kernel_shape=layer.weight.shape[2:],
        strides=stride[2 - layer.axes :],
        pads=_starts_and_ends(edges[2 - layer.axes :]),
        dilations=dilation[2 - layer.axes :],
        group=groups,
    )


@exports(layers.ConvTranspose2d)
def _conv_transpose(graph: Graph, layer: Any, x: Value) -> str:
    edges, stride, dilation, groups = layer._geometry
    rest = layer.output_padding
    return graph.add(
        "ConvTranspose",
        x,
        graph.state("weight"),
        graph.state("bias"),
        kernel_shape=layer.weight.shape[2:],
        strides=stride,
        pads=_starts_and_ends(edges),
        output_padding=rest if isinstance(rest, tuple) else (rest, rest),
        dilations=dilation,
        group=groups,
    )


@exports(layers.MaxPool1d, layers.MaxPool2d)
def _max_pool(graph: Graph, layer: Any, x: Value) -> str:
    edges, sizes = _windows(layer, x)
    pads: dict[str, Any] = {"pads": _starts_and_ends(edges)}
    source: Any = x
    if layer.ceil_mode:  # runtimes differ in which windows they leave out
        source, pads = graph.add("Pad", x, _pads(graph, [(0, 0), (0, 0), *edges]), graph.number(-math.inf)), {}
    return graph.add("MaxPool", source, dilations=layer._dilation[2 - layer.spatial :], **sizes, **pads)


@exports(layers.AvgPool1d, layers.AvgPool2d)
def _avg_pool(graph: Graph, layer: Any, x: Value) -> str:
    edges, sizes = _windows(layer, x)
    y = graph.add("AveragePool", x, pads=_starts_and_ends(edges), count_include_pad=1, **sizes)
    images = layer.as_images(x.examples[0])
    counts = np.outer(*layer._counts(layer.padded(images, 0.0).shape, images.shape))
    kernel = math.prod(layer._kernel)
    if (counts == kernel).all():
        return y
    part = kernel / (counts if layer.spatial == 2 else counts[0])  # of a window that counts
    return graph.add("Mul", y, graph.constant(part, "part"))


@exports(layers.AdaptiveAvgPool2d)
def _adaptive(graph: Graph, layer: Any, x: Value) -> str:
    sizes = x.examples[0].shape[2:]
    wanted = tuple(
        size if given is None else given for size, given in zip(sizes, layer.output_size, strict=True)
    )
    if wanted == (1, 1):
        return graph.add("GlobalAveragePool", x)
    if all(size % count == 0 for size, count in zip(sizes, wanted, strict=True)):
        kernel = [size // count for size, count in zip(sizes, wanted, strict=True)]
        return graph.add("AveragePool", x, kernel_shape=kernel, strides=kernel)
    rows, columns = (
        _means(layer._windows(size, count), size) for size, count in zip(sizes, layer.output_size, strict=True)
    )
    lines = graph.add("MatMul", graph.constant(rows, "rows"), x)
    return graph.add("MatMul", lines, graph.constant(columns.T, "columns"))


@exports(layers.Upsample)
def _upsample(graph: Graph, layer: Any, x: Value) -> str:
    counts = layer._counts(x.examples[0].shape)
    if all(isinstance(count, int) for count in counts):
        scales = graph.constant([1, 1, *counts], "scales", np.float32)
        options: Any = {
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
            "mode": "nearest",
        }
        return graph.add("Resize", x, "", scales, **options)
    y: Any = x
    for axis, count in enumerate(counts, 2):
        taken = np.arange(x.examples[0].shape[axis]).repeat(count)
        y = graph.add("Gather", y, graph.constant(taken, "nearest"), axis=axis)
    return y


@exports(layers.ZeroPad2d)
def _zero_pad(graph: Graph, layer: Any, x: Value) -> str:
    left, right, top, bottom = layer.padding
    y: Any = x
    if min(layer.padding) < 0:
        height, width = x.examples[0].shape[2:]
        starts, ends = [max(0, -top), max(0, -left)], [height + min(0, bottom), width + min(0, right)]
        y = graph.add("Slice", y, *(graph.constant(each) for each in (starts, ends, [2, 3])))
    edges = [(max(0, before), max(0, after)) for before, after in ((top, bottom), (left, right))]
    return graph.add("Pad", y, _pads(graph, [(0, 0), (0, 0), *edges]))


# normalisation


@exports(layers.BatchNorm1d, layers.BatchNorm2d)
def _batch_norm(graph: Graph, layer: Any, x: Value) -> str:
    weight, bias = graph.state("weight"), graph.state("bias")
    if layer.running_mean is None:
        y = _normalized(graph, x, [axis for axis in range(len(x.shape)) if axis != 1], layer.eps)
        return _scaled(graph, y, x, weight, bias)
    if not weight:
        weight = graph.constant(np.ones(layer.num_features), "ones")
        bias = graph.constant(np.zeros(layer.num_features), "zeros")
    statistics = graph.state("running_mean"), graph.state("running_var")
    return graph.add("BatchNormalization", x, weight, bias, *statistics, epsilon=float(layer.eps))


@exports(layers.LayerNorm)
def _layer_norm(graph: Graph, layer: Any, x: Value) -> str:
    weight, bias, axes = graph.state("weight"), graph.state("bias"), list(range(-len(layer._shape), 0))
    if graph.dtype == np.float32:  # the operator always computes in it
        weight = weight or graph.constant(np.ones(layer._shape), "ones")
        return graph.add("LayerNormalization", x, weight, bias, axis=axes[0], epsilon=float(layer.eps))
    y = _normalized(graph, x, axes, layer.eps)
    y = graph.add("Mul", y, weight) if weight else y
    return graph.add("Add", y, bias) if bias else y


@exports(layers.RMSNorm)
def _rms_norm(graph: Graph, layer: Any, x: Value) -> str:
    axes = list(range(-len(layer._shape), 0))
    eps = float(np.finfo(graph.dtype).eps) if layer.eps is None else layer.eps
    y = graph.add("Div", x, _root_mean_square(graph, x, axes, eps))
    return graph.add("Mul", y, graph.state("weight")) if layer.weight is not None else y


@exports(layers.GroupNorm)
def _group_norm(graph: Graph, layer: Any, x: Value) -> str:
    grouped = graph.add("Reshape", x, graph.constant([0, layer.num_groups, -1], "groups"))
    y = graph.reshape(_normalized(graph, grouped, [2], layer.eps), x.shape)
    return _scaled(graph, y, x, graph.state("weight"), graph.state("bias"))


# reshaping and reduction


@exports(layers.Flatten, layers.Unflatten, layers.Reshape)
def _reshape(graph: Graph, layer: Any, x: Value) -> str:
    return graph.reshaped(layer, x)


@exports(layers.Transpose)
def _transpose(graph: Graph, layer: Any, x: Value) -> str:
    axes = list(range(len(x.shape)))
    axes[layer.dim0], axes[layer.dim1] = axes[layer.dim1], axes[layer.dim0]
    return graph.add("Transpose", x, perm=axes)


@exports(layers.Select)
def _select(graph: Graph, layer: Any, x: Value) -> str:
    return graph.add("Gather", x, graph.constant(layer.index, "index"), axis=layer.dim)


@exports(layers.Mean)
def _mean(graph: Graph, layer: Any, x: Value) -> str:
    axes = graph.constant(np.atleast_1d(layer.dim), "axes")
    return graph.add("ReduceMean", x, axes, keepdims=int(layer.keepdim))


# containers


@exports(layers.Sequential)
def _sequential(graph: Graph, layer: Any, x: Value) -> Value:
    for inner in layer:
        x = graph.apply(inner, x)
    return x


@exports(layers.Residual)
def _residual(graph: Graph, layer: Any, x: Value) -> str:
    y = graph.apply(layer.layer, x)
    return graph.add("Add", y, x if layer.shortcut is None else graph.apply(layer.shortcut, x))


@exports(layers.Parallel)
def _parallel(graph: Graph, layer: Any, x: Value) -> str:
    parts = [graph.apply(branch, x) for branch in layer]
    if layer.combine == "concatenate":
        return graph.add("Concat", *parts, axis=layer.dim)
    return graph.add("Sum", *parts)


# attention


@exports(layers.MultiheadAttention)
def _attention(graph: Graph, layer: Any, x: Value) -> str:
    steps, features = x.examples[0].shape[1:]
    rows = graph.reshape(x, (None, features))
    qkv = graph.add("Gemm", rows, graph.state("in_proj_weight"), graph.state("in_proj_bias"), transB=1)
    parts = graph.add("Split", qkv, outputs=3, axis=1, num_outputs=3)
    shape = None, steps, layer.num_heads, layer.head_dim
    q, k, v = (
        graph.add("Transpose", graph.reshape(part, shape), perm=perm)
        for part, perm in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True)
    )
    scores = graph.add("MatMul", graph.add("Mul", q, graph.number(layer.head_dim**-0.5)), k)
    if layer.causal:
        later = np.triu(np.full((steps, steps), -np.inf), 1)
        scores = graph.add("Add", scores, graph.constant(later, "causal"))
    heads = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v)
    joined = graph.reshape(graph.add("Transpose", heads, perm=[0, 2, 1, 3]), x.shape)
    return graph.apply(layer.out_proj, x._replace(name=joined)).name


@exports(layers.TransformerEncoderLayer)
def _transformer(graph: Graph, layer: Any, x: Value) -> Any:
    def feed_forward(z: Value) -> Value:
        for inner in (layer.linear1, layer.activation, layer.linear2):
            z = graph.apply(inner, z)
        return z

    def plus(a: Value, b: Value) -> Value:
        return a._replace(name=graph.add("Add", a, b))

    if layer.norm_first:
        z = plus(x, graph.apply(layer.self_attn, graph.apply(layer.norm1, x)))
        return plus(z, feed_forward(graph.apply(layer.norm2, z))).name
    z = graph.apply(layer.norm1, plus(x, graph.apply(layer.self_attn, x)))
    return graph.apply(layer.norm2, plus(z, feed_forward(z))).name


# recurrent

GATES: dict[type, list[int]] = {  # where ONNX's gates are among ours
    layers.RNN: [0],
    layers.LSTM: [0, 3, 1, 2],  # i, o, f, g of i, f, g, o
    layers.GRU: [1, 0, 2],  # z, r, n of r, z, n
}


@exports(*GATES)
def _recurrent(graph: Graph, layer: Any, x: Value) -> str:
    kind, directions, width = type(layer), layer._directions, layer.hidden_size * len(layer._directions)
    options: dict[str, Any] = {"hidden_size": layer.hidden_size}
    options["direction"] = "bidirectional" if layer.bidirectional else "forward"
    if kind is layers.RNN:
        options["activations"] = [layer.nonlinearity.capitalize()] * len(directions)
    elif kind is layers.GRU:
        options["linear_before_reset"] = 1  # r scales q with the bias in it
    y = graph.add("Transpose", x, perm=[1, 0, 2])  # time first
    for number in range(layer.num_layers):
        weight, recurrent, bias, recurrent_bias = (
            _stacked(arrays, GATES[kind])
            for arrays in zip(*(layer._parameters_of(number, each) for each in directions), strict=True)
        )
        given = [graph.weight(f"l{number}.W", weight), graph.weight(f"l{number}.R", recurrent)]
        if bias is not None:
            given.append(graph.weight(f"l{number}.B", np.concatenate([bias, recurrent_bias], axis=1)))
        states, last = graph.add(kind.__name__, y, *given, outputs=2, **options)
        if layer.return_sequences or number < layer.num_layers - 1:
            y = graph.add("Transpose", states, perm=[0, 2, 1, 3])  # (T, N, directions, hidden_size)
            y = graph.add("Reshape", y, graph.constant([0, 0, width], "shape"))
    if layer.return_sequences:
        return graph.add("Transpose", y, perm=[1, 0, 2])
    y = graph.add("Transpose", last, perm=[1, 0, 2])  # (N, directions, hidden_size)
    return graph.add("Reshape", y, graph.constant([0, width], "shape"))


def _stacked(parameters: Any, order: list[int]) -> Any:
    """One parameter of all directions, with the rows of the gates in that order; None if there are none."""
    if parameters[0] is None:
        return None
    gates = [np.split(parameter.data, len(order)) for parameter in parameters]
    return np.stack([np.concatenate([blocks[i] for i in order]) for blocks in gates])


# parts of several


def _normalized(graph: Graph, x: Any, axes: list[int], eps: float) -> str:
    """(x − mean) / √(var + eps), mean and variance over these axes."""
    mean = graph.add("ReduceMean", x, graph.constant(axes, "axes"))
    apart = graph.add("Sub", x, mean)
    return graph.add("Div", apart, _root_mean_square(graph, apart, axes, eps))


def _root_mean_square(graph: Graph, x: Any, axes: list[int], eps: float) -> str:
    """√(mean(x²) + eps)."""
    square = graph.add("ReduceMean", graph.add("Mul", x, x), graph.constant(axes, "axes"))
    return graph.add("Sqrt", graph.add("Add", square, graph.number(eps)))


def _scaled(graph: Graph, y: str, x: Value, weight: str, bias: str) -> str:
    """y times the weight of each channel, plus its bias, if there are any."""
    if not weight:
        return y
    y = graph.add("Mul", y, _by_channel(graph, weight, x))
    return graph.add("Add", y, _by_channel(graph, bias, x))


def _by_channel(graph: Graph, values: str, x: Value) -> str:
    """One value for each channel, in the shape that goes with x."""
    after = list(range(1, len(x.shape) - 1))
    return graph.add("Unsqueeze", values, graph.constant(after, "axes")) if after else values


def _windows(layer: Any, x: Value) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """What a pooling layer adds before and after each axis, and its kernel and stride."""
    images = layer.as_images(x.examples[0])
    padded = layer.padded(images, 0.0)
    edges = [
        (before, larger - size - before)
        for before, size, larger in zip(layer._edges, images.shape[2:], padded.shape[2:], strict=True)
    ]
    first = 2 - layer.spatial
    return edges[first:], {"kernel_shape": layer._kernel[first:], "strides": layer._step[first:]}


def _means(windows: Any, size: int) -> Any:
    """The matrix that takes the mean of each window of so many numbers."""
    matrix = np.zeros((len(windows), size))
    for row, (start, end) in zip(matrix, windows, strict=True):
        row[start:end] = 1 / (end - start)
    return matrix


def _starts_and_ends(edges: Any) -> list[int]:
    """Edges as ONNX has them: all that come before, then all that come after."""
    return [before for before, _ in edges] + [after for _, after in edges]


def _pads(graph: Graph, edges: Any) -> str:
    return graph.constant(_starts_and_ends(edges), "pads")
