"""Values of the expressions in a layer's source."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.derivation.operations import OPERATORS
from minitorch_np.derivation.values import Expression, example, expressions

if TYPE_CHECKING:
    from minitorch_np.derivation.calls import Calls
    from minitorch_np.derivation.executor import Executor
    from minitorch_np.derivation.objects import Objects
    from minitorch_np.derivation.operations import Operations
    from minitorch_np.derivation.writer import Frame, Writer


class Closure:
    """A function that was defined on the way, in the frame around it."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, frame: Frame, signature: inspect.Signature) -> None:
        self.node = node
        self.frame = frame
        self.signature = signature


class Evaluator:
    """Values of syntax trees; each kind of node has the method that bears its name."""

    executor: Executor
    calls: Calls

    def __init__(self, writer: Writer, ops: Operations, objects: Objects) -> None:
        self.writer = writer
        self.ops = ops
        self.objects = objects
        self.complains = False  # an error is being made, whose text may tell all numbers

    def evaluate(self, node: ast.expr) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.writer.fail(f"`{ast.unparse(node)}` cannot be written out")
        return method(node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        frame = self.writer.frame
        scopes = (frame.locals, frame.cells, frame.globals, vars(builtins))
        found = next((scope for scope in scopes if node.id in scope), None)
        if found is None:
            self.writer.fail(f"NameError: {node.id} is not defined")
        value = found[node.id]
        return self.writer.constant(value, node.id) if isinstance(value, np.ndarray) else value

    def _attribute(self, node: ast.Attribute) -> Any:
        return self.objects.attribute(self.evaluate(node.value), node.attr)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.ops.item(self.evaluate(node.value), self.evaluate(node.slice))

    def _slice(self, node: ast.Slice) -> Any:
        return slice(*(part and self.evaluate(part) for part in (node.lower, node.upper, node.step)))

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.in_order([node.left, node.right])
        return self.ops.binary(node.op, left, right)

    def in_order(self, nodes: list[ast.expr]) -> list[Any]:
        """Values one after the other; one that a later one may change is written before that."""
        values: list[Any] = []
        for node in nodes:
            place, block, effects = len(self.writer.block), self.writer.block, self.writer.effects
            value = self.evaluate(node)
            if self.writer.effects > effects and self.writer.block is block:
                after = block[place:]
                del block[place:]
                values = self.writer.all_named(values, "value", mine=True)
                block += after
            values.append(value)
        return values

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        operand = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not) and (truth := self.ops.decide(operand)) is not None:
            return not truth
        value = self.ops.native(OPERATORS[type(node.op)], operand)
        if not isinstance(operand, Expression):
            return value
        return self.ops.made(ast.UnaryOp(node.op, operand.node), value, operand)

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
                    self.ops.settled((left, right), "membership")
                results.append(value)
            else:
                value = self.ops.native(OPERATORS[type(op)], left, right)
                compared = ast.Compare(self.writer.node(left), [op], [self.writer.node(right)])
                results.append(self.ops.made(compared, value, left, right))
        return results[0] if len(results) == 1 else self.ops.junction(ast.And(), results)

    def _boolop(self, node: ast.BoolOp) -> Any:
        kept: list[Any] = []
        for part in node.values:
            value = self.evaluate(part)
            truth = self.ops.decide(value)
            if truth is isinstance(node.op, ast.Or):
                return self.ops.junction(node.op, [*kept, value])
            if truth is None or (kept and part is node.values[-1]):
                kept.append(value)
            last = value
        return self.ops.junction(node.op, kept) if kept else last

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.evaluate(node.test)
        truth = self.ops.decide(test)
        if truth is not None:
            return self.evaluate(node.body if truth else node.orelse)
        body, orelse = self.evaluate(node.body), self.evaluate(node.orelse)
        for part in (body, orelse):
            if callable(example(part)):
                self.writer.fail("which function this is depends on the numbers in the network")
        value = example(body if example(test) else orelse)
        made = ast.IfExp(self.writer.node(test), self.writer.node(body), self.writer.node(orelse))
        return self.ops.made(made, value, test, body, orelse)

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._parts(node.elts))

    def _list(self, node: ast.List) -> Any:
        return list(self._parts(node.elts))

    def _set(self, node: ast.Set) -> Any:
        return set(self._parts(node.elts))

    def _parts(self, nodes: list[ast.expr]) -> Iterator[Any]:
        plain = [node.value if isinstance(node, ast.Starred) else node for node in nodes]
        for node, value in zip(nodes, self.in_order(plain), strict=True):
            if isinstance(node, ast.Starred):
                yield from self.ops.items(value, "what is unpacked")
            else:
                yield value

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made |= self.evaluate(value)
            else:
                made[self.ops.settled(self.evaluate(key), "the key")] = self.evaluate(value)
        return made

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.evaluate(part)) for part in node.values)

    def _formattedvalue(self, node: ast.FormattedValue) -> str:
        value = self.evaluate(node.value)
        value = example(value) if self.complains else self.ops.settled(value, "the text")
        if node.conversion != -1:  # !r, !s
            value = repr(value) if node.conversion == ord("r") else str(value)
        return format(value, self.evaluate(node.format_spec) if node.format_spec else "")

    def _lambda(self, node: ast.Lambda) -> Closure:
        return self.closure(node)

    def closure(self, node: ast.FunctionDef | ast.Lambda) -> Closure:
        """A function with the defaults that it has where it is defined."""
        given, kinds = node.args, inspect.Parameter
        positional = [*given.posonlyargs, *given.args]
        values = [self.writer.all_named(self.evaluate(default), "default") for default in given.defaults]
        defaults = [kinds.empty] * (len(positional) - len(values)) + values
        parameters = [
            kinds(arg.arg, kinds.POSITIONAL_OR_KEYWORD, default=default)
            for arg, default in zip(positional, defaults, strict=True)
        ]
        if given.vararg:
            parameters.append(kinds(given.vararg.arg, kinds.VAR_POSITIONAL))
        for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            value = kinds.empty if default is None else self.writer.all_named(self.evaluate(default), arg.arg)
            parameters.append(kinds(arg.arg, kinds.KEYWORD_ONLY, default=value))
        if given.kwarg:
            parameters.append(kinds(given.kwarg.arg, kinds.VAR_KEYWORD))
        return Closure(node, self.writer.frame, inspect.Signature(parameters))

    def _namedexpr(self, node: ast.NamedExpr) -> Any:
        value = self.evaluate(node.value)
        value = self.writer.frame.locals[node.target.id] = self.writer.all_named(value, node.target.id)
        return value

    def _listcomp(self, node: ast.ListComp) -> list[Any]:
        return list(self._comprehended(node.generators, lambda: self.evaluate(node.elt)))

    def _generatorexp(self, node: ast.GeneratorExp) -> list[Any]:
        return list(self._comprehended(node.generators, lambda: self.evaluate(node.elt)))

    def _setcomp(self, node: ast.SetComp) -> set[Any]:
        return set(self._comprehended(node.generators, lambda: self.evaluate(node.elt)))

    def _dictcomp(self, node: ast.DictComp) -> dict[Any, Any]:
        pairs = self._comprehended(
            node.generators, lambda: (self.evaluate(node.key), self.evaluate(node.value))
        )
        return dict(pairs)

    def _comprehended(self, generators: list[ast.comprehension], element: Any) -> Iterator[Any]:
        """The elements of a comprehension, its loops unrolled; its variables are its own."""
        outer = self.writer.frame.locals
        self.writer.frame.locals = dict(outer)
        try:
            yield from self._loops(generators, element)
        finally:
            self.writer.frame.locals = outer

    def _loops(self, generators: list[ast.comprehension], element: Any) -> Iterator[Any]:
        if not generators:
            yield element()
            return
        first, *rest = generators
        for item in self.ops.items(self.evaluate(first.iter), "the loop"):
            self.executor.unpack(first.target, item)
            if all(self.ops.settled(self.evaluate(test), "the condition") for test in first.ifs):
                yield from self._loops(rest, element)

    def _call(self, node: ast.Call) -> Any:
        function = self.evaluate(node.func)
        starred = [arg.value if isinstance(arg, ast.Starred) else arg for arg in node.args]
        values = self.in_order([*starred, *(keyword.value for keyword in node.keywords)])
        args: list[Any] = []
        for arg, value in zip(node.args, values, strict=False):
            args += self.ops.items(value, "what is unpacked") if isinstance(arg, ast.Starred) else [value]
        kwargs: dict[str, Any] = {}
        for keyword, value in zip(node.keywords, values[len(node.args) :], strict=True):
            kwargs |= value if keyword.arg is None else {keyword.arg: value}
        return self.calls.call(function, args, kwargs)
