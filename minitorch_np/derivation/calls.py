"""Calls in a layer's source: those of NumPy are written to the program, Python functions are gone through."""

from __future__ import annotations

import ast
import functools
import inspect
import random
from collections.abc import Callable
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minitorch_np._internal.numerics import plain_form
from minitorch_np.derivation.interpreter import Closure, Return
from minitorch_np.derivation.objects import OURS, class_with
from minitorch_np.derivation.operations import Method
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.source import Source, SourceError, source_of
from minitorch_np.derivation.values import HELD, Expression, expressions, numpy_name
from minitorch_np.derivation.writer import Frame
from minitorch_np.parameter import Parameter

DEEPEST = 100  # functions within functions

SAME_IN_EVERY_STEP = (type, callable, id, issubclass)

GOING_OVER = (list, tuple, zip, enumerate, reversed, iter, dict)

WRITTEN = (abs, float, int, bool, max, min, sum, round, pow, complex)

SEEN_OUTSIDE = (print, input, open, exec, eval, breakpoint)

LOOKING_AT_NUMBERS = (sorted, set, filter, str, repr, format, max, min)


class Calls(Part):
    """Calls, by the kind of what is called."""

    def __init__(self) -> None:
        self.sources: dict[FunctionType, Source] = {}
        self.builtins: dict[Any, Callable[..., Any]] = {
            super: self._super,
            getattr: self._getattr,
            hasattr: self._hasattr,
            isinstance: self._isinstance,
            len: self._len,
            map: self._map,
            range: lambda *args: range(*self.ops.settled(args, "the length of a loop")),
            any: lambda values: self.ops.junction(ast.Or(), [False, *self.ops.items(values, "the loop")]),
            all: lambda values: self.ops.junction(ast.And(), [True, *self.ops.items(values, "the loop")]),
        }

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        while isinstance(function, functools.partial):
            args, kwargs = [*function.args, *args], {**function.keywords, **kwargs}
            function = function.func
        if isinstance(function, Closure):  # its variables are, to begin with, those of the function around it
            outer, body = function.frame, function.source.body
            frame = Frame(None, outer.file, outer.globals, outer.cells, outer.comments, dict(outer.locals))
            return self._through(frame, body, function.bind, args, kwargs)
        if isinstance(function, Method):
            return self.ops.of_array(function, args, kwargs)
        if type(function) is Expression:
            self.writer.fail("which function is called depends on the numbers in the network")
        if numpy_name(function) is not None:
            return self.ops.of_numpy(function, args, kwargs)
        if isinstance(function, FunctionType):
            return self._of_function(function, args, kwargs)
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, ModuleType):
            return self._of_bound(owner, function, args, kwargs)
        return self._of_object(function, args, kwargs)

    def source_of(self, function: FunctionType) -> Source:
        if function not in self.sources:
            try:
                self.sources[function] = source_of(function)
            except SourceError as error:
                self.writer.fail(str(error))
        return self.sources[function]

    def enter(self, function: Any, args: list[Any], kwargs: dict[str, Any], owner: Any = None) -> Any:
        """Go through a function: its statements are written where the call stands."""
        self.objects.note_function(function)
        source = self.source_of(function)
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        comments = source.comments if self.writer.plain else {}
        frame = Frame(owner, source.file.rpartition("/")[2], function.__globals__, cells, comments)
        bind = source.binding(function.__defaults__, function.__kwdefaults__)
        return self._through(frame, source.body, bind, args, kwargs)

    def _through(
        self, frame: Frame, body: list[ast.stmt], bind: Callable[..., Any], args: list[Any], kwargs: Any
    ) -> Any:
        if len(self.writer.frames) > DEEPEST:
            self.writer.fail("functions call each other without an end")
        for key, value in self.ops.attempt(bind, *args, **kwargs).items():
            frame.locals[key] = self.writer.all_named(value, key, mine=True)
            if variable := self.writer.variable_of(frame.locals[key]):
                frame.bound[key] = variable
        self.writer.frames.append(frame)
        try:
            end = self.interpreter.run(body)
        finally:
            self.writer.frames.pop()
        return end.value if isinstance(end, Return) else None

    def _of_function(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A function of Python."""
        ours = any(isinstance(part, OURS) for part in (*args, *kwargs.values()) if type(part) is not Expression)
        of_numpy = (function.__module__ or "").startswith("numpy.")
        if yields := function.__code__.co_flags & inspect.CO_GENERATOR:
            self._check_generator(function, args)
            self.ops.settled((args, kwargs), "what a generator yields")
        is_constant = not (ours or expressions((args, kwargs)))
        if is_constant and not yields and self.objects.may_change(function.__module__):
            return self.enter(function, args, kwargs)
        if of_numpy or yields or is_constant:
            value = self.ops.native(function, *args, **kwargs)
            if of_numpy or not isinstance(value, (*HELD, list, dict)):
                return value  # what can be changed has to be a new one at every step
        plain = plain_form(function)
        if plain and not self.writer.plain and self.helpers.writable((args, kwargs)):
            return self.helpers.copy_called(function, self.helpers.named(function), args, kwargs)
        if isinstance(plain, FunctionType):
            return self.enter(plain, args, kwargs)
        return self.call(plain, args, kwargs) if plain else self.helpers.of_helper(function, args, kwargs)

    def _check_generator(self, function: Any, args: list[Any]) -> None:
        """A generator is not gone through: it must not read what may change."""
        self.objects.note_function(function)
        objects = [part for part in args if hasattr(part, "__dict__") and id(part) not in self.objects.made]
        reads = objects or function.__globals__.keys() & function.__code__.co_names
        if reads and self.objects.may_change(function.__module__):
            self.writer.fail(f"{function.__name__} is a generator: let it return a list")

    def _of_bound(self, owner: Any, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of an object that is not written out itself."""
        if isinstance(owner, Parameter):
            return self.passes.of_parameter(owner, function.__name__, args, kwargs)
        if isinstance(owner, np.random.RandomState | random.Random):
            self.writer.fail(
                "a global random generator: hold a np.random.Generator, np.random.default_rng(seed)"
            )
        if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
            if function.__func__.__code__.co_flags & inspect.CO_GENERATOR:
                return self._of_function(function.__func__, [owner, *args], kwargs)
            if isinstance(owner, OURS):
                return self.passes.of_layer(owner, function, args, kwargs)
            return self.enter(function.__func__, [owner, *args], kwargs)
        if isinstance(owner, list | dict | set | tuple):
            return self._of_container(owner, function, args, kwargs)
        return self._of_object(function, args, kwargs)

    def _of_container(self, owner: Any, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a list or a dict, which may hold expressions; those that look at them cannot be."""
        name = function.__name__
        if name in ("sort", "index", "count", "remove") and expressions((owner, args)):
            self.writer.fail(f"{name} of a {type(owner).__name__} depends on the numbers in the network")
        if name not in ("get", "items", "keys", "values", "copy", "index", "count"):
            self.objects.check_change(owner)
        found = self.ops.attempt(function, *self.writer.all_named(args, "part"), **kwargs)
        if isinstance(found, HELD):
            return self.writer.constant(found, "constant")
        return list(found) if name in ("items", "values") else found

    def _of_object(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """An object that can be called: one with a method for that, a class, a builtin function."""
        callee = vars(class_with(function, "__call__")).get("__call__")
        if isinstance(callee, FunctionType):
            self.objects.note_read(type(function), "__call__")
            return self.call(MethodType(callee, function), args, kwargs)
        if isinstance(function, type) and _is_written_in_python(function):
            return self._made(function, args, kwargs)
        if function in SEEN_OUTSIDE and not self.writer.plain:
            self.writer.fail(f"{function.__name__}(…) does something that a compiled step would leave out")
        if function in self.builtins:
            return self.builtins[function](*args, **kwargs)
        if function in GOING_OVER:
            args = [self.ops.items(a, "the loop") if type(a) is Expression else a for a in args]
            return function(*args, **kwargs)
        if function in WRITTEN and expressions(args) and "key" not in kwargs:
            value = self.ops.native(function, *args, **kwargs)
            return self.ops.written(function.__name__, value, args, kwargs)
        if function in LOOKING_AT_NUMBERS and not self.interpreter.complains:
            args = self.ops.settled(args, f"{function.__name__}(…)")
        elif function not in SAME_IN_EVERY_STEP and expressions((args, kwargs)):
            known = getattr(function, "__qualname__", repr(function))
            module = getattr(function, "__module__", None) or type(function).__name__
            self.writer.fail(f"{module}.{known} leads outside NumPy")
        return self.ops.native(function, *args, **kwargs)

    def _len(self, value: Any) -> Any:
        if type(value) is not Expression:
            return self.ops.attempt(len, value)
        self.ops.check_elementwise(value)
        if self.ops.has_fixed_shape(value):
            return self.ops.native(len, value)
        made = self.ops.written("len", self.ops.native(len, value), [value], {})
        made.varies &= value.loose
        return made

    def _super(self, *args: Any) -> Any:
        frame = self.writer.frame
        given = args or (frame.cells["__class__"].cell_contents, next(iter(frame.locals.values())))
        return super(*given)

    def _getattr(self, owner: Any, name: str, *default: Any) -> Any:
        if default and not self._hasattr(owner, name):
            return default[0]
        return self.objects.attribute(owner, name)

    def _hasattr(self, owner: Any, name: str) -> bool:
        self.objects.note_read(owner, name)
        return bool(self.ops.native(hasattr, owner, name))

    def _isinstance(self, value: Any, classes: Any) -> bool:
        if type(value) is Expression and value.loose:
            self.writer.fail("whether there is a value depends on the numbers in the network")
        return bool(self.ops.native(isinstance, value, classes))

    def _map(self, function: Any, *values: Any) -> list[Any]:
        rows = zip(*(self.ops.items(part, "the loop") for part in values), strict=False)
        return [self.call(function, list(row), {}) for row in rows]

    def _made(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """An object that holds things: a named tuple, a dataclass, one of a class of the author's."""
        args, kwargs = self.writer.all_named(args, "part"), self.writer.all_named(kwargs, "part")
        if hasattr(function, "_fields") or hasattr(function, "__dataclass_fields__"):
            return function(*args, **kwargs)
        self.objects.note_read(function, "__init__")
        made = object.__new__(function)
        self.objects.made[id(made)] = made
        self.call(MethodType(vars(function)["__init__"], made), args, kwargs)
        return made


def _is_written_in_python(function: type) -> bool:
    """Whether making an object of a class is what a few lines of Python do."""
    is_written = hasattr(function, "_fields") or isinstance(vars(function).get("__init__"), FunctionType)
    return is_written and not issubclass(function, (BaseException, *OURS))
