"""Programs of all kinds, run with the recorder."""

import os
import random
import re
import sys
import textwrap
import warnings

import numpy as np
import pytest

from minitorch_np import tutorial
from minitorch_np.study.byhand.recording import ProgramSource, record, time_steps

START = """\
import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.standard_normal((5, 4)), rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
"""
BODY = """\
d = x @ w - y
g = x.T @ d
w -= 0.01 * g
"""


def loop(head, body=BODY, before=START, after=""):
    """A script with a training loop."""
    return f"{before}{head}\n{textwrap.indent(body, '    ')}{after}"


@pytest.fixture
def run(tmp_path):
    """Record a script."""

    def recorded(text, steps=3, **arguments):
        path = tmp_path / "program.py"
        path.write_text(text)
        return record(ProgramSource.of(path), steps, **arguments)

    return recorded


def names(recording, step=0):
    return [event.name for event in recording.events[step]]


def test_every_statement_is_recorded_with_its_line_and_a_copy():
    start = tutorial.problem(8, 6, inputs=5, outputs=3)
    arguments = {**start._asdict(), "w1": start.w1.copy(), "w2": start.w2.copy(), "steps": 3}
    source = ProgramSource.of(tutorial.handwritten)
    recording = record(source, 3, arguments)
    assert recording.program_error is None
    assert recording.steps == 3
    lines = "h h_relu y_pred losses[-1] grad_y_pred grad_w2 grad_h_relu grad_h grad_h grad_w1 w1 w2"
    assert names(recording) == names(recording, 2) == lines.split()
    for line, name, _ in recording.events[0]:
        assert recording.program.line(line).startswith(name.removesuffix("[-1]"))
    losses, _, _ = tutorial.handwritten(start.x, start.y, start.w1.copy(), start.w2.copy(), 3)
    values = [{name: value for _, name, value in events} for events in recording.events]
    assert [float(step["losses[-1]"]) for step in values] == losses
    assert (recording.before[0]["w1"] == start.w1).all()
    for step in range(3):
        moved = recording.before[step]["w1"] - 1e-6 * values[step]["grad_w1"]
        assert (moved == values[step]["w1"]).all()
        assert (values[step]["w1"] == recording.before[step + 1]["w1"]).all()
    before_the_mask, after = (value for _, name, value in recording.events[0] if name == "grad_h")
    assert (before_the_mask[values[0]["h"] < 0] != 0).all()
    assert (after[values[0]["h"] < 0] == 0).all()


@pytest.mark.parametrize("head", ["for step in range(500):", "while True:", "for _ in iter(int, 1):"])
def test_it_stops_after_the_steps(run, head):
    recording = run(loop(head, after="raise ValueError('never reached')\n"))
    assert (recording.steps, recording.program_error) == (3, None)
    assert [names(recording, step) for step in range(3)] == [["d", "g", "w"]] * 3


def test_an_except_of_its_own_does_not_catch_the_end(run):
    body = f"try:\n{textwrap.indent(BODY, '    ')}except Exception:\n    pass\n"
    assert run(loop("while True:", body)).steps == 3


def test_a_program_that_ends_sooner(run):
    recording = run(loop("for step in range(2):"), 20)
    assert (recording.steps, len(recording.before)) == (2, 3)
    recording = run(loop("for step in range(20):", f"{BODY}if step == 1:\n    break\n"), 20)
    assert recording.steps == 2


def test_epochs_and_batches(run):
    batches = f"for i in (0, 3):\n    x, y = X[i:i+3], Y[i:i+3]\n{textwrap.indent(BODY, '    ')}"
    start = START.replace("x, y, w =", "X, Y, w =")
    recording = run(loop("for epoch in range(9):", f"order = 1\n{batches}print(epoch)\n", start), 5)
    assert recording.steps == 5
    assert [len(events[0].value) for events in recording.events] == [3, 2, 3, 2, 3]
    for step, events in enumerate(recording.events):
        assert (events[-1].value == recording.before[step + 1]["w"]).all()


def test_a_loop_over_layers_is_part_of_a_step(run):
    body = "a = [x]\nfor W in Ws:\n    a.append(a[-1] @ W)\nd = a[-1] - 1\n"
    body += "for i in (1, 0):\n    g = a[i].T @ d\n    d = d @ Ws[i].T\n    Ws[i] -= 0.01 * g\n"
    recording = run(
        loop("while True:", body, "import numpy as np\nx = np.ones((3, 2))\nWs = [np.eye(2)] * 2\n")
    )
    assert recording.steps == 3
    assert names(recording).count("g") == 2


def test_functions_containers_and_other_names_for_one_array(run):
    text = """
import numpy as np
class Net:
    def __init__(self):
        self.w = np.ones((4, 4))
net, params, grads, weights, history = Net(), {"b": np.zeros(4)}, {}, [np.ones((4, 4))], np.zeros(9)
x = np.arange(8.0).reshape(2, 4)
def forward(x):
    h = x @ net.w
    return h @ weights[0] + params["b"]
def update(p, g):
    p -= 0.1 * g
for t in range(9):
    out = forward(x)
    history[t] = out.sum()
    grads["b"] = out.sum(axis=0)
    for p, g in zip([params["b"]], [grads["b"]]):
        p -= 0.1 * g
    update(weights[0], x.T @ out)
    net.w -= 0.1 * x.T @ out
"""
    recording = run(text)
    assert recording.program_error is None
    assert [(event.line, event.name) for event in recording.events[0]] == [
        (9, "h"),
        (14, "out"),
        (15, "history"),
        (15, "history[step]"),
        (16, "grads['b']"),
        (18, "p"),
        (18, "params['b']"),
        (12, "p"),
        (12, "weights[0]"),
        (20, "net.w"),
    ]


def test_what_the_program_prints_draws_and_changes_stays_there(run, capsys):
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()\n"
    noise = "np.random.seed(1); import random, sys, warnings\nrandom.seed(1)\nsys.path.append('nowhere')\n"
    noise += "print('hello'); print('there', file=sys.stderr); warnings.warn('look')\n"
    path, state = list(sys.path), random.getstate()
    numbers = np.random.get_state()[1].tolist()  # noqa: NPY002
    backend = os.environ.get("MPLBACKEND")
    with warnings.catch_warnings(action="error"):
        recording = run(loop("for step in range(9):", BODY, START + noise + draw))
    assert recording.program_error is None
    assert capsys.readouterr() == ("", "")
    assert (path, state) == (sys.path, random.getstate())
    assert np.random.get_state()[1].tolist() == numbers  # noqa: NPY002
    assert os.environ.get("MPLBACKEND") == backend
    assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_it_runs_as_a_script_beside_its_files(run, tmp_path):
    (tmp_path / "beside_it.py").write_text("RATE = 0.01\n")
    main = "if __name__ == '__main__':\n    import sys\n    from beside_it import RATE\n"
    main += "    assert sys.argv == [__file__]\n"
    recording = run(START + main + textwrap.indent(loop("for step in range(9):", before=""), "    "))
    assert (recording.steps, recording.program_error) == (3, None)


ENDS = {
    "a wrong product": ("for i in range(9):", BODY.replace("x.T", "x"), 0, 6, "where x (5, 4), d (5, 3)"),
    "an error": ("for i in range(9):", f"{BODY}assert i < 1\n", 1, 8, "AssertionError"),
    "an exit": (
        "for i in range(9):",
        f"{BODY}if i == 1:\n    raise SystemExit\n",
        1,
        9,
        "itself with sys.exit",
    ),
    "a question": ("for i in range(9):", f"{BODY}input('go on?')\n", 0, 8, "there is no keyboard here"),
    "a missing file": ("open('a.csv')\nwhile 1:", BODY, -1, 4, "a.csv': paths start in the working directory"),
    "an endless loop": ("for i in range(9):", f"{BODY}while True:\n    i += 1\n", 0, 9, "has run 100000 times"),
}


@pytest.mark.parametrize(("head", "body", "steps", "line", "said"), ENDS.values(), ids=ENDS)
def test_what_ends_a_program_is_said_with_its_line(run, head, body, steps, line, said):
    text = loop(head, body)
    recording = run(text)
    assert len(recording.before) == steps + 1
    assert recording.program_error.line == line
    assert recording.program_error.text == text.splitlines()[line - 1].strip()
    assert said in str(recording.program_error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nfor i in range(3)\n    x += i\n", "program.py line 2: expected ':': for i in range(3)"),
        ("x = 1\n", "there is no training loop in it\nit has no loop at all"),
        (
            loop("for i in range(3):", "z = x @ w\n"),
            "line 4: `for i in range(3):` has no update such as `w1 -= ",
        ),
        (
            "for i in range(3):\n    x = x - 1.5 * x\n",
            "line 1: `for i in range(3):` has no matrix product in it",
        ),
    ],
)
def test_what_is_no_training_program_is_said_line_by_line(run, text, said):
    with pytest.raises(ValueError, match=r"program\.py") as raised:
        run(text)
    assert said in str(raised.value)


def test_a_function_with_what_it_sees():
    rate = 0.01

    def train(x, y, w):
        for _ in range(5):
            w -= rate * helper(x).T @ (x @ w - y)

    def helper(x):
        return x

    x, y, w = np.ones((5, 4)), np.ones((5, 3)), np.ones((4, 3))
    recording = record(ProgramSource.of(train), 9, {"x": x, "y": y, "w": w})
    assert (recording.steps, recording.program_error) == (5, None)
    assert names(recording) == ["w"]


def _no_loop(x):
    return x


@pytest.mark.parametrize(
    ("against", "said"),
    [
        (_no_loop, "_no_loop in test_recording.py: there is no training loop in it"),
        (eval("lambda x: x"), "the source of <lambda> cannot be found: define it in a file"),
        ("missing.py", "there is no file missing.py: a program is given as the path of a .py file"),
        ("w = 1\nfor", "there is no file w = 1: a program is given as the path of a .py file"),
    ],
)
def test_what_is_no_source(against, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        record(ProgramSource.of(against), 1)


def test_times_are_of_the_steps_alone_and_take_turns(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(loop("while True:", f"{BODY}time.sleep(0.002)\n", f"{START}import time\n"))
    calls = []
    times = time_steps(ProgramSource.of(path), 5, None, lambda: calls.append(1))
    assert (len(times), len(calls)) == (5, 5)
    assert all(0.002 <= seconds < 1 for seconds in times)
