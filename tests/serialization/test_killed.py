"""A process that is killed while it saves, or has no room to, leaves the old file or the new one, whole."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import saving_processes


def run(how, folder, count, *before):
    command = [*before, sys.executable, "-W", "error", saving_processes.__file__, how, str(folder), str(count)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, kills):
    runs = run("killed_at_random", tmp_path, kills)
    assert len(runs) == kills
    for one in runs:
        assert one["status"] == signal.SIGKILL
        assert one["finished"] <= one["found"] <= one["finished"] + 1
    assert runs[-1]["parts"] > kills / 8  # so often it was killed while it wrote


@pytest.mark.slow
def test_killed_at_a_byte(tmp_path):
    runs = run("killed_at_a_byte", tmp_path, 40)
    assert len(runs) > 40
    for one in runs:
        whole = one["limit"] == one["size"]
        assert (one["status"], one["found"]) == ((0, 1) if whole else (signal.SIGXFSZ, 0))


@pytest.mark.slow
def test_no_room_at_any_byte(tmp_path):
    *runs, last = run("failing_at_a_byte", tmp_path, 40)
    assert len(runs) > 40
    for one in runs:
        assert one["error"] == [errno.EFBIG, f"({tmp_path / 'net.npz'} is what it was before)"]
        assert (one["found"], one["parts"]) == (0, 0)
    assert last == {"found": 2, "parts": 0}
    assert [file.name for file in tmp_path.iterdir()] == ["net.npz"]


def test_a_full_disk(tmp_path):
    """A file system of its own, in memory, in a namespace of its own, which not all systems allow."""
    inside = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, str(tmp_path)]
    if (
        not shutil.which("unshare")
        or subprocess.run([*before, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this system lets no process mount a file system that could be filled")
    *runs, last = run("on_a_full_disk", tmp_path, 10, *before)
    assert len(runs) == 10
    for one in runs:
        assert one["error"] == [errno.ENOSPC, f"({tmp_path / 'net.npz'} is what it was before)"]
        assert (one["found"], one["parts"]) == (0, 0)
    assert runs[-1]["room"] == 0
    assert last == {"found": 2, "parts": 0}
