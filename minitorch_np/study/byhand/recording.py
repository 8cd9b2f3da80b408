"""A program in the tutorial's form, run: what its steps computed, how long they took, what ended it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.byhand.loops import Program
from minitorch_np.study.byhand.marks import BEGIN, END, MARK, SCOPE, marked
from minitorch_np.study.byhand.recorder import Enough, Event, Recorder
from minitorch_np.study.byhand.sandbox import sandbox
from minitorch_np.study.byhand.source import Source, parsed

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Mishap(NamedTuple):
    """What ended the program: the line, its text, the error, and the shapes of the arrays in that line."""

    line: int
    text: str
    error: str
    shapes: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return self.error + (f"\n    where {shapes}" if shapes else "")


class Recording(NamedTuple):
    """What a program did: the events of each step, the arrays before each and after the last."""

    source: Source
    program: Program
    events: list[list[Event]]
    before: list[dict[str, Array]]
    mishap: Mishap | None

    @property
    def steps(self) -> int:
        """How many steps were finished."""
        return max(0, len(self.before) - 1)

    def scalars(self) -> dict[str, float]:
        """The numbers in scope before the first step."""
        return {name: float(a) for name, a in (self.before or [{}])[0].items() if a.ndim == 0}


def record(source: Source, steps: int, arguments: Mapping[str, Any] | None = None) -> Recording:
    """Run a program for some steps and record them.

    With `arguments` its function around the training loop is called with them, otherwise it is run as
    a script. An error in it is a `mishap` of the recording.
    Raises ValueError where the source cannot be parsed or has no training loop.
    """
    program = parsed(source)
    tree, statements = marked(program, thorough=True)
    recorder = Recorder(program, statements, steps)
    hooks = {BEGIN: recorder.begin, END: recorder.end, MARK: recorder.mark}
    mishap = _run(source, program, tree, hooks, arguments, recorder.namespace)
    return Recording(source, program, recorder.events, recorder.before, mishap)


def time_steps(
    source: Source, steps: int, arguments: Mapping[str, Any] | None, between: Callable[[], None]
) -> list[float]:
    """Seconds that each step takes, without recording; `between` is called before every step."""
    program = parsed(source)
    tree, _ = marked(program, thorough=False)
    times: list[float] = []
    started: list[float] = []

    def end(_: dict[str, Any]) -> None:
        if started:
            times.append(perf_counter() - started.pop())

    def begin(_: dict[str, Any]) -> None:
        end(_)
        if len(times) == steps:
            raise Enough
        between()
        started.append(perf_counter())

    _run(source, program, tree, {BEGIN: begin, END: end}, arguments, {})
    return times


def _run(
    source: Source,
    program: Program,
    tree: Any,
    hooks: Mapping[str, Any],
    arguments: Mapping[str, Any] | None,
    namespace: dict[str, Any],
) -> Mishap | None:
    """Execute the tree in `namespace`, as a script, or as a module whose function is then called."""
    module = ModuleType("__main__" if arguments is None else Path(source.name).stem)
    namespace |= {**(source.namespace or vars(module)), **hooks, SCOPE: locals}
    namespace |= {"__file__": source.filename, "__name__": module.__name__}
    function = program.loop.function
    with sandbox(None if source.namespace else Path(source.filename).parent, source.filename):
        try:
            flags = annotations.compiler_flag if source.namespace else 0  # a file says so itself
            exec(compile(tree, source.filename, "exec", flags, dont_inherit=True), namespace)
            if arguments is not None and function is not None:
                namespace[function.name](**arguments)
        except Enough:
            pass
        except SystemExit as error:
            return _mishap(source, program, error, "the program ended itself with sys.exit")
        except Exception as error:
            what = f"{type(error).__name__}: {error}{_hint(error)}".removesuffix(": ")
            return _mishap(source, program, error, what)
    return None


def _hint(error: Exception) -> str:
    if isinstance(error, EOFError):
        return ": there is no keyboard here, so give the program what it asks input() for"
    return ": paths start in the working directory" if isinstance(error, FileNotFoundError) else ""


def _mishap(source: Source, program: Program, error: BaseException, what: str) -> Mishap:
    """The innermost line of the program that the error went through."""
    trace, line, scope = error.__traceback__, 0, {}
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == source.filename:
            line, scope = trace.tb_lineno, trace.tb_frame.f_locals
        trace = trace.tb_next
    text = program.line(line)
    words = "".join(c if c.isalnum() or c == "_" else " " for c in text).split()
    shapes = {n: scope[n].shape for n in words if isinstance(scope.get(n), np.ndarray)}
    return Mishap(line, text, what, shapes)
