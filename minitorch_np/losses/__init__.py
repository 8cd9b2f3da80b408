"""Losses: one number, and the gradient with which a backward pass starts."""

from minitorch_np.losses.binary import BCELoss, BCEWithLogitsLoss
from minitorch_np.losses.classification import CrossEntropyLoss, NLLLoss
from minitorch_np.losses.divergence import KLDivLoss
from minitorch_np.losses.loss import Loss
from minitorch_np.losses.regression import HuberLoss, L1Loss, MSELoss, SmoothL1Loss, SquaredLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
    "SquaredLoss",
]
