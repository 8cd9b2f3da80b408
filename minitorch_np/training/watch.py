"""Weights from before it went wrong, and the error when it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.training.keeping import Kept
from minitorch_np.training.non_finite import NotFiniteError, broken_parameters, broken_pass

if TYPE_CHECKING:
    from minitorch_np.training.state import TrainingState

KEEP = 100  # steps from one copy of the weights to the next; a copy takes less time than a step


class Watch:
    """Keeps the weights with which a loss was finite, from the first and every hundredth step."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self._kept: Kept | None = None
        self._kept_at = 0

    def keep(self, steps: int) -> None:
        """After so many steps the loss was finite, before the next one changes the weights."""
        if self._kept is None:
            self._kept = Kept(self.state.model)
        else:
            self._kept.keep()
        self._kept_at = steps

    def of_loss(self, value: float, x: Any, y: Any, losses: Sequence[float]) -> NotFiniteError:
        """The error for the loss of a batch, after those of the steps before in this run of `fit`."""
        with np.errstate(all="ignore"):
            began = broken_parameters(self.state.model, losses)
            began = began or broken_pass(self.state.model, self.state.loss, x, y, losses)
        before = f", after {', '.join(f'{v:.4g}' for v in losses[-3:])}" if len(losses) else ""
        return self._error(f"the loss is {value} in step {len(losses) + 1}{before}", began)

    def of_parameters(self, losses: Sequence[float]) -> NotFiniteError | None:
        """The error for parameters that the last update has made NaN or infinite, if it has."""
        began = broken_parameters(self.state.model, losses)
        return (
            None
            if began is None
            else self._error(f"the last step, {len(losses)}, has broken the weights", began)
        )

    def _error(self, what: str, began: str) -> NotFiniteError:
        if self._kept is None:
            now = "the weights are those it started with"
        else:
            self._kept.restore()
            now = f"the model has the weights from before step {self._kept_at + 1} again; make a new optimizer"
        self.state.history.stopped = what
        return NotFiniteError(
            f"{what}, epoch {self.state.epoch + 1} of {self.state.epochs}\n  it began here: {began}\n  {now}",
            self.state.history,
        )
