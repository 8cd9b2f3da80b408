"""The contract of an optimizer: parameter groups, a step over their gradients, a state to save."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minitorch_np._internal.flat_buffers import FlatBuffers
from minitorch_np._internal.validation import betas, flag, fraction, number, plain
from minitorch_np.optimizers.saving import fitting, load, saved
from minitorch_np.parameter import Parameter

SMALLEST = float(np.finfo(np.float32).tiny)  # stands for eps=0, so that 0/0 is 0: no gradient, no step

Params = Iterable[Parameter] | Iterable[dict[str, Any]]


class ParamGroup:
    """A group of `param_groups` as the optimizer has taken it in."""

    def __init__(self, storage: FlatBuffers) -> None:
        self.storage = storage
        self.group: dict[str, Any] = {}  # a copy from the last step; it differs when the user changed an option
        self.options: dict[str, Any] = {}
        self.counts = False  # whether the rule keeps a state under these options, and so counts its steps


class Optimizer(ABC):
    """Base of the optimizers.

    A subclass hands its options to `__init__` and writes the rule, `update(blocks, step, *, lr, ...)`.
    A block is a piece of the parameters `w`, its gradient `g`, which the rule leaves as it is, and
    `state`, the pieces of the arrays named in `states`. `step` counts from 1 the steps that have
    used the state.

    `params` are parameters, or dicts `{"params": [...], "lr": ...}` for groups with options of
    their own. The options of each group are in `param_groups` and may be changed between steps.
    """

    update: Callable[..., None]
    states: tuple[str, ...] = ()  # the arrays that the rule keeps for each parameter
    flags: tuple[str, ...] = ()  # the options that are True or False
    fractions: tuple[str, ...] = ()  # those from 0 to 1; `betas` are two below 1, the others are 0 or more

    def __init__(self, params: Params, **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._taken: list[ParamGroup] = []
        if isinstance(params, np.ndarray | Mapping | str) or not isinstance(params, Iterable):
            raise TypeError(f"{self._name} expects model.parameters(), got {type(params).__name__}")
        given: list[Any] = list(params)
        if not given:
            raise ValueError(f"{self._name} got no parameters: does the model have any?")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def state_names(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Those of `states` that the rule needs under these options."""
        return self.states

    def start(self, options: Mapping[str, Any]) -> float:
        """What the states hold before the first step."""
        return 0.0

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError where the options make no sense."""
        for name, value in options.items():
            if name in self.flags:
                flag(self._name, name, value)
            elif name in self.fractions:
                fraction(self._name, name, value)
            elif name == "betas":
                betas(self._name, name, value)
            else:
                number(self._name, name, value)

    def step(self) -> None:
        """Update every parameter that has a fresh gradient, and use the gradients up."""
        stepped = False
        for taken in self.ready():
            for step, blocks in taken.storage.pending(taken.counts):
                self.update(blocks, step, **taken.options)
                stepped = True
        if not stepped:
            raise RuntimeError(
                f"{self._name}.step() found no fresh gradient: call model.backward(loss.backward()) before it"
            )

    def ready(self) -> list[ParamGroup]:
        """The groups, with the options and the states that the next step has."""
        if len(self.param_groups) != len(self._taken):
            raise RuntimeError(
                f"{self._name}: change the options in param_groups only; add_param_group adds one"
            )
        for group, taken in zip(self.param_groups, self._taken, strict=True):
            if group != taken.group:
                self._take(group, taken)
        return self._taken

    def zero_grad(self) -> None:
        """Throw all gradients away (a training loop needs no such call: `step()` uses them up)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.zero_grad()

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Take more parameters, with options that may differ from the defaults."""
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f"{self._name} expects a group to be a dict with 'params', got {group!r}")
        params = [group["params"]] if isinstance(group["params"], Parameter) else list(group["params"])
        options = self._checked(_options_of(group), self.defaults)
        if not params:
            raise ValueError(f"{self._name} got a group without parameters")
        for parameter in params:
            if not isinstance(parameter, Parameter):
                raise TypeError(
                    f"{self._name} expects model.parameters(), got {type(parameter).__name__} among them"
                )
        known = [id(p) for other in self.param_groups for p in other["params"]] + [id(p) for p in params]
        if len(set(known)) < len(known):
            raise ValueError(f"{self._name} got a parameter twice: each belongs to one group, once")
        self._taken.append(ParamGroup(FlatBuffers(tuple(params))))
        self.param_groups.append({"params": self._taken[-1].storage.parameters, **options})

    def _take(self, group: dict[str, Any], taken: ParamGroup) -> None:
        """Check the options of a group that have changed since its last step, and act on them."""
        if group["params"] is not taken.storage.parameters:
            raise RuntimeError(f"{self._name}: param_groups must keep their order and their params")
        taken.options = self._checked(_options_of(group), group)
        group.update(taken.options)  # as plain values, so that a list changed in place is not missed
        taken.group = dict(group)
        names = self.state_names(taken.options)
        taken.storage.require(names, self.start(taken.options))
        taken.counts = bool(names)
        if taken.options.get("eps") == 0:
            taken.options["eps"] = SMALLEST

    def _checked(self, given: Mapping[str, Any], otherwise: Mapping[str, Any]) -> dict[str, Any]:
        unknown = [name for name in given if name not in self.defaults]
        if unknown:
            raise ValueError(
                f"{self._name} has no option {', '.join(unknown)}; it has {', '.join(self.defaults)}"
            )
        options = {name: plain(given.get(name, otherwise[name])) for name in self.defaults}
        self.check(options)
        return options

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that the next steps depend on, in torch's form.

        `state` holds, by the parameter's number, the count of its steps and the rule's arrays;
        `param_groups` the options, with the numbers of the parameters.
        """
        groups, first = [], 0
        for group in self.param_groups:
            end = first + len(group["params"])
            groups.append({**group, "params": list(range(first, end))})
            first = end
        return {"state": saved(taken.storage for taken in self._taken), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue as the optimizer that gave this `state_dict`, with its options.

        A state that does not fit is an error that lists all that is wrong, and changes nothing.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise TypeError(f"{self._name} expects a state_dict with 'state' and 'param_groups'")
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes = [len(group["params"]) for group in self.param_groups]
        if sizes != [len(group["params"]) for group in groups]:
            raise ValueError(
                f"{self._name} has groups of {sizes} parameters, "
                f"the state of {[len(group['params']) for group in groups]}; nothing was changed"
            )
        options = [
            self._checked(_options_of(given), group)
            for given, group in zip(groups, self.param_groups, strict=True)
        ]
        by_storage = {t.storage: its for t, its in zip(self._taken, options, strict=True)}
        needed = {storage: self.state_names(its) for storage, its in by_storage.items()}
        arrays = fitting(self._name, self.states, needed, state)
        for group, taken, its_options in zip(self.param_groups, self._taken, options, strict=True):
            group.update(its_options)
            taken.group = {}
        load(arrays, self.states, {storage: self.start(its) for storage, its in by_storage.items()})

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "groups": self.param_groups, "state": self.state_dict()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.defaults = saved["defaults"]
        self.param_groups, self._taken = [], []
        for group in saved["groups"]:
            self.add_param_group(group)
        self.load_state_dict(saved["state"])

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        groups = ([f"{name}={value!r}" for name, value in _options_of(g).items()] for g in self.param_groups)
        return f"{self._name}({' | '.join(', '.join(options) for options in groups)})"


def _options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}
