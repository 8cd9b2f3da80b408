"""Recording of every statement of a training loop: the loop in its source, and what it computed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

PRODUCTS = ("dot", "matmul", "einsum", "tensordot", "inner", "outer", "vecdot")

LOOPS = (ast.For, ast.While)


class Loop(NamedTuple):
    """The training loop, the statements that its parent consists of, and the function that it is in."""

    node: ast.For | ast.While
    siblings: list[ast.stmt]
    function: ast.FunctionDef | None


class ParsedProgram:
    """A parsed program and what in it trains.

    The training loop is the first loop, at module level or in a function, that computes (has a matrix
    product, or calls a function of the file) and updates (`w -= …`, `w = w - …`, a call with `out=w`).
    A loop inside it is the training loop instead if it does both and nothing was computed before it:
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
        """The loop inside that does the whole work, if there is one."""
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


BEGIN, END, MARK, SCOPE = "_step_begins_", "_loop_ends_", "_statement_ran_", "_names_here_"

SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


class Statement(NamedTuple):
    """A simple statement that is recorded: its line, the function around it, names it stores and loads."""

    line: int
    function: str
    stored: tuple[str, ...]
    loaded: tuple[str, ...]


def marked(program: ParsedProgram, thorough: bool) -> tuple[ast.Module, list[Statement]]:
    """The program's tree with marks where a step begins, where the loop ends, and after every statement.

    The statements of functions of the file that the loop calls are marked too. Without `thorough`
    only the steps are, for measuring times. The marks are calls of BEGIN, END and MARK with what
    SCOPE returns, the names there; MARK gets the statement's number too. Changes the program's tree.
    """
    statements: list[Statement] = []
    loop, siblings, function = program.loop
    at = siblings.index(loop)
    if thorough:
        parts: list[tuple[Any, str]] = [(loop, function.name if function else "")]
        parts += [(f, f.name) for f in program.called_from(loop) if f is not function]
        for node, name in parts:
            node.body = list(_after_each(node.body, name, statements))
    loop.body.insert(0, _call(BEGIN, loop.body[0]))
    siblings.insert(at + 1, _call(END, loop))
    return ast.fix_missing_locations(program.tree), statements


def _after_each(body: list[ast.stmt], function: str, statements: list[Statement]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, SIMPLE):
            statements.append(Statement(statement.lineno, function, *names(statement)))
            yield _call(MARK, statement, ast.Constant(len(statements) - 1))
        elif not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for inner in bodies(statement):
                inner[:] = list(_after_each(inner, function, statements))


def _call(name: str, where: ast.stmt, *arguments: ast.expr) -> ast.stmt:
    scope = ast.Call(ast.Name(SCOPE, ast.Load()), [], [])
    return ast.copy_location(ast.Expr(ast.Call(ast.Name(name, ast.Load()), [*arguments, scope], [])), where)


DEPTH = 3  # of containers that are looked into: self.layers[0].weight

MOST = 64  # elements of a list that are told apart

ENDLESS = 100_000  # arrays computed in one step


class Event(NamedTuple):
    """After the statement of this line, `name` had this value (a copy)."""

    line: int
    name: str
    value: Array


class Enough(BaseException):
    """Ends the program; no `except Exception` of its own catches it."""


class Known(NamedTuple):
    """The object last seen under a name, a copy of its numbers, and its length if it is a list."""

    holder: Any
    copy: Array
    length: int


class Recorder:
    """Keeps the last known copy of every array, by (function, name), to see what has changed.

    `events` are those of each step; `before` holds the arrays in scope when a step began, and has one
    entry more: what was left after the last. Values in lists, dicts and objects have names such as
    `params['W1']`, `layers[0].weight`; the number that a list of numbers ends with is `losses[-1]`.
    """

    def __init__(self, program: ParsedProgram, statements: list[Statement], steps: int) -> None:
        self.statements, self.steps = statements, steps
        self.function = program.loop.function.name if program.loop.function else ""
        self.mentioned = program.mentioned()
        self.namespace: dict[str, Any] = {}
        self.events: list[list[Event]] = []
        self.before: list[dict[str, Array]] = []
        self._known: dict[tuple[str, str], Known] = {}
        self._training = False

    def begin(self, scope: dict[str, Any]) -> None:
        """A step begins."""
        del self.before[len(self.events) :]  # what was left when a loop over batches had ended
        self._snapshot(scope)
        if len(self.events) == self.steps:
            raise Enough
        self.events.append([])
        self._training = True

    def end(self, scope: dict[str, Any]) -> None:
        """The loop has ended by itself."""
        if self._training:
            self._snapshot(scope)
        self._training = False

    def mark(self, index: int, scope: dict[str, Any]) -> None:
        """A statement has run."""
        if not self._training:
            return
        statement, events = self.statements[index], self.events[-1]
        if len(events) > ENDLESS:
            raise RuntimeError(f"line {statement.line} has run {ENDLESS} times in one step: does its loop end?")
        written = []
        for root in statement.loaded:
            thing = scope[root] if root in scope else self.namespace.get(root)
            for name, holder, value in arrays(root, thing):
                key = statement.function, name
                if self._is_news(statement, root, name, self._known.get(key), holder, value):
                    single = self._single(key, value)
                    events.append(Event(statement.line, name, self._keep(key, holder, value)))
                    if single is not None:
                        events.append(Event(statement.line, f"{name}[step]", single))
                    written.append(holder)
        for holder in written:
            self._others(statement.line, holder)

    def _is_news(
        self, statement: Statement, root: str, name: str, old: Known | None, holder: Any, value: Array
    ) -> bool:
        """Whether this statement has made the value, or changed what it only mentions."""
        if isinstance(holder, list):
            return old is None or old.length != len(holder)
        if name in statement.stored:
            return True
        changed = old is None or not same_bits(old.copy, value)
        return changed and (root in statement.stored or (old is not None and old.holder is holder))

    def _single(self, key: tuple[str, str], value: Array) -> Array | None:
        """The one number that was put into a vector, as in `losses[t] = loss`."""
        old = self._known.get(key)
        if old is None or value.ndim != 1 or value.shape != old.copy.shape or value.dtype.kind != "f":
            return None
        changed = np.flatnonzero(value != old.copy)
        return np.array(value[changed[0]]) if len(changed) == 1 and len(value) > 1 else None

    def _others(self, line: int, written: Any) -> None:
        """Names of the same memory, changed with it, as in `for w, g in pairs: w -= g`."""
        for key, known in list(self._known.items()):
            if not (isinstance(known.holder, np.ndarray) and isinstance(written, np.ndarray)):
                continue
            if np.may_share_memory(known.holder, written) and not same_bits(known.copy, known.holder):
                self.events[-1].append(Event(line, key[1], self._keep(key, known.holder, known.holder)))

    def _snapshot(self, scope: dict[str, Any]) -> None:
        found: dict[str, Array] = {}
        for root in self.mentioned:
            thing = scope[root] if root in scope else self.namespace.get(root)
            for name, holder, value in arrays(root, thing):
                key = self.function, name
                old = self._known.get(key)
                same = old is not None and old.holder is holder and same_bits(old.copy, value)
                found[name] = old.copy if old is not None and same else self._keep(key, holder, value)
        self.before.append(found)

    def _keep(self, key: tuple[str, str], holder: Any, value: Array) -> Array:
        copy = np.array(value)
        self._known[key] = Known(holder, copy, len(holder) if isinstance(holder, list) else 0)
        return copy


def arrays(name: str, thing: Any, depth: int = DEPTH) -> Iterator[tuple[str, Any, Array]]:
    """The arrays and numbers that a value is or holds: their names, the objects, and them as arrays."""
    if isinstance(thing, np.ndarray) or _is_number(thing):
        array = np.asarray(thing)
        if array.dtype.kind in "fiub":
            yield name, thing, array
    elif depth and isinstance(thing, dict):
        for key, value in thing.items():
            if isinstance(key, str | int):
                yield from arrays(f"{name}[{key!r}]", value, depth - 1)
    elif depth and isinstance(thing, list | tuple) and thing:
        if _is_number(thing[-1]) and isinstance(thing, list):
            yield f"{name}[-1]", thing, np.asarray(thing[-1])
        elif len(thing) <= MOST:
            for i, value in enumerate(thing):
                yield from arrays(f"{name}[{i}]", value, depth - 1)
    elif depth and hasattr(thing, "__dict__") and not callable(thing) and not isinstance(thing, ModuleType):
        for key, value in vars(thing).items():
            yield from arrays(f"{name}.{key}", value, depth - 1)


def _is_number(thing: Any) -> bool:
    return isinstance(thing, int | float | np.number) and not isinstance(thing, bool)


def same_bits(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
