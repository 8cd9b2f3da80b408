"""Every array on its way through a network and back, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.notebook import table_html
from minitorch_np._internal.reprs import text_table
from minitorch_np._internal.watching import watched
from minitorch_np.layer import Layer
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.parameter import Parameter
from minitorch_np.study.arguments import loss_and_data
from minitorch_np.study.snapshot import Snapshot

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.module import Module


HEADER = ("name", "shape", "smallest", "largest", "NaN or infinite")


class Trace(Mapping[str, "Array"]):
    """Copies of all arrays of one pass by name, in the order in which they were computed.

    `x` is the input and `y` the output of the network, `0` the output of layer 0, `0.weight` its
    parameter, `loss` the value of the loss; `grad y`, `grad 0`, `grad 0.weight`, `grad x` are the
    gradients with respect to them. `f.x` is the input of layer f, and `grad f.x` what f returned for
    it, where these have no name yet: a layer f inside one that does arithmetic of its own. What comes
    a second time has ` #2` after its name. `str` is a table.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> Array:
        if name not in self._arrays:
            raise KeyError(f"{name!r} is not in this trace; it has {', '.join(self._arrays)}")
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def nonfinite(self) -> list[str]:
        """The names of the arrays that hold a NaN or an infinity, in the order of computation."""
        return [name for name, array in self._arrays.items() if not np.isfinite(array).all()]

    def __str__(self) -> str:
        return text_table(HEADER, self._rows())

    def _repr_html_(self) -> str:
        return table_html(HEADER, self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        return [(name, *_cells(array)) for name, array in self._arrays.items()]


def _cells(array: Array) -> tuple[str, ...]:
    finite = array[np.isfinite(array)]
    extremes = (f"{finite.min():.4g}", f"{finite.max():.4g}") if finite.size else ("", "")
    return str(array.shape), *extremes, f"{array.size - finite.size:,}"


def trace(model: Layer, loss: Any = None, x: Any = None, y: Any = None, *, dy: Any = None) -> Trace:
    """Copy the arrays of model(x), and those of a backward pass from a loss or from a given dy.

    With `trace(model, loss, x, y)` the gradients are those of loss(model(x), y). With `dy` alone,
    `trace(model, x, dy=dy)`, they are those of Σ y · dy; with all of them those of Σ loss(...) · dy, for a
    loss with reduction "none". With neither there is no backward pass.

    The gradients are those of this pass alone, even if there were others before. Afterwards model and
    loss are as they were: weights, gradients, what was kept, random generators, running statistics.
    Warnings of NumPy about overflow and NaN are left out, for `nonfinite` says where they are.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"trace expects a layer or a network, got {model!r}")
    loss, x, target = loss_and_data("trace", loss, x, y)
    snapshot = Snapshot((model, loss))
    try:
        recorder = _Recorder(model)
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with quiet, watched(model, forward=recorder.forward, backward=recorder.backward):
            prediction = model(x.copy() if isinstance(x, np.ndarray) else x)
            if loss is not None:
                recorder.put("loss", loss(prediction, target))
                if dy is not None:
                    recorder.put("grad loss", dy)
                dy = loss.backward() if dy is None else loss.backward(dy)
            if dy is not None:
                recorder.run_backward(dy)
    finally:
        snapshot.restore()
        snapshot.restore_parameters()
    return Trace(recorder.arrays)


class _Recorder:
    """The arrays that come by in the forward and backward of each layer."""

    def __init__(self, model: Layer) -> None:
        self.model: Any = model
        self.arrays: dict[str, Array] = {}
        self.named: dict[int, object] = {}  # the arrays of forward that have a name; holding keeps the id
        self.returned: tuple[str, Any] = "", None  # the last dx, and the name it has so far

    def put(self, name: str, array: Any) -> str:
        """Record a copy; returns the name that was free."""
        free, count = name, 1
        while free in self.arrays:
            count += 1
            free = f"{name} #{count}"
        self.arrays[free] = np.array(array)
        return free

    def forward(self, name: str, layer: Module, run: Callable[[], Any], x: Any) -> Any:
        if id(x) not in self.named:
            self.put(_inside(name, "x"), x)
            self.named[id(x)] = x
        for attribute, parameter in _own_parameters(layer):
            self.arrays[_inside(name, attribute)] = parameter.data.copy()
        y = run()
        self.put(name or "y", y)
        self.named[id(y)] = y
        return y

    def backward(self, name: str, layer: Module, run: Callable[[], Any], dy: Any) -> Any:
        self.put_gradient(name or "y", dy)
        dx = run()
        for attribute, parameter in _own_parameters(layer):
            if parameter.has_grad:
                self.arrays[f"grad {_inside(name, attribute)}"] = parameter.grad  # a place; copied at the end
        if dx is not None:
            self.returned = self.put_gradient(_inside(name, "x"), dx), dx
        return dx

    def put_gradient(self, name: str, array: Any) -> str:
        """Record a gradient; one that a layer returned and that is handed on has its name from here."""
        before, returned = self.returned
        if array is returned and returned is not None:
            self.arrays.pop(before, None)
            self.returned = "", None
        return self.put(f"grad {name}", array)

    def run_backward(self, dy: Any) -> None:
        for parameter in self.model.parameters():
            parameter.zero_grad()
        input_gradient(self.model, dy)
        for name, parameter in self.model.named_parameters():
            if parameter.has_grad:  # after all who share it
                self.arrays[f"grad {name}"] = parameter.grad.copy()


def _inside(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _own_parameters(layer: Module) -> Iterator[tuple[str, Parameter]]:
    for name, value in vars(layer).items():
        if isinstance(value, Parameter):
            yield name, value
