"""The result of a comparison, and its words."""

from __future__ import annotations

import html
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from minitorch_np.derivation.values import Location
from minitorch_np.study import machine
from minitorch_np.study.bits import Difference

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from minitorch_np.study.compare.instrument import Execution
    from minitorch_np.study.compare.recording import ProgramError

RIGHT, WRONG, NOT_JUDGED = "right", "wrong", "not judged"


class WrongLine(NamedTuple):
    """A line of the program and what is wrong with it.

    `line` and `text` are the program's, `name` is its variable; `mistake` says what is wrong, `write` the
    lines that belong there (empty where no single change mends it), `proof` the numbers that show it.
    `array` and `place` are what it is in the network, where one was recognised. `is_rounding` says
    that it differs from the layers by rounding alone.
    """

    line: int
    text: str
    name: str
    mistake: str
    write: tuple[str, ...] = ()
    proof: str = ""
    step: int = 0
    array: str = ""
    place: Location | None = None
    difference: Difference | None = None
    is_rounding: bool = False
    target: Any = None  # the node of the forward pass whose gradient the line should make

    @staticmethod
    def at(execution: Execution, mistake: str, *write: str, name: str = "", **more: Any) -> WrongLine:
        """The line of an executed statement; `name` is what it makes if it is not given."""
        statement = execution.statement
        return WrongLine(statement.line, statement.text, name or execution.made, mistake, write, **more)

    def __reduce__(self) -> Any:  # a node has all others behind it: no other process gets it
        return WrongLine, (*self._replace(target=None),)

    def where(self) -> str:
        """`step 0, line 24, grad_h at [0, 3]: 1.5 where 0.0 belongs, 46 ULPs apart`."""
        where = f"step {self.step}, line {self.line}, {self.name}"
        if self.difference is None:
            return where
        at, ours, theirs, ulps = self.difference
        apart = f"{ulps} ULPs" if ulps < 10**6 else f"{ulps:.1e} ULPs"
        return f"{where}{f' at {list(at)}' if at else ''}: {ours!s} where {theirs!s} belongs, {apart} apart"

    def belongs(self) -> str:
        """`grad_h is the gradient of the input of layer 1, ReLU()`."""
        if self.place is None:
            return ""
        alias = f" ({self.array})" if self.array and self.name != self.array else ""
        return f"{self.name or self.array}{alias if self.name else ''} is {_described(self.place)}"

    def __str__(self) -> str:
        lines = [f"line {self.line}: {self.text}"]
        lines += [f"    {part}" for part in (self.belongs(), self.mistake, self.proof) if part]
        if self.write:
            lines.append(f"    should be: {self.write[0]}")
            lines += [" " * 15 + line for line in self.write[1:]]
        return "\n".join(lines)


def _described(place: Location) -> str:
    """`the gradient of the input of layer 1, ReLU()`."""
    if place.layer:
        return (
            f"the {place.what.replace('gradient of', 'gradient of the')} of layer {place.layer}, {place.repr}"
        )
    return f"the loss, {place.repr}" if place.what == "loss" else f"the gradient that {place.repr} starts with"


class Equal(NamedTuple):
    """How many numbers of some kind have the same bits."""

    what: str
    equal: int
    total: int

    def __str__(self) -> str:
        return f"{self.equal} of {self.total} {self.what}"


class Comparison:
    """A program and what is right or wrong with it; `str` is the report, a notebook shows the lines.

    True if the program is right; where it was compared with a given network, if all bits are equal.

    - `verdict()`: one line; `exit_code` is 0 for right, 1 for wrong, 2 for not judged.
    - `findings`: wrong lines, and the first difference by rounding; `wrong`: the former alone.
    - `remarks`: what is said without blame; `loss`: the loss that the gradients are those of.
    - `network`: the layers that were recognised, or ""; `counts`: bits that are equal to theirs.
    - `losses`, `handwritten_losses`: of every step of the layers and of the program, `ulps` apart.
    - `times`, `handwritten_times`: seconds a step, taken in turns.
    - `failure`: the error that ended the program, or None.
    """

    def __init__(self, program: str, source: str = "") -> None:
        self.program, self.source = program, source
        self.judged, self.reason = NOT_JUDGED, ""
        self.loss, self.network, self.dtype, self.rule = "", "", "", ""
        self.gradients: list[str] = []  # names of the parameters whose gradients are right
        self.is_given = self.is_ours = False  # the network; the program, so that a difference is a mistake here
        self.steps = 0
        self.findings: list[WrongLine] = []
        self.remarks: list[str] = []
        self.failure: ProgramError | None = None
        self.counts: list[Equal] = []
        self.first_count = ""
        self.losses: list[float] = []
        self.handwritten_losses: list[float] = []
        self.ulps: list[int] = []
        self.times: list[float] = []
        self.handwritten_times: list[float] = []

    def __bool__(self) -> bool:
        return self.is_identical if self.is_given else self.judged == RIGHT

    @property
    def is_identical(self) -> bool:
        """Whether all bits are those of the layers."""
        has_all = bool(self.counts) and all(c.equal == c.total for c in self.counts)
        return self.failure is None and not self.wrong and has_all

    @property
    def is_rounding(self) -> bool:
        """Whether it differs from the layers, and by rounding alone."""
        differs = bool(self.counts) and not self.is_identical
        return differs and self.judged == RIGHT and self.failure is None

    @property
    def wrong(self) -> list[WrongLine]:
        return [finding for finding in self.findings if not finding.is_rounding]

    @property
    def first(self) -> WrongLine | None:
        """The first finding."""
        return next(iter(self.findings), None)

    @property
    def exit_code(self) -> int:
        return {RIGHT: 0, WRONG: 1, NOT_JUDGED: 2}[self.judged]

    def verdict(self) -> str:  # noqa: PLR0911
        """One line."""
        if self.failure is not None and (self.is_given or self.judged == WRONG):
            return f"FAILS in step {self.steps}" if self.steps else "FAILS before the first step is done"
        if self.judged == NOT_JUDGED:
            return f"NOT JUDGED: {self.reason}"
        if self.is_ours and not self.is_identical:
            return "DIFFERENT from the layers"
        if self.judged == WRONG:
            return f"WRONG in {_lines([f.line for f in self.wrong])}"
        if self.is_identical:
            return f"IDENTICAL to the bit over {self.steps} step{'s' if self.steps > 1 else ''}"
        if self.is_given and self.is_rounding:
            return "DIFFERENT by rounding alone"
        which = f"the gradients of {_listed(self.gradients)}" if self.gradients else "the backward pass"
        return f"RIGHT: {which} are those of {self.loss}" if self.loss else "RIGHT"

    def _title(self) -> str:
        return f"{self.program} against {self.network}" if self.network else self.program

    def __str__(self) -> str:
        lines = [self._title(), self.verdict()]
        if self.judged == RIGHT and self.is_identical and self.loss and not self.is_ours:
            lines.append(f"the gradients of {_listed(self.gradients)} are those of {self.loss}")
        if self.is_ours and not self:
            lines.append(
                f"the layers and the program derived from them differ, first in {self.first_count}: "
                "the mistake is in minitorch_np, please report it"
            )
        first = self.first
        if first is not None and first.is_rounding:
            lines.append(f"first difference: {first.where()}")
            if belongs := first.belongs():
                lines.append(f"    {belongs}; the same formula in another order of operations")
            if any(self.ulps):
                lines.append(f"    from there it grows: the losses are up to {max(self.ulps)} ULPs apart")
        lines += [str(finding) for finding in self.wrong]
        if self.failure is not None:
            lines.append(str(self.failure))
        if self.rule:
            lines.append(f"updated by {self.rule}")
        if self.counts:
            lines.append("same bits: " + ", ".join(map(str, self.counts)))
        lines += self.remarks
        if self.times and self.handwritten_times:
            layered, handwritten = 1e3 * median(self.times), 1e3 * median(self.handwritten_times)
            lines.append(
                f"time a step: layered {layered:.3f} ms, handwritten {handwritten:.3f} ms, "
                f"ratio {layered / handwritten:.2f}"
            )
        if self.counts:
            lines.append(f"on {machine.description()}{f', {self.dtype}' if self.dtype else ''}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict()}>"

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "program": self.program, "judged": self.judged, "verdict": self.verdict(), "loss": self.loss,
            "network": self.network, "rule": self.rule, "steps": self.steps, "is_identical": self.is_identical,
            "findings": [
                {
                    "line": f.line, "text": f.text, "name": f.name, "mistake": f.mistake,
                    "should_be": list(f.write), "proof": f.proof, "step": f.step, "array": f.array,
                    "is": _described(f.place) if f.place else "",
                }
                for f in self.wrong
            ],
            "failure": str(self.failure) if self.failure else None, "remarks": self.remarks,
            "same_bits": {c.what: [c.equal, c.total] for c in self.counts},
            "milliseconds_a_step": {
                name: 1e3 * median(times) for name, times in
                (("layered", self.times), ("handwritten", self.handwritten_times)) if times
            },
        }  # fmt: skip

    def _repr_html_(self) -> str:
        """The program with its wrong lines marked, below the verdict; for notebooks."""
        said = {f.line: f for f in self.wrong}
        rows = []
        for number, line in enumerate(self.source.splitlines(), start=1):
            text = f"<span style='opacity:.5'>{number:>4}</span>  {html.escape(line)}"
            if number in said:
                note = html.escape("\n".join(str(said[number]).splitlines()[1:]))
                text = f"<mark>{text}</mark>\n<span style='color:#b00020'>{note}</span>"
            rows.append(text)
        rest = "\n".join([self._title(), self.verdict(), *self.remarks])
        return f"<div><pre>{html.escape(rest)}</pre><pre>" + "\n".join(rows) + "</pre></div>"

    def plot(self, path: str | os.PathLike[str] | None = None, figure: Figure | None = None) -> Figure:
        """Both loss curves, and below them how many ULPs they are apart; with `path` also written there.

        A warning says if it takes the place of another picture.
        """
        from minitorch_np._internal.pictures import plotted
        from minitorch_np.study import plots

        drawn = plots.draw_comparison(self.losses, self.handwritten_losses, self.ulps, figure)
        return plotted(drawn, path)


def _lines(numbers: list[int]) -> str:
    numbers = sorted(set(numbers))
    return f"line {numbers[0]}" if len(numbers) == 1 else f"lines {_listed([str(n) for n in numbers])}"


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
