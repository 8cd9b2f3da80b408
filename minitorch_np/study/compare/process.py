"""A program judged in a process of its own: in an empty folder, with a limit of time and memory."""

from __future__ import annotations

import ast
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minitorch_np.study.compare.recording import ProgramSource
from minitorch_np.study.compare.report import Comparison

MEMORY = 4 << 30  # bytes
PATIENCE = 2.0  # seconds before it is said that it takes long
CHILD = "from minitorch_np.study.compare.process import child; child()"


def examined_apart(
    source: ProgramSource, steps: int, timeout: float, say: Callable[[str], None] | None = None
) -> Comparison:
    """Judge a program in a child process; ValueError for one that cannot be parsed."""
    tree = source.tree()
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        _copy_files(tree, source, Path(folder))
        request = pickle.dumps((source, steps, [p for p in sys.path if p]))
        with subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=folder,
        ) as process:  # fmt: skip
            try:
                out, errors = _communicate(process, request, timeout, say)
            except BaseException:
                process.kill()
                raise
    if out is None:
        return _not_judged(
            source, f"it was stopped after {timeout:g} seconds: shorten it, or give more with --timeout"
        )
    try:
        kind, result = pickle.loads(out)
    except Exception:
        return _not_judged(source, _end(process.returncode, errors))
    if kind == "refused":
        raise ValueError(result)
    return result


def _communicate(
    process: subprocess.Popen[bytes], request: bytes, timeout: float, say: Callable[[str], None] | None
) -> tuple[bytes | None, bytes]:
    """Output and errors of the child; None for the output if it took too long."""
    start, given = time.monotonic(), request
    while True:
        left = timeout - (time.monotonic() - start)
        try:
            out, errors = process.communicate(given, timeout=max(0.01, min(PATIENCE, left)))
        except subprocess.TimeoutExpired:
            given = b""
            seconds = time.monotonic() - start
            if seconds >= timeout:
                process.kill()
                process.communicate()
                return None, b""
            if say is not None:
                say(f"running for {seconds:.0f} of {timeout:g} seconds")
        else:
            return out, errors


def _copy_files(tree: Any, source: ProgramSource, folder: Path) -> None:
    """Copy the files that the program names and that are there: what it writes must not reach them."""
    beside = Path(source.filename).parent
    for node in ast.walk(tree):
        if (
            not (isinstance(node, ast.Constant) and isinstance(node.value, str))
            or not 0 < len(node.value) < 200
        ):
            continue
        name = Path(node.value)
        if "\n" in node.value or name.is_absolute() or ".." in name.parts:
            continue
        for base in (beside, Path.cwd()):
            try:
                if (base / name).is_file():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(base / name, folder / name)
                    break
            except (OSError, ValueError):
                continue


def _end(code: int | None, errors: bytes) -> str:
    last = errors.decode(errors="replace").strip().rpartition("\n")[2]
    if "MemoryError" in last or "Unable to allocate" in last:
        return f"it needs more than {MEMORY >> 30} GB of memory"
    return f"the process that ran it ended with code {code}" + (f": {last}" if last else "")


def _not_judged(source: ProgramSource, reason: str) -> Comparison:
    result = Comparison(source.name, source.text)
    result.reason = reason
    return result


def child() -> None:
    """The child process: judge the program that the standard input asks for."""
    answer = sys.stdout.buffer
    source, steps, path = pickle.load(sys.stdin.buffer)
    sys.path[:] = path
    _limit_memory()
    from minitorch_np.study.compare import examined

    try:
        result: tuple[str, Any] = ("judged", examined(source, steps))
        result[1].findings = [finding._replace(target=None) for finding in result[1].findings]
    except ValueError as error:
        result = ("refused", str(error))
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
