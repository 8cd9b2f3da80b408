"""An array of a program that differs from the network's, and the words for it."""

from __future__ import annotations

from typing import NamedTuple

from minitorch_np.study.bits import Difference
from minitorch_np.study.places import Place


class Finding(NamedTuple):
    """Where in the program, which array of the network it is, how it differs, and why.

    `line` and `text` are the program's, `name` is its variable; `array` is the derived program's name
    for it, and `write` what the derived program does there, with the program's own names. `maker` is
    the layer whose backward makes it, where that is not the layer it belongs to. `is_rounding` says
    whether rounding explains the difference, `suspect` which usual mistake does.
    """

    step: int
    line: int
    text: str
    name: str
    array: str
    place: Place
    maker: str
    difference: Difference | None
    extent: str
    is_rounding: bool
    suspect: str
    write: tuple[str, ...]

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
        """`grad_h is the gradient of the output of layer 0, Linear(1000, 100)`."""
        what = self.place.what.replace("gradient of output", "gradient of the output")
        layer = f"layer {self.place.layer}, {self.place.repr}" if self.place.layer else self.place.repr
        of = "" if what == "loss" and not layer else f" of {layer}"
        maker = f"; {self.maker} passes it back" if self.maker else ""
        alias = "" if self.name == self.array else f" ({self.array})"
        return f"{self.name}{alias} is the {what}{of}{maker}"

    def __str__(self) -> str:
        lines = [f"line {self.line}: {self.text}"]
        lines.append(f"    {self.belongs()}")
        if self.difference:
            first = f"wrong in {self.extent}, first{self.values()}" if self.extent else f"wrong{self.values()}"
            lines.append(f"    in step {self.step} {first}")
        if self.suspect:
            lines.append(f"    {self.suspect}")
        if self.write:
            lines.append("    as it should be:")
            lines += [f"        {line}" for line in self.write]
        return "\n".join(lines)
