"""From plain data back to a network: the classes that are known, called with literal arguments.

A file is not trusted: a class that is not known is an error and never imported, and no layer is made
that is larger than the arrays of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from minitorch_np._internal.reprs import constructor_arguments, variable_argument
from minitorch_np.layer import Layer
from minitorch_np.layers.branches import Parallel
from minitorch_np.layers.sequential import Sequential
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.serialization.codec import decode
from minitorch_np.serialization.describe import WAY_OUT, Described, Describer

SMALL = 4096  # a number among a layer's arguments that need not be a size


class SizeBudget:
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
            if re.search(r"\b(int|Size)\b", str(annotations.get(name, ""))):
                sizes = value if isinstance(value, tuple | list) else [value]
                if abs(math.prod(s for s in sizes if isinstance(s, int))) > max(SMALL, self.left):
                    raise ValueError(f"{cls.__name__} at {where!r} has {name}={value}, {self._left()}")

    def initializer(self) -> Callable[..., Any]:
        """Instead of the first weights, which are overwritten: zeros that take no memory."""

        def zeros(shape: tuple[int, ...], rng: Any = None, dtype: Any = np.float64) -> Any:
            return self._zeros(shape, dtype)

        return zeros

    def generator(self) -> np.random.Generator:
        """Instead of one that draws the first weights: of the same use."""
        return _Zeros(self._zeros)

    def _zeros(self, shape: Any, dtype: Any = np.float64, *, drawn: int = 0) -> Any:
        """`drawn` numbers have gone to other weights of the same layer."""
        shape = () if shape is None else shape
        if drawn + math.prod(shape if isinstance(shape, tuple) else (shape,)) > self.left:
            raise ValueError(f"it has a weight of shape {shape}, {self._left()}")
        return np.broadcast_to(np.zeros((), dtype), shape)

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


class _Zeros(np.random.Generator):
    """A generator of zeros, made by a function of their shape and of how many there were before."""

    def __init__(self, zeros: Callable[..., Any]) -> None:
        super().__init__(np.random.PCG64(0))
        self._zeros = zeros
        self._drawn = 0

    def _next(self, size: Any) -> Any:
        made = self._zeros(size, drawn=self._drawn)
        self._drawn += made.size
        return made

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self._next(size)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return self._next(size)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._next(size)


class Builder:
    """Builds what a `Describer` has described, of no more than so many numbers."""

    def __init__(self, classes: Mapping[str, type], numbers: int) -> None:
        self.classes = classes
        self.budget = SizeBudget(numbers)
        self.optimizer: Optimizer | None = None  # for schedules

    def build(self, description: Any, base: type, where: str = "") -> Any:
        """The layer, loss or schedule; raises ValueError if that is not what comes of it."""
        made: Described = self._made(description, where)
        if isinstance(made, Layer):
            made.clear_saved()  # looks through all layers: none stands at two places
        if not isinstance(made, base):
            raise ValueError(f"{made!r} is not a {base.__name__}")
        if Describer(self.classes).describe(made) != description:
            raise ValueError(
                f"{made!r} is not what was saved: does {type(made).__name__} keep its arguments as they are, "
                f"in attributes of their names?"
            )
        return made

    def build_optimizer(
        self, description: Any, groups: list[list[str]], parameters: Mapping[str, Parameter]
    ) -> Optimizer:
        """The optimizer of groups of parameters, by their names."""
        params = [{"params": [parameters[name] for name in names]} for names in groups]
        self.optimizer = self._made(description, "", params=params)
        if not isinstance(self.optimizer, Optimizer):
            raise ValueError(f"{self.optimizer!r} is not an Optimizer")
        return self.optimizer

    def _made(self, description: Any, where: str, **more: Any) -> Any:
        if not isinstance(description, dict) or not isinstance(description.get("class"), str):
            raise ValueError(f"there is no class at {where!r}")
        name = description["class"]
        cls = self.classes.get(name)
        if cls is None:
            raise ValueError(
                f"there is no class {name} here: is it one of your own? load(custom={{{name!r}: ...}})"
            )
        if "layers" in description:
            made: Any = self._container(cls, description, where)
        else:
            made = self._called(cls, description.get("arguments"), where, more)
        for child, inner in _mapping(description.get("inside", {})).items():
            now = dict(made.named_children()).get(child)
            if not isinstance(now, Layer) or Describer(self.classes).describe(now) != inner:
                _put(
                    made,
                    child,
                    self._made(inner, _inside(where, child)),
                    in_list=now and child not in vars(made),
                )
        if description.get("training") is False:
            made.training = False
        return made

    def _container(self, cls: type, description: Any, where: str) -> Sequential | Parallel:
        layers = _mapping(description["layers"])
        made = {name: self._made(inner, _inside(where, name)) for name, inner in layers.items()}
        if issubclass(cls, Parallel):
            return self._called(cls, description.get("arguments"), where, {}, made)
        if not issubclass(cls, Sequential):
            raise ValueError(f"{cls.__name__} at {where!r} is not a Sequential")
        numbered = list(made) == [str(i) for i in range(len(made))]
        return cls._of_new(list(made.values()), None if numbered else list(made))

    def _called(
        self, cls: type, arguments: Any, where: str, more: dict[str, Any], *layers: dict[str, Layer]
    ) -> Any:
        given = {name: decode(value, self._other(where, name)) for name, value in _mapping(arguments).items()}
        several = layers or given.pop(variable_argument(cls) or "", ())
        takes = constructor_arguments(cls)
        unknown = [name for name in given if name not in takes]
        if unknown:
            raise ValueError(
                f"{cls.__name__} at {where!r} takes no {', '.join(unknown)}; it takes {list(takes)}"
            )
        if issubclass(cls, Layer):
            self.budget.check(cls, given, where)
        init = given.get("init", takes.get("init"))
        if isinstance(init, str):
            more = {**more, "init": self.budget.initializer()}
        if issubclass(cls, Layer) and cls.__module__.startswith("minitorch_np.") and "rng" in takes:
            more = {**more, "rng": self.budget.generator()}
        try:
            made = cls(*several, **given | more)
        except Exception as error:  # of a class of the user's, whatever it raises
            raise ValueError(f"{cls.__name__} at {where!r} cannot be made: {error}") from error
        if isinstance(init, str):
            vars(made)["init"] = init
        if "rng" in more:
            _put_generator(made, given.get("rng", np.random.default_rng(0)))
        if isinstance(made, Layer):
            self.budget.take(made, where)
        return made

    def _other(self, where: str, name: str) -> Any:
        def other(kind: str, content: Any) -> Any:
            if kind == "optimizer" and self.optimizer is not None:
                return self.optimizer
            if kind == "generator":
                return np.random.default_rng(0)
            if kind == "call":
                return self._made(content, _inside(where, name))
            raise ValueError(f"{kind!r} is nothing that {where!r} can hold")

        return other


def check_rebuilds(
    description: dict[str, Any], classes: Mapping[str, type], shapes: Mapping[str, tuple[int, ...]]
) -> Layer:
    """Return the network built from the description; raise ValueError if its arrays have other shapes."""
    import json

    return _build_once(json.dumps(description), tuple(classes.items()), tuple(shapes.items()))


@lru_cache(maxsize=4)  # a network that is saved after every epoch is built once
def _build_once(
    text: str, classes: tuple[tuple[str, type], ...], shapes: tuple[tuple[str, tuple[int, ...]], ...]
) -> Layer:
    import json

    numbers = sum(math.prod(shape) for _, shape in shapes)
    model = Builder(dict(classes), numbers).build(json.loads(text), Layer)
    built = tuple((name, array.shape) for name, array in model.state_dict().items())
    if built != shapes:
        raise ValueError(
            f"{model!r} has arrays {dict(built)} when it is built, and {dict(shapes)} now. Keep its arguments "
            f"as they are, in attributes of their names, {WAY_OUT}"
        )
    return model


def _put_generator(made: Layer, generator: np.random.Generator) -> None:
    """Put it where the layer, or one inside it, goes on with the generator that it was made with: dropout."""
    for layer in made.modules():
        for name, value in vars(layer).items():
            if isinstance(value, _Zeros):
                vars(layer)[name] = generator


def _put(made: Any, child: str, layer: Any, in_list: Any) -> None:
    """Put in a layer that the constructor has not: somebody has added or swapped it."""
    if in_list:
        made[child] = layer
    elif callable(getattr(type(made), child, None)) or not child.isidentifier() or child.startswith("__"):
        raise ValueError(f"{type(made).__name__} has no layer {child!r}")
    else:
        setattr(made, child, layer)


def _mapping(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"expected names with what they stand for, got {type(data).__name__}")
    return data


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
