"""Layers: linear, activations, for images and sequences, normalisation, branches; Sequential composes them."""

from minitorch_np.layers.activation import Activation
from minitorch_np.layers.attention import MultiheadAttention, TransformerEncoderLayer
from minitorch_np.layers.branches import Parallel, Residual
from minitorch_np.layers.convolution import Conv1d, Conv2d, ConvTranspose2d
from minitorch_np.layers.dropout import Dropout, Dropout2d
from minitorch_np.layers.elu import CELU, ELU, SELU
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.gated import GELU, GLU, Mish, SiLU
from minitorch_np.layers.gru import GRU
from minitorch_np.layers.linear import Linear
from minitorch_np.layers.lstm import LSTM
from minitorch_np.layers.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from minitorch_np.layers.piecewise import (
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    Softshrink,
    Threshold,
)
from minitorch_np.layers.pooling import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from minitorch_np.layers.positions import PositionalEmbedding, SinusoidalPositionalEncoding
from minitorch_np.layers.reduce import Mean, Select
from minitorch_np.layers.reshape import Flatten, Reshape, Transpose, Unflatten
from minitorch_np.layers.resize import Upsample, ZeroPad2d
from minitorch_np.layers.rnn import RNN
from minitorch_np.layers.sequential import Sequential
from minitorch_np.layers.sigmoids import LogSigmoid, Sigmoid, Softplus, Softsign, Tanh, Tanhshrink
from minitorch_np.layers.softmax import LogSoftmax, Softmax
from minitorch_np.layers.standardize import Standardize

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "Activation",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "Mean",
    "Mish",
    "MultiheadAttention",
    "PReLU",
    "Parallel",
    "PositionalEmbedding",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Select",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositionalEncoding",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Standardize",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "TransformerEncoderLayer",
    "Transpose",
    "Unflatten",
    "Upsample",
    "ZeroPad2d",
]
