"""Fewer statements: unneeded ones go, and a name that is used once makes way for what it stands for."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

import numpy as np

from minitorch_np._internal.syntax_trees import walked
from minitorch_np.derivation.statements import Block, Statement, inside, keys_in, replaced
from minitorch_np.derivation.values import Variable

LARGE = 12  # operations in a statement, after which nothing more is put into it

LONG = 6  # and after which an author's own names stay

OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Subscript, ast.IfExp, ast.BoolOp)


def fold(statements: Block, variables: dict[str, Variable]) -> Block:
    """The same program with fewer statements, a copy."""
    folding = Folding([statement.copied() for statement in statements], variables)
    folding.use_what_is_the_same()
    while folding.sweep(folding.root):
        pass
    return folding.root


class Folding:
    """Which statements can be done without, by an account of how often each variable is read and set."""

    def __init__(self, root: Block, variables: dict[str, Variable]) -> None:
        self.root = root
        self.variables = variables
        self.uses: Counter[str] = Counter()
        self.sets: Counter[str] = Counter()
        self.augmented: Counter[str] = Counter()  # of the uses, those that change the array in place
        self._known: dict[int, tuple[set[str], set[str]]] = {}  # reads and sets of a statement's head
        for statement in inside(root):
            self._count(statement, 1)

    def _count(self, statement: Statement, sign: int) -> None:
        """Take the variables of a statement into account, or out of it; those of its blocks are their own."""
        self._known.pop(id(statement), None)
        head = statement.head
        for node in walked(head):
            if isinstance(node, ast.Name) and node.id.startswith("$"):
                (self.uses if isinstance(node.ctx, ast.Load) else self.sets)[node.id] += sign
        if isinstance(head, ast.AugAssign) and isinstance(head.target, ast.Name):
            for counter, times in ((self.uses, sign), (self.augmented, sign), (self.sets, -sign)):
                counter[head.target.id] += times

    def _own_keys(self, statement: Statement) -> tuple[set[str], set[str]]:
        """The variables that a statement reads and those that it sets, but not in its blocks."""
        if id(statement) not in self._known:
            self._known[id(statement)] = keys_in(statement.head), keys_in(statement.head, ast.Store)
        return self._known[id(statement)]

    def _keys(self, statement: Statement) -> tuple[set[str], set[str]]:
        """The variables that a statement reads and those that it sets, in its blocks too."""
        if statement.blocks:
            return keys_in(statement), keys_in(statement, ast.Store)
        return self._own_keys(statement)

    def remove(self, block: Block, i: int) -> None:
        self._count(block[i], -1)
        del block[i]

    def _set_value(self, statement: Statement, value: ast.expr) -> None:
        self._count(statement, -1)
        head: Any = statement.head
        head.value = value
        self._count(statement, 1)

    def _replace(self, statement: Statement, key: str, value: ast.expr) -> None:
        """Put an expression in the place of a variable, but not in the blocks of a statement."""
        self._count(statement, -1)
        statement.head = replaced(statement.head, {key: value})
        self._count(statement, 1)

    def use_what_is_the_same(self) -> None:
        """Write a for 1 * a, unless that is to have an array of its own, of which one changes later."""
        effects = [part.head for part in inside(self.root) if part.effect]
        changed = {key for head in effects for key in keys_in(head, ast.expr_context)}
        for part in inside(self.root):
            if part.same is not None and not self._share(keys_in(part.head, ast.expr_context), changed):
                self._set_value(part, part.same)

    def sweep(self, block: Block) -> bool:
        """Go over a block, and those in it, once; whether anything was changed."""
        before = len(block)
        for i in reversed(range(len(block))):
            if self._is_unneeded(block[i]):
                self.remove(block, i)
        i = 0
        while i < len(block):
            i += not self._fold(block, i)
        within = [self.sweep(inner) for statement in block for inner in statement.blocks]
        return len(block) < before or any(within)

    def _is_unneeded(self, statement: Statement) -> bool:
        """Whether it has no effect and makes what nobody reads."""
        head = statement.head
        if isinstance(head, ast.Assign) and not statement.effect:
            made = self._keys(statement)[1]
            plain = all(isinstance(target, ast.Name | ast.Tuple) for target in head.targets)
            return bool(made) and plain and not any(self.uses[key] for key in made)
        return isinstance(head, ast.With | ast.If | ast.For) and not statement.body

    def _fold(self, block: Block, i: int) -> bool:
        """Do without a statement, if that is possible and reads well."""
        statement, head = block[i], block[i].head
        if not isinstance(head, ast.Assign) or not isinstance(head.targets[0], ast.Name) or statement.effect:
            return False
        variable = self.variables[head.targets[0].id]
        if self._in_one_statement(block, i, head, variable):
            return True
        if variable.place or variable.given or self.sets[variable.key] != 1:
            return False
        value = head.value
        is_another = isinstance(value, ast.Name) and self.sets[value.id] <= 1 and value.id in self.variables
        if is_another or (self._trivial(value) and not self.augmented[variable.key]):
            self.remove(block, i)
            self._replace_everywhere(variable, value)
            return True
        return self._into_its_use(block, i, value, variable)

    def _trivial(self, node: ast.expr) -> bool:
        """A view or a size, as good to read as a name for it: x.T, x.size, len(x)."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            node = node.args[0]
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return False
        return isinstance(node, ast.Name) and self.sets[node.id] <= 1

    def _replace_everywhere(self, variable: Variable, value: ast.expr) -> None:
        for statement in inside(self.root):
            if any(variable.key in keys for keys in self._own_keys(statement)):
                self._replace(statement, variable.key, value)

    def _into_its_use(self, block: Block, i: int, value: ast.expr, variable: Variable) -> bool:
        """Put an expression where its variable is used, if nothing on the way changes what it reads."""
        if self.uses[variable.key] != 1:
            return False
        made = block[i]
        reads = self._keys(made)[0]
        for statement in block[i + 1 :]:
            if variable.key not in self._keys(statement)[0]:
                if self._disturbs(statement, reads):
                    return False
                continue
            limit = LARGE if variable.mine else LONG
            together = operations(value) + operations(statement.head)
            if variable.key not in self._own_keys(statement)[0] or (operations(value) and together > limit):
                return False
            self.remove(block, i)
            self._replace(statement, variable.key, value)
            _join_comments(statement, made)
            return True
        return False

    def _disturbs(self, statement: Statement, reads: set[str]) -> bool:
        """Whether a statement changes what is read: the variable, or memory that it shares."""
        read, made = self._keys(statement)
        has_effect = any(inner.effect for inner in inside([statement]))
        return bool(made & reads) or (has_effect and self._share(read | made, reads))

    def _share(self, some: set[str], others: set[str]) -> bool:
        """Whether the arrays of some variables have memory in common with those of others."""
        first, second = (
            [a for key in keys for a in _arrays(self.variables[key].value)] for keys in (some, others)
        )
        return any(np.may_share_memory(a, b) for a in first for b in second)

    def _in_one_statement(self, block: Block, i: int, head: ast.Assign, variable: Variable) -> bool:
        """`y = x.dot(w)` and then `y += b` are y = x.dot(w) + b."""
        following = block[i + 1] if i + 1 < len(block) else None
        if following is None or not isinstance(following.head, ast.AugAssign) or not _is_fresh(head.value):
            return False
        target, op, value = following.head.target, following.head.op, following.head.value
        if not isinstance(target, ast.Name) or target.id != variable.key or not isinstance(value, ast.Name):
            return False
        added = getattr(self.variables.get(value.id), "value", None)
        if not isinstance(added, np.ndarray) or added.dtype != variable.value.dtype:
            return False
        self.remove(block, i + 1)
        self._set_value(block[i], ast.BinOp(head.value, op, value))
        _join_comments(block[i], following)
        return True


def _arrays(value: Any) -> list[Any]:
    """The arrays in what a variable holds."""
    if isinstance(value, tuple | list):
        return [array for part in value for array in _arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []


def operations(node: ast.AST) -> int:
    return sum(isinstance(n, OPERATIONS) for n in walked(node))


def _is_fresh(node: ast.expr) -> bool:
    """Whether an expression is an array that nothing else refers to."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "dot"
    return isinstance(node, ast.BinOp)


def _join_comments(kept: Statement, gone: Statement) -> None:
    said = [text for text in (gone.comment, kept.comment) if text]
    kept.comment = "; ".join(dict.fromkeys(said))
