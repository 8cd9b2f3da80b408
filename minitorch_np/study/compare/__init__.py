"""A program written by hand, judged by the derivative of its own forward pass or against layers."""

from __future__ import annotations

import ast
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_np._internal.child_process import ChildEndedError, call_apart
from minitorch_np._internal.validation import whole
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study.compare.beside import Against, Training, count_bits, read_off, time_both
from minitorch_np.study.compare.diagnosis import Examination
from minitorch_np.study.compare.recording import ProgramSource, record, run_plainly
from minitorch_np.study.compare.report import NOT_JUDGED, RIGHT, Comparison

MANY_STEPS = 5000  # for a program whose loss comes late


def examined(source: ProgramSource, steps: int) -> Comparison:
    """Run a program in this process, and judge it by its own loss."""
    with np.errstate(all="ignore"):
        recording = record(source, steps)
        if recording.error is not None and (plain := run_plainly(source)) != recording.error:
            result = Comparison(source.name, source.text)
            what = plain or recording.error
            result.reason = f"it cannot be recorded: line {what.line}, `{what.text}`: {what.error}"
            return result
        diagnosis = Examination(recording)
        result = diagnosis.comparison()
        is_late = recording.was_cut_short and bool(diagnosis.judge.parameters) and not diagnosis.has_loss
        if result.judged == NOT_JUDGED and is_late:
            later = Examination(record(source, MANY_STEPS, seconds=8.0)).comparison()
            return result if later.judged == NOT_JUDGED else later
        beside = read_off(diagnosis) if result.judged == RIGHT and diagnosis.judgement is not None else None
        if beside is not None:
            steps = min(steps, *(len(p.used) for p in beside.parameters.values()))
            if count_bits(diagnosis, beside, steps, diagnosis.judgement.loss.values()):
                time_both(result, source, beside, None)
        return result


def examined_apart(source: ProgramSource, steps: int, timeout: float, **how: Any) -> Comparison:
    """Judge a program in a child process, in an empty folder; ValueError for one that cannot be parsed.

    `how` are the options of `call_apart`.
    """
    tree = source.tree()
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        _copy_files(tree, source, folder)
        try:
            return call_apart(examined, source, steps, timeout=timeout, folder=folder, **how)
        except ChildEndedError as ended:
            result = Comparison(source.name, source.text)
            result.reason = str(ended)
            if "was stopped after" in result.reason:
                result.reason += ": shorten it, or give more with --timeout"
            return result


def _copy_files(tree: ast.Module, source: ProgramSource, folder: Path) -> None:
    """Copy the files that the program names and that are there: what it writes must not reach them."""
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    for name in (Path(text) for text in texts if 0 < len(text) < 200 and "\n" not in text):
        if name.is_absolute() or ".." in name.parts:
            continue
        for base in (Path(source.filename).parent, Path.cwd()):
            with suppress(OSError, ValueError):
                if (base / name).is_file():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(base / name, folder / name)
                    break


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
            return examined_apart(source, steps, timeout)
        return examined(source._replace(text=f"{source.text}\n\n{program.__name__}()"), steps)
    for value, kind in ((loss, Loss), (optimizer, Optimizer)):
        if not isinstance(value, kind):
            raise TypeError(f"compare expects a {kind.__name__}, got {value!r}")
    given = Training(program, loss, optimizer, np.asarray(x), np.asarray(y))
    with np.errstate(all="ignore"):
        return Against(given, steps, against).comparison()
