"""Syntax trees: copies of them, the nodes in them, what they come to."""

from __future__ import annotations

import ast
import copy
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

EMPTY = frozenset(  # kinds of nodes that hold nothing: copies share them
    kind
    for kinds in (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
    for kind in kinds.__subclasses__()
)
LEAVES = (ast.Name, ast.Constant)  # nothing to look for is in them
PLAIN = (str, int, float, complex, bool, bytes, type(None), type(...))

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


def copied_tree(tree: Any, replacements: Mapping[int, Any] | None = None) -> Any:
    """Return a copy of a tree, with others in place of some of its nodes, by their id.

    It is what `copy.deepcopy` makes, five times as fast.
    """
    return changed_tree(tree, lambda node: replacements.get(id(node)) if replacements else None)


def changed_tree(tree: Any, change: Callable[[ast.AST], Any]) -> Any:
    """Return a copy of a tree, with what `change` makes of a node in its place where that is not None."""
    if isinstance(tree, ast.AST):
        if (other := change(tree)) is not None:
            return other
        if type(tree) in EMPTY:
            return tree
        made = type(tree).__new__(type(tree))
        made.__dict__.update(tree.__dict__)
        for name, part in tree.__dict__.items():
            if not isinstance(part, PLAIN):
                made.__dict__[name] = changed_tree(part, change)
        return made
    if isinstance(tree, list):
        return [changed_tree(part, change) for part in tree]
    return tree if isinstance(tree, PLAIN) else copy.deepcopy(tree)


def walked(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and those in it, in any order, but none that hold nothing, such as ast.Load().

    `ast.walk` takes five times as long.
    """
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for part in () if isinstance(node, LEAVES) else node.__dict__.values():
            if isinstance(part, list):
                pending += [p for p in part if isinstance(p, ast.AST) and type(p) not in EMPTY]
            elif isinstance(part, ast.AST) and type(part) not in EMPTY:
                pending.append(part)


def evaluated(tree: Any, scope: dict[str, Any]) -> Any:
    """Return what an expression comes to; a simple one is not compiled, which would take longer."""

    def value(part: ast.expr | None) -> Any:
        return None if part is None else evaluated(part, scope)

    made: Any
    match tree:
        case ast.Constant():
            made = tree.value
        case ast.Name() if tree.id in scope:
            made = scope[tree.id]
        case ast.Attribute():
            made = getattr(value(tree.value), tree.attr)
        case ast.Subscript():
            made = value(tree.value)[value(tree.slice)]
        case ast.Slice():
            made = slice(value(tree.lower), value(tree.upper), value(tree.step))
        case ast.Tuple() if not _has_star(tree.elts):
            made = tuple(map(value, tree.elts))
        case ast.Call() if not _has_star(tree.args) and all(option.arg for option in tree.keywords):
            options = {str(option.arg): value(option.value) for option in tree.keywords}
            made = value(tree.func)(*map(value, tree.args), **options)
        case ast.BinOp():
            made = OPERATORS[type(tree.op)](value(tree.left), value(tree.right))
        case ast.UnaryOp():
            made = OPERATORS[type(tree.op)](value(tree.operand))
        case ast.Compare(ops=[op]):
            made = OPERATORS[type(op)](value(tree.left), value(tree.comparators[0]))
        case _:
            whole = ast.fix_missing_locations(ast.Expression(tree))
            made = eval(compile(whole, "<step>", "eval"), scope)
    return made


def _has_star(parts: list[ast.expr]) -> bool:
    return any(isinstance(part, ast.Starred) for part in parts)
