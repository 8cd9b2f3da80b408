"""One line or more for every public optimizer; `laws/` holds each to the same laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import minitorch_np as mt

OPTIMIZERS: dict[str, Callable[[Iterable[Any]], mt.Optimizer]] = {
    "SGD": lambda params: mt.SGD(params, lr=0.1),
    "SGD momentum": lambda params: mt.SGD(params, lr=0.1, momentum=0.9),
    "SGD dampening": lambda params: mt.SGD(params, lr=0.1, momentum=0.9, dampening=0.5),
    "SGD nesterov": lambda params: mt.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    "SGD decay": lambda params: mt.SGD(params, lr=0.1, momentum=0.5, weight_decay=0.01),
    "SGD maximize": lambda params: mt.SGD(params, lr=0.1, weight_decay=0.01, maximize=True),
}
