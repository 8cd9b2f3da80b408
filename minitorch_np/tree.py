"""What hangs on a layer: its parameters, the layers inside it, and their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from minitorch_np.arrays import aligned_zeros, float_dtype
from minitorch_np.parameter import Parameter
from minitorch_np.state import StateMismatch, fitting_state

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

    from minitorch_np.arrays import Array


class Tree:
    """Parameters and layers that are attributes are found by themselves.

    They come in the order in which they were first assigned, named by their attributes, with dots
    between the levels as in torch: `0.weight`.
    """

    training: bool = True
    _dtype: np.dtype[Any] | None = None  # of this layer's own parameters

    def named_children(self) -> Iterator[tuple[str, Tree]]:
        """The layers directly inside this one, by name."""
        for name, value in vars(self).items():
            if isinstance(value, Tree):
                yield name, value

    def children(self) -> Iterator[Tree]:
        """The layers directly inside this one."""
        return (child for _, child in self.named_children())

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Tree]]:
        """This layer and all below it, by dotted name; refuses one object at two places."""
        seen: dict[int, str] = {}
        pending: list[tuple[str, Tree]] = [(prefix, self)]
        while pending:
            name, layer = pending.pop()
            if id(layer) in seen:
                raise ValueError(
                    f"{layer!r} stands at two places of a network, {seen[id(layer)]!r} and {name!r}: a layer "
                    f"keeps what its backward needs, so make a second one (copy.deepcopy gives equal weights)"
                )
            seen[id(layer)] = name
            yield name, layer
            inner = [(f"{name}.{child}" if name else child, value) for child, value in layer.named_children()]
            pending += reversed(inner)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """The parameters by torch's names, in the order of definition."""
        for layer_name, layer in self.named_layers(prefix):
            for name, value in vars(layer).items():
                if isinstance(value, Parameter):
                    yield f"{layer_name}.{name}" if layer_name else name, value

    def parameters(self) -> Iterator[Parameter]:
        """The parameters, in the order of definition."""
        return (parameter for _, parameter in self.named_parameters())

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The dtype of the parameters; None where there are none."""
        return next((parameter.dtype for parameter in self.parameters()), None)

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; returns the layer."""
        for _, layer in self.named_layers():
            layer.training = mode
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert every parameter to float64 or float32, in place as torch's `to`; returns the layer."""
        dtype = float_dtype(dtype)
        for _, layer in self.named_layers():
            vars(layer).pop("_kept", None)  # of the old precision
            for value in vars(layer).values():
                if isinstance(value, Parameter) and value.dtype != dtype:
                    value.move(aligned_zeros(value.size, dtype), aligned_zeros(value.size, dtype), home=None)
                    layer._dtype = dtype
        return self

    def zero_grad(self) -> None:
        """Throw all gradients away (a training loop needs no such call: `step()` uses them up)."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters, by torch's names."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> StateMismatch:
        """Copy the arrays of `state` into the parameters of the same names.

        What does not fit (a missing or unexpected key, a wrong shape) is listed in one ValueError,
        and nothing is changed. With `strict=False` keys may be missing or unexpected; they are
        returned. torch's Linear stores the transposed weight: pass `weight.T`.
        """
        parameters = dict(self.named_parameters())
        current = {name: parameter.data for name, parameter in parameters.items()}
        arrays, mismatch = fitting_state(repr(self), current, state, strict)
        for name, array in arrays.items():
            parameters[name].data = array
        return mismatch

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, Parameter) and not isinstance(value, Parameter | None):
            raise TypeError(
                f"{name} of {self!r} is a Parameter: assign the array to its data, .{name}.data = ..."
            )
        if isinstance(old, Tree) and not isinstance(value, Tree | None):
            raise TypeError(f"{name} of {self!r} is a layer, got {type(value).__name__}")
        if isinstance(value, Parameter):
            if isinstance(old, Parameter) and old.shape != value.shape:
                raise ValueError(
                    f"{name} of {self!r} has shape {old.shape}, got a Parameter of shape {value.shape}"
                )
            others = [v for n, v in vars(self).items() if isinstance(v, Parameter) and n != name]
            if any(other.dtype != value.dtype for other in others):
                raise TypeError(f"{name} of {self!r} is {value.dtype}, its other parameters {others[0].dtype}")
            super().__setattr__("_dtype", value.dtype)
        super().__setattr__(name, value)
