"""The writer: the statements so far, and the variables in them."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import CellType
from typing import Any, NoReturn

from minitorch_np._internal.syntax_trees import LEAVES
from minitorch_np.derivation.statements import Block, Statement
from minitorch_np.derivation.values import CONTAINERS, HELD, Expression, Variable, literal, mapped


@dataclass(slots=True, eq=False)
class Frame:
    """A function on its way: its local variables, and the line it is at."""

    owner: Any  # the layer, the loss or the optimizer whose method it is
    file: str
    globals: dict[str, Any]
    cells: dict[str, CellType]  # of variables of the functions around it
    comments: dict[int, str]
    locals: dict[str, Any] = field(default_factory=dict)
    bound: dict[str, Variable] = field(default_factory=dict)  # parameters, and the variables given for them
    line: int = 0
    end_line: int = 0


class TooLongError(Exception):
    """More statements than wanted."""


class Writer:
    """Writes statements, and gives variables to what they make. It knows which function it is in.

    What is `plain` is for a reader. Otherwise each decision is written too, where it was made, as an `assert`
    of what it depends on.
    """

    def __init__(self, plain: bool = True) -> None:
        self.plain = plain
        self.block: Block = []
        self.variables: dict[str, Variable] = {}
        self.frames: list[Frame] = []
        self.constants: dict[int, tuple[Any, Expression]] = {}  # by id, with the array so that it keeps it
        self.starts: dict[str, Any] = {}  # what constants and states are before the first step
        self.most = math.inf  # statements of a block
        self.effects = 0  # statements that change what others read
        self._keys = count()

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    @property
    def comment(self) -> str:
        """What the source says beside the statement that is gone through."""
        return self.frame.comments.get(self.frame.end_line, "") if self.frames else ""

    def fail(self, message: str) -> NoReturn:
        """Raise ValueError: what cannot be written out, in which layer, file and line."""
        label = next((repr(f.owner) for f in reversed(self.frames) if f.owner is not None), "the network")
        place = f"{self.frame.file} line {self.frame.line}" if self.frames else "outside any layer"
        raise ValueError(f"{label} cannot be written out: {place}: {message}")

    def emit(self, head: ast.stmt, comment: str | None = None, **options: Any) -> None:
        """Write a statement, with what is known of it: the blocks in it, whether it has an effect, …"""
        head.lineno = 0  # asked for when a tree is turned into text
        said = self.comment if comment is None else comment
        statement = Statement(head, comment=said, **options)
        self.block.append(statement)
        if len(self.block) > self.most:
            raise TooLongError
        self.effects += statement.effect

    def guard(self, test: ast.expr) -> None:
        """Write down what has to be true for the statements after it, unless that is plain."""
        if not self.plain:
            self.emit(ast.Assert(test), "")

    def new_variable(self, hint: str, value: Any, **options: Any) -> Variable:
        variable = Variable(f"${next(self._keys)}", hint, value, **options)
        self.variables[variable.key] = variable
        return variable

    def given(self, hint: str, value: Any, *, varies: bool = True, **options: Any) -> Expression:
        """A variable that the program gets from outside."""
        return self.new_variable(hint, value, given=True, **options).expression(varies)

    def named(self, value: Expression, hint: str, *, mine: bool = False) -> Expression:
        """The value as a variable: itself if it is one, otherwise written to a new one."""
        if isinstance(value.node, LEAVES):
            return value
        return self.assigned(value, hint, mine=mine)

    def assigned(self, value: Expression, hint: str, *, mine: bool = False, effect: bool = False) -> Expression:
        """A new variable with this value."""
        variable = self.new_variable(hint, value.value, mine=mine)
        if self.frames:
            variable.base = self.frame.bound.get(hint)
        statement = ast.Assign([variable.store()], value.node)
        self.emit(statement, value.comment or None, effect=effect, same=value.same)
        return variable.expression(value.varies, value.loose)

    def set(self, variable: Variable, value: Any) -> None:
        """Write `variable = value`."""
        self.emit(ast.Assign([variable.store()], self.node(value)), "")

    def all_named(self, value: Any, hint: str, *, mine: bool = False) -> Any:
        """`named` for every expression in a container; a list or a dict stays the same object."""
        if not isinstance(value, CONTAINERS):
            return self.named(value, hint, mine=mine) if type(value) is Expression else value
        return mapped(value, lambda expression: self.named(expression, hint, mine=mine), in_place=True)

    def variable_of(self, value: Any) -> Variable | None:
        """The variable that a value is, if it is one."""
        if type(value) is Expression and isinstance(value.node, ast.Name):
            return self.variables.get(value.node.id)
        return None

    def variable(self, value: Expression) -> Variable:
        """The variable that a value is known to be."""
        node: Any = value.node
        return self.variables[node.id]

    def constant(self, thing: Any, hint: str) -> Expression:
        """An array or a random generator that belongs to a layer, as a variable given from outside."""
        if id(thing) not in self.constants:
            given = self.given(hint, copy.deepcopy(thing))
            self.constants[id(thing)] = thing, given
            self.starts[self.variable(given).key] = copy.deepcopy(thing)
        return self.constants[id(thing)][1]

    def node(self, value: Any) -> ast.expr:
        """Any value as it is written in the program."""
        if type(value) is Expression:
            return value.node
        if isinstance(value, tuple | list):
            parts = [self.node(part) for part in value]
            return ast.Tuple(parts, ast.Load()) if isinstance(value, tuple) else ast.List(parts, ast.Load())
        if isinstance(value, dict):
            return ast.Dict([self.node(key) for key in value], [self.node(part) for part in value.values()])
        if isinstance(value, HELD):
            return self.constant(value, "constant").node
        written = literal(value)
        if written is None:
            self.fail(f"{value!r} cannot be written as a constant")
        return written

    def index(self, index: Any) -> ast.expr:
        """An index as it is written between brackets."""
        if isinstance(index, tuple) and index:
            return ast.Tuple([self.index(part) for part in index], ast.Load())
        if isinstance(index, slice):
            parts = (index.start, index.stop, index.step)
            return ast.Slice(*(None if part is None else self.node(part) for part in parts))
        return self.node(index)

    @contextmanager
    def sub_block(self) -> Iterator[Block]:
        """Statements go into a block of their own."""
        outer, self.block = self.block, []
        try:
            yield self.block
        finally:
            self.block = outer
