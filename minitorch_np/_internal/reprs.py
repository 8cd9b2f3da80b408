"""Objects as the text of the call that builds them."""

from __future__ import annotations

from typing import Any

REQUIRED: Any = object()  # stands for the default of an argument that has none


def constructor_arguments(cls: Any) -> dict[str, Any]:
    """Return the arguments that a class is called with, by name, and their defaults."""
    code = getattr(cls.__init__, "__code__", None)  # none if __init__ is object's
    if code is None:
        return {}
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    positional = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(positional[::-1], (cls.__init__.__defaults__ or ())[::-1], strict=False))
    defaults |= cls.__init__.__kwdefaults__ or {}
    return {name: defaults.get(name, REQUIRED) for name in names}


def call_text(thing: Any) -> str:
    """`LeakyReLU(negative_slope=0.2)`: the class, and the arguments that are not the defaults.

    An argument is read from the attribute of its name; those without a default come first and bare.
    """
    parts = []
    for name, default in constructor_arguments(type(thing)).items():
        if name not in vars(thing):
            if default is REQUIRED:
                parts.append("...")
            continue
        value = vars(thing)[name]
        value = value.tolist() if hasattr(value, "tolist") else value  # an array as the list it comes from
        if default is REQUIRED:
            parts.append(repr(value))
        elif not (value is default or value == default):
            parts.append(f"{name}={value!r}")
    return f"{type(thing).__name__}({', '.join(parts)})"
