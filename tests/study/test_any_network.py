"""Random networks, written out and run by themselves, compute the layers' bits."""

import copy
import itertools
import warnings

import numpy as np
import pytest
from alone import layered, run_alone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table.authored import (
    Branched,
    Centre,
    Gated,
    Halved,
    Hat,
    InPlace,
    Jumpy,
    Lion,
    Masked,
    Series,
    Swish,
    Warming,
)
from table.layers import ACTIVATIONS
from table.optimizers import OPTIMIZERS

import minitorch_np as mt
from minitorch_np.study.handwritten import write

STEPS = 20
SIZES = st.integers(1, 6)
AUTHORED = {
    "Swish": Swish,
    "Hat": Hat,
    "Series": Series,
    "Jumpy": Jumpy,
    "of": lambda: mt.Activation.of(np.sin, np.cos),
    "of lambdas": lambda: mt.Activation.of(lambda x: x * x, lambda x: 2 * x, name="square"),
}
LOSSES = {
    "SquaredLoss": (mt.SquaredLoss, "numbers"),
    "MSELoss": (mt.MSELoss, "numbers"),
    "L1Loss": (mt.L1Loss, "numbers"),
    "HuberLoss": (lambda: mt.HuberLoss("sum", 0.7), "numbers"),
    "SmoothL1Loss": (lambda: mt.SmoothL1Loss(beta=0.3), "numbers"),
    "CrossEntropyLoss": (mt.CrossEntropyLoss, "classes"),
    "smoothed": (lambda: mt.CrossEntropyLoss(label_smoothing=0.2, ignore_index=0), "some classes"),
    "BCEWithLogitsLoss": (mt.BCEWithLogitsLoss, "fractions"),
}
OWN_LAYERS = {
    "Gated": Gated,
    "Centre": Centre,
    "Masked": lambda size: Masked(0.3, rng=size),
    "PReLU": mt.PReLU,
    "Halved": lambda size: Halved(size, size, rng=size),
    "Warming": lambda size: Warming(),
    "InPlace": lambda size: InPlace(),
    "Softmax": lambda size: mt.Softmax(),
    "LogSoftmax": lambda size: mt.LogSoftmax(),
}


@st.composite
def networks(draw):
    """A network with a loss, an optimizer and data: layers of random sizes, here and there nested."""
    dtype = draw(st.sampled_from(["float64", "float32"]))
    size = inputs = draw(SIZES)
    seeds = itertools.count(draw(st.integers(0, 99)))
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        before, size = size, draw(SIZES)
        linear = mt.Linear(before, size, draw(st.booleans()), rng=next(seeds))
        middle = draw(st.sampled_from([*ACTIVATIONS, *AUTHORED, *OWN_LAYERS, "nothing"]))
        parts = [linear]
        if middle in OWN_LAYERS:
            parts.append(OWN_LAYERS[middle](size))
        elif middle != "nothing":
            parts.append((ACTIVATIONS | AUTHORED)[middle]())
        kind = draw(st.sampled_from(["flat", "nested", "residual"]))
        if kind == "nested":
            layers.append(mt.Sequential({"linear": parts[0], **({"rest": parts[1]} if parts[1:] else {})}))
        elif kind == "residual":
            inner = mt.Sequential(mt.Linear(size, size, rng=next(seeds)), mt.Tanh())
            layers += [*parts, Branched(inner)]
        else:
            layers += parts
    model = mt.Sequential(layers)
    for layer in model.named_modules():
        if dtype == "float32" and isinstance(layer[1], Centre):
            layer[1].mean = layer[1].mean.astype("float32")
    model.astype(dtype)
    make_loss, kind = LOSSES[draw(st.sampled_from(list(LOSSES)))]
    rng = np.random.default_rng(next(seeds))
    batch = draw(st.integers(1, 6))
    x = rng.standard_normal((batch, inputs)).astype(dtype)
    y = {
        "numbers": rng.standard_normal((batch, size)).astype(dtype),
        "classes": rng.integers(0, size, batch),
        "some classes": rng.integers(0, size, batch),
        "fractions": rng.uniform(size=(batch, size)).astype(dtype),
    }[kind]
    if kind == "some classes":
        y[0] = size - 1
    optimizer = draw(st.sampled_from([*OPTIMIZERS, "Lion", "two groups"]))
    parameters = list(model.parameters())
    if optimizer == "Lion":
        made = Lion(parameters)
    elif optimizer == "two groups" and len(parameters) > 1:
        groups = [{"params": parameters[::2], "lr": 0.02}, {"params": parameters[1::2], "momentum": 0.8}]
        made = mt.SGD(groups, lr=0.05)
    else:
        made = OPTIMIZERS.get(optimizer, OPTIMIZERS["Adam"])(parameters)
        made.param_groups[0]["lr"] = draw(st.sampled_from([0.1, 0.01, 1e-4]))
    return model, make_loss(), made, x, y


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_200_random_networks(tmp_path_factory, network):
    check(tmp_path_factory, network)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(networks())
def test_a_few_random_networks(tmp_path_factory, network):
    check(tmp_path_factory, network)


def check(tmp_path_factory, network):
    """The program alone computes the bits of the layers."""
    model, loss, optimizer, x, y = network
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of losses, about what they are given
        if isinstance(loss, mt.CrossEntropyLoss) and loss.ignore_index == 0 and not (y != 0).any():
            with pytest.raises(ValueError, match="no mean over"):
                write(*network, steps=STEPS)
            return
        program = write(*network, steps=STEPS)
        expected, weights = layered(*copy.deepcopy((model, loss, optimizer)), x, y, STEPS)
    [(losses, arrays)] = run_alone([program.text], tmp_path_factory.mktemp("alone"))
    assert losses == expected
    assert [arrays[name] for name in list(program.arrays)[2 : 2 + len(weights)]] == weights
