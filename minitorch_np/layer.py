"""The contract of a layer: y = forward(x), and back again dx = backward(dy).

dy is the gradient of the loss with respect to y, dx the one with respect to x. The chain rule turns
one into the other, layer by layer from the loss back to the data, and on the way every layer leaves
its parameters' gradients in `parameter.grad`:

    dy = loss.backward()
    for layer in reversed(layers):
        dy = layer.backward(dy)

That is all there is to backpropagation; `Sequential` is this loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from minitorch_np.arrays import FLOATS, as_floats, shape_text
from minitorch_np.text import call_text
from minitorch_np.tree import Tree

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


class Layer(Tree, ABC):
    """Base of all layers; a subclass writes `forward` and `backward`.

    - `forward(x)` returns y and keeps what the backward pass needs; `layer(x)` is `forward`.
    - `backward(dy)` puts the parameters' gradients into their `grad`, uses up what was kept and
      returns dx. `input_grad=False` tells it that nobody needs dx, which it may then leave out and
      return None; the argument is optional.
    - Neither writes into its argument, nor into an array that it returned before. What is kept is
      not copied: leave x and y as they are until the backward pass.
    """

    _kept: tuple[tuple[int, ...], np.dtype[Any], tuple[Any, ...]] | None = None
    takes_input_grad = True  # whether backward has that argument; containers ask

    @abstractmethod
    def forward(self, x: Array) -> Array: ...

    @abstractmethod
    def backward(self, dy: Array, input_grad: bool = True) -> Array | None: ...

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int | None:
        """How often forward multiplies and adds, of its own and without the layers inside it.

        It counts the terms of the sums of products, as in x W; elementwise work counts as none. None:
        the layer does not say.
        """
        return None

    def expect(self, x: Any, shape: tuple[Any, ...] | None = None) -> Array:
        """x as an array of this layer's dtype, or an error that says what is wrong with it.

        `shape` holds sizes; a leading `...` stands for any number of axes, None for any size.
        """
        dtype = self._dtype
        if type(x) is not ndarray or (x.dtype is not dtype and (dtype or x.dtype not in FLOATS)):
            self._kept = None
            x = as_floats(x, dtype, self, "x")
        if not _fits(x.shape, shape) if shape else x.ndim == 0:
            self._kept = None
            shape = shape or (..., "...")
            raise ValueError(
                f"{self!r} expects x of shape {shape_text(shape)}, got {x.shape}{_likely_fix(x, shape)}"
            )
        return x

    def expect_axis(self, x: Any, dim: int) -> Array:
        """`expect`, for an x that has an axis `dim`."""
        x = self.expect(x)
        if not -x.ndim <= dim < x.ndim:
            self._kept = None
            raise ValueError(f"{self!r} expects x to have an axis {dim}, got x of shape {x.shape}")
        return x

    def keep(self, *values: Any, output: Array) -> None:
        """Remember `values` for the backward pass, and that dy must be like `output`."""
        self.__dict__["_kept"] = (output.shape, output.dtype, values)  # as self._kept = ..., faster

    def kept(self, dy: Any) -> tuple[Any, ...]:
        """dy, checked, and the values that forward kept; uses them up."""
        if self._kept is None:
            raise RuntimeError(f"{self!r} has nothing kept: call forward before each backward")
        shape, dtype, values = self._kept
        if type(dy) is not ndarray or dy.dtype is not dtype:
            if dy is None:
                raise TypeError(
                    f"{self!r} expects dy of shape {shape}, got None: does the layer after it return dx?"
                )
            dy = as_floats(dy, dtype, self, "dy")
        if dy.shape != shape:
            raise ValueError(f"{self!r} expects dy of shape {shape}, that of its output, got {dy.shape}")
        self.__dict__["_kept"] = None
        return (dy, *values)

    def __init_subclass__(cls, **options: Any) -> None:
        """Find out whether this class's backward has the argument input_grad."""
        super().__init_subclass__(**options)
        code = getattr(cls.backward, "__code__", None)
        if code is not None:
            cls.takes_input_grad = "input_grad" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._dtype is not None:  # NumPy's own object again, which arrays have: a copy is another
            vars(self)["_dtype"] = np.dtype(self._dtype.str)

    def __repr__(self) -> str:
        return call_text(self)


def _fits(sizes: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    if shape[0] is ...:
        if sizes[1 - len(shape) :] == shape[1:]:
            return True
        sizes, shape = sizes[max(0, len(sizes) - len(shape) + 1) :], shape[1:]
    return len(sizes) == len(shape) and all(e in (None, s) for s, e in zip(sizes, shape, strict=True))


def _likely_fix(x: Array, shape: tuple[Any, ...]) -> str:
    wanted = shape[-1]
    if not isinstance(wanted, int):
        return ""
    if x.ndim == 2 and x.shape[0] == wanted:
        return ": transposed? (x.T)"
    if x.ndim > 2 and int(np.prod(x.shape[1:])) == wanted:
        return ": flatten each sample with x.reshape(len(x), -1)"
    if wanted == 1:
        return ": a column of numbers is x.reshape(-1, 1)"
    return ""
