"""What a training is made of and how far it is: what callbacks are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minitorch_np.data.loader import DataLoader
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.optimizers.optimizer import Optimizer
    from minitorch_np.schedules.schedule import LRScheduler
    from minitorch_np.training.history import History


class TrainingState:
    """`epoch` counts from 0 and is the one that has ended, or runs; `epochs` is where training ends.

    Beside it model, loss, optimizer, schedule (None without one), the loader of the training data,
    whose `seed` and the epoch fix the order of the samples, and the history. A callback that sets
    `stop` to a text ends training after this epoch; the text is the reason.
    """

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        optimizer: Optimizer,
        schedule: LRScheduler | None,
        loader: DataLoader,
        history: History,
        epoch: int,
        epochs: int,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.loader = loader
        self.history = history
        self.epoch = epoch
        self.epochs = epochs
        self.stop: str | None = None

    @property
    def seed(self) -> int:
        return self.loader.seed

    def __repr__(self) -> str:
        return f"TrainingState(epoch={self.epoch}, epochs={self.epochs}, {self.history!r})"
