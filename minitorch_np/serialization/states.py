"""What a model and an optimizer have learned and counted, as arrays by name, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.validation import fitting_state
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.parameter import Parameter
from minitorch_np.serialization.codec import decode, encode

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer


def take_precision(model: Layer, weights: Mapping[str, Array]) -> None:
    """Have the layers of `model` compute in the precision of their weights."""
    for prefix, layer in model.named_modules():
        for name, value in vars(layer).items():
            saved = weights.get(f"{prefix}.{name}" if prefix else name)
            own = isinstance(value, Parameter) or name in layer.buffer_names
            if own and saved is not None and saved.dtype != value.dtype:
                layer.astype(saved.dtype)  # and those below it, whose turn comes after


def pending(model: Layer) -> dict[str, Array]:
    """The gradients that wait for the optimizer's step."""
    return {f"gradient.{name}": p.grad.copy() for name, p in model.named_parameters() if p.has_grad}


def load_pending(model: Layer, gradients: Mapping[str, Array]) -> None:
    """Have these gradients by name, and no others."""
    parameters = dict(model.named_parameters())
    current = {name: parameter.data for name, parameter in parameters.items() if name in gradients}
    fitting, _ = fitting_state(f"the gradients of {type(model).__name__}", current, gradients)
    for name, parameter in parameters.items():
        parameter.grad = fitting.get(name)


def saved_optimizer(optimizer: Optimizer, model: Layer) -> tuple[dict[str, Any], dict[str, Array]]:
    """The optimizer's groups, with the names of their parameters, and its steps; and its arrays."""
    state = optimizer.state_dict()["state"]
    groups = [
        {"parameters": names, "options": encode(_options(group))}
        for names, group in zip(parameter_names(optimizer, model), optimizer.param_groups, strict=True)
    ]
    arrays = {
        f"optimizer.{number}.{name}": array
        for number, entry in state.items()
        for name, array in entry.items()
        if name != "step"
    }
    return {"groups": groups, "steps": [entry["step"] for entry in state.values()]}, arrays


def load_optimizer(optimizer: Optimizer, saved: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Continue as the optimizer that was saved."""
    steps = saved["steps"]
    if not all(type(step) is int and 0 <= step < 2**62 for step in steps):
        raise ValueError(f"an optimizer counts steps, and not {steps}")
    state: dict[int, dict[str, Any]] = {number: {"step": step} for number, step in enumerate(steps)}
    for name, array in arrays.items():
        number, key = name.split(".", 1)
        state[int(number)][key] = array
    groups = [{"params": group["parameters"], **decode(group["options"])} for group in saved["groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def parameter_names(optimizer: Optimizer, model: Layer) -> list[list[str]]:
    """The names of the parameters in the optimizer's groups."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [[names.get(id(p)) for p in group["params"]] for group in optimizer.param_groups]
    if any(None in group for group in groups):
        raise ValueError(f"{type(optimizer).__name__} has parameters that are not those of the model")
    return [[name for name in group if name] for group in groups]


@contextmanager
def restored_on_error(*things: Any) -> Iterator[None]:
    """Give things, those that are not None, the state back that they had, where something fails."""
    before = [(thing, thing.state_dict()) for thing in things if thing is not None]
    try:
        yield
    except BaseException:
        for thing, state in before:
            thing.load_state_dict(state)
        raise


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}
