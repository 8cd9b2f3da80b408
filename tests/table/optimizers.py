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
    "Adam": lambda params: mt.Adam(params, lr=0.1),
    "Adam betas": lambda params: mt.Adam(params, lr=0.1, betas=(0.5, 0.9)),
    "Adam no betas": lambda params: mt.Adam(params, lr=0.1, betas=(0, 0)),
    "Adam no eps": lambda params: mt.Adam(params, lr=0.1, eps=0),
    "Adam decay": lambda params: mt.Adam(params, lr=0.1, weight_decay=0.01),
    "Adam decoupled": lambda params: mt.Adam(params, lr=0.1, weight_decay=0.01, decoupled_weight_decay=True),
    "Adam amsgrad": lambda params: mt.Adam(params, lr=0.1, amsgrad=True),
    "Adam maximize": lambda params: mt.Adam(params, lr=0.1, maximize=True),
    "AdamW": lambda params: mt.AdamW(params, lr=0.1),
    "AdamW amsgrad": lambda params: mt.AdamW(params, lr=0.1, weight_decay=0.1, amsgrad=True, maximize=True),
    "RMSprop": lambda params: mt.RMSprop(params, lr=0.1),
    "RMSprop no eps": lambda params: mt.RMSprop(params, lr=0.1, eps=0),
    "RMSprop decay": lambda params: mt.RMSprop(params, lr=0.1, alpha=0.9, weight_decay=0.01, maximize=True),
    "RMSprop momentum": lambda params: mt.RMSprop(params, lr=0.1, momentum=0.9),
    "RMSprop centered": lambda params: mt.RMSprop(params, lr=0.1, centered=True),
    "RMSprop all": lambda params: mt.RMSprop(params, lr=0.1, momentum=0.9, centered=True),
    "Adagrad": lambda params: mt.Adagrad(params, lr=0.1),
    "Adagrad no eps": lambda params: mt.Adagrad(params, lr=0.1, eps=0),
    "Adagrad start": lambda params: mt.Adagrad(params, lr=0.1, initial_accumulator_value=0.5),
    "Adagrad decay": lambda params: mt.Adagrad(params, lr=0.1, lr_decay=0.1, weight_decay=0.01, maximize=True),
    "Adadelta": lambda params: mt.Adadelta(params, lr=0.1),
    "Adadelta decay": lambda params: mt.Adadelta(params, lr=0.1, rho=0.8, weight_decay=0.01, maximize=True),
    "NAdam": lambda params: mt.NAdam(params, lr=0.1),
    "NAdam no eps": lambda params: mt.NAdam(params, lr=0.1, eps=0, momentum_decay=0.1),
    "NAdam decay": lambda params: mt.NAdam(params, lr=0.1, weight_decay=0.01, maximize=True),
    "NAdam decoupled": lambda params: mt.NAdam(params, lr=0.1, weight_decay=0.01, decoupled_weight_decay=True),
    "RAdam": lambda params: mt.RAdam(params, lr=0.1),
    "RAdam no eps": lambda params: mt.RAdam(params, lr=0.1, betas=(0.9, 0.9), eps=0),
    "RAdam rectified": lambda params: mt.RAdam(params, lr=0.1, betas=(0.9, 0.8)),
    "RAdam decay": lambda params: mt.RAdam(params, lr=0.1, weight_decay=0.01, maximize=True),
    "RAdam decoupled": lambda params: mt.RAdam(params, lr=0.1, weight_decay=0.01, decoupled_weight_decay=True),
}
