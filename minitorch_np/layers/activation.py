"""The contract of an activation: a function and its derivative, elementwise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Activation(Layer):
    """y = function(x), and dx = dy · derivative(x, y).

    A subclass writes these two and nothing else; they take and return arrays of one shape and
    dtype. Given both x and y, a derivative can use whichever is cheaper. `Activation.of` makes one
    of two functions.

    Backward: y_i comes from x_i alone, so dx = dy · dy/dx, number by number: no sum and no transpose.
    """

    takes_numbers = True

    _function_checked: tuple[np.dtype[Any], ...] = ()  # the dtypes of x for which the result was checked
    _derivative_checked: tuple[np.dtype[Any], ...] = ()

    @abstractmethod
    def function(self, x: Array) -> Array: ...

    @abstractmethod
    def derivative(self, x: Array, y: Array) -> Array: ...

    def gradient(self, dy: Array, x: Array, y: Array) -> Array:
        """dx; here for the few that can say it better than as a product."""
        return dy * self.derivative(x, y)

    def forward(self, x: Array) -> Array:
        x = self.check_input(x)
        y = self.function(x) if x.ndim else self.function(x.reshape(1)).reshape(())
        if x.dtype not in self._function_checked:
            self._check_like(x, y, "function")
            self._function_checked += (x.dtype,)
        self.save_for_backward(x, y, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dy, x, y = self.saved(dy)
        if x.ndim:
            dx = self.gradient(dy, x, y)
        else:
            dx = self.gradient(dy.reshape(1), x.reshape(1), y.reshape(1)).reshape(())
        if x.dtype not in self._derivative_checked:
            self._check_like(x, dx, "derivative")
            self._derivative_checked += (x.dtype,)
        return dx

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def _check_like(self, x: Array, result: Any, method: str) -> None:
        """Raise TypeError if a method's result is not like x; asked once for each dtype of x."""
        if type(result) is not np.ndarray:
            raise TypeError(f"{self!r}.{method} must return an array like x, got {type(result).__name__}")
        if result.dtype != x.dtype or result.shape != x.shape:
            raise TypeError(
                f"{self!r}.{method} must keep shape and dtype, but x is {x.dtype} {x.shape} and the result "
                f"{result.dtype} {result.shape}: are its constants Python numbers, its operations elementwise?"
            )

    @staticmethod
    def of(
        function: Callable[[Array], Array], derivative: Callable[..., Array], *, name: str | None = None
    ) -> Activation:
        """An activation of two functions: `Activation.of(np.sin, np.cos)`.

        `derivative` takes x, or x and y = function(x). `name` stands in messages and pictures in
        place of the function's own. Raises TypeError for what cannot be called with arrays.
        """
        return _OfFunctions(function, derivative, name)


class _OfFunctions(Activation):
    """y = function(x), dy/dx = derivative(x), the two that `Activation.of` was given."""

    def __init__(self, function: Callable[..., Any], derivative: Callable[..., Any], name: str | None) -> None:
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"Activation.of expects a function of x, got {function!r}")
        if isinstance(derivative, type) or not callable(derivative):
            raise TypeError(f"Activation.of expects a derivative of x, or of x and y, got {derivative!r}")
        self._function, self._derivative, self._name = function, derivative, name
        self._takes_y = _takes_two(derivative)
        self.called = name or getattr(function, "__name__", "function")

    def function(self, x: Array) -> Array:
        return self._function(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return self._derivative(x, y) if self._takes_y else self._derivative(x)

    def __repr__(self) -> str:
        function, derivative = (getattr(f, "__name__", f) for f in (self._function, self._derivative))
        name = "" if self._name is None else f", name={self._name!r}"
        return f"Activation.of({function}, {derivative}{name})"


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function is called with two arguments rather than one."""
    from inspect import Parameter, signature

    if isinstance(function, np.ufunc):
        return function.nin > 1
    places = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    given = [p for p in signature(function).parameters.values() if p.kind in places and p.default is p.empty]
    if not 1 <= len(given) <= 2:
        raise TypeError(f"Activation.of expects a derivative of x, or of x and y, got {function!r}")
    return len(given) == 2
