"""Expressions of a layer's source: those that touch arrays are written to the program, others computed."""

from __future__ import annotations

import ast
import builtins
import inspect
import operator
from abc import abstractmethod
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.emitter import Emitter, Frame
from minitorch_np.study.unroll.operators import OPERATORS
from minitorch_np.study.unroll.values import Expression, example, expressions, varies

KNOWN = ("shape", "ndim", "dtype", "itemsize", "nbytes", "strides", "flags")  # the same in every step
OURS = (Layer, Loss, Optimizer)


class Method:
    """A method of an array, not called yet."""

    def __init__(self, owner: Expression, name: str) -> None:
        self.owner = owner
        self.name = name


class Closure:
    """A function that was defined on the way, in the frame around it."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, frame: Frame) -> None:
        self.node = node
        self.frame = frame


class Evaluator(Emitter):
    """Values of syntax trees."""

    @abstractmethod
    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    @abstractmethod
    def parameter(self, parameter: Parameter, attribute: str) -> Any: ...

    def evaluate(self, node: ast.expr) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.fail(f"`{ast.unparse(node)}` is nothing that can be written out")
        return method(node)

    def decide(self, value: Any) -> bool | None:
        """Whether a value is true, as far as that is the same in every step; None where it is not."""
        return None if varies(value) else bool(self.native(bool, value))

    def settled(self, value: Any, what: str) -> Any:
        """A value as an ordinary object; an error where it varies from step to step."""
        if varies(value):
            self.fail(f"{what} depends on the numbers in the network")
        return example(value)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        frame = self.frame
        scopes = (frame.locals, frame.cells, frame.globals, vars(builtins))
        found = next((scope for scope in scopes if node.id in scope), None)
        if found is None:
            self.fail(f"NameError: {node.id} is not defined")
        value = found[node.id]
        return self.constant(value, node.id) if isinstance(value, np.ndarray) else value

    def _attribute(self, node: ast.Attribute) -> Any:
        return self.attribute(self.evaluate(node.value), node.attr)

    def attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Expression):
            return self.array_attribute(owner, name)
        if isinstance(owner, Parameter) and name in ("data", "grad", "has_grad"):
            return self.parameter(owner, name)
        found = inspect.getattr_static(type(owner), name, None)
        if isinstance(found, property) and isinstance(found.fget, FunctionType) and isinstance(owner, OURS):
            return self.call(MethodType(found.fget, owner), [], {})
        value = self.native(getattr, owner, name)
        if isinstance(value, np.ndarray | np.random.Generator) and not isinstance(owner, np.ndarray):
            return self.constant(value, name)
        return value

    def array_attribute(self, owner: Expression, name: str) -> Any:
        value = self.native(getattr, owner, name)
        if name in KNOWN:
            return value
        if callable(value):
            return Method(owner, name)
        made = self.made(ast.Attribute(owner.node, name, ast.Load()), value, owner)
        made.varies &= name != "size"
        return made

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.item(self.evaluate(node.value), self.evaluate(node.slice))

    def item(self, owner: Any, index: Any) -> Any:
        if not isinstance(owner, Expression):
            if expressions(index) and isinstance(owner, np.ndarray):
                return self.item(self.constant(owner, "constant"), index)
            return self.native_item(owner, self.settled(index, "the index"))
        value = self.native(operator.getitem, owner, index)
        return self.made(ast.Subscript(owner.node, self.index(index), ast.Load()), value, owner, index)

    def native_item(self, owner: Any, index: Any) -> Any:
        try:
            return owner[index]
        except (KeyError, IndexError, TypeError) as error:
            self.fail(f"{type(error).__name__}: {error}")

    def index(self, index: Any) -> ast.expr:
        """An index as it is written between brackets."""
        if isinstance(index, tuple) and index:
            return ast.Tuple([self.index(part) for part in index], ast.Load())
        if isinstance(index, slice):
            parts = (index.start, index.stop, index.step)
            return ast.Slice(*(None if part is None else self.node(part) for part in parts))
        return self.node(index)

    def _slice(self, node: ast.Slice) -> Any:
        return slice(*(part and self.evaluate(part) for part in (node.lower, node.upper, node.step)))

    def _binop(self, node: ast.BinOp) -> Any:
        return self.binary(node.op, self.evaluate(node.left), self.evaluate(node.right))

    def binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, Expression) or isinstance(right, Expression):
            value = self.native(OPERATORS[type(op)], left, right)
            made = self.made(ast.BinOp(self.node(left), op, self.node(right)), value, left, right)
            vars(made.node)["keeps"] = self._kept_side(op, left, right, value)
            return made
        try:
            return OPERATORS[type(op)](left, right)
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error}")

    @staticmethod
    def _kept_side(op: ast.operator, left: Any, right: Any, value: Any) -> str:
        """The side that `1 * a`, `a * 1` or `a / 1` is to the bit; "" for any other operation."""
        sides = {"right": (left, right)} if isinstance(op, ast.Mult) else {}
        if isinstance(op, ast.Mult | ast.Div):
            sides["left"] = (right, left)
        for side, (one, other) in sides.items():
            same = isinstance(other, Expression) and isinstance(other.value, np.ndarray)
            if same and type(one) in (int, float) and one == 1 and other.value.dtype == value.dtype:
                return side
        return ""

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        operand = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not) and (truth := self.decide(operand)) is not None:
            return not truth
        value = self.native(OPERATORS[type(node.op)], operand)
        if not isinstance(operand, Expression):
            return value
        return self.made(ast.UnaryOp(node.op, operand.node), value, operand)

    def _compare(self, node: ast.Compare) -> Any:
        operands = [self.evaluate(part) for part in (node.left, *node.comparators)]
        results = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            identity = isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn)
            if identity or not (isinstance(left, Expression) or isinstance(right, Expression)):
                value = OPERATORS[type(op)](example(left), example(right))
                if isinstance(op, ast.In | ast.NotIn):
                    self.settled((left, right), "membership")
                results.append(value)
            else:
                value = self.native(OPERATORS[type(op)], left, right)
                compared = ast.Compare(self.node(left), [op], [self.node(right)])
                results.append(self.made(compared, value, left, right))
        return results[0] if len(results) == 1 else self.junction(ast.And(), results)

    def _boolop(self, node: ast.BoolOp) -> Any:
        kept: list[Any] = []
        for part in node.values:
            value = self.evaluate(part)
            truth = self.decide(value)
            if truth is None:
                kept.append(value)
            elif truth is isinstance(node.op, ast.Or):
                return self.junction(node.op, [*kept, value])
            last = value
        return self.junction(node.op, kept) if kept else last

    def junction(self, op: ast.boolop, values: list[Any]) -> Any:
        if len(values) == 1:
            return values[0]
        result = (all if isinstance(op, ast.And) else any)(bool(example(value)) for value in values)
        if not expressions(values):
            return result
        return self.made(ast.BoolOp(op, [self.node(value) for value in values]), result, *values)

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.evaluate(node.test)
        truth = self.decide(test)
        if truth is not None:
            return self.evaluate(node.body if truth else node.orelse)
        body, orelse = self.evaluate(node.body), self.evaluate(node.orelse)
        value = example(body if example(test) else orelse)
        made = ast.IfExp(self.node(test), self.node(body), self.node(orelse))
        return self.made(made, value, test, body, orelse)
