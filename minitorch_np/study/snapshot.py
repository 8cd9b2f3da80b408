"""Snapshots of the state of a layer, restored before every evaluation so that each sees the same."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.random.mtrand import get_bit_generator

from minitorch_np.parameter import Parameter

LEAVES = (type, ModuleType, FunctionType, MethodType, np.ndarray, np.random.Generator, random.Random, Parameter)


class Snapshot:
    """The state of an object and of all that can be reached from it, put back to the bit.

    - `restore()`: attributes, lists, dicts and sets get back the objects they held, arrays their
      numbers, random generators their state, NumPy's global one too. So dropout draws the same mask
      again, and running statistics are what they were. Parameters, and arrays that are `learned`, are
      left alone.
    - `restore_random()`: the random generators alone.
    - `restore_parameters()`: data, grad and has_grad of every parameter.
    """

    def __init__(self, root: object, learned: Iterable[Any] = ()) -> None:
        self._things = _reachable(root)  # holding them keeps their ids theirs
        self._parameters = [(thing, _numbers(thing)) for thing in self._things if isinstance(thing, Parameter)]
        learned = [*learned, *(array for p, _ in self._parameters for array in (p.data, p.grad))]
        self._random = [undo for thing in self._things if (undo := _random_undo(thing))]
        self._random.append(_global_random_undo())
        self._others = [undo for thing in self._things if (undo := _undo(thing, learned))]

    def restore(self) -> None:
        for undo in self._others:
            undo()
        self.restore_random()

    def restore_random(self) -> None:
        for undo in self._random:
            undo()

    def restore_parameters(self) -> None:
        for parameter, (data, grad, has_grad) in self._parameters:
            parameter.data[...] = data
            parameter.grad[...] = grad
            parameter.has_grad = has_grad

    def arrays(self) -> list[Any]:
        """The arrays that were held, parameters apart."""
        return [thing for thing in self._things if isinstance(thing, np.ndarray)]


def _reachable(root: object) -> list[Any]:
    found: dict[int, object] = {}
    pending = [root]
    while pending:
        thing = pending.pop()
        if id(thing) not in found:
            found[id(thing)] = thing
            pending += _inside(thing)
    return list(found.values())


def _inside(thing: Any) -> Iterable[object]:
    if isinstance(thing, LEAVES):
        return ()
    if isinstance(thing, dict):
        return thing.values()
    if isinstance(thing, list | tuple | set | frozenset):
        return thing
    return getattr(thing, "__dict__", {}).values()


def _numbers(parameter: Parameter) -> tuple[Any, Any, bool]:
    return parameter.data.copy(), parameter.grad.copy(), parameter.has_grad


def _random_undo(thing: Any) -> Callable[[], None] | None:
    """What sets a random generator back to where it is now."""
    if isinstance(thing, np.random.Generator):
        generator, state = thing.bit_generator, thing.bit_generator.state
        return lambda: setattr(generator, "state", state)
    if isinstance(thing, np.random.RandomState):
        legacy = thing.get_state()
        return lambda: thing.set_state(legacy)
    if isinstance(thing, random.Random):
        python = thing.getstate()
        return lambda: thing.setstate(python)
    return None


def _global_random_undo() -> Callable[[], None]:
    """What sets NumPy's global generator, from which students draw, back to where it is now.

    Setting it takes 50 µs, more than a small layer does. So it is set only if the words of the Mersenne
    Twister, and the position in them, have changed: a look at its memory, in less than one.
    """
    state, bits = np.random.get_state(legacy=False), get_bit_generator()  # noqa: NPY002
    if not isinstance(bits, np.random.MT19937) or state["has_gauss"]:  # a number in stock goes unseen
        return lambda: np.random.set_state(state)  # noqa: NPY002
    address = bits.ctypes.state_address
    size = 624 * ctypes.sizeof(ctypes.c_uint32) + ctypes.sizeof(ctypes.c_int)
    words = ctypes.string_at(address, size)

    def undo() -> None:
        if ctypes.string_at(address, size) != words or get_bit_generator() is not bits:
            np.random.set_state(state)  # noqa: NPY002

    return undo


def _undo(thing: Any, learned: list[Any]) -> Callable[[], None] | None:
    """What gives a thing back what it holds now; an array that views a parameter is left to that."""
    if isinstance(thing, np.ndarray):
        if not thing.flags.writeable or any(np.may_share_memory(thing, array) for array in learned):
            return None
        numbers = thing.copy()
        return lambda: np.copyto(thing, numbers)
    if isinstance(thing, list):
        items = list(thing)
        return lambda: thing.__setitem__(slice(None), items)
    mapping = thing if isinstance(thing, dict | set) else getattr(thing, "__dict__", None)
    return None if mapping is None or isinstance(thing, LEAVES) else _refilled(mapping)


def _refilled(container: Any) -> Callable[[], None]:
    held = container.copy()

    def refill() -> None:
        container.clear()  # so that the order comes back too
        container.update(held)

    return refill
