"""How large a network that is built from a file may be: as large as the arrays of the file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.parameter import Parameter

SMALL = 4096  # a number among a layer's arguments that need not be a size


class Room:
    """The numbers of the file that no layer has yet: what is to be made must fit, before it takes memory.

    A class of the user's makes what it makes, and what it has made is counted.
    """

    def __init__(self, numbers: int) -> None:
        self.left = numbers

    def check(self, cls: Any, arguments: Mapping[str, Any], where: str) -> None:
        """Refuse whole numbers, to a layer of this package, that can be no sizes of what the file holds."""
        if not cls.__module__.startswith("minitorch_np."):
            return
        annotations = getattr(cls.__init__, "__annotations__", {})
        for name, value in arguments.items():
            if re.search(r"\bint\b", str(annotations.get(name, ""))):
                for size in value if isinstance(value, tuple | list) else [value]:
                    if isinstance(size, int) and abs(size) > max(SMALL, self.left):
                        raise ValueError(f"{cls.__name__} at {where!r} has {name}={value}, {self._left()}")

    def initializer(self) -> Callable[..., Any]:
        """Instead of the first weights, which are overwritten: zeros that take no memory."""

        def zeros(shape: tuple[int, ...], rng: Any = None, dtype: Any = np.float64) -> Any:
            if math.prod(shape) > self.left:
                raise ValueError(f"it has a weight of shape {shape}, {self._left()}")
            return np.broadcast_to(np.zeros((), dtype), shape)

        return zeros

    def take(self, layer: Layer, where: str) -> None:
        """Count the layer's own arrays, and refuse what goes beyond the file."""
        arrays = {name: v for name, v in vars(layer).items() if isinstance(v, Parameter)}
        arrays |= {name: vars(layer)[name] for name in layer.buffer_names if vars(layer).get(name) is not None}
        size = sum(array.size for array in arrays.values())
        if size > self.left:
            raise ValueError(f"{type(layer).__name__} at {where!r} has {size} numbers, {self._left()}")
        self.left -= size

    def _left(self) -> str:
        return f"and the file {self.left} that no other layer has"
