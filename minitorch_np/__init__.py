"""A layered mini deep-learning framework on NumPy: every gradient can be read where it is made."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minitorch_np import initializers
from minitorch_np.clipping import clip_grad_norm_, clip_grad_value_
from minitorch_np.layer import Layer
from minitorch_np.layers.activation import Activation
from minitorch_np.layers.elu import CELU, ELU, SELU
from minitorch_np.layers.gated import GELU, Mish, SiLU
from minitorch_np.layers.glu import GLU
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
from minitorch_np.layers.sequential import Sequential
from minitorch_np.layers.sigmoids import LogSigmoid, Sigmoid, Softplus, Softsign, Tanh, Tanhshrink
from minitorch_np.layers.softmax import LogSoftmax, Softmax
from minitorch_np.layers.standardize import Standardize
from minitorch_np.losses.binary import BCELoss, BCEWithLogitsLoss
from minitorch_np.losses.classification import CrossEntropyLoss, NLLLoss
from minitorch_np.losses.divergence import KLDivLoss
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import HuberLoss, L1Loss, MSELoss, SmoothL1Loss, SquaredLoss
from minitorch_np.optimizers.adadelta import Adadelta
from minitorch_np.optimizers.adagrad import Adagrad
from minitorch_np.optimizers.adam import Adam, AdamW
from minitorch_np.optimizers.nadam import NAdam
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.optimizers.radam import RAdam
from minitorch_np.optimizers.rmsprop import RMSprop
from minitorch_np.optimizers.sgd import SGD
from minitorch_np.parameter import Parameter
from minitorch_np.schedules.chains import ChainedScheduler, SequentialLR
from minitorch_np.schedules.decay import CosineAnnealingLR, ExponentialLR, LambdaLR, MultiStepLR, StepLR
from minitorch_np.schedules.one_cycle import OneCycleLR
from minitorch_np.schedules.plateau import ReduceLROnPlateau
from minitorch_np.schedules.schedule import LRScheduler, Schedule
from minitorch_np.schedules.warmup import ConstantLR, LinearLR

if TYPE_CHECKING:
    from minitorch_np.data.batches import batches, split
    from minitorch_np.data.datasets import Subset, TensorDataset
    from minitorch_np.data.loader import DataLoader
    from minitorch_np.metrics import (
        accuracy,
        confusion_matrix,
        mean_absolute_error,
        r2_score,
        top_k_accuracy,
    )
    from minitorch_np.training.callbacks import Callback, EarlyStopping
    from minitorch_np.training.checkpoint import Checkpoint, load, save
    from minitorch_np.training.evaluation import evaluate, predict
    from minitorch_np.training.fit import fit
    from minitorch_np.training.history import History
    from minitorch_np.training.non_finite import NotFiniteError

__version__ = "0.1.0"

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "SGD",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "BCELoss",
    "BCEWithLogitsLoss",
    "Callback",
    "ChainedScheduler",
    "Checkpoint",
    "ConstantLR",
    "CosineAnnealingLR",
    "CrossEntropyLoss",
    "DataLoader",
    "EarlyStopping",
    "ExponentialLR",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "History",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LRScheduler",
    "LambdaLR",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LinearLR",
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "Mish",
    "MultiStepLR",
    "NAdam",
    "NLLLoss",
    "NotFiniteError",
    "OneCycleLR",
    "Optimizer",
    "PReLU",
    "Parameter",
    "RAdam",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "ReduceLROnPlateau",
    "Schedule",
    "Sequential",
    "SequentialLR",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "SquaredLoss",
    "Standardize",
    "StepLR",
    "Subset",
    "Tanh",
    "Tanhshrink",
    "TensorDataset",
    "Threshold",
    "accuracy",
    "batches",
    "clip_grad_norm_",
    "clip_grad_value_",
    "confusion_matrix",
    "evaluate",
    "fit",
    "initializers",
    "load",
    "mean_absolute_error",
    "predict",
    "r2_score",
    "save",
    "split",
    "top_k_accuracy",
]

_LATER = {  # imported when it is first asked for: whoever writes the loop by hand does not wait for it
    "data.batches": ("batches", "split"),
    "data.datasets": ("Subset", "TensorDataset"),
    "data.loader": ("DataLoader",),
    "metrics": ("accuracy", "confusion_matrix", "mean_absolute_error", "r2_score", "top_k_accuracy"),
    "training.callbacks": ("Callback", "EarlyStopping"),
    "training.checkpoint": ("Checkpoint", "load", "save"),
    "training.evaluation": ("evaluate", "predict"),
    "training.fit": ("fit",),
    "training.history": ("History",),
    "training.non_finite": ("NotFiniteError",),
}


def __getattr__(name: str) -> Any:
    """Training and saving."""
    for module, names in _LATER.items():
        if name in names:
            globals()[name] = value = getattr(import_module(f"minitorch_np.{module}"), name)
            return value
    raise AttributeError(f"module 'minitorch_np' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
