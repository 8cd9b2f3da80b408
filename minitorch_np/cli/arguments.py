"""What the commands share: a parser whose errors are one line, and converters that say what they want."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
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
