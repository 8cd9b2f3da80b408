"""`check` on what others write, one at a time and by the folder."""

import csv
import json
import subprocess
import sys
from io import StringIO

import pytest
from handin_mistakes import CALLS, FOLDER

from minitorch_np.cli import check as command
from minitorch_np.cli import main

RIGHT = (FOLDER / "affine.py").read_text()
CALL = CALLS["affine"]
WRONG = RIGHT.replace("np.sum(dout, axis=0)", "np.sum(dout, axis=1)")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    monkeypatch.setattr(command, "call_apart", lambda function, *arguments, **_: function(*arguments))


def check(capsys, *arguments):
    try:
        code = main(["check", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def written(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_wrong_one_with_its_line(capsys, tmp_path):
    file = written(tmp_path, one=WRONG) / "one.py"
    code, text = check(capsys, f"{file}:{CALL}")
    assert code == 1
    assert text.startswith("Affine(W=(4, 3), b=(3,)), x of shape (5, 4), normal\n  right  x, ")
    assert "it is dy summed over axis 1: the sum belongs over axis 0" in text
    assert "line 20: self.db = np.sum(dout, axis=1)\n    right:   self.db = np.sum(dout, axis=0)" in text


def test_a_right_one_with_another_forward_pass(capsys, tmp_path):
    text = "class Relu:\n    def forward(self, x):\n        self.x = x\n        return 1.5 * x * (x > 0)\n\n"
    text += "    def backward(self, dy):\n        return 1.5 * dy * (self.x > 0)\n"
    file = written(tmp_path, relu=text) / "relu.py"
    assert check(capsys, f"{file}:Relu")[0] == 0
    code, said = check(capsys, f"{file}:Relu", "--like", "ReLU")
    assert code == 1
    assert "it is 1.5 times that" in said
    assert "Relu() has a right gradient of another function than ReLU" in said
    assert check(capsys, f"{file}:Relu", "--like", "Relo")[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "x.var(axis=0)",
            "x.var(axis=0, ddof=1)",
            "divides by N − 1 where N belongs in the variance along axis 0",
        ),
        (
            "np.sqrt(x.var(axis=0) + 1e-5)",
            "(x.var(axis=0) + 1e-5)",
            "the variance where the standard deviation",
        ),
    ],
)
def test_mistakes_of_the_forward_pass(capsys, tmp_path, old, new, said):
    text = (FOLDER / "own_batchnorm.py").read_text()
    assert old in text
    file = written(tmp_path, norm=text.replace(old, new)) / "norm.py"
    code, text = check(capsys, f"{file}:MyBatchNorm(4)", "--like", "BatchNorm1d(4)")
    assert code == 1
    assert said in text


def test_sizes_that_are_missing_or_wrong_are_asked_for(capsys):
    file = FOLDER / "conv_functions.py"
    code, text = check(capsys, f"{file}:conv_forward_naive")
    assert code == 2
    assert "needs the sizes of its arguments, as in conv_forward_naive(x=(5, 4), w=(4, 3), b=(3,)" in text
    assert check(capsys, f"{file}:nothing")[1].endswith("it has conv_forward_naive, conv_backward_naive\n")
    code, text = check(capsys, f"{FOLDER / 'affine_functions.py'}:affine_forward(x=(4, 3), w=(2, 5), b=(5,))")
    assert code == 1
    assert "fails: affine_functions.py line 5: ValueError" in text
    code, text = check(capsys, f"{FOLDER / 'affine_functions.py'}:affine_forward(x=(4, 3), v=(2, 5))")
    assert code == 2


def test_what_works_once_or_on_one_shape_is_said(capsys, tmp_path):
    text = (
        "class A:\n    done = False\n\n    def forward(self, x):\n        self.x = x\n        return x * x\n\n"
    )
    text += "    def backward(self, dy):\n        {}\n        return 2 * self.x * dy\n"
    once = "if self.done:\n            raise RuntimeError('again')\n        self.done = True"
    written(tmp_path, once=text.format(once), shape=text.format("dy = dy.reshape(5, 4)"))
    assert (
        "it works once only: at the next call RuntimeError: again" in check(capsys, f"{tmp_path}/once.py:A")[1]
    )
    assert "with a batch of one it fails, and forward does not" in check(capsys, f"{tmp_path}/shape.py:A")[1]


def test_a_weight_without_a_gradient_is_wrong(capsys, tmp_path):
    text = RIGHT.replace("self.db = np.sum", "unused = np.sum").replace("        self.db = None\n", "")
    code, said = check(capsys, f"{written(tmp_path, one=text)}/one.py:{CALL}")
    assert code == 1
    assert "b: y depends on it, and no gradient of it was found" in said


FOREVER = "while True:\n    pass\n"
BAD = {
    "ends": "import os\nos._exit(0)\n",
    "exits": "exit()\n",
    "asks": "input()\n",
    "broken": "x = 1 +\n",
    "huge": "import numpy as np\nx = np.zeros((10**6, 10**6))\n",
    "other": RIGHT.replace("Affine", "Dense"),
    "prints": RIGHT + "\nprint('x' * 100000)\n",
}


def test_a_folder_is_a_table_and_whatever_one_does_the_others_have_their_rows(capsys, tmp_path):
    written(tmp_path, right=RIGHT, wrong=WRONG, **BAD)
    code, text = check(capsys, f"{tmp_path}/*.py:{CALL}", "--timeout", "60", "--json")
    assert code == 1
    rows = {row["file"].removesuffix(".py"): row for row in json.loads(text)}
    assert rows.keys() == {"right", "wrong", *BAD}
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    assert verdicts == dict.fromkeys(BAD, "fails") | {"right": "right", "wrong": "wrong", "prints": "right"}
    assert (rows["right"]["points"], rows["wrong"]["points"], rows["wrong"]["of"]) == (4, 3, 4)
    assert rows["wrong"]["gradients"] == {"x": "right", "W": "right", "b": "wrong"}
    assert rows["wrong"]["cause"].startswith("b: it is dy summed over axis 1")
    causes = {
        "ends": "ended with code 0",
        "exits": "SystemExit",
        "asks": "EOFError",
        "broken": "broken.py line 1: SyntaxError",
        "huge": "MemoryError",
        "other": "has no Affine; it has Dense",
    }
    for name, cause in causes.items():
        assert cause in rows[name]["cause"], name


def test_one_that_does_not_end_is_stopped_and_has_its_row(capsys, tmp_path):
    written(tmp_path, forever=FOREVER, ends=BAD["ends"])
    code, text = check(capsys, f"{tmp_path}/*.py:{CALL}", "--timeout", "1", "--json")
    ends, forever = json.loads(text)
    assert code == 1
    assert "ended with code 0" in ends["cause"]
    assert "it was stopped after 1 seconds" in forever["cause"]


def test_forms_of_the_table(capsys, tmp_path):
    written(tmp_path, right=RIGHT, wrong=WRONG)
    code, text = check(capsys, f"{tmp_path}:{CALL}")
    lines = text.splitlines()
    assert code == 1
    assert lines[0].split("  ")[0] == CALL
    assert lines[1].split() == ["right.py", "right", "4/4", "1", "1", "1", "1"]
    assert lines[2].split()[:7] == ["wrong.py", "wrong", "3/4", "1", "1", "1", "0"]
    assert lines[3] == "1 of 2 are right"
    code, text = check(capsys, f"{tmp_path}/right.py:{CALL}", "--csv")
    (row,) = csv.DictReader(StringIO(text))
    assert code == 0
    assert (row["verdict"], row["points"], row["gradient of b"]) == ("right", "4", "right")
    assert check(capsys, f"{tmp_path}/none*.py:{CALL}") == (
        2,
        f"minitorch-np: there is no file {tmp_path}/none*.py\n",
    )


@pytest.mark.slow
def test_thirty_have_their_rows_where_one_does_not_end(tmp_path):
    written(tmp_path, **{f"right{i}": RIGHT for i in range(14)}, **{f"wrong{i}": WRONG for i in range(15)})
    written(tmp_path, forever=FOREVER)
    arguments = [sys.executable, "-m", "minitorch_np", "check", f"{tmp_path}/*.py:{CALL}"]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
    assert run.stdout.endswith("14 of 30 are right\n")


def test_forward_is_compared_with_what_is_here_by_sizes_and_weights(capsys):
    for name, like in (
        ("affine_functions", "Linear"),
        ("conv_by_correlation", "Conv2d(2, 3, 3, bias=False)"),
        ("own_batchnorm", "BatchNorm1d"),
        ("softmax_with_loss", "CrossEntropyLoss"),
    ):
        code, said = check(capsys, f"{FOLDER / name}.py:{CALLS[name]}", "--like", like)
        assert code == 0, said
    code, said = check(capsys, f"{FOLDER / 'tanh_layer.py'}:TanhLayer", "--like", "Sigmoid")
    assert code == 1
    assert "TanhLayer() has a right gradient of another function than Sigmoid" in said


DROPOUT = """
import numpy as np
class Dropout:
    def __init__(self, p=0.5):
        self.p = p
        self.training = True
    def forward(self, x, train_flg=True):
        if train_flg and self.training:
            self.mask = np.random.rand(*x.shape) > self.p
            return x * self.mask / (1 - self.p)
        return x
    def backward(self, dout):
        return dout * self.mask / (1 - self.p)
"""


def test_a_dropout_is_not_scolded_for_its_mask_in_evaluation_mode(capsys, tmp_path):
    (tmp_path / "dropout.py").write_text(DROPOUT)
    assert main(["check", f"{tmp_path}/dropout.py:Dropout(0.3)"]) == 0
    assert "also:" not in capsys.readouterr().out


def test_masks_are_compared_by_what_they_keep(capsys, tmp_path):
    (tmp_path / "dropout.py").write_text(DROPOUT)
    call = f"{tmp_path}/dropout.py:Dropout(0.3)"
    assert main(["check", call, "--like", "Dropout(0.3)"]) == 0
    capsys.readouterr()
    (tmp_path / "dropout.py").write_text(DROPOUT.replace(" / (1 - self.p)", ""))
    assert main(["check", call, "--like", "Dropout(0.3)"]) == 1
    assert "what it keeps is 1 times x, what Dropout(0.3) keeps 1.429 times" in capsys.readouterr().out


DENSE = """
import numpy as np
class Dense:
    def __init__(self, n, m):
        self.W, self.b = np.random.randn(n, m), np.zeros(m)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" + self.b", "", "y does not depend on it here: does forward use it?"),
        (
            "        return dout @",
            "        self.W -= 0.1 * self.dW\n        return dout @",
            "backward changes W: an update",
        ),
        ("dout.sum(axis=0)", "np.summ(dout, axis=0)", "dense.py line 11: AttributeError"),
        ("@ self.W.T", "@ self.W", "(is a .T missing or too much?)"),
    ],
)
def test_causes_that_are_no_formula(capsys, tmp_path, old, new, said):
    (tmp_path / "dense.py").write_text(DENSE.replace(old, new))
    assert main(["check", f"{tmp_path}/dense.py:Dense(4, 3)"]) == 1
    assert said in capsys.readouterr().out
