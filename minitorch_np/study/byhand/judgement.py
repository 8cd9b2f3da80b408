"""The first difference of a program from the right one: rounding, or another formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.study.bits import first_difference
from minitorch_np.study.byhand.comparison import WrongArray
from minitorch_np.study.byhand.matching import ROUNDINGS, close, largest, rounding
from minitorch_np.study.byhand.moments import Account, Moment
from minitorch_np.study.byhand.program_mistakes import Case, explanation
from minitorch_np.study.byhand.reference import LOSS, Segment

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

FEW = 16  # roundings of a weight in an update


class Judge:
    """Goes through the steps of a recording and yields what differs, in the order of computation."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.reference, self.recording, self.names = account.reference, account.recording, account.names
        self._rights: dict[str, Array] = {}  # of the step before
        self._earlier: dict[str, Array] = {}  # what the program had there

    def findings(self) -> Iterator[WrongArray]:
        """The first difference by rounding, and the first of each array that another formula has made."""
        scope = self.account.begin()
        reported: set[str] = set()
        rounded = converted = False
        for step in range(self.recording.steps):
            moment = self.account.moment(step, scope)
            order = {(site.line, site.name): i for i, site in enumerate(moment.known)}
            for finding in sorted(self._step(scope, moment), key=lambda f: order.get((f.line, f.name), -1)):
                if finding.array in reported or (finding.is_rounding and rounded):
                    continue
                if finding.is_conversion and converted:  # all that is made of it is of that precision
                    continue
                converted |= finding.is_conversion
                rounded |= finding.is_rounding
                reported |= set() if finding.is_rounding else {finding.array}
                yield finding

    def _step(self, scope: dict[str, Any], moment: Moment) -> Iterator[WrongArray]:
        reference = self.reference
        rights: dict[str, Array] = {}
        segments: list[Segment] = []  # those since the last array that the program has too
        inputs: dict[str, Any] = {}  # what these were given from before them
        for segment, given in reference.step(scope):
            made = {name for earlier in segments for name in earlier.finals}
            segments.append(segment)
            inputs |= {name: value for name, value in given.items() if name not in made}
            has_one = False
            for name, right in reference.values(segment, scope):
                rights[name] = right
                got = self.account.got(name, right, moment)
                if got is None:
                    continue
                has_one = True
                if finding := self._compare(name, got, right, segments, inputs, moment):
                    yield finding
                moment.so_far[name] = got
                reference.put(scope, name, got)
            if has_one:
                segments, inputs = [], {}
        data = self.account.data[moment.step]
        self._rights = rights
        self._earlier = {n: a for n, a in {**moment.so_far, **moment.before}.items() if n not in data}

    def _compare(
        self,
        name: str,
        got: Array,
        right: Array,
        segments: Sequence[Segment],
        given: Mapping[str, Any],
        moment: Moment,
    ) -> WrongArray | None:
        """What is to say about one array."""
        difference = first_difference(np.asarray(got, right.dtype), right)
        if difference is None and got.dtype == right.dtype:
            return None
        before = moment.before.get(name) if name in self.reference.weights else None
        line, text = self.account.line(name, moment)
        used = {n: a for n, a in given.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
        dy = next((n for n in used if self.reference.is_gradient(n) and n != name), "")
        is_rounding = got.dtype == right.dtype
        is_rounding = is_rounding and close(got, right, self._allowed(name, right, segments, given, before))
        why = ""
        if got.dtype != right.dtype:
            why = f"it is {got.dtype} where {right.dtype} belongs"
        elif not is_rounding:
            others = moment.so_far | self.account.unmatched(name, moment)
            case = Case(
                name, got, right, before, used, others, moment.after, self._earlier, self.names, text,
                self.account.made_after(name, used, moment),
                lambda changed: self.reference.made_with(segments, given, changed).get(name),
                self._rights.get(name), self.account.next_loss(moment) if name == LOSS else None,
            )  # fmt: skip
            why = explanation(case, self.reference, dy)
        on_the_way = [made for segment in segments[:-1] for made in segment.finals]
        return WrongArray(
            moment.step, line, self.recording.program.line(line), self.names.get(name, name), name,
            self.reference.place(name), difference,
            f"{np.count_nonzero(got != right)} of {right.size} elements" if right.ndim else "",
            is_rounding, why, self.reference.written([*on_the_way, name], self.names), got.dtype != right.dtype,
        )  # fmt: skip

    def _allowed(
        self,
        name: str,
        right: Array,
        segments: Sequence[Segment],
        given: Mapping[str, Any],
        before: Array | None,
    ) -> float:
        """How far rounding can move an array; a weight moves by its step, which may be small beside it."""
        eps = float(np.finfo(right.dtype).eps)
        if before is not None:
            return eps * (FEW * largest(right) + ROUNDINGS * largest(right - before))
        rng = np.random.default_rng(0)
        moved = {
            n: (a * (1 + eps * rng.choice([-1, 1], a.shape))).astype(a.dtype)
            for n, a in given.items()
            if isinstance(a, np.ndarray) and a.dtype.kind == "f"
        }
        again = self.reference.made_with(segments, given, moved).get(name, right)
        with np.errstate(invalid="ignore"):  # of infinities
            return max(rounding(right), 64 * largest(again - right))
