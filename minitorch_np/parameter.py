"""A parameter: an array that is learned, and the gradient of the loss with respect to it."""

from __future__ import annotations

from abc import ABCMeta
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from minitorch_np._internal.arrays import aligned_zeros, as_floats, keep_freed_memory, likely_fix
from minitorch_np._internal.names import NameElsewhere
from minitorch_np._internal.numerics import add_rows, product, sum_rows

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

# All in lists: a change of an attribute of a class makes all uses of the class slower.
CHANGES = [0]  # how often an attribute of a layer, a loss or a class of ours was set, or a parameter was moved
STEPS_MADE = [0]  # by all optimizers
FORGOTTEN: list[tuple[int, ...]] = []  # shapes of parameters that get gradients and that no optimizer has


class CountsChanges(ABCMeta):
    """Class of classes whose attributes, methods among them, are counted in CHANGES when they are set."""

    def __setattr__(cls, name: str, value: Any) -> None:
        CHANGES[0] += 1
        super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        CHANGES[0] += 1
        super().__delattr__(name)


class Counted(metaclass=CountsChanges):
    """Base of layers and losses: their own attributes are counted too."""

    def __setattr__(self, name: str, value: Any) -> None:
        CHANGES[0] += 1
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        CHANGES[0] += 1
        super().__delattr__(name)


class Parameter(NDArrayOperatorsMixin):
    """`data` and `grad`, two arrays of one shape and dtype.

    A backward pass adds to the gradient with `add_product`, `add_sum`, `add_rows` or `add_grad`: the first
    one overwrites the array `grad`, a second one before it is used adds to it. An optimizer's `step()`
    consumes it, so that the next backward overwrites it. `has_grad` says whether there is one that
    was not consumed.

    Assigning to `data` or `grad` copies in, and refuses another shape or dtype. An optimizer that
    takes a parameter rebinds both to its own memory, side by side with the others: ask the parameter
    for `data` each time. An array held from before is read-only from then on, so that nothing is
    written into memory that nobody reads.

    A parameter is not an array itself: NumPy's functions and operators take `parameter.data`.
    """

    __slots__ = (
        "_begun",
        "_data",
        "_grad",
        "_second",
        "dtype",
        "has_grad",
        "is_mixed",
        "is_transposed_in_torch",
        "owner",
    )

    def __init__(self, data: Any) -> None:
        data = as_floats(data, None, "Parameter", "data")
        self.dtype = data.dtype
        keep_freed_memory()
        self._data: Array = aligned_zeros(data.size, data.dtype).reshape(data.shape)
        self._data[...] = data
        self._grad: Array | None = None
        self._second: Array | None = None  # see _scratch
        self.has_grad = False
        self._begun = 0  # how many steps were made when the gradient was begun
        self.is_mixed = False  # whether it was added to after a step that did not use it
        self.is_transposed_in_torch = False
        self.owner: object = None

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
                self.has_grad = self.is_mixed = False
            if not self.has_grad:
                self.has_grad = True
                self._begun = STEPS_MADE[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def size(self) -> int:
        return self._data.size

    def add_product(self, a: Array, b: Array) -> None:
        """Add the matrix product a b to the gradient; no other array of its size is made."""
        if self.has_grad:
            self._grad += product(a, b, out=self._scratch())
            self._note_a_step_between()
        else:
            product(a, b, out=self._grad if self._grad is not None else self.grad)
            self.has_grad = True
            self._begun = STEPS_MADE[0]

    def add_sum(self, a: Array) -> None:
        """Add the sum of the rows of `a`, its sum over the first axis, to the gradient."""
        if self.has_grad:
            self._grad += sum_rows(a, out=self._scratch())
            self._note_a_step_between()
        else:
            sum_rows(a, out=self._grad if self._grad is not None else self.grad)
            self.has_grad = True
            self._begun = STEPS_MADE[0]

    def add_rows(self, index: Array, rows: Array) -> None:
        """Add each of the rows to the row of the gradient that `index` says; no array of its size is made."""
        if not self.has_grad:
            self.grad[...] = 0
        add_rows(self.grad, index, rows)
        if self.has_grad:
            self._note_a_step_between()
        else:
            self.has_grad = True
            self._begun = STEPS_MADE[0]

    def add_grad(self, gradient: Array) -> None:
        """Add to the gradient."""
        gradient = self._fitting(gradient, "grad")
        if self.has_grad:
            self._grad += gradient
            self._note_a_step_between()
        else:
            self.grad = gradient

    def _note_a_step_between(self) -> None:
        """Note if an optimizer has made a step since the gradient was begun, and if none has this parameter."""
        if self._begun != STEPS_MADE[0] and not self.is_mixed:
            self.is_mixed = True
            if self.owner is None:
                FORGOTTEN.append(self.shape)

    def _scratch(self) -> Array:
        """Return the array, kept from step to step, for a gradient on its way to be added."""
        if self._second is None:
            self._second = np.empty_like(self._data)
        return self._second

    def zero_grad(self) -> None:
        """Throw the gradient away."""
        self.has_grad = self.is_mixed = False
        if self._grad is not None:
            self._grad[...] = 0

    def rebind(self, data: Array, grad: Array, owner: object) -> None:
        """Hold the numbers in these two flat arrays from now on; `owner` is what they belong to."""
        data, grad = data.reshape(self.shape), grad.reshape(self.shape)
        data[...] = self._data
        if self._grad is not None:
            grad[...] = self._grad
        CHANGES[0] += 1
        old = (self._data, self._grad)
        self.owner = None  # if it is interrupted here, whoever needs it next fetches it
        self._data, self._grad, self._second = data, grad, None
        self.dtype, self.owner = data.dtype, owner
        for array in old:  # last, so that an interrupt leaves none read-only that is in use
            if array is not None:
                array.flags.writeable = False

    def __getstate__(self) -> tuple[Any, ...]:
        return self._data, self._grad, self.has_grad, self.is_transposed_in_torch  # a copy has no owner

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        data, grad, has_grad, is_transposed = state
        Parameter.__init__(self, data)
        self.grad = grad
        self.has_grad, self.is_transposed_in_torch = has_grad, is_transposed

    def _fitting(self, value: Any, name: str) -> Array:
        array = as_floats(value, self.dtype, "Parameter", name)
        if array.shape != self.shape:
            fix = likely_fix(name, array.shape, self.shape)
            if name == "grad" and array.shape[array.ndim - len(self.shape) :] == self.shape:
                fix = ": sum it over the axes along which the parameter was broadcast, such as the batch"
            raise ValueError(f"Parameter expects {name} of shape {self.shape}, got {array.shape}{fix}")
        return array

    def _no_array(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"{self!r} is not an array: use its data, as in x @ layer.weight.data")

    __array__ = __array_ufunc__ = __array_function__ = __getitem__ = _no_array
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={str(self.dtype)!r})"


for _name in (
    "T",
    "argmax",
    "copy",
    "dot",
    "flatten",
    "max",
    "mean",
    "min",
    "ndim",
    "reshape",
    "std",
    "sum",
    "tolist",
):
    setattr(Parameter, _name, NameElsewhere(_name, f"an attribute of its array, .data.{_name}"))
