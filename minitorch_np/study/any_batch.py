"""Statements for a batch of any size: two derivations side by side, and the sizes that differ between them."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.derivation.derive import Derivation
from minitorch_np.derivation.statements import Block
from minitorch_np.derivation.values import Variable, called


class BatchDependentError(Exception):
    """Two batches make two programs that differ in more than sizes."""


class Sizes:
    """Two numbers of samples, n and n + 1, and what stands for a number that depends on them.

    A number a for the one and b for the other is (b − a) n + the rest: as `4 * len(x)` in a program, and as
    "4N" in a shape.
    """

    def __init__(self, few: int, x: Variable) -> None:
        self.few = few
        self.x = x

    def expression(self, a: int, b: int) -> ast.expr:
        times = b - a
        rest = a - times * self.few
        made: ast.expr = called("len", self.x.load())
        if times != 1:
            made = ast.BinOp(ast.Constant(times), ast.Mult(), made)
        if rest:
            made = ast.BinOp(made, ast.Add() if rest > 0 else ast.Sub(), ast.Constant(abs(rest)))
        return made

    def text(self, a: int, b: int) -> str:
        if a == b:
            return str(a)
        code = ast.unparse(self.expression(a, b))
        return code.replace(" * ", "").replace(f"len({self.x.key})", "N")

    def shape(self, few: tuple[int, ...], more: tuple[int, ...]) -> str:
        """A shape as it is written, (N, 4)."""
        texts = [self.text(a, b) for a, b in zip(few, more, strict=True)]
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def for_any_batch(few: Derivation, more: Derivation, sizes: Sizes) -> Derivation:
    """The first derivation with `len(x)` where both have different sizes.

    Raises BatchDependentError if they differ in anything else.
    """
    functions = [{key: ast.unparse(each.tree()) for key, each in d.functions.items()} for d in (few, more)]
    if functions[0] != functions[1] or few.variables.keys() != more.variables.keys():
        raise BatchDependentError
    forward, backward = _merged(few.forward, more.forward, sizes), _merged(few.backward, more.backward, sizes)
    return few._replace(forward=forward, backward=backward)


def _merged(few: Block, more: Block, sizes: Sizes) -> Block:
    """Statements that hold for both."""
    if len(few) != len(more):
        raise BatchDependentError
    return [
        replace(
            mine,
            head=_sized(mine.head, other.head, sizes),
            body=_merged(mine.body, other.body, sizes),
            orelse=_merged(mine.orelse, other.orelse, sizes),
            same=_sized(mine.same, other.same, sizes) if mine.same and other.same else None,
        )
        for mine, other in zip(few, more, strict=True)
    ]


def _sized(few: ast.AST, more: ast.AST, sizes: Sizes) -> Any:
    """The first of two trees that differ in sizes alone, with an expression for each of them."""
    constants = ([node for node in ast.walk(tree) if isinstance(node, ast.Constant)] for tree in (few, more))
    differ = [(a, b) for a, b in zip(*constants, strict=False) if repr(a.value) != repr(b.value)]
    if ast.dump(copied_tree(few, {id(a): b for a, b in differ})) != ast.dump(more):
        raise BatchDependentError
    if any(type(value) is not int for pair in differ for value in (pair[0].value, pair[1].value)):
        raise BatchDependentError
    return copied_tree(few, {id(a): sizes.expression(a.value, b.value) for a, b in differ})
