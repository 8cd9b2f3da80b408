"""Statements: the variables that they read and set, the blocks in them, and a count of both."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator

from minitorch_np.derivation.values import Variable


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


class Ledger:
    """Statements, and an account of the variables in them."""

    def __init__(self, root: list[ast.stmt], variables: dict[str, Variable]) -> None:
        self.root = root
        self.variables = variables
        self.uses: Counter[str] = Counter()
        self.sets: Counter[str] = Counter()
        self.augmented: Counter[str] = Counter()  # of the uses, those that change the array in place
        self._known: dict[int, tuple[set[str], set[str]]] = {}  # reads and sets of a statement without blocks
        for block in every_block(root):
            for statement in block:
                self.count(statement, 1)

    def count(self, statement: ast.stmt, sign: int) -> None:
        """Take the variables of a statement into account, or out of it; those of its blocks are their own."""
        for node in ast.walk(head(statement)):
            if isinstance(node, ast.Name) and node.id.startswith("$"):
                (self.uses if isinstance(node.ctx, ast.Load) else self.sets)[node.id] += sign
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            for counter, times in ((self.uses, sign), (self.augmented, sign), (self.sets, -sign)):
                counter[statement.target.id] += times

    def keys(self, statement: ast.stmt) -> tuple[set[str], set[str]]:
        """The variables that a statement reads and those that it sets, in its blocks too."""
        if blocks_of(statement):
            return keys_in(statement), keys_in(statement, ast.Store)
        if id(statement) not in self._known:
            self._known[id(statement)] = keys_in(statement), keys_in(statement, ast.Store)
        return self._known[id(statement)]

    def remove(self, block: list[ast.stmt], i: int) -> None:
        self.count(block[i], -1)
        self.forget(block[i])
        del block[i]

    def replace(self, statement: ast.stmt, key: str, value: ast.expr) -> None:
        """Put an expression in the place of a variable, but not in the blocks of a statement."""
        self.count(statement, -1)
        self.forget(statement)
        inner = {id(block) for block in blocks_of(statement)}
        for field, part in ast.iter_fields(statement):
            if isinstance(part, ast.AST):
                setattr(statement, field, Replaced(key, value).visit(part))
            elif isinstance(part, list) and id(part) not in inner:
                setattr(statement, field, [Replaced(key, value).visit(p) for p in part])
        self.count(statement, 1)

    def forget(self, statement: ast.stmt) -> None:
        """A statement is about to change."""
        self._known.pop(id(statement), None)


class Replaced(ast.NodeTransformer):
    def __init__(self, key: str, value: ast.expr) -> None:
        self.key = key
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self.key:
            return node
        value = copy.deepcopy(self.value)
        if isinstance(node.ctx, ast.Store) and isinstance(value, ast.Name):
            value.ctx = ast.Store()
        return value
