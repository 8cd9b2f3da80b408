"""Flat buffers: parameters side by side in memory, so that ten small ones are updated at the cost of one."""

from __future__ import annotations

import warnings
from itertools import accumulate
from typing import TYPE_CHECKING

from minitorch_np._internal.arrays import aligned_zeros

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.parameter import Parameter

BLOCK_BYTES = 128 * 1024  # a block, its gradient and what is computed from them stay in the L2 cache
GRAIN = 16  # elements; a parameter starts at a multiple of it, and so on a cache line

Block = tuple["Array", "Array", dict[str, "Array"]]


class FlatBuffers:
    """Flat arrays for parameters of one dtype: their data, their gradients, and an optimizer's states.

    Each parameter starts on a cache line of its own; what lies between stays zero. `parameter.data`
    and `.grad` become views of the flat arrays. If something else has rebound a parameter in the
    meantime (`astype`, another optimizer), it is fetched back before the next use.
    """

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        self.parameters = parameters
        self.states: dict[str, Array] = {}
        self.steps = [0] * len(self.parameters)
        self._gather()

    def _gather(self) -> None:
        dtypes = {str(p.dtype) for p in self.parameters}
        if len(dtypes) > 1:
            raise ValueError(
                f"an optimizer expects parameters of one dtype in a group, got {' and '.join(sorted(dtypes))}: "
                f"convert the model with astype, or make a group for each"
            )
        self.dtype = self.parameters[0].dtype
        starts = accumulate((-(-p.size // GRAIN) * GRAIN for p in self.parameters), initial=0)
        self.starts = list(starts)
        data, grad = self._zeros(), self._zeros()
        states = {name: self._zeros() for name in self.states}
        for name, state in states.items():
            state[...] = self.states[name]
        self._blocks: dict[tuple[int, int], list[Block]] = {}
        self.data, self.grad, self.states = data, grad, states
        for i, parameter in enumerate(self.parameters):  # one that an interrupt leaves out is fetched next time
            parameter.rebind(self.view(self.data, i), self.view(self.grad, i), owner=self)

    def _zeros(self) -> Array:
        return aligned_zeros(self.starts[-1], self.dtype)

    def view(self, flat: Array, i: int) -> Array:
        """Return the part of a flat array that belongs to parameter i, in its shape."""
        parameter = self.parameters[i]
        return flat[self.starts[i] : self.starts[i] + parameter.size].reshape(parameter.shape)

    def require(self, names: tuple[str, ...], start: float = 0.0) -> None:
        """Have a state for each of the names; a new one holds `start` everywhere."""
        new = {name: self._zeros() for name in names if name not in self.states}
        if new:
            for state in new.values():
                state += start
            self._blocks = {}
            self.states = {**self.states, **new}

    def restart(self, names: tuple[str, ...], start: float) -> None:
        """Start again with these states, where they can be in the same arrays, and with no steps made."""
        if {*names} == {*self.states}:
            for state in self.states.values():
                state[...] = start
        else:
            self._blocks = {}
            self.states = {}
            self.require(names, start)
        self.steps = [0] * len(self.parameters)

    def fetch(self) -> None:
        """Have all parameters in the flat arrays again, if something else has rebound one."""
        for parameter in self.parameters:
            if parameter.owner is not self:
                self._gather()

    def pending(self) -> tuple[list[tuple[int, list[Block]]], list[int]]:
        """Return the blocks whose gradients were not consumed, and the number of the step that consumes them.

        Parameters that stand side by side and have made equally many steps share blocks. Also returns
        what `steps` is after the step.
        """
        self.fetch()
        runs = []
        steps = list(self.steps)
        first, step = 0, 0  # of the run that goes on; 0: no gradients
        for i, parameter in enumerate(self.parameters):
            now = 0
            if parameter.has_grad:
                now = steps[i] = steps[i] + 1
                if parameter.is_mixed:
                    self._warn_of_mixed_gradients()
            if now != step:
                if step:
                    runs.append((step, self._between(first, i)))
                first, step = i, now
        if step:
            runs.append((step, self._between(first, len(self.parameters))))
        return runs, steps

    def consume(self, steps: list[int] | None) -> None:
        """Mark all gradients as consumed; `steps` is how many each parameter has made, if that has changed."""
        if steps is not None:
            self.steps = steps
        for parameter in self.parameters:
            parameter.has_grad = False

    def _warn_of_mixed_gradients(self) -> None:
        mixed = [parameter for parameter in self.parameters if parameter.is_mixed]
        for parameter in mixed:
            parameter.is_mixed = False
        shapes = ", ".join(str(parameter.shape) for parameter in mixed)
        warnings.warn(
            f"the gradients of shape {shapes} were begun before a step of another "
            "optimizer and added to after it: call model.zero_grad() after that step, unless this is meant",
            UserWarning,
            stacklevel=5,
        )

    def _between(self, first: int, end: int) -> list[Block]:
        if (first, end) not in self._blocks:
            self._blocks[first, end] = self._cut(self.starts[first], self.starts[end])
        return self._blocks[first, end]

    def _cut(self, start: int, end: int) -> list[Block]:
        size = BLOCK_BYTES // self.dtype.itemsize
        cuts = [slice(at, min(at + size, end)) for at in range(start, end, size)]
        return [
            (self.data[c], self.grad[c], {name: state[c] for name, state in self.states.items()}) for c in cuts
        ]
