"""Networks told by their hidden layers, `64, relu, 64, relu`: the sizes between them follow."""

from __future__ import annotations

import numpy as np

from minitorch_np.commands import networks
from minitorch_np.layers.containers import Sequential

EXAMPLE = "64, relu, 64, relu"


def stack(text: str, inputs: int, outputs: int, *, standardize: bool = True, seed: int = 0) -> Sequential:
    """The network of these hidden layers: a number is a Linear of so many outputs, a word is a layer.

    In front of them is a Standardize, not yet fitted; at their end a Linear with the outputs. No
    hidden layers leave a linear model. Raises ValueError that says which part is wrong.
    """
    parts = [f"Standardize({inputs})"] * standardize
    width = inputs
    for part in _parts(text):
        if part.isdecimal():
            if int(part) == 0:
                raise ValueError(f"a layer has one output or more, got 0 in {text!r}")
            parts.append(f"Linear({width}, {part})")
            width = int(part)
        else:
            parts.append(part)
            width = _width(part, width)
    return networks.network(", ".join([*parts, f"Linear({width}, {outputs})"]), seed=seed)


def _parts(text: str) -> list[str]:
    """The text cut at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    found = [part.strip() for part in parts]
    if found == [""]:
        return []
    if "" in found:
        raise ValueError(f"expected layers such as {EXAMPLE!r}, got {text!r}")
    return found


def _width(part: str, width: int) -> int:
    """How many outputs a layer has for so many inputs; it is tried."""
    layer = networks.network(part)
    try:
        y = layer.eval()(np.zeros((2, width)))
    except ValueError as error:
        raise ValueError(f"{part} does not fit where it stands, after {width} outputs: {error}") from error
    if y.ndim != 2 or len(y) != 2:
        raise ValueError(f"{part} makes {y.shape} of (2, {width}): a row should stay a row")
    return y.shape[1]
