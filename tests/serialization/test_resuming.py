"""Stopping, saving and going on in another process gives the bits of going on: every optimizer and schedule."""

import json
import os
import subprocess
import sys

import pytest
import resuming
from table.optimizers import OPTIMIZERS
from table.schedules import SCHEDULES

import minitorch_np as mt


def cases():
    for name, make in OPTIMIZERS.items():
        yield f"{name}.npz", lambda make=make: resuming.Training(make)
        yield f"{name} float32.npz", lambda make=make: resuming.Training(make, dtype="float32")
    for name, make in SCHEDULES.items():
        sgd = lambda params: mt.SGD(params, lr=0.1, momentum=0.9)  # noqa: E731
        yield f"{name}.npz", lambda make=make, sgd=sgd: resuming.Training(sgd, make)


CASES = dict(cases())


def resumed_in_another_process(folder, names):
    """What came of each case in a process that began at its half."""
    for name in names:
        training = CASES[name]()
        training.steps(0, resuming.HALF)
        training.save(folder / name)
    done = subprocess.run(
        [sys.executable, "-W", "error", resuming.__file__, str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("names", [list(CASES)[::8], pytest.param(list(CASES), marks=pytest.mark.slow)])
def test_the_same_bits_as_in_one_go(tmp_path, names):
    resumed = resumed_in_another_process(tmp_path, names)
    for name in names:
        training = CASES[name]()
        training.steps(0, resuming.WHOLE)
        assert resumed[name] == json.loads(json.dumps(training.bits())), name
