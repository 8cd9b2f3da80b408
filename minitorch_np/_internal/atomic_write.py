"""Writing files so that there is the old one or the new one, and never half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    """An empty file beside `path` to write to; when all went well, it takes the place of `path`.

    It is on the disk before it does, so that a loss of power leaves the old file or the new one.
    Where writing fails, the old file stays and the new one is removed. Where the process is killed,
    the new one lies about as `.name.….part` until the next writing removes it.
    """
    path = path.resolve()  # through a link
    _remove_leftovers(path)
    part, lock = _new_part(path)
    try:
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
        if lock is not None:
            os.close(lock)
    if os.name == "posix":
        _to_disk(path.parent)  # the renaming


def _new_part(path: Path) -> tuple[Path, int | None]:
    """A new file that no other writer has, and what locks it, where the system has locks.

    The lock says that its writer lives; the system takes it away when the writer dies.
    """
    while True:
        part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _lock(file)
        except (ImportError, OSError):  # Windows, or a file system that cannot: leftovers stay there
            os.close(file)
            return part, None
        if part.exists():  # not taken for a leftover between its opening and its locking
            return part, file
        os.close(file)


def _remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that were killed have left."""
    leftover = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part")
    for entry in os.scandir(path.parent):
        if leftover.fullmatch(entry.name):
            with suppress(ImportError, OSError):  # its writer lives, or nobody can tell
                file = os.open(entry.path, os.O_RDONLY)
                try:
                    _lock(file, wait=False)
                    os.unlink(entry.path)
                finally:
                    os.close(file)


def _lock(file: int, wait: bool = True) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    except OSError:
        if not path.is_dir():  # some file systems cannot do it for a folder
            raise
    finally:
        os.close(file)
