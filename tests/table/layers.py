"""One line or more for every public layer; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import minitorch_np as mt
from minitorch_np.layers.standardize import Standardize

DATA = np.random.default_rng(7).normal([1, -20, 0.3, 5], [2, 0.1, 30, 1], (50, 4))  # four features, unlike


class LayerCase(NamedTuple):
    make: Callable[[str], mt.Layer]  # of a dtype
    shape: tuple[int, ...]
    wrong_shape: tuple[int, ...] | None = None


ACTIVATIONS: dict[str, Callable[[], mt.Activation]] = {
    "CELU": mt.CELU,
    "CELU(0.7)": lambda: mt.CELU(0.7),
    "ELU": mt.ELU,
    "ELU(2)": lambda: mt.ELU(2),
    "GELU": mt.GELU,
    "GELU('tanh')": lambda: mt.GELU("tanh"),
    "Hardshrink": mt.Hardshrink,
    "Hardsigmoid": mt.Hardsigmoid,
    "Hardswish": mt.Hardswish,
    "Hardtanh": mt.Hardtanh,
    "Hardtanh(-3, 0.5)": lambda: mt.Hardtanh(-3, 0.5),
    "Identity": mt.Identity,
    "LeakyReLU": mt.LeakyReLU,
    "LeakyReLU(3)": lambda: mt.LeakyReLU(3),
    "LeakyReLU(-0.5)": lambda: mt.LeakyReLU(-0.5),
    "LeakyReLU(0)": lambda: mt.LeakyReLU(0),
    "LogSigmoid": mt.LogSigmoid,
    "Mish": mt.Mish,
    "ReLU": mt.ReLU,
    "ReLU6": mt.ReLU6,
    "SELU": mt.SELU,
    "SiLU": mt.SiLU,
    "Sigmoid": mt.Sigmoid,
    "Softplus": mt.Softplus,
    "Softplus(2, 1)": lambda: mt.Softplus(2, 1),
    "Softshrink": mt.Softshrink,
    "Softsign": mt.Softsign,
    "Tanh": mt.Tanh,
    "Tanhshrink": mt.Tanhshrink,
    "Threshold": lambda: mt.Threshold(0.5, -2),
}

LAYERS = {
    "Linear": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (5, 4), (5, 3)),
    "Linear without bias": LayerCase(
        lambda dtype: mt.Linear(4, 3, bias=False, dtype=dtype, rng=0), (5, 4), (4,) * 2 + (5,)
    ),
    "Linear, more axes": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (2, 5, 4), (4, 5)),
    "Linear, one sample": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (4,), ()),
    "PReLU": LayerCase(lambda dtype: mt.PReLU(dtype=dtype), (5, 4)),
    "PReLU with channels": LayerCase(lambda dtype: mt.PReLU(4, init=0.1, dtype=dtype), (5, 4), (5, 3)),
    "PReLU with channels, more axes": LayerCase(lambda dtype: mt.PReLU(3, dtype=dtype), (2, 3, 2), (2, 2, 3)),
    "Standardize": LayerCase(lambda dtype: Standardize(4, dtype=dtype).fit(DATA), (5, 4), (5, 3)),
    "Standardize, more axes": LayerCase(lambda dtype: Standardize(4, dtype=dtype).fit(DATA), (2, 5, 4), (4, 5)),
    "Standardize, before a Linear": LayerCase(
        lambda dtype: mt.Sequential(Standardize(4, dtype=dtype).fit(DATA), mt.Linear(4, 3, dtype=dtype, rng=0)),
        (5, 4),
        (5, 3),
    ),
    "GLU": LayerCase(lambda dtype: mt.GLU(), (5, 4), (5, 3)),
    "GLU(1)": LayerCase(lambda dtype: mt.GLU(1), (2, 4, 3), (2, 3, 4)),
    "Softmax": LayerCase(lambda dtype: mt.Softmax(), (5, 4)),
    "Softmax(1)": LayerCase(lambda dtype: mt.Softmax(1), (2, 3, 4), (5,)),
    "LogSoftmax": LayerCase(lambda dtype: mt.LogSoftmax(), (5, 4)),
    "LogSoftmax(1)": LayerCase(lambda dtype: mt.LogSoftmax(1), (2, 3, 4), (5,)),
    "Sequential": LayerCase(
        lambda dtype: mt.Sequential(
            mt.Linear(4, 6, dtype=dtype, rng=0), mt.Tanh(), mt.Linear(6, 2, dtype=dtype, rng=1)
        ),
        (5, 4),
        (5, 5),
    ),
    "Sequential, nested": LayerCase(
        lambda dtype: mt.Sequential(
            {
                "body": mt.Sequential(mt.Linear(4, 6, dtype=dtype, rng=0), mt.ReLU()),
                "head": mt.Linear(6, 2, dtype=dtype, rng=1),
            }
        ),
        (5, 4),
        (4,) * 2 + (1,),
    ),
    **{name: LayerCase(lambda dtype, make=make: make(), (5, 4)) for name, make in ACTIVATIONS.items()},
    "Sequential, empty": LayerCase(lambda dtype: mt.Sequential(), (5, 4)),
}
