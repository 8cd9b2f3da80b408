"""The result of a comparison: arrays of a program that differ from the network's, and the words for them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from minitorch_np.study import machine
from minitorch_np.study.bits import Difference
from minitorch_np.study.byhand.moments import Failure
from minitorch_np.study.locations import Location, described

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class WrongArray(NamedTuple):
    """Where in the program, which array of the network it is, how it differs, and why.

    `line` and `text` are the program's, `name` is its variable; `array` is the derived program's name
    for it, and `write` what the derived program does there, with the program's own names.
    `is_rounding` says whether rounding explains the difference, `mistake` which usual mistake does.
    """

    step: int
    line: int
    text: str
    name: str
    array: str
    place: Location
    difference: Difference | None
    extent: str
    is_rounding: bool
    mistake: str
    write: tuple[str, ...]
    is_conversion: bool = False  # to another precision

    def where(self) -> str:
        """`step 0, line 24, grad_h at [0, 3]: 1.5 where 0.0 belongs, 46 ULPs apart`."""
        return f"step {self.step}, line {self.line}, {self.name}{self.values()}"

    def values(self) -> str:
        """` at [0, 3]: 1.5 where 0.0 belongs, 46 ULPs apart`."""
        if self.difference is None:
            return ""
        at, ours, theirs, ulps = self.difference
        apart = f"{ulps} ULPs" if ulps < 10**6 else f"{ulps:.1e} ULPs"
        return f"{f' at {list(at)}' if at else ''}: {ours!s} where {theirs!s} belongs, {apart} apart"

    def belongs(self) -> str:
        """`grad_h is the gradient of the input of layer 1, ReLU()`."""
        alias = "" if self.name == self.array else f" ({self.array})"
        return f"{self.name}{alias} is {described(self.place)}"

    def __str__(self) -> str:
        lines = [f"line {self.line}: {self.text}"]
        lines.append(f"    {self.belongs()}")
        if self.difference:
            first = f"wrong in {self.extent}, first{self.values()}" if self.extent else f"wrong{self.values()}"
            lines.append(f"    in step {self.step} {first}")
        if self.mistake:
            lines.append(f"    {self.mistake}")
        if self.write:
            lines.append("    as it should be:")
            lines += [f"        {line}" for line in self.write]
        return "\n".join(lines)


class Equal(NamedTuple):
    """How many numbers of some kind have the same bits."""

    what: str
    equal: int
    total: int

    def __str__(self) -> str:
        return f"{self.equal} of {self.total} {self.what}"


class Comparison:
    """True if every loss, gradient and weight has the same bits; `str` is the report.

    - `first`: the first difference in the order of computation, or None.
    - `findings`: the first difference by rounding, and every array that another formula has made.
    - `losses`, `handwritten_losses`: of every step; the latter is empty if the program keeps none;
      `ulps` is how many floats lie between the two.
    - `times`, `handwritten_times`: seconds a step, taken in turns.
    - `failure`: the error that ended the program, or None.
    """

    def __init__(self, network: str, program: str, steps: int) -> None:
        self.network, self.program, self.steps = network, program, steps
        self.is_ours = False  # whether the program was derived here, so that a difference is a mistake here
        self.dtype = ""
        self.counts: list[Equal] = []
        self.first_count = ""  # which of these numbers first differs
        self.first: WrongArray | None = None
        self.findings: list[WrongArray] = []
        self.remarks: list[str] = []
        self.failure: Failure | None = None
        self.losses: list[float] = []
        self.handwritten_losses: list[float] = []
        self.ulps: list[int] = []
        self.times: list[float] = []
        self.handwritten_times: list[float] = []

    def __bool__(self) -> bool:
        return self.failure is None and self.steps > 0 and all(c.equal == c.total for c in self.counts)

    @property
    def is_rounding(self) -> bool:
        """Whether it differs, and all differences are rounding."""
        return not self and self.failure is None and self.first is not None and not self.wrong

    @property
    def wrong(self) -> list[WrongArray]:
        """The findings that another formula has made."""
        return [finding for finding in self.findings if not finding.is_rounding]

    def excuse(self) -> None:
        """Turn what is wrong into remarks: every step ends with the right weights all the same."""
        for f in self.wrong:
            self.remarks.append(
                f"line {f.line}: {f.name} is not {described(f.place)}, {f.mistake}; "
                "but the weights come out right"
            )
        self.findings = [finding for finding in self.findings if finding.is_rounding]

    def verdict(self) -> str:
        """One line."""
        if self:
            return f"IDENTICAL to the bit over {self.steps} step{'s' if self.steps > 1 else ''}"
        if self.failure is not None:
            return f"FAILS in step {self.steps}" if self.steps else "FAILS before the first step is done"
        if self.is_rounding:
            return "DIFFERENT by rounding alone"
        if self.first is None:
            return "DIFFERENT, and the program is right"
        return f"DIFFERENT: {len(self.wrong)} line{'s' if len(self.wrong) > 1 else ''} with another formula"

    def __str__(self) -> str:
        lines = [f"{self.program} against {self.network}", self.verdict()]
        if not self and self.failure is None and (self.is_ours or self.first is None):
            lines.append(
                f"the layers and the program derived from them differ, first in {self.first_count}: "
                "the mistake is in minitorch_np, please report it"
            )
        if self.first is not None:
            lines.append(f"first difference: {self.first.where()}")
            if self.first.is_rounding:
                lines.append(f"    {self.first.belongs()}; the same formula in another order of operations")
        if self.is_rounding and any(self.ulps):
            lines.append(f"    from there it grows: the losses are up to {max(self.ulps)} ULPs apart")
        lines += [str(finding) for finding in self.wrong]
        if self.failure is not None:
            lines.append(str(self.failure))
        if self.counts:
            lines.append("same bits: " + ", ".join(map(str, self.counts)))
        lines += self.remarks
        if self.times and self.handwritten_times:
            layered, handwritten = 1e3 * median(self.times), 1e3 * median(self.handwritten_times)
            lines.append(
                f"time a step: layered {layered:.3f} ms, handwritten {handwritten:.3f} ms, "
                f"ratio {layered / handwritten:.2f}"
            )
        lines.append(f"on {machine.description()}{f', {self.dtype}' if self.dtype else ''}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict()}>"

    def plot(self, figure: Figure | None = None) -> Figure:
        """Both loss curves, and below them how many ULPs they are apart; `plots.save` writes it to a file."""
        from minitorch_np.study import plots

        return plots.draw_comparison(self.losses, self.handwritten_losses, self.ulps, figure)
