"""Recording arrays: NumPy arrays and numbers that note every operation they go through, with its line."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.study.compare.instrument import Execution

LEAF, CONSTANT, OPAQUE, ELEMENTWISE = "leaf", "constant", "opaque", "a function of each element"
FORWARD_PRODUCTS = ("dot", "matmul", "inner", "einsum", "tensordot")  # an outer one is of a gradient
PRODUCTS = (*FORWARD_PRODUCTS, "outer")
MOST_NODES, MOST_BYTES = 200_000, 1_500_000_000
NUMERIC = "fiub"  # dtype kinds of what is recorded
ARRAYS = (np.ndarray, np.matrix)  # types of what is recorded


class TapeIsFull(BaseException):
    """Ends the program: enough was recorded. No `except Exception` of the program catches it."""


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One value of the program: the operation that made it, of which nodes, and the executed statement.

    `value` is a copy that later writes do not change; `compute` makes it again from other inputs.
    """

    index: int
    operation: str
    inputs: tuple[Node, ...]
    value: Array
    options: dict[str, Any]
    compute: Callable[..., Any] | None
    execution: Any  # an Execution, or None
    is_matrix: bool = False  # of the program's value: np.matrix has other rules

    def __lt__(self, other: Node) -> bool:
        return self.index < other.index

    def __repr__(self) -> str:
        return f"<Node {self.index} {self.operation} {self.value.shape}>"


def ancestors(nodes: Iterable[Node], is_open: Callable[[Node], bool] = lambda node: True) -> dict[int, Node]:
    """These nodes and what they are made of, by index; the inputs of a node that is not open are left out."""
    found: dict[int, Node] = {}
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node.index not in found:
            found[node.index] = node
            if is_open(node):
                pending += node.inputs
    return found


class Tape:
    """All nodes in the order in which they were made, and the replacements of old values by new ones."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.replaced: dict[tuple[int, int], tuple[Node, Node]] = {}  # old and new, by their indices
        self.newly_replaced: list[tuple[Node, Node]] = []
        self.execution: Execution | None = None
        self.written_by_position: list[tuple[Execution, str, str]] = []  # np.square(y_pred, y) writes into y
        self._plain: dict[int, tuple[Array, Node]] = {}  # arrays that the program holds unrecorded
        self._bytes_left = MOST_BYTES

    def add(
        self,
        operation: str,
        inputs: Sequence[Node],
        value: Any,
        options: dict[str, Any] | None = None,
        compute: Callable[..., Any] | None = None,
    ) -> Node:
        copied = np.array(value)
        self._bytes_left -= copied.nbytes
        if len(self.nodes) >= MOST_NODES or self._bytes_left < 0:
            raise TapeIsFull
        made = len(self.nodes), operation, tuple(inputs), copied, options or {}, compute, self.execution
        node = Node(*made, isinstance(value, np.matrix))
        self.nodes.append(node)
        return node

    def node(self, value: Any) -> Node:
        """The node of a value as it is now."""
        if isinstance(value, RecordedArray):
            if value.node is None or not _same(value.node.value, plain(value)):
                value.node = self._changed(value)
            return value.node
        if isinstance(value, RecordedNumber):
            return value.node
        if isinstance(value, np.ndarray):
            found = self._plain.get(id(value))
            if found is None or not _same(found[1].value, value):
                found = (value, self.add(LEAF, (), value))
                self._plain[id(value)] = found
            return found[1]
        return self.add(CONSTANT, (), value)

    def _changed(self, array: RecordedArray) -> Node:
        """The node of an array that was written to through another one, or that no operation here has made."""
        if array.parent is None:
            known = [] if array.node is None else [array.node]
            return self.add(OPAQUE if known else LEAF, known, plain(array))
        whole, taken = self.node(array.parent), array.taken
        if taken is None:
            return self.add(OPAQUE, (whole,), plain(array))
        return self.add(taken.operation, (whole,), plain(array), taken.options, taken.compute)

    def replace(self, old: Node, new: Node) -> None:
        """Note that a name or an array has a new value."""
        key = old.index, new.index
        if old is not new and key not in self.replaced:
            self.replaced[key] = old, new
            self.newly_replaced.append((old, new))

    def wrote(self, array: Any, node: Node, before: Node) -> None:
        """Note that `array` was written to: it and the arrays that it is a view of have new values."""
        self.replace(before, node)
        if not isinstance(array, RecordedArray):
            self._plain[id(array)] = (array, node)
            return
        array.node = node
        parent = array.parent
        if parent is not None and array.taken is not None and parent.node is not None:
            index = np.arange(parent.size).reshape(parent.shape)
            positions = np.asarray(array.taken.compute(index))
            compute = _writes(lambda whole, part: operator.setitem(whole.reshape(-1), positions, part))
            old = parent.node
            self.wrote(parent, self.add("setitem", (old, node), plain(parent), {}, compute), old)


def _writes(write: Callable[..., Any]) -> Callable[..., Any]:
    """The function that returns an array with what `write` changes in it."""

    def compute(whole: Array, *parts: Array) -> Array:
        made = np.array(whole)
        write(made, *parts)
        return made

    return compute


def _same(a: Array, b: Array) -> bool:
    is_float = a.dtype.kind == "f"
    return a.dtype == b.dtype and (np.array_equal(a, b) or (is_float and np.array_equal(a, b, equal_nan=True)))


_tapes: list[Tape | None] = [None]


@contextmanager
def recording_on(tape: Tape | None) -> Iterator[None]:
    """Record on this tape inside; nothing if it is None."""
    _tapes.append(tape)
    try:
        yield
    finally:
        _tapes.pop()


def current() -> Tape | None:
    return _tapes[-1]


def plain(value: Any) -> Any:
    """The value without its recording."""
    if isinstance(value, RecordedArray):
        return value.view(np.matrix if isinstance(value, RecordedMatrix) else np.ndarray)
    if isinstance(value, RecordedNumber):
        return value.plain_type(value)
    return value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value with what is in its tuples, lists, dicts and slices changed."""
    if type(value) in (tuple, list):
        return type(value)(_mapped(v, change) for v in value)
    if type(value) is dict:
        return {k: _mapped(v, change) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(_mapped(v, change) for v in (value.start, value.stop, value.step)))
    return change(value)


def plain_deep(value: Any) -> Any:
    """The value without recording, in tuples, lists, dicts and slices too."""
    return _mapped(value, plain)


def _plain_index(index: Any) -> Any:
    """An index without recording, and a copy of its arrays."""
    return _mapped(index, lambda i: plain(i).copy() if isinstance(i, np.ndarray) else plain(i))


def wrapped(result: Any, node: Node) -> Any:
    """A result as the value that the program goes on with."""
    if isinstance(result, np.ndarray):
        if result.dtype.kind not in (*NUMERIC, "O"):  # np.frompyfunc makes objects
            return result
        array = result.view(RecordedMatrix if isinstance(result, np.matrix) else RecordedArray)
        array.node, array.parent, array.taken = node, None, None
        return array
    kind = _NUMBERS.get(type(result))
    if kind is None:
        return result
    number = kind(result)
    number.node = node
    return number


def _of_numbers(operation: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of numbers or arrays, and record it if one of them is recorded."""
    if any(map(is_recorded, args)):
        return _recorded(operation, function, args, kwargs, takes_all=True)
    return function(*args, **kwargs)


def leaf(value: Any) -> Any:
    """A value that comes from outside as one that is recorded; others unchanged."""
    tape = current()
    if tape is None:
        return value
    if type(value) in ARRAYS:
        return wrapped(value, tape.node(value)) if value.dtype.kind in NUMERIC else value
    return wrapped(value, tape.add(LEAF, (), value)) if type(value) in _NUMBERS else value


def is_recorded(value: Any) -> bool:
    return isinstance(value, RecordedArray | RecordedNumber)


class _Recorded:
    """What arrays and numbers have in common."""

    node: Any

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out: tuple[Any, ...] = options.get("out") or ()
        if method == "at":
            return _write(f"{ufunc.__name__}.at", ufunc.at, *inputs)
        if len(out) == 1:
            options["out"] = out[0]
        is_call = method == "__call__"
        name = ufunc.__name__ if is_call else f"{ufunc.__name__}.{method}"
        return _recorded(name, ufunc if is_call else getattr(ufunc, method), inputs, options, takes_all=True)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(function, args, kwargs)


def _write(operation: str, write: Callable[..., Any], target: Any, index: Any, *values: Any) -> None:
    """Write into an array, as in `target[index] = value` or `np.add.at(target, index, value)`."""
    fixed, tape = _plain_index(index), current()
    nodes = [] if tape is None else [tape.node(v) for v in (target, *values)]
    write(plain(target), fixed, *map(plain, values))
    if tape is not None:
        compute = _writes(lambda whole, *parts: write(whole, fixed, *parts))
        tape.wrote(target, tape.add(operation, nodes, plain(target), {"index": fixed}, compute), nodes[0])


# Functions whose result is no function of the numbers in their arguments, or a constant almost everywhere.
CONSTANT_FUNCTIONS = frozenset(
    """
    zeros_like ones_like empty_like full_like argmax argmin argsort shape ndim size nonzero argwhere
    flatnonzero array_equal allclose isclose result_type can_cast unique searchsorted count_nonzero
    sign shares_memory may_share_memory isnan isinf isfinite any all bincount array2string
    array_repr array_str savetxt save savez unravel_index common_type iscomplexobj isrealobj
    min_scalar_type histogram
""".split()
)


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str = "") -> Any:
    """Call a NumPy function on recorded arguments, and record it."""
    name = name or function.__name__
    if name in CONSTANT_FUNCTIONS:
        return function(*plain_deep(args), **plain_deep(kwargs))
    if name == "copyto" and not kwargs:
        args[0][...] = args[1]
        return None
    if name == "putmask" and np.ndim(args[2]) == 0:
        args[0][args[1]] = args[2]
        return None
    if name in PRODUCTS:  # np.dot(w, [1, 0, 1])
        args = tuple(call(np.array, a) if type(a) is list else a for a in args)
    return _recorded(name, function, args, kwargs)


def _recorded(
    name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, takes_all: bool = False
) -> Any:
    """Call a function, and record it as an operation of this name.

    Its inputs are the arrays among its arguments, all that is given by position if it `takes_all`, as a ufunc
    does, and the numbers in a list of which an array is made.
    """
    tape = current()
    if tape is None:
        return function(*plain_deep(args), **plain_deep(kwargs))
    out = kwargs.get("out")
    before = tape.node(out) if isinstance(out, np.ndarray) else None
    found: list[Any] = list(args) if takes_all else []

    def take(value: Any) -> Any:
        is_number = name == "array" and isinstance(value, int | float | np.generic) and type(value) is not bool
        is_size = name == "reshape" and bool(found)
        if not is_size and (is_recorded(value) or isinstance(value, np.ndarray) or is_number):
            found.append(value)
            return HOLE
        return plain(value)

    named = {k: v for k, v in kwargs.items() if k != "out"}
    shape = [[HOLE] * len(args), plain_deep(named)] if takes_all else _mapped([list(args), named], take)
    nodes = [tape.node(v) for v in found]

    def compute(*values: Any) -> Any:
        pairs = zip(nodes, values, strict=True)
        left = iter([np.asarray(v).view(np.matrix) if n.is_matrix else v for n, v in pairs])
        positional, named = _mapped(shape, lambda value: next(left) if value is HOLE else value)
        return function(*positional, **named)

    def made(result: Any, compute: Callable[..., Any]) -> Any:
        inputs, operation = nodes, name
        if takes_all and "where" in kwargs:  # what is left out comes from somewhere else
            inputs, operation = nodes + ([before] if before else []), OPAQUE
        node = tape.add(operation, inputs, result, {"shape": shape}, compute)
        if before is not None:
            tape.wrote(out, node, before)
            return out
        value = wrapped(result, node)
        is_array = isinstance(value, RecordedArray) and value.base is not None
        is_alone = is_array and len(found) == 1 and isinstance(found[0], RecordedArray)
        if is_alone and np.may_share_memory(plain(value), plain(found[0])):
            value.parent, value.taken = found[0], node
        return value

    result = function(*plain_deep(args), **plain_deep(kwargs))
    if isinstance(result, list | tuple):  # split, unstack
        parts = [made(part, lambda *v, i=i: compute(*v)[i]) for i, part in enumerate(result)]
        return type(result)(parts) if type(result) in (list, tuple) else parts
    return made(result, compute)


class _Hole:
    """The place of a recorded value in arguments."""


HOLE = _Hole()


class RecordedArray(_Recorded, np.ndarray):
    """An array that records. A view knows its parent, and the node that took it from there."""

    node: Node | None
    parent: RecordedArray | None
    taken: Any  # a Node, or None

    def __array_finalize__(self, obj: Any) -> None:
        self.node, self.taken = None, None
        self.parent = obj if isinstance(obj, RecordedArray) else None  # by a method that is not recorded

    def __getitem__(self, index: Any) -> Any:
        return _recorded("getitem", operator.itemgetter(_plain_index(index)), (self,), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        value = leaf(np.asarray(value)) if isinstance(value, list | tuple) else value
        _write("setitem", operator.setitem, self, index, value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self, subok=True)

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    @property
    def T(self) -> Any:  # noqa: N802
        return np.transpose(self)

    @property
    def flat(self) -> Any:
        return np.ravel(self).__iter__()

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def reshape(self, *shape: Any, **options: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def flatten(self, order: Any = "C") -> Any:
        return np.copy(np.ravel(self, order))

    def item(self, *index: Any) -> Any:
        element = self.reshape(-1)[index[0]] if index else self
        return _of_numbers("copy", lambda a: np.asarray(a).item(), element)

    def fill(self, value: Any) -> None:
        self[...] = value

    def tolist(self) -> Any:
        return [v.tolist() if isinstance(v, RecordedArray) else v for v in self] if self.ndim else self.item()


def _method(owner: Any, name: str) -> Callable[..., Any]:
    function = getattr(owner, name)
    return lambda self, *args, **options: call_function(function, (self, *args), options, name)


def _of_plain(name: str) -> Callable[..., Any]:
    return lambda self, *args: getattr(plain(self), name)(*args)


for _name in """
    sum mean max min prod std var cumsum dot squeeze swapaxes repeat take trace round argmax argmin
    argsort ravel any all nonzero diagonal ptp
""".split():
    setattr(RecordedArray, _name, _method(np, _name))
for _name in ("astype", "copy"):
    setattr(RecordedArray, _name, _method(np.ndarray, _name))
for _name in ("__repr__", "__str__", "__format__", "__reduce__"):
    setattr(RecordedArray, _name, _of_plain(_name))


class RecordedMatrix(RecordedArray, np.matrix):
    """A matrix that records: `*` is the matrix product, and all that is taken from it stays two-dimensional."""

    _getitem = False  # np.matrix asks for it

    def __mul__(self, other: Any) -> Any:
        is_array = isinstance(other, np.ndarray | list | tuple)
        return np.dot(self, call(np.asmatrix, other)) if is_array else np.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        is_array = isinstance(other, np.ndarray | list | tuple)
        return np.dot(call(np.asmatrix, other), self) if is_array else np.multiply(other, self)

    def getA(self) -> Any:  # noqa: N802
        return call(np.asarray, self)

    def getA1(self) -> Any:  # noqa: N802
        return np.ravel(self)

    A, A1 = property(getA), property(getA1)

    def tolist(self) -> Any:
        return self.A.tolist()


for _name in ("ravel", "flatten", "diagonal", "trace"):  # of which np.ravel(matrix) and others differ
    setattr(RecordedMatrix, _name, _method(np.matrix, _name))


class RecordedNumber(_Recorded):
    """A float or integer that records; otherwise as the type it is derived from."""

    node: Node
    plain_type: type

    def __reduce__(self) -> Any:
        return self.plain_type, (self.plain_type(self),)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "node":
            raise AttributeError(name)
        return getattr(self.plain_type(self), name)

    def item(self) -> Any:
        return _of_numbers("copy", float, self)

    def sum(self, *_: Any, **__: Any) -> Any:
        return self

    mean = copy = squeeze = max = min = sum

    def __deepcopy__(self, memo: Any) -> Any:
        return self


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
    "floordiv": "floor_divide", "mod": "remainder",
}  # fmt: skip


def _binary(name: str, ufunc: str, *, swapped: bool) -> Callable[..., Any]:
    def apply(self: Any, other: Any) -> Any:
        if isinstance(other, list | tuple) and self.plain_type not in (int, float):
            other = leaf(np.asarray(other))
        operands = (other, self) if swapped else (self, other)
        if isinstance(other, np.ndarray):
            return getattr(np, ufunc)(*operands)
        if not isinstance(other, int | float | np.generic):
            return NotImplemented
        return _of_numbers(ufunc, getattr(operator, name), *operands)

    return apply


def _unary(name: str, ufunc: str) -> Callable[..., Any]:
    return lambda self: _of_numbers(ufunc, getattr(operator, name), self)


for _name, _ufunc in _OPERATORS.items():
    setattr(RecordedNumber, f"__{_name}__", _binary(_name, _ufunc, swapped=False))
    setattr(RecordedNumber, f"__r{_name}__", _binary(_name, _ufunc, swapped=True))
for _name, _ufunc in {"neg": "negative", "abs": "absolute", "pos": "positive"}.items():
    setattr(RecordedNumber, f"__{_name}__", _unary(_name, _ufunc))
_NUMBERS: dict[type, Any] = {}
for _type in (float, int, np.float64, np.float32):  # NumPy's own crash in C: float stands for them
    _base = _type if _type in (float, int) else float
    _NUMBERS[_type] = type(f"Recorded_{_type.__name__}", (RecordedNumber, _base), {"plain_type": _type})


# Functions outside of NumPy, and the operations that they are.
_OUTSIDE: dict[Any, str] = {
    float: "copy", np.float64: "copy", np.float32: "copy", abs: "absolute", math.exp: "exp", math.log: "log",
    math.sqrt: "sqrt", math.tanh: "tanh", math.sin: "sin", math.cos: "cos", math.pow: "power",
    math.log1p: "log1p", math.expm1: "expm1", math.fabs: "absolute", pow: "power",
}  # fmt: skip
_ARRAY_MAKERS = (
    np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.asarray_chkfinite,
    np.matrix, np.asmatrix,
)  # fmt: skip
_OF_LISTS = frozenset("sum mean average max min amax amin std var prod dot matmul cumsum".split())


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A call in the program: as it stands, but nothing that is recorded gets lost in it."""
    tape = current()
    if tape is None:
        return function(*args, **kwargs)
    name = getattr(function, "__name__", "")
    function = np.zeros if function is np.empty else function  # any numbers may stand in memory
    operation = _OUTSIDE.get(function) if isinstance(function, Hashable) else None
    if isinstance(function, np.vectorize) and len(args) == 1:
        operation = ELEMENTWISE
    if operation and args and all(isinstance(a, int | float | np.ndarray | np.generic) for a in args):
        return _of_numbers(operation, function, *args, **kwargs)
    if isinstance(function, np.ufunc) and len(args) > function.nin == 1 and tape.execution is not None:
        seen = (path for path, n in tape.execution.values.items() if n is getattr(args[1], "node", None))
        tape.written_by_position.append((tape.execution, f"np.{name}", next(seen, "its argument")))
    if args and _recorded_among(args[0]):
        if any(function is maker for maker in _ARRAY_MAKERS):
            return call_function(function, args, kwargs, "asarray" if is_recorded(args[0]) else "array")
        if type(args[0]) is list and name in _OF_LISTS:
            args = (call(np.array, args[0]), *args[1:])
    if name == "shuffle" and not hasattr(function, "__code__"):
        result = function(*map(plain, args), **kwargs)
        for array in args:
            if isinstance(array, RecordedArray):
                array.node = tape.add(LEAF, (), plain(array))  # shuffled data are new data
        return result
    given = (*args, *kwargs.values())
    module = _module(function)
    if _takes_plain_numbers(function, module):
        args, kwargs = plain_deep(args), plain_deep(kwargs)
    result = function(*args, **kwargs)
    if type(result) not in (*ARRAYS, np.float64, np.float32) or result.dtype.kind not in NUMERIC:
        return result
    inputs = [tape.node(a) for a in _recorded_among(given)]
    is_leaf = not inputs or "random" in module or name in CONSTANT_FUNCTIONS
    return leaf(result) if is_leaf else wrapped(result, tape.add(OPAQUE, inputs, result))


def _module(function: Any) -> str:
    """The module of a function; that of the generator if it is a method of one."""
    owner = type(getattr(function, "__self__", None)).__module__
    return owner if "random" in owner else getattr(function, "__module__", None) or ""


def _takes_plain_numbers(function: Any, module: str) -> bool:
    """Whether this is a function of NumPy's in C that knows nothing of other kinds of arrays."""
    is_c = not any(hasattr(function, name) for name in ("_implementation", "__wrapped__"))
    is_c &= not isinstance(function, np.ufunc | type | FunctionType)  # np.row_stack calls np.vstack
    return module.startswith("numpy.random") or (module.startswith("numpy") and is_c)


def _recorded_among(value: Any) -> list[Any]:
    """A value, or those in its lists and tuples, that are recorded."""
    if isinstance(value, list | tuple):
        return [found for element in value for found in _recorded_among(element)]
    return [value] if is_recorded(value) else []
