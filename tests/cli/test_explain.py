import matplotlib.image
import pytest

from minitorch_np.cli import explain
from minitorch_np.cli.shared import Parser

FILE = """
from minitorch_np import Activation

class Broken(Activation):
    def function(self, x):
        return x.nothing
    def derivative(self, x, y):
        return x
"""


def run(*arguments):
    parser = Parser(prog="minitorch-np")
    explain.add(parser.add_subparsers(parser_class=Parser))
    options = parser.parse_args(["explain", *arguments])
    return options.run(options)


def said(capsys, *arguments):
    assert run(*arguments) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_tutorials_network_with_its_names_and_numbers(capsys):
    text = said(capsys)
    assert "N = 64 samples, D_in = 1000 inputs, H = 100 hidden, D_out = 10 outputs" in text
    assert "'sum' added up: 3.15195e+07" in text  # the loss of the tutorial's first step
    assert "grad_w2 = h_reluᵀ grad_y_pred" in text
    assert "x = [[" not in text
    assert "N = 3 samples, D_in = 1000" in said(capsys, "--batch", "3")
    assert said(capsys, "--seed", "1") != text


def test_the_example_of_the_help_has_a_relu_that_masks(capsys):
    text = said(capsys, "Linear(3, 4), ReLU(), Linear(4, 1)", "--batch", "2", "--numbers")
    assert "h_relu = [[0.4171 0. 0.4158 0. ]" in text
    assert "grad_h[0, 1] = (-0.042)·0 = 0, as computed" in text


def test_a_network_of_ones_own_with_numbers_and_a_picture(capsys, tmp_path):
    path = tmp_path / "explain.png"
    network = "Linear(64, 32), GELU(), Linear(32, 10)"
    text = said(
        *(capsys, network, "--loss", "CrossEntropyLoss", "--batch", "6", "--numbers"), *("--plot", str(path))
    )
    assert "N = 6 samples, D_in = 64 inputs, H = 32 hidden, D_out = 10 classes" in text
    assert "(N, D_out), (N,) -> ()" in text
    assert "as computed" in text
    assert text.endswith(f"the picture is in {path}")
    assert matplotlib.image.imread(path).shape[1] > 1000


@pytest.mark.parametrize(
    ("network", "loss", "target"),
    [
        ("Linear(6, 3)", "MSELoss", "(N, D_out), (N, D_out)"),
        ("Linear(6, 3), LogSoftmax", "NLLLoss", "(N, D_out), (N,)"),
        ("Linear(6, 3), LogSoftmax", "KLDivLoss", "(N, D_out), (N, D_out)"),
        ("Linear(6, 3), sigmoid", "BCELoss", "(N, D_out), (N, D_out)"),
        ("Linear(6, 3)", "BCEWithLogitsLoss", "(N, D_out), (N, D_out)"),
    ],
)
def test_a_target_that_the_loss_takes(capsys, network, loss, target):
    assert f"{target} -> ()" in said(capsys, network, "--loss", loss)


def test_without_a_loss_and_other_shapes(capsys):
    text = said(capsys, "relu, Linear(7, 2)", "--loss", "none")
    assert "Without a loss grad_y_pred (N, D_out) is random" in text
    assert "N = 5 samples, D_in = 7 inputs" in text
    assert "N = 2 samples, d = 3, D_in = 7 inputs" in said(capsys, "Linear(7, 2)", "--shape", "2,3,7")
    assert "h = w1[x], the row of w1 at each index in x" in said(capsys, "Embedding(6, 3), Linear(3, 2)")
    assert "N = 2 samples, D_in = 1000 inputs" in said(capsys, "--shape", "2,1000")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Linear(4, 3), Linear(4, 3)"], r"Linear\(4, 3\) expects x of shape \(N, 4\), got \(5, 3\)"),
        (["Linear(4, "], "expected layers such as"),
        (["relu", "--loss", "relu"], "expected a loss such as SquaredLoss"),
        (["relu", "--plot", "explain.docx"], "should end in one of"),
        (["relu", "--shape", "2,3", "--batch", "2"], "give it or --batch"),
        (["Linear(4, 3)", "--loss", "BCELoss"], r"BCELoss\(\) accepts no target that could be drawn for it"),
        (["layers.py:Broken"], "the network fails: layers.py line 6: AttributeError"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(FILE)
    with pytest.raises(ValueError, match=message):
        run(*arguments)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["layers.py"]


def test_values_that_are_none(capsys):
    with pytest.raises(SystemExit):
        run("--batch", "0")
    assert "expected a whole number, 1 or more, got '0'" in capsys.readouterr().err
