"""Parser of layers, networks, losses and optimizers from text, `Linear(64, 32), relu, my_layers.py:Swish`.

The text is taken apart as names and calls, whose arguments are literals or layers again; nothing in it is
evaluated.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import minitorch_np
from minitorch_np import layers, losses, optimizers
from minitorch_np.layer import Layer
from minitorch_np.layers.linear import Linear
from minitorch_np.layers.sequential import Sequential
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter

TUTORIAL = (
    "Linear(1000, 100, bias=False, init='standard_normal'), ReLU(), "
    "Linear(100, 10, bias=False, init='standard_normal')"
)
EXAMPLE = "Linear(64, 32), ReLU(), Linear(32, 10)"
HIDDEN = "64, relu, 64, relu"
FILE = re.compile(r"([^\s,:(\[{]+\.py):(\w+)")
SIZES = ("num_features", "features", "size")  # arguments that a layer's place in a network decides
GUESSES = {"in_features": 4, "out_features": 3} | dict.fromkeys(SIZES, 4)


def network(
    given: Any,
    *,
    inputs: int | None = None,
    outputs: int | None = None,
    rng: np.random.Generator | int | None = 0,
) -> Sequential:
    """Return the network of a text, `Linear(64, 32), gelu, Linear(32, 10)`, or of a list of its parts.

    Layers may be names (`gelu`), `FILE.py:CLASS(…)`, containers of layers, `Sequential(…)`; in a list
    also layers themselves. Weights are drawn with `rng`.

    With `inputs` and `outputs` it may say the hidden layers alone, `64, relu, 64, relu`: a number is a
    Linear of so many outputs, and a Linear with `outputs` ends it; the sizes between follow, also for a
    layer that needs one and does not give it. No layers at all make a linear model. A text without a
    number is the whole network.

    Raises ValueError that says which part is wrong.
    """
    rng = np.random.default_rng(rng)
    if isinstance(given, str):
        parts = _parts(given)
    else:
        parts = [_part(part) for part in ([given] if isinstance(given, Layer) else given)]
    hidden = any(isinstance(part, int) for part in parts) or not parts
    if (hidden and (inputs is None or outputs is None)) or (inputs is None) != (outputs is None):
        raise ValueError(f"expected layers such as {EXAMPLE}, got {given!r}")
    made: list[Any] = []
    width = inputs
    for part in [*parts, outputs] if hidden else parts:
        layer = _layer(part, width, rng)
        if width is not None:
            width = _width(layer, width)
        made.append(layer)
    if width != outputs:
        raise ValueError(
            f"expected a network with {outputs} outputs, got {given!r} with {width}: end it with "
            f"Linear({width}, {outputs}), or give the hidden layers alone, {HIDDEN}"
        )
    return made[0] if len(made) == 1 and isinstance(made[0], Sequential) else Sequential(made)


def loss(text: str) -> Loss:
    """Return `CrossEntropyLoss`, `mse`, `HuberLoss(delta=2.0)` or `FILE.py:CLASS` as a loss."""
    call = re.sub(r"^\w*", "", text)
    name = text.removesuffix(call)
    if f"{name}loss".lower().replace("_", "") in _lower(losses.__all__):
        text = f"{name}Loss{call}"
    elif (
        name
        and ":" not in text
        and name.lower().replace("_", "") not in _lower(layers.__all__ + losses.__all__)
    ):
        known = {other.lower().removesuffix("loss"): other for other in losses.__all__}
        near = difflib.get_close_matches(name.lower().removesuffix("loss"), known, 1)
        if near:
            raise ValueError(f"there is no loss {name}; did you mean {known[near[0]]}?")
    found = load(text)
    if not isinstance(found, Loss):
        raise ValueError(f"expected a loss such as SquaredLoss, got {text}, which is {found!r}")
    return found


def optimizer(text: str, parameters: Iterable[Parameter], **options: Any) -> Optimizer:
    """Return `Adam` or `SGD(momentum=0.9)` as an optimizer; `options` are what the text does not say."""
    name, args, kwargs = parse_call(text)
    known = _lower(name for name in optimizers.__all__ if name != "Optimizer")
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, 1)
        guess = f"did you mean {known[near[0]]}? " if near else ""
        raise ValueError(f"there is no optimizer {name}; {guess}there is {', '.join(known.values())}")
    try:
        made: Optimizer = getattr(optimizers, known[name.lower()])(parameters, *args, **options | kwargs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text} cannot be made: {error}") from error
    return made


def load(text: str, *, guesses: Mapping[str, int] = GUESSES, rng: np.random.Generator | None = None) -> Any:
    """Return the layer or loss of that name, made with the arguments given: literals, layers, lists of them.

    Sizes that it needs and is not given are taken from `guesses`, by their names. A class that draws
    numbers draws them from `rng`. Raises ValueError that says what is wrong with the text, the file, the
    class or its arguments.
    """
    source, colon, call = text.rpartition(":") if ":" in text.split("(", maxsplit=1)[0] else ("", "", text)
    name, args, kwargs = parse_call(call, lambda node: _argument(node, rng))
    if not colon:
        found = _named(name)
    else:
        module = load_module(source)
        if not hasattr(module, name):
            known = [
                key
                for key, value in vars(module).items()
                if _is_class(value) and value.__module__ == module.__name__
            ]
            raise ValueError(f"{source} has no {name}; it has {', '.join(known) or 'no layer and no loss'}")
        found = getattr(module, name)
    if isinstance(found, Layer | Loss) and not (args or kwargs):
        return found
    if not _is_class(found):
        raise ValueError(f"{text} is not a Layer, Activation or Loss but {found!r}")
    try:
        if not (args or kwargs):
            kwargs = _guessed(found, guesses)
        if rng is not None and "rng" in inspect.signature(found).parameters:
            kwargs = {"rng": rng} | kwargs
        return found(*args, **kwargs)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{call} cannot be made: {type(error).__name__}: {error}") from error


def parse_call(
    text: str, argument: Callable[[ast.expr], Any] | None = None
) -> tuple[str, list[Any], dict[str, Any]]:
    """Return `Dense(4, bias=False)` as a name and its arguments: literals, unless `argument` reads more."""
    argument = argument or literal
    node = _tree(text)
    if isinstance(node, ast.Name):
        return node.id, [], {}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        args = [argument(part) for part in node.args]
        return node.func.id, args, {str(k.arg): argument(k.value) for k in node.keywords}
    raise ValueError(f"expected a name, or a call with literal arguments such as Dense(4, 3), got {text!r}")


def _argument(node: ast.expr, rng: np.random.Generator | None) -> Any:
    """Return an argument of a layer: a literal, a layer, a list of them, or a dict of names and layers."""
    if isinstance(node, ast.Name | ast.Call):
        return load(ast.unparse(node), guesses={}, rng=rng)
    if isinstance(node, ast.List | ast.Tuple):
        parts = [_argument(part, rng) for part in node.elts]
        return parts if isinstance(node, ast.List) else tuple(parts)
    if isinstance(node, ast.Dict):
        keys = [literal(key) for key in node.keys if key is not None]
        return dict(zip(keys, (_argument(part, rng) for part in node.values), strict=True))
    return literal(node)


def literal(node: ast.expr) -> Any:
    """Return a literal argument; ValueError for any other expression."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(
            f"expected a literal as an argument, such as 3 or (4, 3), got {ast.unparse(node)}"
        ) from None


def load_module(source: str) -> ModuleType:
    """Return a module from a file or by its dotted name; it can import modules beside it, or here."""
    path = Path(source)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise ValueError(f"there is no file {source}")
    sys.path.insert(0, str(path.resolve().parent if is_file else Path.cwd()))
    try:
        if not is_file:
            return importlib.import_module(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ValueError(f"{source} cannot be read as a module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:  # a file that calls exit() does not decide how we end
        raise ValueError(f"{source} cannot be imported: {place(error)}") from error
    finally:
        del sys.path[0]


def place(error: BaseException) -> str:
    """Return `my_layers.py line 12: NameError: …`, the innermost line that a user wrote."""
    own = str(Path(minitorch_np.__file__).parent)
    at = ""
    if isinstance(error, SyntaxError):
        at = f"{Path(str(error.filename)).name} line {error.lineno}: "
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        is_installed = "importlib" in file or "site-packages" in file
        if not file.startswith((own, "<")) and not is_installed and not isinstance(error, SyntaxError):
            at = f"{Path(file).name} line {trace.tb_lineno}: "
        trace = trace.tb_next
    return f"{at}{type(error).__name__}: {error}"


def _tree(text: str) -> ast.expr | None:
    """Return text as a syntax tree, in which FILE.py:CLASS is one name; None if it is not one expression."""
    files: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        files[f"_{len(files)}_{match[2]}"] = match[0]
        return list(files)[-1]

    try:
        body = ast.parse(FILE.sub(placeholder, text.strip()), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(body):
        if isinstance(node, ast.Name):
            node.id = files.get(node.id, node.id)
    return body


def _parts(text: str) -> list[Any]:
    """Return the parts of a network: sizes as numbers, layers as syntax trees."""
    body = _tree(f"[{text}]")
    if not isinstance(body, ast.List):
        raise ValueError(f"expected layers such as {EXAMPLE}, or hidden layers such as {HIDDEN}, got {text!r}")
    return [_part(n.value if isinstance(n, ast.Constant) else n) for n in body.elts]


def _part(part: Any) -> Any:
    """Return a part of a network as a size, a syntax tree, a layer or a class of layers."""
    if isinstance(part, str):
        found = _parts(part)
        if len(found) == 1:
            return found[0]
    elif isinstance(part, int | np.integer) and not isinstance(part, bool):
        if part > 0:
            return int(part)
        raise ValueError(f"a layer has one output or more, got {part}")
    elif isinstance(part, ast.expr | Layer) or _is_class(part):
        return part
    raise ValueError(f"a network is made of layers, their names and sizes, such as {HIDDEN}, got {part!r}")


def _layer(part: Any, width: int | None, rng: np.random.Generator) -> Any:
    """Return the layer that a size, a name, a call or a class stands for, behind `width` outputs."""
    if isinstance(part, Layer):
        return part
    if isinstance(part, int):
        return Linear(width or 0, part, rng=rng)
    text = part.__name__ if isinstance(part, type) else ast.unparse(part)
    sizes = {} if width is None else dict.fromkeys(SIZES, width)
    made = part(**_guessed(part, sizes)) if isinstance(part, type) else load(text, guesses=sizes, rng=rng)
    if not isinstance(made, Layer):
        raise ValueError(f"a network is made of layers, and {text} is {made!r}")
    return made


def _width(layer: Layer, width: int) -> int:
    """Return how many outputs a layer has for so many inputs; it is tried."""
    if isinstance(layer, Linear) and layer.in_features == width:
        return layer.out_features
    training = layer.training
    try:
        y = layer.eval()(np.zeros((2, width), layer.dtype or np.float64))
    except ValueError as error:
        raise ValueError(f"{layer!r} does not fit behind {width} outputs: {error}") from error
    finally:
        layer.train(training).clear_saved()
    if y.ndim != 2 or len(y) != 2:
        raise ValueError(f"{layer!r} makes {y.shape} of (2, {width}): a row should stay a row")
    return y.shape[1]


def _named(name: str) -> Any:
    """Return a public layer or loss, however its name is spelled: ReLU, relu, leaky_relu."""
    known = dict.fromkeys(layers.__all__, layers) | dict.fromkeys(losses.__all__, losses)
    spelled, wanted = _lower(known), name.lower().replace("_", "")
    found = getattr(known[spelled[wanted]], spelled[wanted]) if wanted in spelled else None
    if not _is_class(found) or inspect.isabstract(found):
        near = difflib.get_close_matches(wanted, spelled, 1)
        guess = f"did you mean {spelled[near[0]]}? " if near else ""
        raise ValueError(
            f"there is no {name} here; {guess}for one of your own give its file, my_layers.py:{name}"
        )
    return found


def _guessed(found: type, guesses: Mapping[str, int]) -> dict[str, Any]:
    """Return the arguments that a class needs, by the guesses; TypeError for one that is not among them."""
    parameters = list(inspect.signature(found).parameters.values())
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]
    unknown = [name for name in needed if name not in guesses]
    if unknown:
        raise TypeError(f"give its arguments, {found.__name__}({', '.join(needed)}) with numbers for the names")
    return {name: guesses[name] for name in needed}


def _lower(names: Iterable[str]) -> dict[str, str]:
    return {name.lower(): name for name in names}


def _is_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Layer | Loss)
