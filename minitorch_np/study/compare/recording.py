"""A program to judge: where it comes from, and a recorded or a timed run of it."""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import io
import itertools
import os
import random
import re
import sys
import textwrap
import tokenize
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from time import perf_counter
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.study.compare import recorded
from minitorch_np.study.compare.instrument import Execution, Instrumenter, Recorder, parsed
from minitorch_np.study.compare.recorded import TapeIsFull

TICK = "__tick__"
Call = tuple[str, Mapping[str, Any]]  # of a function of the program, with its arguments by name


class ProgramSource(NamedTuple):
    """Where a program comes from: its text, the file, its name in reports, and what a function can see."""

    text: str
    filename: str
    name: str
    first_line: int = 1
    namespace: Mapping[str, Any] | None = None

    @staticmethod
    def of(program: Any) -> ProgramSource:
        """The source of a file, a text or a function. Raises ValueError or TypeError."""
        if isinstance(program, FunctionType):
            return _of_function(program)
        if not isinstance(program, Path | str):
            raise TypeError(f"expected a function, the path of a file, or source text, got {program!r}")
        if isinstance(program, str) and "\n" in program.strip():
            return ProgramSource(program, "<program>", "the program")
        path = Path(program)
        if not path.is_file():
            raise ValueError(
                f"there is no file {program}: a program is given as the path of a .py file, as source text of "
                "several lines, or as a function"
            )
        try:
            with tokenize.open(path) as file:  # as Python reads it: UTF-8, or what its first lines say
                return ProgramSource(file.read(), str(path.resolve()), path.name)
        except (SyntaxError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not Python source: {error}") from None

    def tree(self) -> ast.Module:
        """The syntax tree. Raises ValueError that names the line if it is none."""
        try:
            tree = ast.parse(self.text)
        except SyntaxError as error:
            line = (error.lineno or 1) + self.first_line - 1
            raise ValueError(f"{self.name} line {line}: {error.msg}: {(error.text or '').strip()}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.name}: {error}") from None
        return ast.increment_lineno(tree, self.first_line - 1)

    def line(self, number: int) -> str:
        lines = self.text.splitlines()
        at = number - self.first_line
        return lines[at] if 0 <= at < len(lines) else ""


def _of_function(function: FunctionType) -> ProgramSource:
    name = function.__name__
    try:
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function) or f"<{name}>"
    except (OSError, TypeError):
        raise ValueError(
            f"the source of {name} cannot be found: define it in a file, or give the path of that file"
        ) from None
    text = textwrap.dedent("".join(lines)).splitlines()
    start = next((i for i, line in enumerate(text) if line.startswith("def ")), None)  # past decorators
    if start is None:
        raise ValueError(f"expected a function made with def, got {''.join(lines).strip()!r}")
    seen = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    return ProgramSource("\n".join(text[start:]), file, f"{name} in {Path(file).name}", first + start, seen)


class ProgramError(NamedTuple):
    """What ended the program: the line, its text, the error, and the shapes of the arrays in that line."""

    line: int
    text: str
    error: str
    shapes: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"line {self.line}: {self.text}\n    {self.error}" + (f"\n    where {shapes}" if shapes else "")


class Recording(NamedTuple):
    """What a program did: the tape, the executed statements, and what ended it, if that was an error."""

    source: ProgramSource
    tape: recorded.Tape
    executions: list[Execution]
    error: ProgramError | None
    was_cut_short: bool


def record(source: ProgramSource, steps: int, call: Call | None = None, seconds: float = 2.0) -> Recording:
    """Run a program until it has made some updates, and record it.

    Without a call it is run as a script. An error in it is the recording's `error`. Raises ValueError if it
    cannot be parsed.
    """
    recorder = Recorder(steps, seconds)
    tree = Instrumenter(recorder.statements, source.tree(), source.line).run(source.tree())
    with recorded.recording_on(recorder.tape):
        error, was_cut_short = _run(source, tree, recorder.hooks(), call)
    return Recording(source, recorder.tape, recorder.executions, error, was_cut_short)


def run_plainly(source: ProgramSource, seconds: float = 5.0) -> ProgramError | None:
    """The error that ends a program that is not recorded; None if there is none in this time."""
    end = perf_counter() + seconds

    def tick() -> None:
        if perf_counter() > end:
            raise TapeIsFull

    return _run(source, _ticking(source), {TICK: tick}, None)[0]


def time_steps(
    source: ProgramSource, last: tuple[int, int], steps: int, call: Call | None, between: Callable[[], None]
) -> list[float]:
    """Seconds that each step takes without recording, with `between` called before each.

    `last` is the line of the statement that ends a step, and how often it is executed in one.
    """
    line, often = last
    times: list[float] = []
    starts: list[float] = []
    count = itertools.count(1)

    def tick() -> None:
        now = perf_counter()
        if next(count) % often:
            return
        times.extend(now - start for start in starts[-1:])
        if len(times) == steps:
            raise TapeIsFull
        between()
        starts.append(perf_counter())

    _run(source, _ticking(source, line), {TICK: tick}, call)
    return times


def _ticking(source: ProgramSource, line: int | None = None) -> ast.Module:
    """The program with a call after the statements of one line, or after all."""

    class Ticks(ast.NodeTransformer):
        def visit_Expr(self, node: Any) -> Any:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            return node if is_text or line not in (None, node.lineno) else [node, parsed(f"{TICK}()", node)]

        visit_Assign = visit_AugAssign = visit_Expr  # noqa: N815

    return ast.fix_missing_locations(Ticks().visit(source.tree()))


def _run(
    source: ProgramSource, tree: Any, hooks: Mapping[str, Any], call: Call | None
) -> tuple[ProgramError | None, bool]:
    """Execute the tree as a script, or as a module of which a function is called then.

    Returns the error that ended it, and whether it was cut short.
    """
    module = ModuleType("__main__" if call is None else Path(source.name).stem)
    namespace = {**(source.namespace or vars(module)), **hooks}
    namespace |= {"__file__": source.filename, "__name__": module.__name__}
    folder = None if source.namespace or source.filename.startswith("<") else Path(source.filename).parent
    with sandbox(folder, source.filename):
        try:
            flags = __future__.annotations.compiler_flag if source.namespace else 0  # a file says so itself
            exec(compile(tree, source.filename, "exec", flags, dont_inherit=True), namespace)
            if call is not None:
                name, arguments = call
                namespace[name](**{k: recorded.leaf(copy.copy(v)) for k, v in arguments.items()})
        except TapeIsFull:
            return None, True
        except (SystemExit, Exception) as error:
            if isinstance(error, SystemExit) and error.code in (None, 0):
                return None, False
            return _program_error(source, error), False
    return None, False


HINTS = {
    EOFError: ": there is no keyboard here, so give the program what it asks input() for",
    FileNotFoundError: ": put the file beside the program, under the name that the program has for it",
}


def _said(error: BaseException) -> str:
    """An error in words, with what to do about it."""
    if isinstance(error, SystemExit):
        return f"the program ended itself with sys.exit({error.code!r})"
    if isinstance(error, RecursionError):
        return "RecursionError: it calls itself too deeply"
    hint = next((text for kind, text in HINTS.items() if isinstance(error, kind)), "")
    return f"{type(error).__name__}: {error}{hint}".removesuffix(": ")


def _program_error(source: ProgramSource, error: BaseException) -> ProgramError:
    """The innermost line of the program that the error went through."""
    line, scope = 0, {}
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == source.filename:
            line, scope = number, frame.f_locals
    text = source.line(line).strip()
    words = re.findall(r"\w+", text)
    shapes = {n: scope[n].shape for n in words if isinstance(scope.get(n), np.ndarray)}
    return ProgramError(line, text, _said(error), shapes)


@contextmanager
def sandbox(folder: Path | None, name: str) -> Iterator[None]:
    """Run what is inside as `python FOLDER/NAME` would, and leave this process as it was.

    `folder` is where it imports from first. What it prints is dropped. There is no keyboard, windows are
    not shown, and NumPy's warnings, global random states, sys.argv and the import path are put back.
    """
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    paths = [str(folder), *sys.path] if folder else list(sys.path)
    with ExitStack() as stack:
        for change in (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            warnings.catch_warnings(action="ignore"),
            np.errstate(all="ignore"),
            _replaced(sys, "path", paths),
            _replaced(sys, "argv", [name]),
            _replaced(sys, "stdin", io.StringIO()),
            _no_windows(),
        ):
            stack.enter_context(change)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _no_windows() -> Iterator[None]:
    """Let pyplot show nothing, and draw into memory where it is imported only now; drop its new figures."""
    matplotlib, pyplot = (sys.modules.get(name) for name in ("matplotlib", "matplotlib.pyplot"))
    figures = set(pyplot.get_fignums()) if pyplot else set()
    with ExitStack() as stack:
        if pyplot:
            for name in ("show", "pause"):
                stack.enter_context(_replaced(pyplot, name, lambda *_, **__: None))
        else:
            backend = os.environ.get("MPLBACKEND")
            os.environ["MPLBACKEND"] = "agg"
            put_back: Any = os.environ.pop if backend is None else os.environ.__setitem__
            stack.callback(put_back, "MPLBACKEND", backend)
            if matplotlib:  # which has read the environment
                known: Any = matplotlib.rcParams  # asked in the usual way, it chooses a backend
                stack.callback(dict.__setitem__, known, "backend", dict.get(known, "backend"))
                dict.__setitem__(known, "backend", "agg")
        yield
        drawn: Any = sys.modules.get("matplotlib.pyplot")
        for number in set(drawn.get_fignums()) - figures if drawn else ():
            drawn.close(number)
