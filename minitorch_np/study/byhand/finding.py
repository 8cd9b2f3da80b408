"""An array of a program that differs from the network's, and the words for it."""

from __future__ import annotations

from typing import NamedTuple

from minitorch_np.study.bits import Difference
from minitorch_np.study.locations import Location


def described(place: Location) -> str:
    """`the gradient of the input of layer 1, ReLU()`."""
    if place.what.startswith("on the way"):
        return f"{place.what} of {f'layer {place.layer}' if place.layer else place.repr}"
    if not place.layer:
        return (
            f"the loss, {place.repr}" if place.what == "loss" else f"the gradient that {place.repr} starts with"
        )
    what = place.what.replace("gradient of ", "gradient of the ")
    return f"the {what} of layer {place.layer}, {place.repr}"


class Finding(NamedTuple):
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
