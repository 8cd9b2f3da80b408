"""Statements: the variables that they read and set, the blocks in them, and a count of both."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.derivation.values import Variable

COMPOUND = ast.If | ast.For | ast.While | ast.With | ast.FunctionDef


@dataclass(slots=True, eq=False)
class Statement:
    """A statement: its head as a syntax tree, without the blocks in it, and what is known of it.

    One with an `effect` changes what others read, and stays even where nobody needs its result. `comment` is
    what its source says beside it, `shape` that of the array that it makes; `augments` says that `n = n * a`
    of numbers is written `n *= a`.
    """

    head: ast.stmt
    body: list[Statement] = field(default_factory=list)
    orelse: list[Statement] = field(default_factory=list)
    comment: str = ""
    effect: bool = False
    shape: str = ""
    augments: bool = False

    @classmethod
    def of(cls, node: ast.stmt) -> Statement:
        """One made of a syntax tree, and those in it."""
        if not isinstance(node, COMPOUND):
            return cls(node)
        body, orelse = ([cls.of(part) for part in getattr(node, name, [])] for name in ("body", "orelse"))
        head = copy.copy(node)
        head.body = []
        if isinstance(head, ast.If | ast.For | ast.While):
            head.orelse = []
        return cls(head, body, orelse)

    def tree(self) -> ast.stmt:
        """The whole of it as a syntax tree."""
        if not isinstance(self.head, COMPOUND):
            return self.head
        made = copy.copy(self.head)
        made.body = [statement.tree() for statement in self.body]
        if isinstance(made, ast.If | ast.For | ast.While):
            made.orelse = [statement.tree() for statement in self.orelse]
        return made

    def copied(self) -> Statement:
        """A copy of it and of all in it."""
        body, orelse = ([part.copied() for part in block] for block in (self.body, self.orelse))
        return replace(self, head=copied_tree(self.head), body=body, orelse=orelse)

    def inside(self) -> Iterator[Statement]:
        """It and all statements in it."""
        yield self
        for block in self.blocks:
            for statement in block:
                yield from statement.inside()

    @property
    def blocks(self) -> list[list[Statement]]:
        """The blocks in it that hold anything."""
        return [block for block in (self.body, self.orelse) if block]


Block = list[Statement]


def keys_in(node: ast.AST | Statement, context: type[ast.expr_context] = ast.Load) -> set[str]:
    """The variables that a piece of program reads, or those that it sets."""
    if isinstance(node, Statement):
        return {key for statement in node.inside() for key in keys_in(statement.head, context)}
    return {
        n.id
        for n in ast.walk(node)
        if isinstance(n, ast.Name) and n.id.startswith("$") and isinstance(n.ctx, context)
    }


def every_block(block: Block) -> Iterator[Block]:
    yield block
    for statement in block:
        for inner in statement.blocks:
            yield from every_block(inner)


def replaced(statement: Statement, key: str, value: ast.expr) -> Statement:
    """The statement with an expression in the place of a variable, everywhere in it."""
    for inner in statement.inside():
        inner.head = Replaced(key, value).visit(inner.head)
    return statement


class Ledger:
    """Statements, and an account of the variables in them."""

    def __init__(self, root: Block, variables: dict[str, Variable]) -> None:
        self.root = root
        self.variables = variables
        self.uses: Counter[str] = Counter()
        self.sets: Counter[str] = Counter()
        self.augmented: Counter[str] = Counter()  # of the uses, those that change the array in place
        self._known: dict[int, tuple[set[str], set[str]]] = {}  # reads and sets of a statement without blocks
        for block in every_block(root):
            for statement in block:
                self.count(statement, 1)

    def count(self, statement: Statement, sign: int) -> None:
        """Take the variables of a statement into account, or out of it; those of its blocks are their own."""
        for node in ast.walk(statement.head):
            if isinstance(node, ast.Name) and node.id.startswith("$"):
                (self.uses if isinstance(node.ctx, ast.Load) else self.sets)[node.id] += sign
        head = statement.head
        if isinstance(head, ast.AugAssign) and isinstance(head.target, ast.Name):
            for counter, times in ((self.uses, sign), (self.augmented, sign), (self.sets, -sign)):
                counter[head.target.id] += times

    def keys(self, statement: Statement) -> tuple[set[str], set[str]]:
        """The variables that a statement reads and those that it sets, in its blocks too."""
        if statement.blocks:
            return keys_in(statement), keys_in(statement, ast.Store)
        if id(statement) not in self._known:
            self._known[id(statement)] = keys_in(statement), keys_in(statement, ast.Store)
        return self._known[id(statement)]

    def remove(self, block: Block, i: int) -> None:
        self.count(block[i], -1)
        self.forget(block[i])
        del block[i]

    def replace(self, statement: Statement, key: str, value: ast.expr) -> None:
        """Put an expression in the place of a variable, but not in the blocks of a statement."""
        self.count(statement, -1)
        self.forget(statement)
        statement.head = Replaced(key, value).visit(statement.head)
        self.count(statement, 1)

    def forget(self, statement: Statement) -> None:
        """A statement is about to change."""
        self._known.pop(id(statement), None)


class Replaced(ast.NodeTransformer):
    def __init__(self, key: str, value: ast.expr) -> None:
        self.key = key
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self.key:
            return node
        value = copied_tree(self.value)
        if isinstance(node.ctx, ast.Store) and isinstance(value, ast.Name):
            value.ctx = ast.Store()
        return value
