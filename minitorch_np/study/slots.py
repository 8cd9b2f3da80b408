"""Parameters of what others write, each with the place where its gradient is left.

A gradient is known by its name, dW or grad_W beside W, or by its place in a list or a dict of gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.module import Module
from minitorch_np.parameter import Parameter

BACKWARD = ("backward", "backprop", "bprop")
CONTAINERS = [(p, g) for p in ("params", "parameters", "weights") for g in ("grads", "gradients", "grad")]
GRADIENTS = (
    "d{0} grad_{0} {0}_grad d_{0} grad{0} {0}_gradient gradient_{0} {0}s_gradient dL_d{0} dLd{0} delta_{0} "
    "{0}grad g_{0}"
).split()


class Slot:
    """A parameter of someone's object: the array that forward reads, and where its gradient is left.

    A plain number is held as an array without axes, which `write` puts back into its attribute.
    """

    def __init__(self, name: str, owner: Any, key: Any, find: Callable[[], Any]) -> None:
        self.name, self.find = name, find
        self.owner, self.key, value = owner, key, held(owner, key)
        self.is_number = isinstance(value, float)
        self.array = np.array(value) if self.is_number else value

    def write(self) -> None:
        if not self.is_number:
            return
        if isinstance(self.owner, list | dict):
            self.owner[self.key] = float(self.array)
        else:
            setattr(self.owner, self.key, float(self.array))

    def is_kept(self) -> bool:
        """Whether the owner still holds what it held."""
        value = held(self.owner, self.key)
        return value == self.array if self.is_number else value is self.array

    def gradient(self) -> Any:
        found = self.find()
        if self.is_number and np.size(found) == 1 and found is not None:
            return np.array(found, dtype=float).reshape(())
        return np.array(found) if isinstance(found, np.ndarray | float | int | np.number) else found


def held(owner: Any, key: Any) -> Any:
    """Return an element of a list or a dict, or an attribute."""
    return owner[key] if isinstance(owner, list | tuple | dict) else getattr(owner, key)


def gradient_names(name: str) -> list[str]:
    """Return what the gradient of `name` is called: dW, grad_W, W_grad and so on; of weights also dW."""
    word = name.lower()
    kinds = (("weight", "weights", "w"), ("bias", "biases", "b"))
    others = next(([*kind] for kind in kinds if word in kind), [])
    spelled = dict.fromkeys([name, word, name.capitalize(), f"{name}s", *others, *(o.upper() for o in others)])
    return [form.format(text) for text in spelled for form in GRADIENTS]


def slots(root: Any) -> list[Slot]:
    """Return the parameters of an object, and of those inside it, for which it keeps a gradient."""
    found: dict[int, Slot] = {}
    for prefix, thing in parts(root, "", set()):
        for name, owner, key, find in _pairs(thing):
            value = held(owner, key)
            if is_learnable(value) and not isinstance(thing, Module | Parameter):
                found.setdefault(id(value), Slot(prefix + name, owner, key, find))
    return list(found.values())


def plain_slots(layer: Layer) -> list[Slot]:
    """Return the plain arrays in a layer of this package, and in those inside it, that have a gradient."""
    found = []
    for place, inner in layer.named_modules():
        known = {id(value) for value in vars(inner).values() if isinstance(value, Parameter)}
        for name, owner, key, find in _pairs(inner):
            value = held(owner, key)
            if isinstance(value, np.ndarray) and value.dtype == np.float64 and id(value) not in known:
                found.append(Slot(f"{place}.{name}".lstrip("."), owner, key, find))
    return found


def _pairs(thing: Any) -> Iterator[tuple[str, Any, Any, Callable[[], Any]]]:
    """Yield what may be a parameter with its gradient: a name, who holds it under which key, the gradient."""
    attributes = vars(thing)
    for params, grads in CONTAINERS:
        owned, given = attributes.get(params), attributes.get(grads)
        if isinstance(owned, dict) and isinstance(given, dict):
            yield from ((str(key), owned, key, _in_container(thing, grads, key)) for key in owned)
        elif isinstance(owned, list | tuple) and isinstance(given, list | tuple):
            for i, value in enumerate(owned):
                name = next((n for n, v in attributes.items() if v is value), f"{params}[{i}]")
                yield name, owned, i, _in_container(thing, grads, i)
    for name, value in list(attributes.items()):
        names = [n for n in gradient_names(name) if n in attributes and n != name]
        if names:
            yield name, thing, name, _attribute(thing, names)
        for _, grads in CONTAINERS:
            given = attributes.get(grads)
            if isinstance(given, dict) and any(k in given for k in (name, *gradient_names(name))):
                yield name, thing, name, _in_container(thing, grads, name)
        if hasattr(value, "data") and getattr(value, "grad", None) is not None and hasattr(value, "__dict__"):
            yield name, value, "data", _attribute(value, ["grad"])


def is_learnable(value: Any) -> bool:
    """Whether this may be a parameter: an array of floats, or one float."""
    return is_learnable_array(value) or isinstance(value, float)


def is_learnable_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.flags.writeable


def _attribute(thing: Any, names: list[str]) -> Callable[[], Any]:
    return lambda: next((v for n in names if (v := getattr(thing, n, None)) is not None), None)


def _in_container(thing: Any, attribute: str, key: Any) -> Callable[[], Any]:
    def find() -> Any:
        held = getattr(thing, attribute, None)
        if isinstance(held, dict):
            return next((held[k] for k in (key, f"d{key}", *gradient_names(str(key))) if k in held), None)
        return held[key] if isinstance(held, list | tuple) and key < len(held) else None

    return find


def parts(thing: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield an object and those with a backward pass inside it, with the prefixes of their names."""
    if id(thing) in seen or not hasattr(thing, "__dict__") or isinstance(thing, type):
        return
    seen.add(id(thing))
    yield prefix, thing
    for name, value in list(vars(thing).items()):
        inside = {name: value}
        if isinstance(value, dict):
            inside = {f"{name}.{key}": part for key, part in value.items()}
        elif isinstance(value, list | tuple):
            inside = {f"{name}.{i}": part for i, part in enumerate(value)}
        for key, part in inside.items():
            if any(callable(getattr(type(part), method, None)) for method in BACKWARD):
                yield from parts(part, f"{prefix}{key}.", seen)


def is_parameter_name(name: str) -> bool:
    """Whether an array of this name is one that is learned: W, b2, weight, gamma."""
    word = name.lower().strip("_0123456789")
    starts = ("weight", "bias", "gamma", "beta", "kernel", "filter", "w_", "b_")
    return word in {
        "w",
        "b",
        "wx",
        "wh",
        "wxh",
        "whh",
        "why",
        "bh",
        "by",
        "wo",
        "wq",
        "wk",
        "wv",
    } or word.startswith(starts)
