"""Statements: the blocks in them, and the variables that they read and set."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from minitorch_np._internal.syntax_trees import changed_tree, copied_tree, walked

Compound = ast.If | ast.For | ast.While | ast.With | ast.FunctionDef


@dataclass(slots=True, eq=False)
class Statement:
    """A statement: its head as a syntax tree, without the blocks in it, and what is known of it.

    `comment` is what its source says beside it. One with an `effect` changes what others read, and stays even
    where nobody needs its result. `same` is an expression that the array it makes is equal to, to the bit,
    without being that array. `shape` is written beside it.
    """

    head: ast.stmt
    body: list[Statement] = field(default_factory=list)
    orelse: list[Statement] = field(default_factory=list)
    comment: str = ""
    effect: bool = False
    same: ast.expr | None = None
    shape: str = ""

    @classmethod
    def of(cls, node: ast.stmt) -> Statement:
        """One made of a syntax tree, and those in it."""
        if not isinstance(node, Compound):
            return cls(node)
        body, orelse = ([cls.of(part) for part in getattr(node, name, [])] for name in ("body", "orelse"))
        return cls(_with_blocks(node, [], []), body, orelse)

    def tree(self) -> ast.stmt:
        """The whole of it as a syntax tree."""
        if not isinstance(self.head, Compound):
            return self.head
        body, orelse = ([part.tree() for part in block] for block in (self.body, self.orelse))
        return _with_blocks(self.head, body, orelse)

    def copied(self, values: Mapping[str, ast.expr] | None = None) -> Statement:
        """A copy of it and of all in it, with an expression in the place of each of some names."""
        body, orelse = ([part.copied(values) for part in block] for block in (self.body, self.orelse))
        head = replaced(self.head, values) if values else copied_tree(self.head)
        return replace(self, head=head, body=body, orelse=orelse, same=copied_tree(self.same))

    @property
    def blocks(self) -> list[list[Statement]]:
        """The blocks in it that hold anything."""
        return [block for block in (self.body, self.orelse) if block]


Block = list[Statement]


def inside(block: Block) -> Iterator[Statement]:
    """The statements of a block, and all those in them."""
    for statement in block:
        yield statement
        for inner in statement.blocks:
            yield from inside(inner)


def _with_blocks(node: Compound, body: list[ast.stmt], orelse: list[ast.stmt]) -> ast.stmt:
    made: Any = copy.copy(node)
    made.body, made.orelse = body, orelse
    return made


def keys_in(node: ast.AST | Statement, context: type[ast.expr_context] = ast.Load) -> set[str]:
    """The variables that a piece of program reads; ast.Store: that it sets, ast.expr_context: both."""
    heads = [statement.head for statement in inside([node])] if isinstance(node, Statement) else [node]
    return {
        n.id
        for head in heads
        for n in walked(head)
        if isinstance(n, ast.Name) and n.id.startswith("$") and isinstance(n.ctx, context)
    }


def keys_of(block: Block) -> set[str]:
    """All variables in a block."""
    return {key for statement in block for key in keys_in(statement, ast.expr_context)}


def replaced(tree: Any, values: Mapping[str, ast.expr]) -> Any:
    """A copy of a tree, with an expression in the place of each of some names."""

    def other(node: ast.AST) -> ast.AST | None:
        if not isinstance(node, ast.Name) or node.id not in values:
            return None
        value = values[node.id]
        return ast.Name(value.id, node.ctx) if isinstance(value, ast.Name) else copied_tree(value)

    return changed_tree(tree, other)
