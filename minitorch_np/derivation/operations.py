"""NumPy's operations on expressions: each is done on real arrays, and written to the program."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.derivation.values import Expression, example, expressions, literal, numpy_name, varies

if TYPE_CHECKING:
    from minitorch_np.derivation.objects import Objects
    from minitorch_np.derivation.writer import Writer

OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}

SIZES = ("shape", "size", "itemsize", "nbytes", "strides", "flags")  # mostly the same in every step

UNCHANGED = (
    "asarray",
    "asanyarray",
    "ascontiguousarray",
    "asfortranarray",
    "require",
    "atleast_1d",
    "atleast_2d",
)

PICKING = (  # results as large as numbers say
    *("nonzero", "flatnonzero", "argwhere", "unique", "where", "compress", "extract", "repeat", "delete"),
    *("trim_zeros", "union1d", "intersect1d", "setdiff1d", "arange", "linspace"),
)


def _picks(name: str, array: Any, *others: Any) -> bool:
    """Whether the size of a result depends on the numbers; for `repeat` and `delete` on the other arguments."""
    return name in PICKING and (varies(others) or (varies(array) and name not in ("repeat", "delete")))


class Method:
    """A method of an array, not called yet."""

    def __init__(self, owner: Expression, name: str) -> None:
        self.owner = owner
        self.name = name


class Operations:
    """What arrays and numbers do."""

    objects: Objects

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.in_rule: tuple[int, ...] | None = None  # the shape of a block, in an optimizer's update

    def made(self, node: ast.expr, value: Any, *parts: Any) -> Expression:
        """An expression made of parts: it varies if one of them does."""
        found = expressions(parts)
        if self.in_rule is not None:
            self._check_elementwise(value, found)
        loose = isinstance(value, np.ndarray) and value.ndim > 0 and any(part.loose for part in found)
        comment = self.writer.frame.comment if self.writer.frames else ""
        return Expression(node, value, varies(found), comment, loose)

    def _check_elementwise(self, value: Any, parts: list[Expression]) -> None:
        """In an optimizer's rule, whose blocks are pieces of parameters, arrays keep their shape."""
        if any(np.shape(part.value) == self.in_rule for part in parts) and np.shape(value) != self.in_rule:
            self.writer.fail("a rule has to be elementwise: its blocks are pieces of several parameters")

    def native(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function makes of the arguments' values; its errors name the layer and the line."""
        try:
            with np.errstate(all="ignore"):
                return function(*example(args), **example(kwargs))
        except Exception as error:
            self.writer.fail(f"{type(error).__name__}: {error}")

    def check_size(self, owner: Expression) -> None:
        """In an optimizer's rule, the shape of a block is nothing to go by."""
        if self.in_rule is not None and np.shape(owner.value) == self.in_rule:
            self.writer.fail("a rule has to be elementwise: its blocks are pieces of several parameters")

    def array_attribute(self, owner: Expression, name: str) -> Any:
        value = self.native(getattr, owner, name)
        if isinstance(value, np.random.BitGenerator):
            self.writer.fail("the state of a generator cannot be written out")
        if callable(value):
            return Method(owner, name)
        if name in SIZES:
            self.check_size(owner)
        if name in ("dtype", "ndim") or (name in SIZES and name != "size" and not owner.loose):
            return value
        made = self.made(ast.Attribute(owner.node, name, ast.Load()), value)
        made.varies, made.loose = owner.varies and (owner.loose or name not in SIZES), False
        return made

    def item(self, owner: Any, index: Any) -> Any:
        if not isinstance(owner, Expression):
            return self.objects.native_item(owner, self.settled(index, "the index"))
        value = self.native(operator.getitem, owner, index)
        made = self.made(ast.Subscript(owner.node, self.writer.index(index), ast.Load()), value, owner, index)
        made.loose |= _index_picks(index)
        made.loose &= np.ndim(value) > 0
        return made

    def decide(self, value: Any) -> bool | None:
        """Whether a value is true, as far as that is the same in every step; None if it is not."""
        if varies(value):
            return None
        truth = bool(self.native(bool, value))
        if isinstance(value, Expression):
            self.writer.guard(value.node if truth else ast.UnaryOp(ast.Not(), value.node))
        return truth

    def settled(self, value: Any, what: str) -> Any:
        """A value as an ordinary object; an error where it varies from step to step."""
        if varies(value):
            self.writer.fail(f"{what} depends on the numbers in the network")
        for part in expressions(value) if self.writer.guards else ():
            if np.ndim(part.value) == 0 and (written := literal(part.value)) is not None:
                self.writer.guard(ast.Compare(part.node, [ast.Eq()], [written]))
            else:
                self.writer.fail(f"{what} depends on the data")
        return example(value)

    def binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, Expression) or isinstance(right, Expression):
            value = self.native(OPERATORS[type(op)], left, right)
            made = self.made(ast.BinOp(self.writer.node(left), op, self.writer.node(right)), value, left, right)
            vars(made.node)["keeps"] = self._kept_side(op, left, right, value)
            return made
        try:
            return OPERATORS[type(op)](left, right)
        except Exception as error:
            self.writer.fail(f"{type(error).__name__}: {error}")

    @staticmethod
    def _kept_side(op: ast.operator, left: Any, right: Any, value: Any) -> str:
        """The side that `1 * a`, `a * 1` or `a / 1` is to the bit; "" for any other operation."""
        sides = {"right": (left, right)} if isinstance(op, ast.Mult) else {}
        if isinstance(op, ast.Mult | ast.Div):
            sides["left"] = (right, left)
        for side, (one, other) in sides.items():
            same = isinstance(other, Expression) and isinstance(other.value, np.ndarray)
            if same and type(one) in (int, float) and one == 1 and other.value.dtype == value.dtype:
                return side
        return ""

    def junction(self, op: ast.boolop, values: list[Any]) -> Any:
        """`a and b`, `a or b`: one of the values."""
        stops = isinstance(op, ast.Or)
        result = next((v for v in values if self.native(bool, v) is stops), values[-1])
        if len(values) == 1 or not expressions(values):
            return result
        return self.made(ast.BoolOp(op, [self.writer.node(v) for v in values]), example(result), *values)

    def items(self, value: Any, what: str) -> list[Any]:
        """What iterating gives: of an array its rows, as many as it has."""
        if not isinstance(value, Expression):
            try:
                return list(value)
            except TypeError as error:
                self.writer.fail(f"TypeError: {error}")
        if value.loose or not hasattr(value.value, "__len__"):
            self.writer.fail(f"{what} depends on the numbers in the network")
        value = self.writer.named(value, "parts", mine=True)
        return [self.item(value, i) for i in range(len(value.value))]

    def set_item(self, owner: Any, index: Any, value: Any) -> None:
        if not isinstance(owner, Expression):
            self.objects.check_branch()
            self.objects.put_item(owner, self.settled(index, "the index"), self.writer.all_named(value, "part"))
            return
        owner = self.writer.named(owner, "part", mine=True)
        value = self.writer.named(value, "value", mine=True) if isinstance(value, Expression) else value
        self.native(self.put, owner, index, value)
        target = ast.Subscript(owner.node, self.writer.index(index), ast.Store())
        self.writer.emit(ast.Assign([target], self.writer.node(value)), effect=True)
        owner.varies |= varies(index, value)

    @staticmethod
    def put(array: Any, index: Any, value: Any) -> None:
        array[index] = value

    def augmented(self, old: Any, op: ast.operator, value: Any) -> Any:
        """`old op= value`: an array changes in place, a number becomes another."""
        if not isinstance(old, Expression) or not isinstance(old.value, np.ndarray):
            return self.binary(op, old, value)
        old = self.writer.named(old, "part", mine=True)
        self.native(self.put, old, ..., self.binary(op, old, value))
        if isinstance(old.node, ast.Name):
            self.writer.emit(
                ast.AugAssign(ast.Name(old.node.id, ast.Store()), op, self.writer.node(value)), effect=True
            )
        old.varies |= varies(value)
        return old

    def of_numpy(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, np.ufunc) and len(args) > function.nin:
            *args, out = args
            kwargs = {**kwargs, "out": out}
        value = self.native(function, *args, **kwargs)
        is_constant = isinstance(function, type) and not expressions((args, kwargs))  # np.float64(2.0)
        if is_constant or not _is_numeric(value):
            return value if not expressions((args, kwargs)) else self.settled_or_written(value, function, args)
        made = self.written(numpy_name(function) or ast.Constant(None), value, args, kwargs)
        first = args[0] if args and isinstance(args[0], Expression) else None
        if value is None:  # np.add.at, np.copyto
            return self.changing(made, first)
        if first is not None and first.value is value and "out" not in kwargs:
            if function.__name__ not in UNCHANGED:
                self.changing(made, first)
            return first
        if _picks(function.__name__, args[:1], args[1:], kwargs):
            made.loose |= function.__name__ != "where" or len(args) == 1
        return self.with_effect(made, kwargs)

    def settled_or_written(self, value: Any, function: Any, args: list[Any]) -> Any:
        """np.shape, np.ndim and the like, which are the same in every step."""
        if isinstance(value, bool | float | complex):
            self.settled(args, f"np.{function.__name__}")
        return value

    def of_array(self, method: Method, args: list[Any], kwargs: dict[str, Any]) -> Any:
        owner = method.owner
        value = self.native(getattr(owner.value, method.name), *args, **kwargs)
        if value is owner.value and "out" not in kwargs:
            return owner  # astype to what it is
        made = self.written(ast.Attribute(owner.node, method.name, ast.Load()), value, args, kwargs)
        made.varies |= owner.varies
        picks = _picks(method.name, owner, args, kwargs)
        made.loose |= np.ndim(value) > 0 and (owner.loose or picks)
        if isinstance(owner.value, np.random.Generator):
            if method.name in ("spawn", "bit_generator"):
                self.writer.fail(f"{method.name} of a generator: its state is not all that it depends on")
            made.varies, made.loose = True, varies(args, kwargs)
            drawn = self.writer.assigned(made, method.name if method.name != "random" else "u")
            vars(self.writer.block[-1])["effect"] = True
            self.writer.effects += 1
            return drawn if value is not None else None  # shuffle
        if self.in_rule is not None and np.shape(owner.value) == self.in_rule != np.shape(value):
            self.check_size(owner)
        if method.name in ("fill", "sort", "partition", "put", "itemset", "resize"):
            return self.changing(made, owner)
        return self.with_effect(made, kwargs)

    def changing(self, made: Expression, changed: Any) -> None:
        """A call that is a statement, as it changes an array."""
        if isinstance(changed, Expression):
            named = self.writer.named(changed, "part", mine=True)
            if named is not changed:
                made.node = ReplacedNode(changed.node, named.node).visit(made.node)
            named.varies |= made.varies
            changed.varies |= made.varies
        self.writer.emit(ast.Expr(made.node), effect=True)

    def written(self, function: ast.expr, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Expression:
        nodes = [self.writer.node(part) for part in args]
        keywords = [ast.keyword(key, self.writer.node(part)) for key, part in kwargs.items()]
        return self.made(ast.Call(function, nodes, keywords), value, args, kwargs)

    def with_effect(self, made: Expression, kwargs: dict[str, Any]) -> Any:
        """A call that writes to `out` is a statement, and its value what it wrote to."""
        call = made.node
        out = kwargs.get("out")
        if not isinstance(out, Expression) or not isinstance(call, ast.Call):
            return made
        if not isinstance(out.node, ast.Name):
            named = self.writer.named(out, "out", mine=True)
            call.keywords = [ast.keyword("out", named.node) if k.arg == "out" else k for k in call.keywords]
            out = named
        self.writer.emit(ast.Expr(call), made.comment, effect=True)
        out.varies |= made.varies
        return out


def _index_picks(index: Any) -> bool:
    """Whether an index picks as many elements as its numbers say: a mask, or a bound of a slice."""
    if isinstance(index, tuple):
        return any(_index_picks(part) for part in index)
    if isinstance(index, slice):
        return varies(index.start, index.stop, index.step)
    return isinstance(index, Expression) and index.varies and np.asarray(index.value).dtype == bool


class ReplacedNode(ast.NodeTransformer):
    """With another expression for one."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self.old = old
        self.new = new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _is_numeric(value: Any) -> bool:
    """Whether a result is one of the program's: an array or several, a number, a generator, or nothing."""
    if isinstance(value, tuple | list):
        return len(value) > 0 and all(isinstance(part, np.ndarray | np.number) for part in value)
    return value is None or isinstance(value, np.ndarray | np.number | np.bool_ | np.random.Generator)
