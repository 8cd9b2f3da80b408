"""The parts of a derivation, each of which has the others as attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minitorch_np.derivation.calls import Calls
    from minitorch_np.derivation.helpers import Helpers
    from minitorch_np.derivation.interpreter import Interpreter
    from minitorch_np.derivation.objects import Objects
    from minitorch_np.derivation.operations import Operations
    from minitorch_np.derivation.passes import Passes
    from minitorch_np.derivation.rule import UpdateRule
    from minitorch_np.derivation.writer import Writer


class Part:
    """Base of the parts; `connect` makes them known to each other."""

    writer: Writer
    ops: Operations
    objects: Objects
    interpreter: Interpreter
    calls: Calls
    helpers: Helpers
    passes: Passes
    rule: UpdateRule


def connect(**parts: Part | Writer) -> None:
    """Give each part all of them, by their names above."""
    for part in parts.values():
        vars(part).update(parts)
