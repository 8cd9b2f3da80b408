"""A parameter: an array that is learned, and the gradient of the loss with respect to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.arrays import aligned_zeros, as_floats

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


class Parameter:
    """`data` and `grad`, two arrays of one shape and dtype.

    A backward pass puts the gradient there with `accumulate`: the first one writes into the kept
    `grad` array, a second one before it is used adds to it. An optimizer's `step()` uses it up, so
    the next backward overwrites it. `has_grad` says whether there is one that was not used.

    Assigning to `data` or `grad` copies in, and refuses another shape or dtype. An optimizer that
    takes a parameter moves both arrays to its own memory, side by side with the others: ask the
    parameter for `data` each time. An array held from before the move is read-only from then on, so
    that nothing is written where nobody reads.
    """

    __slots__ = ("_data", "_grad", "_spare", "dtype", "has_grad", "home")

    def __init__(self, data: Any) -> None:
        data = as_floats(data, None, "Parameter", "data")
        self.dtype = data.dtype
        self._data: Array = aligned_zeros(data.size, data.dtype).reshape(data.shape)
        self._data[...] = data
        self._grad: Array | None = None
        self._spare: Array | None = None
        self.has_grad = False
        self.home: object = None

    @property
    def data(self) -> Array:
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is not self._data:
            self._data[...] = self._fitting(value, "data")

    @property
    def grad(self) -> Array:
        """The gradient; zeros before the first backward, after a step the one that was used."""
        if self._grad is None:
            self._grad = aligned_zeros(self.size, self.dtype).reshape(self.shape)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            self.zero_grad()
        else:
            if value is not self._grad:  # as it is after `parameter.grad *= 2`
                self.grad[...] = self._fitting(value, "grad")
            self.has_grad = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def size(self) -> int:
        return self._data.size

    def add_grad(self, gradient: Array) -> None:
        """Put a gradient into `grad`, or add it to one that is there and was not used."""
        self.accumulate(np.positive, self._fitting(gradient, "grad"))

    def accumulate(self, function: Callable[..., Any], *arrays: Array) -> None:
        """`add_grad` of what a NumPy function makes of the arrays, written straight into `grad`.

        `weight.accumulate(np.matmul, x.T, dy)` needs no array besides `grad`.
        """
        if self.has_grad:
            if self._spare is None:
                self._spare = np.empty_like(self.grad)
            function(*arrays, out=self._spare)
            self.grad += self._spare
        else:
            function(*arrays, out=self.grad if self._grad is None else self._grad)
            self.has_grad = True

    def zero_grad(self) -> None:
        """Throw the gradient away."""
        self.has_grad = False
        if self._grad is not None:
            self._grad[...] = 0

    def move(self, data: Array, grad: Array, home: object) -> None:
        """Keep the numbers in these two flat arrays from now on; `home` is what owns them."""
        data, grad = data.reshape(self.shape), grad.reshape(self.shape)
        data[...] = self._data
        self._data.flags.writeable = False
        if self._grad is not None:
            grad[...] = self._grad
            self._grad.flags.writeable = False
        self._data, self._grad, self._spare = data, grad, None
        self.dtype, self.home = data.dtype, home

    def __getstate__(self) -> tuple[Array, Array | None, bool]:
        return self._data, self._grad, self.has_grad  # a copy has no home

    def __setstate__(self, state: tuple[Array, Array | None, bool]) -> None:
        data, grad, has_grad = state
        Parameter.__init__(self, data)
        self.grad = grad
        self.has_grad = has_grad

    def _fitting(self, value: Any, name: str) -> Array:
        array = as_floats(value, self.dtype, "Parameter", name)
        if array.shape != self.shape:
            fix = ""
            if name == "grad" and array.shape[array.ndim - len(self.shape) :] == self.shape:
                fix = ": sum it over the axes along which the parameter was broadcast, such as the batch"
            elif array.shape == self.shape[::-1]:
                fix = ": transposed?"
            raise ValueError(f"Parameter expects {name} of shape {self.shape}, got {array.shape}{fix}")
        return array

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={str(self.dtype)!r})"
