"""Calls in a layer's source: NumPy's are written to the program, Python functions are gone through."""

from __future__ import annotations

import functools
import inspect
import random
from abc import abstractmethod
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minitorch_np._internal.numerics import plain_form
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.access import OURS, Method
from minitorch_np.study.unroll.builtin_calls import BuiltinCalls
from minitorch_np.study.unroll.evaluator import Closure
from minitorch_np.study.unroll.values import Expression, expressions, numpy_name


class Calls(BuiltinCalls):
    """What happens to a call, by what is called."""

    @abstractmethod
    def of_parameter(self, parameter: Parameter, method: str, args: list[Any], kwargs: Any) -> Any: ...

    @abstractmethod
    def of_helper(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    def of_layer(self, layer: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a layer, a loss or an optimizer."""
        function = plain_form(method.__func__) or method.__func__
        return self.enter(function, [layer, *args], kwargs, label=repr(layer))

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, functools.partial):
            return self.call(function.func, [*function.args, *args], {**function.keywords, **kwargs})
        if isinstance(function, Closure):
            return self.within(function, args, kwargs)
        if isinstance(function, Method):
            return self.of_array(function, args, kwargs)
        if isinstance(function, Expression):
            self.fail("which function is called depends on the numbers in the network")
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
            return self.of_method(owner, function, args, kwargs)
        if isinstance(owner, list | dict | set | tuple):
            return self.of_container(function, args, kwargs)
        return self.of_builtin(function, args, kwargs)

    def of_method(self, owner: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method that is written in Python."""
        if inspect.isgeneratorfunction(method):
            return list(self.native(method, *self.settled(args, "what a generator yields"), **kwargs))
        if isinstance(owner, OURS):
            return self.of_layer(owner, method, args, kwargs)
        return self.enter(method.__func__, [owner, *args], kwargs)

    def of_container(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a list or a dict, which may hold expressions; those that look at them cannot be."""
        name = function.__name__
        if name in ("sort", "index", "count", "remove") and expressions((function.__self__, args)):
            self.fail(f"{name} of a {type(function.__self__).__name__} depends on the numbers in the network")
        if name not in ("get", "items", "keys", "values", "copy"):
            self.check_branch()
        try:
            found = function(*self.all_named(args, "part"), **kwargs)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            self.fail(f"{type(error).__name__}: {error}")
        return self.constant(found, "constant") if isinstance(found, np.ndarray) else found

    def of_function(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A function of Python, or an object that can be called."""
        if not isinstance(function, FunctionType):
            callee = inspect.getattr_static(type(function), "__call__", None)
            if isinstance(callee, FunctionType):
                return self.call(MethodType(callee, function), args, kwargs)
            return self.of_builtin(function, args, kwargs)
        ours = any(isinstance(part, OURS) for part in (*args, *kwargs.values()))
        of_numpy = (function.__module__ or "").startswith("numpy.")
        if inspect.isgeneratorfunction(function):
            self.settled((args, kwargs), "what a generator yields")
        if of_numpy or inspect.isgeneratorfunction(function) or not (ours or expressions((args, kwargs))):
            value = self.native(function, *args, **kwargs)
            if of_numpy or not isinstance(value, np.ndarray | np.random.Generator | list | dict):
                return value  # what can be changed has to be a new one at every step
        plain = plain_form(function)
        if isinstance(plain, FunctionType):
            return self.enter(plain, args, kwargs)
        return self.call(plain, args, kwargs) if plain else self.of_helper(function, args, kwargs)
