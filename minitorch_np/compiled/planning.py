"""Planning: which array each operation writes into, and the text of the function that does them all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from minitorch_np._internal.numerics import BITS, SMALL, TRUE, summed_rows, zero_where
from minitorch_np._internal.syntax_trees import changed_tree, evaluated, walked
from minitorch_np.compiled.lowering import Operation, is_elementwise, owners, shares

FAILED = object()  # what a compiled function returns if a decision would be another one now

IN_PLACE = ("add", "subtract", "multiply", "divide")

FEW_BYTES = 32 * 1024  # of a result: up to here what is broadcast is copied first

TRANSPOSED_BYTES = 2 * 1024, 32 * 1024  # of a matrix that a product reads faster from a copy

KEYWORD_OUT = (np.maximum, np.minimum)  # NumPy wants their `out` named


class Blockwise:
    """Arrays that are gone through by blocks, which a cache holds: pairs of a first block and the whole."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs
        self.size = len(pairs[0][0])

    def parts(self, array: Any) -> list[Any]:
        """All blocks of what has this first one; of any other array the same each time."""
        length = len(self.pairs[0][1])
        owner = next((whole for first, whole in self.pairs if np.may_share_memory(array, first)), None)
        begins = range(0, length, self.size)
        if owner is None:
            return [array[: length - begin] for begin in begins]
        return [owner.view(array.dtype)[begin : begin + self.size] for begin in begins]


class Planned:
    """Operations with a place for each array that they make, and their text.

    `fixed` are arrays that are there from the start and stay the same objects: parameters, gradients, flat
    arrays. `targets` are those of them that an operation makes, by the operation's target. What an operation
    makes otherwise goes into a buffer, which another takes over once nobody reads it any more; where an
    operand of the same shape is read for the last time, its own. `options` are the names of numbers that seldom
    change: where one meets arrays of one dtype it stands as an array of that dtype, which `numbers` lists.
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
        result: str = "",
        options: Iterable[str] = (),
    ) -> None:
        self.values, self.constants, self.names = values, constants, names
        self.options = set(options)
        self.numbers: list[tuple[str, Any]] = []
        self.places: dict[str, Any] = dict(fixed)  # arrays that are always the same object, by name
        self.targets = targets
        self.scope: dict[str, Any] = {"np": np, "TRUE": TRUE, "FAILED": FAILED}
        self.scope |= {name: functions[name] for name in _called(operations) & functions.keys()}
        self.taken = set(names.values())
        self.numbered: dict[str, int] = {}  # the last number that was added to a name
        self.held: dict[int, str] = {}  # names in the scope, by id of what they hold
        self.operations = _guards_first(operations, values)
        self.roots = self._roots()
        self.last = self._last_reads()
        if result:
            self.last[self._root(result)] = len(operations)
        self.free: list[Any] = []
        self.buffers: dict[str, Any] = {}  # the buffer of a root, until it is free again

    def text(self, name: str, parameters: Iterable[str], result: str, blocks: Blockwise | None = None) -> str:
        """The function, as text; what it uses is in `scope`."""
        lines = [f"def {name}({', '.join(self.names.get(p, p) for p in parameters)}):"]
        inside: list[str] = []  # the loop over blocks
        context = ""
        for i, operation in enumerate(self.operations):
            made, into = self._lines(operation, i), lines
            if blocks is not None and self._is_of(blocks, operation):
                into = inside
            if made and operation.context != context:
                context = operation.context
                into += [f"    with np.errstate({context}):"] if context else []
            if made and isinstance(value := self.values.get(operation.target), np.ndarray):
                called = self.names.get(operation.target, "")
                is_named = not (called[:1] == "t" and called[1:].isdecimal())
                made[-1] += f"  # {called} {value.shape}" if is_named else f"  # {value.shape}"
            into += [f"{'        ' if context else '    '}{line}" for line in made]
            self._release(i)
        if blocks is not None and inside:
            lines += [self._loop(blocks, "\n".join(inside)), *(f"    {line}" for line in inside)]
        if result:
            lines.append(f"    return {self.text_of(ast.Name(result, ast.Load()))}")
        return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])

    def goes_by(self, blocks: Blockwise) -> bool:
        """Whether all that is not said of blocks can be done before them."""
        begun = False
        for operation in self.operations:
            is_of = self._is_of(blocks, operation)
            begun = begun or is_of
            is_early = begun and not is_of and any(map(len, self._shapes(operation)))
            if is_early or (is_of and (operation.is_guard or operation.context)):
                return False
        return True

    def _shapes(self, operation: Operation) -> list[tuple[int, ...]]:
        names = {*operation.reads, *operation.writes, operation.target}
        return [np.shape(self.values.get(name, 0)) for name in names]

    def _is_of(self, blocks: Blockwise, operation: Operation) -> bool:
        return (blocks.size,) in self._shapes(operation)

    def _loop(self, blocks: Blockwise, body: str) -> str:
        """The head of a loop over blocks of all arrays in its body that are as long as one."""
        words = set(re.findall(r"\w+", body))
        used = {
            name: array
            for name, array in self.scope.items()
            if name in words and isinstance(array, np.ndarray) and array.shape == (blocks.size,)
        }
        parts = [blocks.parts(array) for array in used.values()]
        rows = self.hold(list(zip(*parts, strict=True)), "blocks")
        return f"    for {', '.join(used)}{',' if len(used) == 1 else ''} in {rows}:"

    def changes(self, names: Iterable[str]) -> bool:
        """Whether it changes one of these."""
        given = set(names)
        return any(self._root(name) in given for operation in self.operations for name in operation.writes)

    def changes_before_its_end(self, names: Iterable[str]) -> bool:
        """Whether it changes one of these, and may find after that that a decision would be another one."""
        given = set(names)
        changing = [
            bool({self._root(name) for name in operation.writes} & given) for operation in self.operations
        ]
        return any(changing) and not all(changing[changing.index(True) :])

    # which memory belongs to whom

    def _roots(self) -> dict[str, str]:
        """Of every array that is a part or a view of another one, that other one."""
        roots: dict[str, str] = {}
        for operation in self.operations:
            value = self.values.get(operation.target)
            if operation.function is not None or operation.into or not operation.target:
                continue
            for name in operation.reads:
                if shares(value, self.values.get(name)):
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
        if is_elementwise(operation.function) or operation.function is zero_where:
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
        self.buffers[operation.target] = np.empty_like(value)
        return self.buffers[operation.target]

    # text

    def _lines(self, operation: Operation, i: int) -> list[str]:
        code = operation.code
        if isinstance(code, ast.stmt):
            return ast.unparse(ast.fix_missing_locations(self._named(code))).splitlines()
        if isinstance(code, ast.expr):
            return self._code_lines(operation, code, i)
        given = [self._argument(argument, operation) for argument in operation.arguments]
        numbers = self._numbers(operation, given)
        if operation.writes:
            (name,) = operation.writes
            return [*numbers, self._call(operation, self.name_of(name), given)]
        value = self.values[operation.target]
        if not isinstance(value, np.ndarray) or not value.ndim:
            return [*numbers, f"{self.names[operation.target]} = {self._call(operation, '', given)}"]
        into = self.targets.get(operation.target)
        if operation.function in (zero_where, summed_rows):
            return (self._zeroing if operation.function is zero_where else self._summing)(operation, i, into)
        if into is None:
            into = self._buffer(operation, i)
        self.places[operation.target] = into
        spread = self._spread(operation, given)
        return [*numbers, *spread, self._call(operation, self.hold(into), given)]

    def _numbers(self, operation: Operation, given: list[str]) -> list[str]:
        """Lines that put numbers that change into arrays of the dtype that they meet: faster operands."""
        lines = []
        for k, argument in enumerate(operation.arguments):
            is_number = isinstance(argument, ast.Name) and type(self.values.get(argument.id)) is float
            if not is_number or given[k] in self.scope or not is_elementwise(operation.function):
                continue
            if (dtype := self._float_of(operation.arguments)) is None or operation.function is np.power:
                continue
            number = f"{given[k]}_{dtype}"
            self.scope.setdefault(number, np.empty((), dtype))
            lines.append(f"{number}[...] = {given[k]}")
            given[k] = number
        return lines

    def _spread(self, operation: Operation, given: list[str]) -> list[str]:
        """Lines that repeat what is broadcast, such as a bias; the copy then stands in its place in `given`.

        For a small array that takes less time than a call that broadcasts. A product copies what is not
        contiguous itself, but to a new array; a small transposed matrix is read faster from a copy.
        """
        value, lines, function = self.values[operation.target], [], operation.function
        is_small = is_elementwise(function) and len(given) == 2 and value.nbytes <= FEW_BYTES
        for k, argument in enumerate(operation.arguments):
            part = self.values.get(argument.id) if isinstance(argument, ast.Name) else None
            if not isinstance(part, np.ndarray) or not part.ndim:
                continue
            is_copied = function is np.dot and not self._is_large(operation)
            if is_copied and part.flags.forc:
                first = self.value_of(operation.arguments[0])
                is_copied = k == 1 and not part.flags.c_contiguous and _is_read_faster(first, part)
            if is_copied or (is_small and part.shape != value.shape):
                shape = part.shape if is_copied else value.shape
                scratch = self.scratch(shape, part.dtype, f"spread{k or ''}")
                lines.append(f"{scratch}[...] = {given[k]}")
                given[k] = scratch
        return lines

    def _is_large(self, operation: Operation) -> bool:
        """Whether np.matmul makes a product faster than np.dot."""
        second = operation.arguments[1]
        outer = isinstance(second, ast.Name) and len(self.values[second.id]) == 1
        return self.values[operation.target].nbytes > SMALL and not outer

    def _code_lines(self, operation: Operation, code: ast.expr, i: int) -> list[str]:
        target = operation.target
        if operation.into is not None and isinstance(code, ast.Call):
            place = self.targets.get(target)
            self.places[target] = self._buffer(operation, i) if place is None else place
            return operation.into(self, code, self.places[target])
        if operation.is_guard:
            return [f"if not ({self.text_of(code)}): return FAILED"]
        if (into := self.targets.get(target)) is not None:
            self.places[target] = into
            return [f"{self.hold(into)}[...] = {self.text_of(_without_copy(code))}"]
        if operation.is_view and self._is_fixed(operation.reads):
            self.places[target] = self.made(code)
            return []
        return [f"{self.names[target]} = {self.text_of(code)}"]

    def _call(self, operation: Operation, out: str, arguments: list[str] | None = None) -> str:
        function = operation.function
        given = arguments or [self._argument(argument, operation) for argument in operation.arguments]
        if function is np.dot:
            if out and self._is_large(operation):
                return f"{self.hold(np.matmul, 'matmul')}({', '.join(given)}, {out})"
            return f"{given[0]}.dot({', '.join([given[1], *([out] if out else [])])})"
        if isinstance(function, np.ufunc):
            name = self.hold(function, function.__name__)
            written = [f"out={out}" if function in KEYWORD_OUT else out] if out else []
            return f"{name}({', '.join([*given, *written])})"
        reduction: Any = function
        owner = reduction.__self__
        options = [f"{key}={value!r}" for key, value in operation.keywords.items() if key == "keepdims"]
        if "initial" in operation.keywords:
            dtype = self.value_of(operation.arguments[0]).dtype
            initial = np.array(operation.keywords["initial"], dtype if dtype.kind == "f" else None)
            options.append(f"initial={self.hold(initial, 'initial')}")
        name = self.hold(reduction, f"{owner.__name__}_reduce")
        written = [operation.keywords["axis"].__repr__(), *(["None", out] if out else [])]
        return f"{name}({', '.join([*given, *written, *options])})"

    def _zeroing(self, operation: Operation, i: int, into: Any) -> list[str]:
        """zero_where with memory that is there: the bits of `a` meet an integer mask."""
        mask, a = (self.name_of(part.id) for part in operation.arguments if isinstance(part, ast.Name))
        value = self.values[operation.target]
        bits = BITS[value.itemsize]
        as_bytes, given = self.view_of(mask, np.dtype(np.int8)), self.view_of(a, bits)
        small, wide = self.scratch(value.shape, np.dtype(np.int8)), self.scratch(value.shape, bits)
        if into is None:
            into = self._buffer(operation, i)
        self.places[operation.target] = into
        subtract, meet = self.hold(np.subtract, "subtract"), self.hold(np.bitwise_and, "bitwise_and")
        return [
            f"{subtract}({as_bytes}, TRUE, {small})",
            f"{wide}[...] = {small}",
            f"{meet}({wide}, {given}, {self.view_of(self.hold(into), bits)})",
        ]

    def _summing(self, operation: Operation, i: int, into: Any) -> list[str]:
        """summed_rows with memory that is there: each number gets an index of its own."""
        index, rows = (self._argument(argument, operation) for argument in operation.arguments[:2])
        if into is None:
            into = self._buffer(operation, i)
        self.places[operation.target] = into
        shape = self.value_of(operation.arguments[1]).shape
        column, places = (self.scratch(size, np.dtype(np.intp), "places") for size in ((shape[0], 1), shape))
        multiply, add, add_at = (
            self.hold(f, n) for f, n in ((np.multiply, "multiply"), (np.add, "add"), (np.add.at, "add_at"))
        )
        width, steps = self.hold(np.array(shape[1]), "width"), self.hold(np.arange(shape[1]), "steps")
        flat, flat_places = self.hold(into.reshape(-1)), self.hold(self.scope[places].reshape(-1))
        return [
            f"{self.hold(into)}[...] = 0",
            f"{self.hold(self.scope[column].reshape(-1))}[...] = {index}",
            f"{multiply}({column}, {width}, {places})",
            f"{add}({places}, {steps}, {places})",
            f"{add_at}({flat}, {flat_places}, {rows}.reshape(-1))",
        ]

    def bits_of(self, part: ast.expr, dtype: Any) -> str:
        """The text for the bits of an array, or of a number as one of that dtype."""
        number = _number(part)
        if number is None:
            return self.view_of(self.text_of(part), BITS[dtype.itemsize])
        key = f"bits_of_{number}_{dtype}".translate(str.maketrans("+-.", "pm_"))
        self.scope.setdefault(key, np.array(number, dtype).view(BITS[dtype.itemsize]))
        return key

    def view_of(self, name: str, dtype: Any) -> str:
        """The text for the bits of an array as integers; of one that stays they are there already."""
        array = self.scope.get(name)
        if array is None or not array.flags.c_contiguous:
            return f"{name}.view({self.hold(dtype, f'{dtype}_')})"
        key = f"{name}_as_{dtype}"
        self.scope.setdefault(key, array.view(dtype))
        return key

    def scratch(self, shape: tuple[int, ...], dtype: Any, use: str = "scratch") -> str:
        """The name of an array that is used up at once."""
        key = f"{use}_{dtype}_{'x'.join(map(str, shape))}"
        self.scope.setdefault(key, np.empty(shape, dtype))
        return key

    def _argument(self, argument: ast.expr, operation: Operation) -> str:
        """An operand; a plain number that meets an array is held as an array of its dtype."""
        if isinstance(operation.function, np.ufunc) and operation.function is not np.power:
            return self._number_text(argument, operation.arguments) or self.text_of(argument)
        return self.text_of(argument)

    def _number_text(self, argument: ast.expr, operands: list[ast.expr]) -> str:
        """The name of an array for a number or an option among operands of one dtype; "" for anything else."""
        number = _number(argument)
        is_option = isinstance(argument, ast.Name) and argument.id in self.options
        if number is None and not is_option:
            return ""
        if (dtype := self._float_of(operands)) is None:
            return ""
        if isinstance(argument, ast.Name) and is_option:
            key = f"{self.names[argument.id]}_{dtype}"
            if key not in self.scope:
                self.scope[key] = np.array(self.values[argument.id], dtype)
                self.numbers.append((argument.id, self.scope[key]))
            return key
        key = f"{type(number).__name__}_{number}_{dtype}".translate(str.maketrans("+-.", "pm_"))
        if key not in self.scope:
            self.scope[key] = np.array(number, dtype)
        return key

    def _float_of(self, operands: list[ast.expr]) -> Any:
        """The dtype of the arrays among operands, if all have the same one, of floats; None otherwise."""
        arrays = [self.values.get(a.id) for a in operands if isinstance(a, ast.Name)]
        dtypes = {a.dtype for a in arrays if isinstance(a, np.ndarray) and a.ndim}
        dtype = dtypes.pop() if len(dtypes) == 1 else None
        return dtype if dtype is not None and dtype.kind == "f" else None

    def text_of(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name) and node.id[0] == "$":
            return self.name_of(node.id)
        return ast.unparse(self._named(node))

    def _named(self, node: Any) -> Any:
        return changed_tree(node, self._renamed)

    def _renamed(self, node: ast.AST) -> ast.expr | None:
        """What stands in the text for a name, and for a call of a ufunc with numbers."""
        if isinstance(node, ast.Name):
            return ast.Name(self.name_of(node.id), node.ctx) if node.id[0] == "$" else None
        if not isinstance(node, ast.Call) or (ufunc := _name_in_numpy(node.func)) not in IN_PLACE:
            return None
        function = ast.Name(self.hold(getattr(np, ufunc), ufunc), ast.Load())
        numbers = [self._number_text(argument, node.args) for argument in node.args]
        args = [
            ast.Name(n, ast.Load()) if n else self._named(a) for n, a in zip(numbers, node.args, strict=True)
        ]
        return ast.Call(function, args, self._named(node.keywords))

    def name_of(self, name: str) -> str:
        """How a value is called in the text."""
        if name in self.places:
            return self.hold(self.places[name])
        if name in self.constants:
            return self.hold(self.constants[name], self.names.get(name, "constant"))
        return self.names.get(name, name)

    def hold(self, thing: Any, wanted: str = "buffer") -> str:
        """The name under which the function finds an object."""
        if id(thing) in self.held:
            return self.held[id(thing)]
        name = wanted
        while name in self.scope or name in self.taken:
            self.numbered[wanted] = self.numbered.get(wanted, 1) + 1
            name = f"{wanted}{self.numbered[wanted]}"
        self.scope[name] = thing
        self.held[id(thing)] = name
        return name

    def label(self, thing: Any, wanted: str) -> None:
        """Let an object have this name in the text, which is that of a variable."""
        self.scope[wanted] = thing
        self.held[id(thing)] = wanted

    def _is_fixed(self, names: Iterable[str]) -> bool:
        return all(name in self.places or name in self.constants for name in names)

    def value_of(self, node: ast.expr) -> Any:
        """What an operand came to."""
        return self.values[node.id] if isinstance(node, ast.Name) else self.made(node)

    def made(self, node: ast.expr) -> Any:
        return evaluated(self._named(node), self.scope)


def _name_in_numpy(function: ast.expr) -> str:
    """`add` of np.add."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id == "np" else ""
    return ""


def _is_read_faster(first: Any, transposed: Any) -> bool:
    """Whether a product takes its second factor faster from a copy, and with the same bits."""
    least, most = TRANSPOSED_BYTES
    is_small = first.flags.c_contiguous and least <= transposed.nbytes <= most
    return is_small and _has_same_bits(len(first), *transposed.shape, transposed.dtype)


@lru_cache(maxsize=256)
def _has_same_bits(rows: int, inner: int, columns: int, dtype: Any) -> bool:
    """Whether a product with a transposed factor, and with a copy of it, adds up in one order.

    BLAS does not look at the numbers for that, so that random ones tell.
    """
    rng = np.random.default_rng(0)
    first = rng.standard_normal((rows, inner)).astype(dtype)
    second = rng.standard_normal((columns, inner)).astype(dtype).T
    return first.dot(second).tobytes() == first.dot(np.ascontiguousarray(second)).tobytes()


def _called(operations: list[Operation]) -> set[str]:
    """The names of functions that stand in the code of operations."""
    codes = [operation.code for operation in operations if operation.code is not None]
    return {node.id for code in codes for node in walked(code) if isinstance(node, ast.Name)}


def _guards_first(operations: list[Operation], values: dict[str, Any]) -> list[Operation]:
    """Guards, and what they need, before anything else, as far as nothing is changed by that."""
    made = {operation.target: operation for operation in operations if operation.target}
    written = {name for operation in operations for name in operation.writes}
    memory = {owner for name in written for owner in owners(values.get(name))}
    changed = {name for name in made if memory & owners(values.get(name))} | written
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
        if operation.is_guard and not operation.is_of_shape and can_be_early(operation):
            take(operation)
    first = [operation for operation in operations if id(operation) in early]
    return first + [operation for operation in operations if id(operation) not in early]


def _alike(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.strides == np.empty_like(b).strides)


def _without_copy(node: ast.expr) -> ast.expr:
    """`a` of a.copy(), which is about to be copied anyway."""
    function = node.func if isinstance(node, ast.Call) and not node.args else None
    is_copy = isinstance(function, ast.Attribute) and function.attr == "copy"
    return function.value if is_copy and isinstance(function, ast.Attribute) else node


def _number(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    number = _number(node.operand) if isinstance(node, ast.UnaryOp) else None
    return None if number is None else -number
