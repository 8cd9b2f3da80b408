"""Names for the variables of a program: those that its source has, numbered where there are more of a kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import count

from minitorch_np.study.unroll.statements import blocks_of, head, keys_in
from minitorch_np.study.unroll.values import TAKEN, Variable, identifier


class Names:
    """Gives every variable its name; one that is no longer read leaves its name to the next."""

    def __init__(self, variables: dict[str, Variable], reserved: set[str]) -> None:
        self.variables = variables
        self.reserved = reserved | TAKEN
        self.holders: dict[str, list[Variable]] = {}
        self.last: dict[str, int] = {}  # the statement that reads a variable last

    def give(self, statements: list[ast.stmt]) -> None:
        self._find_last(statements, count(), {})
        everywhere = [key for s in statements for key in keys_in(s) | keys_in(s, ast.Store)]
        for key in dict.fromkeys(everywhere):
            if self.variables[key].name:
                self.holders.setdefault(self.variables[key].name, []).append(self.variables[key])
        self._name(statements, count())
        for statement in statements:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and node.id in self.variables:
                    node.id = self.variables[node.id].name

    def _find_last(self, block: list[ast.stmt], at: Iterator[int], made: dict[str, int]) -> None:
        for statement in block:
            here = next(at)
            inner = blocks_of(statement)
            for key in keys_in(statement, ast.Store):
                made.setdefault(key, here)
            for part in inner:
                self._find_last(part, at, made)
            end = next(at)
            for key in keys_in(statement) | keys_in(statement, ast.Store):
                outside = isinstance(statement, ast.For) and made.get(key, -1) < here
                if not inner or outside:
                    self.last[key] = max(self.last.get(key, 0), end if outside else here)
            if inner:
                for key in keys_in(head(statement)):
                    self.last[key] = max(self.last.get(key, 0), here)

    def _name(self, block: list[ast.stmt], at: Iterator[int]) -> None:
        for statement in block:
            here = next(at)
            own = keys_in(head(statement), ast.Store)
            for key in sorted(own, key=lambda key: int(key[1:])):
                if not self.variables[key].name:
                    self._choose(self.variables[key], statement, here)
            for part in blocks_of(statement):
                self._name(part, at)
            next(at)

    def _choose(self, variable: Variable, statement: ast.stmt, here: int) -> None:
        base = variable.base
        while base is not None and base.became is not None:
            base = base.became
        wanted = [(base.name if base else "") or identifier(variable.hint)]
        if base is not None and base.name:
            wanted.append(f"{base.name}_{_maker(statement)}")
        numbered = (f"{wanted[-1]}{number}" for number in count(2))
        for name in (*wanted, *(next(numbered) for _ in range(1000))):
            if self._is_free(name, here):
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


def _maker(statement: ast.stmt) -> str:
    """The function that made a value: `clip` of np.clip(…)."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call):
        return value.func.attr if isinstance(value.func, ast.Attribute) else ast.unparse(value.func)
    return "new"
