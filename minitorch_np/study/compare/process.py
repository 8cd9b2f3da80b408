"""A program judged in a process of its own: in an empty folder, with a limit of time and memory."""

from __future__ import annotations

import ast
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minitorch_np._internal.child_process import ChildEndedError, call_apart
from minitorch_np.study.compare.recording import ProgramSource
from minitorch_np.study.compare.report import Comparison


def examined_apart(
    source: ProgramSource, steps: int, timeout: float, say: Callable[[str], None] | None = None
) -> Comparison:
    """Judge a program in a child process; ValueError for one that cannot be parsed."""
    tree = source.tree()
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        _copy_files(tree, source, Path(folder))
        try:
            result: Comparison = call_apart(
                examined_here, source, steps, timeout=timeout, folder=Path(folder), say=say
            )
        except ChildEndedError as ended:
            result = Comparison(source.name, source.text)
            result.reason = str(ended)
            if "was stopped after" in result.reason:
                result.reason += ": shorten it, or give more with --timeout"
    return result


def examined_here(source: ProgramSource, steps: int) -> Comparison:
    """Judge a program in this process; the result can be sent to another one."""
    from minitorch_np.study.compare import examined

    result = examined(source, steps)
    result.findings = [finding._replace(target=None) for finding in result.findings]
    return result


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
