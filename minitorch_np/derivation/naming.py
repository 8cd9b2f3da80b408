"""Names of the variables of a program: h_relu and grad_h by their roles, others as their source has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import chain, count

from minitorch_np._internal.syntax_trees import walked
from minitorch_np.derivation.statements import Block, Statement, inside, keys_in, keys_of
from minitorch_np.derivation.values import TAKEN, Location, Variable, identifier, numbered
from minitorch_np.layer import Layer
from minitorch_np.module import Module
from minitorch_np.parameter import Parameter

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


class Roles:
    """Which variable is the output of which layer, and what everything is called."""

    def __init__(self, model: Layer) -> None:
        self.places = {id(layer): (name, repr(layer)) for name, layer in model.named_modules()}
        self.outputs: list[tuple[Variable, Layer, Variable | None]] = []
        program = "x y losses step steps learning_rate train predict arrays np sys".split()
        self.names = UniqueNames({*program, *TAKEN})
        self.parameters = {key: identifier(n) for key, n in parameter_names(model, self.names).items()}

    def place(self, layer: Module, what: str) -> Location:
        return Location(*self.places[id(layer)], what)

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
            before = "x" if source is None else at.get(source.key, source.name or identifier(source.hint))
            outputs.append((before, "" if new else word_of(layer)))
        names = output_names(outputs, at[result.key], self.names)
        for (variable, _, _), name in zip(self.outputs, names, strict=True):
            variable.name = name


class Names:
    """Gives every variable its name; one that is no longer read leaves its name to the next."""

    def __init__(self, variables: dict[str, Variable], reserved: set[str]) -> None:
        self.variables = variables
        self.reserved = reserved | TAKEN
        self.holders: dict[str, list[Variable]] = {}
        self.at: dict[int, int] = {}  # the number of a statement, by its id
        self.last: dict[str, int] = {}  # that of the statement that reads a variable last

    def give(self, block: Block) -> None:
        self._find_last(block, count(), {})
        for variable in (self.variables[key] for key in keys_of(block)):
            if variable.name:
                self.holders.setdefault(variable.name, []).append(variable)
        for statement in inside(block):
            for key in sorted(keys_in(statement.head, ast.Store), key=lambda key: int(key[1:])):
                if not self.variables[key].name:
                    self._choose(self.variables[key], statement)
        for statement in inside(block):
            for node in walked(statement.head):
                if isinstance(node, ast.Name) and node.id in self.variables:
                    node.id = self.variables[node.id].name

    def _find_last(self, block: Block, at: Iterator[int], made: dict[str, int]) -> None:
        for statement in block:
            here = self.at[id(statement)] = next(at)
            for key in keys_in(statement.head, ast.expr_context):
                self.last[key] = here
            for key in keys_in(statement, ast.Store):
                made.setdefault(key, here)
            for part in statement.blocks:
                self._find_last(part, at, made)
            end = next(at)
            if isinstance(statement.head, ast.For):  # what is made before it is read at every turn
                for key in keys_in(statement, ast.expr_context):
                    if made.get(key, -1) < here:
                        self.last[key] = end

    def _choose(self, variable: Variable, statement: Statement) -> None:
        base = variable.base
        wanted = [(base.name if base else "") or identifier(variable.hint)]
        if base is not None and base.name:
            wanted.append(f"{base.name}_{_maker(statement)}")
        for name in chain(wanted[:-1], numbered(wanted[-1])):
            if self._is_free(name, self.at[id(statement)]):
                variable.name = name
                self.holders.setdefault(name, []).append(variable)
                return

    def _is_free(self, name: str, here: int) -> bool:
        return name not in self.reserved and all(
            self.last.get(holder.key, -1) <= here and not (holder.given or holder.place)
            for holder in self.holders.get(name, ())
        )


def _maker(statement: Statement) -> str:
    """The function that made a value: `clip` of np.clip(…)."""
    value = getattr(statement.head, "value", None)
    if isinstance(value, ast.Call):
        return value.func.attr if isinstance(value.func, ast.Attribute) else ast.unparse(value.func)
    return "new"
