"""A network as plain data: of each layer the class by name, and the arguments that build it.

    {"class": "Linear", "arguments": {"in_features": 4, "out_features": 3, "bias": true}}

An argument is read from the attribute of its name, as the text of a layer is. A loss, an optimizer
and a schedule are described in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_np._internal.reprs import KEYWORDS, REQUIRED, VARARGS, constructor_arguments, variable_argument
from minitorch_np.layer import Layer
from minitorch_np.layers.branches import Parallel
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.loss import Loss
from minitorch_np.module import Module
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.schedules.schedule import LRScheduler, Schedule
from minitorch_np.serialization.codec import encode

Described = Layer | Loss | Optimizer | LRScheduler
BASES = (Layer, Loss, Optimizer, LRScheduler, Schedule)
WAY_OUT = "or save without a description, describe=False, and load into a network that you build"


def public_classes() -> dict[str, type]:
    """The layers, losses, optimizers and schedules of this package by name."""
    found: dict[str, type] = {}
    pending: list[type] = list(BASES)
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        own = cls.__module__.startswith("minitorch_np.") and not cls.__name__.startswith("_")
        if own and cls not in BASES and not getattr(cls, "__abstractmethods__", None):
            found[cls.__name__] = cls
    return found


def known_classes(custom: Mapping[str, type] | None) -> dict[str, type]:
    """The classes that a file may name: those here and those given."""
    known = public_classes()
    for name, cls in (custom or {}).items():
        if not (isinstance(cls, type) and issubclass(cls, BASES)):
            raise TypeError(f"custom expects classes by name, {{'Swish': Swish}}; {name!r} is {cls!r}")
        if known.get(name, cls) is not cls:
            raise ValueError(f"custom has a {name!r}, which is the name of a class here")
        known[name] = cls
    return known


class Describer:
    """Describes things, and remembers their classes by name: each name must be that of one class."""

    def __init__(self, classes: Mapping[str, type] | None = None) -> None:
        self.classes = dict(public_classes() if classes is None else classes)
        self._names = {cls: name for name, cls in self.classes.items()}

    def describe(self, thing: Described, where: str = "") -> dict[str, Any]:
        """`thing` as plain data; `where` is its dotted name in the network."""
        cls = type(thing)
        name = self._names.setdefault(cls, cls.__name__)
        if self.classes.setdefault(name, cls) is not cls:
            raise ValueError(f"{_place(thing, where)}: there are two classes named {name}; rename one")
        described: dict[str, Any] = {"class": name}
        children: dict[str, Any] = dict(thing.named_children()) if isinstance(thing, Module) else {}
        has_layers = any(isinstance(thing, c) and cls.__init__ is c.__init__ for c in (Sequential, Parallel))
        if isinstance(thing, Sequential | Parallel) and has_layers:
            described["layers"] = {
                name: self.describe(layer, _inside(where, name))
                for name, layer in list(children.items())[: len(thing)]
            }
            children = dict(list(children.items())[len(thing) :])
        if not isinstance(thing, Sequential) or not has_layers:
            described["arguments"] = self._arguments(thing, where, has_layers)
        inside = {
            name: self.describe(child, _inside(where, name))
            for name, child in children.items()
            if name not in described.get("arguments", {})
        }
        if inside:
            described["inside"] = inside
        if isinstance(thing, Layer) and not thing.training:
            described["training"] = False
        return described

    def _arguments(self, thing: Described, where: str, has_layers: bool = False) -> dict[str, Any]:
        code = getattr(type(thing).__init__, "__code__", None)
        several, values = variable_argument(type(thing)), vars(thing)
        arguments: dict[str, Any] = {}
        if several and isinstance(values.get(several), tuple):
            arguments[several] = self._argument(thing, where, several, values[several], REQUIRED)
        elif code is not None and code.co_flags & (VARARGS | KEYWORDS) and not has_layers:
            raise ValueError(
                f"{_place(thing, where)} cannot be described: it takes any number of arguments. "
                f"Name them, or keep those of *sizes as a tuple, self.sizes = sizes, {WAY_OUT}"
            )
        if type(thing).__module__.startswith("minitorch_np.") and type(thing).__name__.startswith("_"):
            raise ValueError(
                f"{_place(thing, where)} cannot be described: it is made of functions. Write it as a class "
                f"with the methods function and derivative, {WAY_OUT}"
            )
        values = thing.defaults | values if isinstance(thing, Optimizer) else values
        for name, default in constructor_arguments(type(thing)).items():
            if name in values:
                arguments[name] = self._argument(thing, where, name, values[name], default)
            elif default is REQUIRED and not (isinstance(thing, Optimizer) and name == "params"):
                raise ValueError(
                    f"{_place(thing, where)} cannot be described: its argument {name} is in no attribute of "
                    f"that name. Keep it (self.{name} = {name}), {WAY_OUT}"
                )
        return arguments

    def _argument(self, thing: Described, where: str, name: str, value: Any, default: Any) -> Any:
        if isinstance(default, bool) and isinstance(value, Parameter | None):
            return value is not None  # whether there is a bias
        if name == "init" and callable(value) and isinstance(default, str):
            return default  # the weights that the function made are in the file

        def other(part: Any) -> dict[str, Any]:
            if isinstance(part, Optimizer):
                return {"optimizer": None}
            if isinstance(part, np.random.Generator):
                return {"generator": None}
            if isinstance(part, Described):
                return {"call": self.describe(part, _inside(where, name))}
            raise ValueError(
                f"{_place(thing, where)} cannot be described: its argument {name} is {part!r}, and a file "
                f"holds no such thing. Make a class of it and pass that to load in custom=, {WAY_OUT}"
            )

        return encode(value, other)


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _place(thing: Described, where: str) -> str:
    return f"layer {where!r}, {thing!r}," if where and isinstance(thing, Layer) else f"{thing!r}"
