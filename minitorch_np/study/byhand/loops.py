"""The training loop of a program, found in its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

PRODUCTS = ("dot", "matmul", "einsum", "tensordot", "inner", "outer", "vecdot")
LOOPS = (ast.For, ast.While)


class Loop(NamedTuple):
    """The training loop, the statements that its parent consists of, and the function that it is in."""

    node: ast.For | ast.While
    siblings: list[ast.stmt]
    function: ast.FunctionDef | None


class Program:
    """A parsed program and what in it trains.

    The training loop is the first loop, at module level or in a function, that computes (has a matrix
    product, or calls a function of the file) and updates (`w -= …`, `w = w - …`, a call with `out=w`).
    A loop inside it is the training loop instead where it does both and nothing was computed before it:
    that is one over batches in one over epochs.
    Raises SyntaxError, and ValueError that says for each loop why it is not the training loop.
    """

    def __init__(self, text: str, filename: str, first_line: int = 1) -> None:
        self.lines = text.splitlines()
        self.first_line = first_line
        self.tree = ast.parse(text, filename)
        ast.increment_lineno(self.tree, first_line - 1)
        nodes = list(ast.walk(self.tree))
        self.functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
        self.loop = self._find()

    def line(self, number: int) -> str:
        """The text of a line, without what stands around it."""
        at = number - self.first_line
        return self.lines[at].split("  #")[0].strip() if 0 <= at < len(self.lines) else ""

    def assigned_before_loop(self, name: str) -> int:
        """The last line before the loop that gives this name a value, or the loop's."""
        root, end = re.split(r"[.\[]", name)[0], self.loop.node.lineno
        lines = [
            node.lineno
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno < end and root in names(node)[0]
        ]
        return max(lines, default=end)

    def mentioned(self) -> list[str]:
        """The names in the loop and in the functions of the file that it calls, in the order of the source."""
        parts = [self.loop.node, *self.called_from(self.loop.node)]
        return list(dict.fromkeys(name for part in parts for name in names(part)[1]))

    def changes_in_place(self, number: int) -> bool:
        """Whether a statement in this line changes a part of something: `grad[h < 0] = 0`, `w -= …`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno == number:
                return isinstance(node, ast.AugAssign) or isinstance(node.targets[0], ast.Subscript)
        return False

    def is_in_loop(self, number: int) -> bool:
        """Whether a line is one of the training loop's own, not of a function that it calls."""
        return self.loop.node.lineno <= number <= (self.loop.node.end_lineno or 0)

    def arguments(self) -> list[str]:
        """The parameters of the function around the loop."""
        if self.loop.function is None:
            return []
        given = self.loop.function.args
        return [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]

    def is_called(self) -> bool:
        """Whether the module itself calls the function around the loop, or one that does."""
        function = self.loop.function
        outside = [s for s in self.tree.body if not isinstance(s, ast.FunctionDef | ast.ClassDef)]
        reached = [f for statement in outside for f in self.called_from(statement)]
        return function is None or any(f is function for f in reached)

    def updates(self, node: ast.AST) -> bool:
        """Whether anything in here changes an array the way an update does."""
        inner = list(ast.walk(node))
        inner += [n for function in self.called_from(node) for n in ast.walk(function)]
        return any(_is_update(n) for n in inner)

    def computes(self, node: ast.AST) -> bool:
        return any(self._is_product(inner) for inner in ast.walk(node))

    def _find(self) -> Loop:
        candidates = list(_loops(self.tree.body, None))
        for loop in candidates:
            if self._trains(loop.node):
                return self._over_batches(loop)
        lacks = []
        for loop in candidates:
            what = "update such as `w1 -= lr * grad_w1`"
            if any(map(self.updates, loop.node.body)):
                what = "matrix product in it"
            lacks.append(f"line {loop.node.lineno}: `{self.line(loop.node.lineno)}` has no {what}")
        raise ValueError("\n".join(["there is no training loop in it", *(lacks or ["it has no loop at all"])]))

    def _over_batches(self, loop: Loop) -> Loop:
        """The loop inside that does the whole work, where there is one."""
        for statement in loop.node.body:
            if isinstance(statement, LOOPS) and self._trains(statement):
                return self._over_batches(Loop(statement, loop.node.body, loop.function))
            if self.computes(statement):
                break
        return loop

    def _trains(self, loop: ast.For | ast.While) -> bool:
        """Whether the body does; `for loss in train(…):` does not."""
        return any(map(self.updates, loop.body)) and any(map(self.computes, loop.body))

    def _is_product(self, node: ast.AST) -> bool:
        if isinstance(node, ast.BinOp | ast.AugAssign):
            return isinstance(node.op, ast.MatMult)
        return isinstance(node, ast.Call) and (_callee(node) in PRODUCTS or _callee(node) in self.functions)

    def called_from(self, node: ast.AST) -> list[ast.FunctionDef]:
        found: dict[str, ast.FunctionDef] = {}
        pending: list[ast.AST] = [node]
        while pending:
            for inner in ast.walk(pending.pop()):
                name = _callee(inner) if isinstance(inner, ast.Call) else ""
                if name in self.functions and name not in found:
                    found[name] = self.functions[name]
                    pending.append(found[name])
        return list(found.values())


def _loops(statements: list[ast.stmt], function: ast.FunctionDef | None) -> Iterator[Loop]:
    """The outermost loops, in the order of the source."""
    for statement in statements:
        if isinstance(statement, LOOPS):
            yield Loop(statement, statements, function)
        else:
            inside = statement if isinstance(statement, ast.FunctionDef) else function
            for body in bodies(statement):
                yield from _loops(body, inside)


def bodies(statement: Any) -> Iterator[list[ast.stmt]]:
    """The lists of statements that a compound statement holds."""
    for field in ("body", "orelse", "finalbody"):
        if isinstance(getattr(statement, field, None), list):
            yield getattr(statement, field)
    for part in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
        yield part.body


def _is_update(node: ast.AST) -> bool:
    if isinstance(node, ast.AugAssign):
        return isinstance(node.op, ast.Sub | ast.Add) and not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and len(node.targets) == 1:
        target = ast.unparse(node.targets[0]).removesuffix("[:]").removesuffix("[...]")
        step = node.value
        reads = [ast.unparse(side) for side in (step.left, step.right)]
        return (
            isinstance(step.op, ast.Sub | ast.Add)
            and target in reads
            and not isinstance(step.right, ast.Constant)
        )
    return isinstance(node, ast.Call) and any(keyword.arg == "out" for keyword in node.keywords)


def _callee(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def names(statement: ast.AST) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names whose values a statement sets, wholly or in part, and all that it mentions."""
    stored, loaded = [], []
    for node in _in_order(statement):
        if isinstance(node, ast.Name):
            loaded.append(node.id)
        if isinstance(getattr(node, "ctx", None), ast.Store):
            root: Any = node
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Starred):
                root = root.value
            if isinstance(root, ast.Name):
                stored.append(root.id)
    return tuple(dict.fromkeys(stored)), tuple(dict.fromkeys(loaded))


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for inner in ast.iter_child_nodes(node):
        yield from _in_order(inner)
