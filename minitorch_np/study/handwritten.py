"""The handwritten version of a network: the plain NumPy program that computes the same bits.

The program is derived from the source of the layers' own forward and backward, the loss's and the
optimizer's methods. They are gone through once, on real arrays: what is known (options, shapes, which
layers there are) is decided on the way, and what remains is the arithmetic.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_np._internal.arrays import as_floats
from minitorch_np._internal.notebook import ProgramText
from minitorch_np._internal.validation import flag, whole
from minitorch_np.derivation.derive import derive
from minitorch_np.derivation.naming import Roles
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.study.array_text import ROW, embedded, made_otherwise, save_beside, stored
from minitorch_np.study.bits import equal_bits
from minitorch_np.study.predictor import prediction
from minitorch_np.study.program import Program, written
from minitorch_np.study.targets import accepted_target, fitting_shape

CHECKED = 3  # steps

AROUND = 8  # lines before and after one that differs

BATCH = 64


def handwritten(
    model: Layer,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    x: Any = None,
    y: Any = None,
    *,
    train: bool = True,
    data: str | None = None,
    seed: int = 0,
    steps: int = 500,
    batch: int = BATCH,
    path: str | Path | None = None,
) -> str:
    """The program that trains this network, as one would write it by hand in NumPy, which is all it imports.

    It does what the training loop does, `steps` times over the whole of x and y, from the parameters
    and the optimizer's state as they are now; which it leaves alone. Its first steps are run, and
    compared with the layers' to the bit, before it is returned. A notebook shows it highlighted.

    `data` says where its arrays come from:
    - "embed", the default where x is an array: their numbers stand in the program;
    - "npz": in a file beside the program, which is written here. `path` is where the program will be,
      `my_network.py`, and the arrays go to `my_network.npz`;
    - "seed", the default otherwise: x, y and the parameters are drawn anew in the program, from `seed`.
      x may be left out (`batch` samples), or be the shape of the data; y is drawn to suit the loss.

    With train=False it is the forward pass alone, in evaluation mode: a function `predict(x)` and, beside it,
    the weights as they are; loss, optimizer and y are not needed. It takes a batch of any size, unless the
    layers compute something else for each; the other axes of x are as given here. Run by itself it predicts
    that x, or one from a file: `python my_network.py x.npy`. It is compared with the layers to the bit for
    batches of n, n + 1, 2 n + 1 and a single sample; a network that changes as it predicts is refused. `data`
    is "embed" or "npz", for the weights and an x that is an array.

    Raises ValueError that names the layer and the line for what cannot be written out: a function
    without source, a loop or an index that depends on the numbers in the network, a call outside NumPy.
    """
    if not flag("handwritten", "train", train):
        seed, batch = whole("handwritten", "seed", seed), whole("handwritten", "batch", batch, 1)
        return ProgramText(prediction(model, x, data=data, seed=seed, batch=batch, path=path))
    program = write(model, loss, optimizer, x, y, data=data, seed=seed, steps=steps, batch=batch)
    if data == "npz":
        save_beside(program.arrays, path)
    return ProgramText(program.text)


def write(
    model: Layer,
    loss: Loss | None,
    optimizer: Optimizer | None,
    x: Any = None,
    y: Any = None,
    *,
    data: str | None = None,
    seed: int = 0,
    steps: int = 500,
    batch: int = BATCH,
) -> Program:
    """`handwritten`, with the program's arrays and what its variables are."""
    loss, optimizer = _checked(model, loss, optimizer)
    seed, steps = whole("handwritten", "seed", seed), whole("handwritten", "steps", steps, 1)
    batch = whole("handwritten", "batch", batch, 1)
    is_shape = isinstance(x, tuple) and all(isinstance(size, int | np.integer) for size in x)
    if is_shape:
        x = tuple(whole("handwritten", "a size in the shape of x", size) for size in x)
    data = data or ("seed" if x is None or is_shape else "embed")
    if data not in ("embed", "npz", "seed"):
        raise ValueError(f"handwritten expects data to be 'embed', 'npz' or 'seed', got {data!r}")
    model, loss, optimizer = copy.deepcopy((model, loss, optimizer))
    model.zero_grad()
    names = Roles(model).parameters
    lines: list[str] = []
    if data == "seed":
        if y is not None:
            raise ValueError("handwritten with data='seed' draws y itself: leave it out")
        shape = x if is_shape else np.shape(x) if x is not None else fitting_shape(model, batch)
        lines, arrays = drawn(model, loss, names, shape, None, seed)
        for parameter in model.parameters():
            parameter.data = arrays[names[id(parameter)]]
        x, y = arrays["x"], arrays["y"]
    elif x is None or is_shape or y is None:
        raise ValueError(f"handwritten with data={data!r} expects the arrays x and y")
    if model.index_count is None:
        x = as_floats(x, model.dtype, "handwritten", "x")
    x, y = np.array(x), np.array(y)
    y = y.astype(y.dtype.newbyteorder("="), copy=False)
    made = written(derive(model, loss, optimizer, x, y), steps)
    if data == "embed":
        lines = embedded(made.arrays)
    elif data == "npz":
        lines = stored(made.arrays)
    else:
        lines += embedded({key: a for key, a in made.arrays.items() if key not in arrays})
    program = made.run_with(lines)
    if data != "npz":
        _verify_data(program, lines)
    _verify(program, model, loss, optimizer, x, y)
    return program


def _checked(model: Any, loss: Any, optimizer: Any) -> tuple[Loss, Optimizer]:
    """Raise TypeError or ValueError if these are no network, loss and optimizer that belong together."""
    expected = (("model", model, Layer), ("loss", loss, Loss), ("optimizer", optimizer, Optimizer))
    for name, thing, kind in expected:
        if not isinstance(thing, kind):
            fix = ": train=False needs none" if thing is None and kind is not Layer else ""
            raise TypeError(f"handwritten expects {name} to be {kind.__name__}, got {thing!r}{fix}")
    own = {id(parameter) for parameter in model.parameters()}
    groups: list[list[Parameter]] = [group["params"] for group in optimizer.param_groups]
    if not all(id(parameter) in own for group in groups for parameter in group):
        raise ValueError(f"{type(optimizer).__name__} has parameters that are none of the model's")
    return loss, optimizer


def _verify(program: Program, model: Layer, loss: Loss, optimizer: Optimizer, x: Any, y: Any) -> None:
    """Raise RuntimeError if the program's first steps are not the layers' to the bit."""
    model.zero_grad()
    arrays = copy.deepcopy(program.arrays)
    with np.errstate(all="ignore"):
        losses = program.train()(*arrays.values(), steps=CHECKED)
        for step, ours in enumerate(losses):
            theirs = loss(model(x), y)
            model.backward(loss.backward())
            optimizer.step()
            if np.asarray(ours).tobytes() != np.asarray(theirs).tobytes():
                said = f"the loss of step {step} is {float(ours)!r}, the layers' {float(theirs)!r}"
                _differ(program, said, "losses.append(")
    for parameter, (name, ours) in zip(model.parameters(), list(arrays.items())[2:], strict=False):
        if equal_bits(ours, parameter.data) < parameter.size:
            _differ(program, f"{name} after {CHECKED} steps is not the layers'", f"{name} -= ", f"{name}[")


def _verify_data(program: Program, lines: list[str]) -> None:
    """Raise RuntimeError if the lines for the arrays do not make them to the bit."""
    name = made_otherwise(lines, program.arrays)
    if name:
        _differ(program, f"{name} is not what it should be", f"{name} = ")


def _differ(program: Program, what: str, *starts: str) -> None:
    """Raise RuntimeError with the lines around the last statement that begins with one of `starts`."""
    lines = program.text.splitlines()
    at = max((i for i, line in enumerate(lines) if line.strip().startswith(starts)), default=0)
    first = max(0, at - AROUND)
    shown = "\n".join(
        f"{'>' if i == at else ' '} {i + 1:4}  {line[:ROW]}"
        for i, line in enumerate(lines[first : at + AROUND + 1], start=first)
    )
    raise RuntimeError(
        f"the program that was written out does not compute what the layers do: {what}. Does a layer compute "
        "something else from call to call? Otherwise it is a mistake of minitorch_np. The lines around it, of "
        f"{len(lines)}:\n{shown}"
    )


def drawn(
    model: Layer, loss: Loss, names: dict[int, str], shape: tuple[int, ...], target: Any, seed: int
) -> tuple[list[str], dict[str, Any]]:
    """The lines that draw data and weights with a seed, and what they make.

    x is normal, or indices; y is what the loss accepts first: normal numbers, classes, numbers from 0 to 1; a
    `target` is taken as it is. Parameters are drawn as Linear draws them, or are as constant as they are.
    """
    rng_line = f"rng = np.random.default_rng({seed})"
    scope: dict[str, Any] = {"np": np}
    exec(rng_line, scope)
    dtype = model.dtype or np.dtype(np.float64)
    cast = "" if dtype == np.float64 else f".astype(np.{dtype.name})"
    x_line = f"x = rng.standard_normal({shape}){cast}"
    if model.index_count is not None:
        x_line = f"x = rng.integers(0, {model.index_count}, {shape})"
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
    lines = (
        f"rng.standard_normal({shape}){cast}",
        f"rng.integers(0, {classes}, {rest})",
        f"rng.uniform(size={shape}){cast}",
    )
    targets = {line: eval(line, {**scope, "rng": copy.deepcopy(scope["rng"])}) for line in lines}
    return f"y = {accepted_target(loss, prediction, targets)}"
