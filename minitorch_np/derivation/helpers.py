"""Functions that layers call: they become functions of the program, made for just what is needed of them."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.derivation.folding import fold, operations
from minitorch_np.derivation.naming import Names
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.statements import Block, Statement, keys_in, replaced
from minitorch_np.derivation.values import Expression, called, expressions, identifier, literal, numbered
from minitorch_np.derivation.writer import TooLongError

UNROLLED = 1000  # statements at most of a function whose loops are unrolled


class Helpers(Part):
    """Functions at the head of the program, by name.

    If the program is not for a reader, they are not written down: a call of one stays a call of the function
    itself, which `called` holds by name.
    """

    def __init__(self) -> None:
        self.called: dict[str, FunctionType] = {}
        self.functions: dict[str, Statement] = {}
        self.copies: dict[FunctionType, str] = {}

    def of_helper(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call of a function, as a call of a helper if that is possible; otherwise gone through."""
        source = self.calls.source_of(function)
        given = source.node.args
        is_simple = not (given.posonlyargs or given.vararg or given.kwarg)
        if not isinstance(source.node, ast.FunctionDef) or "." in function.__qualname__ or not is_simple:
            return self.calls.enter(function, args, kwargs)
        if source.has_loops and self.writable((args, kwargs)):
            if not self.writer.plain and function.__module__.startswith("minitorch_np."):
                return self._unrolled(function, args, kwargs)
            helper = self.copied(function) if self.writer.plain else self.named(function)
            if helper is not None:
                return self.copy_called(function, helper, args, kwargs)
        if self.writer.plain:
            bound = inspect.signature(function, follow_wrapped=False).bind(*args, **kwargs)
            return self._specialised(function, source.node, bound.arguments)
        return self.calls.enter(function, args, kwargs)

    def _unrolled(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A function with loops, turn by turn; a call of it if there are too many or they cannot be written."""
        given = [part.value for part in expressions((args, kwargs)) if isinstance(part.value, np.ndarray)]
        before = [array.copy() for array in given]
        outer, self.writer.most = self.writer.most, min(self.writer.most, UNROLLED)
        try:
            with self.writer.sub_block() as body:
                result = self.calls.enter(function, args, kwargs)
        except (TooLongError, ValueError):
            for array, numbers in zip(given, before, strict=True):
                array[...] = numbers
            return self.copy_called(function, self.named(function), args, kwargs)
        finally:
            self.writer.most = outer
        self.writer.block += body
        return result

    def copy_called(self, function: Any, helper: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call of a function that was taken as it is; a statement where it changes its arguments."""
        given = [part for part in expressions((args, kwargs)) if isinstance(part.value, np.ndarray)]
        before = _contents(given)
        value = self.ops.native(function, *args, **kwargs)
        changed = [part for part, old, new in zip(given, before, _contents(given), strict=True) if new != old]
        made = self.ops.written(helper, value, args, kwargs)
        for part in changed:
            part.varies |= made.varies
        if value is None:
            self.writer.emit(ast.Expr(made.node), effect=True)
            return None
        if changed:
            return self.writer.assigned(made, "result", effect=True)
        return made

    def named(self, function: FunctionType) -> str:
        """The name under which a function is called that is not written down."""
        names = numbered(function.__name__)
        return next(name for name in names if self.called.setdefault(name, function) is function)

    def writable(self, value: Any) -> bool:
        """Whether arguments can be handed to a function of the program as they are."""
        if isinstance(value, tuple | list | dict):
            return all(map(self.writable, value.values() if isinstance(value, dict) else value))
        return type(value) is Expression or literal(value) is not None

    def _specialised(self, function: FunctionType, node: ast.FunctionDef, bound: dict[str, Any]) -> Any:
        """A helper for these sizes, options and precision, with the arrays as its parameters."""
        actual: dict[str, Expression] = {}
        formal: dict[str, Any] = {}
        for key, value in bound.items():
            if type(value) is Expression and not isinstance(value.node, ast.Constant):
                variable = self.writer.new_variable(key, value.value, name=key)
                actual[variable.key] = value
                formal[key] = variable.expression(value.varies)
            else:
                formal[key] = value
        before = _contents(actual.values())
        with self.writer.sub_block() as body:
            result = self.calls.enter(function, [], formal)
        inside = {key for statement in body for key in keys_in(statement, ast.Store)} | set(actual)
        parts: list[Any] = [*body, *(part.node for part in expressions(result))]
        is_closed = actual and all(keys_in(part) <= inside for part in parts)
        if (
            not is_closed
            or type(result) is not Expression
            or _contents(actual.values()) != before
            or (not body and operations(result.node) < 2)
            or (isinstance(result.node, ast.Name) and result.node.id in actual)
        ):
            return self._spliced(actual, body, result)
        helper = self._defined(function.__name__, node, [*actual], [*body, Statement(ast.Return(result.node))])
        call = called(helper, *(part.node for part in actual.values()))
        return Expression(call, result.value, result.varies, self.writer.comment, result.loose)

    def _spliced(self, actual: dict[str, Expression], body: Block, result: Any) -> Any:
        """The statements where the call stands, after the parameters have got their values."""
        for key, value in actual.items():
            variable = self.writer.variables[key]
            variable.name, variable.mine = "", True
            self.writer.set(variable, value)
        self.writer.block += body
        return self.writer.all_named(result, "result", mine=True)

    def _defined(self, wanted: str, node: ast.FunctionDef, parameters: list[str], body: Block) -> str:
        """Write the helper, or find it written before; returns its name."""
        *_, last, final = [None, *body]
        if last is not None and isinstance(last.head, ast.With):
            made = last.body[-1].head  # with …: y = …; then return y
            if isinstance(made, ast.Assign) and keys_in(final) <= keys_in(made, ast.Store):
                last.body[-1] = Statement(ast.Return(made.value))
                body = body[:-1]
        body = fold(body, self.writer.variables)
        arguments = [ast.arg(self.writer.variables[key].name) for key in parameters]
        Names(self.writer.variables, reserved=set(self.functions) | {"np"}).give(body)
        return self._kept(wanted, ast.arguments([], arguments, None, [], [], None, []), _said(node) + body)

    def _kept(self, wanted: str, arguments: ast.arguments, body: Block) -> str:
        """The name of a helper, the wanted one or that with a number; one of the same text is taken again."""
        taken = self.passes.roles.names.taken
        for chosen in numbered(identifier(wanted)):
            if chosen in taken and chosen not in self.functions:
                continue
            taken.add(chosen)
            made = Statement(ast.FunctionDef(chosen, arguments, [], [], lineno=0), body)
            known = self.functions.setdefault(chosen, made)
            if ast.unparse(known.tree()) == ast.unparse(made.tree()):
                break
        return chosen

    def copied(self, function: FunctionType) -> str | None:
        """Take a function as it is, but for annotations; its name, or None if it needs more than NumPy."""
        if function in self.copies:
            return self.copies[function]
        source = self.calls.source_of(function).node
        if not isinstance(source, ast.FunctionDef):
            return None
        made = _NotAnnotated().visit(copied_tree(source))
        self.copies[function] = identifier(function.__name__)  # as it may call itself
        renamed = self._globals_of(function, made)
        if renamed is None:
            del self.copies[function]
            return None
        made = replaced(made, renamed)
        body = [Statement.of(statement) for statement in made.body[1 if ast.get_docstring(source) else 0 :]]
        self.copies[function] = self._kept(function.__name__, made.args, _said(source) + body)
        return self.copies[function]

    def _globals_of(self, function: FunctionType, made: ast.FunctionDef) -> dict[str, ast.expr] | None:
        """What stands for the names that a function has from outside; None if that cannot be written."""
        nodes = [*ast.walk(made)]
        if any(isinstance(node, ast.Global | ast.Nonlocal | ast.Import) for node in nodes):
            return None
        names = [node for node in nodes if isinstance(node, ast.Name)]
        local = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        local |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        local |= {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node is not made}
        found: dict[str, ast.expr] = {}
        for key in dict.fromkeys(name.id for name in names if name.id not in local):
            if key not in function.__globals__ and hasattr(builtins, key):
                continue
            value = function.__globals__.get(key, object())  # cannot be written if there is none
            if value is np:
                node: ast.expr | None = ast.Name("np", ast.Load())
            elif isinstance(value, FunctionType):
                name = self.copied(value)
                node = ast.Name(name, ast.Load()) if name else None
            else:
                node = literal(value)
            if node is None:
                return None
            found[key] = node
        return found


def _contents(parts: Iterable[Expression]) -> list[bytes]:
    """What the arrays hold."""
    return [part.value.tobytes() for part in parts if isinstance(part.value, np.ndarray)]


def _said(node: ast.FunctionDef) -> Block:
    """The first line of a docstring, as a statement."""
    doc = ast.get_docstring(node)
    return [Statement(ast.Expr(ast.Constant(doc.splitlines()[0])))] if doc else []


class _NotAnnotated(ast.NodeTransformer):
    """A function without annotations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        return None if node.value is None else ast.Assign([node.target], node.value, lineno=node.lineno)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        vars(node).update(dict.fromkeys(vars(node).keys() & {"annotation", "returns"}))
        return super().generic_visit(node)
