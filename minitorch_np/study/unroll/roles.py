"""Names of what stands between layers, as in the handwritten program: h, h_relu, y_pred, grad_h."""

from __future__ import annotations

import re
from itertools import count

from minitorch_np.layer import Layer
from minitorch_np.study.locations import Location
from minitorch_np.study.unroll.values import TAKEN, Variable, identifier

LETTERS = {"weight": "w", "bias": "b"}


class Roles:
    """Which variable is the output of which layer, and what everything is called.

    The result of the network is y_pred. An output of another kind than the input, such as a
    Linear's, is an h, numbered where there are several; others add their name to that of their
    input: h_relu. A gradient is grad_ and the name of what it is the gradient of.
    """

    def __init__(self, model: Layer) -> None:
        self.places = {id(layer): (name, repr(layer)) for name, layer in model.named_modules()}
        self.kinds = {id(layer): _kind(layer) for _, layer in model.named_modules()}
        self.matrices = {
            id(layer)
            for _, layer in model.named_modules()
            if any(len(p.shape) > 1 for p in vars(layer).values() if hasattr(p, "has_grad"))
        }
        self.outputs: list[tuple[Variable, Layer, Variable | None]] = []
        self.taken = {"x", "y", "losses", "step", "steps", "learning_rate", "train", "np", *TAKEN}
        self.parameters = self._parameter_names(model)

    def place(self, layer: Layer, what: str) -> Location:
        name, text = self.places[id(layer)]
        return Location(name, text, what)

    def unique(self, wanted: str) -> str:
        """A name that no other variable has."""
        wanted = identifier(wanted)
        name = next(n for n in (wanted, *(f"{wanted}_{i}" for i in range(2, 10_000))) if n not in self.taken)
        self.taken.add(name)
        return name

    def output(self, variable: Variable, layer: Layer, source: Variable | None) -> None:
        """Take a variable as the output of a layer; it is named when all are known."""
        variable.place = self.place(layer, "output")
        self.outputs.append((variable, layer, source))

    def name_outputs(self, result: Variable) -> None:
        """Give the outputs their names; `result` is the network's."""
        fresh = [
            variable
            for variable, layer, source in self.outputs
            if variable is not result and self._is_fresh(variable, layer, source)
        ]
        numbers = count(1)
        for variable, layer, source in self.outputs:
            if variable is result:
                variable.name = self.unique("y_pred")
            elif variable in fresh:
                variable.name = self.unique("h" if len(fresh) == 1 else f"h{next(numbers)}")
            else:
                variable.name = self.unique(f"{source.name if source else 'x'}_{self.kinds[id(layer)]}")

    def _is_fresh(self, variable: Variable, layer: Layer, source: Variable | None) -> bool:
        return source is None or id(layer) in self.matrices or variable.value.shape != source.value.shape

    def _parameter_names(self, model: Layer) -> dict[int, str]:
        """w1, b1, w2, … by the parameter's id, numbered by the layers that have parameters."""
        found = [
            (number, attribute, parameter)
            for number, layer in enumerate(
                [layer for _, layer in model.named_modules() if _own(layer)], start=1
            )
            for attribute, parameter in _own(layer)
        ]
        last = max((number for number, _, _ in found), default=0)
        names = {}
        for number, attribute, parameter in found:
            letter = LETTERS.get(attribute, attribute.strip("_") or "p")
            names[id(parameter)] = self.unique(f"{letter}{number}" if last > 1 else letter)
        return names


def _own(layer: object) -> list[tuple[str, object]]:
    """The parameters of a layer itself, by attribute."""
    return [(name, value) for name, value in vars(layer).items() if hasattr(value, "has_grad")]


def _kind(layer: object) -> str:
    """leaky_relu of LeakyReLU, relu of ReLU, sin of an activation made of np.sin."""
    name = re.sub(r"\W", "", getattr(layer, "called", type(layer).__name__))
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower().strip("_")
