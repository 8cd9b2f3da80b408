"""Calls of NumPy and of arrays' methods: they are written to the program."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from minitorch_np.study.unroll.access import Method
from minitorch_np.study.unroll.functions import Functions
from minitorch_np.study.unroll.values import Expression, expressions, numpy_name, varies

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


class ArrayCalls(Functions):
    """What NumPy does with arrays, and with random generators."""

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
        if function.__name__ in PICKING and varies(args):
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
        made.loose |= np.ndim(value) > 0 and (owner.loose or (method.name in PICKING and made.varies))
        if isinstance(owner.value, np.random.Generator):
            if method.name in ("spawn", "bit_generator"):
                self.fail(f"{method.name} of a generator: its state is not all that it depends on")
            made.varies, made.loose = True, varies(args, kwargs)
            drawn = self.assigned(made, method.name if method.name != "random" else "u")
            vars(self.block[-1])["effect"] = True
            self.effects += 1
            return drawn if value is not None else None  # shuffle
        if self.in_rule is not None and np.shape(owner.value) == self.in_rule != np.shape(value):
            self.check_size(owner)
        if method.name in ("fill", "sort", "partition", "put", "itemset", "resize"):
            return self.changing(made, owner)
        return self.with_effect(made, kwargs)

    def changing(self, made: Expression, changed: Any) -> None:
        """A call that is a statement, as it changes an array."""
        if isinstance(changed, Expression):
            named = self.named(changed, "part", mine=True)
            if named is not changed:
                made.node = ReplacedNode(changed.node, named.node).visit(made.node)
            named.varies |= made.varies
            changed.varies |= made.varies
        self.emit(ast.Expr(made.node), effect=True)

    def written(self, function: ast.expr, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Expression:
        nodes = [self.node(part) for part in args]
        keywords = [ast.keyword(key, self.node(part)) for key, part in kwargs.items()]
        return self.made(ast.Call(function, nodes, keywords), value, args, kwargs)

    def with_effect(self, made: Expression, kwargs: dict[str, Any]) -> Any:
        """A call that writes to `out` is a statement, and its value what it wrote to."""
        call = made.node
        out = kwargs.get("out")
        if not isinstance(out, Expression) or not isinstance(call, ast.Call):
            return made
        if not isinstance(out.node, ast.Name):
            named = self.named(out, "out", mine=True)
            call.keywords = [ast.keyword("out", named.node) if k.arg == "out" else k for k in call.keywords]
            out = named
        self.emit(ast.Expr(call), made.comment, effect=True)
        out.varies |= made.varies
        return out


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
