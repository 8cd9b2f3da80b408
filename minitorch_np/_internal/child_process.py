"""Calls in a process of their own, for the code of others: it may end, hang or print what it likes."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from select import select
from typing import Any

MEMORY = 4 << 30  # bytes
MEMORY_EACH = 2 << 30  # of several at a time
SLOW = 1.0  # seconds after which others need not wait for a child
MOST = 4  # times as many children as workers at a time
PATIENCE = 2.0  # seconds before it is said that it takes long
CHILD = "from minitorch_np._internal.child_process import child; child()"


class ChildEndedError(Exception):
    """The process has ended, or was stopped, without an answer; the text says how."""


def call_apart(
    function: Callable[..., Any],
    *arguments: Any,
    timeout: float,
    folder: Path | None = None,
    say: Callable[[str], None] | None = None,
    shows_errors: bool = False,
    forks: bool = False,
) -> Any:
    """Return `function(*arguments)`, called in a child process in `folder`, with a limit of time and memory.

    It gets no keyboard. What it prints is dropped; with `shows_errors` it goes to the standard error.
    Whatever it does to its process, this one decides for itself how it ends. `say` is told of every two
    seconds. Raises ChildEndedError if no answer comes, and what the function raises as ValueError.

    With `forks` it is a fork of this process, which has all imports done: for a command, which has no threads
    and no windows. Only on Linux: elsewhere the libraries behind NumPy may not survive it.
    """
    if forks and sys.platform == "linux":
        return _given(_forked(function, arguments, timeout, folder, say))
    request = pickle.dumps((function.__module__, function.__qualname__, arguments, [p for p in sys.path if p]))
    package = Path(__file__).parents[2]
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=None if shows_errors else subprocess.PIPE, cwd=folder, env={**os.environ, "PYTHONPATH": path},
    ) as process:  # fmt: skip
        try:
            out, errors = _communicate(process, request, timeout, say)
        except BaseException:
            process.kill()
            raise
    return _given(_answer(out, process.returncode, errors or b""))


def each_apart(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, timeout: float, workers: int
) -> list[Any]:
    """Return `function(*arguments)` of each call, each in a child process with a limit of time and memory.

    Where there is no answer, a ChildEndedError or the ValueError that was raised stands in its place. The
    children are forks of this process, with all that it has imported; on Windows they are started one by one.
    Those that take long keep no worker from the others, and give way to them.
    """
    if not hasattr(os, "fork"):
        return [_answer_or_error(function, arguments, timeout) for arguments in calls]
    answers: list[Any] = [None] * len(calls)
    pending = list(enumerate(calls))[::-1]
    running: dict[int, _Fork] = {}  # by the index of the call
    try:
        while pending or running:
            waiting = sum(not fork.is_slow() for fork in running.values())
            while pending and waiting < workers and len(running) < MOST * workers:
                waiting += 1
                i, arguments = pending.pop()
                running[i] = _Fork(function, arguments, timeout)
            select([fork.pipe for fork in running.values()], [], [], 0.2)
            for i, fork in list(running.items()):
                if fork.is_done():
                    answers[i] = fork.answer()
                    del running[i]
    finally:
        for fork in running.values():
            fork.end()
    return answers


def _answer_or_error(function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float) -> Any:
    try:
        return call_apart(function, *arguments, timeout=timeout)
    except (ChildEndedError, ValueError) as error:
        return error


class _Fork:
    """A fork of this process that calls a function, and its answer as it comes through a pipe."""

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        timeout: float,
        memory: int = MEMORY_EACH,
        folder: Path | None = None,
    ) -> None:
        self.pipe, write = os.pipe()
        self.timeout, self.ends = timeout, time.monotonic() + timeout
        self.read = b""
        self.was_stopped = self.gives_way = False
        with warnings.catch_warnings(action="ignore"):  # of threads: NumPy's know how to be forked
            self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.pipe)
                os.chdir(folder or ".")
                self._child(function, arguments, write, memory)
            finally:
                os._exit(1)
        os.close(write)
        os.set_blocking(self.pipe, False)

    @staticmethod
    def _child(function: Callable[..., Any], arguments: tuple[Any, ...], write: int, memory: int) -> None:
        os.setsid()  # so that what it starts ends with it
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        _limit_memory(memory)
        try:
            result = _result(function, arguments, memory)
        except Exception as error:
            said = f"the process that ran it ended with {type(error).__name__}: {error}"
            result = pickle.dumps(ChildEndedError(said))
        with os.fdopen(write, "wb") as answer:
            answer.write(result)
        os._exit(0)

    def is_slow(self) -> bool:
        """Whether it takes long; from then on with a lower priority."""
        if not self.gives_way and time.monotonic() > self.ends - self.timeout + SLOW:
            self.gives_way = True
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.pid, 5)
        return self.gives_way

    def is_done(self) -> bool:
        """Whether the pipe is closed, or time is up."""
        try:
            while part := os.read(self.pipe, 1 << 16):
                self.read += part
        except BlockingIOError:
            self.was_stopped = time.monotonic() > self.ends
            return self.was_stopped
        return True

    def answer(self) -> Any:
        code = self.end()
        if self.was_stopped:
            return ChildEndedError(f"it was stopped after {self.timeout:g} seconds")
        return _answer(self.read, code, b"")

    def end(self) -> int:
        """End the process and all that it has started; return its exit code."""
        until = time.monotonic() + (0 if self.read or not self.is_done() or self.was_stopped else 1)
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        while not ended and time.monotonic() < until:  # it has closed the pipe, and is about to end
            time.sleep(0.01)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if not ended:
            with contextlib.suppress(ProcessLookupError):  # it may not have its own group yet
                os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(status)


def _communicate(
    process: subprocess.Popen[bytes], request: bytes, timeout: float, say: Callable[[str], None] | None
) -> tuple[bytes, bytes | None]:
    """Output and errors of the child."""
    start, given = time.monotonic(), request
    while True:
        left = timeout - (time.monotonic() - start)
        try:
            return process.communicate(given, timeout=max(0.01, min(PATIENCE, left)))
        except subprocess.TimeoutExpired:
            given = b""
            seconds = time.monotonic() - start
            if seconds >= timeout:
                process.kill()
                process.communicate()
                raise ChildEndedError(f"it was stopped after {timeout:g} seconds") from None
            if say is not None:
                say(f"running for {seconds:.0f} of {timeout:g} seconds")


def _forked(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    timeout: float,
    folder: Path | None,
    say: Callable[[str], None] | None,
) -> Any:
    """The answer of a fork of this process, or the error that stands in its place."""
    fork = _Fork(function, arguments, timeout, MEMORY, folder)
    try:
        while not fork.is_done():
            ready = select([fork.pipe], [], [], max(0.0, min(PATIENCE, fork.ends - time.monotonic())))[0]
            seconds = timeout - (fork.ends - time.monotonic())
            if say is not None and not ready and seconds < timeout:
                say(f"running for {seconds:.0f} of {timeout:g} seconds")
    except BaseException:
        fork.end()
        raise
    return fork.answer()


def _result(function: Callable[..., Any], arguments: tuple[Any, ...], memory: int) -> bytes:
    """What a function returns, or the error that stands in its place, to be sent to another process."""
    try:
        return pickle.dumps(function(*arguments))
    except ValueError as error:
        return pickle.dumps(ValueError(str(error)))
    except MemoryError:
        return pickle.dumps(ChildEndedError(f"it needs more than {memory >> 30} GB of memory"))


def _answer(sent: bytes, code: int | None, errors: bytes) -> Any:
    """What a process has sent, or how it has ended."""
    try:
        return pickle.loads(sent)
    except Exception:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return ChildEndedError(
            f"the process that ran it ended with code {code}" + (f": {last}" if last else "")
        )


def _given(answer: Any) -> Any:
    if isinstance(answer, ChildEndedError | ValueError):
        raise answer
    return answer


def child() -> None:
    """The child process: call what the standard input asks for."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is no part of the answer
    module, name, arguments, sys.path[:] = pickle.load(sys.stdin.buffer)
    _limit_memory()
    answer.write(_result(getattr(import_module(module), name), arguments, MEMORY))
    answer.flush()


def _limit_memory(most: int = MEMORY) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft == resource.RLIM_INFINITY or soft > limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
