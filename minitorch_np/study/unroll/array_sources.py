"""The arrays of a written-out program: drawn from a seed, in its own text, or in a file beside it."""

from __future__ import annotations

import ast
import copy
import warnings
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.values import literal

READABLE = 64  # elements; larger arrays are written by their bytes
ROW = 96  # hexadecimal digits a line


def drawn(
    model: Layer, loss: Loss, names: dict[int, str], shape: tuple[int, ...], target: Any, seed: int
) -> tuple[list[str], dict[str, Any]]:
    """The lines that draw data and weights with a seed, and what they make.

    x is normal; y is what the loss accepts first: normal numbers, classes, numbers from 0 to 1; a
    `target` is taken as it is. Parameters are drawn as Linear draws them, or are as constant as they are.
    """
    rng_line = f"rng = np.random.default_rng({seed})"
    scope: dict[str, Any] = {"np": np}
    exec(rng_line, scope)
    dtype = model.dtype or np.dtype(np.float64)
    cast = "" if dtype == np.float64 else f".astype(np.{dtype.name})"
    x_line = f"x = rng.standard_normal({shape}){cast}"
    exec(x_line, scope)
    lines = [rng_line, x_line]
    if target is None:
        lines.append(_target_line(model, loss, scope, cast))
        exec(lines[-1], scope)
    for _, layer in model.named_modules():
        for attribute, parameter in vars(layer).items():
            if isinstance(parameter, Parameter):
                line = f"{names[id(parameter)]} = {_draw(layer, attribute, parameter)}"
                line += cast if "rng" in line else ""
                exec(line, scope)
                lines.append(line)
    return lines, {key: value for key, value in scope.items() if isinstance(value, np.ndarray)}


def _draw(layer: object, attribute: str, parameter: Parameter) -> str:
    """An expression that draws such a parameter."""
    shape = parameter.shape
    if getattr(layer, "init", None) == "standard_normal" and len(shape) > 1:
        return f"rng.standard_normal({shape})"
    first = parameter.data.flat[0] if parameter.size else 0.0
    if not hasattr(layer, "in_features") and (parameter.data == first).all():
        kind = "" if parameter.dtype == np.float64 else f", np.{parameter.dtype.name}"
        return f"np.full({shape}, {float(first)!r}{kind})"
    bound = getattr(layer, "in_features", max(shape, default=1)) ** -0.5
    return f"rng.uniform({-bound!r}, {bound!r}, {shape})"


def _target_line(model: Layer, loss: Loss, scope: dict[str, Any], cast: str) -> str:
    prediction = copy.deepcopy(model)(scope["x"])
    shape = prediction.shape
    classes = shape[min(len(shape), 2) - 1] if shape else 1
    rest = shape[:1] + shape[2:] if len(shape) > 1 else ()
    tried = []
    for right in (
        f"rng.standard_normal({shape}){cast}",
        f"rng.integers(0, {classes}, {rest})",
        f"rng.uniform(size={shape}){cast}",
    ):
        target = eval(right, {**scope, "rng": copy.deepcopy(scope["rng"])})
        try:
            with warnings.catch_warnings(action="ignore"):
                copy.deepcopy(loss)(prediction, target)
        except (TypeError, ValueError, IndexError) as error:
            tried.append(error)
        else:
            return f"y = {right}"
    raise tried[-1]


def embedded(arrays: dict[str, Any]) -> list[str]:
    """The lines that say all numbers: small arrays readably, others by their bytes."""
    return [line for name, array in arrays.items() for line in _said(name, array)]


def _said(name: str, array: Any) -> list[str]:
    if isinstance(array, np.random.Generator):
        kind = type(array.bit_generator).__name__
        state = array.bit_generator.state
        return [
            f"{name} = np.random.Generator(np.random.{kind}())",
            f"{name}.bit_generator.state = {_plain(state)!r}",
        ]
    kind = ast.unparse(literal(array.dtype) or ast.Constant(array.dtype.str))
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    if array.size == 0:
        return [f"{name} = np.zeros({array.shape}, {kind})"]
    if array.size <= READABLE and np.isfinite(array).all() and not by_columns:
        default = array.dtype in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool))
        end = ")" if default else f", {kind})"
        if array.ndim < 2:
            return [f"{name} = np.array({array.tolist()!r}{end}"]
        return [f"{name} = np.array([", *(f"    {row.tolist()!r}," for row in array), f"]{end}"]
    order = ', order="F"' if by_columns else ""
    digits = array.tobytes(order="F" if by_columns else "C").hex()
    rows = [f"    {digits[i : i + ROW]}" for i in range(0, len(digits), ROW)]
    return [
        f'{name} = np.frombuffer(bytes.fromhex("""',
        *rows,
        f'"""), {kind}).reshape({array.shape}{order}).copy({order[2:]})',
    ]


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def stored(arrays: dict[str, Any]) -> list[str]:
    """The lines that read the arrays from an .npz file that is called as the program and stands beside it."""
    saved = [name for name, array in arrays.items() if isinstance(array, np.ndarray)]
    others = {name: array for name, array in arrays.items() if name not in saved}
    return [
        'arrays = np.load(__file__.removesuffix(".py") + ".npz")',
        f"{', '.join(saved)} = (arrays[name] for name in {saved!r})".replace("'", '"'),
        *embedded(others),
    ]
