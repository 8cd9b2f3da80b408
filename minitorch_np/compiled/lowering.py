"""Lowering: from derived statements to operations, one NumPy call each, with the values that they came to."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy._core import umath

from minitorch_np._internal.numerics import LARGE, maximum, summed_rows, total, zero_where
from minitorch_np._internal.syntax_trees import LEAVES, evaluated, walked
from minitorch_np.compiled.outputs import DRAWS, Lines, drawn, way_into

UFUNCS: dict[type[ast.AST], np.ufunc] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.MatMult: np.matmul,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.BitAnd: np.bitwise_and,
    ast.BitOr: np.bitwise_or,
    ast.BitXor: np.bitwise_xor,
    ast.USub: np.negative,
    ast.Invert: np.invert,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
REDUCTIONS = {
    "sum": np.add.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
    "prod": np.multiply.reduce,
}
SIZES = ("size", "shape", "ndim", "dtype", "itemsize")  # the same whenever the shapes are

# Functions and methods of NumPy that make an array whose shape follows from those given to them; what
# else makes one is asked for its shape at each step.
SHAPED = frozenset(
    """T all any argmax argmin argsort astype clip concatenate copy cumprod cumsum diagonal dot einsum
    empty_like expand_dims exp flatten flip full_like isfinite isnan logaddexp matmul max maximum mean
    min minimum moveaxis ones_like outer prod ravel real roll sign sort sqrt square squeeze stack std
    sum swapaxes take_along_axis tanh tensordot transpose tril triu var view zeros_like""".split()
)

SHAPED_BY_NUMBERS = frozenset(
    "ascontiguousarray broadcast_to empty ndarray ones pad repeat reshape take zeros".split()
)

OURS = (maximum, total, zero_where, summed_rows)

EXACT = 2**24  # up to here float32 has all whole numbers, and dividing by one rounds as by an integer

CLIP: np.ufunc = vars(umath)["clip"]  # which np.clip calls in the end


class UnknownStatementError(ValueError):
    """A statement that has no operations here."""


@dataclass(slots=True)
class Operation:
    """`target = function(*arguments)`, with `out=` if it takes one; or code as it is written.

    `reads` are the names that it reads, `writes` those of arrays that it changes. A `guard` is code that has
    to be true. `context` are the options of the np.errstate that it stands in. `into` writes the lines by which
    code puts what it makes into an array that is there.
    """

    target: str = ""
    function: Callable[..., Any] | None = None
    arguments: list[ast.expr] = field(default_factory=list)
    keywords: dict[str, Any] = field(default_factory=dict)
    code: ast.AST | None = None
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    is_guard: bool = False
    is_of_shape: bool = False  # a guard that stays where it is
    is_view: bool = False
    context: str = ""
    into: Lines | None = None


def names_in(*nodes: ast.AST) -> frozenset[str]:
    found = [node.id for part in nodes for node in walked(part) if isinstance(node, ast.Name)]
    return frozenset([name for name in found if name[0] == "$"])


class Lowering:
    """Goes through the statements of a phase, does each operation once, and notes it.

    `values` holds what every name came to. What depends on shapes and constants alone is computed here and
    never again; the same operation on the same arrays is noted once.
    """

    def __init__(
        self, values: dict[str, Any], functions: dict[str, Any], changed: Iterable[str], uses: dict[str, int]
    ) -> None:
        self.values = {**values, "np": np, **functions}
        self.functions = functions
        self.operations: list[Operation] = []
        self.constants: dict[str, Any] = {}
        self.changed = set(changed)  # names of arrays that some statement writes into
        self.uses = uses  # how often a name is read
        self.written: Counter[Any] = Counter()  # how often an array was changed so far, by name and by id
        self.loss = ""
        self.same: dict[tuple[Any, ...], str] = {}
        self.context = ""
        self._count = 0

    def lower(self, statements: list[ast.stmt]) -> None:
        """Note the operations of these statements."""
        for statement in joined(statements):
            self._statement(statement)

    def taken(self) -> list[Operation]:
        """Return the operations so far, and begin anew with none."""
        taken, self.operations = self.operations, []
        self.same = {}
        return taken

    def _statement(self, statement: ast.stmt) -> None:
        method: Any = getattr(self, f"_{type(statement).__name__.lower()}", None)
        if method is None:
            raise UnknownStatementError(ast.unparse(statement))
        method(statement)

    def _assign(self, statement: ast.Assign) -> None:
        target = statement.targets[0]
        if len(statement.targets) == 1 and isinstance(target, ast.Name):
            self._expression(statement.value, target.id)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self._assign_part(target, target.value.id, self._atom(statement.value))
        elif isinstance(target, ast.Tuple):
            if self.changed & names_in(target):
                self.changed.add(new := self._new())
                whole: ast.expr = ast.Name(self._expression(statement.value, new), ast.Load())
            else:
                whole = self._atom(statement.value)
            for i, part in enumerate(target.elts):
                if not isinstance(part, ast.Name):
                    raise UnknownStatementError(ast.unparse(statement))
                self._note(part.id, ast.Subscript(whole, ast.Constant(i), ast.Load()))
        else:
            raise UnknownStatementError(ast.unparse(statement))

    def _assign_part(self, target: ast.Subscript, owner: str, value: ast.expr) -> None:
        """`a[i] = value`; the operation that makes the value writes it there, if nobody else reads it."""
        last = self.operations[-1] if self.operations else None
        if last is not None and isinstance(value, ast.Name) and self._is_for_this(last, value.id, target):
            self.same.pop(self._key(self.operations.pop()), None)
            part = self._part(target, owner)
            self.values[part.id][...] = self.values[value.id]
            reads, writes = last.reads | {part.id}, frozenset([part.id])
            self.operations.append(replace(last, target=part.id, reads=reads, writes=writes))
            self._note_written(self.operations[-1])
        elif self._is_view(target):
            part = self._part(target, owner)
            self._code(ast.Assign([ast.Subscript(part, ast.Constant(...), ast.Store())], value), {part.id})
        else:
            place = ast.Subscript(ast.Name(owner, ast.Load()), self._index(target.slice), ast.Store())
            self._code(ast.Assign([place], value), {owner})

    def _is_for_this(self, last: Operation, name: str, target: ast.Subscript) -> bool:
        """Whether the last operation makes just what becomes a part of an array."""
        if last.target != name or self.uses.get(name, 1) != 1 or not is_elementwise(last.function):
            return False
        part, value = self._evaluated(_loaded(target)), self.values[name]
        is_alike = np.shape(part) == np.shape(value) and part.dtype == value.dtype
        return is_alike and not last.writes and self._is_view(target)

    def _is_view(self, target: ast.Subscript) -> bool:
        """Whether a part of an array is the same one at each step, and a view."""
        names = names_in(target.slice) - self.constants.keys()
        return not names and shares(self._evaluated(_loaded(target)), self._value(target.value))

    def _part(self, target: ast.Subscript, owner: str) -> ast.Name:
        """A part of an array, by a name."""
        part = ast.Subscript(ast.Name(owner, ast.Load()), self._index(target.slice), ast.Load())
        return ast.Name(self._note(self._new(), part), ast.Load())

    def _augassign(self, statement: ast.AugAssign) -> None:
        target = statement.target
        value = self._atom(statement.value)
        if isinstance(target, ast.Name):
            ufunc = UFUNCS.get(type(statement.op))
            if ufunc is not None and isinstance(self.values[target.id], np.ndarray):
                self._in_its_place(target.id, ufunc, [ast.Name(target.id, ast.Load()), value])
                return
            self._code(ast.AugAssign(ast.Name(target.id, ast.Store()), statement.op, value), {target.id})
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            if self._is_view(target) and type(statement.op) in UFUNCS:
                part = self._part(target, target.value.id)
                self._in_its_place(part.id, UFUNCS[type(statement.op)], [part, value])
                return
            place = ast.Subscript(target.value, self._index(target.slice), ast.Store())
            self._code(ast.AugAssign(place, statement.op, value), {target.value.id})
        else:
            raise UnknownStatementError(ast.unparse(statement))

    def _expr(self, statement: ast.Expr) -> None:
        call = statement.value
        if not isinstance(call, ast.Call):
            raise UnknownStatementError(ast.unparse(statement))
        if ast.unparse(call.func) == "losses.append":
            self._expression(call.args[0], "$loss")
            self.loss = "$loss"
            return
        out = next((keyword.value for keyword in call.keywords if keyword.arg == "out"), None)
        if isinstance(out, ast.Name) and len(call.keywords) == 1 and _is_path(call.func):
            atoms = [self._atom(argument) for argument in call.args]
            ufunc = self._clip_or(self._evaluated(call.func), atoms)
            if isinstance(ufunc, np.ufunc):
                self._in_its_place(out.id, ufunc, atoms)
                return
        self._code(statement, names_in(statement))

    def _clip_or(self, function: Any, atoms: list[ast.expr]) -> Any:
        """The ufunc behind np.clip of floats with two bounds; any other function itself."""
        if function is not np.clip or len(atoms) != 3:
            return function
        a, least, most = map(self._value, atoms)
        has_both = least is not None and most is not None
        return CLIP if has_both and np.asarray(a).dtype.kind == "f" else function

    def _in_its_place(self, target: str, ufunc: np.ufunc, atoms: list[ast.expr]) -> None:
        """A ufunc that changes an array."""
        reads = names_in(*atoms) | {target}
        self._add(Operation(target, ufunc, atoms, reads=reads, writes=frozenset([target])))

    def _with(self, statement: ast.With) -> None:
        call = statement.items[0].context_expr
        if len(statement.items) != 1 or self.context or not isinstance(call, ast.Call):
            raise UnknownStatementError(ast.unparse(statement))
        self.context = ", ".join(ast.unparse(keyword) for keyword in call.keywords)
        for inner in statement.body:
            self._statement(inner)
        self.context = ""

    def _if(self, statement: ast.If) -> None:
        """Both sides stay as they are written, without the guards in them, which are true in any case."""
        test = self._atom(statement.test)
        sides = [self._side(side) for side in (statement.body, statement.orelse)]
        code = ast.If(test, sides[0] or [ast.Pass()], sides[1])
        self._code(code, changed_in([code]) | _stored([code]))
        for name in sorted(_stored([code])):
            self._guard_shape(name)

    def _side(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in statements:
            if isinstance(statement, ast.Assert):
                self._assert(statement)
            elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                kept.append(self._in_place(statement, statement.target.id))
            elif isinstance(statement, ast.If):
                sides = [self._side(side) for side in (statement.body, statement.orelse)]
                kept.append(ast.If(statement.test, sides[0] or [ast.Pass()], sides[1]))
            else:
                kept.append(statement)
        return kept

    def _in_place(self, statement: ast.AugAssign, target: str) -> ast.stmt:
        """`a *= b` of arrays as a call, which does not make a new variable of `a`."""
        ufunc = UFUNCS.get(type(statement.op))
        if ufunc is None or not isinstance(self.values.get(target), np.ndarray):
            raise UnknownStatementError(ast.unparse(statement))
        read = ast.Name(target, ast.Load())
        function = ast.Attribute(ast.Name("np", ast.Load()), ufunc.__name__, ast.Load())
        return ast.Expr(ast.Call(function, [read, statement.value, read], []))

    def _assert(self, statement: ast.Assert) -> None:
        test = self._atom(statement.test)
        if isinstance(test, ast.Constant):
            return
        self._add(Operation(code=test, reads=names_in(test), is_guard=True))

    # expressions

    def _new(self) -> str:
        self._count += 1
        return f"$t{self._count}"

    def _atom(self, node: ast.expr) -> ast.expr:
        """The name of a value, or a constant."""
        if isinstance(node, LEAVES):
            return self._constant_of(node)
        if (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.USub)
            and isinstance(node.operand, ast.Constant)
        ):
            return node
        if isinstance(node, ast.Tuple | ast.List):
            return type(node)([self._atom(part) for part in node.elts], ast.Load())
        if isinstance(node, ast.Attribute) and _is_path(node):
            return node
        name = self._expression(node, self._new())
        return self._constant_of(ast.Name(name, ast.Load()))

    def _constant_of(self, node: ast.expr) -> ast.expr:
        """A constant in the place of a name that is a plain number."""
        if isinstance(node, ast.Name) and type(self.constants.get(node.id)) in (int, float, bool):
            return ast.Constant(self.constants[node.id])
        return node

    def _index(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Slice):
            parts = (None if p is None else self._atom(p) for p in (node.lower, node.upper, node.step))
            return ast.Slice(*parts)
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self._index(part) for part in node.elts], ast.Load())
        return self._atom(node)

    def _expression(self, node: ast.expr, target: str) -> str:
        """Note what makes a value; return its name, which is another one if it is there already."""
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node.op, [node.left, node.right], target)
        if isinstance(node, ast.UnaryOp):
            return self._arithmetic(node.op, [node.operand], target)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._arithmetic(node.ops[0], [node.left, node.comparators[0]], target)
        if isinstance(node, ast.Call) and not any(isinstance(arg, ast.Starred) for arg in node.args):
            return self._call(node, target)
        if isinstance(node, ast.Attribute) and not _is_path(node):
            attribute = ast.Attribute(self._atom(node.value), node.attr, ast.Load())
            return (self._fixed if node.attr in SIZES else self._note)(target, attribute)
        if isinstance(node, ast.Subscript):
            node = ast.Subscript(self._atom(node.value), self._index(node.slice), ast.Load())
        return self._note(target, node)

    def _arithmetic(self, op: ast.AST, parts: list[ast.expr], target: str) -> str:
        """Of arrays a call of NumPy, which can be told where to; of numbers as it is written."""
        atoms = [self._atom(part) for part in parts]
        ufunc = UFUNCS.get(type(op))
        if ufunc is not None and any(self._is_array(atom) for atom in atoms):
            return self._ufunc(target, ufunc, atoms)
        if isinstance(op, ast.unaryop):
            return self._note(target, ast.UnaryOp(op, atoms[0]))
        if isinstance(op, ast.operator):
            return self._note(target, ast.BinOp(atoms[0], op, atoms[1]))
        if isinstance(op, ast.cmpop):
            return self._note(target, ast.Compare(atoms[0], [op], [atoms[1]]))
        raise UnknownStatementError(type(op).__name__)

    def _call(self, node: ast.Call, target: str) -> str:
        atoms = [self._atom(arg) for arg in node.args]
        keywords = {str(k.arg): k.value for k in node.keywords}
        function = node.func
        if isinstance(function, ast.Attribute) and not _is_path(function):
            return self._method(node, function, atoms, keywords, target)
        known = self._evaluated(function)
        if known is len and self._is_array(atoms[0]):
            return self._fixed(target, ast.Call(function, atoms, []))
        known = self._clip_or(known, atoms)
        if isinstance(known, np.ufunc) and known.nout == 1 and not keywords and any(map(self._is_array, atoms)):
            if known in (np.maximum, np.minimum):
                atoms = self._both_arrays(atoms)
            return self._ufunc(target, known, atoms)
        if known in OURS and not keywords and self._is_array(atoms[0]):
            return self._of_ours(known, atoms, target)
        made = ast.Call(function, atoms, [ast.keyword(k, self._atom(value)) for k, value in keywords.items()])
        return self._note(target, made)

    def _of_ours(self, known: Any, atoms: list[ast.expr], target: str) -> str:
        """Functions of the layers that NumPy's own are behind, or that can be told where to write."""
        if known is maximum:
            return self._ufunc(target, np.maximum, self._both_arrays(atoms))
        reads = names_in(*atoms)
        if known is total:
            return self._add(Operation(target, REDUCTIONS["sum"], atoms, {"axis": None}, reads=reads))
        if known in (zero_where, summed_rows) and self._is_array(atoms[1]):
            return self._add(Operation(target, known, atoms, reads=reads))
        return self._note(target, ast.Call(ast.Name(known.__name__, ast.Load()), atoms, []))

    def _method(
        self,
        node: ast.Call,
        function: ast.Attribute,
        atoms: list[ast.expr],
        keywords: dict[str, Any],
        target: str,
    ) -> str:
        owner = self._atom(function.value)
        value = self._value(owner)
        if isinstance(value, np.ndarray):
            known = self._array_method(function.attr, owner, atoms, node.keywords, target)
            if known is not None:
                return known
        made = ast.Call(
            ast.Attribute(owner, function.attr, ast.Load()),
            atoms,
            [ast.keyword(k, self._atom(value)) for k, value in keywords.items()],
        )
        if isinstance(value, np.random.Generator):
            if function.attr in DRAWS and len(atoms) == 1 and not names_in(*atoms):
                return self._drawn(target, made)
            return self._code(ast.Assign([ast.Name(target, ast.Store())], made), names_in(owner) | {target})
        return self._note(target, made)

    def _array_method(
        self, name: str, owner: ast.expr, atoms: list[ast.expr], options: list[ast.keyword], target: str
    ) -> str | None:
        """A method of an array that a ufunc or a product is behind."""
        value, keywords = self._value(owner), {str(option.arg): option.value for option in options}
        literal = all(
            isinstance(k, ast.Constant | ast.Tuple | ast.UnaryOp) or _is_path(k) for k in keywords.values()
        )
        if name == "dot" and value.ndim == 2 and np.ndim(self._value(atoms[0])) == 2:
            return self._add(Operation(target, np.dot, [owner, *atoms], reads=names_in(owner, *atoms)))
        if name in REDUCTIONS and not atoms and literal and keywords.keys() <= {"axis", "keepdims", "initial"}:
            given = {"axis": None} | {key: self._evaluated(k) for key, k in keywords.items()}
            return self._add(Operation(target, REDUCTIONS[name], [owner], given, reads=names_in(owner)))
        is_mean = name == "mean" and not atoms and {"axis"} <= keywords.keys() <= {"axis", "keepdims"}
        if is_mean and value.dtype.kind == "f" and value.size < EXACT:
            return self._mean(target, owner, options)
        if name == "clip" and not keywords and self._clip_or(np.clip, [owner, *atoms]) is CLIP:
            return self._ufunc(target, CLIP, [owner, *atoms])
        return None

    def _mean(self, target: str, owner: ast.expr, options: list[ast.keyword]) -> str:
        """The sum, and then over how many numbers it is."""
        summed = self._atom(ast.Call(ast.Attribute(owner, "sum", ast.Load()), [], options))
        count = self._value(owner).size // max(1, np.size(self._value(summed)))
        return self._arithmetic(ast.Div(), [summed, ast.Constant(count)], target)

    def _drawn(self, target: str, call: ast.Call) -> str:
        """Numbers from a generator, in an array that is there, which says how many."""
        return self._add(
            Operation(target, code=call, reads=names_in(call), writes=names_in(call.func), into=drawn)
        )

    def _both_arrays(self, atoms: list[ast.expr]) -> list[ast.expr]:
        """An array of a constant among them: NumPy finds its vector instructions only for two arrays."""
        a, number = map(self._value, atoms)
        is_constant = type(number) in (int, float) and names_in(atoms[1]) <= self.constants.keys()
        if not is_constant or not self._is_array(atoms[0]) or a.dtype.kind != "f":
            return atoms
        shape = a.shape if a.size < LARGE else a.shape[-1:]
        name = f"$full{number}_{'x'.join(map(str, shape))}_{a.dtype}".replace(".", "_").replace("-", "m")
        self.constants[name] = self.values[name] = np.full(shape, number, a.dtype)
        return [atoms[0], ast.Name(name, ast.Load())]

    # what is done once

    def _ufunc(self, target: str, ufunc: np.ufunc, atoms: list[ast.expr]) -> str:
        return self._add(Operation(target, ufunc, atoms, reads=names_in(*atoms)))

    def _fixed(self, target: str, node: ast.expr) -> str:
        """A value that depends on shapes alone."""
        self.constants[target] = self.values[target] = self._evaluated(node)
        return target

    def _note(self, target: str, node: ast.expr) -> str:
        """An operation that is its code; none if all that it reads are constants."""
        reads = names_in(node)
        if reads <= self.constants.keys() and target not in self.changed and self._is_numpy(node):
            return self._fixed(target, node)
        operation = Operation(target, code=node, reads=reads)
        made = self._add(operation)
        if self._has_known_shape(node):
            operation.into = self._way_into(operation)
        else:
            self._guard_shape(made)
        return made

    def _way_into(self, operation: Operation) -> Lines | None:
        """How code writes what it makes into an array that is there; None for a view, or if it cannot."""
        node, value = operation.code, self.values.get(operation.target)
        if not isinstance(node, ast.Call) or not isinstance(value, np.ndarray) or not value.ndim:
            return None
        if any(shares(value, self.values.get(name)) for name in operation.reads):
            return None
        called: Any = node.func
        is_method = isinstance(called, ast.Attribute) and not _is_path(called)
        function = called.attr if is_method else self._evaluated(called)
        return way_into(function, node, value, [self._value(argument) for argument in node.args])

    def _has_known_shape(self, node: ast.expr) -> bool:
        """Whether the shape of what an operation makes follows from those of the arrays that it reads."""
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return self._is_array(node.value) and all(map(self._takes_a_known_part, parts))
        if not isinstance(node, ast.Call):
            return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and node.attr in SHAPED)
        if isinstance(node.func, ast.Name):  # one of the package's own, or somebody else's
            return str(getattr(self.functions.get(node.func.id), "__module__", "")).startswith("minitorch_np.")
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name == "where":
            return len(node.args) == 3
        given = [part for argument in node.args for part in _parts(argument)]
        others = [ast.Name(name) for name in names_in(*given) if not self._is_array(ast.Name(name))]
        if any(isinstance(self._value(part), tuple | list) for part in others):
            return False  # of the arrays in it nothing is known
        return name in SHAPED or (name in SHAPED_BY_NUMBERS and not others)

    def _takes_a_known_part(self, index: ast.expr) -> bool:
        """Whether how much an index takes does not depend on numbers: it does in x[x > 0] and x[:n]."""
        if isinstance(index, ast.Slice):
            return all(
                part is None or not isinstance(part, ast.Name)
                for part in (index.lower, index.upper, index.step)
            )
        return np.asarray(self._value(index)).dtype.kind != "b"

    def _guard_shape(self, name: str) -> None:
        """Have an array that may have another shape at another step asked for it."""
        value = self.values.get(name)
        if isinstance(value, np.ndarray):
            shape = ast.Attribute(ast.Name(name, ast.Load()), "shape", ast.Load())
            test = ast.Compare(shape, [ast.Eq()], [ast.Constant(value.shape)])
            self._add(Operation(code=test, reads=frozenset([name]), is_guard=True, is_of_shape=True))

    def _code(self, statement: ast.stmt, writes: Any) -> str:
        return self._add(Operation(code=statement, reads=names_in(statement), writes=frozenset(writes)))

    def _is_numpy(self, node: ast.expr) -> bool:
        """Whether an expression makes the same of the same: no function of somebody else is called in it."""
        return not any(isinstance(n, ast.Name) and n.id in self.functions for n in walked(node))

    def _add(self, operation: Operation) -> str:
        operation.context = self.context
        key = self._key(operation)
        if key in self.same and operation.target not in self.changed:
            self.values[operation.target] = self.values[self.same[key]]
            self._add_alias(operation.target, self.same[key])
            return self.same[key]
        self._do(operation)
        if key:
            self.same[key] = operation.target
        self.operations.append(operation)
        self._note_written(operation)
        return operation.target

    def _note_written(self, operation: Operation) -> None:
        for name in operation.writes:
            self.written.update([name, *owners(self.values.get(name))])

    def _add_alias(self, target: str, known: str) -> None:
        if not target.startswith("$t"):
            alias = ast.Name(known, ast.Load())
            self.operations.append(
                Operation(target, code=alias, reads=frozenset([known]), is_view=True, context=self.context)
            )

    def _key(self, operation: Operation) -> tuple[Any, ...]:
        """By what two operations make the same; () if that cannot be said."""
        if operation.function is None or operation.writes or operation.target in self.changed:
            return ()
        arguments = tuple(a.id if isinstance(a, ast.Name) else ast.unparse(a) for a in operation.arguments)
        read = [part for name in sorted(operation.reads) for part in (name, *owners(self.values.get(name)))]
        written = tuple(self.written[part] for part in read)
        options = tuple(sorted(operation.keywords.items()))
        return operation.function, arguments, options, operation.context, written

    def _do(self, operation: Operation) -> None:
        """Do it once, for the value."""
        if operation.function is not None:
            arguments = [self._value(argument) for argument in operation.arguments]
            if operation.writes:
                operation.function(*arguments, out=self.values[operation.target])
                return
            self.values[operation.target] = operation.function(*arguments, **operation.keywords)
        elif isinstance(operation.code, ast.expr):
            value = self._evaluated(operation.code)
            if not operation.is_guard:
                self.values[operation.target] = value
        elif isinstance(operation.code, ast.stmt):
            module = ast.Module([operation.code], [])
            exec(compile(ast.fix_missing_locations(module), "<step>", "exec"), self.values)

    def _evaluated(self, node: ast.expr) -> Any:
        return evaluated(node, self.values)

    def _value(self, atom: ast.expr) -> Any:
        return (
            self.values[atom.id]
            if isinstance(atom, ast.Name) and atom.id in self.values
            else self._evaluated(atom)
        )

    def _is_array(self, atom: ast.expr) -> bool:
        value = self._value(atom)
        return isinstance(value, np.ndarray) and value.ndim > 0


class Lowered(NamedTuple):
    """What the statements of a step have become: all values and constants, and the operations of each half."""

    lowering: Lowering
    gradients: list[Operation]
    update: list[Operation]


def joined(statements: list[ast.stmt]) -> list[ast.stmt]:
    """`y = x.dot(w)` and then `y += b` as one, y = x.dot(w) + b, so that y never changes."""
    made: list[ast.stmt] = []
    for statement in statements:
        last = made[-1] if made else None
        if (
            isinstance(statement, ast.AugAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(last, ast.Assign)
            and isinstance(last.targets[0], ast.Name)
            and last.targets[0].id == statement.target.id
            and _is_fresh(last.value)
            and statement.target.id not in names_in(statement.value)
        ):
            value = ast.BinOp(last.value, statement.op, statement.value)
            made[-1] = ast.Assign(last.targets, value)
        else:
            made.append(statement)
    return made


def _is_fresh(node: ast.expr) -> bool:
    """Whether a value is an array that nothing else refers to."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("dot", "exp", "sqrt", "log", "square")
    return isinstance(node, ast.BinOp)


def _is_path(node: ast.expr) -> bool:
    """np.add, np.random.default_rng: a name in a module."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "np"


def changed_in(statements: list[Any]) -> frozenset[str]:
    """The names of arrays that are written into."""
    found: set[str] = set()
    for statement in statements:
        for node in walked(statement):
            if isinstance(node, ast.AugAssign):
                found |= names_in(node.target.value if isinstance(node.target, ast.Subscript) else node.target)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                found |= names_in(node.targets[0].value)
            elif isinstance(node, ast.Expr):
                found |= names_in(node)
            elif isinstance(node, ast.keyword) and node.arg == "out":
                found |= names_in(node.value)
    return frozenset(found)


def _loaded(target: ast.Subscript) -> ast.Subscript:
    return ast.Subscript(target.value, target.slice, ast.Load())


def is_elementwise(function: Any) -> bool:
    return isinstance(function, np.ufunc) and function.signature is None


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple | ast.List) else [node]


def _stored(statements: list[Any]) -> frozenset[str]:
    return frozenset(
        node.id
        for statement in statements
        for node in walked(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def shares(a: Any, b: Any) -> bool:
    """Whether two arrays, or those in tuples and lists, have memory in common."""
    if isinstance(b, tuple | list):
        return any(shares(a, part) for part in b)
    if isinstance(a, tuple | list):
        return any(shares(part, b) for part in a)
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def owners(value: Any) -> set[int]:
    """Which arrays the memory of one, or of those in tuples and lists, belongs to, by their ids."""
    if isinstance(value, tuple | list):
        return {owner for part in value for owner in owners(part)}
    while getattr(value, "base", None) is not None:
        value = value.base
    return {id(value)} if value is not None else set()
