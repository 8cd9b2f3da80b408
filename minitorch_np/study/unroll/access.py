"""Attributes and elements: of arrays they are written to the program, of other objects they are there."""

from __future__ import annotations

import ast
import operator
from abc import abstractmethod
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.emitter import Emitter
from minitorch_np.study.unroll.values import Expression, example, varies

SIZES = ("shape", "size", "itemsize", "nbytes", "strides", "flags")  # mostly the same in every step
OURS = (Layer, Loss, Optimizer)


class Method:
    """A method of an array, not called yet."""

    def __init__(self, owner: Expression, name: str) -> None:
        self.owner = owner
        self.name = name


class Access(Emitter):
    """What an object holds."""

    @abstractmethod
    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    @abstractmethod
    def parameter(self, parameter: Parameter, attribute: str) -> Any: ...

    def decide(self, value: Any) -> bool | None:
        """Whether a value is true, as far as that is the same in every step; None where it is not."""
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
            self.fail("the state of a generator is nothing that can be written out")
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


def _picks(index: Any) -> bool:
    """Whether an index picks as many elements as its numbers say: a mask, or a bound of a slice."""
    if isinstance(index, tuple):
        return any(_picks(part) for part in index)
    if isinstance(index, slice):
        return varies(index.start, index.stop, index.step)
    return isinstance(index, Expression) and index.varies and np.asarray(index.value).dtype == bool
