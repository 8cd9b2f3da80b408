"""Training: fit and what belongs to it."""

from minitorch_np.training.callbacks import Callback, Checkpoint, EarlyStopping, TrainingState
from minitorch_np.training.evaluation import evaluate, predict
from minitorch_np.training.fit import fit
from minitorch_np.training.history import History
from minitorch_np.training.non_finite import NotFiniteError

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "NotFiniteError",
    "TrainingState",
    "evaluate",
    "fit",
    "predict",
]
