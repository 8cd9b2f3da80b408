"""The contract of an optimizer: parameter groups, a step over their gradients, a state to save."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.flat_buffers import FlatBuffers
from minitorch_np._internal.validation import betas, check_layout, fitting_state, flag, fraction, number, plain
from minitorch_np.parameter import CHANGES, FORGOTTEN, STEPS_MADE, CountsChanges, Parameter

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

SMALLEST = float(np.finfo(np.float32).tiny)  # stands for eps=0, so that 0/0 is 0: no gradient, no step

# options of torch that say how it computes a step, not what, and a product that follows from the steps made
ONLY_IN_TORCH = frozenset({"foreach", "fused", "capturable", "differentiable", "mu_product"})

Params = Iterable[Parameter] | Iterable[dict[str, Any]]


class ParamGroup:
    """A group of `param_groups` as the next step takes it: its memory and its options, checked."""

    def __init__(self, buffers: FlatBuffers) -> None:
        self.buffers = buffers
        self.options: dict[str, Any] = {}
        self.counts = False  # whether the rule has a state under these options, and so counts its steps


class Optimizer(metaclass=CountsChanges):
    """Base of the optimizers.

    A subclass hands its options to `__init__` and writes the rule, `update(blocks, step, *, lr, ...)`.
    A block is a piece of the parameters `w`, its gradient `g`, which the rule leaves as it is, and
    `state`, the pieces of the arrays named in `states`. `step` counts from 1 the steps that have
    used the state.

    `params` are parameters, or dicts `{"params": [...], "lr": ...}` for groups with options of
    their own. The options of each group are in `param_groups` and may be changed between steps.
    """

    update: Callable[..., None]
    states: tuple[str, ...] = ()  # the arrays that the rule has for each parameter
    flags: tuple[str, ...] = ()  # the options that are True or False
    fractions: tuple[str, ...] = ()  # those from 0 to 1; `betas` are two below 1, the others are 0 or more

    def __init__(self, params: Params, **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._groups: list[ParamGroup] = []
        self._checked_groups: list[dict[str, Any]] = []  # param_groups as they were checked
        if isinstance(params, np.ndarray | Mapping | str) or not isinstance(params, Iterable):
            raise TypeError(f"{self._name} expects model.parameters(), got {type(params).__name__}")
        given: list[Any] = list(params)
        if not given:
            raise ValueError(f"{self._name} got no parameters: does the model have any?")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def __setattr__(self, name: str, value: Any) -> None:
        CHANGES[0] += name in ("step", "update")
        super().__setattr__(name, value)

    def state_names(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return those of `states` that the rule needs under these options."""
        return self.states

    def start(self, options: Mapping[str, Any]) -> float:
        """Return what the states hold before the first step."""
        return 0.0

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError if the options make no sense."""
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
        """Update every parameter that has a gradient, and consume the gradients.

        An error before the first update changes nothing. One in the middle, such as an interrupt, leaves
        the step made for some of the numbers: the gradients are consumed and the step is counted, so that
        one can go on; a note in the error says so.
        """
        work = [(group, *group.buffers.pending()) for group in self.ready()]
        for _, runs, _ in work:
            if runs:
                break
        else:
            raise RuntimeError(
                f"{self._name}.step() found no fresh gradient: call model.backward(loss.backward()) before it"
            )
        if FORGOTTEN:
            self._warn_of_forgotten_parameters()
        try:
            for group, runs, _ in work:
                for step, blocks in runs:
                    self.update(blocks, step, **group.options)
            _consume(work)
        except BaseException as error:
            _consume(work)
            error.add_note(
                f"({self._name}.step() ended in its middle: some parameters have made this step, others not)"
            )
            raise

    def _warn_of_forgotten_parameters(self) -> None:
        shapes = ", ".join(map(str, FORGOTTEN))
        FORGOTTEN.clear()
        warnings.warn(
            f"parameters of shape {shapes} get gradients, and no optimizer has them: unless they are frozen on "
            f"purpose, make the optimizer after the last change of the model, {self._name}(model.parameters())",
            UserWarning,
            stacklevel=3,
        )

    @property
    def lr(self) -> float:
        """The learning rate of all groups; assigning sets it in each.

        Raises ValueError if the groups have different ones: read those in `param_groups`.
        """
        rates = {group["lr"] for group in self.param_groups}
        if len(rates) > 1:
            raise ValueError(f"the groups of {self._name} have different lr: read param_groups[i]['lr']")
        return rates.pop()

    @lr.setter
    def lr(self, value: float) -> None:
        number(self._name, "lr", value)
        for group in self.param_groups:
            group["lr"] = plain(value)

    def ready(self) -> list[ParamGroup]:
        """Return the groups, with the options and the states that the next step has."""
        if len(self.param_groups) != len(self._groups):
            raise RuntimeError(
                f"{self._name}: change the options in param_groups only; add_param_group adds one"
            )
        if self.param_groups != self._checked_groups:
            for given, group in zip(self.param_groups, self._groups, strict=True):
                self._check_options(given, group)
            self._checked_groups = [dict(given) for given in self.param_groups]
        return self._groups

    def zero_grad(self) -> None:
        """Throw all gradients away (a training loop needs no such call: `step()` consumes them)."""
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
        self._groups.append(ParamGroup(FlatBuffers(tuple(params))))
        self.param_groups.append({"params": self._groups[-1].buffers.parameters, **options})

    def _check_options(self, given: dict[str, Any], group: ParamGroup) -> None:
        """Check the options of a group, and act on them."""
        if given["params"] is not group.buffers.parameters:
            raise RuntimeError(f"{self._name}: param_groups must keep their order and their params")
        options = self._checked(_options_of(given), given)
        names = self.state_names(options)
        group.buffers.require(names, self.start(options))
        given.update(options)  # as plain values, so that a list changed in place is not missed
        group.counts = bool(names)
        group.options = {**options, "eps": SMALLEST} if options.get("eps") == 0 else options

    def _checked(self, given: Mapping[str, Any], otherwise: Mapping[str, Any]) -> dict[str, Any]:
        unknown = [name for name in given if name not in self.defaults]
        if unknown:
            raise ValueError(
                f"{self._name} has no option {', '.join(unknown)}; it has {', '.join(self.defaults)}"
            )
        options = {name: plain(given.get(name, otherwise[name])) for name in self.defaults}
        self.check(options)
        return options

    def state_dict(self, *, layout: str | None = None) -> dict[str, Any]:
        """Return copies of all that the next steps depend on, in torch's form.

        `state` holds, by the parameter's number, the count of its steps and the rule's arrays;
        `param_groups` the options, with the numbers of the parameters. A torch optimizer takes it with
        `layout="torch"`, once the arrays are tensors: those of a Linear's weight are turned round, counts are
        arrays of float32, and parameters that never made a step are left out.
        """
        check_layout("state_dict", layout)
        groups, first = [], 0
        for group in self.param_groups:
            end = first + len(group["params"])
            groups.append({**group, "params": list(range(first, end))})
            first = end
        state = {
            index: {
                "step": buffers.steps[i],
                **{name: buffers.view(flat, i).copy() for name, flat in buffers.states.items()},
            }
            for index, (_, buffers, i) in enumerate(self._numbered())
        }
        if layout == "torch":
            state = self._as_in_torch(state)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any], *, layout: str | None = None) -> None:
        """Continue as the optimizer that gave this `state_dict`, with its options.

        That of a torch optimizer is taken with `layout="torch"`: the arrays of a Linear's weight are
        turned round, and the options that say how torch computes a step are left out. A state that does
        not fit is an error that lists all that is wrong, and changes nothing.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise TypeError(f"{self._name} expects a state_dict with 'state' and 'param_groups'")
        check_layout("load_state_dict", layout)
        groups, state = state_dict["param_groups"], state_dict["state"]
        if layout == "torch":
            groups = [{k: v for k, v in group.items() if k not in ONLY_IN_TORCH} for group in groups]
            state = self._turned(state)
        elif any(ONLY_IN_TORCH & set(group) for group in groups):
            raise ValueError(
                f"{self._name}: this state is of torch, which stores the weight of a Linear transposed: "
                "load_state_dict(state, layout='torch') turns it round"
            )
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
        arrays = self._fitting(state, options)
        self._checked_groups = []
        first = 0
        for group, ready, its_options in zip(self.param_groups, self._groups, options, strict=True):
            buffers = ready.buffers
            indices = range(first, first + len(buffers.parameters))
            given = {name for name in self.states for index in indices if f"{index}.{name}" in arrays}
            given |= {*self.state_names(its_options)} & {*buffers.states}
            names = tuple(name for name in self.states if name in given)
            group.update(its_options)
            buffers.restart(names, self.start(its_options))
            for i, index in enumerate(indices):
                buffers.steps[i] = int(arrays[f"{index}.step"])
                for name in names:
                    if f"{index}.{name}" in arrays:
                        buffers.view(buffers.states[name], i)[...] = arrays[f"{index}.{name}"]
            first = indices.stop

    def only_in_torch(self, step: int, options: dict[str, Any]) -> dict[str, float]:
        """Return what torch's state of a parameter has besides, after so many steps; here it is computed."""
        return {}

    def _as_in_torch(self, state: Mapping[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """Return our state in the layout of torch."""
        made = {}
        for index, (group_number, buffers, i) in enumerate(self._numbered()):
            entry = dict(state[index])
            step = entry.pop("step")
            if step:
                is_turned = buffers.parameters[i].is_transposed_in_torch
                numbers = {"step": step, **self.only_in_torch(step, self.param_groups[group_number])}
                made[index] = {
                    **{name: np.array(number, np.float32) for name, number in numbers.items()},
                    **{name: array.T.copy() if is_turned else array for name, array in entry.items()},
                }
        return made

    def _turned(self, state: Mapping[int, Any]) -> dict[int, dict[str, Any]]:
        """Return a state of torch in our layout; its steps are numbers of float32, or left out by SGD."""
        made = {}
        for index, (_, buffers, i) in enumerate(self._numbered()):
            entry = dict(state.get(index, {}))
            step = int(entry.pop("step", any(value is not None for value in entry.values())))
            arrays = {
                name: np.asarray(value)
                for name, value in entry.items()
                if value is not None and name not in ONLY_IN_TORCH
            }
            if buffers.parameters[i].is_transposed_in_torch:
                arrays = {name: array.T for name, array in arrays.items()}
            made[index] = {"step": step, **arrays}
        return made

    def _fitting(self, state: Mapping[int, Any], options: list[dict[str, Any]]) -> dict[str, Array]:
        """Return the arrays of a saved state by `index.name`; what does not fit goes into one ValueError.

        A parameter may come with any of `states`; once it has made a step, it must come with those that
        the rule needs under its options.
        """
        expected: dict[str, Any] = {}
        for index, (group_number, buffers, i) in enumerate(self._numbered()):
            entry = state.get(index, {})
            needed = self.state_names(options[group_number]) if entry.get("step") else ()
            expected[f"{index}.step"] = np.array(0)
            for name in self.states:
                if name in entry or name in needed:
                    expected[f"{index}.{name}"] = buffers.parameters[i].data
        given = {f"{index}.{name}": value for index, entry in state.items() for name, value in entry.items()}
        return fitting_state(self._name, expected, given)[0]

    def _numbered(self) -> Iterator[tuple[int, FlatBuffers, int]]:
        """Yield, for each parameter in order, its group's number, its memory, and its number there."""
        for group_number, group in enumerate(self._groups):
            for i in range(len(group.buffers.parameters)):
                yield group_number, group.buffers, i

    def __getstate__(self) -> dict[str, Any]:
        known = ("defaults", "param_groups", "_groups", "_checked_groups")
        own = {name: value for name, value in vars(self).items() if name not in known}
        return {"defaults": self.defaults, "groups": self.param_groups, "state": self.state_dict(), "own": own}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        vars(self).update(saved["own"])
        self.defaults = saved["defaults"]
        self.param_groups, self._groups = [], []
        for group in saved["groups"]:
            self.add_param_group(group)
        self.load_state_dict(saved["state"])

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        groups = ([f"{name}={value!r}" for name, value in _options_of(g).items()] for g in self.param_groups)
        return f"{self._name}({' | '.join(', '.join(options) for options in groups)})"


def _consume(work: Iterable[tuple[ParamGroup, Any, list[int]]]) -> None:
    STEPS_MADE[0] += 1
    for group, _, steps in work:
        group.buffers.consume(steps if group.counts else None)


def _options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}
