"""Atomic writing of files: there is the old file or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_writable(path: Path) -> None:
    """Raise ValueError if no file can be written to `path`."""
    if path.is_dir():
        raise ValueError(f"{path} is a directory")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file: writing would put a file in its place")
    if not path.parent.is_dir():
        raise ValueError(f"there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the directory {path.parent} cannot be written to")


def said_of(path: Path) -> str:
    """Return `loss.png`, or where there is such a file `loss.png (in place of the one that was there)`."""
    return f"{path} (in place of the one that was there)" if path.exists() else str(path)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path` to write to; after the block it takes the place of `path`.

    It is on the disk before it does, so that a loss of power leaves the old file or the new one. If
    writing fails, the old file stays and the new one is removed. If the process is killed, the new one
    stays as `.name.….part`, which may be deleted. A link is followed, the permissions of the old file
    are kept.
    """
    try:
        resolved = path.resolve()
    except RuntimeError:  # links in a circle, on Python 3.11 and 3.12
        resolved = path
    if resolved.is_symlink():  # and so left as they are from 3.13 on
        raise ValueError(f"{path} is a link that leads back to itself")
    path = resolved
    check_writable(path)
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        yield part
        _to_disk(part)
        os.replace(part, path)
    except OSError as error:
        error.add_note(f"({path} is what it was before)")
        raise
    finally:
        part.unlink(missing_ok=True)
    if os.name == "posix":
        _to_disk(path.parent)  # the renaming


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    except OSError:
        if not path.is_dir():  # some file systems cannot do it for a folder
            raise
    finally:
        os.close(file)
