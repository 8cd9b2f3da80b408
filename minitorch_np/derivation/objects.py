"""Objects of a network: their attributes, lists and dicts, and what the next step finds there."""

from __future__ import annotations

import sys
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.values import CONTAINERS, HELD, Expression, Origin, expressions
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import CountsChanges, Parameter

OURS = (Layer, Loss, Optimizer)

# Of the contract of layers and losses; no numbers depend on them.
OURS_ALONE = ("_saved", "_first_call", "_function_checked", "_derivative_checked")

UNSET: Any = object()

FINISHED = ("minitorch_np", "numpy")  # nobody changes what these hold


class Read(NamedTuple):
    """An attribute of a layer, a loss or an optimizer, or an element of a list or dict, as it was read."""

    owner: Any
    key: Any
    value: Any


class Objects(Part):
    """Attributes of layers, and elements of lists and dicts, read and set while a step is gone through.

    Arrays that are there from the start are variables of the program too, and are carried to the next step.
    Whatever else is read before it is set in a step must be the same in every step.
    """

    def __init__(self) -> None:
        self.set_attributes: list[tuple[Any, str, Any]] = []  # owner, name, what was there
        self.set_names: set[tuple[int, str]] = set()  # the same, by the owner's id
        self.in_branch = 0  # sides of an `if` that stays, one within the other
        self.origins: list[tuple[Any, Any, Expression]] = []  # what holds an array, under which key
        self.reads: dict[tuple[int, Any], Read] = {}  # what was read before it was set, by the owner's id
        self.lasting: dict[int, Any] = {}  # lists and dicts that are there from the start
        self.outside: dict[int, Any] = {}  # those that no layer has
        self.made: dict[int, Any] = {}  # objects that were made in the step

    def attribute(self, owner: Any, name: str) -> Any:
        """What `owner.name` is: of an array it is written, of an object of the network taken note of."""
        if type(owner) is Expression:
            return self.ops.array_attribute(owner, name)
        getter = _of_property(owner, name, "fget")
        self.note_read(class_with(owner, name) if getter else owner, name)
        if isinstance(owner, Parameter):
            if name in ("data", "grad", "has_grad"):
                return self.passes.parameter(owner, name)
        elif getter:
            return self.calls.call(MethodType(getter, getattr(owner, "__self__", owner)), [], {})
        value = self.ops.attempt(getattr, owner, name)
        if isinstance(value, HELD) and not isinstance(owner, np.ndarray):
            held, value = value, self._constant(value, name, owner, name)
            if isinstance(held, np.ndarray) and hasattr(owner, "__dict__"):
                self.origins.append((vars(owner), name, value))
        return value

    def from_outside(self, value: Any, name: str, holder: Any, key: Any) -> Any:
        """A variable of a module, or of a function around the one that is gone through."""
        if isinstance(value, HELD):
            return self._constant(value, name, holder, key)
        self._note_outside(holder, key, value, self.writer.frame.globals.get("__name__"))
        return value

    def note_function(self, function: FunctionType) -> None:
        """Take note of what a function does, and of what its arguments are if they are left out."""
        may_change = self.may_change(function.__module__)
        for part in ("__code__", "__defaults__", "__kwdefaults__") if may_change else ():
            if getattr(function, part) is not None:
                self._note_outside(function, part, getattr(function, part), function.__module__)

    def may_change(self, module: Any) -> bool:
        """Whether what code of this module holds or returns may be another number at another step.

        That is a matter for compiled steps alone, which go on for long, and not for the code of packages.
        """
        package = str(module).partition(".")[0]
        return not self.writer.plain and package not in FINISHED and package not in sys.stdlib_module_names

    def _note_outside(self, owner: Any, key: Any, value: Any, module: Any) -> None:
        if isinstance(value, list | dict | set) and id(value) not in self.made:
            self.outside[id(value)] = value
        if self.may_change(module):
            self._note(owner, key, value)

    def _constant(self, thing: Any, hint: str, owner: Any, key: Any) -> Expression:
        constant = self.writer.constant(thing, hint)
        variable = self.writer.variable(constant)
        variable.origin = variable.origin or Origin("held", owner, key)
        return constant

    def native_item(self, owner: Any, index: Any) -> Any:
        """An element of a container; an array in it is one that the program gets from outside."""
        if isinstance(owner, list) and isinstance(index, slice):
            return [self.native_item(owner, i) for i in range(*index.indices(len(owner)))]
        found = value = self.ops.attempt(lambda: owner[index])
        if isinstance(value, HELD):
            value = self._constant(value, index if isinstance(index, str) else "constant", owner, index)
            if id(owner) in self.lasting:
                owner[index] = value
                self.origins.append((owner, index, value))
        if id(owner) in self.lasting:
            self._note(owner, index, found)
        elif id(owner) in self.outside:
            self._note_outside(owner, index, found, "objects")
        return value

    def put_item(self, owner: Any, index: Any, value: Any) -> None:
        """An element of a list or a dict."""
        self.check_change(owner)
        if id(owner) in self.lasting:
            self._check_same(owner, index, value, repr(index))
        owner[index] = value

    def note_read(self, owner: Any, attribute: str) -> None:
        at = id(owner), attribute
        if at in self.reads or at in self.set_names or id(owner) in self.made:
            return
        if isinstance(owner, (*OURS, CountsChanges)):
            if attribute not in OURS_ALONE:
                self._note(owner, attribute, getattr(owner, attribute, UNSET))
        elif isinstance(owner, super):
            self.note_read(class_with(owner, attribute), attribute)
        else:
            kind = owner if isinstance(owner, type | FunctionType) else type(owner)
            module = owner.__name__ if isinstance(owner, ModuleType) else kind.__module__
            module = "objects" if module == "types" else module  # a SimpleNamespace
            self._note_outside(owner, attribute, getattr(owner, attribute, UNSET), module)

    def _note(self, owner: Any, key: Any, value: Any) -> None:
        self.reads.setdefault((id(owner), key), Read(owner, key, value))
        if isinstance(value, (*CONTAINERS, set)) and not self.writer.plain and key != "__dict__":
            self._hold(value)

    def _hold(self, holder: Any) -> None:
        """Know the arrays in a list, a dict or a tuple, in whichever way they are reached."""
        if isinstance(holder, list | dict | set) and id(holder) not in self.lasting:
            self.outside[id(holder)] = holder
        if isinstance(holder, list | dict | tuple):
            for key, part in [*(holder.items() if isinstance(holder, dict) else enumerate(holder))]:
                if isinstance(part, HELD):
                    self._constant(part, key if isinstance(key, str) else "constant", holder, key)
                else:
                    self._hold(part)

    def _check_same(self, owner: Any, key: Any, new: Any, name: str) -> None:
        """What was read in a step before it is set must be set to what it was, unless it is an array."""
        known = self.reads.get((id(owner), key))
        old = known.value if known else new
        if old is new or isinstance(old, np.ndarray | Expression):
            return
        if type(old) is not type(new) or type(new) is Expression or old != new:
            self.writer.fail(f"{name} changes from step to step: keep it in an array, there from the start")

    def remember(self, thing: Any) -> None:
        """Take note of the lists and dicts that a layer or a loss holds."""
        parts = vars(thing).values() if isinstance(thing, OURS) else thing
        for part in parts.values() if isinstance(parts, dict) else parts:
            if isinstance(part, list | dict) and id(part) not in self.lasting:
                self.lasting[id(part)] = part
                self.remember(part)

    def carry(self, first: int = 0) -> None:
        """What was made for the next step goes where the next step looks for it."""
        changes: dict[int, tuple[Expression, Expression]] = {}
        for holder, key, before in self.origins[first:]:
            now = holder[key] if not isinstance(holder, dict) else holder.get(key)
            variable = self.writer.variable_of(now)
            if type(now) is not Expression or variable is self.writer.variable_of(before):
                continue
            was, becomes = before.value, np.asarray(now.value)
            if (was.shape, was.dtype) != (becomes.shape, becomes.dtype):
                raise ValueError(
                    f"what is kept as {key} cannot be written out: it is {was.dtype} {was.shape} at first and "
                    f"{becomes.dtype} {becomes.shape} in the next step; let it be the same from the start"
                )
            changes.setdefault(id(before), (before, now))
        kept = [before.value for before, _ in changes.values()]
        for at, (before, now) in changes.items():  # before the first is overwritten
            if isinstance(now.value, np.ndarray) and any(np.may_share_memory(now.value, a) for a in kept):
                changes[at] = before, self.writer.assigned(self.ops.copy(now), "next_value")
        for before, now in changes.values():
            self.ops.set_item(before, ..., now)

    def set_attribute(self, owner: Any, attribute: str, value: Any) -> None:
        self._check_same(owner, attribute, value, attribute)
        if isinstance(owner, Parameter):
            self.passes.set_parameter(owner, attribute, value)
        elif setter := _of_property(owner, attribute, "fset"):
            self.calls.call(MethodType(setter, owner), [value], {})
        elif hasattr(owner, "__dict__"):
            value = self.writer.all_named(value, attribute.lstrip("_"))
            for part in expressions(value):
                if variable := self.writer.variable_of(part):
                    variable.kept = True
            self.set_attributes.append((owner, attribute, vars(owner).get(attribute, UNSET)))
            self.set_names.add((id(owner), attribute))
            vars(owner)[attribute] = value
        else:
            self.writer.fail(f"the attribute {attribute} of {type(owner).__name__} cannot be set")

    def leftovers(self, first: int = 0) -> list[str]:
        """Attributes that were set in the step, and that no next step finds as arrays."""
        carried = {(id(holder), key) for holder, key, _ in self.origins}
        names = [
            name
            for owner, name, _ in self.set_attributes[first:]
            if id(owner) not in self.made and name not in OURS_ALONE and (id(vars(owner)), name) not in carried
        ]
        return list(dict.fromkeys(names))

    def check_change(self, changed: Any) -> None:
        """What a list or a dict holds cannot depend on the numbers, and is a matter of the layers alone."""
        if id(changed) in self.outside:
            self.writer.fail(
                f"it changes a {type(changed).__name__} that is no layer's: leave that to the training loop"
            )
        if self.in_branch:
            self.writer.fail("what a list or a dict holds depends on the numbers in the network")

    def put_back(self, first: int) -> dict[tuple[int, str], tuple[Any, str, Any]]:
        """Undo what was set in attributes since then; return what they were set to."""
        undone = self.set_attributes[first:]
        del self.set_attributes[first:]
        self.set_names = {(id(owner), name) for owner, name, _ in self.set_attributes}
        made = {(id(owner), name): (owner, name, vars(owner)[name]) for owner, name, _ in undone}
        for owner, name, old in reversed(undone):
            vars(owner)[name] = old
            if old is UNSET:
                del vars(owner)[name]
        return made

    def before(self, owner: Any, attribute: str) -> Any:
        """What an attribute is where only the other side sets it."""
        old = vars(owner).get(attribute, UNSET)
        if (id(owner), attribute) in self.set_names:
            return old  # before, in this step
        if not isinstance(old, np.ndarray):
            self.writer.fail(f"{attribute} is set in some steps only: keep it in an array, changed in place")
        return self.attribute(owner, attribute)


def _of_property(owner: Any, name: str, part: str) -> FunctionType | None:
    """The getter or the setter of a property that is written in Python, also as `super()` finds it."""
    kind = class_with(owner, name) if type(owner) is super else type(owner)
    found = getattr(getattr(kind, name, None), part, None)
    return found if isinstance(found, FunctionType) else None


def class_with(owner: Any, name: str) -> type:
    """The class that has an attribute of that name, for an object or for a `super()`; otherwise the first."""
    classes: Any = type(owner).__mro__
    if isinstance(owner, super):
        bound: Any = owner
        classes = type(bound.__self__).__mro__
        classes = classes[classes.index(bound.__thisclass__) + 1 :]
    return next((cls for cls in classes if name in vars(cls)), classes[0])
