"""Roles of the variables of a program: parameters, outputs of layers, and what belongs to which layer."""

from __future__ import annotations

from minitorch_np.layer import Layer
from minitorch_np.study.array_names import UniqueNames, is_new, output_names, parameter_names, word_of
from minitorch_np.study.locations import Location
from minitorch_np.study.unroll.values import TAKEN, Variable, identifier


class Roles:
    """Which variable is the output of which layer, and what everything is called."""

    def __init__(self, model: Layer) -> None:
        self.places = {id(layer): (name, repr(layer)) for name, layer in model.named_modules()}
        self.outputs: list[tuple[Variable, Layer, Variable | None]] = []
        self.names = UniqueNames({"x", "y", "losses", "step", "steps", "learning_rate", "train", "np", *TAKEN})
        self.taken = self.names.taken
        self.parameters = {key: identifier(n) for key, n in parameter_names(model, self.names).items()}

    def place(self, layer: Layer, what: str) -> Location:
        name, text = self.places[id(layer)]
        return Location(name, text, what)

    def unique(self, wanted: str) -> str:
        """Return a name that no other variable has."""
        return self.names.unique(identifier(wanted))

    def output(self, variable: Variable, layer: Layer, source: Variable | None) -> None:
        """Take a variable as the output of a layer; it is named when all are known."""
        variable.place = self.place(layer, "output")
        self.outputs.append((variable, layer, source))

    def name_outputs(self, result: Variable) -> None:
        """Give the outputs their names; `result` is the network's."""
        at = {variable.key: i for i, (variable, _, _) in enumerate(self.outputs)}
        outputs: list[tuple[int | str, str]] = []
        for variable, layer, source in self.outputs:
            new = source is None or is_new(layer, source.value.shape, variable.value.shape)
            before = "x" if source is None else at.get(source.key, source.name or "x")
            outputs.append((before, "" if new else word_of(layer)))
        for (variable, _, _), name in zip(
            self.outputs, output_names(outputs, at[result.key], self.names), strict=True
        ):
            variable.name = name
