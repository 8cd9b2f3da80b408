"""Values of a traced program: expressions of the program to be, each with the number it has now.

The layers' source is run once on real arrays. What depends on them becomes an `Expression`: the piece
of program that computes it, and what it came to. Everything else (sizes, options, layers, functions) is
an ordinary Python object and decides branches and loops on the way.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import path

CONTAINERS = (tuple, list, dict, slice)  # of expressions, among other things

HELD = (np.ndarray, np.random.Generator)  # by a layer or a module: the program gets them from outside


class Location(NamedTuple):
    """The place of an array in the network: its layer by its dotted name ("" for the loss), and its role there.

    `repr` is how the layer is built. `what` is "input", "output", "loss", a parameter's name ("weight"), or
    "gradient of" one of these.
    """

    layer: str
    repr: str
    what: str


@dataclass(slots=True, eq=False)
class Expression:
    """A piece of the program; `value` is what it came to, `comment` what its source says beside it.

    `varies` tells whether it may be different in another step, because it depends on parameters, on the
    step's number or on random numbers. What does not vary (sizes, the targets) may decide a branch.
    `loose` ones may even be of another shape then, or None. `same` is what its array is equal to, to the
    bit, without being that array: a of 1 * a.
    """

    node: ast.expr
    value: Any
    varies: bool
    comment: str = ""
    loose: bool = False
    same: ast.expr | None = None


@dataclass(slots=True, eq=False)
class Variable:
    """A variable of the program. It has a unique `key` until names are given out.

    `hint` is the name its source has for it; `name` a name it must have. `given` ones come from
    outside: the data, the parameters, constants. `place` says where in the network a value belongs:
    such a variable is never folded away. `mine` ones were not named by an author, but arose on the way.
    """

    key: str
    hint: str
    value: Any
    name: str = ""
    given: bool = False
    mine: bool = False
    base: Variable | None = None  # what it was made from, where the source uses one name for both
    place: Location | None = None
    kept: bool = False  # in an attribute
    stands_in: bool = False  # for an array of each parameter, until the source has named it
    origin: Origin | None = None  # of a given one

    def load(self) -> ast.Name:
        return ast.Name(self.key, ast.Load())

    def store(self) -> ast.Name:
        return ast.Name(self.key, ast.Store())

    def expression(self, varies: bool = True, loose: bool = False) -> Expression:
        return Expression(self.load(), self.value, varies, loose=loose)


class Origin(NamedTuple):
    """Where an array or a number that a step is given lives: `owner` has it as attribute, or under, `key`.

    `kind` is "data" (x, y), "parameter", "held" (by a layer, a list or a dict), "option" (of the param group
    `owner`), "flat" and "state" (the flat arrays of group `owner`) or "step".
    """

    kind: str
    owner: Any
    key: Any


def called(function: ast.expr | str, *args: ast.expr) -> ast.Call:
    """A call in the program; a function may be given by its name, `len` or `np.array`."""
    return ast.Call(path(function) if isinstance(function, str) else function, list(args), [])


def mapped(value: Any, function: Callable[[Expression], Any], in_place: bool = False) -> Any:
    """`value` with `function` applied to every expression in it, through containers.

    `in_place` lists and dicts stay the same objects.
    """
    if type(value) is Expression:
        return function(value)
    if not isinstance(value, CONTAINERS):
        return value
    if isinstance(value, slice):
        return slice(*(mapped(part, function) for part in (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        made: Any = {key: mapped(part, function, in_place) for key, part in value.items()}
    else:
        made = [mapped(part, function, in_place) for part in value]
    if isinstance(value, tuple):
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if in_place and isinstance(value, dict):
        value.update(made)
    elif in_place:
        value[:] = made
    return value if in_place else made


def expressions(value: Any) -> list[Expression]:
    """All expressions in a value, through containers."""
    found: list[Expression] = []
    if isinstance(value, tuple | list):
        for part in value:
            found += [part] if type(part) is Expression else expressions(part)
    else:
        mapped(value, found.append)
    return found


def example(value: Any) -> Any:
    """A value with what its expressions came to."""
    if type(value) is Expression:
        return value.value
    return mapped(value, attrgetter("value")) if isinstance(value, CONTAINERS) else value


def varies(*values: Any) -> bool:
    return any(expression.varies for expression in expressions(values))


MODULES: dict[str, Any] = {
    "": np,
    "linalg.": np.linalg,
    "fft.": np.fft,
    "random.": np.random,
    "lib.stride_tricks.": np.lib.stride_tricks,
}


def numpy_name(thing: Any) -> ast.expr | None:
    """`np.maximum`, `np.add.reduce`, `np.linalg.norm`: how a program that imports numpy as np says it."""
    owner = getattr(thing, "__self__", None)
    name = getattr(thing, "__name__", "")
    if isinstance(owner, np.ufunc):
        inner = numpy_name(owner)
        return inner and ast.Attribute(inner, name, ast.Load())
    name = "abs" if name == "absolute" else name
    for place, module in MODULES.items() if name else ():
        if vars(module).get(name) is thing and not isinstance(owner, np.random.RandomState):
            return path(f"np.{place}{name}")
    return None


TAKEN = {*keyword.kwlist, *vars(builtins)}


def identifier(text: str) -> str:
    """A name that a variable of the program may have, made of any text."""
    text = re.sub(r"\W", "_", text.lstrip("_")).strip("_")
    return text if text.isidentifier() and not keyword.iskeyword(text) else f"value_{text}".rstrip("_")


def numbered(name: str, before: str = "") -> Iterator[str]:
    """The name, and then name2, name3, …, with something before the number."""
    return chain([name], (f"{name}{before}{number}" for number in count(2)))


def _number(value: float) -> ast.expr:
    text = repr(value)
    if text[0] == "-":
        return ast.UnaryOp(ast.USub(), _number(-value))
    return ast.Constant(value) if text[0].isdigit() else path(f"np.{text}")


def literal(value: Any) -> ast.expr | None:
    """A constant as it is written in a program; None if it cannot be."""
    if isinstance(value, np.dtype):
        return path(f"np.{value.name}") if value.isnative else called("np.dtype", ast.Constant(value.str))
    if isinstance(value, np.bool_ | np.integer | np.floating):
        inner = literal(value.item())
        return inner and called(f"np.{value.dtype.name}", inner)
    if type(value) in (int, float):
        return _number(value)
    if value is None or value is ... or type(value) in (bool, str, bytes, complex):
        return ast.Constant(value)
    if isinstance(value, type) and value in (float, int, bool):
        return ast.Name(value.__name__, ast.Load())
    return numpy_name(value)
