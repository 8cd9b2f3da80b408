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

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from minitorch_np._internal.arrays import FLOATS, as_floats, as_indices, likely_fix, shape_text
from minitorch_np._internal.reprs import call_text
from minitorch_np.module import Module

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Layer(Module):
    """Base of all layers; a subclass writes `forward` and `backward`.

    - `forward(x)` returns y and saves what the backward pass needs; `layer(x)` is `forward`.
    - `backward(dy)` adds the parameters' gradients to their `grad`, consumes what was saved and
      returns dx.
    - `backward_parameters(dy)` does the same without dx. A network calls it on its first layer, whose
      dx nobody needs. Override it if dx costs something, as in `Linear`.
    - None of them writes into its argument, nor into an array that it returned before. What is saved
      is not copied: leave x and y as they are until the backward pass.

    A layer of your own, y = s · x with a learned s:

        class Scale(Layer):
            def __init__(self):
                self.scale = Parameter(np.ones(1))

            def forward(self, x):
                x = self.check_input(x)
                y = self.scale.data * x
                self.save_for_backward(x, output=y)
                return y

            def backward(self, dy):
                dy, x = self.saved(dy)
                self.scale.add_grad((dy * x).sum(keepdims=True).reshape(1))
                return self.scale.data * dy

    Two tools read what you write. `explain` takes its formulas from the docstring: the first line,
    `y = x W + b.` (of an Activation `y = …, dy/dx = ….`); after `Shapes:` the axes of x, y and of each
    parameter with its letter, `x (..., in) -> y (..., out), weight W (in, out)`, and of variables that
    forward saves; after `Backward:` the sentences with `dW = xᵀ dy` or `db = Σ_n dy_n` in them; a blank
    line, `Raises` or `Source:` ends both. `handwritten` takes the statements of forward and backward
    themselves, and the comments that stand at the ends of their lines.

    An attribute that is an array of floats and changes while training is either a Parameter (learned)
    or a buffer (named in `buffer_names`): only these are saved, converted and written out.
    """

    takes_numbers: bool = False  # arrays of no axes too
    index_count: int | None = None  # x are integers from 0 to that number − 1; None: floats
    why_x_alone: str = ""  # end of the message for a call with more than x
    passes_integers: bool = False  # moves numbers about: integers stay integers, for an Embedding after it

    _saved: tuple[tuple[int, ...], np.dtype[Any], tuple[Any, ...]] | None = None

    @abstractmethod
    def forward(self, x: Array) -> Array: ...

    @abstractmethod
    def backward(self, dy: Array) -> Array: ...

    def backward_parameters(self, dy: Array) -> None:
        """`backward` without its result."""
        self.backward(dy)

    def __call__(self, x: Array, *others: Any) -> Array:
        if others:
            raise TypeError(f"{self!r} takes x alone, got {1 + len(others)} arguments{self.why_x_alone}")
        return self.forward(x)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int | None:
        """Return how often forward multiplies and adds, without the layers inside it.

        It counts the terms of the sums of products, as in x W; elementwise work counts as none. None:
        the layer does not say.
        """
        return None

    def check_input(self, x: Any, shape: tuple[Any, ...] | None = None) -> Array:
        """Return x as an array of this layer's dtype; raise an error that says what is wrong with it.

        `shape` holds sizes; a leading `...` stands for any number of axes, None for any size.
        """
        dtype = self._dtype
        if type(x) is not ndarray or (
            x.dtype is not dtype and (x.dtype != dtype if dtype else x.dtype not in FLOATS)
        ):
            self._saved = None
            if not (self.passes_integers and self.takes_integers(x)):
                x = as_floats(x, dtype, self, "x")
        if not _fits(x.shape, shape) if shape else x.ndim == 0 and not self.takes_numbers:
            self._saved = None
            shape = shape or (..., "...")
            fix = likely_fix("x", x.shape, shape)
            raise ValueError(f"{self!r} expects x of shape {shape_text(shape)}, got {x.shape}{fix}")
        return x

    def takes_integers(self, x: Any) -> bool:
        """Return whether x is left to the layers inside: indices, or integers that are only moved about."""
        if self.index_count is not None:
            return True
        return self.passes_integers and isinstance(x, ndarray) and x.dtype.kind in "iu"

    def check_indices(self, x: Any) -> Array:
        """Return x as an array of integers below `index_count`; raise an error that says what is wrong."""
        try:
            return as_indices(x, self.index_count or 0, self, "x")
        except (TypeError, ValueError):
            self._saved = None
            raise

    def check_input_axis(self, x: Any, dim: int) -> Array:
        """`check_input`, for an x that has an axis `dim`."""
        x = self.check_input(x)
        if not -x.ndim <= dim < x.ndim:
            self._saved = None
            raise ValueError(f"{self!r} expects x to have an axis {dim}, got x of shape {x.shape}")
        return x

    def save_for_backward(self, *values: Any, output: Array) -> None:
        """Save `values` for the backward pass, and that dy must have the shape and dtype of `output`."""
        self.__dict__["_saved"] = (output.shape, output.dtype, values)  # as self._saved = ..., faster

    def saved(self, dy: Any) -> tuple[Any, ...]:
        """Return dy, checked, and the values that forward saved; consumes them."""
        if self._saved is None:
            raise RuntimeError(f"{self!r} has nothing saved: call forward before each backward")
        shape, dtype, values = self._saved
        if type(dy) is not ndarray or (dy.dtype is not dtype and dy.dtype != dtype):
            if dy is None:
                raise TypeError(
                    f"{self!r} expects dy of shape {shape}, got None: does the layer after it return dx?"
                )
            dy = as_floats(dy, dtype if dtype in FLOATS else None, self, "dy")
        if dy.shape != shape:
            raise ValueError(f"{self!r} expects dy of shape {shape}, that of its output, got {dy.shape}")
        self.__dict__["_saved"] = None
        return (dy, *values)

    def clear_saved(self) -> None:
        """Drop what forward saved, here and in the layers inside."""
        for _, layer in self.named_modules():
            vars(layer).pop("_saved", None)

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a class that overrides `backward` alone not inherit a `backward_parameters` that bypasses it."""
        super().__init_subclass__(**options)
        if "backward" in vars(cls) and "backward_parameters" not in vars(cls):
            cls.backward_parameters = Layer.backward_parameters  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_saved"}

    def __repr__(self) -> str:
        return call_text(self)


def _fits(sizes: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    if shape[0] is ...:
        if sizes[1 - len(shape) :] == shape[1:]:
            return True
        sizes, shape = sizes[max(0, len(sizes) - len(shape) + 1) :], shape[1:]
    return len(sizes) == len(shape) and all(e in (None, s) for s, e in zip(sizes, shape, strict=True))
