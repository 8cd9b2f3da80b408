"""A network and its handwritten version from the same arrays: every loss, gradient and weight, bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study import handwritten
from minitorch_np.study.byhand.comparison import Comparison
from minitorch_np.study.byhand.judgement import Judge
from minitorch_np.study.byhand.layered import Stopwatch, Tally, Training
from minitorch_np.study.byhand.matching import fitted, match
from minitorch_np.study.byhand.moments import Account, failure
from minitorch_np.study.byhand.reading import bound, data_of, weights_of
from minitorch_np.study.byhand.recording import ProgramSource, parsed, record, time_steps
from minitorch_np.study.byhand.reference import LOSS, Reference
from minitorch_np.study.locations import Location

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def compare(
    model: Layer,
    loss: Loss,
    optimizer: Optimizer,
    x: Array,
    y: Array,
    *,
    steps: int = 20,
    against: Any = None,
) -> Comparison:
    """Train the network and a program written by hand, and say where they first differ and why.

    `against` is the program: None is the one that `handwritten.write` derives from the layers; a
    function, or the path of a file, is one in the tutorial's form. That is a loop whose body computes
    the loss and the gradients with NumPy and updates the weights (`w1 -= learning_rate * grad_w1`, or
    `w1 = w1 - …`), in a function `train(x, y, w1, b1, …, steps, learning_rate)` or in the file itself.
    Samples are rows and weights (in, out), used as `x @ w1`. Names are free: an array is recognised
    by its numbers, then by its name and its place. Parameters of a function are recognised by the
    names of the derived program where all are there, otherwise by their order, x, y, and the weights as
    `model.named_parameters()` gives them.

    A function is called with copies of x, y and the weights. A file that calls its own training is
    run as a script instead, and the network starts from the file's arrays.
    All of this happens on copies: model, loss and optimizer stay as they are.

    Returns a `Comparison`, true where all bits are equal; `print` it for the report.
    Raises TypeError and ValueError for arguments that do not fit, and for a program that has no
    training loop or no array for one of the weights.
    """
    given = Training(model, loss, optimizer)
    _check(given)
    whole("compare", "steps", steps, 1)
    return _Check(given, np.asarray(x), np.asarray(y), steps, against).comparison()


def _check(given: Training) -> None:
    for value, kind in zip(given, (Layer, Loss, Optimizer), strict=True):
        if not isinstance(value, kind):
            raise TypeError(f"compare expects a {kind.__name__}, got {value!r}")


class _Check:
    """One comparison, with all that is made on the way."""

    def __init__(self, given: Training, x: Array, y: Array, steps: int, against: Any) -> None:
        self.training = given.copied()
        self.steps, self.against = steps, against
        self._derive(x, y)
        self.source = self._source()
        self.arguments = self._arguments()
        self.recording = record(self.source, steps, self._fresh())
        self.result = Comparison(repr(self.training), self.source.name, self.recording.steps)
        self.result.is_ours = against is None

    def _derive(self, x: Array, y: Array) -> None:
        """Derive the program and what of it is a parameter of the model."""
        self.program = handwritten.write(*self.training, x, y, data="npz")  # no numbers in its text
        parameters = dict(self.training.model.named_parameters())
        titles = {n: f"{p.layer}.{p.what}".lstrip(".") for n, p in self.program.places.items()}
        self.titles = {n: titles[n] for n in self.program.arrays if titles.get(n) in parameters}
        places = {**self.program.places, LOSS: Location("", repr(self.training.loss), "loss")}
        self.reference = Reference(self.program.text, self.program.arrays, places, tuple(self.titles))
        self.data_names = [name for name in self.program.arrays if name not in self.titles][:2]

    def _source(self) -> ProgramSource:
        if self.against is None:
            return ProgramSource(self.program.text, "<derived program>", "the derived program")
        return ProgramSource.of(self.against)

    def _arguments(self) -> dict[str, Any] | None:
        """What the program's function is called with; None if it is run as a script."""
        program = parsed(self.source)
        function = program.loop.function
        if function is None or function not in program.tree.body:
            return None
        names, needed = program.arguments(), len(program.arguments()) - len(function.args.defaults)
        is_script = self.source.namespace is None and self.against is not None
        if is_script and (program.is_called() or needed < 2 + len(self.titles)):
            return None
        try:
            rate = self.training.optimizer.param_groups[0].get("lr")
            main = {n: a for n, a in self.program.arrays.items() if n in (*self.data_names, *self.titles)}
            return bound(names, needed, main, self.program.arrays, self.steps, rate)
        except ValueError as error:
            raise ValueError(f"{self.source.name}, line {function.lineno}: {error}") from None

    def _fresh(self) -> dict[str, Any] | None:
        """The arguments with copies of the arrays."""
        if self.arguments is None:
            return None
        return {n: a.copy() if isinstance(a, np.ndarray) else a for n, a in self.arguments.items()}

    def comparison(self) -> Comparison:
        recording, result, reference = self.recording, self.result, self.reference
        if not recording.events:
            if recording.program_error is None:
                line = recording.program.loop.node.lineno
                raise ValueError(
                    f"{self.source.name}: the training loop in line {line} was never reached: call the "
                    "function that it is in at the end of the file"
                )
            result.failure = failure(recording, reference, None)
            return result
        weights = weights_of(recording, {name: reference.arrays[name] for name in self.titles}, self.titles)
        given = {name: reference.arrays[name] for name in self.data_names}
        data = data_of(recording, given, weights, self.arguments is not None)
        if self.arguments is None:
            self._take_over(weights, data)
        reference = self.reference
        found = match(reference, recording, weights, {**reference.arrays, **data[0]})
        timed = self.training.copied()
        tally = Tally(reference, recording, found, self.titles)
        tally.train(self.training, [tuple(step[name] for name in self.data_names) for step in data])
        tally.enter(result)
        result.dtype = str(self.training.model.dtype)
        if recording.program_error is None and recording.steps < self.steps:
            result.remarks.append(f"the program made {recording.steps} of the {self.steps} steps")
        result.failure = failure(recording, reference, found)
        if not result:
            account = Account(reference, recording, found, data)
            result.findings = list(Judge(account).findings())
            result.first = next(iter(result.findings), None)
            converted = any(finding.is_conversion for finding in result.findings)
            if result.failure is None and result.wrong and not converted and account.comes_out_right():
                result.excuse()
        if result.failure is None:
            self._time(timed, data)
        return result

    def _time(self, training: Training, data: list[dict[str, Array]]) -> None:
        """Run both once more, a step of each in turn."""
        stopwatch = Stopwatch(training, *(data[0][name] for name in self.data_names))
        self.result.handwritten_times = time_steps(self.source, self.steps, self._fresh(), stopwatch)
        self.result.times = stopwatch.times

    def _take_over(self, weights: dict[str, str], data: list[dict[str, Array]]) -> None:
        """Let the network start from the file's arrays."""
        start = self.recording.before[0]
        fitting = {n: fitted(start[variable], self.reference.arrays[n]) for n, variable in weights.items()}
        self.training.load({self.titles[n]: a for n, a in fitting.items() if a is not None})
        own = ", ".join([*self.data_names, *weights.values()])
        if any(not np.array_equal(a, self.reference.arrays[n]) for n, a in fitting.items() if a is not None):
            self.result.remarks.append(f"the network starts from the file's own arrays: {own}")
        self._derive(*(np.array(data[0][name]) for name in self.data_names))
        self.result.network = repr(self.training)
