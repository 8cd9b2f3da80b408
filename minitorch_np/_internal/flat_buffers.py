"""Flat buffers: parameters side by side in memory, so that ten small ones are updated at the cost of one."""

from __future__ import annotations

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
        self.data, self.grad = self._zeros(), self._zeros()
        for i, parameter in enumerate(self.parameters):
            parameter.rebind(self.view(self.data, i), self.view(self.grad, i), owner=self)
        for name, old in self.states.items():
            self.states[name] = self._zeros()
            self.states[name][...] = old
        self._blocks: dict[tuple[int, int], list[Block]] = {}

    def _zeros(self) -> Array:
        return aligned_zeros(self.starts[-1], self.dtype)

    def view(self, flat: Array, i: int) -> Array:
        """Return the part of a flat array that belongs to parameter i, in its shape."""
        parameter = self.parameters[i]
        return flat[self.starts[i] : self.starts[i] + parameter.size].reshape(parameter.shape)

    def require(self, names: tuple[str, ...], start: float = 0.0) -> None:
        """Have a state for each of the names; a new one holds `start` everywhere."""
        for name in names:
            if name not in self.states:
                self.states[name] = self._zeros()
                self.states[name] += start
                self._blocks.clear()

    def reset(self) -> None:
        """Start again, without states and with no steps made."""
        self.states.clear()
        self.steps = [0] * len(self.parameters)
        self._blocks.clear()

    def pending(self, count: bool = True) -> list[tuple[int, list[Block]]]:
        """Return the blocks whose gradients were not consumed, and the number of the step that consumes them.

        Mark the gradients as consumed, and count the step if told to. Parameters that stand side by
        side and have made equally many steps share blocks.
        """
        for parameter in self.parameters:
            if parameter.owner is not self:
                self._gather()
        runs = []
        first, step = 0, 0  # of the run that goes on; 0: no gradients
        for i, parameter in enumerate(self.parameters):
            now = 0
            if parameter.has_grad:
                parameter.has_grad = False
                now = self.steps[i] + 1
                if count:
                    self.steps[i] = now
            if now != step:
                if step:
                    runs.append((step, self._between(first, i)))
                first, step = i, now
        if step:
            runs.append((step, self._between(first, len(self.parameters))))
        return runs

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
