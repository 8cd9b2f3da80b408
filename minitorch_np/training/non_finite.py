"""NaN and infinity: the first array of a network that holds one, and the likely cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.watching import watched
from minitorch_np.parameter import Parameter

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.module import Module
    from minitorch_np.training.history import History

MODERATE = 1e6  # numbers up to here do not overflow by themselves, unless a layer has an exponential
SMALLER = "a smaller learning rate (a tenth?), or clip_norm=1.0"


class NotFiniteError(FloatingPointError):
    """Training has come to a NaN or an infinity; `history` is what went before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


def broken_parameters(model: Layer, losses: Sequence[float]) -> str | None:
    """What is said of the parameters that are not finite, if there are any.

    A backward pass goes from the last layer to the first, so the last one whose gradient is not finite
    is where that began; gradients stay readable after the step that used them.
    """
    parameters = list(_arrays(model, Parameter))
    broken = [(where, p) for where, p in parameters if not np.isfinite(p.data).all()]
    if not broken:
        return None
    where, parameter = broken[0]
    said = f"{where} {held_text(parameter.data)}"
    if not losses:
        return f"{said}\n    before the first step: look at its initial or loaded value"
    gradients = [(where, p) for where, p in parameters if not np.isfinite(p.grad).all()]
    if gradients:
        where, parameter = gradients[-1]
        return (
            f"the gradient of {where} {held_text(parameter.grad)}\n"
            f"    in the step before, whose loss was still finite: {SMALLER}"
        )
    return f"{said}\n    the last update made it so, from a finite gradient: {SMALLER}"


def broken_pass(model: Layer, loss: Loss, x: Any, y: Any, losses: Sequence[float]) -> str:
    """Where the forward pass over a batch stops being finite, and the likely cause.

    The pass is run once more, and each layer's input, buffers and output are looked through.
    """
    if not _finite(x):
        cause = "it came with the data: a missing value, or a division by 0?"
        return f"x of this batch {held_text(x)}\n    {cause}"
    found: list[str] = []
    places = {name: location_text(name, layer) for name, layer in model.named_modules()}

    def look(name: str, layer: Any, run: Callable[[], Any], x: Any) -> Any:
        place = places[name]
        for buffer in layer.buffer_names:
            if not found and not _finite(getattr(layer, buffer)):
                found.append(f"buffer {buffer} of {place} {held_text(getattr(layer, buffer))}")
        y = run()
        if not found and not _finite(y):
            sources = {"x": x} | {n: p.data for n, p in vars(layer).items() if isinstance(p, Parameter)}
            sizes = ", ".join(f"{name} up to {_largest(array)}" for name, array in sources.items())
            found.append(f"the output of {place} {held_text(y)}, from {sizes}")
            if all(np.abs(np.asarray(array)).max(initial=0) < MODERATE for array in sources.values()):
                found.append("0/0, or a root or logarithm of a negative number in that layer?")
        return y

    with watched(model, forward=look):
        y_pred = model(x)
    model.clear_saved()
    if not found and not _finite(y):
        return f"y, the targets of this batch, {held_text(y)}\n    look at the data: a missing value?"
    if not found:
        value = loss(y_pred, y)
        if np.isfinite(value):
            return "a second pass over the same batch is finite: something in the network is random"
        found.append(f"{loss!r} gives {value}, from predictions up to {_largest(y_pred)}")
    cause = found[1] if len(found) > 1 else _cause(losses, x, model)
    return f"{found[0]}\n    {cause}"


def _cause(losses: Sequence[float], x: Any, model: Layer) -> str:
    if not losses:
        weights = max((_largest(p.data) for p in model.parameters()), key=float, default="0")
        return (
            f"this is the first step: look at the scale of the data, up to {_largest(x)}, and of the initial "
            f"weights, up to {weights}"
        )
    if len(losses) == 1 or losses[-1] > losses[0]:
        return f"each update has made it larger, as a learning rate does that is too large: {SMALLER}"
    return f"a step that was too large, or a batch with extreme numbers (up to {_largest(x)})? {SMALLER}"


def _arrays(model: Layer, kind: type) -> Iterator[tuple[str, Any]]:
    for name, layer in model.named_modules():
        for attribute, value in vars(layer).items():
            if isinstance(value, kind):
                yield f"{attribute} of {location_text(name, layer)}", value


def location_text(name: str, layer: Module) -> str:
    """Return a layer by its place and its text, of a container the class alone: `layer '0', Linear(4, 3),`."""
    text = type(layer).__name__ if any(True for _ in layer.children()) else repr(layer)
    return f"layer {name!r}, {text}," if name else text


def _finite(array: Any) -> bool:
    array = np.asarray(array)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def held_text(array: Array, nan_only: bool = False) -> str:
    """Return what an array holds, `holds 3 NaN and 1 inf in 640 elements, the first at [0, 2]`."""
    nan = np.isnan(array)
    wrong = nan if nan_only else ~np.isfinite(array)
    counts = [f"{count} {what}" for what, count in (("NaN", nan.sum()), ("inf", (wrong & ~nan).sum())) if count]
    at = np.argwhere(wrong)[0].tolist()
    where = f", the first at {at}" * bool(at)
    return f"holds {' and '.join(counts)} in {array.size} element{'s' * (array.size != 1)}{where}"


def _largest(array: Any) -> str:
    return f"{np.abs(np.asarray(array)).max(initial=0):.3g}"
