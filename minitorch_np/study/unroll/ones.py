"""1 * a, a * 1 and a / 1 are a, to the bit."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

import numpy as np

from minitorch_np.study.unroll.values import Variable
from minitorch_np.study.unroll.walking import blocks_of, keys_in


def without_ones(statements: list[ast.stmt], variables: dict[str, Variable]) -> list[ast.stmt]:
    """Copies of statements without such operations, as the evaluator has marked them with `keeps`."""
    changed = [variables[key].value for statement in statements for key in _changed(statement)]
    changed = [array for array in changed if isinstance(array, np.ndarray)]

    def is_changed(keys: set[str]) -> bool:
        own = [variables[key].value for key in keys if isinstance(variables[key].value, np.ndarray)]
        return any(np.may_share_memory(a, b) for a in own for b in changed)

    return [_WithoutOnes(is_changed).visit(copy.deepcopy(statement)) for statement in statements]


class _WithoutOnes(ast.NodeTransformer):
    """1 * a is a; unless it is made to have an array of its own, of which one changes later."""

    def __init__(self, is_changed: Callable[[set[str]], bool]) -> None:
        self.is_changed = is_changed

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        if self.is_changed(keys_in(node, ast.Store) | keys_in(node.value)):
            self.generic_visit(node.value)
        else:
            node.value = self.visit(node.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        kept = getattr(node, "keeps", "")
        return getattr(node, kept) if kept else node


def _changed(statement: ast.stmt) -> set[str]:
    """The variables whose arrays a statement writes into."""
    inner = {key for block in blocks_of(statement) for part in block for key in _changed(part)}
    if isinstance(statement, ast.AugAssign):
        return inner | keys_in(statement.target) | keys_in(statement.target, ast.Store)
    if isinstance(statement, ast.Expr):
        return inner | keys_in(statement)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        return inner | keys_in(statement.targets[0])
    return inner
