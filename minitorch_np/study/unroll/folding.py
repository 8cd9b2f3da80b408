"""Fewer statements: what nobody needs goes, and a name that is used once makes way for what it stands for."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from typing import Any

import numpy as np

from minitorch_np.study.unroll.ones import without_ones
from minitorch_np.study.unroll.values import Variable
from minitorch_np.study.unroll.walking import blocks_of, every_block, keys_in

LARGE = 12  # operations in a statement, after which nothing more is put into it
LONG = 6  # and after which an author's own names stay
OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Subscript, ast.IfExp, ast.BoolOp)


def fold(statements: list[ast.stmt], variables: dict[str, Variable]) -> list[ast.stmt]:
    """The same program with fewer statements; blocks are changed in place."""
    statements = without_ones(statements, variables)
    folding = _Folding(statements, variables)
    while folding.once():
        pass
    return statements


class _Folding:
    def __init__(self, root: list[ast.stmt], variables: dict[str, Variable]) -> None:
        self.root = root
        self.variables = variables

    def once(self) -> bool:
        """One change, if there is one to make."""
        nodes = [node for statement in self.root for node in ast.walk(statement)]
        names = [n for n in nodes if isinstance(n, ast.Name) and n.id.startswith("$")]
        self.uses = Counter(n.id for n in names if isinstance(n.ctx, ast.Load))
        augmented = [
            n.target.id for n in nodes if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
        ]
        self.uses.update(augmented)
        self.augmented = set(augmented)
        self.sets = Counter(n.id for n in names if isinstance(n.ctx, ast.Store))
        self.sets.subtract(augmented)
        return any(self._drop(block) or self._fold(block) for block in every_block(self.root))

    def _drop(self, block: list[ast.stmt]) -> bool:
        """Leave out what has no effect and makes what nobody reads."""
        for i, statement in enumerate(block):
            if isinstance(statement, ast.Assign) and not getattr(statement, "effect", False):
                made = keys_in(statement, ast.Store)
                plain = all(isinstance(target, ast.Name | ast.Tuple) for target in statement.targets)
                if made and plain and not any(self.uses[key] for key in made):
                    del block[i]
                    return True
            elif isinstance(statement, ast.With | ast.If | ast.For) and not statement.body:
                del block[i]
                return True
        return False

    def _fold(self, block: list[ast.stmt]) -> bool:
        for i, statement in enumerate(block):
            variable = self._variable(statement)
            if variable is None or not isinstance(statement, ast.Assign):
                continue
            if self._in_one_statement(block, i, statement, variable):
                return True
            if variable.place or variable.given or self.sets[variable.key] != 1:
                continue
            trivial = self._trivial(statement.value) and variable.key not in self.augmented
            if self._stands_for_another(statement, variable) or trivial:
                self._replace_everywhere(variable, statement.value)
                block.remove(statement)
                return True
            if self._into_its_use(block, i, statement, variable):
                return True
        return False

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
        for i, statement in enumerate(self.root):
            self.root[i] = Replaced(variable.key, value).visit(statement)

    def _into_its_use(self, block: list[ast.stmt], i: int, made: ast.Assign, variable: Variable) -> bool:
        """Put an expression where its variable is used, if nothing on the way changes what it reads."""
        if self.uses[variable.key] != 1:
            return False
        reads = keys_in(made.value)
        for j in range(i + 1, len(block)):
            statement = block[j]
            if variable.key in keys_in(statement):
                if any(variable.key in keys_in(s) for inner in blocks_of(statement) for s in inner):
                    return False
                limit = LARGE if variable.mine else LONG
                if operations(made.value) and operations(made.value) + operations(statement) > limit:
                    return False
                block[j] = Replaced(variable.key, made.value).visit(statement)
                _join_comments(block[j], made)
                del block[i]
                return True
            if self._disturbs(statement, reads):
                return False
        return False

    def _disturbs(self, statement: ast.stmt, reads: set[str]) -> bool:
        """Whether a statement changes what is read: the variable, or memory that it shares."""
        if keys_in(statement, ast.Store) & reads:
            return True
        if not _has_effect(statement):
            return False
        touched = keys_in(statement) | keys_in(statement, ast.Store)
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
        made.value = ast.BinOp(made.value, following.op, value)
        _join_comments(made, following)
        del block[i + 1]
        return True


def _arrays(value: Any) -> list[Any]:
    """The arrays in what a variable holds."""
    if isinstance(value, tuple | list):
        return [array for part in value for array in _arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []


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
