"""Agreement with torch: with committed values, and live where torch is installed."""

import re
from collections import defaultdict
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from reference.make import AREAS, HERE, values

MODULES = {area: import_module(f"reference.{area}") for area in AREAS}
SOURCES = ["committed", "live"] if find_spec("torch") else ["committed"]
TOLERANCES = {"float64": (1e-9, 1e-12), "float32": (1e-5, 1e-6)}


@cache
def expected(area, source):
    """The arrays of each case and dtype by their names."""
    if source == "live":
        arrays = values(area)
    else:
        with np.load(HERE / f"{area}.npz") as file:
            arrays = dict(file)
    found = defaultdict(dict)
    for key, array in arrays.items():
        name, dtype, what = re.split(r"/(float64|float32)/", key, maxsplit=1)
        found[name, dtype][what] = array
    return found


NAMES = [(area, name) for area in AREAS for name in MODULES[area].CASES]
LONG = [("language_model", "norm first", "float32"), ("language_model", "norm last", "float64")]
CASES = [
    pytest.param(*name, dtype, marks=[pytest.mark.slow] if (*name, dtype) in LONG else [])
    for dtype in TOLERANCES
    for name in NAMES
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("area", "name", "dtype"), CASES)
def test_agreement(area, name, dtype, source):
    module, arrays = MODULES[area], expected(area, source)[name, dtype]
    result = module.run_ours(module.CASES[name], dtype)
    assert result.keys() == arrays.keys() != set()
    rtol, atol = getattr(module, "TOLERANCES", TOLERANCES)[dtype]
    rtol = max(rtol, getattr(module, "LOOSE", {}).get(name, 0))
    for key, array in arrays.items():
        assert np.shape(result[key]) == array.shape, key
        largest = np.abs(array[np.isfinite(array)]).max(initial=1)
        np.testing.assert_allclose(result[key], array, rtol=rtol, atol=atol * largest, err_msg=key)


def test_the_training_cases_train():
    losses = {
        name: expected("training", "committed")[name, "float64"]["losses"] for name in MODULES["training"].CASES
    }
    falls = {name for name, values in losses.items() if values[-1] < 0.9 * values[0]}
    assert {"plain", "no bias", "mean", "momentum", "dampening", "nesterov", "weight decay"} <= falls


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
        ("Adam", {"lr": 0.1, "amsgrad": True}),
        ("AdamW", {}),
        ("RMSprop", {"momentum": 0.9, "centered": True}),
        ("Adagrad", {}),
        ("Adadelta", {}),
        ("NAdam", {}),
        ("RAdam", {}),
    ],
)
def test_an_optimizer_goes_on_from_the_state_of_torchs(name, options):
    import torch

    import minitorch_np as mt

    theirs = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)).double()
    model = mt.Sequential(mt.Linear(2, 2), mt.Linear(2, 1))
    their_optimizer = getattr(torch.optim, name)(theirs.parameters(), **options)
    optimizer = getattr(mt.optimizers, name)(model.parameters(), **options)
    x, loss = torch.randn(5, 2, dtype=torch.float64), mt.SquaredLoss()

    def their_step():
        their_optimizer.zero_grad()
        theirs(x).square().sum().backward()
        their_optimizer.step()

    for _ in range(7):
        their_step()
    model.load_state_dict(theirs.state_dict(), layout="torch")
    optimizer.load_state_dict(their_optimizer.state_dict(), layout="torch")
    for _ in range(5):
        their_step()
        y = model(x.numpy())
        loss(y, np.zeros_like(y))
        model.backward(loss.backward())
        optimizer.step()
    for parameter, their in zip(model.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(parameter.data, their.detach().numpy().T, rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
def test_a_convolutional_network_goes_on_from_the_state_of_torchs():
    import torch

    import minitorch_np as mt

    nn, x = torch.nn, torch.randn(5, 2, 8, 8, dtype=torch.float64)
    layers = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    theirs = nn.Sequential(*layers).double()
    for _ in range(3):
        theirs(x)  # moves the running statistics
    model = mt.Sequential(
        mt.Conv2d(2, 4, 3), mt.BatchNorm2d(4), mt.ReLU(), mt.MaxPool2d(2), mt.Flatten(), mt.Linear(36, 3)
    )
    model.load_state_dict(theirs.state_dict(), layout="torch")
    np.testing.assert_allclose(model(x.numpy()), theirs(x).detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        model.eval()(x.numpy()), theirs.eval()(x).detach().numpy(), rtol=1e-9, atol=1e-12
    )


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_recurrent_network_goes_on_from_the_state_of_torchs(name):
    import torch

    import minitorch_np as mt

    theirs = getattr(torch.nn, name)(4, 6, 2, batch_first=True, bidirectional=True).double()
    layer, x = getattr(mt, name)(4, 6, 2, bidirectional=True), torch.randn(3, 7, 4, dtype=torch.float64)
    assert list(layer.state_dict()) == list(theirs.state_dict())
    layer.load_state_dict(theirs.state_dict(), layout="torch")
    np.testing.assert_allclose(layer(x.numpy()), theirs(x)[0].detach().numpy(), rtol=1e-9, atol=1e-12)
    theirs.load_state_dict({key: torch.from_numpy(array) for key, array in layer.state_dict().items()})


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_goes_on_from_the_state_of_torchs(norm_first):
    import torch

    import minitorch_np as mt

    x = torch.randn(3, 5, 8, dtype=torch.float64)
    made = (
        torch.nn.TransformerEncoderLayer(8, 2, 12, norm_first=norm_first, batch_first=True) for _ in range(2)
    )
    theirs = torch.nn.Sequential(*made).double().eval()
    model = mt.Sequential(
        *[mt.TransformerEncoderLayer(8, 2, 12, norm_first=norm_first) for _ in range(2)]
    ).eval()
    model.load_state_dict(theirs.state_dict(), layout="torch")
    np.testing.assert_allclose(model(x.numpy()), theirs(x).detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
def test_the_forward_pass_of_a_hand_in_is_compared_with_torchs():
    from handin_mistakes import CALLS, FOLDER

    from minitorch_np.study.marking import Options, mark

    for name, like in {
        "affine": "torch.nn.Linear",
        "relu": "torch.relu",
        "convolution": "torch.nn.Conv2d(2, 3, 3, padding=1)",
        "layernorm": "LayerNorm(4)",
        "softmax_function": "torch.nn.functional.cross_entropy",
        "leaky": "torch.nn.LeakyReLU(0.1)",
    }.items():
        found = mark(f"{FOLDER / name}.py:{CALLS[name]}", Options(like=like))
        assert found.verdict == "right", found.text
    found = mark(f"{FOLDER / 'leaky'}.py:{CALLS['leaky']}", Options(like="torch.nn.LeakyReLU(0.2)"))
    assert found.verdict == "wrong"
    assert "a right gradient of another function than torch.nn.LeakyReLU(0.2)" in found.text
