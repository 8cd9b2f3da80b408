"""Where a program first differs from the right one, and whether that is rounding or another formula.

Every array is judged by what it should be *given the program's own arrays before it*: the derived
program runs statement by statement, and goes on with what the other program has computed. So a wrong
line is found where it stands, however far its error spreads, and rounding cannot grow from step to
step into something that looks like a mistake. An array is rounded differently where it is within some
thousand eps of its largest element, or within what a change of its inputs by one eps does to it;
beyond that another formula has made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.bits import first_difference
from minitorch_np.study.byhand.closeness import ROUNDINGS, close, fitted, rounding
from minitorch_np.study.byhand.finding import Finding
from minitorch_np.study.byhand.matching import Match, Site, values
from minitorch_np.study.byhand.recording import Recording
from minitorch_np.study.byhand.reference import LOSS, Reference, Segment
from minitorch_np.study.byhand.slips import Case, explanation

if TYPE_CHECKING:
    from minitorch_np.arrays import Array

FEW = 16  # roundings of a weight in an update


class _Moment(NamedTuple):
    """What is known in a step: the program's weights before and after it, its sites' values, arrays so far."""

    step: int
    before: dict[str, Array]
    after: dict[str, Array]
    known: dict[Site, Array]
    so_far: dict[str, Array]


class Judge:
    """Goes through the steps of a recording and yields what differs, in the order of computation.

    `data` are x and y of each step, by their names in the reference.
    """

    def __init__(
        self, reference: Reference, recording: Recording, match: Match, data: Sequence[Mapping[str, Array]]
    ) -> None:
        self.reference, self.recording, self.match, self.data = reference, recording, match, data
        self.names = match.names()
        self._rights: dict[str, Array] = {}  # of the step before
        self._earlier: dict[str, Array] = {}  # what the program had there

    def findings(self) -> Iterator[Finding]:
        """The first difference by rounding, and the first of each array that another formula has made."""
        reference, steps = self.reference, self.recording.steps
        start = {**self.data[0], **self._weights(0)}
        scope = reference.begin({**reference.arrays, **start}, steps)
        reported: set[str] = set()
        rounded = False
        for step in range(steps):
            for name, array in self.data[step].items():
                scope[name] = np.array(array)
            order = {(site.line, site.name): i for i, site in enumerate(values(self.recording, step))}
            for finding in sorted(self._step(scope, step), key=lambda f: order.get((f.line, f.name), -1)):
                if finding.array in reported or (finding.is_rounding and rounded):
                    continue
                rounded |= finding.is_rounding
                reported |= set() if finding.is_rounding else {finding.array}
                yield finding

    def _weights(self, step: int) -> dict[str, Array]:
        """The program's weights before a step."""
        found, like = self.recording.before[step], self.reference.arrays
        fitting = {n: fitted(found[v], like[n]) for n, v in self.match.weights.items() if v in found}
        return {n: a for n, a in fitting.items() if a is not None}

    def _step(self, scope: dict[str, Any], step: int) -> Iterator[Finding]:
        reference = self.reference
        before, after = self._weights(step), self._weights(step + 1)
        moment = _Moment(step, before, after, values(self.recording, step), {**self.data[step], **before})
        rights: dict[str, Array] = {}
        for segment, given in reference.step(scope):
            for name, right in reference.values(segment, scope):
                rights[name] = right
                got = self._got(name, right, moment)
                if got is None:
                    continue
                if finding := self._compare(name, got, right, segment, given, moment):
                    yield finding
                moment.so_far[name] = got
                reference.put(scope, name, got)
        data = self.data[step]
        self._rights = rights
        self._earlier = {n: a for n, a in {**moment.so_far, **before}.items() if n not in data}

    def _got(self, name: str, right: Array, moment: _Moment) -> Array | None:
        if name in self.reference.weights:
            return moment.after.get(name)
        site = self.match.sites.get(name)
        value = moment.known.get(site) if site else None
        return None if value is None else fitted(value, right)

    def _compare(
        self, name: str, got: Array, right: Array, segment: Segment, given: Mapping[str, Any], moment: _Moment
    ) -> Finding | None:
        """What is to say about one array."""
        difference = first_difference(np.asarray(got, right.dtype), right)
        if difference is None and got.dtype == right.dtype:
            return None
        before = moment.before.get(name) if name in self.reference.weights else None
        line, text = self._line(name, moment)
        used = {n: a for n, a in given.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
        dy = next((n for n in used if self.reference.is_gradient(n) and n != name), "")
        is_rounding = got.dtype == right.dtype
        is_rounding = is_rounding and close(got, right, self._allowed(name, right, segment, given, before))
        why = ""
        if got.dtype != right.dtype:
            why = f"it is {got.dtype} where {right.dtype} belongs"
        elif not is_rounding:
            others = moment.so_far | self._unmatched(name, moment)
            case = Case(
                name, got, right, before, used, others, moment.after, self._earlier, self.names, text,
                self._made_after(name, used, moment),
                lambda changed: self.reference.made_with(segment, given, changed).get(name),
                self._rights.get(name), self._next_loss(moment) if name == LOSS else None,
            )  # fmt: skip
            why = explanation(case, self.reference, dy)
        return Finding(
            moment.step, line, self.recording.program.line(line), self.names.get(name, name), name,
            self.reference.place(name), difference,
            f"{np.count_nonzero(got != right)} of {right.size} elements" if right.ndim else "",
            is_rounding, why, self.reference.written(name, self.names),
        )  # fmt: skip

    def _allowed(
        self, name: str, right: Array, segment: Segment, given: Mapping[str, Any], before: Array | None
    ) -> float:
        """How far rounding can move an array; a weight moves by its step, which may be small beside it."""
        eps = float(np.finfo(right.dtype).eps)
        if before is not None:
            return eps * (FEW * _largest(right) + ROUNDINGS * _largest(right - before))
        rng = np.random.default_rng(0)
        moved = {
            n: (a * (1 + eps * rng.choice([-1, 1], a.shape))).astype(a.dtype)
            for n, a in given.items()
            if isinstance(a, np.ndarray) and a.dtype.kind == "f"
        }
        again = self.reference.made_with(segment, given, moved).get(name, right)
        return max(rounding(right), 64 * _largest(again - right))

    def _line(self, name: str, moment: _Moment) -> tuple[int, str]:
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

    def _made_after(self, name: str, used: Mapping[str, Array], moment: _Moment) -> frozenset[str]:
        """Those of the arrays used that the program makes only after this one."""
        order = {site: i for i, site in enumerate(moment.known)}
        at = {n: order.get(site, -1) for n, site in self.match.sites.items()}
        return frozenset(n for n in used if name in at and at.get(n, -1) > at[name])

    def _unmatched(self, name: str, moment: _Moment) -> dict[str, Array]:
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

    def _next_loss(self, moment: _Moment) -> Array | None:
        """The loss after this step's update."""
        reference = self.reference
        data = self.data[min(moment.step + 1, len(self.data) - 1)]
        scope = reference.begin({**reference.arrays, **data, **moment.after}, 1)
        for segment, _ in reference.step(scope):
            if LOSS in segment.finals:
                return dict(reference.values(segment, scope))[LOSS]
        return None


def _largest(a: Array) -> float:
    finite = np.abs(a[np.isfinite(a)]) if a.ndim else np.nan_to_num(np.abs(np.atleast_1d(a)))
    return float(finite.max(initial=0))
