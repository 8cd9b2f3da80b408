"""Functions that layers call: they become functions of the program, made for just what is needed of them."""

from __future__ import annotations

import ast
import builtins
import inspect
from types import FunctionType
from typing import Any

import numpy as np

from minitorch_np.study.unroll.calls import Calls
from minitorch_np.study.unroll.folding import fold, operations
from minitorch_np.study.unroll.naming import Names
from minitorch_np.study.unroll.sources import SourceError, source_of
from minitorch_np.study.unroll.values import Expression, expressions, literal, name
from minitorch_np.study.unroll.walking import keys_in

LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


class Helpers(Calls):
    """Functions at the head of the program, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.helpers: dict[str, ast.FunctionDef] = {}

    def of_helper(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call of a function, as a call of a helper where that is possible; otherwise gone through."""
        try:
            source = source_of(function)
        except SourceError as error:
            self.fail(str(error))
        outside = "<locals>" in function.__qualname__ or "." in function.__qualname__
        if outside or isinstance(source.node, ast.Lambda):
            return self.enter(function, args, kwargs)
        loops = any(isinstance(node, LOOPS) for node in ast.walk(source.node))
        if loops and self._writable((args, kwargs)) and self.copied(function):
            helper = ast.Name(function.__name__.lstrip("_"), ast.Load())
            return self.written(helper, self.native(function, *args, **kwargs), args, kwargs)
        return self._specialised(function, source.node, args, kwargs)

    def _writable(self, value: Any) -> bool:
        """Whether arguments can be handed to a function of the program as they are."""
        if isinstance(value, tuple | list):
            return all(self._writable(part) for part in value)
        if isinstance(value, dict):
            return all(self._writable(part) for part in value.values())
        return isinstance(value, Expression) or literal(value) is not None

    def _specialised(
        self, function: FunctionType, node: ast.FunctionDef | ast.Lambda, args: list[Any], kwargs: Any
    ) -> Any:
        """A helper for these sizes, options and precision, with the arrays as its parameters."""
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
        actual: dict[str, Expression] = {}
        formal: dict[str, Any] = {}
        for key, value in bound.items():
            if isinstance(value, Expression) and not isinstance(value.node, ast.Constant):
                variable = self.new_variable(key, value.value, name=key)
                actual[variable.key] = value
                formal[key] = Expression(name(variable), value.value, value.varies)
            else:
                formal[key] = value
        with self.sub_block() as body:
            result = self.enter(function, [], formal)
        inside = {key for statement in body for key in keys_in(statement, ast.Store)} | set(actual)
        used = {key for part in (*body, *(e.node for e in expressions(result))) for key in keys_in(part)}
        closed = used <= inside and isinstance(result, Expression)
        if (
            not closed
            or not actual
            or (not body and operations(result.node) < 2)
            or (keys_in(result.node) <= set(actual) and isinstance(result.node, ast.Name))
        ):
            return self._spliced(actual, body, result)
        helper = self._defined(function, node, [*actual], body, result)
        call = ast.Call(ast.Name(helper, ast.Load()), [part.node for part in actual.values()], [])
        return Expression(call, result.value, result.varies, self.frame.comment)

    def _spliced(self, actual: dict[str, Expression], body: list[ast.stmt], result: Any) -> Any:
        """The statements where the call stands, after the parameters have got their values."""
        for key, value in actual.items():
            self.variables[key].name, self.variables[key].mine = "", True
            self.emit(ast.Assign([ast.Name(key, ast.Store())], value.node), "")
        self.block += body
        return self.all_named(result, "result", mine=True)

    def _defined(
        self,
        function: FunctionType,
        node: ast.FunctionDef | ast.Lambda,
        parameters: list[str],
        body: list[ast.stmt],
        result: Expression,
    ) -> str:
        """Write the helper, or find it written before; returns its name."""
        statements = [*body, ast.Return(result.node)]
        last = statements[-2] if len(statements) > 1 else None
        if isinstance(last, ast.With) and keys_in(statements[-1]) <= keys_in(last.body[-1], ast.Store):
            final = last.body[-1]  # with …: y = …; then return y
            if isinstance(final, ast.Assign):
                last.body[-1] = ast.fix_missing_locations(ast.Return(final.value))
                statements.pop()
        statements = fold(statements, self.variables)
        arguments = [ast.arg(self.variables[key].name) for key in parameters]
        names = Names(self.variables, reserved=set(self.helpers) | {"np"})
        names.give(statements)
        doc = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
        if doc:
            statements.insert(0, ast.Expr(ast.Constant(doc.splitlines()[0])))
        return self._kept(function.__name__.lstrip("_"), arguments, statements)

    def _kept(self, wanted: str, arguments: list[ast.arg], body: list[ast.stmt]) -> str:
        chosen, number = wanted, 1
        while True:
            made = ast.FunctionDef(chosen, _arguments(arguments), body, [], lineno=0)
            known = self.helpers.setdefault(chosen, ast.fix_missing_locations(made))
            if ast.unparse(known) == ast.unparse(made):
                return chosen
            number += 1
            chosen = f"{wanted}{number}"

    def copied(self, function: FunctionType) -> bool:
        """Take a function as it is, without its annotations; False where it needs more than NumPy."""
        chosen = function.__name__.lstrip("_")
        source = source_of(function).node
        if chosen in self.helpers or not isinstance(source, ast.FunctionDef):
            return chosen in self.helpers
        doc = ast.get_docstring(source)
        plain = _Plain()
        made = plain.visit(ast.parse(ast.unparse(source)).body[0])
        made.name, made.decorator_list, made.returns = chosen, [], None
        if doc:
            made.body[0] = ast.Expr(ast.Constant(doc.splitlines()[0]))
        local = {n.id for n in ast.walk(made) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        local |= {a.arg for a in ast.walk(made) if isinstance(a, ast.arg)}
        renamed: dict[str, ast.expr] = {}
        for node in ast.walk(made):
            if not isinstance(node, ast.Name) or node.id in local or node.id in renamed:
                continue
            value = function.__globals__.get(node.id, vars(builtins).get(node.id))
            if isinstance(value, FunctionType):
                if not self.copied(value):
                    return False
                renamed[node.id] = ast.Name(value.__name__.lstrip("_"), ast.Load())
            elif value is not np and value is not vars(builtins).get(node.id):
                written = literal(value)
                if written is None:
                    return False
                renamed[node.id] = written
        made = _Renamed(renamed).visit(made)
        self.helpers[chosen] = ast.fix_missing_locations(made)
        return True


def _arguments(arguments: list[ast.arg]) -> ast.arguments:
    return ast.arguments([], arguments, None, [], [], None, [])


class _Plain(ast.NodeTransformer):
    """Without annotations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        return None if node.value is None else ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)


class _Renamed(ast.NodeTransformer):
    """With other expressions for some names."""

    def __init__(self, renamed: dict[str, ast.expr]) -> None:
        self.renamed = renamed

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.renamed.get(node.id, node)
