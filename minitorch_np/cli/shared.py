"""Parts that the commands share: the parser, converters of arguments, and checks of output files."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from minitorch_np._internal.atomic_write import check_writable


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        wrong = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        if wrong is not None:
            inner = [a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction)]
            known = {
                option for choices in inner for p in choices.values() for option in p._option_string_actions
            }
            near = get_close_matches(wrong[1], sorted(known), 1)
            message += f": did you mean {near[0]}?" if near else ""
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]


def number(
    convert: Callable[[str], float], accept: Callable[[float], bool], wanted: str
) -> Callable[[str], float]:
    """A converter for argparse that names what it wants."""

    def converted(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = float("nan")
        if not accept(value):
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
        return value

    return converted


positive_integer = number(int, lambda value: value >= 1, "a whole number, 1 or more")

whole_number = number(int, lambda value: value >= 0, "a whole number, 0 or more")

learning_rate = number(float, lambda value: 0 <= value < float("inf"), "a number, 0 or more")

positive_number = number(float, lambda value: 0 < value < float("inf"), "a number above 0")


def shape(text: str) -> tuple[int, ...]:
    """`5,4` as (5, 4)."""
    try:
        sizes = tuple(int(part) for part in text.strip("()").rstrip(",").split(","))
    except ValueError:
        sizes = (-1,)
    if min(sizes) < 0:
        raise argparse.ArgumentTypeError(f"expected sizes such as 5,4, got {text!r}")
    return sizes


def check_output(path: Path, read: Iterable[Path]) -> None:
    """Raise ValueError if `path` cannot be written, or is one of the files that are read."""
    check_writable(path)
    for given in read:
        if given.exists() and path.exists() and given.samefile(path):
            raise ValueError(f"{path} is read: write to another file, -o PATH")


def speaker(quiet: bool, file: TextIO | None = None) -> Callable[[str], None]:
    """A function that prints a line at once, to the standard output unless told otherwise; or does nothing."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=file or sys.stdout, flush=True)

    return say
