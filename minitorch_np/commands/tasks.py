"""What `train` does with the matrix of a table: split, standardise, train, judge, save."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.commands import networks
from minitorch_np.layers.standardize import Standardize
from minitorch_np.losses.classification import CrossEntropyLoss, NLLLoss
from minitorch_np.training.batches import split
from minitorch_np.training.callbacks import EarlyStopping
from minitorch_np.training.evaluation import evaluate
from minitorch_np.training.fit import fit
from minitorch_np.training.metrics import accuracy, mean_absolute_error, r2_score
from minitorch_np.training.saving import contents, save

if TYPE_CHECKING:
    from minitorch_np.arrays import Array
    from minitorch_np.commands.targets import Target
    from minitorch_np.layers.containers import Sequential
    from minitorch_np.training.history import History

KEY = "table"  # where a saved model says what its columns are


class Task:
    """A network, the features and the target of a table.

    A target of numbers is standardised while training, so that its unit does not decide how fast the
    network learns; afterwards `save` works that into the last layer, and the saved network gives the
    target's own unit.
    """

    def __init__(self, model: Sequential, x: Array, goal: Target, options: argparse.Namespace) -> None:
        self.model, self.goal, self.options = model, goal, options
        y = goal.values if goal.classes else goal.values[:, None]  # (N,) or (N, 1)
        n, size = len(x), options.validation
        if size and not 0 < round(size * n) < n:
            raise ValueError(f"{n} rows are too few for a validation part of {size}: --validation X")
        self.train_data: Any = (x, y)
        self.held_out: Any = None
        if size:
            self.train_data, self.held_out = split(
                x, y, test_size=size, shuffle=not options.ordered, rng=options.seed
            )
        x_train, y_train = self.train_data
        if isinstance(model[0], Standardize):
            model[0].fit(x_train)
        self.mean, self.std = 0.0, 1.0
        if not goal.classes:
            if not options.no_standardize:
                self.mean, self.std = float(y_train.mean()), float(y_train.std()) or 1.0
            self.train_data = x_train, self._scaled(y_train, x.dtype)
            if self.held_out:
                self.held_out = self.held_out[0], self._scaled(self.held_out[1], x.dtype)
        self.loss = networks.loss(options.loss or ("CrossEntropyLoss" if goal.classes else "MSELoss"))
        if isinstance(self.loss, CrossEntropyLoss if goal.classes else NLLLoss) != bool(goal.classes):
            fits = "classes need CrossEntropyLoss" if goal.classes else "numbers need a loss such as MSELoss"
            raise ValueError(f"{self.loss!r} does not fit the target {goal.name!r}: {fits}")
        lr = {} if options.lr is None else {"lr": options.lr}
        self.optimizer = networks.optimizer(options.optimizer, model.parameters(), **lr)

    def train(self, say: Callable[[str], None], about: dict[str, Any]) -> History:
        """Train, and say what and with which result; afterwards the model has the best weights."""
        options, held_out = self.options, self.held_out
        self._say_plan(say)
        contents(self.model, None, None, self.loss, None, None, None, {KEY: about}, True)  # it can be saved
        stopping = EarlyStopping(
            "validation_loss" if held_out else "loss",
            patience=options.patience if held_out else options.epochs,
            restore_best=bool(held_out),
        )
        history = fit(
            self.model,
            self.loss,
            self.optimizer,
            self.train_data,
            epochs=options.epochs,
            batch_size=options.batch,
            rng=options.seed,
            validation=held_out,
            metrics=self._metrics(),
            callbacks=stopping,
            verbose=0 if options.quiet else options.every or max(1, options.epochs // 10),
        )
        if history.epochs:
            best = stopping.best_epoch + 1 if held_out else history.epochs
            if history.stopped and history.stopped.startswith("Ctrl-C"):
                say(f"Ctrl-C: {'the best so far is' if held_out else 'the weights of this moment are'} kept")
            self._say_result(say, best)
            if held_out and best == options.epochs:
                say("the last epoch was the best: more may be better, --epochs N")
        return history

    def save(self, path: Path, history: History, about: dict[str, Any]) -> None:
        """Write the model, with the names of columns, categories and classes beside it."""
        if not self.goal.classes:  # std (h W + b) + mean = h (std W) + (std b + mean)
            last: Any = self.model[-1]
            last.weight.data *= self.std
            last.bias.data[...] = last.bias.data * self.std + self.mean
        save(path, self.model, loss=self.loss, history=history.as_dict(), extra={KEY: about})

    def _scaled(self, y: Array, dtype: Any) -> Array:
        return ((y - self.mean) / self.std).astype(dtype)

    def _metrics(self) -> dict[str, Callable[[Any, Any], float]]:
        if self.goal.classes:
            return {"accuracy": accuracy}
        return {
            "r2_score": r2_score,
            "mean_absolute_error": lambda p, t: self.std * mean_absolute_error(p, t),
        }

    def _say_plan(self, say: Callable[[str], None]) -> None:
        goal, options = self.goal, self.options
        if goal.classes:
            counts = np.bincount(goal.values, minlength=len(goal.classes))
            named = [f"{name} {count}" for name, count in zip(goal.classes, counts, strict=True)]
            shown = ", ".join(named[:12]) + ", …" * (len(named) > 12)
            say(f"target:   {goal.name}, {len(named)} classes ({goal.why}): {shown}")
            seen = set(self.train_data[1].tolist())
            missing = [name for i, name in enumerate(goal.classes) if i not in seen]
            if missing:
                say(f"          no row to train on has the class {', '.join(missing)}")
        else:
            say(
                f"target:   {goal.name}, a number ({goal.why}) "
                f"from {goal.values.min():g} to {goal.values.max():g}"
            )
            if not options.no_standardize:
                scaled = f"({goal.name} - {self.mean:.4g}) / {self.std:.4g}"
                say(f"          standardised to train: the loss is that of {scaled}")
        n, part = len(self.train_data[0]), ""
        if self.held_out:
            part = f", validation on {len(self.held_out[0])}, "
            part += "the last ones" if options.ordered else f"drawn with seed {options.seed}"
        say(f"training on {n} rows{part or ', no validation'}")
        say(f"{self.model!r}, {options.dtype}")
        ending = f", ended after {options.patience} without a better validation loss" if self.held_out else ""
        say(
            f"{self.loss!r}, {self.optimizer!r}, {options.batch} rows a step, "
            f"{options.epochs} epochs at most{ending}"
        )

    def _say_result(self, say: Callable[[str], None], best: int) -> None:
        """The result beside what one gets without a network."""
        x, y = self.held_out or self.train_data
        values = evaluate(self.model, self.loss, (x, y), metrics=self._metrics())
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        if self.goal.classes:
            frequent = np.bincount(self.train_data[1]).argmax()
            without = f"always {self.goal.classes[frequent]}: accuracy {np.mean(y == frequent):.4g}"
        else:
            error = self.std * mean_absolute_error(np.full_like(y, self.train_data[1].mean()), y)
            without = f"always the mean: mean absolute error {error:.4g}"
        where = f"validation result, epoch {best}, chosen by its loss" if self.held_out else "training result"
        say(f"{where}: {shown} ({without})")
