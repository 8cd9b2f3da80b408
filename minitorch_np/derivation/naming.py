"""Names of the variables of a program: roles in the network, and for the others the names of their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain, count

from minitorch_np.derivation.array_names import UniqueNames, is_new, output_names, parameter_names, word_of
from minitorch_np.derivation.statements import Block, Statement, inside, keys_in, keys_of
from minitorch_np.derivation.values import TAKEN, Location, Variable, identifier, numbered
from minitorch_np.layer import Layer
from minitorch_np.module import Module


class Roles:
    """Which variable is the output of which layer, and what everything is called."""

    def __init__(self, model: Layer) -> None:
        self.places = {id(layer): (name, repr(layer)) for name, layer in model.named_modules()}
        self.outputs: list[tuple[Variable, Layer, Variable | None]] = []
        program = "x y losses step steps learning_rate train predict arrays np sys".split()
        self.names = UniqueNames({*program, *TAKEN})
        self.taken = self.names.taken
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
        for (variable, _, _), name in zip(
            self.outputs, output_names(outputs, at[result.key], self.names), strict=True
        ):
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
            for node in ast.walk(statement.head):
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
        if name in self.reserved:
            return False
        return all(
            self.last.get(holder.key, -1) <= here and not (holder.given or holder.place)
            for holder in self.holders.get(name, ())
        )


def _maker(statement: Statement) -> str:
    """The function that made a value: `clip` of np.clip(…)."""
    value = getattr(statement.head, "value", None)
    if isinstance(value, ast.Call):
        return value.func.attr if isinstance(value.func, ast.Attribute) else ast.unparse(value.func)
    return "new"
