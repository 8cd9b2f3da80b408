"""A guard that stops a training loop at the first NaN or infinity, and says where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minitorch_np._internal.watching import watched
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.parameter import Parameter
from minitorch_np.training.non_finite import held_text, location_text

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

    A copy of the model made inside is not watched. NumPy's warnings about overflow and NaN inside layers
    are left out meanwhile.
    """
    watch = _Watch(model, loss, allow_infinity)
    of_loss = {} if loss is None else {"loss_forward": watch.loss_forward, "loss_backward": watch.loss_backward}
    with watched(model, forward=watch.forward, backward=watch.backward, loss=loss, **of_loss):
        yield
        for name, layer in watch.layers.items():
            watch.parameters(name, layer, "after the last update")


class _Watch:
    """What is looked through, when, and what is said about it."""

    def __init__(self, model: Layer, loss: Loss | None, allow_infinity: bool) -> None:
        if not isinstance(model, Layer):
            raise TypeError(f"guard expects a layer or a network, got {model!r}")
        if loss is not None and not isinstance(loss, Loss):
            raise TypeError(f"guard expects a Loss as loss, got {loss!r}")
        self.model, self.loss, self.allow_infinity = model, loss, allow_infinity
        self.layers: dict[str, Any] = dict(model.named_modules())
        self.places = {n: location_text(n, layer).removesuffix(",") for n, layer in self.layers.items()}
        self.looked_through: set[int] = set()  # the parameters that were fine at least once
        self.passes = 0
        self.of_loss: Sources = {}

    def forward(self, name: str, layer: Any, run: Run, x: Any) -> Any:
        self.passes += layer is self.model
        at, when = self.places[name], f"forward {self.passes}"
        self.check(at, when, "x", x, DATA if layer is self.model else AROUND)
        self.parameters(name, layer, when)
        y, own = _quiet(run), _own_data(layer)
        self.check(at, when, "the output", y, "x and the parameters are {fine}", {"x": x} | own)
        return y

    def backward(self, name: str, layer: Any, run: Run, dy: Any) -> Any:
        at, when = self.places[name], f"backward {self.passes}"
        came = AROUND if layer is not self.model else FROM_LOSS if self.loss is None else AFTER_LOSS
        self.check(at, when, "dy, the gradient of the output,", dy, came)
        self.gradients(at, layer, when, LEFT)
        dx, own = _quiet(run), _own_data(layer)
        self.gradients(at, layer, when, "dy is {fine}", {"dy": dy} | own)
        self.check(at, when, "dx, the gradient of x,", dx, "dy is {fine}", {"dy": dy} | own)
        return dx

    def parameters(self, name: str, layer: Any, when: str) -> None:
        for own, parameter in _own_parameters(layer):
            known = id(parameter) in self.looked_through
            self.check(
                self.places[name], when, f"parameter {own}", parameter.data, UPDATE if known else INITIAL
            )
            self.looked_through.add(id(parameter))

    def gradients(self, at: str, layer: Any, when: str, cause: str, sources: Sources | None = None) -> None:
        for name, parameter in _own_parameters(layer):
            if parameter.has_grad:
                self.check(at, when, f"the gradient of {name}", parameter.grad, cause, sources)

    def loss_forward(self, loss: Any, run: Run, prediction: Any, target: Any, *_: Any) -> Any:
        when = f"forward {self.passes}"
        self.of_loss = {"prediction": prediction, "target": target}
        at = repr(loss)
        self.check(at, when, "the prediction", prediction, AFTER_MODEL)
        self.check(at, when, "the target", target, DATA)
        value = _quiet(run)
        self.check(at, when, "the value", value, "prediction and target are {fine}", self.of_loss)
        return value

    def loss_backward(self, loss: Any, run: Run, *_: Any) -> Any:
        gradient = _quiet(run)
        when, cause = f"backward {self.passes}", "prediction, target and value are {fine}"
        self.check(repr(loss), when, "the gradient of the prediction", gradient, cause, self.of_loss)
        return gradient

    def check(
        self, at: str, when: str, what: str, array: Any, cause: str, sources: Sources | None = None
    ) -> None:
        """Raise for a NaN or infinity in `array`."""
        try:
            array = np.asarray(array)
        except ValueError:
            return  # a list of lists of different lengths: the layer itself refuses it
        if array.dtype.kind != "f":
            return  # integers, and the None of a backward without dx
        if not (np.isnan(array) if self.allow_infinity else ~np.isfinite(array)).any():
            return
        self.model.clear_saved()  # some layers have saved this pass, others the one before
        cause = cause.format(fine="free of NaN" if self.allow_infinity else "finite")
        if sources:
            cause += f" ({', '.join(map(_range, sources, sources.values()))}): {_likely(array)}"
        held = held_text(array, nan_only=self.allow_infinity)
        raise FloatingPointError(f"{at}, {when}: {what} {held}\n    {cause}")


def _quiet(run: Run) -> Any:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return run()


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
