"""What commands write and say: never over the files that they read, and nothing where they should be quiet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from minitorch_np._internal.atomic_write import check_writable


def check_output(path: Path, read: Iterable[Path]) -> None:
    """Raise ValueError where `path` cannot be written, or is one of the files that are read."""
    check_writable(path)
    for given in read:
        if given.exists() and path.exists() and given.samefile(path):
            raise ValueError(f"{path} is read: write to another file, -o PATH")


def speaker(quiet: bool, file: TextIO | None = None) -> Callable[[str], None]:
    """A function that prints a line at once, to the standard output unless told otherwise; or does nothing."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=file or sys.stdout, flush=True)

    return say
