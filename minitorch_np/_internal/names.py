"""Names that people guess: the answer to an attribute or an argument that does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from minitorch_np._internal.reprs import KEYWORDS, REQUIRED, VARARGS, constructor_arguments

Function = TypeVar("Function", bound=Callable[..., Any])


ARGUMENTS = {  # of torch's and Keras' layers, and what is done here instead
    "inplace": "leave it out, no layer writes into its input",
    "device": "leave it out, it is always the processor",
    "max_norm": "scale the rows of weight.data after the optimizer's step",
    "scale_grad_by_freq": "scale the rows of weight.grad before the optimizer's step",
    "sparse": "leave it out, gradients are dense",
    "return_indices": "the pooling layers return y alone",
    "proj_size": "leave it out, the state is not projected",
    "units": "sizes are given as in Linear(16, 32), inputs first",
    "input_shape": "the first layer is given its sizes, as in Linear(16, 32)",
    "filters": "sizes are given as in Conv2d(3, 16, 5), channels of x first",
}


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


def no_argument(
    owner: str, name: str, known: Iterable[str], elsewhere: Mapping[str, str] | None = None
) -> TypeError:
    """Return the error for an argument that a function or a class lacks: with the nearest name, or all."""
    import difflib

    known, here = list(known), (elsewhere or {}).get(name)
    near = [here] if here else difflib.get_close_matches(name, known, 1, 0.5)
    fix = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
    return TypeError(f"{owner} has no argument {name!r}: {fix}")


class ChecksArguments:
    """Base of classes whose errors about arguments name the class that was called, not the base it inherits."""

    if not TYPE_CHECKING:  # type checkers take the arguments from __init__

        def __new__(cls, *args: Any, **options: Any) -> Any:
            check_arguments(cls, args, options)
            return super().__new__(cls)


def check_arguments(cls: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Raise TypeError if a class cannot be called with these arguments; a copy is made without any."""
    code = getattr(cls.__init__, "__code__", None)
    if code is None or code.co_flags & KEYWORDS or not (args or options):
        return
    known = constructor_arguments(cls)
    for name in [name for name in options if name not in known]:
        if name in ARGUMENTS:
            raise TypeError(f"{cls.__name__} has no argument {name!r}: {ARGUMENTS[name]}")
        raise no_argument(cls.__name__, name, known)
    positional = code.co_argcount - 1
    if len(args) > positional and not code.co_flags & VARARGS:
        takes = f"{positional} arguments by position" if positional else "no argument by position"
        raise TypeError(f"{cls.__name__} takes {takes}, got {len(args)}; it has {', '.join(known) or 'none'}")
    given = {*list(known)[: len(args)], *options}
    missing = [name for name, default in known.items() if default is REQUIRED and name not in given]
    if missing:
        raise TypeError(f"{cls.__name__} needs {', '.join(missing)}; it has {', '.join(known)}")


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
                raise no_argument(function.__name__, name, names, elsewhere)
            return function(*args, **options)

        return cast(Function, checked)

    return decorate
