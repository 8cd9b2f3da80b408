"""Writing files so that there is the old one or the new one, and never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_writable(path: Path) -> None:
    """Raise ValueError where no file can be written to `path`."""
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    if not path.parent.is_dir():
        raise ValueError(f"there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the directory {path.parent} cannot be written to")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; when all went well, what is there takes the place of `path`.

    It is on the disk before it does, so that a loss of power leaves the old file or the new one.
    Where writing fails, the old file stays and the new one is removed.
    """
    path = path.resolve()  # through a link
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        _to_disk(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    if os.name == "posix":
        _to_disk(path.parent)  # the renaming


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError:
        if not path.is_dir():  # some file systems cannot do it for a folder
            raise
    finally:
        os.close(file)
