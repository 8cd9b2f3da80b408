"""Emission of statements, and access to attributes and elements: of arrays they are written to the program."""

from __future__ import annotations

import ast
import copy
import operator
from abc import abstractmethod
from itertools import count
from types import FunctionType, MethodType
from typing import Any, NoReturn

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.values import (
    Expression,
    Variable,
    example,
    expressions,
    literal,
    mapped,
    name,
    varies,
)


class Frame:
    """A function on its way: its local variables, and the line it is at."""

    def __init__(self, label: str, file: str, globals_: dict[str, Any], cells: dict[str, Any]) -> None:
        self.label = label
        self.file = file
        self.globals = globals_
        self.cells = cells  # variables of the functions around it
        self.locals: dict[str, Any] = {}
        self.bound: dict[str, Variable] = {}  # parameters, and the variables given for them
        self.comments: dict[int, str] = {}
        self.line = 0
        self.end_line = 0

    @property
    def comment(self) -> str:
        return self.comments.get(self.end_line, "")


class Access:
    """The program as written so far, and what an object holds."""

    def __init__(self) -> None:
        self.block: list[ast.stmt] = []
        self.variables: dict[str, Variable] = {}
        self.frames: list[Frame] = []
        self.constants: dict[int, tuple[Any, Expression]] = {}  # by id, with the array so that it keeps it
        self.starts: dict[str, Any] = {}  # what constants and states are before the first step
        self.set_attributes: list[tuple[Any, str, Any]] = []  # owner, name, what was there
        self.complains = False  # an error is being made, whose text may tell all numbers
        self.effects = 0  # statements that change what others read
        self.in_branch = 0  # sides of an `if` that stays, one within the other
        self.in_rule: tuple[int, ...] | None = None  # the shape of a block, in an optimizer's update
        self._keys = count()

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    def fail(self, message: str) -> NoReturn:
        """Raise ValueError: what cannot be written out, in which layer, file and line."""
        label = next((frame.label for frame in reversed(self.frames) if frame.label), "the network")
        place = f"{self.frame.file} line {self.frame.line}" if self.frames else "outside any layer"
        raise ValueError(f"{label} cannot be written out: {place}: {message}")

    def emit(self, statement: ast.stmt, comment: str | None = None, *, effect: bool = False) -> None:
        """Write a statement. One with an effect stays even where nobody needs its result."""
        self.block.append(ast.fix_missing_locations(statement))
        said = (self.frame.comment if self.frames else "") if comment is None else comment
        vars(statement).update(comment=said, effect=effect)
        self.effects += effect

    def new_variable(self, hint: str, value: Any, **options: Any) -> Variable:
        variable = Variable(f"${next(self._keys)}", hint, value, **options)
        self.variables[variable.key] = variable
        return variable

    def given(self, hint: str, value: Any, *, name_: str = "", varies_: bool = True) -> Expression:
        """A variable that the program gets from outside."""
        variable = self.new_variable(hint, value, name=name_, given=True)
        return Expression(name(variable), value, varies_)

    def named(self, value: Expression, hint: str, *, mine: bool = False) -> Expression:
        """The value as a variable: itself if it is one, otherwise written to a new one."""
        if isinstance(value.node, ast.Name | ast.Constant):
            return value
        return self.assigned(value, hint, mine=mine)

    def assigned(self, value: Expression, hint: str, *, mine: bool = False) -> Expression:
        """A new variable with this value."""
        variable = self.new_variable(hint, value.value)
        variable.mine = mine
        if self.frames:
            variable.base = self.frame.bound.get(hint)
        store = ast.Name(variable.key, ast.Store())
        self.emit(ast.Assign([store], value.node), value.comment or None)
        return Expression(name(variable), value.value, value.varies, loose=value.loose)

    def all_named(self, value: Any, hint: str, *, mine: bool = False) -> Any:
        """`named` for every expression in a container; a list or a dict stays the same object."""
        if isinstance(value, list):
            value[:] = [self.all_named(part, hint, mine=mine) for part in value]
            return value
        if isinstance(value, dict):
            value.update({key: self.all_named(part, hint, mine=mine) for key, part in value.items()})
            return value
        if isinstance(value, tuple):
            parts = [self.all_named(part, hint, mine=mine) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        return mapped(value, lambda expression: self.named(expression, hint, mine=mine))

    def variable_of(self, value: Any) -> Variable | None:
        """The variable that a value is, if it is one."""
        if isinstance(value, Expression) and isinstance(value.node, ast.Name):
            return self.variables.get(value.node.id)
        return None

    def variable(self, value: Expression) -> Variable:
        """The variable that a value is known to be."""
        return self.variables[ast.unparse(value.node)]

    def constant(self, thing: Any, hint: str) -> Expression:
        """An array or a random generator that belongs to a layer, as a variable given from outside."""
        if id(thing) not in self.constants:
            self.constants[id(thing)] = thing, self.given(hint, copy.deepcopy(thing))
        return self.constants[id(thing)][1]

    def node(self, value: Any) -> ast.expr:
        """Any value as it is written in the program."""
        if isinstance(value, Expression):
            return value.node
        if isinstance(value, tuple | list):
            parts = [self.node(part) for part in value]
            return ast.Tuple(parts, ast.Load()) if isinstance(value, tuple) else ast.List(parts, ast.Load())
        if isinstance(value, dict):
            return ast.Dict([self.node(key) for key in value], [self.node(part) for part in value.values()])
        if isinstance(value, np.ndarray | np.random.Generator):
            return self.constant(value, "constant").node
        if isinstance(value, slice):
            return ast.Call(
                ast.Name("slice", ast.Load()), [self.node(p) for p in (value.start, value.stop, value.step)], []
            )
        written = literal(value)
        if written is None:
            self.fail(f"{value!r} cannot be written as a constant")
        return written

    def made(self, node: ast.expr, value: Any, *parts: Any) -> Expression:
        """An expression made of parts: it varies if one of them does."""
        found = expressions(parts)
        if self.in_rule is not None:
            self._check_elementwise(value, found)
        loose = isinstance(value, np.ndarray) and value.ndim > 0 and any(part.loose for part in found)
        comment = self.frame.comment if self.frames else ""
        return Expression(node, value, varies(found), comment, loose)

    def _check_elementwise(self, value: Any, parts: list[Expression]) -> None:
        """In an optimizer's rule, whose blocks are pieces of parameters, arrays keep their shape."""
        if any(np.shape(part.value) == self.in_rule for part in parts) and np.shape(value) != self.in_rule:
            self.fail("a rule has to be elementwise: its blocks are pieces of several parameters")

    def native(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function makes of the arguments' values; its errors name the layer and the line."""
        try:
            with np.errstate(all="ignore"):
                return function(*example(args), **example(kwargs))
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error}")

    @abstractmethod
    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    @abstractmethod
    def parameter(self, parameter: Parameter, attribute: str) -> Any: ...

    def decide(self, value: Any) -> bool | None:
        """Whether a value is true, as far as that is the same in every step; None if it is not."""
        return None if varies(value) else bool(self.native(bool, value))

    def settled(self, value: Any, what: str) -> Any:
        """A value as an ordinary object; an error where it varies from step to step."""
        if varies(value):
            self.fail(f"{what} depends on the numbers in the network")
        return example(value)

    def attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Expression):
            return self.array_attribute(owner, name)
        if isinstance(owner, Parameter) and name in ("data", "grad", "has_grad"):
            return self.parameter(owner, name)
        found = None if isinstance(owner, Parameter) else self.property_of(owner, name)
        if found is not None and isinstance(found.fget, FunctionType):
            return self.call(MethodType(found.fget, getattr(owner, "__self__", owner)), [], {})
        try:
            value = getattr(owner, name)
        except AttributeError as error:
            self.fail(f"AttributeError: {error}")
        if isinstance(value, np.ndarray | np.random.Generator) and not isinstance(owner, np.ndarray):
            return self.constant(value, name)
        return value

    @staticmethod
    def property_of(owner: Any, name: str) -> property | None:
        """The property of that name, also as `super()` finds it."""
        classes: Any = type(owner).__mro__
        if isinstance(owner, super):
            bound: Any = owner
            classes = type(bound.__self__).__mro__
            classes = classes[classes.index(bound.__thisclass__) + 1 :]
        found = next((vars(cls)[name] for cls in classes if name in vars(cls)), None)
        return found if isinstance(found, property) else None

    def array_attribute(self, owner: Expression, name: str) -> Any:
        value = self.native(getattr, owner, name)
        if isinstance(value, np.random.BitGenerator):
            self.fail("the state of a generator cannot be written out")
        if callable(value):
            return Method(owner, name)
        if name in SIZES:
            self.check_size(owner)
        if name in ("dtype", "ndim") or (name in SIZES and name != "size" and not owner.loose):
            return value
        made = self.made(ast.Attribute(owner.node, name, ast.Load()), value)
        made.varies, made.loose = owner.varies and (owner.loose or name not in SIZES), False
        return made

    def check_size(self, owner: Expression) -> None:
        """In an optimizer's rule, the shape of a block is nothing to go by."""
        if self.in_rule is not None and np.shape(owner.value) == self.in_rule:
            self.fail("a rule has to be elementwise: its blocks are pieces of several parameters")

    def item(self, owner: Any, index: Any) -> Any:
        if not isinstance(owner, Expression):
            return self.native_item(owner, self.settled(index, "the index"))
        value = self.native(operator.getitem, owner, index)
        made = self.made(ast.Subscript(owner.node, self.index(index), ast.Load()), value, owner, index)
        made.loose |= _picks(index)
        made.loose &= np.ndim(value) > 0
        return made

    def native_item(self, owner: Any, index: Any) -> Any:
        """An element of a container; an array in it is one that the program gets from outside."""
        try:
            value = owner[index]
        except (KeyError, IndexError, TypeError) as error:
            self.fail(f"{type(error).__name__}: {error}")
        if isinstance(value, np.ndarray | np.random.Generator):
            value = self.constant(value, index if isinstance(index, str) else "constant")
        return value

    def index(self, index: Any) -> ast.expr:
        """An index as it is written between brackets."""
        if isinstance(index, tuple) and index:
            return ast.Tuple([self.index(part) for part in index], ast.Load())
        if isinstance(index, slice):
            parts = (index.start, index.stop, index.step)
            return ast.Slice(*(None if part is None else self.node(part) for part in parts))
        return self.node(index)


SIZES = ("shape", "size", "itemsize", "nbytes", "strides", "flags")  # mostly the same in every step

OURS = (Layer, Loss, Optimizer)


class Method:
    """A method of an array, not called yet."""

    def __init__(self, owner: Expression, name: str) -> None:
        self.owner = owner
        self.name = name


def _picks(index: Any) -> bool:
    """Whether an index picks as many elements as its numbers say: a mask, or a bound of a slice."""
    if isinstance(index, tuple):
        return any(_picks(part) for part in index)
    if isinstance(index, slice):
        return varies(index.start, index.stop, index.step)
    return isinstance(index, Expression) and index.varies and np.asarray(index.value).dtype == bool
