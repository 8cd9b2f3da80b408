"""Calls of what Python itself has: computed where they ask for something known, otherwise written."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from minitorch_np.study.unroll.access import OURS
from minitorch_np.study.unroll.array_calls import ArrayCalls
from minitorch_np.study.unroll.values import Expression, expressions

KNOWN = (type, callable, id, issubclass)  # the same in every step
GOING_OVER = (list, tuple, zip, enumerate, reversed, iter, dict)
WRITTEN = (len, abs, float, int, bool, max, min, sum, round, pow, complex)


class BuiltinCalls(ArrayCalls):
    """Python's own functions, and classes that hold things."""

    @abstractmethod
    def note_read(self, owner: Any, attribute: str) -> None: ...

    def of_builtin(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        own: dict[Any, Callable[..., Any]] = {
            super: self._super,
            getattr: self._getattr,
            hasattr: self._hasattr,
            isinstance: self._isinstance,
            map: self._map,
            range: lambda *args: range(*self.settled(args, "the length of a loop")),
            any: lambda values: self.junction(ast.Or(), [False, *self.items(values, "the loop")]),
            all: lambda values: self.junction(ast.And(), [True, *self.items(values, "the loop")]),
        }
        for known, method in own.items():
            if function is known:
                return method(*args, **kwargs)
        if isinstance(function, type) and _is_written_in_python(function):
            return self._made(function, args, kwargs)
        if function in GOING_OVER:
            parts = [self.items(part, "the loop") if isinstance(part, Expression) else part for part in args]
            return function(*parts, **kwargs)
        if function is len and not isinstance(args[0], Expression):
            return len(*args)
        if function in WRITTEN and expressions(args) and "key" not in kwargs:
            return self._written(function, args, kwargs)
        if function in (sorted, set, filter, str, repr, format, max, min) and not self.complains:
            args = self.settled(args, f"{function.__name__}(…)")
        elif function not in KNOWN and expressions((args, kwargs)):
            known = getattr(function, "__qualname__", repr(function))
            module = getattr(function, "__module__", None) or type(function).__name__
            self.fail(f"{module}.{known} leads outside NumPy")
        return self.native(function, *args, **kwargs)

    def _super(self, *args: Any) -> Any:
        if args:
            return super(*args)
        return super(self.frame.cells["__class__"], next(iter(self.frame.locals.values())))

    def _getattr(self, owner: Any, name: str, *default: Any) -> Any:
        if default:
            self._hasattr(owner, name)
            if not hasattr(owner, name):
                return default[0]
        return self.attribute(owner, name)

    def _hasattr(self, owner: Any, name: str) -> bool:
        if isinstance(owner, OURS):
            self.note_read(owner, name)
        return bool(self.native(hasattr, owner, name))

    def _isinstance(self, value: Any, classes: Any) -> bool:
        if isinstance(value, Expression) and value.loose:
            self.fail("whether there is a value depends on the numbers in the network")
        return bool(self.native(isinstance, value, classes))

    def _map(self, function: Any, *values: Any) -> list[Any]:
        rows = zip(*(self.items(part, "the loop") for part in values), strict=False)
        return [self.call(function, list(row), {}) for row in rows]

    def _written(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Expression:
        written = self.written(ast.Name(function.__name__, ast.Load()), 0, args, kwargs)
        written.value = self.native(function, *args, **kwargs)
        if function is len:
            self.check_size(args[0])
            written.varies &= args[0].loose
        return written

    def _made(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """An object that holds things: a named tuple, a dataclass, one of a class of the author's."""
        args, kwargs = self.all_named(args, "part"), self.all_named(kwargs, "part")
        if hasattr(function, "_fields") or hasattr(function, "__dataclass_fields__"):
            return function(*args, **kwargs)
        made = object.__new__(function)
        self.call(MethodType(vars(function)["__init__"], made), args, kwargs)
        return made


def _is_written_in_python(function: type) -> bool:
    """Whether making an object of a class is what a few lines of Python do."""
    if issubclass(function, (BaseException, *OURS)):
        return False
    return hasattr(function, "_fields") or isinstance(vars(function).get("__init__"), FunctionType)
