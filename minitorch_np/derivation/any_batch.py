"""Statements for a batch of any size: two derivations side by side, and the sizes that differ between them."""

from __future__ import annotations

import ast
import copy
from typing import Any

from minitorch_np.derivation.derive import Derivation
from minitorch_np.derivation.statements import Block, Statement
from minitorch_np.derivation.values import Variable


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

    def parts(self, a: int, b: int) -> tuple[int, int]:
        """How often the batch is in a number, and the rest."""
        return b - a, a - (b - a) * self.few

    def expression(self, a: int, b: int) -> ast.expr:
        times, rest = self.parts(a, b)
        call = ast.Call(ast.Name("len", ast.Load()), [ast.Name(self.x.key, ast.Load())], [])
        made: ast.expr = call if times == 1 else ast.BinOp(ast.Constant(times), ast.Mult(), call)
        if rest:
            made = ast.BinOp(made, ast.Add() if rest > 0 else ast.Sub(), ast.Constant(abs(rest)))
        return made

    def text(self, a: int, b: int) -> str:
        times, rest = self.parts(a, b)
        if not times:
            return str(a)
        end = f" {'+' if rest > 0 else '-'} {abs(rest)}" if rest else ""
        return f"{times if times != 1 else ''}N{end}"

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
    forward, backward = (
        _block(*blocks, sizes) for blocks in ((few.forward, more.forward), (few.backward, more.backward))
    )
    return few._replace(forward=forward, backward=backward)


def _block(few: Block, more: Block, sizes: Sizes) -> Block:
    if len(few) != len(more):
        raise BatchDependentError
    return [_statement(*both, sizes) for both in zip(few, more, strict=True)]


def _statement(few: Statement, more: Statement, sizes: Sizes) -> Statement:
    made = copy.copy(few)
    made.head = _merged(few.head, more.head, sizes)
    made.body = _block(few.body, more.body, sizes)
    made.orelse = _block(few.orelse, more.orelse, sizes)
    return made


def _merged(few: Any, more: Any, sizes: Sizes) -> Any:
    """One syntax tree for two."""
    if type(few) is not type(more):
        raise BatchDependentError
    if isinstance(few, ast.Constant):
        if type(few.value) is int and type(more.value) is int and few.value != more.value:
            return sizes.expression(few.value, more.value)
        if type(few.value) is not type(more.value) or few.value != more.value:
            raise BatchDependentError
        return few
    if isinstance(few, ast.AST):
        made = copy.copy(few)
        for field in few._fields:
            setattr(made, field, _merged(getattr(few, field, None), getattr(more, field, None), sizes))
        return made
    if isinstance(few, list):
        if len(few) != len(more):
            raise BatchDependentError
        return [_merged(*both, sizes) for both in zip(few, more, strict=True)]
    if few != more:
        raise BatchDependentError
    return few
