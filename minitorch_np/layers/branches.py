"""Branches: layers beside each other, themselves a layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.arrays import FLOATS, as_floats
from minitorch_np._internal.validation import axis, choice
from minitorch_np.layer import Layer
from minitorch_np.module import Module

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


class Residual(Layer):
    """y = layer(x) + x, or layer(x) + shortcut(x).

    Shapes: x (...) -> y (...), where layer and shortcut give the same shape. A block of a ResNet is
    `Residual(Sequential(...), shortcut=Conv2d(...))`, with ReLU after it.

    Backward: y is a sum, so dy goes into both branches, and x gets the sum of what they give back:
    dx = layer.backward(dy) + dy, or with a shortcut layer.backward(dy) + shortcut.backward(dy). That dy arrives
    unchanged where there is none is why deep stacks of these train.

    Raises ValueError if the two shapes differ.
    Source: He et al. (2016), https://arxiv.org/abs/1512.03385
    """

    def __init__(self, layer: Layer, shortcut: Layer | None = None) -> None:
        for name, value in (("layer", layer), ("shortcut", shortcut)):
            if not isinstance(value, Layer) and not (name == "shortcut" and value is None):
                raise TypeError(f"Residual expects a layer as {name}, got {value!r}")
        self.layer = layer
        self.shortcut = shortcut
        self.clear_saved()  # looks through all layers: none stands at two places

    def forward(self, x: Array) -> Array:
        self._saved = None
        if (type(x) is not np.ndarray or x.dtype not in FLOATS) and not self.takes_integers(x):
            x = as_floats(x, self.dtype, self, "x")
        y = self.layer(x)
        direct = x if self.shortcut is None else self.shortcut(x)
        if y.shape != direct.shape:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects both branches to give one shape, got {y.shape} from the layer and "
                f"{direct.shape} beside it: a shortcut with that shape is missing"
            )
        y = y + direct
        self.save_for_backward(output=y)
        return y

    def backward(self, dy: Array) -> Array:
        (dy,) = self.saved(dy)
        direct = dy if self.shortcut is None else self.shortcut.backward(dy)
        return self.layer.backward(dy) + direct

    def backward_parameters(self, dy: Array) -> None:
        (dy,) = self.saved(dy)
        self.layer.backward_parameters(dy)
        if self.shortcut is not None:
            self.shortcut.backward_parameters(dy)

    @property
    def passes_integers(self) -> bool:  # type: ignore[override]
        return all(layer.passes_integers for layer in (self.layer, self.shortcut) if layer is not None)

    @property
    def index_count(self) -> int | None:  # type: ignore[override]
        """That of the layer and of the shortcut; the lesser one if both look their x up."""
        counts = [layer.index_count for layer in (self.layer, self.shortcut) if layer is not None]
        return min((count for count in counts if count is not None), default=None)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        shortcut = "" if self.shortcut is None else f", shortcut={self.shortcut!r}"
        return f"Residual({self.layer!r}{shortcut})"


class Parallel(Layer):
    """y = the sum of what several layers make of the same x, or all of it side by side.

    Shapes: x (...) -> y (...), where with combine="sum" all branches give the same shape, and with
    combine="concatenate" they are joined along the axis `dim` and may differ there. Takes layers, one list
    of layers, or one dict of names and layers, as Sequential does.

    Backward: a sum hands dy to every branch, and of what stands side by side each branch gets its part of dy.
    Every branch sees the same x, so the gradients that they give back add up: dx is the sum of them all.

    Raises ValueError if the shapes of the branches do not combine.
    Source: Szegedy et al. (2015), https://arxiv.org/abs/1409.4842
    """

    def __init__(
        self, *layers: Layer | Iterable[Layer] | dict[str, Layer], combine: str = "sum", dim: int = 1
    ) -> None:
        given: Any = layers[0] if len(layers) == 1 and isinstance(layers[0], dict | list | tuple) else layers
        named = given if isinstance(given, dict) else {str(i): layer for i, layer in enumerate(given)}
        if not named:
            raise ValueError("Parallel expects a layer or more, got none")
        for name, layer in named.items():
            if not isinstance(layer, Layer):
                raise TypeError(f"Parallel expects a layer as branch {name!r}, got {layer!r}")
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(f"Parallel expects names without dots for its branches, got {name!r}")
            layer.is_inside = True
        self._branches: dict[str, Layer] = dict(named)
        self.combine = choice("Parallel", "combine", combine, "sum", "concatenate")
        self.dim = axis("Parallel", "dim", dim)
        self.clear_saved()  # looks through all layers: none stands at two places

    def forward(self, x: Array) -> Array:
        self._saved = None
        if (type(x) is not np.ndarray or x.dtype not in FLOATS) and not self.takes_integers(x):
            x = as_floats(x, self.dtype, self, "x")
        parts = []
        for name, layer in self._branches.items():
            try:
                parts.append(layer(x))
            except (TypeError, ValueError, RuntimeError) as error:
                error.add_note(f"(branch {name!r} of a Parallel)")
                self.clear_saved()
                raise
        shapes = [part.shape for part in parts]
        self._check_shapes(shapes)
        y = np.concatenate(parts, axis=self.dim) if self.combine == "concatenate" else self._sum(parts)
        self.save_for_backward(shapes, output=y)
        return y

    def backward(self, dy: Array) -> Array:
        parts = self._parts(dy)
        return self._sum([layer.backward(part) for layer, part in zip(self.layers, parts, strict=True)])

    def backward_parameters(self, dy: Array) -> None:
        for layer, part in zip(self.layers, self._parts(dy), strict=True):
            layer.backward_parameters(part)

    def _parts(self, dy: Array) -> list[Array]:
        """dy for each branch."""
        dy, shapes = self.saved(dy)
        if self.combine == "sum":
            return [dy] * len(shapes)
        ends = list(accumulate(shape[self.dim] for shape in shapes))
        return np.split(dy, ends[:-1], axis=self.dim)

    def _sum(self, parts: list[Array]) -> Array:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _check_shapes(self, shapes: list[tuple[int, ...]]) -> None:
        common = self._common(shapes[0])
        if common is None:
            self.clear_saved()
            raise ValueError(
                f"{self!r} expects its branches to have an axis {self.dim}, got {shapes[0]} from branch "
                f"{next(iter(self._branches))!r}"
            )
        for name, shape in zip(self._branches, shapes, strict=True):
            if self._common(shape) != common:
                self.clear_saved()
                same = "one shape" if self.combine == "sum" else f"shapes equal but for axis {self.dim}"
                raise ValueError(
                    f"{self!r} expects its branches to give {same}, got {shapes[0]} from branch "
                    f"{next(iter(self._branches))!r} and {shape} from branch {name!r}"
                )

    def _common(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """What must be the same in the shapes of all branches; None if it lacks the axis `dim`."""
        if self.combine == "sum":
            return shape
        dim = self.dim % len(shape) if -len(shape) <= self.dim < len(shape) else None
        return None if dim is None else (*shape[:dim], -1, *shape[dim + 1 :])

    @property
    def passes_integers(self) -> bool:  # type: ignore[override]
        return all(layer.passes_integers for layer in self)

    @property
    def index_count(self) -> int | None:  # type: ignore[override]
        """The least of the branches that look their x up; None without any."""
        return min((layer.index_count for layer in self if layer.index_count is not None), default=None)

    @property
    def layers(self) -> list[Layer]:
        """The branches, in a list of its own."""
        return list(self._branches.values())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        yield from self._branches.items()
        yield from super().named_children()

    def __len__(self) -> int:
        return len(self._branches)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int | str) -> Layer:
        return self._branches[index] if isinstance(index, str) else self.layers[index]

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def __repr__(self) -> str:
        names = list(self._branches)
        parts = list(map(repr, self._branches.values()))
        if names != [str(i) for i in range(len(names))]:
            parts = ["{" + ", ".join(f"{n!r}: {part}" for n, part in zip(names, parts, strict=True)) + "}"]
        options = [] if self.combine == "sum" else [f"combine={self.combine!r}"]
        options += [] if self.dim == 1 else [f"dim={self.dim}"]
        return f"Parallel({', '.join([*parts, *options])})"
