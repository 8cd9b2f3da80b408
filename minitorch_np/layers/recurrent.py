"""Recurrent layers: step by step through time, with the same weights at each step."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import float_dtype
from minitorch_np._internal.validation import batch_comes_first, flag, fraction, whole
from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array


class Recurrent(Layer):
    """A stack of layers, each of which goes through time in one direction or in both.

    A subclass says what a step does. The inputs of all steps are multiplied by W at once beforehand, which
    leaves one product a step, that with the state before it. On the way back the weights' gradients, sums over
    all steps, are again one product each.

    Arrays are (T, N, ...) in here, so that a step is one block of memory, and in the order in which a direction
    goes through them.
    """

    why_x_alone = ": the state before the first step is 0"
    gates = 1  # sums that a hidden unit computes at each step
    rng: np.random.Generator | None = None  # of dropout

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        return_sequences: bool = True,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = whole(name, "input_size", input_size, 1)
        self.hidden_size = whole(name, "hidden_size", hidden_size, 1)
        self.num_layers = whole(name, "num_layers", num_layers, 1)
        self.bias = flag(name, "bias", bias)
        self.batch_first = batch_comes_first(name, batch_first)
        self.dropout = fraction(name, "dropout", dropout)
        self.bidirectional = flag(name, "bidirectional", bidirectional)
        self.return_sequences = flag(name, "return_sequences", return_sequences)
        if self.dropout and self.num_layers == 1:
            raise ValueError(
                f"{name} expects num_layers of 2 or more with dropout, which is between them, got 1"
            )
        rng, dtype = np.random.default_rng(rng), float_dtype(dtype)
        if self.dropout:
            self.rng = rng
        self._directions = ("", "_reverse") if self.bidirectional else ("",)
        rows, bound = self.gates * self.hidden_size, self.hidden_size**-0.5
        for layer in range(self.num_layers):
            columns = self.hidden_size * len(self._directions) if layer else self.input_size
            for direction in self._directions:
                shapes = (rows, columns), (rows, self.hidden_size), (rows,), (rows,)
                for attribute, shape in zip(_names(layer, direction), shapes, strict=True):
                    exists = self.bias or len(shape) == 2
                    drawn = Parameter(rng.uniform(-bound, bound, shape).astype(dtype)) if exists else None
                    setattr(self, attribute, drawn)

    @abstractmethod
    def through_time(
        self, products: Array, weight: Array, bias: Array | None
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return the states h_0 … h_T, (T + 1, N, hidden_size), and what else `back_through_time` needs.

        `products` are p[t] = x[t] Wᵀ + b of all steps, (T, N, gates · hidden_size), `weight` is U, `bias` v.
        """

    @abstractmethod
    def back_through_time(self, dh: Array, weight: Array, h: Array, *saved: Array) -> tuple[Array, Array]:
        """Return the gradients of p[t] = x[t] Wᵀ + b and of q[t] = h[t−1] Uᵀ + v, each of all steps.

        dh is the part of the gradient of the states h_1 … h_T that comes from outside the layer.
        """

    def forward(self, x: Array) -> Array:
        x = self.check_input(x, (None, None, self.input_size))
        if x.shape[1] == 0:
            self.clear_saved()
            raise ValueError(f"{self!r} expects one time step or more, got x of shape {x.shape}")
        inputs = x.transpose(1, 0, 2)  # time first
        saved: list[Any] = []
        masks: list[Array | None] = []
        for layer in range(self.num_layers):
            if layer > 0:
                inputs, mask = self._dropped(inputs)
                masks.append(mask)
            states = []
            for direction in self._directions:
                weight, recurrent, bias, recurrent_bias = self._parameters_of(layer, direction)
                seen = inputs[::-1] if direction else inputs
                rows = seen.reshape(-1, seen.shape[2])
                products = rows.dot(weight.data.T)
                if bias is not None:
                    products += bias.data
                h, others = self.through_time(
                    products.reshape(*seen.shape[:2], products.shape[1]),
                    recurrent.data,
                    None if recurrent_bias is None else recurrent_bias.data,
                )
                states.append(h)
                saved.append((rows, h, others))
            inputs = states[0][1:]
            if self.bidirectional:
                inputs = np.concatenate([inputs, states[1][:0:-1]], axis=2)
        if self.return_sequences:
            y = np.ascontiguousarray(inputs.transpose(1, 0, 2))
        else:
            y = np.concatenate([h[-1] for h in states], axis=1)  # where each direction ends
        self.save_for_backward(saved, masks, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        dx = self._input_gradient(0, self._parameter_gradients(dy))
        return np.ascontiguousarray(dx.transpose(1, 0, 2))

    def backward_parameters(self, dy: Array) -> None:
        self._parameter_gradients(dy)

    def _parameter_gradients(self, dy: Array) -> list[Array]:
        """Add the gradients of all weights; return those of the first layer's products, one a direction."""
        dy, saved, masks = self.saved(dy)
        size = self.hidden_size
        if self.return_sequences:
            dh = dy.transpose(1, 0, 2)
        else:
            dh = np.zeros((len(saved[0][1]) - 1, *dy.shape), dy.dtype)
            dh[-1, :, :size] = dy[:, :size]
            dh[0, :, size:] = dy[:, size:]  # where the other direction ends
        for layer in reversed(range(self.num_layers)):
            gradients = []
            for i, direction in enumerate(self._directions):
                weight, recurrent, bias, recurrent_bias = self._parameters_of(layer, direction)
                rows, h, others = saved[layer * len(self._directions) + i]
                part = dh
                if self.bidirectional:
                    part = dh[::-1, :, size:] if direction else dh[:, :, :size]
                dp, dq = self.back_through_time(part, recurrent.data, h, *others)
                gradients.append(dp)
                dp, dq = dp.reshape(-1, dp.shape[2]), dq.reshape(-1, dq.shape[2])
                weight.add_product(dp.T, rows)  # transposed: the product sums over all steps and samples
                recurrent.add_product(dq.T, h[:-1].reshape(-1, size))  # the states before each step
                if bias is not None and recurrent_bias is not None:
                    bias.add_sum(dp)  # all steps and samples share the bias
                    recurrent_bias.add_sum(dq)
            if layer > 0:
                dh = self._input_gradient(layer, gradients)
                mask = masks[layer - 1]
                dh = dh if mask is None else dh * mask
        return gradients

    def _input_gradient(self, layer: int, gradients: Sequence[Array]) -> Array:
        """The gradient of what went into a layer, (T, N, ...), from that of its products with W."""
        parts = []
        for dp, direction in zip(gradients, self._directions, strict=True):
            weight = self._parameters_of(layer, direction)[0].data
            part = dp.reshape(-1, dp.shape[2]).dot(weight).reshape(*dp.shape[:2], weight.shape[1])
            parts.append(part[::-1] if direction else part)
        return parts[0] + parts[1] if self.bidirectional else parts[0]  # both directions see the same input

    def _dropped(self, inputs: Array) -> tuple[Array, Array | None]:
        """What goes from one layer to the next, and its mask."""
        if not self.training or self.dropout == 0 or self.rng is None:
            return inputs, None
        scale = 1 / (1 - self.dropout) if self.dropout < 1 else 0.0
        mask = scale * (self.rng.random(inputs.shape) >= self.dropout).astype(inputs.dtype)
        return inputs * mask, mask

    def _parameters_of(self, layer: int, direction: str) -> Any:
        """W, U, b and v of a layer in one direction."""
        return [getattr(self, attribute) for attribute in _names(layer, direction)]

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        weights = sum(p.size for p in self.parameters() if len(p.shape) == 2)
        return x_shape[0] * x_shape[1] * weights  # every weight once for each sample and step


def _names(layer: int, direction: str) -> tuple[str, ...]:
    """The attributes of W, U, b and v, as torch calls them."""
    end = f"_l{layer}{direction}"
    return f"weight_ih{end}", f"weight_hh{end}", f"bias_ih{end}", f"bias_hh{end}"
