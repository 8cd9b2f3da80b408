"""Deep networks, composed of the layers for images and sequences, through the tools as a whole."""

import copy
import re

import numpy as np
import pytest
from alone import layered, run_alone

import minitorch_np as mt
from minitorch_np.examples import autoencoder, lenet, resnet, transformer
from minitorch_np.study.handwritten import write

STEPS = 6
RNG = np.random.default_rng(0)
DIGITS, CLASSES = RNG.standard_normal((4, 1, 8, 8)).astype("float32"), np.array([0, 3, 9, 3])
TEXT, NEXT = RNG.integers(0, 13, (3, 8)), RNG.integers(0, 13, (3, 8))


def tagger(rng):
    """A bidirectional LSTM of two layers that gives a class to each letter."""
    return mt.Sequential(
        mt.Embedding(13, 5, rng=rng),
        mt.LSTM(5, 4, 2, bidirectional=True, rng=rng),
        mt.Parallel(mt.Linear(8, 6, rng=rng), mt.Sequential(mt.Linear(8, 6, rng=rng), mt.Tanh())),
        mt.Linear(6, 13, rng=rng),
        mt.Transpose(1, 2),
    )


NETWORKS = {
    "lenet": (lenet.network, mt.CrossEntropyLoss, DIGITS, CLASSES),
    "resnet": (resnet.network, mt.CrossEntropyLoss, DIGITS, CLASSES),
    "autoencoder": (autoencoder.network, mt.MSELoss, DIGITS, DIGITS),
    "transformer": (transformer.network, mt.CrossEntropyLoss, TEXT, NEXT),
    "tagger": (tagger, mt.CrossEntropyLoss, TEXT, NEXT),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_its_program_alone_computes_the_same_bits(name, tmp_path):
    network, loss, x, y = NETWORKS[name]
    model = network(np.random.default_rng(0))
    everything = model, loss(), mt.Adam(model.parameters(), lr=1e-3), x, y
    program = write(*copy.deepcopy(everything), steps=STEPS)
    losses, weights = layered(*everything, STEPS)
    ((printed, arrays),) = run_alone([program.text], tmp_path)
    assert printed == losses
    assert [arrays[key] for key in list(program.arrays)[2 : 2 + len(weights)]] == weights


def test_the_backward_pass_of_attention_can_be_read_in_the_program():
    model = mt.Sequential(
        mt.Embedding(13, 8, rng=0),
        mt.TransformerEncoderLayer(8, 2, 16, 0.0, causal=True, rng=0),
        mt.LayerNorm(8),
        mt.Linear(8, 13, rng=0),
        mt.Transpose(1, 2),
    )
    text = mt.handwritten(model, mt.CrossEntropyLoss(), mt.SGD(model.parameters()), TEXT, NEXT)
    for line in (
        "p = softmax(scores)",
        "dv = np.matmul(p.swapaxes(2, 3), dheads)",
        "dp = np.matmul(dheads, v.swapaxes(2, 3))",
        "dscores = (dp - (dp * p).sum(axis=-1, keepdims=True)) * p",
        "dk = np.matmul(dscores.swapaxes(2, 3), q)",
    ):
        assert line in text
    functions = set(re.findall(r"^def (\w+)", text, re.MULTILINE))
    assert not functions & set(re.findall(r"^\s+(\w+) = ", text, re.MULTILINE))  # no function is hidden


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_explained_summed_up_saved_and_guarded(name, tmp_path):
    network, loss, x, y = NETWORKS[name]
    model = network(np.random.default_rng(0)).astype("float64")
    x, y = (a.astype(float) if a.dtype == np.float32 else a for a in (x, y))
    assert str(mt.explain(model, loss(), x, y)).count("BACKWARD") == 1
    summary = mt.summary(model, x)
    assert summary.unknown == []
    assert summary.multiply_adds > 1000
    mt.save(tmp_path / "net.npz", model)
    np.testing.assert_array_equal(mt.load(tmp_path / "net.npz").model.eval()(x), model.eval()(x))
    with mt.guard(model.train()):
        loss()(model(x), y)
