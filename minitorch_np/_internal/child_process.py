"""Calls in a process of their own, for the code of others: it may end, hang or print what it likes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 4 << 30  # bytes
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
) -> Any:
    """Return `function(*arguments)`, called in a child process in `folder`, with a limit of time and memory.

    It gets no keyboard. What it prints is dropped; with `shows_errors` it goes to the standard error.
    Whatever it does to its process, this one decides for itself how it ends. `say` is told of every two
    seconds. Raises ChildEndedError if no answer comes, and what the function raises as ValueError.
    """
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
    try:
        was_refused, answer = pickle.loads(out)
    except Exception:
        raise ChildEndedError(_end(process.returncode, errors or b"")) from None
    if was_refused:
        raise ValueError(answer)
    return answer


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


def _end(code: int | None, errors: bytes) -> str:
    last = errors.decode(errors="replace").strip().rpartition("\n")[2]
    if "MemoryError" in last or "Unable to allocate" in last:
        return f"it needs more than {MEMORY >> 30} GB of memory"
    return f"the process that ran it ended with code {code}" + (f": {last}" if last else "")


def child() -> None:
    """The child process: call what the standard input asks for."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is no part of the answer
    module, name, arguments, sys.path[:] = pickle.load(sys.stdin.buffer)
    _limit_memory()
    try:
        import importlib

        result = (False, getattr(importlib.import_module(module), name)(*arguments))
    except ValueError as error:
        result = (True, str(error))
    answer.write(pickle.dumps(result))
    answer.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    if soft == resource.RLIM_INFINITY or soft > limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
