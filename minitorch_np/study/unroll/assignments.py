"""Assignments in a layer's source: names are variables of the program, attributes those of real objects."""

from __future__ import annotations

import ast
from abc import abstractmethod
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.access import OURS
from minitorch_np.study.unroll.displays import Displays
from minitorch_np.study.unroll.values import Expression, expressions, name, varies

UNSET = object()


class Assignments(Displays):
    """What `=` and `+=` do."""

    @abstractmethod
    def set_parameter(self, parameter: Parameter, attribute: str, value: Any) -> None: ...

    def _run_annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self.assign(statement.target, self.evaluate(statement.value))

    def _run_assign(self, statement: ast.Assign) -> None:
        value = self.evaluate(statement.value)
        parts = getattr(statement.targets[0], "elts", [])
        if isinstance(value, tuple) and not all(isinstance(part, ast.Name | ast.Starred) for part in parts):
            value = self.all_named(value, "value", mine=True)  # all of them, before the first is assigned
        if len(statement.targets) > 1:  # a = b = ...: one array of two names
            value = self.all_named(value, ast.unparse(statement.targets[-1]).rpartition(".")[2])
        for target in statement.targets:
            self.assign(target, value)

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            value = self.all_named(value, target.id)
            if isinstance(value, Expression) and type(value.value) in (tuple, list) and value.value:
                value = type(value.value)(self.items(value, "what is unpacked"))
            self.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            names = [part.id for part in target.elts if isinstance(part, ast.Name)]
            if isinstance(value, Expression) and len(names) == len(target.elts):
                self._unpack_array(names, value)
            else:
                self.unpack(target, value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.evaluate(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self.set_item(self.evaluate(target.value), self.evaluate(target.slice), value)
        else:
            self.fail(f"`{ast.unparse(target)}` is no name to give a value to")

    def _unpack_array(self, names: list[str], value: Expression) -> None:
        """`a, b = np.split(…)` stays one statement."""
        if len(value.value) != len(names):
            self.fail(f"ValueError: {len(value.value)} values for {len(names)} names")
        variables = [self.new_variable(n, part) for n, part in zip(names, value.value, strict=True)]
        targets: list[ast.expr] = [ast.Name(variable.key, ast.Store()) for variable in variables]
        self.emit(ast.Assign([ast.Tuple(targets, ast.Store())], value.node))
        for variable in variables:
            made = Expression(name(variable), variable.value, value.varies, loose=value.loose)
            self.frame.locals[variable.hint] = made

    def set_attribute(self, owner: Any, attribute: str, value: Any) -> None:
        if isinstance(owner, Parameter):
            self.set_parameter(owner, attribute, value)
        elif isinstance(setter := getattr(self.property_of(owner, attribute), "fset", None), FunctionType):
            self.call(MethodType(setter, owner), [value], {})
        elif isinstance(owner, OURS) or hasattr(owner, "__dict__"):
            value = self.all_named(value, attribute.lstrip("_"))
            for part in expressions(value):
                if variable := self.variable_of(part):
                    variable.kept = True
            self.set_attributes.append((owner, attribute, vars(owner).get(attribute, UNSET)))
            vars(owner)[attribute] = value
        else:
            self.fail(f"the attribute {attribute} of {type(owner).__name__} cannot be set")

    def set_item(self, owner: Any, index: Any, value: Any) -> None:
        if not isinstance(owner, Expression):
            self.check_branch()
            self.put_item(owner, self.settled(index, "the index"), self.all_named(value, "part"))
            return
        owner = self.named(owner, "part", mine=True)
        value = self.named(value, "value", mine=True) if isinstance(value, Expression) else value
        self.native(self._put, owner, index, value)
        target = ast.Subscript(owner.node, self.index(index), ast.Store())
        self.emit(ast.Assign([target], self.node(value)), effect=True)
        owner.varies |= varies(index, value)

    def _run_augassign(self, statement: ast.AugAssign) -> None:
        target, op = statement.target, statement.op
        if isinstance(target, ast.Subscript):
            self._augment_item(self.evaluate(target.value), self.evaluate(target.slice), op, statement.value)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value)
            old = self.attribute(owner, target.attr)
            self.set_attribute(owner, target.attr, self._augmented(old, op, self.evaluate(statement.value)))
        else:
            load = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            self.assign(target, self._augmented(self.evaluate(load), op, self.evaluate(statement.value)))

    def _augmented(self, old: Any, op: ast.operator, value: Any) -> Any:
        """`old op= value`: an array changes in place, a number becomes another."""
        if not isinstance(old, Expression) or not isinstance(old.value, np.ndarray):
            return self.binary(op, old, value)
        old = self.named(old, "part", mine=True)
        self.native(self._put, old, ..., self.binary(op, old, value))
        if isinstance(old.node, ast.Name):
            self.emit(ast.AugAssign(ast.Name(old.node.id, ast.Store()), op, self.node(value)), effect=True)
        old.varies |= varies(value)
        return old

    def _augment_item(self, owner: Any, index: Any, op: ast.operator, node: ast.expr) -> None:
        value = self.evaluate(node)
        if not isinstance(owner, Expression):
            self.set_item(owner, index, self._augmented(self.item(owner, index), op, value))
            return
        changed = self.binary(op, self.item(owner, index), value)
        owner = self.named(owner, "part", mine=True)
        self.native(self._put, owner, index, changed)
        target = ast.Subscript(owner.node, self.index(index), ast.Store())
        self.emit(ast.AugAssign(target, op, self.node(value)), effect=True)
        owner.varies |= varies(index, value)

    def put_item(self, owner: Any, index: Any, value: Any) -> None:
        """An element of a list or a dict."""
        owner[index] = value

    def check_branch(self) -> None:
        """What a list or a dict holds cannot depend on the numbers."""
        if self.in_branch:
            self.fail("what a list or a dict holds depends on the numbers in the network")

    @staticmethod
    def _put(array: Any, index: Any, value: Any) -> None:
        array[index] = value
