"""Outputs: how calls write what they make into an array that is there, also those without `out=`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.numerics import BITS, choose, rows_at, where
from minitorch_np._internal.syntax_trees import walked

if TYPE_CHECKING:
    from minitorch_np.compiled.planning import Planned

# The lines for a call, whose result goes into an array.
Lines = Callable[["Planned", ast.Call, Any], list[str]]


def by_argument(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """`out=` of the function itself."""
    written = ast.keyword("out", ast.Name(planned.hold(out), ast.Load()))
    return [planned.text_of(ast.Call(call.func, call.args, [*call.keywords, written]))]


def drawn(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """Random numbers: the array says how many."""
    return by_argument(planned, ast.Call(call.func, [], call.keywords), out)


def filled(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """The same number everywhere."""
    function: Any = call.func
    return [f"{planned.hold(out)}.fill({FILLS[function.attr]})"]


def left(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """np.empty: whatever is there."""
    return []


def copied(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """The same numbers, of another dtype or in another shape."""
    source = _operand(call)
    a = planned.value_of(source)
    return [f"{planned.hold(out.reshape(a.shape))}[...] = {planned.text_of(source)}"]


def chosen(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """np.where(mask, a, b): b, with the differing bits of a put in where the mask is true."""
    mask, a, b = call.args[:3]
    bits = BITS[out.itemsize]
    wide, written = planned.scratch(out.shape, bits), planned.view_of(planned.hold(out), bits)
    multiply, differ = planned.hold(np.multiply, "multiply"), planned.hold(np.bitwise_xor, "bitwise_xor")
    first, second = (planned.bits_of(part, out.dtype) for part in (a, b))
    difference, lines = written, [f"{differ}({first}, {second}, {written})"]
    if _is_literal(a, b):
        difference, lines = (
            planned.hold(np.array(planned.scope[first] ^ planned.scope[second]), "difference"),
            [],
        )
    return [
        *lines,
        f"{wide}[...] = {planned.view_of(planned.text_of(mask), np.dtype(np.int8))}",
        f"{multiply}({wide}, {difference}, {wide})",
        f"{differ}({wide}, {second}, {written})",
    ]


def framed(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """np.pad with a number."""
    source = call.args[0]
    outside = planned.made(call.keywords[0].value) if call.keywords else 0
    sizes = zip(planned.value_of(source).shape, planned.made(call.args[1]), strict=True)
    inside = out[tuple(slice(before, before + size) for size, (before, _) in sizes)]
    number = planned.hold(np.array(outside, out.dtype), "outside")
    return [
        f"{planned.hold(out)}.fill({number})",
        f"{planned.hold(inside)}[...] = {planned.text_of(source)}",
    ]


def gathered(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """np.pad by a mode, repeat and take, one axis after the other: which element comes next is known before."""
    a, name = planned.value_of(_operand(call)), getattr(call.func, "attr", "")
    if len(call.args) == 3:
        edges, mode = planned.made(call.args[1]), planned.made(call.args[2])
        orders = {k: np.pad(np.arange(a.shape[k]), edge, mode) for k, edge in enumerate(edges) if any(edge)}
    else:
        axis = planned.made(call.keywords[0].value) % a.ndim
        orders = {axis: getattr(np.arange(a.shape[axis]), name)(planned.made(call.args[0]))}
    orders = orders or {0: np.arange(len(a))}
    lines, source = [], planned.text_of(_operand(call))
    for k, order in orders.items():
        shape = (*out.shape[: k + 1], *a.shape[k + 1 :])
        is_last = k == [*orders][-1]
        into = planned.hold(out) if is_last else planned.scratch(shape, out.dtype, f"part{k}")
        lines.append(f"{source}.take({planned.hold(order, 'order')}, {k}, {into}, 'clip')")
        source = into
    return lines


def taken_rows(planned: Planned, call: ast.Call, out: Any) -> list[str]:
    """Rows by their indices, of which the statements before have made sure that they are valid."""
    a, index = map(planned.text_of, call.args)
    given = planned.value_of(call.args[1])
    lines = []
    if given.dtype != np.intp:
        scratch = planned.scratch(given.shape, np.dtype(np.intp))
        lines, index = [f"{scratch}[...] = {index}"], scratch
    return [*lines, f"{a}.take({index}, 0, {planned.hold(out)}, 'clip')"]


FILLS = {"zeros": 0, "zeros_like": 0, "ones": 1, "ones_like": 1}

DRAWS = ("random", "standard_normal", "standard_exponential")  # of a generator, which take `out`

METHODS: dict[str, Lines] = {
    **dict.fromkeys(("copy", "astype", "reshape", "flatten", "ravel"), copied),
    **dict.fromkeys(("repeat", "take"), gathered),
}

FUNCTIONS: dict[Any, Lines] = {
    **dict.fromkeys((np.concatenate, np.stack, np.einsum, np.outer), by_argument),
    **dict.fromkeys((np.zeros, np.zeros_like, np.ones, np.ones_like), filled),
    **dict.fromkeys((np.empty, np.empty_like), left),
    **dict.fromkeys((np.ascontiguousarray, np.copy, np.reshape, np.ravel), copied),
    **dict.fromkeys((np.where, where, choose), chosen),
    np.pad: framed,
    rows_at: taken_rows,
}


def way_into(function: Any, call: ast.Call, value: Any, operands: list[Any]) -> Lines | None:
    """How a call, which came to this array of its own, writes it into another; None if it cannot.

    `function` is the name of a method, or the function itself, `operands` are the values of its arguments.
    """
    way = METHODS.get(function) if isinstance(function, str) else FUNCTIONS.get(function)
    options = {str(keyword.arg): keyword.value for keyword in call.keywords}
    if isinstance(function, np.ufunc) and not options:
        return by_argument
    if way is framed:
        way = gathered if len(call.args) == 3 else framed
        is_number = all(key == "constant_values" and _is_literal(node) for key, node in options.items())
        fits = is_number and _is_literal(*call.args[1:]) and np.ndim(operands[1]) == 2
    elif way is gathered:
        fits = options.keys() == {"axis"} and _is_literal(*call.args)
    elif way is chosen:
        mask, *parts = zip(operands[:3], call.args, strict=False)
        is_float = value.dtype.kind == "f" and value.itemsize in BITS
        fits = (
            is_float and np.asarray(mask[0]).dtype == np.bool_ and all(_has_bits(a, value, n) for a, n in parts)
        )
    else:
        fits = way is not copied or ("order" not in options and not any(isinstance(a, str) for a in operands))
    return way if fits else None


def _is_literal(*nodes: ast.expr) -> bool:
    """Whether these are the same at each step."""
    return not any(isinstance(n, ast.Name) and n.id[0] == "$" for node in nodes for n in walked(node))


def _has_bits(a: Any, value: Any, node: ast.expr) -> bool:
    """Whether the bits of a value that is chosen are known: of an array of that dtype, or a number."""
    if isinstance(a, np.ndarray | np.generic):
        return bool(a.dtype == value.dtype)
    return type(a) in (int, float) and _is_literal(node)


def _operand(call: ast.Call) -> ast.expr:
    """What a method belongs to; the first argument of a function of NumPy."""
    is_function = ast.unparse(call.func).startswith("np.")
    return call.func.value if isinstance(call.func, ast.Attribute) and not is_function else call.args[0]
