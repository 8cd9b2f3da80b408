"""Where an array of a written-out program belongs in the network."""

from __future__ import annotations

from typing import NamedTuple


class Location(NamedTuple):
    """The layer by its dotted name ("" for the loss), how it is built, and which of its arrays this is.

    `what` is "input", "output", "loss", a parameter's name ("weight"), or "gradient of" one of these.
    """

    layer: str
    repr: str
    what: str
