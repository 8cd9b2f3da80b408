"""Instrumentation of a program: its statements say when they are executed, and its values are recorded."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.study.compare import recorded
from minitorch_np.study.compare.recorded import FORWARD_PRODUCTS, Node, Tape, TapeIsFull, ancestors, is_recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

HOOKS = ("at", "after", "call", "load", "value", "argument", "imported")  # methods of a Recorder
NOT_WRAPPED = frozenset(["super", "locals", "globals", "vars", "eval", "exec", "dir", "print"])
PURE = frozenset(["str", "len", "int", "getattr", "vars", "globals"])
MANY_NODES = 20_000
THOROUGH = 4  # steps of which it is recorded what every statement could see
DEEPEST, MOST = 2, 200  # levels and elements of containers in which arrays are looked for


class MarkedStatement(NamedTuple):
    """A statement of the program: its line, its text, its syntax tree and the function that it is in."""

    number: int
    line: int
    text: str
    tree: Any
    function: str


@dataclass(slots=True, eq=False, repr=False)
class Execution:
    """One execution of a statement: what it could see, what it loaded, and what it bound.

    `values` are the recorded values in scope before it, by what the program calls them; `scope` is all
    of the scope as it is; `bound` are the targets with their old and new values, `result` the recorded
    values in what it assigned or returned.
    """

    number: int
    statement: MarkedStatement
    namespace: Any
    start: int  # the index of the next node then
    scope: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)
    loads: dict[str, Node] = field(default_factory=dict)
    before: list[Any] = field(default_factory=list)
    bound: list[tuple[str, Node | None, Node]] = field(default_factory=list)
    result: dict[str, Node] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<line {self.statement.line}: {self.statement.text}>"

    @property
    def made(self) -> str:
        """What the statement makes, as the program calls it."""
        target = next(iter(getattr(self.statement.tree, "targets", ())), None)
        target = target or getattr(self.statement.tree, "target", None)
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) in self.values | self.loads:
            target = target.value
        return ast.unparse(target) if target is not None else ""


def _recorded_in(scope: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
    """The recorded values of a scope, with their paths: W1, params['W1'], self.weights[0]."""
    left = MOST
    pending = [(name, value, 0) for name, value in scope.items() if not name.startswith("__")]
    while pending and left:
        path, value, depth = pending.pop()
        if is_recorded(value):
            left -= 1
            if value.node is not None:
                yield path, value.node
        elif depth < DEEPEST:
            pending += [(f"{path}{step}", v, depth + 1) for step, v in _elements(value)]


def _elements(value: Any) -> list[tuple[str, Any]]:
    """What a container or an object of the program holds, by what stands behind its name for it."""
    kind = type(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return [(f".{k}", v) for k, v in value._asdict().items()]
    if kind in (list, tuple, dict):
        items = value.items() if kind is dict else enumerate(value)
        return [(f"[{k!r}]", v) for k, v in items] if len(value) <= MOST else []
    inside = getattr(value, "__dict__", None)
    if type(inside) is dict and kind.__module__ == "__main__":
        return [(f".{k}", v) for k, v in inside.items()]
    return []


class Recorder:
    """Runs an instrumented tree's hooks: writes the executions and the tape, and ends the program in time."""

    def __init__(self, steps: int, seconds: float = 2.0) -> None:
        self.tape = Tape()
        self.statements: list[MarkedStatement] = []
        self.executions: list[Execution] = []
        self.steps, self.seconds, self.started = steps, seconds, process_time()
        self._chains: dict[int, tuple[dict[int, Node], int, int]] = {}  # by the newest version: see _count
        self._updates: dict[int, int] = {}
        self._least = 0

    def hooks(self) -> dict[str, Any]:
        return {f"__{name}__": getattr(self, name) for name in HOOKS}

    def at(self, number: int, paths: tuple[str, ...], *targets: Callable[[], Any]) -> None:
        """A statement is about to be executed that assigns to these targets; those of names need no call."""
        if recorded.current() is not self.tape:
            return
        if not len(self.executions) % 64:
            self._stop_in_time()
        frame = sys._getframe(1)
        scope = dict(frame.f_locals)
        start = len(self.tape.nodes)
        execution = Execution(len(self.executions), self.statements[number], frame.f_globals, start)
        if self._least < THOROUGH:
            execution.scope, execution.values = scope, dict(_recorded_in(scope))
        self.executions.append(execution)
        self.tape.execution = execution
        execution.before = [self._known(value) for value in _looked_up(paths, scope, targets)]

    def after(self, number: int, paths: tuple[str, ...], *targets: Callable[[], Any]) -> None:
        """A statement has been executed."""
        execution = self.tape.execution
        if recorded.current() is not self.tape or execution is None or execution.statement.number != number:
            return
        values = _looked_up(paths, sys._getframe(1).f_locals, targets)
        for old, path, value in zip(execution.before, paths, values, strict=True):
            self._bind(execution, path, old, value)
        self._count()

    def _bind(self, execution: Execution, path: str, old: Any, value: Any) -> None:
        if is_recorded(value) or isinstance(value, np.ndarray):
            new = self.tape.node(value)
            before = old if isinstance(old, Node) else None
            execution.bound.append((path, before, new))
            if before is not None:
                self.tape.replace(before, new)
        elif isinstance(value, list | tuple | dict) and isinstance(old, dict):
            for step, element in _elements(value):
                self._bind(execution, f"{path}{step}", old.get(step), element)

    def _known(self, value: Any) -> Any:
        """The node of a value, or those of its elements."""
        if is_recorded(value):
            return value.node
        if isinstance(value, list | tuple | dict):
            return {step: self._known(v) for step, v in _elements(value)}
        return None

    def _count(self) -> None:
        """End the program after enough steps."""
        pairs, self.tape.newly_replaced = self.tape.newly_replaced, []
        for old, new in pairs:
            added = carried(old, new)
            if added is None or new.value.size < old.value.size:
                continue
            versions, last, first = self._chains.pop(old.index, ({old.index: old}, -1, old.index))
            used = used_version(added, versions)
            if used is not None and used.index != last:
                versions, last = {i: n for i, n in versions.items() if i >= used.index}, used.index
                self._updates[first] = self._updates.get(first, 0) + 1
            self._chains[new.index] = ({**versions, new.index: new}, last, first)
        if self._updates:
            self._least, most = min(self._updates.values()), max(self._updates.values())
            if self._least >= self.steps or most >= 3 * self.steps:
                raise TapeIsFull

    def _stop_in_time(self) -> None:
        """End a program that goes on for long after its first updates, or without any."""
        seconds = process_time() - self.started
        is_late = seconds > self.seconds or len(self.tape.nodes) > MANY_NODES
        if (is_late and self._least >= 3) or seconds > 10 * self.seconds:
            raise TapeIsFull

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        execution = self.tape.execution
        result = recorded.call(function, *args, **kwargs)
        self.tape.execution = execution
        return result

    def argument(self, value: Any) -> Any:
        """An argument of a function: an array from outside is recorded from here on."""
        return recorded.leaf(value) if type(value) in recorded.ARRAYS else value

    def imported(self) -> None:
        """Record the arrays that an import has brought."""
        scope = sys._getframe(1).f_globals
        scope.update({name: self.argument(value) for name, value in scope.items()})

    def load(self, text: str, value: Any) -> Any:
        value = self.argument(value)
        if is_recorded(value) and self.tape.execution is not None and value.node is not None:
            self.tape.execution.loads[text] = value.node
        return value

    def value(self, value: Any, *, integers: tuple[bool, ...] = ()) -> Any:
        """An assigned or returned value, recorded; an integer only for targets of which `integers` says so."""
        tape = self.tape
        if recorded.current() is not tape:
            return value
        if type(value) is tuple:
            each = integers if len(integers) == len(value) else [any(integers)] * len(value)
            value = tuple(self.value(v, integers=(i,)) for v, i in zip(value, each, strict=True))
        elif type(value) is list and len(value) <= MOST:
            value[:] = [v if type(v) is tuple else self.value(v) for v in value]
        elif type(value) is not int or any(integers):
            value = recorded.leaf(value)
        if tape.execution is not None:
            tape.execution.result = dict(_recorded_in({"": value}))
        return value


def _looked_up(
    paths: tuple[str, ...], scope: Mapping[str, Any], targets: Iterable[Callable[[], Any]]
) -> list[Any]:
    """The values of targets, without recording that they were looked at."""
    calls = iter(targets)
    found = []
    with recorded.recording_on(None):
        for path in paths:
            try:
                found.append(scope.get(path) if path.isidentifier() else next(calls)())
            except Exception:
                found.append(None)
    return found


def used_version(added: list[Node], versions: Mapping[int, Node]) -> Node | None:
    """The newest of the versions of an array that what is added to it depends on.

    One that goes into a product counts more than those of which single elements are taken, as by a penalty
    while the elements are updated one by one.
    """
    oldest = min(versions)
    found = ancestors(added, lambda n: n.index >= oldest and n.index not in versions)
    reached = [n for i, n in found.items() if i in versions]
    if len(reached) > 1:
        parts = (
            _whole(m, versions) for n in found.values() if n.operation in FORWARD_PRODUCTS for m in n.inputs
        )
        used = {n.index for n in parts}
        reached = [n for n in reached if n.index in used] or reached
    return max(reached, default=None)


def _whole(node: Node, versions: Mapping[int, Node]) -> Node:
    """What a node is a part or a view of."""
    while node.index not in versions and node.operation in ("getitem", "transpose", "reshape"):
        node = node.inputs[0]
    return node


KEEPING = frozenset("copy positive reshape astype asarray array squeeze ravel".split())
CHANGING = ("add", "subtract", "multiply", "setitem", "copy", "astype")
JOINING = frozenset("array concatenate stack hstack vstack append".split())
CARRYING = KEEPING | JOINING | {"add", "subtract", "multiply", "divide", "setitem"}


def carried(old: Node, new: Node) -> list[Node] | None:
    """What is added to or subtracted from `old` to make `new`; None if it is not made in this way."""
    added: list[Node] = []
    node = new
    while node is not old:
        if node.index <= old.index or not node.inputs or node.operation not in CARRYING:
            return None
        first, *rest = node.inputs
        if node.operation in JOINING and rest:
            joined = [_joined(old, part) for part in node.inputs]
            return None if None in joined else [*added, *(n for part in joined if part for n in part)]
        if node.operation == "setitem":
            inside = _set(first, rest[0])
            if inside is None:
                return None
            rest = inside
        elif node.operation == "add" and first is not old and (inside := carried(old, rest[0])) is not None:
            return [*added, first, *inside]
        elif node.operation in ("multiply", "divide") and rest[0].value.size != 1:
            if first.value.size != 1:
                return None
            first, rest = rest[0], [first]
        added += [] if node.operation in KEEPING else rest
        node = first
    return added


def _joined(old: Node, part: Node) -> list[Node] | None:
    """What was added to a part of `old` that is put together with others; None if it is something else."""
    added: list[Node] = []
    while part is not old and part.operation in ("getitem", *CHANGING):
        added += [] if part.operation == "getitem" else part.inputs[1:]
        part = part.inputs[0]
    more = carried(old, part)
    return None if more is None else [*added, *more]


def _set(whole: Node, part: Node) -> list[Node] | None:
    """What was added to a part of an array that is written back; None if it is something else."""
    added: list[Node] = []
    while part is not whole and part.operation != "getitem":
        if part.operation not in CHANGING:
            return None
        first, *rest = part.inputs
        inside = _set(first, rest[0]) if part.operation == "setitem" else None  # w[i][j] -= step
        added += rest if inside is None else inside
        part = first
    return added


def _targets(tree: Any) -> list[Any]:
    """The single targets of an assignment, also by `setattr` or `update` of a dict."""
    match tree:
        case ast.Expr(ast.Call(ast.Attribute(owner, "update"))):
            return [owner]
        case ast.Expr(ast.Call(ast.Name("setattr"), [owner, name, _])):
            return [ast.Call(ast.Name("getattr", ast.Load()), [owner, name], [])]
    if not isinstance(tree, ast.Assign | ast.AugAssign | ast.AnnAssign) or tree.value is None:
        return []
    targets = tree.targets if isinstance(tree, ast.Assign) else [tree.target]
    return [single for target in targets for single in _singles(target)]


def _singles(target: Any) -> list[Any]:
    if isinstance(target, ast.Tuple | ast.List):
        return [single for element in target.elts for single in _singles(element)]
    return _singles(target.value) if isinstance(target, ast.Starred) else [target]


def _is_pure(target: ast.AST) -> bool:
    """Whether a target can be evaluated twice."""
    return not any(
        isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) not in PURE)
        for node in ast.walk(target)
    )


AS_IT_IS = (
    ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Pass, ast.Break, ast.Continue, ast.pattern,
)  # fmt: skip


class Instrumenter(ast.NodeTransformer):
    """Puts the hooks into a tree; fills `statements`."""

    def __init__(self, statements: list[MarkedStatement], tree: ast.AST, line: Callable[[int], str]) -> None:
        self.statements, self.line = statements, line
        self.updated = _updated(tree)
        self.functions = [""]

    def run(self, tree: Any) -> Any:
        return ast.fix_missing_locations(self.generic_visit(tree))

    def visit(self, node: Any) -> Any:
        if isinstance(node, AS_IT_IS) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            is_import = isinstance(node, ast.ImportFrom) and node.module != "__future__"
            return [node, parsed("__imported__()", node)] if is_import and not self.functions[-1] else node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._function(node)
        if isinstance(node, ast.ClassDef):
            node.body = [self.visit(n) if isinstance(n, ast.FunctionDef) else n for n in node.body]
            return node
        return self._statement(node) if isinstance(node, ast.stmt) else super().visit(node)

    def _statement(self, st: Any) -> list[Any]:
        """A statement with the hooks before and after it, and in its expressions."""
        number, is_compound = len(self.statements), hasattr(st, "body")
        text = ast.unparse(st).partition("\n")[0]
        if is_compound or st.lineno == st.end_lineno:  # as it stands there, without a comment
            end = None if is_compound else st.end_col_offset
            text = self.line(st.lineno).encode()[st.col_offset : end].decode().strip()
        tree = st if is_compound else copied_tree(st)
        self.statements.append(MarkedStatement(number, st.lineno, text, tree, self.functions[-1]))
        targets = _targets(st)
        pure = tuple(ast.unparse(t) for t in targets if _is_pure(t))
        calls = "".join(f", lambda: {target}" for target in pure if not target.isidentifier())
        hooks = [parsed(f"__{name}__({number}, {pure!r}{calls})", st) for name in ("at", "after")]
        self.generic_visit(st)
        if isinstance(st, ast.Assign | ast.AnnAssign | ast.Return) and st.value is not None:
            integers: list[Any] = [ast.Constant(ast.unparse(t) in self.updated) for t in targets]
            arguments = [ast.keyword("integers", ast.Tuple(integers, ast.Load()))] if integers else []
            st.value = _call("__value__", [st.value], arguments, st)
        return [hooks[0], st, *(hooks[1:] if targets else ())]

    def _function(self, st: Any) -> Any:
        """A function that hands on its arguments as recorded values."""
        self.functions.append(st.name)
        made: Any = self.generic_visit(ast.Module(st.body, []))
        st.body = made.body
        self.functions.pop()
        wraps = []
        for name in (a.arg for a in (*st.args.posonlyargs, *st.args.args, *st.args.kwonlyargs)):
            hook = f"__value__({name}, integers=(True,))" if name in self.updated else f"__argument__({name})"
            wraps += [parsed(f"{name} = {hook}", st)] if name not in ("self", "cls") else []
        has_text = ast.get_docstring(st, clean=False) is not None
        st.body[has_text:has_text] = wraps
        return st

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in NOT_WRAPPED:
            return node
        return _call("__call__", [node.func, *node.args], node.keywords, node)

    def _load(self, node: Any) -> Any:
        text = ast.unparse(node)
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and not text.startswith("np."):
            return _call("__load__", [ast.Constant(text), node], [], node)
        return node

    visit_Attribute = visit_Subscript = _load  # noqa: N815


def _updated(tree: ast.AST) -> set[str]:
    """The targets that are assigned from themselves: b -= ..., b = b - ..., m, b = step(m, b)."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign):
            found.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            inside = {ast.unparse(n) for n in ast.walk(node.value) if isinstance(n, ast.Name | ast.Attribute)}
            found |= {ast.unparse(t) for t in _targets(node)} & inside
    return found


def _call(name: str, args: list[Any], keywords: list[Any], at: Any) -> Any:
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), args, keywords), at)


def parsed(text: str, at: Any) -> Any:
    made = ast.parse(text).body[0]
    for node in ast.walk(made):
        ast.copy_location(node, at)
    return made
