"""What to say about an error that ended a program: the array it was about to make, and how that is made."""

from __future__ import annotations

import ast
from typing import NamedTuple

from minitorch_np.study.byhand.finding import described
from minitorch_np.study.byhand.loops import names
from minitorch_np.study.byhand.matching import Match
from minitorch_np.study.byhand.recording import Mishap, Recording
from minitorch_np.study.byhand.reference import Reference
from minitorch_np.study.byhand.spelling import canonical
from minitorch_np.study.locations import Location


class Failure(NamedTuple):
    """The error, and the array that its line makes, if that is known."""

    mishap: Mishap
    step: int
    array: str
    place: Location | None
    write: tuple[str, ...]

    def __str__(self) -> str:
        mishap = self.mishap
        lines = [f"line {mishap.line}: {mishap.text}"] if mishap.line else []
        lines.append(f"    {mishap}")
        if self.place is not None:
            lines.append(f"    it should make {self.array}, {described(self.place)}:")
            lines += [f"        {line}" for line in self.write]
        return "\n".join(lines)


def failure(recording: Recording, reference: Reference, found: Match | None) -> Failure | None:
    """The failure that a recording ended with, or None.

    The array is the one of that name, or else the first of the step that the program has not made.
    """
    mishap = recording.mishap
    if mishap is None:
        return None
    if found is None or not mishap.line:
        return Failure(mishap, recording.steps, "", None, ())
    made = {event.name for event in recording.events[-1]}
    at = [i for i, name in enumerate(reference.names) if found.names().get(name) in made]
    missing = reference.names[max(at, default=-1) + 1 :]
    stored = _stored(mishap.text)
    named = [n for n in reference.names if canonical(n) in map(canonical, stored)]
    array = next(iter([*named, *missing]), "")
    if not array:
        return Failure(mishap, recording.steps, "", None, ())
    own = found.names()
    return Failure(
        mishap, recording.steps, own.get(array, array), reference.place(array), reference.written([array], own)
    )


def _stored(text: str) -> tuple[str, ...]:
    try:
        return names(ast.parse(text))[0]
    except SyntaxError:
        return ()
