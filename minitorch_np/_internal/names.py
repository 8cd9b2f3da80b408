"""Names that people guess: the answer to an attribute that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn


class NameElsewhere:
    """A class attribute that does not exist: reading it raises AttributeError with the name here."""

    def __init__(self, name: str, here: str) -> None:
        self.name, self.here = name, here

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__} has no attribute {self.name!r}: here it is {self.here}")


def no_attribute(owner: str, name: str, known: Iterable[str], elsewhere: Mapping[str, str]) -> AttributeError:
    """Return the error for a missing attribute, with the name here: another's word for it, or a typo's nearest.

    `elsewhere` maps names of torch, Keras or scikit-learn to what does the same here.
    """
    text = f"{owner} has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(text)
    if name in elsewhere:
        return AttributeError(f"{text}: here it is {elsewhere[name]}")
    import difflib

    lower = {other.lower(): other for other in known if not other.startswith("_")}
    near = difflib.get_close_matches(name.lower().replace("_", ""), lower, 1, 0.65) or (
        difflib.get_close_matches(name.lower(), lower, 1, 0.65)
    )
    return AttributeError(f"{text}: did you mean {lower[near[0]]}?" if near else text)
