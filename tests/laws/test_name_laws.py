"""`explain` and `handwritten` call the arrays of a network by the same names."""

import re

import numpy as np
import pytest
from table.layers import LAYERS
from table.samples import sample

import minitorch_np as mt
from minitorch_np.study.handwritten import write

# Explained as one layer, written as several; or its sums have names in one of the two alone.
COMPOSED = {name for name in LAYERS if name.startswith(("MultiheadAttention", "TransformerEncoderLayer"))}
WRITTEN = [n for n in LAYERS if n not in COMPOSED]


def every(steps):
    for step in steps:
        for branch in step.branches:
            yield from every(branch.steps)
        yield step


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if i % 4 else []) for i, n in enumerate(WRITTEN)]
)
def test_both_say_the_same_names(name):
    first = [] if LAYERS[name].indices else [mt.PReLU()]
    model = mt.Sequential(*first, LAYERS[name].make("float64"), mt.Tanh())
    x = LAYERS[name].sample()
    y, loss = sample(model(x).shape, seed=1), mt.SquaredLoss()
    program = write(model, loss, mt.SGD(model.parameters(), lr=1e-3), x, y, steps=1)
    outputs = {place.layer: called for called, place in program.places.items() if place.what == "output"}
    parameters = list(program.arrays)[2 : 2 + len(list(model.parameters()))]
    steps = list(every(mt.explain(model, loss, x, y).chain.steps))
    assert {step.path: step.arrays["y"].name for step in steps}.items() <= outputs.items()
    assert [step.arrays[symbol].name for step in steps for symbol in step.parameters] == parameters


def test_the_names_are_those_of_the_handwritten_program():
    model = mt.Sequential(mt.Linear(3, 4, rng=0), mt.LeakyReLU(), mt.PReLU(), mt.Linear(4, 2, rng=1))
    x, y = np.ones((5, 3)), np.ones((5, 2))
    loss, optimizer = mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1)
    explained, program = str(mt.explain(model, loss, x, y)), mt.handwritten(model, loss, optimizer, x, y)
    for name in ("w1", "b1", "h", "h_leaky_relu", "w2", "h_leaky_relu_prelu", "w3", "b3", "y_pred"):
        for text in (explained, program):
            assert re.search(rf"\b{name}\b", text), name
