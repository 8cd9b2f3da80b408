"""The contract of an activation: a function and its derivative, elementwise."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from minitorch_np.layer import Layer

if TYPE_CHECKING:
    from minitorch_np.arrays import Array


class Activation(Layer):
    """y = function(x), and dx = dy · derivative(x, y).

    A subclass writes these two and nothing else; they take and return arrays of one shape and
    dtype. Given both x and y, a derivative can use whichever is cheaper.
    """

    @abstractmethod
    def function(self, x: Array) -> Array: ...

    @abstractmethod
    def derivative(self, x: Array, y: Array) -> Array: ...

    def gradient(self, dy: Array, x: Array, y: Array) -> Array:
        """dx; here for the few that can say it better than as a product."""
        return dy * self.derivative(x, y)

    def forward(self, x: Array) -> Array:
        x = self.expect(x)
        y = self.function(x)
        if y.dtype is not x.dtype or y.shape != x.shape:
            self._expect_like(x, y, "function")
        self.keep(x, y, output=y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        dy, x, y = self.kept(dy)
        if not input_grad:
            return None
        dx = self.gradient(dy, x, y)
        if dx.dtype is not x.dtype or dx.shape != x.shape:
            self._expect_like(x, dx, "derivative")
        return dx

    def _expect_like(self, x: Array, result: Array, maker: str) -> None:
        if result.dtype != x.dtype or result.shape != x.shape:
            raise TypeError(
                f"{self!r}.{maker} must keep shape and dtype, but x is {x.dtype} {x.shape} and the result "
                f"{result.dtype} {result.shape}: are its constants Python numbers, its operations elementwise?"
            )
