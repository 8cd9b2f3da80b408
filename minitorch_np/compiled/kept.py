"""Kept derivations: a network of the same structure as one before is not gone through again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Lock
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType, NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.compiled.reads import GIVEN, Content, compared, is_as_read
from minitorch_np.derivation.derive import Derivation, derive
from minitorch_np.derivation.objects import OURS_ALONE, Read
from minitorch_np.derivation.values import Origin
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from minitorch_np.compiled.lowering import Lowered

MOST = 8  # derivations that are kept

MOST_BYTES = 2**22  # of the arrays of one that is kept

NUMBERS = (float, complex, np.inexact)  # 0.0 and -0.0 are equal, and not the same

NAMES = (bool, int, str, bytes, np.generic, np.dtype, NoneType)

SHARED = (type, FunctionType, BuiltinFunctionType, ModuleType, np.ufunc)  # by all networks


class Place(NamedTuple):
    """An object of a network, by its number in the order in which its structure is gone through."""

    number: int


class PlacedMethod(NamedTuple):
    """A method of such an object."""

    function: Any
    place: Any


class Structure:
    """What has to be the same in two networks, with losses, optimizers and batches, for one derivation of both.

    `key` holds their classes, the names and numbers in attributes, the shapes of arrays, which of them
    share memory, and which object is met again where; of a learning rate, which each step is given, the type
    alone. The `objects` at one place in two networks with one key stand for each other.

    Raises TypeError for an object that cannot be looked into.
    """

    def __init__(self, model: Layer, loss: Loss | None, optimizer: Optimizer | None, x: Any, y: Any) -> None:
        self.objects: list[Any] = []
        self._places: dict[int, Place] = {}
        self._parts: list[Any] = []
        self._memory: dict[int, int] = {}
        groups = [] if optimizer is None else [*optimizer.param_groups, *optimizer._checked_groups]
        groups += [] if optimizer is None else [optimizer.defaults, *(g.options for g in optimizer._groups)]
        self._groups = {id(group) for group in groups}
        for thing in (model, loss, optimizer, x, y):
            self._add(thing)
        self.key = tuple(self._parts)

    def _add(self, thing: Any, is_rate: bool = False) -> None:
        if isinstance(thing, NUMBERS):
            self._parts.append(type(thing) if is_rate else (type(thing), repr(thing)))
        elif isinstance(thing, NAMES + SHARED):
            self._parts.append((type(thing), thing))
        elif id(thing) in self._places:
            self._parts.append(self._places[id(thing)])
        else:
            self._places[id(thing)] = Place(len(self.objects))
            self.objects.append(thing)
            about, parts = self._looked_into(thing)
            self._parts.append((type(thing), about))
            for name, part in parts:
                self._add(part, name == "lr" and id(thing) in self._groups)

    def _looked_into(self, thing: Any) -> tuple[Any, Iterable[tuple[Any, Any]]]:
        """What is to be known of an object itself, and its parts by name."""
        about: Any = None
        parts: Iterable[tuple[Any, Any]] = ()
        if isinstance(thing, np.ndarray):
            about = thing.shape, thing.dtype, thing.strides, thing.flags.writeable, self._memory_of(thing)
        elif isinstance(thing, Parameter):
            about = thing.has_grad, thing.is_transposed_in_torch
            parts = [("data", thing.data), ("grad", thing.grad)]
        elif isinstance(thing, np.random.Generator):
            about = type(thing.bit_generator)
        elif isinstance(thing, MethodType):
            about, parts = thing.__func__, [("self", thing.__self__)]
        elif type(thing) in (list, tuple):
            about, parts = len(thing), enumerate(thing)
        elif type(thing) is dict:
            about, parts = tuple(thing), thing.items()
        elif _is_open(type(thing)):
            found = {name: part for name, part in vars(thing).items() if name not in OURS_ALONE}
            about, parts = tuple(found), found.items()
        else:
            raise TypeError(f"a {type(thing).__name__} cannot be looked into")
        return about, parts

    def _memory_of(self, array: Any) -> int:
        while isinstance(array.base, np.ndarray):
            array = array.base
        return self._memory.setdefault(id(array), len(self._memory))

    def has(self, *things: Any) -> bool:
        """Whether one of these is among the objects."""
        return any(id(thing) in self._places for thing in things)

    def placed(self, value: Any) -> Any:
        """The place of an object; any other value itself."""
        if isinstance(value, MethodType):
            return PlacedMethod(value.__func__, self.placed(value.__self__))
        return self._places.get(id(value), value)

    def at(self, value: Any) -> Any:
        """The object at a place; any other value itself."""
        if isinstance(value, PlacedMethod):
            return MethodType(value.function, self.at(value.place))
        return self.objects[value.number] if isinstance(value, Place) else value


def _is_open(kind: type) -> bool:
    """Whether objects of a class hold all in their attributes: it is written in Python, without slots."""
    members = [(name, member) for cls in kind.__mro__[:-1] for name, member in vars(cls).items()]
    is_python = not any(name == "__new__" and isinstance(m, BuiltinFunctionType) for name, m in members)
    return is_python and not any(isinstance(member, MemberDescriptorType) for _, member in members)


class Kept:
    """A derivation with places instead of the objects that it was made from, none of which it holds.

    `lowered` are the operations of it, once they are known.
    """

    def __init__(self, derived: Derivation, structure: Structure) -> None:
        placed = structure.placed
        variables = {
            key: replace(variable, base=None, origin=_moved(variable.origin, placed))
            for key, variable in derived.variables.items()
        }
        self.derived = derived._replace(
            loss=None,
            optimizer=None,
            data={},
            variables=variables,
            constants=[variables[constant.key] for constant in derived.constants],
            options=[],
            states=[],
            reads=_all_moved(derived.reads, placed),
            rule_reads=_all_moved(derived.rule_reads, placed),
        )
        self.outside = [  # lists and dicts that no network holds, and what was in them
            read
            for read in compared(derived.reads + derived.rule_reads)
            if isinstance(read.value, Content) and not structure.has(read.owner, read.value.holder)
        ]
        self.lowered: Lowered | None = None

    def at(self, structure: Structure) -> Derivation | None:
        """The derivation for the objects of another structure; None if what decided is not the same there."""
        derived, at = self.derived, structure.at
        reads, rule_reads = _all_moved(derived.reads, at), _all_moved(derived.rule_reads, at)
        if not all(map(is_as_read, compared(reads + rule_reads) + self.outside)):
            return None
        given = {
            key: replace(v, origin=_moved(v.origin, at)) for key, v in derived.variables.items() if v.origin
        }
        return derived._replace(variables=derived.variables | given, reads=reads, rule_reads=rule_reads)


def _moved(origin: Origin | None, way: Callable[[Any], Any]) -> Origin | None:
    return origin and origin._replace(owner=way(origin.owner))


def _all_moved(reads: list[Read], way: Callable[[Any], Any]) -> list[Read]:
    """These reads of other objects; those of arrays, which decide nothing, are left out."""
    return [
        Read(way(read.owner), read.key, way(read.value)) for read in reads if not isinstance(read.value, GIVEN)
    ]


_KEPT: OrderedDict[Any, Kept] = OrderedDict()  # the one that was used last at its end
_LOCK = Lock()


def derived_once(
    model: Layer, loss: Loss | None, optimizer: Optimizer | None, x: Any, y: Any
) -> tuple[Derivation, Kept | None]:
    """`derive`, or what it made of a network with the same structure; and that, if it is kept."""
    structure = None
    if _bytes(parameter.data for parameter in model.parameters()) <= MOST_BYTES:
        try:
            structure = Structure(model, loss, optimizer, x, y)
            with _LOCK:
                kept = _KEPT.get(structure.key)
        except TypeError:  # an object that cannot be looked into, or a number in a list that is no key
            structure = None
        else:
            if kept is not None and (derived := kept.at(structure)) is not None:
                with _LOCK:
                    _KEPT[structure.key] = kept
                    _KEPT.move_to_end(structure.key)
                return derived, kept
    derived = derive(model, loss, optimizer, x, y, plain=False)
    if structure is None or _bytes(variable.value for variable in derived.variables.values()) > MOST_BYTES:
        return derived, None
    kept = Kept(derived, structure)
    with _LOCK:
        _KEPT[structure.key] = kept
        while len(_KEPT) > MOST:
            _KEPT.popitem(last=False)
    return derived, kept


def _bytes(values: Iterable[Any]) -> int:
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))
