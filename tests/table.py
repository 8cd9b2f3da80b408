"""One line for every public layer, loss and optimizer; `test_laws.py` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import minitorch_np as mt


class LayerCase(NamedTuple):
    make: Callable[[str], mt.Layer]  # of a dtype
    shape: tuple[int, ...]
    wrong_shape: tuple[int, ...] | None = None


LAYERS = {
    "Linear": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (5, 4), (5, 3)),
    "Linear without bias": LayerCase(
        lambda dtype: mt.Linear(4, 3, bias=False, dtype=dtype, rng=0), (5, 4), (4,) * 2 + (5,)
    ),
    "Linear, more axes": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (2, 5, 4), (4, 5)),
    "Linear, one sample": LayerCase(lambda dtype: mt.Linear(4, 3, dtype=dtype, rng=0), (4,), ()),
    "ReLU": LayerCase(lambda dtype: mt.ReLU(), (5, 4)),
    "Tanh": LayerCase(lambda dtype: mt.Tanh(), (5, 4)),
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
    "Sequential, empty": LayerCase(lambda dtype: mt.Sequential(), (5, 4)),
}

LOSSES: dict[str, Callable[[], mt.Loss]] = {
    "SquaredLoss": mt.SquaredLoss,
    "SquaredLoss mean": lambda: mt.SquaredLoss("mean"),
}

OPTIMIZERS: dict[str, Callable[[Iterable[Any]], mt.Optimizer]] = {
    "SGD": lambda params: mt.SGD(params, lr=0.1),
    "SGD momentum": lambda params: mt.SGD(params, lr=0.1, momentum=0.9),
    "SGD dampening": lambda params: mt.SGD(params, lr=0.1, momentum=0.9, dampening=0.5),
    "SGD nesterov": lambda params: mt.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    "SGD decay": lambda params: mt.SGD(params, lr=0.1, momentum=0.5, weight_decay=0.01),
    "SGD maximize": lambda params: mt.SGD(params, lr=0.1, weight_decay=0.01, maximize=True),
}
