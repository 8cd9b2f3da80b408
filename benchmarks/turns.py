"""Programs in processes of their own that take turns, and the ratios of their times."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

NO_FAULTS = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}


class Peer(NamedTuple):
    """A program to time: a function that makes it, or a script; what has to be installed; its environment."""

    function: str
    package: str
    environment: Mapping[str, str] = {}


def on_threads(threads: int) -> dict[str, str]:
    """The environment of a process that is to compute on so many threads."""
    return dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


class Worker:
    """A Python process that runs `script` and answers every line it reads with a line of numbers."""

    def __init__(
        self, script: str, arguments: Sequence[str], environment: Mapping[str, str], threads: int
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **on_threads(threads), **environment},
        )

    def burst(self) -> tuple[float, ...]:
        """What it measures in its turn."""
        print("go", file=self.process.stdin, flush=True)
        return tuple(map(float, self.process.stdout.readline().split()))

    def close(self) -> None:
        self.process.communicate()


def installed(peers: Mapping[str, Peer], names: Sequence[str]) -> list[str]:
    """Those of the names whose packages are here; the others are printed."""
    missing = [name for name in names if find_spec(peers[name].package) is None]
    if missing:
        print(f"not installed, so missing here: {', '.join(missing)}")
    return [name for name in names if name not in missing]


def ratio(bursts: Mapping[str, Sequence[tuple[float, ...]]], name: str, base: str) -> float:
    """The median of the ratios within a turn; the time is the first number of a burst."""
    return median(a[0] / b[0] for a, b in zip(bursts[name], bursts[base], strict=True))


def processes(
    programs: Mapping[str, Sequence[str]], turns: int, threads: int = 1
) -> dict[str, list[tuple[float]]]:
    """Seconds from the start of `python` with these arguments to its end."""
    times: dict[str, list[tuple[float]]] = {name: [] for name in programs}
    with TemporaryDirectory() as cache:  # of bytecode, as an installed package has it
        environment = os.environ | on_threads(threads)
        environment |= {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        for turn in range(turns + 1):
            for name, arguments in programs.items():
                start = perf_counter()
                command = [sys.executable, *arguments]
                subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
                if turn:
                    times[name].append((perf_counter() - start,))
    return times
