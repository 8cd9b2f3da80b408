"""Subjects of a gradient check: layers and losses of this package, and what others write in its place.

Others write classes with `forward` and `backward` that keep their gradients in `dW`, `grads` or `dinputs`, or
pairs of functions, `out, cache = affine_forward(x, w, b)` and `dx, dw, db = affine_backward(dout, cache)`.
Each becomes a Subject: inputs and parameters by name, and their gradients by the same names.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from minitorch_np.layer import Layer
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.losses.loss import Loss
from minitorch_np.study.slots import (
    BACKWARD,
    Slot,
    gradient_names,
    is_learnable_array,
    is_parameter_name,
    parts,
    plain_slots,
    slots,
)

TARGETS = frozenset("t y target targets label labels y_true ytrue true gt teacher truth".split())
FORWARD = ("forward", "__call__", "fprop")
PAIRS = (("forward", "backward"), ("fwd", "bwd"), ("fprop", "bprop"))
OUTPUTS = ("output", "out", "y", "outputs", "loss", "value")
INPUT_GRADIENTS = ("dinputs", "dx", "dinput", "dX", "grad_input", "input_grad", "grad_x", "d_input", "dinputs_")
RATES = ("lr", "learning_rate", "learningrate", "eta")
MODES = ("training", "train", "train_flg", "is_training", "train_flag", "is_train", "mode")


class Subject:
    """Something with inputs and parameters that is differentiated: names, a forward and a backward pass."""

    is_own = False  # a layer or a loss of this package, with its contract
    is_loss = False
    takes_dy = True
    averages = False  # whether the gradient of a loss is that of the mean of the values that forward gives
    outputs = 1  # that forward returns and backward takes gradients of; several are joined to one y
    _shapes: tuple[tuple[int, ...], ...] = ()  # of several

    def __init__(self, thing: Any, title: str, names: list[str]) -> None:
        self.thing, self.title, self.names = thing, title, names
        self.parameters: dict[str, Any] = {}

    def free(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """Return the inputs that have a gradient: arrays of floats, but for the target of a loss."""
        targets = [name for name in self.names[1:] if name.lower() in TARGETS] or self.names[1:2]
        constant = targets[:1] if self.is_loss else []
        given = zip(self.names, inputs, strict=True)
        return {n: v for n, v in given if is_learnable_array(v) and n not in constant}

    def divided(self, returned: Any) -> tuple[Any, Any]:
        """Return y and what is behind it in what forward returned, the cache."""
        if not isinstance(returned, tuple) or not returned:
            return returned, None
        n = self.outputs
        y = returned[0]
        if n > 1:
            self._shapes = tuple(part.shape for part in returned[:n])
            y = np.concatenate([np.ravel(part) for part in returned[:n]])
        return y, returned[n] if len(returned) == n + 1 else returned[n:] or None

    def count_outputs(self, returned: Any, backward: Callable[..., Any] | None) -> None:
        """Find how many of the values that forward returned have a gradient that backward takes."""
        required = [] if backward is None else [p for p in _positional(backward) if p.default is p.empty]
        taken = list(takewhile(lambda p: p.name.lower().startswith(("d", "grad")), required))
        arrays = list(takewhile(is_learnable_array, returned)) if isinstance(returned, tuple) else []
        if len(arrays) >= len(taken) > 1:
            self.outputs = len(taken)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of elements of several outputs; empty for one."""
        return tuple(int(np.prod(shape)) for shape in self._shapes)

    def upstream(self, dy: Any) -> list[Any]:
        """Return the gradients of the outputs that backward takes, out of that of y."""
        if self.outputs == 1:
            return [dy]
        ends = np.cumsum(self.sizes)
        return [part.reshape(s) for part, s in zip(np.split(dy, ends[:-1]), self._shapes, strict=True)]

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError

    def backward(self, dy: Any, *inputs: Any, adds: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        """Call forward and then backward; return the gradients of the inputs and of the parameters.

        With `adds` the gradients of the parameters are not cleared before.
        """
        raise NotImplementedError

    def holders(self) -> list[tuple[Any, str]]:
        """Return where the functions of the backward pass are held: a class or this, and the attribute."""
        names = ("derivative", "gradient", "backward")
        return [(kind, name) for kind in type(self.thing).__mro__ for name in names if is_foreign(kind, name)]

    def other_modes(self) -> Iterator[str]:
        """Set each other mode, one after the other, and yield its name."""
        return iter(())


class OwnLayer(Subject):
    is_own = True

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer, repr(layer), ["x"])
        self.registered = dict(layer.named_parameters())
        self.plain = plain_slots(layer)
        self.parameters = {name: p.data for name, p in self.registered.items()}
        self.parameters |= {slot.name: slot.array for slot in self.plain}

    def forward(self, *inputs: Any) -> Any:
        return self.thing(*inputs)

    def backward(self, dy: Any, *inputs: Any, adds: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        for parameter in () if adds else self.registered.values():
            parameter.zero_grad()
        self.thing(*inputs)
        dx = input_gradient(self.thing, dy)
        gradients: dict[str, Any] = {n: p.grad.copy() for n, p in self.registered.items() if p.has_grad}
        return {"x": dx}, gradients | {slot.name: slot.gradient() for slot in self.plain}

    def other_modes(self) -> Iterator[str]:
        modes = [(layer, layer.training) for layer in self.thing.modules()]
        for mode in (True, False):
            if any(training != mode for _, training in modes):
                self.thing.train(mode)
                yield "in training mode" if mode else "in evaluation mode"
        for layer, training in modes:
            layer.training = training


class OwnLoss(Subject):
    is_own = is_loss = True

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss, repr(loss), ["prediction", "target"])
        self.takes_dy = loss.reduction == "none"

    def forward(self, *inputs: Any) -> Any:
        return self.thing(*inputs)

    def backward(self, dy: Any, *inputs: Any, adds: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        self.thing(*inputs)
        dx = self.thing.backward(dy) if self.takes_dy else self.thing.backward()
        return {"prediction": dx}, {}


def is_foreign(kind: type, name: str) -> bool:
    """Whether a class that is not of this package defines the method."""
    return name in vars(kind) and not kind.__module__.startswith("minitorch_np")


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


class ForeignObject(Subject):
    """An object with a forward and a backward pass, of any class.

    Its parameters are the arrays for which it keeps a gradient; a backward pass that takes a learning rate
    updates them itself, and its gradient is the step. The object itself stays as it is: a copy is examined.
    """

    def __init__(self, thing: Any, inputs: tuple[Any, ...], title: str) -> None:
        self._forward, self._backward = (method_name(thing, names) for names in (FORWARD, BACKWARD))
        taken = [p.name for p in _positional(getattr(thing, self._forward))]
        names = [*taken[: len(inputs)], *(f"input {i}" for i in range(len(taken), len(inputs)))]
        super().__init__(thing, title, ["x", *names[1:]] if len(inputs) == 1 else names)
        self._options: dict[str, Any] = {}
        tried = _copied(thing)
        self._prepare(tried)
        self.count_outputs(self._returned(*map(copy.deepcopy, inputs)), getattr(tried, self._backward))
        y = np.asarray(self._outputs(*map(copy.deepcopy, inputs))[0])
        second = names[1].lower() if len(names) > 1 else ""
        self.is_loss = len(inputs) == 2 and (y.size == 1 or second in TARGETS - {"y"})
        rest = _positional(getattr(thing, self._backward))
        self.takes_dy = not self.is_loss
        self.updates = any(p.name.lower() in RATES for p in rest)
        self._rate = 1.0
        dy = np.ones_like(y) if self.takes_dy else 1.0
        before = {name: getattr(tried, name).copy() for name in _weights(tried)}
        returned, _ = self._call_backward(dy, *map(copy.deepcopy, inputs))
        held = [v for n, v in vars(tried).items() if n.lower() in RATES and isinstance(v, float) and v > 0]
        moved = any(not np.array_equal(getattr(tried, name), array) for name, array in before.items())
        if held and moved and not self.updates and not slots(tried):
            self.updates, self._rate = True, held[0]  # by a learning rate that it was made with
        count = len(returned) - len(self.free(inputs)) if isinstance(returned, tuple | dict) else 0
        self._returned_too = count if count > 0 and not slots(tried) else 0
        found = self._find(tried)
        self._outputs(*map(copy.deepcopy, inputs))
        found = [slot for slot in found if slot.is_kept()]  # and not what forward saves of x
        self._prepare(_copied(thing))
        fresh = {slot.name: slot for slot in self._find(self.thing)}
        if all(slot.name in fresh for slot in found):
            self._slots = [fresh[slot.name] for slot in found]
        else:
            self._prepare(tried)  # it makes its weights in the first forward pass
            self._slots = found
        self.parameters = {slot.name: slot.array for slot in self._slots}

    def _prepare(self, thing: Any) -> None:
        self.thing = thing
        _to_float64(thing, set())

    def _find(self, thing: Any) -> list[Slot]:
        """Its parameters; also those whose gradient backward returns, or steps along, and does not keep."""
        if not (self.updates or self._returned_too):
            return slots(thing)
        weights = _weights(thing)
        count = len(weights) if self.updates else self._returned_too
        return [Slot(name, thing, name, lambda: None) for name in weights[:count]]

    def _outputs(self, *inputs: Any) -> tuple[Any, Any]:
        return self.divided(self._returned(*inputs))

    def _returned(self, *inputs: Any) -> Any:
        returned = getattr(self.thing, self._forward)(*inputs, **self._options)
        if returned is None:
            returned = next((vars(self.thing)[n] for n in OUTPUTS if n in vars(self.thing)), None)
        return returned

    def forward(self, *inputs: Any) -> Any:
        for slot in self._slots:
            slot.write()
        return self._outputs(*inputs)[0]

    def _call_backward(self, dy: Any, *inputs: Any) -> tuple[Any, Any]:
        y, cache = self._outputs(*inputs)
        function = getattr(self.thing, self._backward)
        arguments = backward_arguments(function, self.upstream(dy), self.names, inputs, cache, self.is_loss)
        returned = function(*arguments)
        if returned is None:
            returned = next((vars(self.thing)[n] for n in INPUT_GRADIENTS if n in vars(self.thing)), None)
        return returned, y

    def backward(self, dy: Any, *inputs: Any, adds: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        for slot in self._slots:
            slot.write()
        before = {slot.name: slot.array.copy() for slot in self._slots} if self.updates else {}
        returned, _ = self._call_backward(dy, *inputs)
        if self.updates:
            gradients: dict[str, Any] = {}
            for slot in self._slots:
                gradients[slot.name] = (before[slot.name] - getattr(self.thing, slot.name)) / self._rate
                slot.array[...] = before[slot.name]
                setattr(self.thing, slot.name, slot.array)
        else:
            gradients = {slot.name: slot.gradient() for slot in self._slots}
        missing = [name for name, gradient in gradients.items() if gradient is None]
        own, rest = matched(returned, self.names, self.free(inputs), missing)
        return own, gradients | rest

    def holders(self) -> list[tuple[Any, str]]:
        kinds = dict.fromkeys(kind for _, part in parts(self.thing, "", set()) for kind in type(part).__mro__)
        return [(kind, name) for kind in kinds for name in BACKWARD if is_foreign(kind, name)]

    def other_modes(self) -> Iterator[str]:
        for parameter in _positional(getattr(self.thing, self._forward))[len(self.names) :]:
            if parameter.name.lower() in MODES and isinstance(parameter.default, bool):
                self._options = {parameter.name: not parameter.default}
                yield f"with {parameter.name}={not parameter.default}"
                self._options = {}
        for name, value in list(vars(self.thing).items()):
            if name.lower() in MODES and isinstance(value, bool):
                setattr(self.thing, name, not value)
                yield f"with {name}={not value}"
                setattr(self.thing, name, value)


class FunctionPair(Subject):
    """A forward function and its backward, or one function that returns a value and its gradients."""

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any] | None,
        inputs: tuple[Any, ...],
        title: str,
    ) -> None:
        names = [p.name for p in _positional(forward)][: len(inputs)]
        super().__init__(forward, title, names)
        self._forward, self._backward = forward, backward
        self._changes: dict[int, dict[str, Any]] = {}  # of arguments that are dicts, in another mode
        self._modes = [(i, v["mode"]) for i, v in enumerate(inputs) if isinstance(v, dict) and "mode" in v]
        self.count_outputs(self._returned(*map(copy.deepcopy, inputs)), backward)
        y = np.asarray(self._outputs(*map(copy.deepcopy, inputs))[0])
        self.is_loss = backward is None or (y.size == 1 and len(inputs) > 1 and names[1].lower() in TARGETS)
        self.takes_dy = not self.is_loss

    def _outputs(self, *inputs: Any) -> tuple[Any, Any]:
        return self.divided(self._returned(*inputs))

    def _returned(self, *inputs: Any) -> Any:
        given = [v | self._changes.get(i, {}) if isinstance(v, dict) else v for i, v in enumerate(inputs)]
        return self._forward(*given)

    def forward(self, *inputs: Any) -> Any:
        return self._outputs(*inputs)[0]

    def backward(self, dy: Any, *inputs: Any, adds: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        _, cache = self._outputs(*inputs)
        if self._backward is None:
            gradients = cache if isinstance(cache, tuple | dict) else (cache,)
            if not isinstance(gradients, dict) and len(gradients) < len(self.free(inputs)):
                order = [*self.free(inputs)][: len(gradients)]
                return dict(zip(order, gradients, strict=True)), {}  # the others count as constants
            returned = cache
        else:
            given = backward_arguments(
                self._backward, self.upstream(dy), self.names, inputs, cache, self.is_loss
            )
            returned = self._backward(*given)
        return matched(returned, self.names, self.free(inputs), [])

    def holders(self) -> list[tuple[Any, str]]:
        return [(self, "_forward" if self._backward is None else "_backward")]

    def other_modes(self) -> Iterator[str]:
        for i, mode in self._modes:
            other = "test" if mode == "train" else "train"
            self._changes = {i: {"mode": other}}
            yield f"with mode={other!r}"
            self._changes = {}


def subject_of(thing: Any, inputs: tuple[Any, ...], title: str = "") -> Subject:
    """Return the Subject for a layer, a loss, an object, a pair of functions or a forward function."""
    if isinstance(thing, Layer):
        return OwnLayer(thing)
    if isinstance(thing, Loss):
        return OwnLoss(thing)
    if isinstance(thing, tuple) and len(thing) == 2 and all(map(callable, thing)):
        return FunctionPair(*thing, inputs, title or thing[0].__name__)
    if inspect.isfunction(thing):
        backward = backward_of(thing)
        if backward is None and any(forward in thing.__name__ for forward, _ in PAIRS):
            raise ValueError(f"there is no backward beside {thing.__name__}, by the name that belongs to it")
        return FunctionPair(thing, backward, inputs, title or thing.__name__)
    if isinstance(thing, type):
        raise TypeError(
            f"gradcheck expects an object, got the class {thing.__name__}: call it, {thing.__name__}(…)"
        )
    return ForeignObject(thing, inputs, title or f"{type(thing).__name__}()")


def backward_of(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return the function beside it that `affine_forward` names its backward, or None."""
    name = function.__name__
    for forward, backward in PAIRS:
        found = function.__globals__.get(name.replace(forward, backward))
        if forward in name and callable(found):
            return found
    others = (f"{name}_backward", f"backward_{name}", f"d{name}", f"{name}_grad", f"{name}_prime")
    return next((function.__globals__[n] for n in others if callable(function.__globals__.get(n))), None)


def method_name(thing: Any, names: tuple[str, ...]) -> str:
    """Return the first of the names that is a method of the thing; TypeError if none is."""
    for name in names:
        if callable(getattr(type(thing), name, None)):
            return name
    raise TypeError(
        f"gradcheck expects a layer or a loss, an object with forward and backward, or functions; "
        f"{type(thing).__name__} has no {names[0]}"
    )


def backward_arguments(
    function: Callable[..., Any],
    upstream: list[Any],
    names: list[str],
    inputs: tuple[Any, ...],
    cache: Any,
    is_loss: bool,
) -> list[Any]:
    """Return what a backward pass is called with, by the names of its arguments."""
    required = [p for p in _positional(function) if p.default is p.empty]
    if is_loss and len(required) == len(inputs) and cache is None:
        return list(inputs)  # backward(y_pred, y_true), whatever they are called
    given: list[Any] = []
    known = dict(zip(names, inputs, strict=True))
    for i, parameter in enumerate(required):
        name = parameter.name
        if name.lower() in RATES:
            given.append(1.0)
        elif name in known and (i or is_loss):
            given.append(known[name])
        elif is_loss and name.lower() in TARGETS:
            given.append(inputs[-1])
        elif (
            i < len(upstream)
            and (name.lower() not in ("cache", "ctx") or len(required) == 1)
            and not (is_loss and cache is not None and len(required) == 1)
        ):
            given.append(upstream[i])
        else:
            given.append(cache if cache is not None else upstream[0])
    if not required and not is_loss and _positional(function):
        given += upstream  # backward(dout=1)
    return given


def matched(
    returned: Any, names: list[str], free: Mapping[str, Any], missing: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the gradients of the inputs, and of `missing` parameters, out of what backward returned.

    A tuple is in the order of the arguments, with or without entries for those that have no gradient, and may
    end with the parameters. A dict is by name: x, dx, grad_x; those that it leaves out count as constants.
    """
    if isinstance(returned, dict):
        found = {
            name: returned[key]
            for name in (*free, *missing)
            for key in reversed((name, *gradient_names(name)))
            if key in returned
        }
        inputs = {name: value for name, value in found.items() if name in free}
        return inputs or dict.fromkeys(free), {n: v for n, v in found.items() if n in missing}
    gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
    order = list(free)
    if len(gradients) == len(names) > len(free):
        order = names
    order = [*order, *(missing if len(gradients) > len(order) else [])]
    by_name = dict(zip(order, gradients, strict=False))
    return {n: by_name.get(n) for n in free}, {n: by_name[n] for n in missing if n in by_name}


def _weights(thing: Any) -> list[str]:
    """The attributes that are weights by their names."""
    return [n for n, v in vars(thing).items() if is_learnable_array(v) and is_parameter_name(n)]


def _copied(thing: Any) -> Any:
    try:
        return copy.deepcopy(thing)
    except Exception:  # it holds what cannot be copied, an open file
        return thing


def _to_float64(thing: Any, seen: set[int]) -> None:
    """Turn all float32 arrays of an object into float64, one that is held twice into one."""
    made: dict[int, Any] = {}

    def doubled(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.dtype != np.float64:
            return made.setdefault(id(value), (value.astype(np.float64), value))[0]
        return value

    for _, part in parts(thing, "", seen):
        for name, value in list(vars(part).items()):
            if isinstance(value, list):
                value[:] = map(doubled, value)
            elif isinstance(value, dict):
                value.update({key: doubled(inner) for key, inner in value.items()})
            elif doubled(value) is not value:
                setattr(part, name, doubled(value))


def generators(thing: Any) -> list[Any]:
    """Return the random generators that the functions of the thing's module can see."""
    module = sys.modules.get(getattr(thing, "__module__", None) or type(thing).__module__)
    kinds = (np.random.Generator, np.random.RandomState)
    own = vars(module) if module is not None else {}
    own = own or getattr(thing, "__globals__", {})
    return [value for value in own.values() if isinstance(value, kinds)]
