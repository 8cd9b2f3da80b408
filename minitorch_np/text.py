"""Objects as the text of the call that builds them."""

from __future__ import annotations

from typing import Any


def call_text(thing: Any) -> str:
    """`LeakyReLU(negative_slope=0.2)`: the class, and the arguments that are not the defaults.

    An argument is read from the attribute of its name; those without a default come first and bare.
    """
    init = type(thing).__init__
    code = getattr(init, "__code__", None)  # none where __init__ is object's
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount] if code else ()
    positional = code.co_varnames[: code.co_argcount] if code else ()
    defaults = dict(zip(positional[::-1], (init.__defaults__ or ())[::-1], strict=False)) if code else {}
    defaults |= (init.__kwdefaults__ or {}) if code else {}
    parts = []
    for name in names:
        if name not in vars(thing):
            if name not in defaults:
                parts.append("...")
            continue
        value = vars(thing)[name]
        value = value.tolist() if hasattr(value, "tolist") else value  # an array as the list it comes from
        if name not in defaults:
            parts.append(repr(value))
        elif not (value is defaults[name] or value == defaults[name]):
            parts.append(f"{name}={value!r}")
    return f"{type(thing).__name__}({', '.join(parts)})"
