"""Optimizers: each with its rule in one method."""

from minitorch_np.optimizers.adadelta import Adadelta
from minitorch_np.optimizers.adagrad import Adagrad
from minitorch_np.optimizers.adam import Adam, AdamW, NAdam, RAdam
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.optimizers.rmsprop import RMSprop
from minitorch_np.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
]
