"""Rollback: all that a step changes, to put it back, and to compare two ways to make it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.parameter import FORGOTTEN, STEPS_MADE, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from minitorch_np.compiled.plan import Held
    from minitorch_np.layer import Layer
    from minitorch_np.optimizers.optimizer import Optimizer


class Rollback:
    """All that a step changes: parameters, gradients, the optimizer's states, what layers hold.

    One that is `live` holds the arrays themselves, to compare what is there now with another one.
    """

    def __init__(
        self, model: Layer, optimizer: Optimizer | None, held: Iterable[Held], live: bool = False
    ) -> None:
        taken: Callable[[Any], Any] = (lambda value: value) if live else copied
        parts = [(layer, vars(layer)) for layer in model.modules()]
        parameters = [p for _, attributes in parts for p in attributes.values() if isinstance(p, Parameter)]
        self.parameters = [
            (p, taken(p.data), taken(p.grad), (p.has_grad, p._begun, p.is_mixed)) for p in parameters
        ]
        groups = [] if optimizer is None else optimizer._groups
        self.groups = [
            (g.buffers, list(g.buffers.steps), {k: taken(a) for k, a in g.buffers.states.items()})
            for g in groups
        ]
        self.attributes = [
            (layer, {k: taken(v) for k, v in attributes.items() if _is_state(v)}) for layer, attributes in parts
        ]
        self.held = [(each, taken(each.now())) for each in held]
        self.made, self.forgotten = STEPS_MADE[0], list(FORGOTTEN)

    def restore(self) -> None:
        STEPS_MADE[0], FORGOTTEN[:] = self.made, self.forgotten
        for p, data, grad, (has_grad, begun, is_mixed) in self.parameters:
            p.data[...] = data
            p.grad[...] = grad
            p.has_grad, p._begun, p.is_mixed = has_grad, begun, is_mixed
        for buffers, steps, states in self.groups:
            buffers.steps = steps
            for key, array in states.items():
                buffers.states[key][...] = array
        for layer, attributes in self.attributes:
            for key, value in attributes.items():
                _put_back(vars(layer), key, value)
        for held, value in self.held:
            held.put_back(value)

    def equals(self, other: Rollback) -> bool:
        mine, theirs = self._values(), other._values()
        return len(mine) == len(theirs) and all(map(_has_bits, mine, theirs))

    def _values(self) -> list[Any]:
        found: list[Any] = [array for _, data, grad, _ in self.parameters for array in (data, grad)]
        for _, steps, states in self.groups:
            found += [steps, *states, *states.values()]
        for _, attributes in self.attributes:
            found += [*attributes, *attributes.values()]
        return found + [value for _, value in self.held]


def _is_state(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.random.Generator)


def _put_back(holder: Any, key: Any, value: Any) -> None:
    now = holder[key]
    if isinstance(value, np.random.Generator):
        now.bit_generator.state = value.bit_generator.state
    elif isinstance(now, np.ndarray) and now.shape == value.shape and now.dtype == value.dtype:
        now[...] = value
    else:
        holder[key] = value


def copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value)
    return value


def _has_bits(a: Any, b: Any) -> bool:
    """Whether two values are the same to the bit; a NaN is one whatever its sign."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.random.Generator):
        return repr(a.bit_generator.state) == repr(b.bit_generator.state)
    if not isinstance(a, np.ndarray):
        return bool(a == b)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if a.tobytes() == b.tobytes():
        return True
    return a.dtype.kind == "f" and _with_one_nan(a).tobytes() == _with_one_nan(b).tobytes()


def _with_one_nan(array: Any) -> Any:
    return np.where(np.isnan(array), array.dtype.type(np.nan), array)
