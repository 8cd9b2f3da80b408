"""Names of the arrays of a network, as in the handwritten program: w1, h, h_relu, w2, y_pred, grad_h."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from minitorch_np.derivation.values import numbered
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minitorch_np.module import Module

LETTERS = {"weight": "w", "bias": "b"}


class UniqueNames:
    """Names that are given once: a second `h` is `h_2`."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken

    def unique(self, wanted: str) -> str:
        """Return the wanted name, or with the first number that is free."""
        name = next(name for name in numbered(wanted, "_") if name not in self.taken)
        self.taken.add(name)
        return name


def parameter_names(model: Module, names: UniqueNames) -> dict[int, str]:
    """Return w1, b1, w2, … by the parameter's id, numbered by the layers that have parameters of their own.

    A network with one such layer has no numbers. Other attributes than weight and bias are names themselves:
    weight_ih_l0 of the first layer is weight_ih_l0_1.
    """
    found = [own for layer in model.modules() if (own := own_parameters(layer))]
    given: dict[int, str] = {}
    for number, own in enumerate(found, start=1):
        for attribute, parameter in own:
            name = LETTERS.get(attribute, attribute.strip("_") or "p")
            if len(found) > 1:
                name += f"_{number}" if name[-1].isdigit() else f"{number}"
            given[id(parameter)] = names.unique(name)
    return given


def output_names(outputs: Sequence[tuple[int | str, str]], result: int, names: UniqueNames) -> list[str]:
    """Return a name for the output of each layer; the one with the number `result` is y_pred.

    An output is its input (the number of another output, or a name) and its layer's word. One without a
    word is a new h, numbered if there are several; another adds its word to the name of its input: h_relu.
    """
    several = sum(not word for i, (_, word) in enumerate(outputs) if i != result) > 1
    numbers = count(1)
    given: list[str] = []
    for i, (source, word) in enumerate(outputs):
        if i == result:
            wanted = "y_pred"
        elif word:
            wanted = f"{given[source] if isinstance(source, int) else source}_{word}"
        else:
            wanted = f"h{next(numbers)}" if several else "h"
        given.append(names.unique(wanted))
    return given


def own_parameters(layer: Module) -> list[tuple[str, Parameter]]:
    """Return the parameters of a layer itself, by attribute."""
    return [(name, value) for name, value in vars(layer).items() if isinstance(value, Parameter)]


def is_new(layer: Module, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> bool:
    """Return whether the output of a layer is a new array, h, and not a function of its input, h_relu.

    So it is where a layer has learned matrices or other layers inside it, or changes the shape.
    """
    has_matrix = any(len(p.shape) > 1 for _, p in own_parameters(layer))
    return x_shape != y_shape or has_matrix or any(True for _ in layer.children())


def word_of(layer: object) -> str:
    """Return leaky_relu for LeakyReLU, relu for ReLU, sin for an activation made of np.sin."""
    name = re.sub(r"\W", "", getattr(layer, "called", type(layer).__name__))
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower().strip("_")
