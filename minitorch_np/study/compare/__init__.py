"""A program written by hand, judged by the derivative of its own forward pass or against layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study.compare.beside import Against, count_bits
from minitorch_np.study.compare.diagnosis import Examination
from minitorch_np.study.compare.network import Beside, Stopwatch, Training, read_off
from minitorch_np.study.compare.recording import ProgramSource, record, run_plainly, time_steps
from minitorch_np.study.compare.report import NOT_JUDGED, RIGHT, Comparison
from minitorch_np.study.compare.trained import TrainedArray

MANY_STEPS = 5000  # for a program whose loss comes late


def examined(source: ProgramSource, steps: int) -> Comparison:
    """Run a program in this process, and judge it by its own loss."""
    with np.errstate(all="ignore"):
        return _examined(source, steps)


def _examined(source: ProgramSource, steps: int) -> Comparison:
    recording = record(source, steps)
    if recording.error is not None and (plain := run_plainly(source)) != recording.error:
        result = Comparison(source.name, source.text)
        what = recording.error if plain is None else plain
        result.reason = f"it cannot be recorded: line {what.line}, `{what.text}`: {what.error}"
        return result
    diagnosis = Examination(recording)
    result = diagnosis.comparison()
    if result.judged == NOT_JUDGED and recording.was_cut_short and diagnosis.judge.parameters:
        later = Examination(record(source, MANY_STEPS, seconds=8.0))
        again = later.comparison()
        if again.judged != NOT_JUDGED:
            return again
    if result.judged == RIGHT and diagnosis.judgement is not None:
        _beside(diagnosis, result, steps)
    return result


def _beside(diagnosis: Examination, result: Comparison, steps: int) -> None:
    """Train the network that the program is beside it, if it is a stack of layers."""
    beside = read_off(diagnosis.judge, diagnosis.judgement, diagnosis.rule)
    if beside is None:
        return
    steps = min(steps, *(len(p.used) for p in beside.parameters.values()))
    trial = Comparison(result.program)
    loss = diagnosis.judgement.loss
    losses = [] if loss.kind else [node.value.reshape(()) for node, _ in loss.instances]
    if count_bits(trial, diagnosis.judge, diagnosis.judgement, beside, steps, losses):
        for name in (
            "counts",
            "first_count",
            "losses",
            "handwritten_losses",
            "ulps",
            "steps",
            "network",
            "dtype",
        ):
            setattr(result, name, getattr(trial, name))
        _time(result, diagnosis.recording.source, beside, None, steps)


def _time(result: Comparison, source: ProgramSource, beside: Beside, call: Any, steps: int) -> None:
    """Run both once more, a step of each in turn."""
    last = _last_statement(list(beside.parameters.values()))
    if last is None:
        return
    stopwatch = Stopwatch(beside.training.copied(), *beside.data[0])
    result.handwritten_times = time_steps(source, last, steps, call, stopwatch)
    result.times = stopwatch.times


def _last_statement(parameters: list[TrainedArray]) -> tuple[int, int] | None:
    """The line of the last update of a step, and how many parameters are updated there."""
    lines = [
        p.versions[1].execution.statement.line
        for p in parameters
        if len(p.versions) > 1 and p.versions[1].execution
    ]
    if not lines:
        return None
    last = max((p.versions[1] for p in parameters if len(p.versions) > 1), key=lambda v: v.index)
    line = last.execution.statement.line if last.execution is not None else lines[-1]
    return line, lines.count(line)


def compare(
    program: Any,
    loss: Any = None,
    optimizer: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    steps: int = 20,
    against: Any = None,
    timeout: float = 60.0,
) -> Comparison:
    """Judge a program that trains by hand: is its backward pass right, and if not, which line is wrong?

    `compare(program)` takes the path of a file, source text, or a function without arguments. The
    truth is the derivative of the program's own forward pass and loss; no form is asked for. A file
    or a text runs in a process of its own, with your rights, in an empty folder, for `timeout` seconds
    at most; a function in this one. Iterations are cut short after `steps` updates.

    `compare(model, loss, optimizer, x, y)` trains a network of layers and a program from the same
    arrays, and says where they first differ and why. `against` is the program: None is the one that
    `handwritten` derives from the layers; a function `train(x, y, w1, b1, …, steps, learning_rate)`
    is called with copies of x, y and the weights, by name or in this order; a file that calls its own
    training is run as a script, and the network starts from the file's arrays. It runs in this process.
    Model, loss and optimizer stay as they are.

    Returns a `Comparison`; `print` it for the report. It is true if the program is right; against a
    network, if all bits are equal.
    Raises TypeError and ValueError for arguments that do not fit, and for a program that cannot be parsed.
    """
    whole("compare", "steps", steps, 1)
    if not isinstance(program, Layer):
        if loss is not None or against is not None:
            raise TypeError(f"compare expects a Layer, got {program!r}")
        source = ProgramSource.of(program)
        if source.namespace is None:
            from minitorch_np.study.compare.process import examined_apart

            return examined_apart(source, steps, timeout)
        return examined(source._replace(text=f"{source.text}\n\n{program.__name__}()"), steps)
    for value, kind in ((loss, Loss), (optimizer, Optimizer)):
        if not isinstance(value, kind):
            raise TypeError(f"compare expects a {kind.__name__}, got {value!r}")
    return compared(Training(program, loss, optimizer), np.asarray(x), np.asarray(y), steps, against)


def compared(given: Training, x: Any, y: Any, steps: int, against: Any) -> Comparison:
    """A program against a network, in this process."""
    from minitorch_np.study.handwritten import (
        write,  # when called: a program of its own may be put in its place
    )

    derived = write(*given.copied(), x, y, data="npz")  # no numbers in its text
    is_ours = against is None
    source = (
        ProgramSource(derived.text, "<derived program>", "the derived program", namespace={})
        if is_ours
        else ProgramSource.of(against)
    )
    with np.errstate(all="ignore"):
        check = Against(given, x, y, derived, source, steps, is_ours=is_ours)
        result = check.comparison()
    result.is_ours = is_ours
    if result.failure is None and result.counts:
        beside = Beside(check.given, check.parameters, [(check.x, check.y)], False)
        _time(result, source, beside, check._call(), result.steps)
    return result
