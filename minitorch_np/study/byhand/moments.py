"""A recording beside the reference, step by step, and what to say about an error that ended a program."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.byhand.matching import Match, Site, canonical, close, fitted, largest, rounding, values
from minitorch_np.study.byhand.recorder import names
from minitorch_np.study.byhand.recording import ProgramError, Recording
from minitorch_np.study.byhand.reference import LOSS, Reference
from minitorch_np.study.locations import Location, described

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Failure(NamedTuple):
    """The error, and the array that its line makes, if that is known."""

    program_error: ProgramError
    step: int
    array: str
    place: Location | None
    write: tuple[str, ...]

    def __str__(self) -> str:
        program_error = self.program_error
        lines = [f"line {program_error.line}: {program_error.text}"] if program_error.line else []
        lines.append(f"    {program_error}")
        if self.place is not None:
            lines.append(f"    it should make {self.array}, {described(self.place)}:")
            lines += [f"        {line}" for line in self.write]
        return "\n".join(lines)


def failure(recording: Recording, reference: Reference, found: Match | None) -> Failure | None:
    """The failure that a recording ended with, or None.

    The array is the one of that name, or else the first of the step that the program has not made.
    """
    program_error = recording.program_error
    if program_error is None:
        return None
    if found is None or not program_error.line:
        return Failure(program_error, recording.steps, "", None, ())
    made = {event.name for event in recording.events[-1]}
    at = [i for i, name in enumerate(reference.names) if found.names().get(name) in made]
    missing = reference.names[max(at, default=-1) + 1 :]
    stored = _stored(program_error.text)
    named = [n for n in reference.names if canonical(n) in map(canonical, stored)]
    array = next(iter([*named, *missing]), "")
    if not array:
        return Failure(program_error, recording.steps, "", None, ())
    own = found.names()
    called = own.get(array, array)
    written = reference.written([array], own)
    return Failure(program_error, recording.steps, called, reference.place(array), written)


def _stored(text: str) -> tuple[str, ...]:
    try:
        return names(ast.parse(text))[0]
    except SyntaxError:
        return ()


RELATIVE = 1e-6  # of a step, which all roundings in it may add up to


class Moment(NamedTuple):
    """What is known in a step: the program's weights before and after it, its sites' values, arrays so far."""

    step: int
    before: dict[str, Array]
    after: dict[str, Array]
    known: dict[Site, Array]
    so_far: dict[str, Array]


class Account:
    """A program's steps by the names of the reference. `data` are x and y of each step."""

    def __init__(
        self, reference: Reference, recording: Recording, match: Match, data: Sequence[Mapping[str, Array]]
    ) -> None:
        self.reference, self.recording, self.match, self.data = reference, recording, match, data
        self.names = match.names()

    def begin(self) -> dict[str, Any]:
        """The reference where its loop begins, with what the program starts from."""
        start = {**self.reference.arrays, **self.data[0], **self.weights(0)}
        return self.reference.begin(start, self.recording.steps)

    def moment(self, step: int, scope: dict[str, Any]) -> Moment:
        """What is known of a step; gives its x, y and weights to the reference."""
        before, after = self.weights(step), self.weights(step + 1)
        scope |= {name: np.array(array) for name, array in self.data[step].items()}
        for name, weight in before.items():
            self.reference.put(scope, name, weight)
        return Moment(step, before, after, values(self.recording, step), {**self.data[step], **before})

    def weights(self, step: int) -> dict[str, Array]:
        """The program's weights before a step."""
        found, like = self.recording.before[step], self.reference.arrays
        fitting = {n: fitted(found[v], like[n]) for n, v in self.match.weights.items() if v in found}
        return {n: a for n, a in fitting.items() if a is not None}

    def got(self, name: str, right: Array, moment: Moment) -> Array | None:
        if name in self.reference.weights:
            return moment.after.get(name)
        site = self.match.sites.get(name)
        value = moment.known.get(site) if site else None
        return None if value is None else fitted(value, right)

    def line(self, name: str, moment: Moment) -> tuple[int, str]:
        """The line that gave an array its value, and the text of all that did."""
        program, variable = self.recording.program, self.names.get(name, name)
        site = self.match.sites.get(name)
        if site is not None and site.line == 0:
            line = program.assigned_before_loop(variable)
            return line, program.line(line)
        events = self.recording.events[moment.step]
        lines = [e.line for e in events if e.name == variable and (site is None or e.line <= site.line)]
        if not lines:
            return program.loop.node.lineno, ""
        return (site.line if site else lines[-1]), "\n".join(program.line(n) for n in dict.fromkeys(lines))

    def made_after(self, name: str, used: Mapping[str, Array], moment: Moment) -> frozenset[str]:
        """Those of the arrays used that the program makes only after this one."""
        order = {site: i for i, site in enumerate(moment.known)}
        at = {n: order.get(site, -1) for n, site in self.match.sites.items()}
        return frozenset(n for n in used if name in at and at.get(n, -1) > at[name])

    def unmatched(self, name: str, moment: Moment) -> dict[str, Array]:
        """Arrays that the program has made before this one, besides those of the network; words for them."""
        if name in self.reference.weights:
            return {}
        matched = set(self.match.sites.values())
        earlier: dict[str, Array] = {}
        for site, array in moment.known.items():
            if site == self.match.sites.get(name):
                break
            if site.line and site not in matched and array.dtype.kind == "f" and array.ndim:
                earlier[f"{site.name} of line {site.line}"] = array
        return earlier

    def next_loss(self, moment: Moment) -> Array | None:
        """The loss after this step's update."""
        reference = self.reference
        data = self.data[min(moment.step + 1, len(self.data) - 1)]
        scope = reference.begin({**reference.arrays, **data, **moment.after}, 1)
        for segment, _ in reference.step(scope):
            if LOSS in segment.finals:
                return dict(reference.values(segment, scope))[LOSS]
        return None

    def comes_out_right(self) -> bool:
        """Whether every step takes the weights where it should, and every loss is right, but for rounding.

        Then what differs on the way is another way of computing the same.
        """
        scope = self.begin()
        for step in range(self.recording.steps):
            moment = self.moment(step, scope)
            for segment, _ in self.reference.step(scope):
                for name, right in self.reference.values(segment, scope):
                    if name not in moment.before and name != LOSS:
                        continue
                    got = self.got(name, right, moment)
                    moved = right - moment.before[name] if name in moment.before else right
                    allowed = RELATIVE * largest(moved) + rounding(right) / 256
                    if got is not None and not close(got, right, allowed):
                        return False
        return True
