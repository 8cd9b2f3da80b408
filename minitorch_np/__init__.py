"""A layered mini deep-learning framework on NumPy: every gradient can be read where it is made."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minitorch_np import initializers
from minitorch_np._internal.names import no_attribute
from minitorch_np.clipping import clip_grad_norm_, clip_grad_value_
from minitorch_np.layer import Layer
from minitorch_np.layers import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Activation,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSigmoid,
    LogSoftmax,
    MaxPool2d,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softshrink,
    Softsign,
    Standardize,
    Tanh,
    Tanhshrink,
    Threshold,
    Unflatten,
)
from minitorch_np.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
    SquaredLoss,
)
from minitorch_np.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop
from minitorch_np.parameter import Parameter
from minitorch_np.schedules import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    Schedule,
    SequentialLR,
    StepLR,
)

if TYPE_CHECKING:
    from minitorch_np.data import DataLoader, Subset, TensorDataset, batches, split
    from minitorch_np.metrics import (
        accuracy,
        confusion_table,
        mean_absolute_error,
        r_squared,
        top_k_accuracy,
    )
    from minitorch_np.serialization import load, save
    from minitorch_np.study import compare, explain, gradcheck, guard, handwritten, summary, trace
    from minitorch_np.training import (
        Callback,
        Checkpoint,
        EarlyStopping,
        History,
        NotFiniteError,
        evaluate,
        fit,
        predict,
    )

__version__ = "0.1.0"

_LATER = {  # imported when first asked for: whoever writes the loop by hand does not wait for it
    "data": ("DataLoader", "Subset", "TensorDataset", "batches", "split"),
    "metrics": ("accuracy", "confusion_table", "mean_absolute_error", "r_squared", "top_k_accuracy"),
    "serialization": ("load", "save"),
    "study": ("compare", "explain", "gradcheck", "guard", "handwritten", "summary", "trace"),
    "training": (
        "Callback",
        "Checkpoint",
        "EarlyStopping",
        "History",
        "NotFiniteError",
        "evaluate",
        "fit",
        "predict",
    ),
}
_PACKAGES = ("data", "interop", "metrics", "serialization", "study", "training", "tutorial")

_ELSEWHERE = {  # torch's, Keras' and scikit-learn's words for what is here
    "nn": "the package itself, mt.Linear; losses and initializers too",
    "optim": "the package itself, mt.Adam; also mt.optimizers and mt.schedules",
    "Module": "Layer: write forward(x) and backward(dy)",
    "Dense": "Linear(in_features, out_features)",
    "Model": "Sequential",
    "ModelCheckpoint": "Checkpoint",
    "ModelSummary": "summary",
    "train_test_split": "split",
    "random_split": "split",
    "StandardScaler": "Standardize",
    "Normalization": "Standardize",
    "Swish": "SiLU",
    "MSE": "MSELoss",
    "MAE": "L1Loss",
    "MeanSquaredError": "MSELoss",
    "CategoricalCrossentropy": "CrossEntropyLoss",
    "SparseCategoricalCrossentropy": "CrossEntropyLoss",
    "BinaryCrossentropy": "BCELoss or BCEWithLogitsLoss",
    "Dataset": "an object with len and [], or TensorDataset",
    "tensor": "a NumPy array, np.array",
    "Tensor": "a NumPy array, np.ndarray",
    "no_grad": "not needed: nothing is recorded",
    "load_state_dict": "a method of layers and optimizers",
    "state_dict": "a method of layers and optimizers",
    "init": "initializers",
    "lr_scheduler": "schedules",
    "MLPClassifier": "interop.sklearn.NetworkClassifier",
    "MLPRegressor": "interop.sklearn.NetworkRegressor",
    "check_grad": "gradcheck",
    "r2_score": "r_squared(prediction, target)",
    "confusion_matrix": "confusion_table(prediction, target)",
    "compile": "not here: the layers run as they are",
}


def __getattr__(name: str) -> Any:
    """Import what is imported when first asked for; answer a guess with the name here."""
    if name in _PACKAGES:
        return import_module(f"minitorch_np.{name}")
    for package, names in _LATER.items():
        if name in names:
            globals()[name] = value = getattr(import_module(f"minitorch_np.{package}"), name)
            return value
    raise no_attribute("minitorch_np", name, __dir__(), _ELSEWHERE)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})


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
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Callback",
    "ChainedScheduler",
    "Checkpoint",
    "ConstantLR",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CosineAnnealingLR",
    "CrossEntropyLoss",
    "DataLoader",
    "Dropout",
    "EarlyStopping",
    "ExponentialLR",
    "Flatten",
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
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LinearLR",
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "MaxPool2d",
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
    "Residual",
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
    "Unflatten",
    "accuracy",
    "batches",
    "clip_grad_norm_",
    "clip_grad_value_",
    "compare",
    "confusion_table",
    "evaluate",
    "explain",
    "fit",
    "gradcheck",
    "guard",
    "handwritten",
    "initializers",
    "load",
    "mean_absolute_error",
    "predict",
    "r_squared",
    "save",
    "split",
    "summary",
    "top_k_accuracy",
    "trace",
]
