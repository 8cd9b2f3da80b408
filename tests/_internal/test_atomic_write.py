"""Files are replaced whole: what reaches the disk before what, and what is left where something fails."""

import errno
import multiprocessing
import os
import stat
import threading
from pathlib import Path

import pytest

from minitorch_np._internal.atomic_write import replaced


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_new_file_is_on_the_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    """And its folder after that: a loss of power finds the old file or the new one."""
    path, events = tmp_path / "a.txt", []
    path.write_text("old")
    fsync, replace = os.fsync, os.replace

    def watched_fsync(file):
        by_number = {there.stat().st_ino: there for there in (tmp_path, *tmp_path.iterdir())}
        there = by_number[os.fstat(file).st_ino]
        events.append(("on disk", "folder" if there.is_dir() else there.read_text(), path.read_text()))
        fsync(file)

    def watched_replace(old, new):
        events.append(("replaced", path.read_text()))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    with replaced(path) as part:
        part.write_text("new")
    assert events == [("on disk", "new", "old"), ("replaced", "old"), ("on disk", "folder", "new")]


def test_where_writing_fails_the_old_file_stays(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(error):
        with replaced(path) as part:
            part.write_text("half of the n")
            raise error

    with pytest.raises(OSError, match="No space left") as caught:
        write(OSError(errno.ENOSPC, "No space left on device"))
    assert caught.value.__notes__ == [f"({path} is what it was before)"]
    for error in (KeyboardInterrupt(), ValueError()):
        with pytest.raises(type(error)):
            write(error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_disk_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    """Some systems say only at the end that there was no room."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Input/output error"), replaced(path) as part:
        part.write_text("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="devices and FIFOs are of POSIX systems")
def test_what_is_not_a_regular_file_is_not_replaced(tmp_path):
    fifo, loop = tmp_path / "fifo", tmp_path / "loop"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    for path in (fifo, loop, Path(os.devnull)):
        before = path.lstat().st_mode
        with pytest.raises(ValueError, match=r"not a regular file|leads back to itself"), replaced(path):
            pass
        assert path.lstat().st_mode == before
    assert names(tmp_path) == ["fifo", "loop"]


def write_often(path, letter):
    for _ in range(50):
        with replaced(path) as part:
            part.write_text(letter * 10000)


@pytest.mark.parametrize(
    "kind",
    [threading.Thread, pytest.param(multiprocessing.get_context("spawn").Process, marks=pytest.mark.slow)],
)
def test_writers_at_the_same_time_do_not_mix(tmp_path, kind):
    path = tmp_path / "a.txt"
    path.write_text("")
    writers = [kind(target=write_often, args=(path, letter)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_text())
    for writer in writers:
        writer.join()
        assert getattr(writer, "exitcode", 0) == 0
    assert seen <= {"", *(letter * 10000 for letter in "abcd")}
    assert names(tmp_path) == ["a.txt"]


def test_a_link_stays_a_link_and_a_private_file_private(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    with replaced(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = os.umask(0o022)
    try:
        with replaced(tmp_path / "b.txt") as part:
            part.write_text("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b.txt").stat().st_mode) == 0o644
