import re
import subprocess
import sys
from pathlib import Path

import handwritten_programs as programs
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


@pytest.fixture
def compared(tmp_path, capsys):
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


def test_the_network_is_read_off_the_program(compared):
    code, text = compared(SCRIPT)
    assert code == 0, text
    assert "read off my_network.py: x is x (16, 6), y is y (16, 3), the weights are w1, w2\n" in text
    assert (
        "Sequential(Linear(6, 7, bias=False), ReLU(), Linear(7, 3, bias=False)), SquaredLoss(), SGD(lr=0.001)"
        in text
    )
    assert "IDENTICAL to the bit over 20 steps\n" in text
    assert "20 of 20 losses" in text
    assert re.search(r"time a step: layered \d+\.\d{3} ms, handwritten \d+\.\d{3} ms, ratio \d+\.\d\d", text)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        (SOFTMAX, "Sequential(Linear(6, 7), Tanh(), Linear(7, 3)), CrossEntropyLoss(), SGD(lr=0.5)"),
        (XOR, "Sigmoid(), Linear(4, 1, bias=False), Sigmoid()), SquaredLoss(), SGD(lr=0.5)"),
    ],
)
def test_biases_activations_losses_and_rates_are_read_off_too(compared, text, network):
    code, said = compared(text)
    assert network in said
    assert "IDENTICAL" in said or "DIFFERENT by rounding alone" in said
    assert code == (0 if "IDENTICAL" in said else 1)


def test_a_wrong_line_is_named(compared):
    code, text = compared(SCRIPT, changes=programs.MISTAKES["mask from h_relu"].changes)
    assert code == 1
    assert "DIFFERENT: 1 line with another formula\n" in text
    assert (
        "\nline 16: grad_h[h_relu < 0] = 0\n    grad_h is the gradient of the input of layer 1, ReLU()\n"
        in text
    )
    assert "\n    it is made with h_relu where h belongs\n    as it should be:\n" in text
    code, text = compared(SOFTMAX, changes=(("(1 - A1**2)", "(1 - Z1**2)"),))
    assert code == 1
    assert "dZ1 (grad_h) is the gradient of the input of layer 1, Tanh()" in text
    assert "made with Z1 (h) where A1 (h_tanh) belongs" in text
    assert "dZ1 = grad_h_tanh * (1 - A1 * A1)" in text


@pytest.mark.slow
def test_options(compared, tmp_path):
    network = "Linear(6, 7, bias=False), ReLU(), Linear(7, 3, bias=False)"
    assert compared(SCRIPT, network)[0] == 0
    assert (
        compared(SCRIPT, "--steps", "3", "--lr", "0.001", "--activation", "relu", "--loss", "SquaredLoss")[0]
        == 0
    )
    code, text = compared(SCRIPT, "--activation", "tanh")
    assert (code, "Tanh()" in text) == (1, True)
    code, text = compared(SCRIPT, "--lr", "0.002")
    assert (code, "its step is 0.5 times as long" in text) == (1, True)
    code, text = compared(SCRIPT, "--loss", "MSELoss")
    assert (code, "a division is missing" in text) == (1, True)
    code, text = compared(SCRIPT, "--optimizer", "Adam")
    assert (code, "Adam(lr=0.001)" in text) == (1, True)
    assert compared(SCRIPT, "--plot", str(tmp_path / "both.png"))[0] == 0
    assert (tmp_path / "both.png").stat().st_size > 5000


def test_a_program_with_momentum(compared):
    changes = (
        ("    losses = []", "    v1, v2 = 0 * w1, 0 * w2\n    losses = []"),
        ("w1 -= learning_rate * grad_w1", "v1 = 0.9 * v1 + grad_w1\n        w1 -= learning_rate * v1"),
        ("w2 -= learning_rate * grad_w2", "v2 = 0.9 * v2 + grad_w2\n        w2 -= learning_rate * v2"),
    )
    code, text = compared(SCRIPT, "--optimizer", "SGD(momentum=0.9)", changes=changes)
    assert code == 0, text
    code, text = compared(SCRIPT, changes=changes)
    assert (code, "0.9 of the step before in it: momentum" in text) == (1, True)


def test_a_function_that_nothing_calls_needs_a_network(compared):
    code, text = compared(programs.TUTORIAL)
    assert code == 2
    assert "my_network.py: nothing calls train: call it at the end of the file, or give the network" in text
    code, text = compared(programs.TUTORIAL, "Linear(6, 7, bias=False), ReLU(), Linear(7, 3, bias=False)")
    assert code == 0, text
    assert (
        compared(programs.STUDENT, "Linear(6, 7), relu, Linear(7, 7), relu, Linear(7, 3)", "--loss", "MSELoss")[
            0
        ]
        == 0
    )


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
        ((("for _ in range(steps):", "if True:"),), (), "there is no training loop in it"),
        ((("import numpy", "import nunpy"),), (), "line 1: `import nunpy as np`: ModuleNotFoundError"),
        ((("(7, 3))\n", "(8, 3))\n"),), (), "no arrays make a network, x (N, d0), weights"),
        ((("(7, 3))\n", "(7, 3)).astype('float32')\n"),), (), "got w1 float64, w2 float32"),
        ((("steps=500", "steps=0"),), (), "the training loop was never reached"),
        ((("learning_rate", "speed"), ("w1 -= speed", "w1 -= w1"), ("w2 -= speed", "w2 -= w2")), (),
         "the learning rate cannot be read off my_network.py: give it with --lr"),
        ((), ("Linear(2, 3)",), "has no array of shape (2, 3) for 0.weight"),
        ((), ("Linear(6, 3)", "--activation", "tanh"), "--activation is for a network that is read off"),
        ((), ("--activation", "SquaredLoss"), "--activation expects a layer such as tanh, got SquaredLoss"),
        ((), ("--loss", "Nonsense"), "there is no Nonsense here"),
        ((), ("--plot", "both.docx"), "both.docx should end in one of"),
        ((), ("--steps", "0"), "expected a whole number, 1 or more, got '0'"),
    ],
)  # fmt: skip
def test_wrong_calls_and_wrong_forms_are_said(compared, changes, arguments, said):
    code, text = compared(SCRIPT, *arguments, changes=changes)
    assert said in text
    assert code == 2


def test_samples_as_columns_are_recognised_and_refused(compared):
    turned = """
import numpy as np
rng = np.random.default_rng(0)
X, Y, W = rng.standard_normal((4, 9)), rng.standard_normal((2, 9)), rng.standard_normal((2, 4))
for _ in range(9):
    W -= 0.01 * 2 * (W @ X - Y) @ X.T
"""
    code, text = compared(turned)
    assert (code, "it has samples as columns, W @ x; they have to be rows, x @ W" in text) == (2, True)


def test_an_error_in_the_program_is_exit_code_1(compared):
    code, text = compared(SCRIPT, changes=(("x.T.dot(grad_h)", "x.dot(grad_h)"),))
    assert code == 1
    assert "line 17: grad_w1 = x.dot(grad_h)\n    ValueError: shapes (16,6) and (16,7) not aligned" in text
    assert "it should make grad_w1, the gradient of the weight of layer 0, Linear(6, 7, bias=False):" in text


def test_the_help_describes_the_form(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    text = capsys.readouterr().out
    for part in ("a sample a row", "(in, out),", "names are free", "exit code is 0", "examples:"):
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
    assert "it is grad_h_relu unchanged: what comes between the two is left out" in run.stdout
    assert run.stderr == ""
