"""One line or more for every public layer; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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
