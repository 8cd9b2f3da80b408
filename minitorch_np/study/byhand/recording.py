"""A program in the tutorial's form, run: what its steps computed, how long they took, what ended it."""

from __future__ import annotations

import inspect
import io
import os
import random
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from time import perf_counter
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.byhand.recorder import (
    BEGIN,
    END,
    MARK,
    SCOPE,
    Enough,
    Event,
    ParsedProgram,
    Recorder,
    marked,
)

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class ProgramSource(NamedTuple):
    """Where a program comes from: its text, the file, its name in reports, and what a function can see."""

    text: str
    filename: str
    name: str
    first_line: int = 1
    namespace: Mapping[str, Any] | None = None

    @staticmethod
    def of(against: Any) -> ProgramSource:
        """The source of a file or a function. Raises ValueError or TypeError that says what it should be."""
        if isinstance(against, FunctionType):
            return _of_function(against)
        if not isinstance(against, Path | str):
            raise TypeError(f"expected a function or the path of a file, got {against!r}")
        path = Path(against)
        if "\n" in str(against) or not path.is_file():
            name = str(against).partition("\n")[0]
            raise ValueError(
                f"there is no file {name}: a program is given as the path of a .py file, or as a function, "
                "not as text"
            )
        try:
            return ProgramSource(path.read_text(encoding="utf-8"), str(path.resolve()), path.name)
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not Python source") from None


def parsed(source: ProgramSource) -> ParsedProgram:
    """The program of a source; ValueError that names the line if it is none."""
    try:
        return ParsedProgram(source.text, source.filename, source.first_line)
    except SyntaxError as error:
        raise ValueError(
            f"{source.name} line {error.lineno}: {error.msg}: {(error.text or '').strip()}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from None


def _of_function(function: FunctionType) -> ProgramSource:
    name = function.__name__
    try:
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function) or f"<{name}>"
    except (OSError, TypeError):
        raise ValueError(
            f"the source of {name} cannot be found: define it in a file, or give the path of that file"
        ) from None
    text = textwrap.dedent("".join(lines))
    if not text.lstrip("@").startswith(("def ", "@")) and "def " not in text:
        raise ValueError(f"expected a function made with def, got {text.strip()!r}")
    start = next(i for i, line in enumerate(text.splitlines()) if line.startswith("def "))  # past decorators
    text = "\n".join(text.splitlines()[start:])
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    seen = {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}
    return ProgramSource(text, file, f"{name} in {Path(file).name}", first + start, seen)


@contextmanager
def sandbox(folder: Path | None, name: str) -> Iterator[io.StringIO]:
    """Run what is inside as `python FOLDER/NAME` would, and leave this process as it was.

    `folder` is where it imports from first. What it prints is in the yielded buffer. There is no
    keyboard, windows are not shown, and NumPy's warnings, global random states, sys.argv, the import
    path and matplotlib's backend are put back. The working directory is that of the caller.
    """
    kept = list(sys.path), list(sys.argv), sys.stdin, random.getstate(), np.random.get_state()  # noqa: NPY002
    printed = io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(printed))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(_no_windows())
        if folder is not None:
            sys.path.insert(0, str(folder))
        sys.argv = [name]
        sys.stdin = io.StringIO()
        try:
            yield printed
        finally:
            sys.path[:], sys.argv, sys.stdin = kept[:3]
            random.setstate(kept[3])
            np.random.set_state(kept[4])  # noqa: NPY002


@contextmanager
def _no_windows() -> Iterator[None]:
    """Let pyplot show nothing, and draw into memory where it is imported only now; drop its new figures."""
    matplotlib, pyplot = (sys.modules.get(name) for name in ("matplotlib", "matplotlib.pyplot"))
    figures = set(pyplot.get_fignums()) if pyplot else set()
    with ExitStack() as stack:
        if pyplot:
            for name in ("show", "pause"):
                stack.enter_context(_replaced(vars(pyplot), name, lambda *_, **__: None))
        else:
            stack.enter_context(_replaced(os.environ, "MPLBACKEND", "agg"))
            if matplotlib:  # which has read the environment
                stack.enter_context(_replaced(matplotlib.rcParams, "backend", "agg"))
        yield
        drawn: Any = sys.modules.get("matplotlib.pyplot")
        for number in set(drawn.get_fignums()) - figures if drawn else ():
            drawn.close(number)


@contextmanager
def _replaced(mapping: MutableMapping[str, Any], key: str, value: Any) -> Iterator[None]:
    """Another value for a key. As plain dicts: asked for "backend", matplotlib would choose one."""
    plain: Any = dict if isinstance(mapping, dict) else type(mapping)
    before = plain.get(mapping, key)
    plain.__setitem__(mapping, key, value)
    try:
        yield
    finally:
        if before is None:
            plain.__delitem__(mapping, key)
        else:
            plain.__setitem__(mapping, key, before)


class ProgramError(NamedTuple):
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

    source: ProgramSource
    program: ParsedProgram
    events: list[list[Event]]
    before: list[dict[str, Array]]
    program_error: ProgramError | None

    @property
    def steps(self) -> int:
        """How many steps were finished."""
        return max(0, len(self.before) - 1)

    def scalars(self) -> dict[str, float]:
        """The numbers in scope before the first step."""
        return {name: float(a) for name, a in (self.before or [{}])[0].items() if a.ndim == 0}


def record(source: ProgramSource, steps: int, arguments: Mapping[str, Any] | None = None) -> Recording:
    """Run a program for some steps and record them.

    With `arguments` its function around the training loop is called with them, otherwise it is run as
    a script. An error in it is a `program_error` of the recording.
    Raises ValueError if the source cannot be parsed or has no training loop.
    """
    program = parsed(source)
    tree, statements = marked(program, thorough=True)
    recorder = Recorder(program, statements, steps)
    hooks = {BEGIN: recorder.begin, END: recorder.end, MARK: recorder.mark}
    program_error = _run(source, program, tree, hooks, arguments, recorder.namespace)
    return Recording(source, program, recorder.events, recorder.before, program_error)


def time_steps(
    source: ProgramSource, steps: int, arguments: Mapping[str, Any] | None, between: Callable[[], None]
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
    source: ProgramSource,
    program: ParsedProgram,
    tree: Any,
    hooks: Mapping[str, Any],
    arguments: Mapping[str, Any] | None,
    namespace: dict[str, Any],
) -> ProgramError | None:
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
            return _program_error(source, program, error, "the program ended itself with sys.exit")
        except Exception as error:
            what = f"{type(error).__name__}: {error}{_hint(error)}".removesuffix(": ")
            return _program_error(source, program, error, what)
    return None


def _hint(error: Exception) -> str:
    if isinstance(error, EOFError):
        return ": there is no keyboard here, so give the program what it asks input() for"
    return ": paths start in the working directory" if isinstance(error, FileNotFoundError) else ""


def _program_error(
    source: ProgramSource, program: ParsedProgram, error: BaseException, what: str
) -> ProgramError:
    """The innermost line of the program that the error went through."""
    trace, line, scope = error.__traceback__, 0, {}
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == source.filename:
            line, scope = trace.tb_lineno, trace.tb_frame.f_locals
        trace = trace.tb_next
    text = program.line(line)
    words = "".join(c if c.isalnum() or c == "_" else " " for c in text).split()
    shapes = {n: scope[n].shape for n in words if isinstance(scope.get(n), np.ndarray)}
    return ProgramError(line, text, what, shapes)
