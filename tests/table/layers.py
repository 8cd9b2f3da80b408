"""One line or more for every public layer; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import minitorch_np as mt
from minitorch_np.layers.standardize import Standardize
from table.samples import sample

DATA = np.random.default_rng(7).normal([1, -20, 0.3, 5], [2, 0.1, 30, 1], (50, 4))  # four features, unlike


class LayerCase(NamedTuple):
    make: Callable[[str], mt.Layer]  # of a dtype
    shape: tuple[int, ...]
    wrong_shape: tuple[int, ...] | None = None
    least: int = 0  # the smallest batch that is no empty one
    indices: int = 0  # x are integers below that number; 0: floats

    def sample(self, dtype="float64", seed=0, batch=None):
        shape = self.shape if batch is None else (batch, *self.shape[1:])
        if self.indices:
            return np.random.default_rng(seed).integers(0, self.indices, shape)
        return sample(shape, dtype, seed)


ACTIVATIONS: dict[str, Callable[[], mt.Activation]] = {
    "CELU": mt.CELU,
    "CELU(0.7)": lambda: mt.CELU(0.7),
    "ELU": mt.ELU,
    "ELU(2)": lambda: mt.ELU(2),
    "GELU": mt.GELU,
    "GELU('tanh')": lambda: mt.GELU("tanh"),
    "Hardshrink": mt.Hardshrink,
    "Hardsigmoid": mt.Hardsigmoid,
    "Hardswish": mt.Hardswish,
    "Hardtanh": mt.Hardtanh,
    "Hardtanh(-3, 0.5)": lambda: mt.Hardtanh(-3, 0.5),
    "Identity": mt.Identity,
    "LeakyReLU": mt.LeakyReLU,
    "LeakyReLU(3)": lambda: mt.LeakyReLU(3),
    "LeakyReLU(-0.5)": lambda: mt.LeakyReLU(-0.5),
    "LeakyReLU(0)": lambda: mt.LeakyReLU(0),
    "LogSigmoid": mt.LogSigmoid,
    "Mish": mt.Mish,
    "ReLU": mt.ReLU,
    "ReLU6": mt.ReLU6,
    "SELU": mt.SELU,
    "SiLU": mt.SiLU,
    "Sigmoid": mt.Sigmoid,
    "Softplus": mt.Softplus,
    "Softplus(2, 1)": lambda: mt.Softplus(2, 1),
    "Softshrink": mt.Softshrink,
    "Softsign": mt.Softsign,
    "Tanh": mt.Tanh,
    "Tanhshrink": mt.Tanhshrink,
    "Threshold": lambda: mt.Threshold(0.5, -2),
}

LAYERS = {
    "Linear": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (5, 4), (5, 3)),
    "Linear without bias": LayerCase(
        lambda dtype: mt.Linear(4, 3, bias=False, dtype=dtype, rng=0), (5, 4), (4,) * 2 + (5,)
    ),
    "Linear, more axes": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (2, 5, 4), (4, 5)),
    "Linear, one sample": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (4,), ()),
    "Embedding": LayerCase(lambda dtype: mt.Embedding(6, 3, dtype=dtype, rng=0), (5, 4), indices=6),
    "Embedding with padding": LayerCase(
        lambda dtype: mt.Embedding(4, 3, padding_idx=1, dtype=dtype, rng=0), (7,), indices=4
    ),
    "Embedding, before a Linear": LayerCase(
        lambda dtype: mt.Sequential(
            mt.Embedding(4, 3, padding_idx=-1, dtype=dtype, rng=0), mt.Linear(3, 2, dtype=dtype, rng=1)
        ),
        (2, 3, 2),
        indices=4,
    ),
    "Embedding, two side by side": LayerCase(
        lambda dtype: mt.Parallel(
            mt.Embedding(4, 3, dtype=dtype, rng=0), mt.Embedding(5, 3, dtype=dtype, rng=1)
        ),
        (3, 2),
        indices=4,
    ),
    "PReLU": LayerCase(lambda dtype: mt.PReLU(dtype=dtype), (5, 4)),
    "PReLU with channels": LayerCase(lambda dtype: mt.PReLU(4, init=0.1, dtype=dtype), (5, 4), (5, 3)),
    "PReLU with channels, more axes": LayerCase(lambda dtype: mt.PReLU(3, dtype=dtype), (2, 3, 2), (2, 2, 3)),
    "Standardize": LayerCase(lambda dtype: Standardize(4, dtype=dtype).fit(DATA), (5, 4), (5, 3)),
    "Standardize, more axes": LayerCase(lambda dtype: Standardize(4, dtype=dtype).fit(DATA), (2, 5, 4), (4, 5)),
    "Standardize, before a Linear": LayerCase(
        lambda dtype: mt.Sequential(Standardize(4, dtype=dtype).fit(DATA), mt.Linear(4, 3, dtype=dtype, rng=0)),
        (5, 4),
        (5, 3),
    ),
    "GLU": LayerCase(lambda dtype: mt.GLU(), (5, 4), (5, 3)),
    "GLU(1)": LayerCase(lambda dtype: mt.GLU(1), (2, 4, 3), (2, 3, 4)),
    "Softmax": LayerCase(lambda dtype: mt.Softmax(), (5, 4)),
    "Softmax(1)": LayerCase(lambda dtype: mt.Softmax(1), (2, 3, 4), (5,)),
    "LogSoftmax": LayerCase(lambda dtype: mt.LogSoftmax(), (5, 4)),
    "LogSoftmax(1)": LayerCase(lambda dtype: mt.LogSoftmax(1), (2, 3, 4), (5,)),
    "Conv1d": LayerCase(lambda dtype: mt.Conv1d(2, 3, 3, dtype=dtype, rng=0), (2, 2, 5), (2, 3, 5)),
    "Conv1d, all options": LayerCase(
        lambda dtype: mt.Conv1d(
            4, 6, 2, stride=2, padding=2, dilation=2, groups=2, bias=False, dtype=dtype, rng=0
        ),
        (2, 4, 5),
        (2, 3, 5),
    ),
    "Conv2d": LayerCase(lambda dtype: mt.Conv2d(2, 3, 3, dtype=dtype, rng=0), (2, 2, 5, 6), (2, 3, 5, 6)),
    "Conv2d, all options": LayerCase(
        lambda dtype: mt.Conv2d(
            4, 6, (3, 2), stride=2, padding=(1, 2), dilation=(1, 2), groups=2, bias=False, dtype=dtype, rng=0
        ),
        (2, 4, 5, 6),
        (2, 4, 0, 6),
    ),
    "Conv2d, same": LayerCase(
        lambda dtype: mt.Conv2d(2, 3, (2, 3), padding="same", dtype=dtype, rng=0), (2, 2, 3, 4), (2, 2, 3)
    ),
    "Conv2d, many channels": LayerCase(
        lambda dtype: mt.Conv2d(16, 2, (2, 3), dilation=(2, 1), dtype=dtype, rng=0),
        (2, 16, 4, 3),
        (2, 16, 2, 3),
    ),
    "ConvTranspose2d": LayerCase(
        lambda dtype: mt.ConvTranspose2d(2, 3, 3, dtype=dtype, rng=0), (2, 2, 2, 3), (2, 3, 2, 3)
    ),
    "ConvTranspose2d, all options": LayerCase(
        lambda dtype: mt.ConvTranspose2d(
            4,
            6,
            (3, 2),
            stride=(3, 2),
            padding=(2, 1),
            output_padding=(2, 1),
            groups=2,
            bias=False,
            dilation=(1, 2),
            dtype=dtype,
            rng=0,
        ),
        (2, 4, 2, 3),
        (2, 4, 2),
    ),
    "MaxPool2d": LayerCase(lambda dtype: mt.MaxPool2d(2), (2, 2, 5, 6), (2, 2, 1, 6)),
    "MaxPool2d, overlapping": LayerCase(
        lambda dtype: mt.MaxPool2d(3, stride=2, padding=1), (2, 2, 5, 6), (5, 6)
    ),
    "MaxPool2d, all options": LayerCase(
        lambda dtype: mt.MaxPool2d(2, stride=3, padding=1, dilation=(2, 1), ceil_mode=True),
        (2, 2, 5, 6),
        (5, 6),
    ),
    "AvgPool2d, all options": LayerCase(
        lambda dtype: mt.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 2, 4, 6), (5, 6)
    ),
    "AvgPool2d": LayerCase(lambda dtype: mt.AvgPool2d(2), (2, 2, 5, 6), (2, 2, 1, 6)),
    "AvgPool2d, overlapping": LayerCase(
        lambda dtype: mt.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 0)), (2, 2, 5, 6), (5, 6)
    ),
    "MaxPool1d": LayerCase(lambda dtype: mt.MaxPool1d(2), (2, 3, 5), (2, 3, 1)),
    "MaxPool1d, overlapping": LayerCase(
        lambda dtype: mt.MaxPool1d(3, stride=2, padding=1), (2, 2, 6), (2, 2, 1, 6)
    ),
    "AvgPool1d": LayerCase(lambda dtype: mt.AvgPool1d(2), (2, 3, 5), (2, 3, 1)),
    "AvgPool1d, overlapping": LayerCase(lambda dtype: mt.AvgPool1d(4, stride=1, padding=2), (2, 2, 5), (5,)),
    "AdaptiveAvgPool2d": LayerCase(lambda dtype: mt.AdaptiveAvgPool2d(1), (2, 3, 4, 5), (3, 4, 5)),
    "AdaptiveAvgPool2d, windows that overlap": LayerCase(
        lambda dtype: mt.AdaptiveAvgPool2d((3, None)), (2, 2, 5, 2), (2, 2, 0, 2)
    ),
    "AdaptiveAvgPool2d, larger": LayerCase(lambda dtype: mt.AdaptiveAvgPool2d((4, 3)), (2, 2, 3, 2)),
    "Upsample": LayerCase(lambda dtype: mt.Upsample(scale_factor=2), (2, 2, 3, 4), (2, 3)),
    "Upsample, a factor an axis": LayerCase(
        lambda dtype: mt.Upsample(scale_factor=(2.5, 0.6)), (2, 2, 3, 4), (2, 3, 4)
    ),
    "Upsample to a size": LayerCase(lambda dtype: mt.Upsample(size=7), (2, 2, 3), (2, 2, 0)),
    "ZeroPad2d": LayerCase(lambda dtype: mt.ZeroPad2d(1), (2, 2, 3, 2), (2, 2, 3)),
    "ZeroPad2d, four edges": LayerCase(lambda dtype: mt.ZeroPad2d((1, 0, 2, 3)), (2, 2, 3, 2), (2, 3, 2)),
    "BatchNorm1d": LayerCase(lambda dtype: mt.BatchNorm1d(4, dtype=dtype), (5, 4), (5, 3), 2),
    "BatchNorm1d, more axes": LayerCase(
        lambda dtype: mt.BatchNorm1d(4, eps=1e-3, momentum=0.3, dtype=dtype), (5, 4, 3), (5, 3, 4)
    ),
    "BatchNorm1d, without weights": LayerCase(
        lambda dtype: mt.BatchNorm1d(4, affine=False, dtype=dtype), (5, 4), (5, 4, 1, 1), 2
    ),
    "BatchNorm2d": LayerCase(lambda dtype: mt.BatchNorm2d(3, dtype=dtype), (2, 3, 4, 2), (2, 3, 4)),
    "Conv2d, reflected": LayerCase(
        lambda dtype: mt.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect", dtype=dtype, rng=0),
        (2, 2, 4, 5),
    ),
    "Conv2d, circular": LayerCase(
        lambda dtype: mt.Conv2d(2, 2, (2, 3), 2, 1, padding_mode="circular", dtype=dtype, rng=0), (2, 2, 4, 3)
    ),
    "Conv1d, replicated": LayerCase(
        lambda dtype: mt.Conv1d(2, 3, 4, padding="same", padding_mode="replicate", dtype=dtype, rng=0),
        (2, 2, 3),
    ),
    "AvgPool2d, divided by a number": LayerCase(
        lambda dtype: mt.AvgPool2d(2, padding=1, divisor_override=3), (2, 2, 5, 6), (5, 6)
    ),
    "ZeroPad2d, cut off": LayerCase(lambda dtype: mt.ZeroPad2d((2, -1, -1, -1)), (2, 2, 3, 4), (2, 2, 3)),
    "BatchNorm2d, mean of all batches": LayerCase(
        lambda dtype: mt.BatchNorm2d(3, momentum=None, dtype=dtype), (2, 3, 4, 2), (2, 3, 4)
    ),
    "BatchNorm1d, of the batch always": LayerCase(
        lambda dtype: mt.BatchNorm1d(4, track_running_stats=False, dtype=dtype), (5, 4), (5, 3), 2
    ),
    "LayerNorm": LayerCase(lambda dtype: mt.LayerNorm(4, dtype=dtype), (5, 4), (5, 3)),
    "LayerNorm, two axes": LayerCase(
        lambda dtype: mt.LayerNorm((3, 4), eps=1e-3, bias=False, dtype=dtype), (2, 3, 4), (2, 4, 3)
    ),
    "LayerNorm, without weights": LayerCase(
        lambda dtype: mt.LayerNorm(4, elementwise_affine=False, dtype=dtype), (2, 5, 4)
    ),
    "RMSNorm": LayerCase(lambda dtype: mt.RMSNorm(4, dtype=dtype), (5, 4), (5, 3)),
    "RMSNorm, two axes": LayerCase(
        lambda dtype: mt.RMSNorm((3, 4), eps=1e-3, elementwise_affine=False, dtype=dtype), (2, 3, 4), (2, 4, 3)
    ),
    "GroupNorm": LayerCase(lambda dtype: mt.GroupNorm(2, 4, dtype=dtype), (2, 4, 3, 2), (2, 3, 3, 2)),
    "GroupNorm, one group of rows": LayerCase(
        lambda dtype: mt.GroupNorm(1, 4, eps=1e-3, dtype=dtype), (5, 4), (5, 3)
    ),
    "GroupNorm, without weights": LayerCase(
        lambda dtype: mt.GroupNorm(3, 3, affine=False, dtype=dtype), (2, 3, 4), (2, 3, 0)
    ),
    "MultiheadAttention": LayerCase(
        lambda dtype: mt.MultiheadAttention(4, 2, dtype=dtype, rng=0), (2, 3, 4), (3, 4)
    ),
    "MultiheadAttention, causal": LayerCase(
        lambda dtype: mt.MultiheadAttention(6, 3, bias=False, causal=True, dtype=dtype, rng=0),
        (2, 4, 6),
        (2, 6, 4),
    ),
    "MultiheadAttention with dropout, no longer training": LayerCase(
        lambda dtype: mt.MultiheadAttention(4, 1, 0.5, dtype=dtype, rng=0).eval(), (2, 3, 4)
    ),
    "TransformerEncoderLayer": LayerCase(
        lambda dtype: mt.TransformerEncoderLayer(4, 2, 5, 0.0, dtype=dtype, rng=0), (2, 3, 4), (3, 4)
    ),
    "TransformerEncoderLayer, all options": LayerCase(
        lambda dtype: mt.TransformerEncoderLayer(
            4, 2, 5, 0.2, "gelu", 1e-3, True, True, False, causal=True, dtype=dtype, rng=0
        ).eval(),
        (2, 3, 4),
        (2, 4, 3),
    ),
    "PositionalEmbedding": LayerCase(
        lambda dtype: mt.PositionalEmbedding(5, 4, dtype=dtype, rng=0), (2, 3, 4), (2, 6, 4)
    ),
    "SinusoidalPositionalEncoding": LayerCase(
        lambda dtype: mt.SinusoidalPositionalEncoding(5), (2, 3, 5), (2, 3, 4)
    ),
    "Flatten": LayerCase(lambda dtype: mt.Flatten(), (2, 3, 4)),
    "Flatten(0, 1)": LayerCase(lambda dtype: mt.Flatten(0, 1), (2, 3, 4), (3,)),
    "Unflatten": LayerCase(lambda dtype: mt.Unflatten(1, (2, -1)), (3, 4), (3, 5)),
    "Reshape": LayerCase(lambda dtype: mt.Reshape(2, -1), (3, 4), (3, 5)),
    "Reshape, more axes": LayerCase(lambda dtype: mt.Reshape(4, 3), (2, 3, 2, 2), (2, 3)),
    "Transpose": LayerCase(lambda dtype: mt.Transpose(1, 2), (2, 3, 4), (2, 3)),
    "Transpose, from the end": LayerCase(lambda dtype: mt.Transpose(-1, 1), (2, 3, 4, 2), (3,)),
    "Select": LayerCase(lambda dtype: mt.Select(1, -1), (2, 3, 4), (2, 0, 4)),
    "Select, last axis": LayerCase(lambda dtype: mt.Select(-1, 0), (2, 3, 4), (2, 0)),
    "Mean": LayerCase(lambda dtype: mt.Mean(1), (2, 3, 4), (2, 0, 4)),
    "Mean, two axes": LayerCase(lambda dtype: mt.Mean((-1, 1), keepdim=True), (2, 3, 4), (2, 3, 0)),
    "Dropout, no longer training": LayerCase(lambda dtype: mt.Dropout().eval(), (5, 4)),
    "Dropout2d, no longer training": LayerCase(lambda dtype: mt.Dropout2d().eval(), (2, 3, 2, 2), (2, 3, 4)),
    "RNN, relu, last step": LayerCase(
        lambda dtype: mt.RNN(4, 3, nonlinearity="relu", return_sequences=False, dtype=dtype, rng=0), (2, 5, 4)
    ),
    "RNN": LayerCase(lambda dtype: mt.RNN(4, 3, dtype=dtype, rng=0), (2, 5, 4), (2, 5, 3)),
    "LSTM, two layers, both directions, last step": LayerCase(
        lambda dtype: mt.LSTM(4, 3, 2, bidirectional=True, return_sequences=False, dtype=dtype, rng=0),
        (2, 5, 4),
        (2, 0, 4),
    ),
    "LSTM without bias": LayerCase(lambda dtype: mt.LSTM(4, 3, bias=False, dtype=dtype, rng=0), (2, 1, 4)),
    "LSTM": LayerCase(lambda dtype: mt.LSTM(4, 3, dtype=dtype, rng=0), (2, 5, 4), (5, 4)),
    "GRU, three layers": LayerCase(lambda dtype: mt.GRU(4, 3, 3, bias=False, dtype=dtype, rng=0), (2, 3, 4)),
    "GRU, both directions": LayerCase(
        lambda dtype: mt.GRU(4, 3, bidirectional=True, dtype=dtype, rng=0), (2, 5, 4), (2, 3)
    ),
    "GRU, dropout, no longer training": LayerCase(
        lambda dtype: mt.GRU(4, 3, 2, dropout=0.5, dtype=dtype, rng=0).eval(), (2, 3, 4)
    ),
    "GRU": LayerCase(lambda dtype: mt.GRU(4, 3, dtype=dtype, rng=0), (2, 5, 4), (0, 5)),
    "Residual": LayerCase(lambda dtype: mt.Residual(mt.Linear(4, 4, dtype=dtype, rng=0)), (5, 4), (5, 3)),
    "Residual with a shortcut": LayerCase(
        lambda dtype: mt.Residual(
            mt.Sequential(mt.Linear(4, 6, dtype=dtype, rng=0), mt.Tanh(), mt.Linear(6, 3, dtype=dtype, rng=1)),
            mt.Linear(4, 3, bias=False, dtype=dtype, rng=2),
        ),
        (5, 4),
        (5, 3),
    ),
    "Parallel": LayerCase(
        lambda dtype: mt.Parallel(mt.Linear(4, 4, dtype=dtype, rng=0), mt.Tanh(), mt.Identity()), (5, 4), (5, 3)
    ),
    "Parallel, side by side": LayerCase(
        lambda dtype: mt.Parallel(
            {
                "wide": mt.Sequential(mt.Linear(4, 3, dtype=dtype, rng=0), mt.Tanh()),
                "narrow": mt.Linear(4, 2, dtype=dtype, rng=1),
            },
            combine="concatenate",
            dim=-1,
        ),
        (2, 5, 4),
        (2, 5, 3),
    ),
    "Sequential": LayerCase(
        lambda dtype: mt.Sequential(
            mt.Linear(4, 6, dtype=dtype, rng=0), mt.Tanh(), mt.Linear(6, 2, dtype=dtype, rng=1)
        ),
        (5, 4),
        (5, 5),
    ),
    "Sequential, nested": LayerCase(
        lambda dtype: mt.Sequential(
            {
                "body": mt.Sequential(mt.Linear(4, 6, dtype=dtype, rng=0), mt.ReLU()),
                "head": mt.Linear(6, 2, dtype=dtype, rng=1),
            }
        ),
        (5, 4),
        (4,) * 2 + (1,),
    ),
    **{name: LayerCase(lambda dtype, make=make: make(), (5, 4)) for name, make in ACTIVATIONS.items()},
    "Sequential, empty": LayerCase(lambda dtype: mt.Sequential(), (5, 4)),
}
