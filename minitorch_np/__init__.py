"""A layered mini deep-learning framework on NumPy: every gradient can be read where it is made."""

from minitorch_np import initializers
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.containers import Sequential
from minitorch_np.layers.elu import CELU, ELU, SELU
from minitorch_np.layers.gated import GELU, Mish, SiLU
from minitorch_np.layers.linear import Linear
from minitorch_np.layers.piecewise import (
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    ReLU,
    ReLU6,
    Softshrink,
    Threshold,
)
from minitorch_np.layers.prelu import PReLU
from minitorch_np.layers.sigmoids import LogSigmoid, Sigmoid, Softplus, Softsign, Tanh, Tanhshrink
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import SquaredLoss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.optimizers.sgd import SGD
from minitorch_np.parameter import Parameter

__version__ = "0.1.0"

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "SGD",
    "Activation",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "Loss",
    "Mish",
    "Optimizer",
    "PReLU",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "SquaredLoss",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "initializers",
]
