"""What is printed: nothing, lines, or on a terminal a bar too; whole programs, with and without tqdm."""

import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from minitorch_np.training.progress import Progress, _clock, _rate

PROGRAM = """
import sys
import numpy as np
import minitorch_np as mt
from minitorch_np.training.fit import fit
from minitorch_np.metrics import accuracy

rng = np.random.default_rng(0)
x, y = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
model = mt.Linear(4, 3, rng=0)
optimizer = mt.SGD(model.parameters(), lr=0.1)
options = dict(epochs=3, batch_size=10, rng=0, validation_data=(x, y),
    metrics=[accuracy], verbose=int(sys.argv[1]))
fit(model, mt.CrossEntropyLoss(), optimizer, (x, y), **options)
"""
TQDM = '''
class tqdm:
    """Stands for tqdm, whose arguments it knows: a bar that is written and wiped away."""

    def __init__(self, iterable, total, desc, leave, file):
        self.iterable, self.total, self.desc, self.file = iterable, total, desc, file

    def __iter__(self):
        for n, thing in enumerate(self.iterable, 1):
            self.file.write(f"\\r[{self.desc} {n} of {self.total}]")
            yield thing

    def close(self):
        self.file.write("\\r[closed]")
'''
VALUE = r"\d(\.\d+)?"
NUMBERS = rf"loss {VALUE}  accuracy {VALUE}  val loss {VALUE}  val accuracy {VALUE}  [\d.,]+ steps/s"
LINES = [rf"epoch 1/3  {NUMBERS}  0:00 left", rf"epoch 2/3  {NUMBERS}  0:00 left", rf"epoch 3/3  {NUMBERS}"]


def modules(folder, source):
    """Make `import tqdm` take this source, whatever is installed."""
    (folder / "tqdm.py").write_text(source)
    return os.environ | {"PYTHONPATH": str(folder)}


@pytest.fixture(params=["without tqdm", "with tqdm"])
def environment(request, tmp_path):
    return modules(tmp_path, TQDM if request.param == "with tqdm" else "raise ImportError"), request.param


def piped(environment, verbose):
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(verbose)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def on_a_terminal(environment, verbose):
    """What the program writes to a terminal."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(verbose)]
    program = subprocess.Popen(command, env=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    written = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux' way of saying that the other end is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert program.wait(timeout=20) == 0
    return written.decode()


def test_into_a_pipe_go_plain_lines(environment):
    lines = piped(environment[0], 1)
    assert len(lines) == 3
    for line, pattern in zip(lines, LINES, strict=True):
        assert re.fullmatch(pattern, line), line


def test_a_terminal_shows_a_bar_where_tqdm_is_installed(environment):
    text = on_a_terminal(environment[0], 1)
    shown = [part for part in re.split(r"\r\n|\r|\n", text) if part]
    bars = [part.partition("]")[0] + "]" for part in shown if part.startswith("[")]
    lines = [re.sub(r"^\[closed\]", "", part) for part in shown if "loss" in part]
    for line, pattern in zip(lines, LINES, strict=True):
        assert re.fullmatch(pattern, line), line
    expected = [
        bar
        for epoch in (1, 2, 3)
        for bar in [f"[epoch {epoch}/3 {n} of 4]" for n in (1, 2, 3, 4)] + ["[closed]"]
    ]
    assert bars == (expected if environment[1] == "with tqdm" else [])


def test_nothing_is_silent(tmp_path):
    environment = modules(tmp_path, TQDM)
    assert piped(environment, 0) == []
    assert on_a_terminal(environment, 0) == ""


def test_every_second_epoch_and_the_last():
    printed = [line.split()[1] for line in piped(os.environ, 2)]
    assert printed == ["2/3", "3/3"]


def test_batches_are_handed_on_as_they_are_where_nothing_is_shown():
    batches = [1, 2]
    assert Progress(1, 0, 3).watch(batches, 2, 0) is batches


def test_times_and_rates_are_short():
    assert [_clock(seconds) for seconds in (0.2, 61, 3600 + 125)] == ["0:00", "1:01", "1:02:05"]
    assert [_rate(value) for value in (12345.6, 10, 9.87, 0.123)] == ["12,346", "10", "9.9", "0.12"]
