import matplotlib.image
import pytest

from minitorch_np.cli import main

QUICK = ["--steps", "5", "--batch", "8", "--hidden", "6"]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_the_common_ones_and_two_pictures(capsys, tmp_path):
    assert main(["activations", *QUICK]) == 0
    out = capsys.readouterr().out
    names = [line.split()[0] for line in out.splitlines()[2:-2]]
    assert names == ["ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Softplus", "Tanh", "Sigmoid"]
    for name in ("functions", "losses"):
        assert matplotlib.image.imread(tmp_path / f"activation_{name}.png").shape[0] > 300


def test_every_network_starts_from_the_same_weights(capsys, tmp_path):
    """So two activations that agree on all numbers give the same losses."""
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom minitorch_np import Activation\n"
        "class Tangent(Activation):\n"
        "    def function(self, x):\n        return np.tanh(x)\n"
        "    def derivative(self, x, y):\n        return 1 - y * y\n"
    )
    assert main(["activations", "--only", "tanh, mine.py:Tangent,mine:Tangent", *QUICK, "--no-plot"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:-1]
    assert len(lines) == 2
    assert lines[0].split()[1:] == lines[1].split()[1:]
    assert list(tmp_path.glob("*.png")) == []


def test_one_of_functions_bears_its_name(capsys, tmp_path):
    text = "import numpy as np\nfrom minitorch_np import Activation\n"
    text += (
        "wave = Activation.of(np.sin, np.cos, name='Wave')\nsame = Activation.of(np.sin, np.cos, name='Wave')\n"
    )
    (tmp_path / "own.py").write_text(text)
    assert main(["activations", "--only", "own.py:wave, own.py:same", *QUICK, "--no-plot"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[0] == "Wave"
    assert lines[3].startswith("Activation.of(sin, cos, name='Wave')")


def test_all_and_arguments(capsys):
    assert main(["activations", "--only", "all", *QUICK, "--no-plot"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 21 + 1
    assert main(["activations", "--only", "leaky_relu(0.2), hardtanh(-2, 2), Threshold(0.5, 0)", *QUICK]) == 0
    out = capsys.readouterr().out
    for name in ("LeakyReLU(negative_slope=0.2)", "Hardtanh(min_val=-2, max_val=2)", "Threshold(0.5, 0)"):
        assert name in out


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("relu,nonsense", "there is no nonsense here"),
        ("softmax", "softmax is not an Activation"),
        ("relu,", "expected a name, or a call"),
        ("missing.py:A", "there is no file missing.py"),
    ],
)
def test_wrong_names(capsys, only, said):
    assert main(["activations", "--only", only, *QUICK]) == 2
    assert said in capsys.readouterr().err


def test_who_learns_slowly_is_said_and_a_picture_that_is_replaced(capsys):
    assert main(["activations", "--only", "relu,sigmoid", *QUICK]) == 0
    first = capsys.readouterr().out
    assert "still above 1% of the first loss: ReLU, Sigmoid;" in first
    assert "in place of" not in first
    assert main(["activations", "--only", "relu,sigmoid", *QUICK]) == 0
    assert capsys.readouterr().out.count("(in place of the one that was there)") == 2
