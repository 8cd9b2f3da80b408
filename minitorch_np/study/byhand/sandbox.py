"""Somewhere to run a program of the user's: what it prints, draws and draws at random stays there."""

from __future__ import annotations

import io
import os
import random
import sys
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np


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
