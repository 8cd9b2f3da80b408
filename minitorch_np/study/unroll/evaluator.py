"""Expressions of a layer's source: those that touch arrays are written to the program, others computed."""

from __future__ import annotations

import ast
import builtins
import inspect
from typing import Any

import numpy as np

from minitorch_np.study.unroll.access import Access
from minitorch_np.study.unroll.emitter import Frame
from minitorch_np.study.unroll.operators import OPERATORS
from minitorch_np.study.unroll.values import Expression, example, expressions


class Closure:
    """A function that was defined on the way, in the frame around it."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, frame: Frame, signature: inspect.Signature) -> None:
        self.node = node
        self.frame = frame
        self.signature = signature


class Evaluator(Access):
    """Values of syntax trees."""

    def evaluate(self, node: ast.expr) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.fail(f"`{ast.unparse(node)}` is nothing that can be written out")
        return method(node)

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

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.item(self.evaluate(node.value), self.evaluate(node.slice))

    def _slice(self, node: ast.Slice) -> Any:
        return slice(*(part and self.evaluate(part) for part in (node.lower, node.upper, node.step)))

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.in_order([node.left, node.right])
        return self.binary(node.op, left, right)

    def in_order(self, nodes: list[ast.expr]) -> list[Any]:
        """Values one after the other; one that a later one may change is written before that."""
        values: list[Any] = []
        for node in nodes:
            place, block, effects = len(self.block), self.block, self.effects
            value = self.evaluate(node)
            if self.effects > effects and self.block is block:
                after = block[place:]
                del block[place:]
                values = self.all_named(values, "value", mine=True)
                block += after
            values.append(value)
        return values

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
        operands = self.in_order([node.left, *node.comparators])
        results = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            identity = isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn)
            if isinstance(op, ast.Is | ast.IsNot):
                identity = not any(part.loose for part in expressions((left, right)))
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
            if truth is isinstance(node.op, ast.Or):
                return self.junction(node.op, [*kept, value])
            if truth is None or (kept and part is node.values[-1]):
                kept.append(value)
            last = value
        return self.junction(node.op, kept) if kept else last

    def junction(self, op: ast.boolop, values: list[Any]) -> Any:
        """`a and b`, `a or b`: one of the values."""
        stops = isinstance(op, ast.Or)
        result = next((v for v in values if self.native(bool, v) is stops), values[-1])
        if len(values) == 1 or not expressions(values):
            return result
        return self.made(ast.BoolOp(op, [self.node(v) for v in values]), example(result), *values)

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.evaluate(node.test)
        truth = self.decide(test)
        if truth is not None:
            return self.evaluate(node.body if truth else node.orelse)
        body, orelse = self.evaluate(node.body), self.evaluate(node.orelse)
        for part in (body, orelse):
            if callable(example(part)):
                self.fail("which function this is depends on the numbers in the network")
        value = example(body if example(test) else orelse)
        made = ast.IfExp(self.node(test), self.node(body), self.node(orelse))
        return self.made(made, value, test, body, orelse)
