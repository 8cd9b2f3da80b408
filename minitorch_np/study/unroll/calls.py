"""Calls in a layer's source: NumPy's are written to the program, Python functions are gone through."""

from __future__ import annotations

import ast
import functools
import random
from abc import abstractmethod
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minitorch_np.numerics import plain_form
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.evaluator import OURS, Closure, Method
from minitorch_np.study.unroll.functions import Functions
from minitorch_np.study.unroll.values import Expression, expressions, numpy_name

ASKED = (isinstance, type, getattr, hasattr, callable, id, issubclass)  # the same in every step
GOING_OVER = (list, tuple, set, zip, enumerate, reversed, iter, sorted, any, all, map, filter, dict)
WRITTEN = (abs, float, int, bool, max, min, sum, round, pow, complex)


class Calls(Functions):
    """What happens to a call, by what is called."""

    @abstractmethod
    def of_parameter(self, parameter: Parameter, method: str, args: list[Any], kwargs: Any) -> Any: ...

    @abstractmethod
    def of_helper(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    def of_layer(self, layer: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a layer, a loss or an optimizer."""
        return self.enter(method.__func__, [layer, *args], kwargs, label=repr(layer))

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, functools.partial):
            return self.call(function.func, [*function.args, *args], {**function.keywords, **kwargs})
        if isinstance(function, Closure):
            return self.within(function, args, kwargs)
        if isinstance(function, Method):
            return self.of_array(function, args, kwargs)
        if numpy_name(function) is not None:
            return self.of_numpy(function, args, kwargs)
        if getattr(function, "__self__", None) is not None and not isinstance(function.__self__, ModuleType):
            return self.of_bound(function, args, kwargs)
        return self.of_function(function, args, kwargs)

    def of_bound(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of an object that is not written out itself."""
        owner = function.__self__
        if isinstance(owner, Parameter):
            return self.of_parameter(owner, function.__name__, args, kwargs)
        if isinstance(owner, np.random.RandomState | random.Random):
            self.fail("a global random generator: hold a np.random.Generator, np.random.default_rng(seed)")
        if isinstance(owner, np.random.Generator):
            return self.of_array(Method(self.constant(owner, "rng"), function.__name__), args, kwargs)
        if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
            if isinstance(owner, OURS):
                return self.of_layer(owner, function, args, kwargs)
            return self.enter(function.__func__, [owner, *args], kwargs)
        if isinstance(owner, list | dict | set):  # it may hold expressions
            return function(*args, **kwargs)
        return self.of_builtin(function, args, kwargs)

    def of_function(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A function of Python, or an object that can be called."""
        if not isinstance(function, FunctionType):
            callee = getattr(type(function), "__call__", None)  # noqa: B004 - as Python looks it up
            if isinstance(callee, FunctionType):
                return self.call(MethodType(callee, function), args, kwargs)
            return self.of_builtin(function, args, kwargs)
        ours = any(isinstance(part, OURS) for part in (*args, *kwargs.values()))
        if function.__module__.startswith("numpy.") or not (ours or expressions((args, kwargs))):
            return self.native(function, *args, **kwargs)
        plain = plain_form(function)
        if isinstance(plain, FunctionType):
            return self.enter(plain, args, kwargs)
        return self.call(plain, args, kwargs) if plain else self.of_helper(function, args, kwargs)

    def of_builtin(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What Python itself has: computed where it asks for something known, otherwise written."""
        if function is super and not args:
            first = next(iter(self.frame.locals.values()))
            return super(self.frame.cells["__class__"], first)
        if function is getattr and (len(args) == 2 or hasattr(args[0], args[1])):
            return self.attribute(args[0], args[1])
        if function in (len, *WRITTEN) and expressions(args):
            written = ast.Call(ast.Name(function.__name__, ast.Load()), [self.node(a) for a in args], [])
            made = self.made(written, self.native(function, *args, **kwargs), *args)
            made.varies &= function is not len
            return made
        if function is range:
            return range(*self.settled(args, "the length of a loop"))
        if function in GOING_OVER:
            parts = [self.items(p, "the loop") if isinstance(p, Expression) else p for p in args]
            return function(*parts, **kwargs)
        if function in (str, repr, format) and not self.complains:
            args = self.settled(args, "the text")
        if function not in ASKED and expressions((args, kwargs)):
            known = getattr(function, "__qualname__", repr(function))
            module = getattr(function, "__module__", None) or type(function).__name__
            self.fail(f"{module}.{known} leads outside NumPy")
        return self.native(function, *args, **kwargs)

    def of_numpy(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        value = self.native(function, *args, **kwargs)
        arrays = value if isinstance(value, tuple | list) else (value,)
        if not all(isinstance(part, np.ndarray | np.number | np.bool_) for part in arrays) or not len(arrays):
            return value if not expressions((args, kwargs)) else self.settled_or_written(value, function, args)
        if isinstance(function, type) and not expressions((args, kwargs)):
            return value  # np.float64(2.0)
        same = [part for part in args[:1] if isinstance(part, Expression) and part.value is value]
        if same and "out" not in kwargs:
            return same[0]  # np.asarray of an array
        written = numpy_name(function)
        if written is None:
            self.fail(f"{function!r} has no name in NumPy")
        return self.with_effect(self.written(written, value, args, kwargs), value, kwargs)

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
        if isinstance(owner.value, np.random.Generator):
            made.varies = True
            drawn = self.assigned(made, method.name if method.name != "random" else "u")
            vars(self.block[-1])["effect"] = True
            return drawn
        if method.name in ("fill", "sort", "partition", "put", "itemset", "resize"):
            self.emit(ast.Expr(made.node), effect=True)
            return None
        return self.with_effect(made, value, kwargs)

    def written(self, function: ast.expr, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Expression:
        nodes = [self.node(part) for part in args]
        keywords = [ast.keyword(key, self.node(part)) for key, part in kwargs.items()]
        return self.made(ast.Call(function, nodes, keywords), value, args, kwargs)

    def with_effect(self, made: Expression, value: Any, kwargs: dict[str, Any]) -> Any:
        """A call that writes to `out` is a statement, and its value what it wrote to."""
        call = made.node
        if value is None:  # np.copyto, np.add.at
            self.emit(ast.Expr(call), effect=True)
            return None
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
