"""Recording of every statement of a training step: marks in its source, and copies of what it computed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.byhand.loops import Program, bodies, names

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

BEGIN, END, MARK, SCOPE = "_step_begins_", "_loop_ends_", "_statement_ran_", "_names_here_"

SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


class Statement(NamedTuple):
    """A simple statement that is recorded: its line, the function around it, names it stores and loads."""

    line: int
    function: str
    stored: tuple[str, ...]
    loaded: tuple[str, ...]


def marked(program: Program, thorough: bool) -> tuple[ast.Module, list[Statement]]:
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

    def __init__(self, program: Program, statements: list[Statement], steps: int) -> None:
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
