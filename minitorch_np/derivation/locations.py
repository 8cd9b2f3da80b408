"""Location of an array of a written-out program in the network: its layer and its role there."""

from __future__ import annotations

from typing import NamedTuple


class Location(NamedTuple):
    """The layer by its dotted name ("" for the loss), how it is built, and which of its arrays this is.

    `what` is "input", "output", "loss", a parameter's name ("weight"), or "gradient of" one of these.
    """

    layer: str
    repr: str
    what: str


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
