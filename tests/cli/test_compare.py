import json
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import chdir, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import handwritten_programs as programs
import numpy as np
import pytest

from minitorch_np.cli import main

DATA = """

rng = np.random.default_rng(1)
x, y = rng.standard_normal((16, 6)), rng.standard_normal((16, 3))
w1, w2 = rng.standard_normal((6, 7)), rng.standard_normal((7, 3))
"""
RUN = "for step, loss in enumerate(train(x, y, w1, w2, learning_rate=1e-3)):\n    print(step, loss)\n"
SCRIPT = programs.TUTORIAL + DATA + RUN
SOFTMAX = """
import numpy as np
rng = np.random.default_rng(1)
x, y = rng.standard_normal((16, 6)), rng.integers(0, 3, 16)
W1, b1 = 0.1 * rng.standard_normal((6, 7)), np.zeros((1, 7))
W2, b2 = 0.1 * rng.standard_normal((7, 3)), np.zeros(3)
for step in range(100):
    Z1 = x @ W1 + b1
    A1 = np.tanh(Z1)
    scores = A1 @ W2 + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(16), y]).mean()
    d = p.copy()
    d[np.arange(16), y] -= 1
    d /= 16
    dW2 = A1.T @ d
    db2 = d.sum(axis=0)
    dZ1 = d @ W2.T * (1 - A1**2)
    dW1 = x.T @ dZ1
    db1 = dZ1.sum(axis=0, keepdims=True)
    for param, grad in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
        param -= 0.5 * grad
"""
XOR = """
import numpy as np
x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
rng = np.random.default_rng(0)
first, second = rng.uniform(-1, 1, (2, 4)), rng.uniform(-1, 1, (4, 1))
for _ in range(1000):
    l1 = 1 / (1 + np.exp(-x.dot(first)))
    l2 = 1 / (1 + np.exp(-l1.dot(second)))
    l2_delta = (y - l2) * (l2 * (1 - l2))
    l1_delta = l2_delta.dot(second.T) * (l1 * (1 - l1))
    second += l1.T.dot(l2_delta)
    first += x.T.dot(l1_delta)
"""


def call_here(function, *arguments, folder, **_):
    with chdir(folder), redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
        return function(*arguments)


@pytest.fixture
def compared(compared_apart, monkeypatch):
    """The same in this process: one for each call would take longer than what it examines."""
    monkeypatch.setattr(import_module("minitorch_np.study.compare"), "call_apart", call_here)
    return compared_apart


@pytest.fixture
def compared_apart(tmp_path, capsys):
    """Exit code and output for a program with some changes."""

    def run(text, *arguments, changes=()):
        path = tmp_path / "my_network.py"
        path.write_text(programs.changed(text, changes))
        try:
            code = main(["compare", str(path), *arguments])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_a_right_program_is_right_and_its_layers_are_trained_beside_it(compared_apart):
    code, text = compared_apart(SCRIPT)
    assert code == 0, text
    assert (
        "my_network.py against Sequential(Linear(6, 7, bias=False), ReLU(), Linear(7, 3, bias=False)), " in text
    )
    assert "IDENTICAL to the bit over 20 steps\n" in text
    assert (
        "the gradients of w1 and w2 are those of `losses.append(np.square(y_pred - y).sum())` in line 10\n"
        in text
    )
    assert "updated by SGD(lr=0.001)\n" in text
    assert "same bits: 20 of 20 losses, 1260 of 1260 numbers in gradients" in text
    assert re.search(r"time a step: layered \d+\.\d{3} ms, handwritten \d+\.\d{3} ms, ratio \d+\.\d\d", text)


def test_biases_activations_and_losses_are_read_off_too(compared):
    code, text = compared(SOFTMAX)
    assert code == 0
    assert "Sequential(Linear(6, 7), Tanh(), Linear(7, 3)), CrossEntropyLoss(), SGD(lr=0.5)" in text
    assert "RIGHT: the gradients of W1, b1, W2 and b2 are those of `loss` in line 13" in text


def test_a_loss_that_is_not_computed_is_said(compared):
    code, text = compared(XOR)
    assert code == 0
    assert "are those of half the squared error of `l2_delta = (y - l2) * (l2 * (1 - l2))`" in text
    assert "the program does not compute this loss: it is implied by line 9" in text


def test_a_wrong_line_is_named_with_the_line_that_belongs_there(compared):
    code, text = compared(SCRIPT, changes=programs.MISTAKES["mask from h_relu"].changes)
    assert code == 1
    assert text.startswith("my_network.py\nWRONG in line 16\nline 16: grad_h[h_relu < 0] = 0\n")
    assert "    it is made with h_relu where h belongs\n" in text
    assert "    should be: grad_h[h < 0] = 0\n" in text
    code, text = compared(SOFTMAX, changes=(("(1 - A1**2)", "(1 - Z1**2)"),))
    assert code == 1
    assert "line 19: dZ1 = d @ W2.T * (1 - Z1**2)\n    it is made with Z1 where A1 belongs\n" in text
    assert "    should be: dZ1 = d @ W2.T * (1 - A1 ** 2)\n" in text


def first_json(text):
    """The JSON that a text begins with; on a slow machine lines on the progress follow."""
    return json.JSONDecoder().raw_decode(text)[0]


def test_json(compared):
    code, text = compared(SCRIPT, "--json", changes=programs.MISTAKES["mask turned round"].changes)
    found = first_json(text)
    assert (code, found["judged"], found["verdict"]) == (1, "wrong", "WRONG in line 16")
    [finding] = found["findings"]
    assert (finding["line"], finding["should_be"]) == (16, ["grad_h[h < 0] = 0"])
    code, text = compared(SCRIPT, "--json")
    found = first_json(text)
    assert (code, found["judged"], found["is_identical"]) == (0, "right", True)
    assert found["same_bits"]["losses"] == [20, 20]


def test_momentum_is_recognised(compared):
    changes = (
        ("    losses = []", "    v1, v2 = 0 * w1, 0 * w2\n    losses = []"),
        ("w1 -= learning_rate * grad_w1", "v1 = 0.9 * v1 + grad_w1\n        w1 -= learning_rate * v1"),
        ("w2 -= learning_rate * grad_w2", "v2 = 0.9 * v2 + grad_w2\n        w2 -= learning_rate * v2"),
    )
    code, text = compared(SCRIPT, changes=changes)
    assert (code, "updated by SGD(lr=0.001, momentum=0.9)" in text) == (0, True), text
    code, text = compared(
        SCRIPT, changes=(*changes, ("w1 -= learning_rate * v1", "w1 -= learning_rate * grad_w1"))
    )
    assert (code, "the momentum v1 of line " in text) == (1, True), text


def test_options_of_a_network(compared, tmp_path):
    network = "Linear(6, 7, bias=False), ReLU(), Linear(7, 3, bias=False)"
    assert compared(SCRIPT, network, "--lr", "0.001")[0] == 0
    code, text = compared(SCRIPT, network, "--lr", "0.002")
    assert (code, "its step is 0.5 times as long" in text) == (1, True)
    code, text = compared(SCRIPT, network, "--loss", "MSELoss", "--lr", "0.001")
    assert code == 1
    assert compared(SCRIPT, "--plot", str(tmp_path / "both.png"))[0] == 0
    assert (tmp_path / "both.png").stat().st_size > 5000


def test_a_function_that_nothing_calls_needs_a_network(compared):
    code, text = compared(programs.TUTORIAL)
    assert code == 2
    assert "nothing calls train: call the training at the end of the file" in text
    code, text = compared(
        programs.TUTORIAL, "Linear(6, 7, bias=False), ReLU(), Linear(7, 3, bias=False)", "--lr", "1e-3"
    )
    assert code == 0, text


@pytest.mark.slow
def test_what_is_derived_is_identical_to_what_it_is_derived_from(compared, tmp_path, capsys):
    path = tmp_path / "derived.py"
    for network, *options in (
        ("Linear(6, 7), GELU(), Linear(7, 3)", "--loss", "CrossEntropyLoss", "--optimizer", "Adam"),
        ("Linear(6, 7), Tanh(), Linear(7, 3)", "--lr", "0.01"),
    ):
        assert main(["handwritten", network, *options, "--output", str(path)]) == 0
        assert main(["compare", str(path), network, *options]) == 0, capsys.readouterr().out
    assert main(["compare", str(path)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        ((("for _ in", "fro _ in"),), (), "my_network.py line 6: invalid syntax: fro _ in range(steps):"),
        ((("import numpy", "import nunpy"),), (), "line 1: import nunpy as np\n    ModuleNotFoundError"),
        ((("steps=500", "steps=0"),), (), "NOT JUDGED: it updates no array by a gradient, as in w -= learn"),
        ((), ("Linear(2, 3)",), "has no array of shape (2, 3) for 0.weight"),
        ((), ("--loss", "MSELoss"), "--loss belongs to a NETWORK, such as 'Linear(4, 8), ReLU(), "),
        ((), ("Linear(6, 3)", "--loss", "Nonsense"), "there is no Nonsense here"),
        ((), ("--plot", "both.docx"), "both.docx should end in one of"),
        ((), ("--steps", "0"), "expected a whole number, 1 or more, got '0'"),
        ((), ("--timeout", "0"), "expected a number above 0, got '0'"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_said(compared, changes, arguments, said):
    code, text = compared(SCRIPT, *arguments, changes=changes)
    assert said in text
    assert code == 2


def test_samples_as_columns(compared):
    turned = """
import numpy as np
rng = np.random.default_rng(0)
X, Y, W = rng.standard_normal((4, 9)), rng.standard_normal((2, 9)), rng.standard_normal((2, 4))
for _ in range(9):
    W -= 0.01 * 2 * (W @ X - Y) @ X.T
"""
    assert compared(turned)[0] == 0
    assert compared(turned, changes=(("@ X.T", "@ X.T * W"),))[0] != 0


def test_an_error_in_the_backward_pass_is_mended(compared):
    code, text = compared(SCRIPT, changes=(("x.T.dot(grad_h)", "x.dot(grad_h)"),))
    assert code == 1
    assert "line 17: grad_w1 = x.dot(grad_h)\n    ValueError: shapes (16,6) and (16,7) not aligned" in text
    assert "it should make the gradient of w1\n    should be: grad_w1 = x.T.dot(grad_h)\n" in text


ENDS = {
    "an endless loop": ("while True:\n    pass\n", ("--timeout", "2"), "it was stopped after 2 seconds"),
    "a question": ("input('go on?')\n", (), "there is no keyboard here"),
    "an exit": ("import sys\nsys.exit('no data')\n", (), "ended itself with sys.exit('no data')"),
    "a missing file": ("open('a.csv')\n", (), "put the file beside the program"),
    "nothing": ("\n", (), "NOT JUDGED: no NumPy array is made in it"),
    "too much memory": (
        "import numpy as np\nw = np.ones((1 << 20, 1 << 14))\n", (), "Unable to allocate 128. GiB"),
    "a killed process": ("import os\nos._exit(3)\n", (), "the process that ran it ended with code 3"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("text", "options", "said"), ENDS.values(), ids=ENDS)
def test_programs_that_end_early(compared_apart, text, options, said):
    code, output = compared_apart(text, *options)
    assert code == 2
    assert said in output


def test_it_runs_in_an_empty_folder_with_copies_of_the_files_that_it_names(compared_apart, tmp_path):
    (tmp_path / "numbers.csv").write_text("1,2\n3,4\n5,7\n")
    text = """
import numpy as np
data = np.loadtxt("numbers.csv", delimiter=",")
x, y, w, b = data[:, 0], data[:, 1], 0.0, 0
for _ in range(50):
    d = w * x + b - y
    loss = np.mean(d**2)
    w -= 0.01 * 2 * np.mean(d * x)
    b -= 0.01 * 2 * np.mean(d)
    np.savetxt("numbers.csv", data * 0)
    open("written.txt", "w").write(str(loss))
"""
    code, output = compared_apart(text)
    assert (code, "RIGHT: the gradients of w and b" in output) == (0, True), output
    assert (tmp_path / "numbers.csv").read_text() == "1,2\n3,4\n5,7\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my_network.py", "numbers.csv"]


def test_the_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    text = capsys.readouterr().out
    for part in ("samples as rows or as columns", "process of its own", "exit code is 0", "examples:"):
        assert part in text


def test_as_a_process_of_its_own(tmp_path):
    (tmp_path / "data.py").write_text("import numpy as np" + DATA)
    script = programs.TUTORIAL + "\n\nfrom data import *\n" + RUN
    path = tmp_path / "my_network.py"
    path.write_text(programs.changed(script, programs.MISTAKES["no mask"].changes))
    command = [sys.executable, "-m", "minitorch_np", "compare", path.name]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(path).parent, timeout=60
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "should be: grad_h = grad_h_relu.copy() * (h_relu > 0)" in run.stdout
    assert all(line.startswith("running for") for line in run.stderr.splitlines())


@pytest.mark.parametrize(
    ("head", "encoding"),
    [(b"\xef\xbb\xbf", "utf-8"), (b"# -*- coding: latin-1 -*-\n", "latin-1"), (b"", "utf-8")],
    ids=["a byte-order mark", "an encoding", "plain"],
)
def test_a_file_is_read_as_python_reads_it(tmp_path, capsys, head, encoding):
    path = tmp_path / "program.py"
    path.write_bytes(head + f"# größer\n{SCRIPT}".encode(encoding))
    assert main(["compare", str(path)]) == 0
    path.write_bytes(b"# coding: nonsense\nx = 1\n")
    assert main(["compare", str(path)]) == 2
    assert "is not Python source: " in capsys.readouterr().err


def state_of_this_process():
    umask = os.umask(0)
    os.umask(umask)
    handler = signal.getsignal(signal.SIGTERM)
    return os.getcwd(), umask, handler, np.dot, dict(os.environ), sys.getrecursionlimit()


def test_a_program_changes_nothing_of_this_process(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(
        "import os, signal, sys, threading\nimport numpy as np\nos.chdir('/')\nos.umask(0o77)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsys.setrecursionlimit(5000)\nos.environ['LEFT'] = '1'\n"
        f"{SCRIPT}\nnp.dot = None\nopen('written.txt', 'w') if os.access('.', os.W_OK) else None\n"
    )
    before, files = state_of_this_process(), sorted(tmp_path.iterdir())
    assert main(["compare", str(path)]) == 0
    assert state_of_this_process() == before
    assert sorted(tmp_path.iterdir()) == files


HOSTILE = {
    "a fork": "import os\nif os.fork():\n    os._exit(0)\n",
    "megabytes": "print('x' * 30_000_000)\n",
    "closed streams": "import sys\nsys.stdout.close()\nsys.stderr.close()\n",
    "a hook at the end": "import atexit, os\natexit.register(os._exit, 1)\n",
    "a thread that goes on": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    ),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_programs_that_do_odd_things_are_judged_all_the_same(tmp_path, capsys, text):
    path = tmp_path / "program.py"
    path.write_text(text + SCRIPT)
    code, printed = main(["compare", str(path)]), capsys.readouterr().out
    assert code == 0, printed
    assert "IDENTICAL" in printed
    assert len(printed) < 3000
