import re
import subprocess
import sys
from pathlib import Path

import pytest

from minitorch_np._internal.child_process import call_apart
from minitorch_np.cli import check as command
from minitorch_np.cli import main

LAYERS = """
import numpy as np
from minitorch_np import Activation, Layer, Linear, Loss, SquaredLoss

class Swish(Activation):
    def function(self, x):
        return x / (1 + np.exp(-x))
    def derivative(self, x, y):
        s = 1 / (1 + np.exp(-x))
        return s + y * (1 - s)

class Doubled(Swish):
    def derivative(self, x, y):
        return 2 * super().derivative(x, y)

class Dense(Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features, rng=0)

class Averaged(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.bias.grad /= len(dy)
        return dx

class Broken(Swish):
    def function(self, x):
        return x.nothing

class Needs(Swish):
    def __init__(self, slope):
        self.slope = slope

class Hinge(Loss):
    def function(self, prediction, target):
        return np.maximum(0, 1 - prediction * target)
    def derivative(self, prediction, target):
        return -target * (prediction * target < 1)

class Coarse(Activation):
    def function(self, x):
        return x * 2.0
    def derivative(self, x, y):
        return np.full_like(x, 2)
    def backward(self, dy):
        return 2 * dy

made = Swish()
number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "student_layers.py"
    path.write_text(LAYERS)
    return str(path)


def check(capsys, *arguments):
    try:
        code = main(["check", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Swish", "Swish() is right"),
        ("made", "Swish() is right"),
        ("Dense", "Dense(4, 3), x of shape (5, 4)"),
        ("Dense(6, 2)", "x of shape (5, 6), normal"),
        ("Dense(in_features=2, out_features=2)", "right  weight"),
        ("Hinge", "prediction of shape (5, 4), normal; target: normal"),
    ],
)
def test_right_ones(capsys, file, layer, said):
    code, text = check(capsys, f"{file}:{layer}")
    assert code == 0, text
    assert said in text
    assert "WRONG" not in text


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Doubled", "x: at ["),
        ("Doubled", "it is twice the right one"),
        ("Averaged", "it is 1/N of the right one, N = 5: averaged over the batch where the sum belongs"),
        ("Broken", "Broken() fails: student_layers.py line 28: AttributeError"),
        ("Coarse", "also: backward without a forward is not an error"),
    ],
)
def test_wrong_ones(capsys, file, layer, said):
    code, text = check(capsys, f"{file}:{layer}")
    assert said in text
    assert code == (0 if layer == "Coarse" else 1)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Nothing", "has no Nothing; it has Swish, Doubled, Dense"),
        ("number", "is not a Layer, Activation or Loss but 3"),
        ("Needs", "Needs cannot be made: TypeError: give its arguments, Needs(slope)"),
        ("Dense(1)", "Dense(1) cannot be made: TypeError"),
        ("Dense(__import__('os'))", "there is no __import__ here"),
        ("Dense(", "expected a name, or a call with literal arguments"),
    ],
)
def test_wrong_calls(capsys, file, layer, said):
    code, text = check(capsys, f"{file}:{layer}")
    assert said in text
    assert code == 2


def test_a_gradient_that_cannot_be_told_is_neither_right_nor_wrong(capsys, tmp_path):
    path = tmp_path / "rounds.py"
    path.write_text(
        "import numpy as np\nimport minitorch_np as mt\n\n\nclass Rounds(mt.Activation):\n"
        "    def function(self, x):\n        return np.round(x)\n\n"
        "    def derivative(self, x, y):\n        return np.ones_like(x)\n"
    )
    code, text = check(capsys, f"{path}:Rounds")
    assert code == 2
    assert "?      x, cannot be told from difference quotients" in text
    assert "Rounds(): difference quotients cannot tell the gradient of x here" in text


def test_files_that_are_none(capsys, tmp_path):
    assert check(capsys, f"{tmp_path}/missing.py:A") == (
        2,
        f"minitorch-np: there is no file {tmp_path}/missing.py\n",
    )
    (tmp_path / "bad.py").write_text("import numpy\nx = 1 +\n")
    assert "cannot be imported: bad.py line 2: SyntaxError" in check(capsys, f"{tmp_path}/bad.py:A")[1]
    (tmp_path / "worse.py").write_text("import numpy\n\n1 / 0\n")
    assert (
        "cannot be imported: worse.py line 3: ZeroDivisionError" in check(capsys, f"{tmp_path}/worse.py:A")[1]
    )
    assert "cannot be imported: ModuleNotFoundError" in check(capsys, "no_such_module:A")[1]


def test_what_is_here_and_options(capsys, file, tmp_path):
    assert check(capsys, "leaky_relu(0.2)", "--shape", "3,2")[1].startswith(
        "LeakyReLU(negative_slope=0.2), x of shape (3, 2)"
    )
    assert "target: classes" in check(capsys, "CrossEntropyLoss")[1]
    assert "target: probabilities" in check(capsys, "BCELoss")[1]
    assert "target: probabilities" in check(capsys, "CrossEntropyLoss", "--target", "probabilities")[1]
    (tmp_path / "table.py").write_text(
        "from minitorch_np import Embedding\nclass Table(Embedding):\n"
        "    def __init__(self):\n        super().__init__(6, 3, padding_idx=1, rng=0)\n"
    )
    assert check(capsys, f"{tmp_path}/table.py:Table")[1].startswith(
        "Table(), x of shape (5, 4), indices\n  right  weight"
    )
    code, text = check(capsys, "Nonsense")
    assert (code, "there is no Nonsense here" in text) == (2, True)
    assert "expected sizes such as 5,4, got 'x'" in check(capsys, "relu", "--shape", "x")[1]
    code, text = check(capsys, f"{file}:Dense", "--shape", "3,3")
    assert code == 1
    assert "expects x of shape (N, 4), got (3, 3)" in text


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    """A process for each call would take half a second; the tests that are about it start one."""
    monkeypatch.setattr(command, "call_apart", lambda function, *arguments, **_: function(*arguments))


def test_as_a_process(file):
    command = [sys.executable, "-m", "minitorch_np", "check", f"{Path(file).name}:Averaged"]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(file).parent, timeout=60
    )
    assert run.returncode == 1
    assert "WRONG  bias" in run.stdout
    assert re.sub(r"running for \d+ of 60 seconds\n", "", run.stderr) == ""  # said where a machine is busy


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("class Quits(mt.ReLU):\n    def forward(self, x):\n        exit(0)\n", 1),
        ("class Quits(mt.ReLU):\n    pass\n\n\nexit()\n", 2),
        ("class Quits(mt.ReLU):\n    def __init__(self):\n        raise SystemExit\n", 2),
        ("class Quits(mt.ReLU):\n    def backward(self, dy):\n        raise SystemExit(0)\n", 1),
    ],
)
def test_a_file_that_calls_exit_does_not_pass(text, code, tmp_path, capsys):
    path = tmp_path / "quits.py"
    path.write_text(f"import minitorch_np as mt\n\n\n{text}")
    assert main(["check", f"{path}:Quits"]) == code
    said = capsys.readouterr()
    assert "SystemExit" in said.out + said.err


ENDINGS = {
    "os._exit when it is imported": ("import os\nos._exit(0)\n", "ended with code 0", 1),
    "os._exit in forward": ("{}import os; os._exit(0)\n", "ended with code 0", 1),
    "a hook at the end": ("import atexit, os\natexit.register(os._exit, 0)\n{}return dy\n", "WRONG  x", 1),
    "an interrupt": ("{}raise KeyboardInterrupt\n", "ended with code", 1),
    "forever": ("{}while True: pass\n", "was stopped after 1 seconds", 1),
    "its own signal": ("{}import os; os.kill(os.getpid(), 9)\n", "ended with code -9", 1),
    "what looks like an answer": (
        "{}print(b'..', flush=True); import os; os.write(1, b'x' * 10); return dy\n",
        "WRONG",
        1,
    ),
    "input": ("{}input()\n", "EOFError", 1),
}


@pytest.mark.parametrize(("text", "said", "code"), ENDINGS.values(), ids=ENDINGS)
def test_a_hand_in_never_decides_the_exit_code(text, said, code, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "call_apart", call_apart)
    layer = "import minitorch_np as mt\nclass Own(mt.Tanh):\n    def backward(self, dy):\n        "
    layer += "self.saved(dy)\n        "
    path = tmp_path / "own.py"
    path.write_text(text.format(layer) if "{}" in text else text + layer + "return dy\n")
    seconds = "1" if "while True" in text else "60"
    assert main(["check", "--timeout", seconds, f"{path}:Own"]) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("layer", ["LSTM(3, 2)", "Conv2d(2, 3, 3)", "MaxPool2d(2)", "MultiheadAttention(4, 2)"])
def test_layers_of_images_and_sequences_get_an_x_that_they_take(layer, capsys):
    code, text = check(capsys, layer)
    assert (code, text.endswith("is right\n")) == (0, True), text
