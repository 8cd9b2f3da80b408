import re

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.serialization import parse as networks


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("Linear(64, 32), GELU(), Linear(32, 10)", "Sequential(Linear(64, 32), GELU(), Linear(32, 10))"),
        ("Linear(3, 2, bias=False), relu,", "Sequential(Linear(3, 2, bias=False), ReLU())"),
        ("leaky_relu(-0.5)", "Sequential(LeakyReLU(negative_slope=-0.5))"),
        ("Sequential(Linear(3, 2), Tanh())", "Sequential(Linear(3, 2), Tanh())"),
        ("Sequential([Tanh(), ReLU()]), GELU('tanh')", None),
        (
            "Residual(Sequential(Linear(3, 3), relu), shortcut=Linear(3, 3))",
            "Sequential(Residual(Sequential(Linear(3, 3), ReLU()), shortcut=Linear(3, 3)))",
        ),
        (
            "Parallel([Linear(3, 2), tanh], combine='concatenate')",
            "Sequential(Parallel(Linear(3, 2), Tanh(), combine='concatenate'))",
        ),
        (
            "Sequential({'body': Sequential(Tanh()), 'head': Linear(2, 1)})",
            "Sequential({'body': Sequential(Tanh()), 'head': Linear(2, 1)})",
        ),
    ],
)
def test_a_network_from_its_text(text, built):
    model = networks.network(text)
    assert isinstance(model, mt.Sequential)
    assert repr(model) == (built or "Sequential(Sequential(Tanh(), ReLU()), GELU(approximate='tanh'))")


def test_the_seed_decides_the_weights():
    text = "Linear(3, 2), Sequential(Linear(2, 2))"
    weights = [list(networks.network(text, rng=seed).state_dict().values()) for seed in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_layers_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_layers.py").write_text(
        "from minitorch_np import Activation\n"
        "class Twice(Activation):\n"
        "    def __init__(self, times=2):\n        self.times = times\n"
        "    def function(self, x):\n        return self.times * x\n"
        "    def derivative(self, x, y):\n        return self.times + 0 * x\n"
    )
    model = networks.network("Linear(3, 3), my_layers.py:Twice, my_layers.py:Twice(5)")
    assert repr(model) == "Sequential(Linear(3, 3), Twice(), Twice(times=5))"


@pytest.mark.parametrize(
    ("given", "built"),
    [
        ("64, relu, 8", "Sequential(Linear(5, 64), ReLU(), Linear(64, 8), Linear(8, 3))"),
        ("", "Sequential(Linear(5, 3))"),
        ([], "Sequential(Linear(5, 3))"),
        ("standardize, 4, glu", "Sequential(Standardize(5), Linear(5, 4), GLU(), Linear(2, 3))"),
        (
            "5, Sequential(Linear(5, 2)), 4",
            "Sequential(Linear(5, 5), Sequential(Linear(5, 2)), Linear(2, 4), Linear(4, 3))",
        ),
        ("Linear(5, 2), relu, Linear(2, 3)", "Sequential(Linear(5, 2), ReLU(), Linear(2, 3))"),
        (
            [4, "relu", mt.GELU, mt.Linear(4, 2)],
            "Sequential(Linear(5, 4), ReLU(), GELU(), Linear(4, 2), Linear(2, 3))",
        ),
        (mt.Sequential(mt.Tanh(), mt.Linear(5, 3)), "Sequential(Tanh(), Linear(5, 3))"),
    ],
)
def test_a_network_from_its_hidden_layers(given, built):
    text = repr(networks.network(given, inputs=5, outputs=3))
    assert " ".join(text.split()).replace("( ", "(").replace(", )", ")") == built


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("64, relu,, 3", "or hidden layers such as 64, relu, 64, relu"),
        ("64, 0", "a layer has one output or more, got 0"),
        ("64, -3", "expected a name, or a call"),
        ("64, 2.5", "a network is made of layers, their names and sizes"),
        ([64, True], "their names and sizes, such as 64, relu, 64, relu, got True"),
        ("relu", "expected a network with 3 outputs, got 'relu' with 5: end it with Linear(5, 3)"),
        ("7, Linear(8, 9)", "Linear(8, 9) does not fit behind 7 outputs"),
        ("64, Linear", "give its arguments, Linear(in_features, out_features)"),
        ("64, rellu", "there is no rellu here; did you mean ReLU?"),
        ([64, mt.MSELoss], "a network is made of layers, and MSELoss is MSELoss()"),
    ],
)
def test_hidden_layers_that_do_not_fit_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        networks.network(given, inputs=5, outputs=3)


def test_hidden_layers_need_the_sizes_around_them():
    with pytest.raises(ValueError, match=re.escape("expected layers such as Linear(64, 32)")):
        networks.network("64, relu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected layers such as Linear(64, 32), ReLU()"),
        ("Linear(3", "expected layers such as"),
        ("Linear(3, 2) + ReLU()", "expected a name, or a call with literal arguments"),
        ("Linear(3, two())", "there is no two here"),
        ("Linear(3, 1 + 1)", "expected a literal as an argument, such as 3 or (4, 3), got 1 + 1"),
        ("Residual(Liner(3, 3))", "there is no Liner here; did you mean Linear?"),
        ("Linear", "Linear cannot be made: TypeError"),
        ("Linear(3, 0)", "Linear expects out_features to be a whole number, 1 or more, got 0"),
        ("Dense(3, 2)", "there is no Dense here"),
        ("MSELoss()", "a network is made of layers, and MSELoss() is MSELoss()"),
        ("missing.py:Dense(3, 2)", "there is no file missing.py"),
        ("__import__('os').system('ls')", "expected a name, or a call with literal arguments"),
    ],
)
def test_what_makes_no_network_is_named(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        networks.network(text)


def test_losses_and_optimizers():
    assert repr(networks.loss("cross_entropy_loss")) == "CrossEntropyLoss()"
    assert repr(networks.loss("HuberLoss(delta=2.0)")) == "HuberLoss(delta=2.0)"
    assert repr(networks.loss("mse")) == "MSELoss()"
    assert repr(networks.loss("smooth_l1(beta=2.0)")) == "SmoothL1Loss(beta=2.0)"
    with pytest.raises(ValueError, match=re.escape("expected a loss such as SquaredLoss, got ReLU")):
        networks.loss("ReLU")
    model = mt.Linear(3, 2)
    made = networks.optimizer("SGD(momentum=0.9)", model.parameters(), lr=0.5)
    assert made.param_groups[0]["momentum"] == 0.9
    assert made.param_groups[0]["lr"] == 0.5
    assert isinstance(networks.optimizer("adamw", model.parameters()), mt.AdamW)
    assert networks.optimizer("Adam(lr=0.1)", model.parameters(), lr=0.5).param_groups[0]["lr"] == 0.1
    for text, message in (
        ("Sdg", "there is no optimizer Sdg; did you mean SGD? there is SGD, Adadelta"),
        ("Optimizer", "there is no optimizer Optimizer"),
        ("SGD(nesterov=True)", "SGD with nesterov=True expects momentum above 0"),
        ("SGD(speed=1)", "unexpected keyword argument 'speed'"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            networks.optimizer(text, model.parameters())
