"""What layers keep from one step to the next: arrays in attributes, lists and dicts, and random generators."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from minitorch_np.study.unroll.access import OURS
from minitorch_np.study.unroll.assignments import UNSET
from minitorch_np.study.unroll.helpers import Helpers
from minitorch_np.study.unroll.values import Expression

# Of the contract of layers and losses; no numbers depend on them.
OURS_ALONE = (
    "_saved",
    "_first_call",
    "_function_checked",
    "_derivative_checked",
)


class States(Helpers):
    """Arrays that are there from the start are variables of the program, and are carried to the next step.

    Whatever else is read before it is set in a step must be the same in every step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.origins: list[tuple[Any, Any, Expression]] = []  # what holds an array, under which key
        self.read: dict[tuple[int, Any], Any] = {}  # attributes that were read before they were set
        self.lasting: dict[int, Any] = {}  # lists and dicts that are there from the start

    def remember(self, thing: Any) -> None:
        """Take note of the lists and dicts that a layer or a loss holds."""
        parts = vars(thing).values() if isinstance(thing, OURS) else thing
        for part in parts.values() if isinstance(parts, dict) else parts:
            if isinstance(part, list | dict) and id(part) not in self.lasting:
                self.lasting[id(part)] = part
                self.remember(part)

    def attribute(self, owner: Any, name: str) -> Any:
        self.note_read(owner, name)
        held = vars(owner).get(name, getattr(type(owner), name, None)) if hasattr(owner, "__dict__") else None
        value = super().attribute(owner, name)
        if isinstance(held, np.ndarray) and isinstance(value, Expression):
            self.origins.append((vars(owner), name, value))
        return value

    def native_item(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, list) and isinstance(index, slice):
            return [self.native_item(owner, i) for i in range(*index.indices(len(owner)))]
        value = super().native_item(owner, index)
        if isinstance(owner, list | dict) and isinstance(value, Expression) and value is not owner[index]:
            owner[index] = value
            self.origins.append((owner, index, value))
        if id(owner) in self.lasting:
            self.read.setdefault((id(owner), index), value)
        return value

    def put_item(self, owner: Any, index: Any, value: Any) -> None:
        self._check_same(self.read.get((id(owner), index), value), value, repr(index))
        super().put_item(owner, index, value)

    def note_read(self, owner: Any, attribute: str) -> None:
        was_set = any(o is owner and name == attribute for o, name, _ in self.set_attributes)
        if isinstance(owner, OURS) and not was_set and attribute not in OURS_ALONE:
            self.read.setdefault((id(owner), attribute), getattr(owner, attribute, UNSET))

    def set_attribute(self, owner: Any, attribute: str, value: Any) -> None:
        self._check_same(self.read.get((id(owner), attribute), value), value, attribute)
        super().set_attribute(owner, attribute, value)

    def _check_same(self, old: Any, new: Any, name: str) -> None:
        """What was read in a step before it is set must be set to what it was, unless it is an array."""
        if old is new or isinstance(old, np.ndarray | Expression):
            return
        if type(old) is not type(new) or isinstance(new, Expression) or old != new:
            self.fail(f"{name} changes from step to step: keep it in an array, there from the start")

    def carry(self) -> None:
        """What was made for the next step goes where the next step looks for it."""
        changes: list[tuple[Expression, Expression]] = []
        for holder, key, before in self.origins:
            now = holder[key] if not isinstance(holder, dict) else holder.get(key)
            if not isinstance(now, Expression) or self.variable_of(now) is self.variable_of(before):
                continue
            if any(before is known for known, _ in changes):
                continue
            was, becomes = before.value, np.asarray(now.value)
            if (was.shape, was.dtype) != (becomes.shape, becomes.dtype):
                raise ValueError(
                    f"what is kept as {key} cannot be written out: it is {was.dtype} {was.shape} at first and "
                    f"{becomes.dtype} {becomes.shape} in the next step; let it be the same from the start"
                )
            changes.append((before, now))
        kept = [before.value for before, _ in changes]
        for i, (before, now) in enumerate(changes):  # before the first is overwritten
            if isinstance(now.value, np.ndarray) and any(np.may_share_memory(now.value, a) for a in kept):
                copied = ast.Call(ast.Attribute(now.node, "copy", ast.Load()), [], [])
                changes[i] = before, self.assigned(self.made(copied, now.value.copy(), now), "next_value")
        for before, now in changes:
            self.set_item(before, ..., now)
