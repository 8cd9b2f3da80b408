"""Sequential: layers one after the other, itself a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from minitorch_np._internal.arrays import FLOATS, as_floats
from minitorch_np._internal.numerics import same_bits_as
from minitorch_np.layer import Layer
from minitorch_np.module import Module
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array


def located(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a loop over layers: an error says at which of them it happened."""

    @wraps(loop)
    @same_bits_as(loop)
    def located_loop(self: Sequential, *args: Any, **options: Any) -> Any:
        try:
            return loop(self, *args, **options)
        except (TypeError, ValueError, RuntimeError) as error:
            frame = error.__traceback__ and error.__traceback__.tb_next  # the loop, where its `layer` was at
            culprit = frame and frame.tb_frame.f_locals.get("layer")
            names = [name for name, layer in self.named_children() if layer is culprit]
            if names:
                error.add_note(f"(layer {names[0]!r} of a Sequential)")
            if loop.__name__ == "forward":
                self.clear_saved()  # from this pass in some layers, from an earlier one in others
            raise

    return located_loop


class Sequential(Layer):
    """The chain rule as a loop: forward through the layers in order, backward in reverse.

    Takes layers, one list of layers, or one dict of names and layers. Behaves as a list: `len`,
    iteration, indices (numbers, or names if it has names), slices (a network of the same layer
    objects), assignment, deletion, `append`, `insert`, `extend`. Assigning swaps a layer:
    `model[1] = Tanh()`.

    `backward(dy)` of a whole network leaves out the gradient with respect to x, which training does
    not need and which would make a step of the tutorial's network 1.4 times as long;
    `backward(dy, input_grad=True)` returns it. Inside another layer a Sequential returns dx, as every
    layer does.
    """

    def __init__(self, *layers: Layer | Iterable[Layer] | dict[str, Layer]) -> None:
        self._layers: list[Layer] = []
        self._names: list[str] | None = None  # None: numbered
        only = layers[0] if len(layers) == 1 else None
        if isinstance(only, dict):
            self._set(list(only.values()), list(only))
        elif isinstance(only, list | tuple):
            self._set(list(only), None)
        else:
            self._set(list(layers), None)

    @located
    def forward(self, x: Array) -> Array:
        if (type(x) is not np.ndarray or x.dtype not in FLOATS) and not self.takes_integers(x):
            x = as_floats(x, self.dtype, self, "x")
        for layer in self._layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array, input_grad: bool | None = None) -> Any:
        if input_grad or (input_grad is None and self.is_inside):
            return self._backward_to_input(dy)
        return self.backward_parameters(dy)

    @located
    def _backward_to_input(self, dy: Array) -> Array:
        for layer in reversed(self._layers):
            dy = layer.backward(dy)
        return dy

    @located
    def backward_parameters(self, dy: Array) -> None:
        for layer in self._layers[:0:-1]:
            dy = layer.backward(dy)
        for layer in self._layers[:1]:
            layer.backward_parameters(dy)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        return 0

    def named_children(self) -> Iterator[tuple[str, Module]]:
        yield from zip(self._layer_names(), self._layers, strict=True)
        yield from super().named_children()

    @property
    def passes_integers(self) -> bool:  # type: ignore[override]
        return len(self) > 0 and all(layer.passes_integers for layer in self._layers)

    @property
    def index_count(self) -> int | None:  # type: ignore[override]
        """That of the first layer that does more than move numbers about."""
        for layer in self._layers:
            if not layer.passes_integers:
                return layer.index_count
        return None

    @property
    def layers(self) -> list[Layer]:
        """The layers, in a list of its own."""
        return list(self._layers)

    def _layer_names(self) -> list[str]:
        return [str(i) for i in range(len(self._layers))] if self._names is None else self._names

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers)

    @overload
    def __getitem__(self, index: int | str) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | str | slice) -> Layer | Sequential:
        if isinstance(index, slice):
            layers = self._layers[index]
            return Sequential(
                layers if self._names is None else dict(zip(self._names[index], layers, strict=True))
            )
        return self._layers[self._position(index)]

    def __setitem__(self, index: int | str, layer: Layer) -> None:
        if isinstance(index, slice):
            raise TypeError("Sequential takes one layer at a time: model[1] = Tanh()")
        position = self._position(index)
        self._set([*self._layers[:position], layer, *self._layers[position + 1 :]], self._names)

    def __delitem__(self, index: int | str | slice) -> None:
        gone = index if isinstance(index, slice) else self._position(index)
        layers, names = list(self._layers), self._copied_names()
        del layers[gone]
        if names is not None:
            del names[gone]
        self._set(layers, names)

    def append(self, layer: Layer, name: str | None = None) -> Sequential:
        """Add a layer at the end; `name` in a network with names. Returns the network."""
        return self.insert(len(self), layer, name)

    def insert(self, index: int, layer: Layer, name: str | None = None) -> Sequential:
        """Add a layer before position `index`; `name` in a network with names. Returns the network."""
        if name is None and self._names is None and layer is not self and _is_new(layer):
            self._layers.insert(index, layer)  # without looking through all that are there
            layer.is_inside = True
            return self
        layers, names = list(self._layers), self._copied_names()
        layers.insert(index, layer)
        if names is not None:
            names.insert(index, str(len(names)) if name is None else name)
        elif name is not None:
            raise ValueError(f"this Sequential numbers its layers, so {name!r} cannot be a name in it")
        self._set(layers, names)
        return self

    def extend(self, layers: Iterable[Layer]) -> Sequential:
        """Add layers at the end. Returns the network."""
        both, names = [*self._layers, *layers], self._copied_names()
        if names is not None:
            names += [str(i) for i in range(len(self), len(both))]
        self._set(both, names)
        return self

    def _copied_names(self) -> list[str] | None:
        return None if self._names is None else list(self._names)

    def _set(self, layers: list[Any], names: list[str] | None) -> None:
        """Take these layers, if they make a network; otherwise raise and stay as before."""
        self._check(layers, names)
        candidate = object.__new__(Sequential)
        candidate._layers, candidate._names = layers, names
        for _, layer in candidate.named_modules():  # refuses a layer at two places
            if layer is self:
                raise ValueError("a Sequential cannot contain itself")
        self._take(layers, names)

    @staticmethod
    def _check(layers: list[Any], names: list[str] | None) -> None:
        for position, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential expects layers, got {_described(layer)} at position {position}")
        if names is not None:
            named = all(isinstance(name, str) and name and "." not in name for name in names)
            if not named or len(set(names)) < len(names):
                raise ValueError(f"Sequential expects different names, without dots, got {names}")

    def _take(self, layers: list[Layer], names: list[str] | None) -> None:
        self._layers, self._names = layers, names
        for layer in layers:
            layer.is_inside = True

    @classmethod
    def _of_new(cls, layers: list[Layer], names: list[str] | None) -> Sequential:
        """Return a network of layers that were all made just now: none of them stands anywhere yet."""
        made = cls({} if names is not None else [])
        made._check(layers, names)
        made._take(layers, names)
        return made

    def _position(self, index: Any) -> int:
        names = self._layer_names()
        if isinstance(index, str):
            if index not in names:
                raise KeyError(f"{index!r} is not a layer of this Sequential; it has {', '.join(names)}")
            return names.index(index)
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise TypeError(f"Sequential expects a number, a name or a slice as index, got {index!r}")
        if not -len(names) <= index < len(names):
            raise IndexError(f"index {index} is out of range for a Sequential of {len(names)} layers")
        return int(index) % len(names)

    def _repr_html_(self) -> str:
        """A table for notebooks: the layers by name, those inside others indented, and what they learn."""
        from minitorch_np._internal.notebook import table_html

        rows = []
        for name, layer in self.named_modules():
            own = sum(p.size for p in vars(layer).values() if isinstance(p, Parameter))
            contains = any(True for _ in layer.children())
            text = type(layer).__name__ if contains else repr(layer)
            if name:
                rows.append(("    " * name.count(".") + name, text, f"{own:,}" if own else ""))
        count = sum(parameter.size for parameter in self.parameters())
        return table_html(("layer", "", "parameters"), rows, f"{count:,} parameters", left=2)

    def __repr__(self) -> str:
        inside = [self]
        for each in inside:  # it grows: deeply nested networks are told from the innermost outwards
            inside += [layer for layer in each if isinstance(layer, Sequential)]
        texts: dict[int, str] = {}
        for each in reversed(inside):
            texts[id(each)] = each._text([texts.get(id(layer)) or repr(layer) for layer in each])
        return texts[id(self)]

    def _text(self, parts: list[str]) -> str:
        opening, closing = "Sequential(", ")"
        if self._names is not None:
            parts = [f"{name!r}: {part}" for name, part in zip(self._names, parts, strict=True)]
            opening, closing = "Sequential({", "})"
        line = opening + ", ".join(parts) + closing
        if len(line) <= 88 and "\n" not in line:
            return line
        inner = ",\n".join(parts).replace("\n", "\n    ")
        return f"{opening}\n    {inner},\n{closing}"


def _is_new(layer: Any) -> bool:
    """Whether a layer cannot stand anywhere in a network yet, neither itself nor a layer inside it."""
    return isinstance(layer, Layer) and not layer.is_inside and not any(layer.children())


def input_gradient(layer: Layer, dy: Array) -> Array:
    """Return `layer.backward(dy)`, which a Sequential has to be asked for."""
    return layer.backward(dy, input_grad=True) if isinstance(layer, Sequential) else layer.backward(dy)


def _described(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__} (write {value.__name__}())"
    if callable(value):
        return f"the function {getattr(value, '__name__', value)} (an Activation makes a layer of a function)"
    return f"{type(value).__name__} {value!r}"
