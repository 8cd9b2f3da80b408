"""Fewer statements: unneeded ones go, and a name that is used once makes way for what it stands for."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.derivation.statements import Ledger, blocks_of, every_block, head, keys_in
from minitorch_np.derivation.values import Variable


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


LARGE = 12  # operations in a statement, after which nothing more is put into it

LONG = 6  # and after which an author's own names stay

OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Subscript, ast.IfExp, ast.BoolOp)


def fold(statements: list[ast.stmt], variables: dict[str, Variable]) -> list[ast.stmt]:
    """The same program with fewer statements, a copy."""
    folding = _Folding(without_ones(statements, variables), variables)
    while sum(folding.sweep(block) for block in every_block(folding.root)):
        pass
    return folding.root


class _Folding(Ledger):
    """Which statements can be done without."""

    def sweep(self, block: list[ast.stmt]) -> bool:
        """Go over a block once; whether anything was changed."""
        changed = False
        for i in reversed(range(len(block))):
            changed |= self._drop(block, i)
        i = 0
        while i < len(block):
            if self._fold(block, i):
                changed = True
            else:
                i += 1
        return changed

    def _drop(self, block: list[ast.stmt], i: int) -> bool:
        """Leave out what has no effect and makes what nobody reads."""
        statement = block[i]
        if isinstance(statement, ast.Assign) and not getattr(statement, "effect", False):
            made = self.keys(statement)[1]
            plain = all(isinstance(target, ast.Name | ast.Tuple) for target in statement.targets)
            gone = made and plain and not any(self.uses[key] for key in made)
        else:
            gone = isinstance(statement, ast.With | ast.If | ast.For) and not statement.body
        if gone:
            self.remove(block, i)
        return bool(gone)

    def _fold(self, block: list[ast.stmt], i: int) -> bool:
        """Do without the variable that a statement makes, if that is possible and reads well."""
        statement = block[i]
        variable = self._variable(statement)
        if variable is None or not isinstance(statement, ast.Assign):
            return False
        if self._in_one_statement(block, i, statement, variable):
            return True
        if variable.place or variable.given or self.sets[variable.key] != 1:
            return False
        trivial = self._trivial(statement.value) and not self.augmented[variable.key]
        if self._stands_for_another(statement, variable) or trivial:
            self.remove(block, i)
            self._replace_everywhere(variable, statement.value)
            return True
        return self._into_its_use(block, i, statement, variable)

    def _variable(self, statement: ast.stmt) -> Variable | None:
        if not isinstance(statement, ast.Assign) or getattr(statement, "effect", False):
            return None
        target = statement.targets[0]
        return self.variables.get(target.id) if isinstance(target, ast.Name) else None

    def _stands_for_another(self, statement: ast.Assign, variable: Variable) -> bool:
        """`a = b`, where b is not set again."""
        value = statement.value
        return isinstance(value, ast.Name) and self.sets[value.id] <= 1 and value.id in self.variables

    def _trivial(self, node: ast.expr) -> bool:
        """A view or a size, as good to read as a name for it: x.T, x.size, len(x)."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            node = node.args[0]
        elif isinstance(node, ast.Attribute):
            node = node.value
        elif not isinstance(node, ast.Constant):
            return False
        return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and self.sets[node.id] <= 1)

    def _replace_everywhere(self, variable: Variable, value: ast.expr) -> None:
        if isinstance(value, ast.Name):
            variable.became = self.variables[value.id]
        for block in every_block(self.root):
            for statement in block:
                known = self.keys(statement) if not blocks_of(statement) else (keys_in(head(statement)),)
                if any(variable.key in keys for keys in known):
                    self.replace(statement, variable.key, value)

    def _into_its_use(self, block: list[ast.stmt], i: int, made: ast.Assign, variable: Variable) -> bool:
        """Put an expression where its variable is used, if nothing on the way changes what it reads."""
        if self.uses[variable.key] != 1:
            return False
        reads = self.keys(made)[0]
        for statement in block[i + 1 :]:
            if variable.key not in self.keys(statement)[0]:
                if self._disturbs(statement, reads):
                    return False
                continue
            limit = LARGE if variable.mine else LONG
            together = operations(made.value) + operations(statement)
            if variable.key not in keys_in(head(statement)) or (operations(made.value) and together > limit):
                return False
            self.remove(block, i)
            self.replace(statement, variable.key, made.value)
            _join_comments(statement, made)
            return True
        return False

    def _disturbs(self, statement: ast.stmt, reads: set[str]) -> bool:
        """Whether a statement changes what is read: the variable, or memory that it shares."""
        read, made = self.keys(statement)
        if made & reads:
            return True
        if not _has_effect(statement):
            return False
        touched = read | made
        changed = [a for key in touched for a in _arrays(self.variables[key].value)]
        return any(
            np.may_share_memory(a, b)
            for key in reads
            for b in _arrays(self.variables[key].value)
            for a in changed
        )

    def _in_one_statement(self, block: list[ast.stmt], i: int, made: ast.Assign, variable: Variable) -> bool:
        """`y = x.dot(w)` and then `y += b` are y = x.dot(w) + b."""
        following = block[i + 1] if i + 1 < len(block) else None
        if not isinstance(following, ast.AugAssign) or not _is_fresh(made.value):
            return False
        target, value = following.target, following.value
        if not isinstance(target, ast.Name) or target.id != variable.key or not isinstance(value, ast.Name):
            return False
        added = getattr(self.variables.get(value.id), "value", None)
        if not isinstance(added, np.ndarray) or added.dtype != variable.value.dtype:
            return False
        self.remove(block, i + 1)
        self.count(made, -1)
        self.forget(made)
        made.value = ast.BinOp(made.value, following.op, value)
        self.count(made, 1)
        _join_comments(made, following)
        return True


def _arrays(value: Any) -> list[Any]:
    """The arrays in what a variable holds."""
    if isinstance(value, tuple | list):
        return [array for part in value for array in _arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []


def operations(node: ast.AST) -> int:
    nested = [inner for block in blocks_of(node) for inner in block] if isinstance(node, ast.stmt) else []
    return sum(isinstance(n, OPERATIONS) for n in ast.walk(node)) - sum(operations(n) for n in nested)


def _has_effect(statement: ast.stmt) -> bool:
    return getattr(statement, "effect", False) or any(
        _has_effect(inner) for block in blocks_of(statement) for inner in block
    )


def _is_fresh(node: ast.expr) -> bool:
    """Whether an expression is an array that nothing else refers to."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "dot"
    return isinstance(node, ast.BinOp)


def _join_comments(kept: ast.stmt, gone: ast.stmt) -> None:
    said = [text for text in (getattr(gone, "comment", ""), getattr(kept, "comment", "")) if text]
    vars(kept)["comment"] = "; ".join(dict.fromkeys(said))
