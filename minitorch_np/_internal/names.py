"""Names that people guess: the answer to an attribute or an argument that does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


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


def answers_guesses(elsewhere: Mapping[str, str]) -> Callable[[Function], Function]:
    """Decorate a function: an argument that it does not have is answered with the nearest name.

    `elsewhere` maps other words to the argument here.
    """

    def decorate(function: Function) -> Function:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

        @wraps(function)
        def checked(*args: Any, **options: Any) -> Any:
            for name in options.keys() - set(names):
                import difflib

                near = (
                    [elsewhere[name]] if name in elsewhere else difflib.get_close_matches(name, names, 1, 0.5)
                )
                fix = f"did you mean {near[0]}?" if near else f"it has {', '.join(names)}"
                raise TypeError(f"{function.__name__} has no argument {name!r}: {fix}")
            return function(*args, **options)

        return cast(Function, checked)

    return decorate
