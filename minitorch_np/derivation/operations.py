"""NumPy's operations on expressions: each is done on real arrays, and written to the program."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minitorch_np._internal.syntax_trees import OPERATORS
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.statements import keys_in
from minitorch_np.derivation.values import Expression, called, example, expressions, literal, numpy_name, varies

SIZES = ("shape", "size", "itemsize", "nbytes", "strides", "flags")  # mostly the same in every step

UNCHANGED = "asarray asanyarray ascontiguousarray asfortranarray require atleast_1d atleast_2d".split()

PICKING = (  # results as large as numbers say
    *("nonzero", "flatnonzero", "argwhere", "unique", "where", "compress", "extract", "repeat", "delete"),
    *("trim_zeros", "union1d", "intersect1d", "setdiff1d", "arange", "linspace"),
)


def _picks(name: str, array: Any, *others: Any) -> bool:
    """Whether the size of a result depends on the numbers; for `repeat` and `delete` on the other arguments."""
    return name in PICKING and (varies(others) or (varies(array) and name not in ("repeat", "delete")))


CHANGING = ("fill", "sort", "partition", "put", "itemset", "resize")  # methods that write into their array


@dataclass(slots=True, eq=False)
class Method:
    """A method of an array, not called yet."""

    owner: Expression
    name: str


class Operations(Part):
    """What arrays and numbers do."""

    def __init__(self) -> None:
        self.in_rule: tuple[int, ...] | None = None  # the shape of a block, in an optimizer's update

    def made(self, node: ast.expr, value: Any, *parts: Any) -> Expression:
        """An expression made of parts: it varies if one of them does."""
        found = expressions(parts)
        if self.in_rule is not None and np.shape(value) != self.in_rule:
            self.check_elementwise(*found)
        loose = isinstance(value, np.ndarray) and value.ndim > 0 and any(part.loose for part in found)
        return Expression(node, value, any(part.varies for part in found), self.writer.comment, loose)

    def check_elementwise(self, *parts: Expression) -> None:
        """In an optimizer's rule, whose blocks are pieces of parameters, the shape of a block says nothing."""
        if self.in_rule is not None and any(np.shape(part.value) == self.in_rule for part in parts):
            self.writer.fail("a rule has to be elementwise: its blocks are pieces of several parameters")

    def attempt(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function; its errors name the layer and the line."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self.writer.fail(f"{type(error).__name__}: {error}")

    def native(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function makes of the arguments' values."""
        return self.attempt(function, *map(example, args), **(kwargs and example(kwargs)))

    def array_attribute(self, owner: Expression, name: str) -> Any:
        value = self.attempt(getattr, owner.value, name)
        if isinstance(value, np.random.BitGenerator):
            self.writer.fail("the state of a generator cannot be written out")
        if callable(value):
            return Method(owner, name)
        if name in SIZES:
            self.check_elementwise(owner)
        is_written = name == "size" and not self.has_fixed_shape(owner)
        if name in ("dtype", "ndim") or (name in SIZES and not is_written and not owner.loose):
            return value
        made = self.made(ast.Attribute(owner.node, name, ast.Load()), value)
        made.varies = owner.varies and (owner.loose or name not in SIZES)
        return made

    def has_fixed_shape(self, array: Expression) -> bool:
        """Whether sizes are numbers: a compiled step is for one shape, which it asks variables for."""
        node = array.node
        while isinstance(node, ast.Subscript) and not keys_in(node.slice):
            node = node.value
        return not self.writer.plain and not array.loose and isinstance(node, ast.Name)

    def item(self, owner: Any, index: Any) -> Any:
        if type(owner) is not Expression:
            return self.objects.native_item(owner, self.settled(index, "the index"))
        value = self.native(operator.getitem, owner, index)
        made = self.made(ast.Subscript(owner.node, self.writer.index(index), ast.Load()), value, owner, index)
        made.loose = (made.loose or _index_picks(index)) and np.ndim(value) > 0
        return made

    def decide(self, value: Any) -> bool | None:
        """Whether a value is true, as far as that is the same in every step; None if it is not."""
        if type(value) is not Expression:
            return value if type(value) is bool else bool(self.native(bool, value))
        if value.varies:
            return None
        truth = bool(self.native(bool, value))
        self.writer.guard(value.node if truth else ast.UnaryOp(ast.Not(), value.node))
        return truth

    def settled(self, value: Any, what: str) -> Any:
        """A value as an ordinary object; an error where it varies from step to step."""
        if varies(value):
            self.writer.fail(f"{what} depends on the numbers in the network")
        for part in expressions(value) if not self.writer.plain else ():
            written = literal(part.value) if np.ndim(part.value) == 0 else None
            if written is None:
                self.writer.fail(f"{what} depends on the data")
            self.writer.guard(ast.Compare(part.node, [ast.Eq()], [written]))
        return example(value)

    def binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if type(left) is not Expression and type(right) is not Expression:
            return self.attempt(OPERATORS[type(op)], left, right)
        value = self.native(OPERATORS[type(op)], left, right)
        made = self.made(ast.BinOp(self.operand(left), op, self.operand(right)), value, left, right)
        if isinstance(op, ast.Mult) and _is_same(right, left, value):
            made.same = self.operand(right)
        elif isinstance(op, ast.Mult | ast.Div) and _is_same(left, right, value):
            made.same = self.operand(left)
        return made

    def operand(self, value: Any) -> ast.expr:
        """A value as it is written where a new array is made of it: a is as good as 1 * a there."""
        return getattr(value, "same", None) or self.writer.node(value)

    def _argument(self, part: Any, value: Any) -> Any:
        """An argument of a function that came to a value, as short as the memory of both allows."""
        if type(part) is not Expression or not part.same or not isinstance(value, np.ndarray | np.generic):
            return part
        return part if np.may_share_memory(value, part.value) else replace(part, node=part.same)

    def junction(self, op: ast.boolop, values: list[Any]) -> Any:
        """`a and b`, `a or b`: one of the values."""
        stops = isinstance(op, ast.Or)
        result = next((v for v in values if self.native(bool, v) is stops), values[-1])
        if len(values) == 1 or not expressions(values):
            return result
        return self.made(ast.BoolOp(op, [self.writer.node(v) for v in values]), example(result), *values)

    def items(self, value: Any, what: str) -> list[Any]:
        """What iterating gives: of an array its rows, as many as it has."""
        if type(value) is not Expression:
            return self.attempt(list, value)
        if value.loose or not hasattr(value.value, "__len__"):
            self.writer.fail(f"{what} depends on the numbers in the network")
        value = self.writer.named(value, "parts", mine=True)
        return [self.item(value, i) for i in range(len(value.value))]

    def set_item(self, owner: Any, index: Any, value: Any, op: ast.operator | None = None) -> None:
        """`owner[index] = value`, or `owner[index] op= value`."""
        if type(owner) is not Expression:
            if op is not None:
                value = self.augmented(self.item(owner, index), op, value)
            self.objects.put_item(owner, self.settled(index, "the index"), self.writer.all_named(value, "part"))
            return
        owner = self.writer.named(owner, "part", mine=True)
        target = ast.Subscript(owner.node, self.writer.index(index), ast.Store())
        statement: ast.stmt
        if op is None:
            value = result = self.writer.all_named(value, "value", mine=True)
            statement = ast.Assign([target], self.writer.node(value))
        else:
            result = self.binary(op, self.item(owner, index), value)
            statement = ast.AugAssign(target, op, self.writer.node(value))
        self.native(operator.setitem, owner, index, result)
        self.writer.emit(statement, effect=True)
        owner.varies |= varies(index, value)

    def augmented(self, old: Any, op: ast.operator, value: Any) -> Any:
        """`old op= value`: an array changes in place, a number becomes another."""
        if type(old) is not Expression or not isinstance(old.value, np.ndarray):
            return self.binary(op, old, value)
        old = self.writer.named(old, "part", mine=True)
        self.native(operator.setitem, old, ..., self.binary(op, old, value))
        target = self.writer.variable(old).store()
        self.writer.emit(ast.AugAssign(target, op, self.writer.node(value)), effect=True)
        old.varies |= varies(value)
        return old

    def of_numpy(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, np.ufunc) and len(args) > function.nin:
            *args, out = args
            kwargs = {**kwargs, "out": out}
        value = self.native(function, *args, **kwargs)
        is_constant = isinstance(function, type) and not expressions((args, kwargs))  # np.float64(2.0)
        if is_constant or not _is_numeric(value):
            if isinstance(value, bool | float | complex):  # np.allclose; np.shape is the same in every step
                self.settled(args, f"np.{function.__name__}")
            return value
        first = args[0] if args and type(args[0]) is Expression else None
        is_first = first is not None and first.value is value and "out" not in kwargs
        if is_first and function.__name__ in UNCHANGED:
            return first
        written = numpy_name(function) or ast.Constant(None)
        if is_first or value is None:  # np.add.at, np.copyto
            if first is not None:
                first = self.writer.named(first, "part", mine=True)
                args = [first, *args[1:]]
            self._change(first, self.written(written, value, args, kwargs))
            return first if is_first else None
        made = self._called(written, value, [self._argument(part, value) for part in args], kwargs)
        if _picks(function.__name__, args[:1], args[1:], kwargs):
            made.loose |= function.__name__ != "where" or len(args) == 1
        return made

    def of_array(self, method: Method, args: list[Any], kwargs: dict[str, Any]) -> Any:
        owner, name = method.owner, method.name
        value = self.native(getattr(owner.value, name), *args, **kwargs)
        if value is owner.value and "out" not in kwargs:
            return owner  # astype to what it is
        if name in CHANGING:
            owner = self.writer.named(owner, "part", mine=True)
        function = ast.Attribute(owner.node, name, ast.Load())
        if isinstance(owner.value, np.random.Generator):
            if name == "spawn":
                self.writer.fail("spawn of a generator: its state is not all that it depends on")
            made = self.written(function, value, args, kwargs)
            made.varies, made.loose = True, varies(args, kwargs)
            drawn = self.writer.assigned(made, name if name != "random" else "u", effect=True)
            return drawn if value is not None else None  # shuffle
        if name in CHANGING:
            return self._change(owner, self.written(function, value, args, kwargs, owner))
        made = self._called(function, value, args, kwargs, owner)
        made.loose |= np.ndim(value) > 0 and _picks(name, owner, args, kwargs)
        return made

    def _called(
        self, function: ast.expr, value: Any, args: list[Any], kwargs: dict[str, Any], *parts: Any
    ) -> Expression:
        """A call; one that writes to `out` is a statement, and its value what it wrote to."""
        out = kwargs.get("out")
        if type(out) is not Expression:
            return self.written(function, value, args, kwargs, *parts)
        out = self.writer.named(out, "out", mine=True)
        self._change(out, self.written(function, value, args, kwargs | {"out": out}, *parts))
        return out

    def written(
        self, function: ast.expr | str, value: Any, args: list[Any], kwargs: dict[str, Any], *parts: Any
    ) -> Expression:
        """A call that came to a value."""
        call = called(function, *map(self.writer.node, args))
        call.keywords = [ast.keyword(key, self.writer.node(part)) for key, part in kwargs.items()]
        return self.made(call, value, args, kwargs, *parts)

    def copy(self, array: Expression) -> Any:
        return self.of_array(Method(array, "copy"), [], {})

    def _change(self, changed: Expression | None, made: Expression) -> None:
        """A call that is a statement, as it changes an array."""
        if changed is not None:
            changed.varies |= made.varies
        self.writer.emit(ast.Expr(made.node), made.comment, effect=True)


def _is_same(array: Any, one: Any, value: Any) -> bool:
    """Whether an array with a factor of one, which came to a value, is the array to the bit."""
    is_array = type(array) is Expression and isinstance(array.value, np.ndarray)
    return is_array and type(one) in (int, float) and one == 1 and array.value.dtype == value.dtype


def _index_picks(index: Any) -> bool:
    """Whether an index picks as many elements as its numbers say: a mask, or a bound of a slice."""
    if isinstance(index, tuple):
        return any(_index_picks(part) for part in index)
    if isinstance(index, slice):
        return varies(index.start, index.stop, index.step)
    return type(index) is Expression and index.varies and np.asarray(index.value).dtype == bool


def _is_numeric(value: Any) -> bool:
    """Whether a result is one of the program's: an array or several, a number, a generator, or nothing."""
    if isinstance(value, tuple | list):
        return len(value) > 0 and all(isinstance(part, np.ndarray | np.number) for part in value)
    return value is None or isinstance(value, np.ndarray | np.number | np.bool_ | np.random.Generator)
