"""Networks, losses and optimizers as commands are told them: `Linear(64, 32), GELU(), my_layers.py:Swish`.

The text is taken apart as calls with literal arguments; nothing in it is evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

import minitorch_np
from minitorch_np.layer import Layer
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.serialization.parse_call import load, parse_call

TUTORIAL = (
    "Linear(1000, 100, bias=False, init='standard_normal'), ReLU(), "
    "Linear(100, 10, bias=False, init='standard_normal')"
)
EXAMPLE = "Linear(64, 32), ReLU(), Linear(32, 10)"
FILE = re.compile(r"([^\s,:(\[{]+\.py):(\w+)")


def network(text: str, *, seed: int = 0) -> Sequential:
    """The network of a list of layers, `Linear(64, 32), GELU(), Linear(32, 10)`; weights drawn with `seed`.

    Layers may be names (`gelu`), `FILE.py:CLASS(…)`, and containers of layers, `Sequential(…)`.
    Raises ValueError that says which part is wrong.
    """
    files: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        files[f"_{len(files)}_{match[2]}"] = match[0]
        return list(files)[-1]

    try:
        body = ast.parse(f"[{FILE.sub(placeholder, text)}]", mode="eval").body
    except (SyntaxError, ValueError):
        body = None
    if not isinstance(body, ast.List) or not body.elts:
        raise ValueError(f"expected layers such as {EXAMPLE}, got {text!r}")
    rng = np.random.default_rng(seed)
    layers = [_layer(node, files, rng) for node in body.elts]
    return layers[0] if len(layers) == 1 and isinstance(layers[0], Sequential) else Sequential(layers)


def loss(text: str) -> Loss:
    """`CrossEntropyLoss`, `HuberLoss(delta=2.0)` or `FILE.py:CLASS` as a loss; ValueError for anything else."""
    found = load(text)
    if not isinstance(found, Loss):
        raise ValueError(f"expected a loss such as SquaredLoss, got {text}, which is {found!r}")
    return found


def optimizer(text: str, parameters: Iterable[Parameter], **options: Any) -> Optimizer:
    """`Adam` or `SGD(momentum=0.9)` as an optimizer of these parameters; `options` are what it does not say."""
    name, args, kwargs = parse_call(text)
    known = {
        key: value
        for key, value in vars(minitorch_np).items()
        if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    }
    if name not in known:
        raise ValueError(f"there is no optimizer {name}; there is {', '.join(sorted(known))}")
    try:
        made: Optimizer = known[name](parameters, *args, **options | kwargs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text} cannot be made: {error}") from error
    return made


def _layer(node: ast.expr, files: dict[str, str], rng: np.random.Generator) -> Any:
    """The layer that a name or a call stands for."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Sequential" and not node.keywords:
        return Sequential(*(_contents(argument, files, rng) for argument in node.args))
    text = ast.unparse(node)
    for name, file in files.items():
        text = text.replace(name, file)
    made = load(text, guess=False, rng=rng)
    if not isinstance(made, Layer):
        raise ValueError(f"a network is made of layers, and {text} is {made!r}")
    return made


def _contents(node: ast.expr, files: dict[str, str], rng: np.random.Generator) -> Any:
    """An argument of Sequential: a layer, a list of them, or a dict of names and layers."""
    if isinstance(node, ast.List | ast.Tuple):
        return [_layer(part, files, rng) for part in node.elts]
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        return dict(zip(keys, (_layer(part, files, rng) for part in node.values), strict=True))
    return _layer(node, files, rng)
