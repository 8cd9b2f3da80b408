"""Functions that layers call: they become functions of the program, made for just what is needed of them."""

from __future__ import annotations

import ast
import builtins
import inspect
from types import FunctionType
from typing import Any

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.derivation.folding import fold, operations
from minitorch_np.derivation.naming import Names
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.statements import Block, Statement, keys_in
from minitorch_np.derivation.values import Expression, example, expressions, identifier, literal, numbered

LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


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
        source, signature = self.calls.source_of(function)
        node, parameters = source.node, signature.parameters.values()
        plain = all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters)
        if not isinstance(node, ast.FunctionDef) or "." in function.__qualname__ or not plain:
            return self.calls.enter(function, args, kwargs)
        loops = any(isinstance(part, LOOPS) for part in ast.walk(node))
        if not self.writer.plain:
            if loops and self.writable((args, kwargs)):
                return self.copy_called(function, self.named(function), args, kwargs)
            return self.calls.enter(function, args, kwargs)
        if loops and self.writable((args, kwargs)) and (helper := self.copied(function)):
            return self.copy_called(function, helper, args, kwargs)
        return self._specialised(function, node, args, kwargs)

    def copy_called(self, function: Any, helper: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call of a function that was taken as it is; a statement where it changes its arguments."""
        given = [part for part in expressions((args, kwargs)) if isinstance(part.value, np.ndarray)]
        before = [part.value.tobytes() for part in given]
        value = self.ops.native(function, *args, **kwargs)
        changed = [part for part, old in zip(given, before, strict=True) if part.value.tobytes() != old]
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
        for chosen in numbered(function.__name__):
            if self.called.setdefault(chosen, function) is function:
                break
        return chosen

    def writable(self, value: Any) -> bool:
        """Whether arguments can be handed to a function of the program as they are."""
        if isinstance(value, tuple | list):
            return all(self.writable(part) for part in value)
        if isinstance(value, dict):
            return all(self.writable(part) for part in value.values())
        return isinstance(value, Expression) or literal(value) is not None

    def _specialised(self, function: FunctionType, node: ast.FunctionDef, args: list[Any], kwargs: Any) -> Any:
        """A helper for these sizes, options and precision, with the arrays as its parameters."""
        bound = inspect.signature(function, follow_wrapped=False).bind(*args, **kwargs).arguments
        actual: dict[str, Expression] = {}
        formal: dict[str, Any] = {}
        for key, value in bound.items():
            if isinstance(value, Expression) and not isinstance(value.node, ast.Constant):
                variable = self.writer.new_variable(key, value.value, name=key)
                actual[variable.key] = value
                formal[key] = variable.expression(value.varies)
            else:
                formal[key] = value
        before = [example(part).tobytes() for part in actual.values() if isinstance(part.value, np.ndarray)]
        with self.writer.sub_block() as body:
            result = self.calls.enter(function, [], formal)
        after = [example(part).tobytes() for part in actual.values() if isinstance(part.value, np.ndarray)]
        inside = {key for statement in body for key in keys_in(statement, ast.Store)} | set(actual)
        parts: list[Any] = [*body, *(part.node for part in expressions(result))]
        used = {key for part in parts for key in keys_in(part)}
        closed = used <= inside and isinstance(result, Expression) and after == before
        if (
            not closed
            or not actual
            or (not body and operations(result.node) < 2)
            or (keys_in(result.node) <= set(actual) and isinstance(result.node, ast.Name))
        ):
            return self._spliced(actual, body, result)
        helper = self._defined(function.__name__, node, [*actual], [*body, Statement(ast.Return(result.node))])
        call = ast.Call(ast.Name(helper, ast.Load()), [part.node for part in actual.values()], [])
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
        wanted = identifier(wanted)
        for chosen in numbered(wanted):
            if chosen not in self.functions and not self.may_be_called(chosen):
                continue
            head = ast.fix_missing_locations(ast.FunctionDef(chosen, arguments, [], [], lineno=0))
            made = Statement(head, body)
            known = self.functions.setdefault(chosen, made)
            if ast.unparse(known.tree()) == ast.unparse(made.tree()):
                break
        return chosen

    def copied(self, function: FunctionType) -> str | None:
        """Take a function as it is, but for annotations; its name, or None if it needs more than NumPy."""
        if function in self.copies:
            return self.copies[function]
        source = self.calls.source_of(function)[0].node
        if not isinstance(source, ast.FunctionDef):
            return None
        made = _Plain().visit(copied_tree(source))
        body = made.body[1 if ast.get_docstring(source) else 0 :]
        self.copies[function] = identifier(function.__name__)  # as it may call itself
        renamed = self._globals_of(function, made)
        if renamed is None:
            del self.copies[function]
            return None
        body = [_Renamed(renamed).visit(statement) for statement in body]
        statements = _said(source) + [Statement.of(statement) for statement in body]
        made.args = _Renamed(renamed).visit(made.args)
        self.copies[function] = self._kept(function.__name__, made.args, statements)
        return self.copies[function]

    def _globals_of(self, function: FunctionType, made: ast.FunctionDef) -> dict[str, ast.expr] | None:
        """What stands for the names that a function has from outside; None if that cannot be written."""
        local = {n.id for n in ast.walk(made) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        local |= {a.arg for a in ast.walk(made) if isinstance(a, ast.arg)}
        local |= {n.name for n in ast.walk(made) if isinstance(n, ast.FunctionDef)} - {made.name}
        if any(isinstance(node, ast.Global | ast.Nonlocal | ast.Import) for node in ast.walk(made)):
            return None
        found: dict[str, ast.expr] = {}
        for key in dict.fromkeys(n.id for n in ast.walk(made) if isinstance(n, ast.Name)):
            if key in local:
                continue
            if key not in function.__globals__ and not hasattr(builtins, key):
                return None
            builtin = vars(builtins).get(key)
            value = function.__globals__.get(key, builtin)
            if value is np:
                found[key] = ast.Name("np", ast.Load())
            elif isinstance(value, FunctionType):
                inner = self.copied(value)
                if inner is None:
                    return None
                found[key] = ast.Name(inner, ast.Load())
            elif value is None or value is not builtin:
                written = literal(value)
                if written is None:
                    return None
                found[key] = written
        return found

    def may_be_called(self, name: str) -> bool:
        """Whether a helper may have this name; then nothing else may."""
        taken = self.passes.roles.taken
        is_free = name not in taken
        taken.add(name)
        return is_free


def _said(node: ast.FunctionDef) -> Block:
    """The first line of a docstring, as a statement."""
    doc = ast.get_docstring(node)
    return [Statement(ast.Expr(ast.Constant(doc.splitlines()[0])))] if doc else []


class _Plain(ast.NodeTransformer):
    """Without annotations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        return None if node.value is None else ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node


class _Renamed(ast.NodeTransformer):
    """With other expressions for some names."""

    def __init__(self, renamed: dict[str, ast.expr]) -> None:
        self.renamed = renamed

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.renamed.get(node.id, node)
