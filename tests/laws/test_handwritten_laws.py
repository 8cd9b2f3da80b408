"""Whatever is public can be written out, and its program computes the same bits by itself."""

import copy
import warnings

import numpy as np
import pytest
from alone import layered, run_alone
from table.layers import LAYERS
from table.losses import LOSSES
from table.optimizers import OPTIMIZERS
from table.samples import sample

import minitorch_np as mt
from minitorch_np.study.handwritten import write

STEPS = 20


def of_layer(name, dtype):
    layer = LAYERS[name].make(dtype)
    first = [] if LAYERS[name].indices else [mt.PReLU(dtype=dtype)]  # something to learn before it
    model = mt.Sequential(*first, layer)
    x = LAYERS[name].sample(dtype)
    y = sample(model(x).shape, dtype, seed=1)
    return model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=1e-3), x, y


def of_loss(name, dtype):
    case = LOSSES[name]
    model = mt.Sequential(mt.PReLU(init=1.0, dtype=dtype))
    x, y = (a.astype(dtype) if a.dtype.kind == "f" else a for a in (case.prediction, np.asarray(case.target)))
    return model, case.make(), mt.SGD(model.parameters(), lr=1e-3), x, y


def of_optimizer(name, dtype):
    first, last = mt.Linear(4, 5, rng=0, dtype=dtype), mt.Linear(5, 3, rng=1, dtype=dtype)
    model = mt.Sequential(first, mt.Tanh(), last)
    return (
        model,
        mt.MSELoss(),
        OPTIMIZERS[name](model.parameters()),
        sample((7, 4), dtype),
        sample((7, 3), dtype),
    )


SCALAR_LOSSES = [name for name in LOSSES if LOSSES[name].make().reduction != "none"]
FAMILIES = {
    "layers": (of_layer, LAYERS),
    "losses": (of_loss, SCALAR_LOSSES),
    "optimizers": (of_optimizer, OPTIMIZERS),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_program_alone_computes_the_same_bits(family, dtype, tmp_path):
    check(family, dtype, tmp_path, list(FAMILIES[family][1]))


@pytest.mark.parametrize(
    ("family", "dtype"), [("layers", "float64"), ("losses", "float32"), ("optimizers", "float64")]
)
def test_the_program_of_every_eighth_computes_the_same_bits(family, dtype, tmp_path):
    check(family, dtype, tmp_path, list(FAMILIES[family][1])[::8])


def check(family, dtype, tmp_path, names):
    make = FAMILIES[family][0]
    programs, expected = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of losses, about what they are given
        for name in names:
            everything = make(name, dtype)
            before = copy.deepcopy(everything)
            programs.append(write(*everything, steps=STEPS))
            for was, now in zip(before[0].parameters(), everything[0].parameters(), strict=True):
                assert was.data.tobytes() == now.data.tobytes(), "writing it out has changed the model"
            expected.append(layered(*everything, STEPS))
    results = run_alone([program.text for program in programs], tmp_path)
    for name, program, (losses, arrays), (their_losses, weights) in zip(
        names, programs, results, expected, strict=True
    ):
        assert losses == their_losses, name
        assert [arrays[key] for key in list(program.arrays)[2 : 2 + len(weights)]] == weights, name


def test_a_loss_of_many_values_has_nothing_to_go_down_from():
    model = mt.Linear(3, 2)
    with pytest.raises(ValueError, match=r"gives \(5, 2\) values and no single one .*'sum' or 'mean'"):
        write(model, mt.MSELoss("none"), mt.SGD(model.parameters()), sample((5, 3)), sample((5, 2)))
