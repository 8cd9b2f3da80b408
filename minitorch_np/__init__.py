"""A layered mini deep-learning framework on NumPy: every gradient can be read where it is made."""

from minitorch_np import initializers
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.activations import ReLU, Tanh
from minitorch_np.layers.containers import Sequential
from minitorch_np.layers.linear import Linear
from minitorch_np.losses.binary import BCELoss, BCEWithLogitsLoss
from minitorch_np.losses.classification import CrossEntropyLoss, NLLLoss
from minitorch_np.losses.divergence import KLDivLoss
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import HuberLoss, L1Loss, MSELoss, SmoothL1Loss, SquaredLoss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.optimizers.sgd import SGD
from minitorch_np.parameter import Parameter

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Activation",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Layer",
    "Linear",
    "Loss",
    "MSELoss",
    "NLLLoss",
    "Optimizer",
    "Parameter",
    "ReLU",
    "Sequential",
    "SmoothL1Loss",
    "SquaredLoss",
    "Tanh",
    "initializers",
]
