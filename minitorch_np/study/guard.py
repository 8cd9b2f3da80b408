"""A guard that stops a training loop at the first NaN or infinity, and says where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MethodType
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.parameter import Parameter

Run = Callable[[], Any]
Sources = dict[str, Any]  # what an array was made of, by name

DATA = "it came with the data: a missing value, or a division by a standard deviation of 0?"
INITIAL = "it was so before the first forward: look at its initial or loaded value"
UPDATE = "it was finite before, so an update made it so: a smaller lr, or clip_grad_norm_?"
AROUND = "the layer around it made that"
LEFT = "it was left there before this backward: zero_grad() throws it away"
FROM_LOSS = "the loss gave that: guard(model, loss) says where it comes from"
AFTER_LOSS = "it was finite when loss.backward() returned it, and became so on the way to model.backward()"
AFTER_MODEL = "it became so on the way from the model to the loss"


@contextmanager
def guard(model: Layer, loss: Loss | None = None, *, allow_infinity: bool = False) -> Iterator[None]:
    """Inside, every forward and backward of the model and of the loss is looked through.

        with guard(model, loss):
            train()

    Raises FloatingPointError at the first array with a NaN or an infinity: the layer, whether it is
    the input, a parameter, the output or a gradient, how many elements, the first of them, and the
    likely cause. At the end of the block the parameters are looked through once more. Some networks
    compute with infinities, a softmax over scores with −∞ for one; with `allow_infinity=True` only NaN
    counts.

    Layers have no hooks for this. While it watches, each has a `forward` and a `backward` of its own
    that stand before those of its class; they go when the block ends, however it ends. A copy made
    inside is not watched. NumPy's warnings about overflow and NaN inside layers are left out meanwhile.
    """
    watch = _Watch(model, loss, allow_infinity)
    with ExitStack() as replacements:
        for layer in watch.layers.values():
            replacements.enter_context(_replaced(layer, "forward", watch.forward))
            replacements.enter_context(_replaced(layer, "backward", watch.backward))
        if loss is not None:
            replacements.enter_context(_replaced(loss, "forward", watch.loss_forward))
            replacements.enter_context(_replaced(loss, "backward", watch.loss_backward))
        yield
        for layer in watch.layers.values():
            watch.parameters(layer, "after the last update")


@contextmanager
def _replaced(part: Any, method: str, see: Callable[..., Any]) -> Iterator[None]:
    """Inside, part.method(...) is see(part, run, ...), where run() is the method itself."""
    run, before = getattr(part, method), vars(part).get(method)

    def watched(self: Any, *given: Any, **options: Any) -> Any:
        if self is not part:  # a copy: it took this method along
            return getattr(type(self), method)(self, *given, **options)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return see(part, partial(run, *given, **options), *given, *options.values())

    watched.__name__ = method  # so that a bound method can be pickled
    vars(part)[method] = MethodType(watched, part)
    try:
        yield
    finally:
        vars(part).pop(method, None)
        if before is not None:
            vars(part)[method] = before


class _Watch:
    """What is looked through, when, and what is said about it."""

    def __init__(self, model: Layer, loss: Loss | None, allow_infinity: bool) -> None:
        if not isinstance(model, Layer):
            raise TypeError(f"guard expects a layer or a network, got {model!r}")
        if loss is not None and not isinstance(loss, Loss):
            raise TypeError(f"guard expects a Loss as loss, got {loss!r}")
        self.model, self.loss, self.allow_infinity = model, loss, allow_infinity
        self.layers: dict[str, Any] = dict(model.named_modules())
        self.names = {id(layer): name for name, layer in self.layers.items()}
        self.looked_through: set[int] = set()  # the parameters that were fine at least once
        self.passes = 0
        self.of_loss: Sources = {}

    def forward(self, layer: Any, run: Run, x: Any, *_: Any) -> Any:
        self.passes += layer is self.model
        when = f"forward {self.passes}"
        self.check(layer, when, "x", x, DATA if layer is self.model else AROUND)
        self.parameters(layer, when)
        y, own = run(), _own_data(layer)
        self.check(layer, when, "the output", y, "x and the parameters are {fine}", {"x": x} | own)
        return y

    def backward(self, layer: Any, run: Run, dy: Any, *_: Any) -> Any:
        when = f"backward {self.passes}"
        came = AROUND if layer is not self.model else FROM_LOSS if self.loss is None else AFTER_LOSS
        self.check(layer, when, "dy, the gradient of the output,", dy, came)
        self.gradients(layer, when, LEFT)
        dx, own = run(), _own_data(layer)
        self.gradients(layer, when, "dy is {fine}", {"dy": dy} | own)
        self.check(layer, when, "dx, the gradient of x,", dx, "dy is {fine}", {"dy": dy} | own)
        return dx

    def parameters(self, layer: Any, when: str) -> None:
        for name, parameter in _own_parameters(layer):
            known = id(parameter) in self.looked_through
            self.check(layer, when, f"parameter {name}", parameter.data, UPDATE if known else INITIAL)
            self.looked_through.add(id(parameter))

    def gradients(self, layer: Any, when: str, cause: str, sources: Sources | None = None) -> None:
        for name, parameter in _own_parameters(layer):
            if parameter.has_grad:
                self.check(layer, when, f"the gradient of {name}", parameter.grad, cause, sources)

    def loss_forward(self, loss: Any, run: Run, prediction: Any, target: Any, *_: Any) -> Any:
        when = f"forward {self.passes}"
        self.of_loss = {"prediction": prediction, "target": target}
        self.check(loss, when, "the prediction", prediction, AFTER_MODEL)
        self.check(loss, when, "the target", target, DATA)
        value = run()
        self.check(loss, when, "the value", value, "prediction and target are {fine}", self.of_loss)
        return value

    def loss_backward(self, loss: Any, run: Run, *_: Any) -> Any:
        gradient = run()
        when, cause = f"backward {self.passes}", "prediction, target and value are {fine}"
        self.check(loss, when, "the gradient of the prediction", gradient, cause, self.of_loss)
        return gradient

    def check(
        self, part: Any, when: str, what: str, array: Any, cause: str, sources: Sources | None = None
    ) -> None:
        """Raise for a NaN or infinity in `array`."""
        try:
            array = np.asarray(array)
        except ValueError:
            return  # a list of lists of different lengths: the layer itself refuses it
        if array.dtype.kind != "f":
            return  # integers, and the None of a backward without dx
        if not (wrong := np.isnan(array) if self.allow_infinity else ~np.isfinite(array)).any():
            return
        for layer in self.layers.values():  # some may have kept this pass, others the one before
            vars(layer).pop("_saved", None)
        cause = cause.format(fine="free of NaN" if self.allow_infinity else "finite")
        if sources:
            cause += f" ({', '.join(map(_range, sources, sources.values()))}): {_likely(array)}"
        at = np.argwhere(wrong)[0].tolist()
        nan, infinite = int(np.isnan(array).sum()), int((np.isinf(array) & wrong).sum())
        counts = " and ".join([f"{nan} NaN"] * (nan > 0) + [f"{infinite} inf"] * (infinite > 0))
        elements = f"{array.size} element{'s' * (array.size != 1)}{f', the first at {at}' * bool(at)}"
        raise FloatingPointError(
            f"{self.place(part)}, {when}: {what} holds {counts} in {elements}\n    {cause}"
        )

    def place(self, part: Any) -> str:
        name = self.names.get(id(part), "")
        is_container = isinstance(part, Layer) and any(True for _ in part.children())
        text = type(part).__name__ if is_container else repr(part)
        return f"layer {name!r}, {text}" if name else text


def _own_parameters(layer: Any) -> list[tuple[str, Parameter]]:
    return [(name, value) for name, value in vars(layer).items() if isinstance(value, Parameter)]


def _own_data(layer: Any) -> Sources:
    return {name: parameter.data for name, parameter in _own_parameters(layer)}


def _range(name: str, array: Any) -> str:
    sizes = np.abs(np.asarray(array))
    return f"|{name}| from {sizes.min():.3g} to {sizes.max():.3g}" if sizes.size else f"{name} is empty"


def _likely(array: Any) -> str:
    if np.isinf(array).any():
        return (
            f"too large for {array.dtype}, which ends at {np.finfo(array.dtype).max:.2g}, or a division by 0?"
        )
    return "0/0, ∞ − ∞ or 0 · ∞ on the way, or a root or logarithm of a negative number?"
