"""Planning: which array each operation writes into, and the text of the function that does them all."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from minitorch_np._internal.numerics import BITS, SMALL, TRUE, zero_where
from minitorch_np.compiled.lowering import Operation

KEYWORD_OUT = (np.maximum, np.minimum)  # NumPy wants their `out` named


class Planned:
    """Operations with a place for each array that they make, and their text.

    `fixed` are arrays that are there from the start and stay the same objects: parameters, gradients, flat
    arrays. `targets` are those of them that an operation makes, by the operation's target. What an operation
    makes otherwise goes into a buffer, which another takes over once nobody reads it any more; where an
    operand of the same shape is read for the last time, its own. `outside` are the names that the function is
    given.
    """

    def __init__(
        self,
        operations: list[Operation],
        values: dict[str, Any],
        constants: dict[str, Any],
        fixed: dict[str, Any],
        targets: dict[str, Any],
        names: dict[str, str],
        functions: dict[str, Any],
    ) -> None:
        self.values, self.constants, self.names = values, constants, names
        self.places: dict[str, Any] = dict(fixed)  # arrays that are always the same object, by name
        self.targets = targets
        self.scope: dict[str, Any] = {"np": np, "copyto": np.copyto, "TRUE": TRUE, **functions}
        self.held: dict[int, str] = {}  # names in the scope, by id of what they hold
        self.owned: list[np.ndarray[Any, Any]] = []
        self.operations = _guards_first(operations)
        self.draws = any(_draws(operation, values) for operation in self.operations)
        self.roots = self._roots()
        self.last = self._last_reads()
        self.free: list[Any] = []
        self.buffers: dict[str, Any] = {}  # the buffer of a root, until it is free again

    def text(self, name: str, parameters: Iterable[str], result: str) -> str:
        """The function, as text; what it uses is in `scope`."""
        lines = [f"def {name}({', '.join(self.names.get(p, p) for p in parameters)}):"]
        context = ""
        for i, operation in enumerate(self.operations):
            made = self._lines(operation, i)
            if made and operation.context != context:
                context = operation.context
                lines += [f"    with np.errstate({context}):"] if context else []
            lines += [f"{'        ' if context else '    '}{line}" for line in made]
            self._release(i)
        if result:
            lines.append(f"    return {self._text(ast.Name(result, ast.Load()))}")
        return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])

    # which memory belongs to whom

    def _roots(self) -> dict[str, str]:
        """Of every array that is a part or a view of another one, that other one."""
        roots: dict[str, str] = {}
        for operation in self.operations:
            value = self.values.get(operation.target)
            if operation.function is not None or not operation.target:
                continue
            for name in operation.reads:
                if _shares(value, self.values.get(name)):
                    roots[operation.target] = name
                    operation.is_view = True
        return roots

    def _root(self, name: str) -> str:
        while name in self.roots:
            name = self.roots[name]
        return name

    def _last_reads(self) -> dict[str, int]:
        last: dict[str, int] = {}
        for i, operation in enumerate(self.operations):
            for name in (*operation.reads, *operation.writes, operation.target):
                last[self._root(name)] = i
        return last

    def _release(self, i: int) -> None:
        for root in [root for root in self.buffers if self.last.get(root, i) <= i]:
            self.free.append(self.buffers.pop(root))

    def _buffer(self, operation: Operation, i: int) -> Any:
        """The array that an operation writes into: an operand's that nobody reads after it, or a free one."""
        value = self.values[operation.target]
        if isinstance(operation.function, np.ufunc):
            for argument in operation.arguments:
                name = argument.id if isinstance(argument, ast.Name) else ""
                own = self.buffers.get(name)
                if own is not None and self.last[name] == i and _alike(own, value):
                    self.buffers[operation.target] = self.buffers.pop(name)
                    self.last.setdefault(operation.target, i)
                    return own
        for k, buffer in enumerate(self.free):
            if _alike(buffer, value):
                self.buffers[operation.target] = self.free.pop(k)
                return buffer
        made = np.empty_like(value)
        self.owned.append(made)
        self.buffers[operation.target] = made
        return made

    # text

    def _lines(self, operation: Operation, i: int) -> list[str]:
        target, code = operation.target, operation.code
        if operation.is_guard and isinstance(code, ast.expr):
            return [f"if not ({self._text(code)}): return FAILED"]
        if isinstance(code, ast.stmt):
            return self._statement(code).splitlines()
        if operation.writes:
            (name,) = operation.writes
            return [self._call(operation, self._text(ast.Name(name, ast.Load())))]
        into = self.targets.get(target)
        value = self.values.get(target)
        if isinstance(code, ast.expr):
            if into is not None:
                self.places[target] = into
                stripped = code.func.value if _is_copy(code) else code  # type: ignore[attr-defined]
                return [f"copyto({self._hold(into)}, {self._text(stripped)})"]
            if operation.is_view and self._is_fixed(operation.reads):
                self.places[target] = self._made(code)
                return []
            return [f"{self.names[target]} = {self._text(code)}"]
        if not isinstance(value, np.ndarray) or not value.ndim:
            return [f"{self.names[target]} = {self._call(operation, '')}"]
        if operation.function is zero_where:
            return self._zeroing(operation, i, into)
        arguments = [self._argument(argument, operation) for argument in operation.arguments]
        if into is None:
            into = self._buffer(operation, i)
        self.places[target] = into
        return [self._call(operation, self._hold(into), arguments)]

    def _call(self, operation: Operation, out: str, arguments: list[str] | None = None) -> str:
        function = operation.function
        given = arguments or [self._argument(argument, operation) for argument in operation.arguments]
        if function is np.dot:
            value = self.values[operation.target]
            if out and value.nbytes > SMALL and len(self.values[operation.arguments[1].id]) != 1:  # type: ignore[attr-defined]
                return f"{self._hold(np.matmul, 'matmul')}({', '.join(given)}, {out})"
            return f"{given[0]}.dot({', '.join([given[1], *([out] if out else [])])})"
        if isinstance(function, np.ufunc):
            name = self._hold(function, function.__name__)
            written = [f"out={out}" if function in KEYWORD_OUT else out] if out else []
            return f"{name}({', '.join([*given, *written])})"
        reduction: Any = function
        owner = reduction.__self__
        options = [f"{key}={value!r}" for key, value in operation.keywords.items() if key == "keepdims"]
        options += [
            f"initial={self._hold(v, 'initial')}" for k, v in operation.keywords.items() if k == "initial"
        ]
        name = self._hold(reduction, f"{owner.__name__}_reduce")
        written = [operation.keywords["axis"].__repr__(), *(["None", out] if out else [])]
        return f"{name}({', '.join([*given, *written, *options])})"

    def _zeroing(self, operation: Operation, i: int, into: Any) -> list[str]:
        """zero_where with memory that is there: the bits of `a` meet an integer mask."""
        mask, a = operation.arguments
        value = self.values[operation.target]
        bits = BITS[value.itemsize]
        small, wide = np.empty(value.shape, np.int8), np.empty(value.shape, bits)
        self.owned += [small, wide]
        given = self._text(a)
        own = self.buffers.get(a.id) if isinstance(a, ast.Name) else None
        seen = self.places.get(a.id) if isinstance(a, ast.Name) else None
        whole = seen is not None and seen.flags.c_contiguous
        there = self._hold(seen.view(bits), "bits") if whole else f"{given}.view({self._hold(bits, 'bits_of')})"
        marked = self.places.get(mask.id) if isinstance(mask, ast.Name) else None
        if (
            into is None
            and own is not None
            and isinstance(a, ast.Name)
            and self.last[a.id] == i
            and _alike(own, value)
        ):
            into = self.buffers[operation.target] = self.buffers.pop(a.id)
        elif into is None:
            into = self._buffer(operation, i)
        self.places[operation.target] = into
        as_bytes = (
            self._hold(marked.view(np.int8), "mask")
            if marked is not None
            else f"{self._text(mask)}.view(np.int8)"
        )
        subtract, meet = self._hold(np.subtract, "subtract"), self._hold(np.bitwise_and, "bitwise_and")
        return [
            f"{subtract}({as_bytes}, TRUE, {self._hold(small, 'small')})",
            f"copyto({self._hold(wide, 'wide')}, {self._hold(small, 'small')})",
            f"{meet}({self._hold(wide, 'wide')}, {there}, {self._hold(into.view(bits), 'bits')})",
        ]

    def _argument(self, argument: ast.expr, operation: Operation) -> str:
        """An operand; a plain number that meets an array is held as an array of its dtype."""
        number = _number(argument)
        if (
            number is not None
            and isinstance(operation.function, np.ufunc)
            and operation.function is not np.power
        ):
            arrays = [
                self.values[a.id]
                for a in operation.arguments
                if isinstance(a, ast.Name) and a.id in self.values
            ]
            dtypes = {a.dtype for a in arrays if isinstance(a, np.ndarray) and a.ndim}
            if len(dtypes) == 1 and (dtype := dtypes.pop()).kind == "f":
                key = f"{type(number).__name__}_{number}_{dtype}".translate(str.maketrans("+-.", "pm_"))
                if key not in self.scope:
                    self.scope[key] = np.array(number, dtype)
                return key
        return self._text(argument)

    def _text(self, node: ast.AST) -> str:
        return ast.unparse(self._named(node))

    def _statement(self, node: ast.stmt) -> str:
        return ast.unparse(ast.fix_missing_locations(self._named(node)))

    def _named(self, node: ast.AST) -> Any:
        return _Renamed(self).visit(copy.deepcopy(node))

    def name_of(self, name: str) -> str:
        """How a value is called in the text."""
        if name in self.places:
            return self._hold(self.places[name])
        if name in self.constants:
            return self._hold(self.constants[name], self.names.get(name, "constant"))
        return self.names.get(name, name)

    def _hold(self, thing: Any, wanted: str = "buffer") -> str:
        """The name under which the function finds an object."""
        if id(thing) in self.held:
            return self.held[id(thing)]
        name, number = wanted, 1
        while name in self.scope or name in self.names.values():
            number += 1
            name = f"{wanted}{number}"
        self.scope[name] = thing
        self.held[id(thing)] = name
        return name

    def label(self, thing: Any, wanted: str) -> None:
        """Let an object have this name in the text, which is that of a variable."""
        self.scope[wanted] = thing
        self.held[id(thing)] = wanted

    def _is_fixed(self, names: Iterable[str]) -> bool:
        return all(name in self.places or name in self.constants for name in names)

    def _made(self, node: ast.expr) -> Any:
        text = ast.fix_missing_locations(ast.Expression(self._named(node)))
        return eval(compile(text, "<step>", "eval"), self.scope)


class _Renamed(ast.NodeTransformer):
    def __init__(self, planned: Planned) -> None:
        self.planned = planned

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.planned.name_of(node.id), node.ctx) if node.id[0] == "$" else node


def _guards_first(operations: list[Operation]) -> list[Operation]:
    """Guards, and what they need, before anything else, as far as nothing is changed by that."""
    made = {operation.target: operation for operation in operations if operation.target}
    changed = {name for operation in operations for name in operation.writes}
    early: set[int] = set()

    def can_be_early(operation: Operation) -> bool:
        is_pure = not operation.writes and not isinstance(operation.code, ast.stmt)
        if not is_pure or operation.context or operation.reads & changed or operation.target in changed:
            return False
        return all(can_be_early(made[name]) for name in operation.reads if name in made)

    def take(operation: Operation) -> None:
        early.add(id(operation))
        for name in operation.reads:
            if name in made:
                take(made[name])

    for operation in operations:
        if operation.is_guard and can_be_early(operation):
            take(operation)
    first = [operation for operation in operations if id(operation) in early]
    return first + [operation for operation in operations if id(operation) not in early]


def _draws(operation: Operation, values: dict[str, Any]) -> bool:
    return any(isinstance(values.get(name), np.random.Generator) for name in operation.reads)


def _shares(a: Any, b: Any) -> bool:
    if isinstance(b, tuple | list):
        return any(_shares(a, part) for part in b)
    if isinstance(a, tuple | list):
        return any(_shares(part, b) for part in a)
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def _alike(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.strides == np.empty_like(b).strides)


def _is_copy(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "copy"
        and not node.args
    )


def _number(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return -node.operand.value  # type: ignore[operator]
    return None
