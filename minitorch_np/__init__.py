"""A layered mini deep-learning framework on NumPy: every gradient can be read where it is made."""

from minitorch_np import initializers
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.activations import ReLU, Tanh
from minitorch_np.layers.containers import Sequential
from minitorch_np.layers.linear import Linear
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import SquaredLoss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.optimizers.sgd import SGD
from minitorch_np.parameter import Parameter

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Activation",
    "Layer",
    "Linear",
    "Loss",
    "Optimizer",
    "Parameter",
    "ReLU",
    "Sequential",
    "SquaredLoss",
    "Tanh",
    "initializers",
]
