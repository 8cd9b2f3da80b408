"""Repairs of a backward pass: the one edit of a line that makes its gradients right, if there is one.

Edits of the kind by which people go wrong are tried one after the other, and each is judged by the
numbers: a sum for a mean, another axis, a .T more or less, a factor, a sign, another name, = for +=.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree

SECONDS = 6.0  # for all edits
BRIEF = 0.5  # with less than that, only what nothing else names is looked at

Holder = tuple[Any, str]  # a class or an object, and its attribute that is the function


class Repair(NamedTuple):
    """A line, and the one that belongs there."""

    line: int
    was: str
    right: str
    is_whole: bool = True  # all gradients are right with it

    def __str__(self) -> str:
        if self.right == "pass":
            return f"    line {self.line} is too much: {self.was}"
        return f"    line {self.line}: {self.was}\n    right: {' ' * (len(str(self.line)) - 1)} {self.right}"


def repair(holders: list[Holder], score: Callable[[], int], wanted: int, seconds: float) -> Repair | None:
    """Return the first edit of one of the functions for which `score` reaches `wanted`, or else rises.

    `score` counts the gradients that are right.
    """
    before, ends = score(), time.monotonic() + seconds
    best: Repair | None = None
    for holder, name in holders:
        original = vars(holder).get(name)
        source = _source(original)
        if source is None:
            continue
        tree, start, lines = source
        for edited, at, text in edits(tree, _attributes(holder)):
            if time.monotonic() > ends:
                break
            function = _compiled(edited, original)
            if function is None:
                continue
            setattr(holder, name, function)
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                    reached = score()
            except Exception:
                continue
            finally:
                setattr(holder, name, original)
            if reached > before:
                before = reached
                best = Repair(start + at - 1, lines[at - 1].strip(), text, reached >= wanted)
                if best.is_whole:
                    return best
    return best


def _source(function: Any) -> tuple[ast.FunctionDef, int, list[str]] | None:
    """The syntax tree of a function, the number of its first line, and its lines."""
    if not inspect.isfunction(function) or function.__code__.co_freevars:
        return None
    try:
        lines, start = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, SyntaxError, IndexError):
        return None
    if not isinstance(tree, ast.FunctionDef) or any(isinstance(node, ast.While) for node in ast.walk(tree)):
        return None  # an edit might keep it from ending
    return tree, start, lines


def _compiled(tree: ast.FunctionDef, original: Any) -> Any:
    module = ast.Module(body=[tree], type_ignores=[])
    names = dict(original.__globals__)
    try:
        exec(compile(ast.fix_missing_locations(module), "<edited>", "exec"), names)
    except (SyntaxError, SystemError, ValueError, TypeError):
        return None
    return names[tree.name]


def edits(tree: ast.FunctionDef, attributes: list[str]) -> Iterator[tuple[ast.FunctionDef, int, str]]:
    """Yield the function with one edit each, the number of its line, and the statement as it is then.

    It is the same tree each time, edited for as long as it is looked at.
    """
    names = _names(tree, attributes)
    blocks = [getattr(node, block, None) for node in ast.walk(tree) for block in ("body", "orelse")]
    places = [(block, i) for block in blocks if isinstance(block, list) for i in range(len(block))]
    simple = (ast.Assign, ast.AugAssign, ast.Return, ast.Expr)
    places = sorted((p for p in places if isinstance(p[0][p[1]], simple)), key=lambda p: p[0][p[1]].lineno)
    for level in (_simple, _other_names, _factors, _signs, _inner_factors, _terms):
        for block, i in places:
            statement = block[i]
            for changed in level(statement, names):
                block[i] = changed
                try:
                    yield tree, statement.lineno, ast.unparse(changed)
                finally:
                    block[i] = statement


def _attributes(holder: Any) -> list[str]:
    """The attributes of self that the methods of a class write; of a Parameter its data."""
    functions = [f for f in vars(holder).values() if inspect.isfunction(f)] if isinstance(holder, type) else []
    trees = [source[0] for function in functions if (source := _source(function)) is not None]
    found = []
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Assign)):
        targets = [t for target in node.targets for t in getattr(target, "elts", [target])]
        written = [ast.unparse(t) for t in targets if isinstance(t, ast.Attribute)]
        end = ".data" if "Parameter(" in ast.unparse(node.value) else ""
        found += [text + end for text in written if text.startswith("self.")]
    return found


def _names(tree: ast.FunctionDef, attributes: list[str]) -> list[ast.expr]:
    """The names that the function reads or writes, arguments among them, and the attributes of self."""
    found = {text: ast.parse(text, mode="eval").body for text in attributes}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.arg):
            text = node.arg if isinstance(node, ast.arg) else ast.unparse(node)
            if text.isidentifier() or (text.startswith("self.") and text.count(".") == 1):
                found[text] = ast.parse(text, mode="eval").body
    for word in ("np", "numpy", "self", "range", "len", "zip", "enumerate", "reversed"):
        found.pop(word, None)
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return [node for text, node in found.items() if text not in called]


def _variants(statement: ast.stmt, vary: Callable[[ast.AST], Iterator[ast.AST]]) -> Iterator[ast.stmt]:
    """Yield the statement with one node in it replaced by each of its variants."""
    for i, node in enumerate(ast.walk(statement)):
        if not isinstance(node, ast.expr) or isinstance(getattr(node, "ctx", None), ast.Store):
            continue
        for variant in vary(node):
            yield _Replaced(i, variant).visit_copy(statement)


class _Replaced(ast.NodeTransformer):
    """Replace the node that comes at a place of a walk."""

    def __init__(self, place: int, new: ast.AST) -> None:
        self.place, self.new = place, new

    def visit_copy(self, statement: ast.stmt) -> ast.stmt:
        made = copied_tree(statement)
        self.old = list(ast.walk(made))[self.place]
        changed: ast.stmt = self.visit(made)
        return changed

    def visit(self, node: ast.AST) -> Any:
        return copied_tree(self.new) if node is self.old else self.generic_visit(node)


def _simple(statement: ast.stmt, names: list[ast.expr]) -> Iterator[ast.stmt]:
    """An operation more, less or another one."""
    if isinstance(statement, ast.AugAssign):
        target: Any = statement.target
        yield ast.Assign(targets=[target], value=statement.value, lineno=statement.lineno)
        if isinstance(target, ast.Subscript):
            yield _scattered(target, statement.value)
        yield ast.AugAssign(target=target, op=_other(statement.op), value=statement.value)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
            yield ast.AugAssign(target=target, op=ast.Add(), value=statement.value)
        if isinstance(target, ast.Subscript):
            yield _scattered(target, statement.value)
            for mask in _turned(target.slice):
                yield ast.Assign(
                    targets=[ast.Subscript(target.value, mask, ast.Store())],
                    value=statement.value,
                    lineno=statement.lineno,
                )
    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Tuple):
        parts = statement.value.elts
        for i in range(len(parts)):
            for j in range(i):
                order = [*parts]
                order[i], order[j] = order[j], order[i]
                yield ast.Return(value=ast.Tuple(elts=order, ctx=ast.Load()))
    yield from _variants(statement, _operations)


def _scattered(target: ast.Subscript, value: ast.expr) -> ast.stmt:
    """np.add.at(dW, idx, dout)."""
    index = target.slice if not isinstance(target.slice, ast.Slice) else ast.Constant(value=...)
    add = ast.parse("np.add.at", mode="eval").body
    return ast.Expr(ast.Call(add, [ast.parse(ast.unparse(target.value), mode="eval").body, index, value], []))


def _turned(node: ast.expr) -> Iterator[ast.expr]:
    """A mask the other way round."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Name | ast.Attribute):
        yield ast.UnaryOp(op=ast.Invert(), operand=node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        swapped = {ast.Gt: ast.LtE, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.LtE: ast.Gt}
        other = swapped.get(type(node.ops[0]))
        if other is not None:
            yield ast.Compare(left=node.left, ops=[other()], comparators=node.comparators)


def _other(operation: ast.operator) -> ast.operator:
    pairs = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
    return pairs.get(type(operation), type(operation))()


def _operations(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of an expression, made of its own parts."""
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
        yield ast.BinOp(node.left, _other(node.op), node.right)
        yield ast.BinOp(node.right, node.op, node.left)
        if isinstance(node.op, ast.Pow):
            yield from (ast.BinOp(ast.Constant(n), ast.Mult(), node) for n in (2, 3))
        if isinstance(node.op, ast.Mult):
            yield from _softmax_gradients(node.left, node.right)
            yield from _softmax_gradients(node.right, node.left)
            for p, dp in ((node.left, node.right), (node.right, node.left)):
                if found := SIGMOID.fullmatch(ast.unparse(p)):  # the diagonal alone
                    yield from _softmax_gradients(ast.parse(found[1], mode="eval").body, dp)
        yield from _other_derivative(ast.unparse(node))
        if isinstance(node.op, ast.MatMult):
            yield from _products(node.left, node.right, lambda a, b: ast.BinOp(a, node.op, b))
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        n: Any = node.value
        values = (n + 1, n - 1, 2 * n, n / 2, n**0.5 if n > 0 else 0, 1)
        yield from (ast.Constant(v) for v in dict.fromkeys(values) if v != n)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif (isinstance(node, ast.Attribute) and node.attr == "T") or (
        isinstance(node, ast.Subscript) and "::" in ast.unparse(node.slice)
    ):
        yield node.value
    if isinstance(node, ast.Compare | ast.Name | ast.Attribute):
        yield from _turned(node)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield ast.parse(f"{ast.unparse(node)}[..., ::-1, ::-1]", mode="eval").body
        yield ast.Attribute(node, "T", ast.Load())
        yield ast.parse(f"{ast.unparse(node)}.swapaxes(-1, -2)", mode="eval").body
        yield ast.BinOp(node, ast.Pow(), ast.Constant(2))
        yield ast.Compare(node, [ast.Gt()], [ast.Constant(0)])


SIGMOID = re.compile(r"([\w.]+) \* \(1 - \1\)")
TANH = re.compile(r"1 - ([\w.]+) \*\* 2")


def _other_derivative(text: str) -> Iterator[ast.expr]:
    """1 − y² in place of y (1 − y), and the other way round."""
    for pattern, other in ((SIGMOID, "1 - {0} ** 2"), (TANH, "{0} * (1 - {0})")):
        if found := pattern.fullmatch(text):
            yield ast.parse(other.format(found[1]), mode="eval").body


def _softmax_gradients(p: ast.expr, dp: ast.expr) -> Iterator[ast.expr]:
    """p (dp − Σ dp·p) in place of p dp."""
    for axis in (-1, 0):
        text = "({0}) * (({1}) - np.sum(({1}) * ({0}), axis={2}, keepdims=True))"
        yield ast.parse(text.format(ast.unparse(p), ast.unparse(dp), axis), mode="eval").body


def _products(a: ast.expr, b: ast.expr, make: Callable[[Any, Any], ast.expr]) -> Iterator[ast.expr]:
    """A matrix product with its factors turned round or transposed, two changes at a time."""
    for left in (a, _transposed(a)):
        for right in (b, _transposed(b)):
            yield make(left, right)
            yield make(right, left)


def _transposed(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


OTHERS = {
    "mean": "sum", "sum": "mean", "max": "min", "maximum": "minimum", "minimum": "maximum", "var": "std",
    "argmin": "argmax", "argmax": "argmin",
}  # fmt: skip
AXES = [ast.parse(axis, mode="eval").body for axis in ("0", "1", "-1", "None", "(0, 1)", "(0, 2, 3)")]


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    """A call with another axis, a sum for a mean, the factors of a product in other places."""
    function, arguments, keywords = node.func, node.args, node.keywords
    if len(arguments) >= 2:
        yield ast.Call(function, [arguments[1], arguments[0], *arguments[2:]], keywords)
    if len(arguments) == 3:  # where(mask, a, b)
        yield ast.Call(function, [arguments[0], arguments[2], arguments[1]], keywords)
        yield from (ast.Call(function, [mask, *arguments[1:]], keywords) for mask in _turned(arguments[0]))
    if len(arguments) == 1 and not keywords:
        yield arguments[0]  # of what is activated already
    if not isinstance(function, ast.Attribute):
        return
    is_numpy = ast.unparse(function.value) in ("np", "numpy")
    if function.attr in OTHERS:
        yield ast.Call(ast.Attribute(function.value, OTHERS[function.attr], ast.Load()), arguments, keywords)
    pair = arguments if is_numpy else [function.value, *arguments]
    if function.attr in ("dot", "matmul") and len(pair) == 2:
        dot = ast.parse("np.dot", mode="eval").body
        yield from _products(pair[0], pair[1], lambda a, b: ast.Call(dot, [a, b], []))
    if function.attr in ("sum", "mean", "max"):
        rest = [keyword for keyword in keywords if keyword.arg != "axis"]
        yield from (
            ast.Call(function, arguments[:is_numpy], [ast.keyword("axis", axis), *rest]) for axis in AXES
        )
    if function.attr == "transpose" and not is_numpy:
        yield function.value
    if function.attr in ("sum", "mean", "sqrt", "square") and len(pair) >= 1:
        yield pair[0]


def _other_names(statement: ast.stmt, names: list[ast.expr]) -> Iterator[ast.stmt]:
    """Another array in place of one, at one place of the statement or at all."""
    known = {ast.unparse(name) for name in names}

    def vary(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in known:
            yield from (name for name in names if ast.unparse(name) != ast.unparse(node))

    yield from _variants(statement, vary)
    text = ast.unparse(statement)
    for old in known:
        pattern = rf"(?<![\w.]){re.escape(old)}(?![\w.])"
        if len(re.findall(pattern, text)) > 1:
            for new in known - {old}:
                yield (
                    ast.parse(re.sub(pattern, new, text)).body[0]
                    if "return" not in text
                    else ast.Return(
                        ast.parse(re.sub(pattern, new, text.removeprefix("return")).strip(), mode="eval").body
                    )
                )


FORMS = (  # those at the end may be right by chance
    "({0}).sum(axis=0)", "({0}) * {1}", "({0}) / (1 - {1})", "({0}) / {1}", "({0}) + {1}", "({0}) - {1}",
    "({0}) * ({1} > 0)", "({0}) * ~{1}", "({0}) * (1 - {1})", "({0}) * (1 - {1} ** 2)", "({0}) / len({1})",
    "({0}) / {1}.size", "({0}) * len({1})", "({0}) / np.sqrt({1})", "({0}) * np.sqrt({1})", "({0}) * 2",
    "({0}) / 2",
)  # fmt: skip


def _factors(statement: ast.stmt, names: list[ast.expr]) -> Iterator[ast.stmt]:
    """A factor, a divisor or a term more, in what a statement computes."""
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr) or isinstance(value, ast.Tuple) or isinstance(statement, ast.Expr):
        return
    texts = [ast.unparse(name) for name in names]
    for form in FORMS:
        for text in texts if "{1}" in form else [""]:
            yield _with_value(statement, ast.parse(form.format(ast.unparse(value), text), mode="eval").body)


def _signs(statement: ast.stmt, names: list[ast.expr]) -> Iterator[ast.stmt]:
    """The other sign, or the statement left out."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.expr) and not isinstance(value, ast.Tuple):
        yield _with_value(statement, ast.UnaryOp(ast.USub(), value))
    if not isinstance(statement, ast.Return):
        yield ast.Pass()


def _inner_factors(statement: ast.stmt, names: list[ast.expr]) -> Iterator[ast.stmt]:
    """A factor more in one term of a sum, or in what is summed over an axis."""

    def vary(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sum":
            function, is_numpy = node.func, ast.unparse(node.func.value) in ("np", "numpy")
            for name in names:
                if is_numpy and node.args:
                    summed: ast.expr = ast.BinOp(node.args[0], ast.Mult(), name)
                    yield ast.Call(function, [summed, *node.args[1:]], node.keywords)
                elif not is_numpy:
                    summed = ast.BinOp(function.value, ast.Mult(), name)
                    yield ast.Call(ast.Attribute(summed, "sum", ast.Load()), node.args, node.keywords)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            for name in names:
                yield ast.BinOp(node.left, node.op, ast.BinOp(node.right, ast.Mult(), name))
                yield ast.BinOp(ast.BinOp(node.left, ast.Mult(), name), node.op, node.right)

    yield from _variants(statement, vary)


def _terms(statement: ast.stmt, names: list[ast.expr]) -> Iterator[ast.stmt]:
    """A product of two arrays more."""
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr) or isinstance(value, ast.Tuple) or isinstance(statement, ast.Expr):
        return
    texts = [ast.unparse(name) for name in names]
    for i, first in enumerate(texts):
        for second in texts[: i + 1]:
            sum_of = ast.parse(f"({ast.unparse(value)}) + {second} * {first}", mode="eval").body
            yield _with_value(statement, sum_of)


def _with_value(statement: ast.stmt, value: ast.expr) -> ast.stmt:
    made: Any = copy.copy(statement)
    made.value = value
    return made
