"""Expressions of a layer's source: those that touch arrays are written to the program, others computed."""

from __future__ import annotations

import ast
import builtins
import inspect
import operator
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.study.unroll.access import Access, Frame
from minitorch_np.study.unroll.values import Expression, example, expressions

OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


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
            self.fail(f"`{ast.unparse(node)}` cannot be written out")
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

    @abstractmethod
    def assign(self, target: ast.expr, value: Any) -> None: ...

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
                yield from self.items(value, "what is unpacked")
            else:
                yield value

    def items(self, value: Any, what: str) -> list[Any]:
        """What iterating gives: of an array its rows, as many as it has."""
        if not isinstance(value, Expression):
            try:
                return list(value)
            except TypeError as error:
                self.fail(f"TypeError: {error}")
        if value.loose or not hasattr(value.value, "__len__"):
            self.fail(f"{what} depends on the numbers in the network")
        value = self.named(value, "parts", mine=True)
        return [self.item(value, i) for i in range(len(value.value))]

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made |= self.evaluate(value)
            else:
                made[self.settled(self.evaluate(key), "the key")] = self.evaluate(value)
        return made

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.evaluate(part)) for part in node.values)

    def _formattedvalue(self, node: ast.FormattedValue) -> str:
        value = self.evaluate(node.value)
        value = example(value) if self.complains else self.settled(value, "the text")
        if node.conversion != -1:  # !r, !s
            value = repr(value) if node.conversion == ord("r") else str(value)
        return format(value, self.evaluate(node.format_spec) if node.format_spec else "")

    def _lambda(self, node: ast.Lambda) -> Closure:
        return self.closure(node)

    def closure(self, node: ast.FunctionDef | ast.Lambda) -> Closure:
        """A function with the defaults that it has where it is defined."""
        given, kinds = node.args, inspect.Parameter
        positional = [*given.posonlyargs, *given.args]
        values = [self.all_named(self.evaluate(default), "default") for default in given.defaults]
        defaults = [kinds.empty] * (len(positional) - len(values)) + values
        parameters = [
            kinds(arg.arg, kinds.POSITIONAL_OR_KEYWORD, default=default)
            for arg, default in zip(positional, defaults, strict=True)
        ]
        if given.vararg:
            parameters.append(kinds(given.vararg.arg, kinds.VAR_POSITIONAL))
        for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            value = kinds.empty if default is None else self.all_named(self.evaluate(default), arg.arg)
            parameters.append(kinds(arg.arg, kinds.KEYWORD_ONLY, default=value))
        if given.kwarg:
            parameters.append(kinds(given.kwarg.arg, kinds.VAR_KEYWORD))
        return Closure(node, self.frame, inspect.Signature(parameters))

    def _namedexpr(self, node: ast.NamedExpr) -> Any:
        value = self.evaluate(node.value)
        value = self.frame.locals[node.target.id] = self.all_named(value, node.target.id)
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
        outer = self.frame.locals
        self.frame.locals = dict(outer)
        try:
            yield from self._loops(generators, element)
        finally:
            self.frame.locals = outer

    def _loops(self, generators: list[ast.comprehension], element: Any) -> Iterator[Any]:
        if not generators:
            yield element()
            return
        first, *rest = generators
        for item in self.items(self.evaluate(first.iter), "the loop"):
            self.unpack(first.target, item)
            if all(self.settled(self.evaluate(test), "the condition") for test in first.ifs):
                yield from self._loops(rest, element)

    def bind(self, name: str, value: Any) -> None:
        """A local variable; what stands in for all parameters takes the name that the source has for it."""
        variable = self.variable_of(value)
        if variable is not None and variable.stands_in:
            variable.hint, variable.stands_in = name, False
        self.frame.locals[name] = value

    def unpack(self, target: ast.expr, value: Any) -> None:
        """Give names in a loop's target their values."""
        if isinstance(target, ast.Name):
            self.bind(target.id, self.all_named(value, target.id))
        elif isinstance(target, ast.Tuple | ast.List):
            self._spread(target.elts, self.items(value, "what is unpacked"))
        else:
            self.assign(target, value)

    def _spread(self, targets: list[ast.expr], items: list[Any]) -> None:
        stars = [i for i, target in enumerate(targets) if isinstance(target, ast.Starred)]
        if len(items) < len(targets) - len(stars) or (not stars and len(items) > len(targets)):
            self.fail(f"ValueError: {len(items)} values for {len(targets)} names")
        if stars:
            at, more = stars[0], len(items) - len(targets) + 1
            starred = targets[at]
            if isinstance(starred, ast.Starred):
                self.unpack(starred.value, items[at : at + more])
            targets = targets[:at] + targets[at + 1 :]
            items = items[:at] + items[at + more :]
        for target, item in zip(targets, items, strict=True):
            self.unpack(target, item)

    def _call(self, node: ast.Call) -> Any:
        function = self.evaluate(node.func)
        starred = [arg.value if isinstance(arg, ast.Starred) else arg for arg in node.args]
        values = self.in_order([*starred, *(keyword.value for keyword in node.keywords)])
        args: list[Any] = []
        for arg, value in zip(node.args, values, strict=False):
            args += self.items(value, "what is unpacked") if isinstance(arg, ast.Starred) else [value]
        kwargs: dict[str, Any] = {}
        for keyword, value in zip(node.keywords, values[len(node.args) :], strict=True):
            kwargs |= value if keyword.arg is None else {keyword.arg: value}
        return self.call(function, args, kwargs)
