"""Going over statements: the variables that they read and set, the blocks in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def keys_in(node: ast.AST, context: type[ast.expr_context] = ast.Load) -> set[str]:
    """The variables that a piece of program reads, or those that it sets."""
    return {
        n.id
        for n in ast.walk(node)
        if isinstance(n, ast.Name) and n.id.startswith("$") and isinstance(n.ctx, context)
    }


def blocks_of(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks inside a statement."""
    return [block for block in (getattr(statement, "body", []), getattr(statement, "orelse", [])) if block]


def every_block(block: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    yield block
    for statement in block:
        for inner in blocks_of(statement):
            yield from every_block(inner)


def head(statement: ast.stmt) -> ast.AST:
    """A statement without the blocks in it."""
    if not blocks_of(statement):
        return statement
    parts = [getattr(statement, field, None) for field in ("test", "target", "iter")]
    parts += [item.context_expr for item in getattr(statement, "items", [])]
    return ast.Tuple([part for part in parts if part is not None], ast.Load())
