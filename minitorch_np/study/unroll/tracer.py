"""A training step of a network, gone through once: its statements, and the optimizer's rule."""

from __future__ import annotations

import ast
import copy
import warnings
from itertools import groupby
from types import MethodType
from typing import Any

import numpy as np

from minitorch_np._internal.numerics import product, scattered, sum_rows
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer, ParamGroup
from minitorch_np.parameter import Parameter
from minitorch_np.study.locations import Location
from minitorch_np.study.unroll.access import OURS
from minitorch_np.study.unroll.executor import UNSET, Blocks
from minitorch_np.study.unroll.folding import fold
from minitorch_np.study.unroll.helpers import Helpers
from minitorch_np.study.unroll.naming import Roles
from minitorch_np.study.unroll.statements import Replaced, keys_in
from minitorch_np.study.unroll.values import Expression, Variable, example, name

# Of the contract of layers and losses; no numbers depend on them.
OURS_ALONE = (
    "_saved",
    "_first_call",
    "_function_checked",
    "_derivative_checked",
)


class Tracer(Helpers):
    """Goes through forward, loss and backward of a copy of the network, on copies of the data.

    Parameters and their gradients are variables here; what stands between layers gets the
    handwritten program's names. Arrays that layers hold from the start (in attributes, lists and dicts)
    and random generators are variables of the program too, and are carried to the next step. Whatever
    else is read before it is set in a step must be the same in every step.
    """

    def remember(self, thing: Any) -> None:
        """Take note of the lists and dicts that a layer or a loss holds."""
        parts = vars(thing).values() if isinstance(thing, OURS) else thing
        for part in parts.values() if isinstance(parts, dict) else parts:
            if isinstance(part, list | dict) and id(part) not in self.lasting:
                self.lasting[id(part)] = part
                self.remember(part)

    def attribute(self, owner: Any, name: str) -> Any:
        self.note_read(owner, name)
        held = vars(owner).get(name, getattr(type(owner), name, None)) if hasattr(owner, "__dict__") else None
        value = super().attribute(owner, name)
        if isinstance(held, np.ndarray) and isinstance(value, Expression):
            self.origins.append((vars(owner), name, value))
        return value

    def native_item(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, list) and isinstance(index, slice):
            return [self.native_item(owner, i) for i in range(*index.indices(len(owner)))]
        value = super().native_item(owner, index)
        if isinstance(owner, list | dict) and isinstance(value, Expression) and value is not owner[index]:
            owner[index] = value
            self.origins.append((owner, index, value))
        if id(owner) in self.lasting:
            self.read.setdefault((id(owner), index), value)
        return value

    def put_item(self, owner: Any, index: Any, value: Any) -> None:
        self._check_same(self.read.get((id(owner), index), value), value, repr(index))
        super().put_item(owner, index, value)

    def note_read(self, owner: Any, attribute: str) -> None:
        was_set = any(o is owner and name == attribute for o, name, _ in self.set_attributes)
        if isinstance(owner, OURS) and not was_set and attribute not in OURS_ALONE:
            self.read.setdefault((id(owner), attribute), getattr(owner, attribute, UNSET))

    def set_attribute(self, owner: Any, attribute: str, value: Any) -> None:
        self._check_same(self.read.get((id(owner), attribute), value), value, attribute)
        super().set_attribute(owner, attribute, value)

    def _check_same(self, old: Any, new: Any, name: str) -> None:
        """What was read in a step before it is set must be set to what it was, unless it is an array."""
        if old is new or isinstance(old, np.ndarray | Expression):
            return
        if type(old) is not type(new) or isinstance(new, Expression) or old != new:
            self.fail(f"{name} changes from step to step: keep it in an array, there from the start")

    def carry(self) -> None:
        """What was made for the next step goes where the next step looks for it."""
        changes: list[tuple[Expression, Expression]] = []
        for holder, key, before in self.origins:
            now = holder[key] if not isinstance(holder, dict) else holder.get(key)
            if not isinstance(now, Expression) or self.variable_of(now) is self.variable_of(before):
                continue
            if any(before is known for known, _ in changes):
                continue
            was, becomes = before.value, np.asarray(now.value)
            if (was.shape, was.dtype) != (becomes.shape, becomes.dtype):
                raise ValueError(
                    f"what is kept as {key} cannot be written out: it is {was.dtype} {was.shape} at first and "
                    f"{becomes.dtype} {becomes.shape} in the next step; let it be the same from the start"
                )
            changes.append((before, now))
        kept = [before.value for before, _ in changes]
        for i, (before, now) in enumerate(changes):  # before the first is overwritten
            if isinstance(now.value, np.ndarray) and any(np.may_share_memory(now.value, a) for a in kept):
                copied = ast.Call(ast.Attribute(now.node, "copy", ast.Load()), [], [])
                changes[i] = before, self.assigned(self.made(copied, now.value.copy(), now), "next_value")
        for before, now in changes:
            self.set_item(before, ..., now)

    def __init__(self, model: Layer, loss: Loss) -> None:
        super().__init__()
        self.origins: list[tuple[Any, Any, Expression]] = []  # what holds an array, under which key
        self.read: dict[tuple[int, Any], Any] = {}  # attributes that were read before they were set
        self.lasting: dict[int, Any] = {}  # lists and dicts that are there from the start
        self.model = model
        self.loss = loss
        self.roles = Roles(model)
        self.weights: dict[int, Expression] = {}
        self.gradients: dict[int, Expression] = {}
        self.parameter_places: dict[int, Location] = {}
        self.unnamed: list[tuple[str, Variable]] = []  # gradients of layers' inputs
        self.active: set[tuple[int, str]] = set()
        self.inputs: dict[int, Variable | None] = {}
        self.remember(loss)
        for layer_name, layer in model.named_modules():
            self.remember(layer)
            for attribute, parameter in vars(layer).items():
                if isinstance(parameter, Parameter):
                    self.parameter_places[id(parameter)] = Location(layer_name, repr(layer), attribute)
                    self._take(parameter)

    def _take(self, parameter: Parameter) -> None:
        parameter.zero_grad()
        name = self.roles.parameters[id(parameter)]
        taken = self.given(name, parameter.data, name_=name)
        self.variable(taken).place = self.parameter_places[id(parameter)]
        self.weights[id(parameter)] = taken

    def forward(self, x: Expression, y: Expression) -> list[ast.stmt]:
        """The statements from the data to the loss, and the loss's value in the list of losses."""
        with self.sub_block() as block:
            result = self.call(self.model, [x], {})
            variable = self.variable_of(result)
            if variable is None or variable.given:
                result = self.assigned(result, "y_pred")
                variable = self.variable(result)
                self.roles.output(variable, self.model, None)
            self.roles.name_outputs(variable)
            self.prediction = result
            value = self.call(self.loss, [result, y], {})
            if not isinstance(value, Expression) or np.ndim(value.value):
                found = f"{np.shape(example(value))} values" if isinstance(value, Expression) else repr(value)
                raise ValueError(
                    f"{self.loss!r} gives {found} and no single one to go down from: "
                    "reduction='sum' or 'mean' makes it one"
                )
            append = ast.Attribute(ast.Name("losses", ast.Load()), "append", ast.Load())
            self.emit(ast.Expr(ast.Call(append, [value.node], [])), "", effect=True)
        return block

    def backward(self) -> list[ast.stmt]:
        """The statements from the loss to the gradients, and those that keep a state for the next step."""
        with self.sub_block() as block:
            dy = self.call(self.loss.backward, [], {})
            place = Location("", repr(self.loss), "gradient of output")
            self.call(self.model.backward, [self._placed(dy, "grad_y_pred", place)], {})
            self.carry()
        for wanted in dict.fromkeys(called for called, _ in self.unnamed):
            same = [variable for called, variable in self.unnamed if called == wanted]
            for variable in reversed(same):  # the last is the whole, those before are parts of it
                variable.name = self.roles.unique(wanted)
        return block

    def _placed(self, value: Expression, wanted: str, place: Location) -> Expression:
        """The value in a variable of its own, with a name and a place."""
        variable = self.variable_of(value)
        if variable is None or variable.given or variable.place:
            value = self.assigned(value, wanted)
            variable = self.variable(value)
        variable.place = place
        if place.what == "gradient of input":
            self.unnamed.append((wanted, variable))
        else:
            variable.name = self.roles.unique(wanted)
        return value

    def of_layer(self, layer: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        mark = id(layer), method.__name__
        known = isinstance(layer, Layer) and id(layer) in self.roles.places
        if not known or method.__name__ not in METHODS or mark in self.active:
            return super().of_layer(layer, method, args, kwargs)
        self.active.add(mark)
        try:
            args = self.all_named(args, "x" if method.__name__ == "forward" else "dy", mine=True)
            result = super().of_layer(layer, method, args, kwargs)
        finally:
            self.active.discard(mark)
        if not isinstance(result, Expression):
            return result
        if method.__name__ == "forward":
            return self._output(layer, self.variable_of(args[0]) if args else None, result)
        return self._input_gradient(layer, result)

    def _output(self, layer: Layer, source: Variable | None, result: Expression) -> Expression:
        self.inputs[id(layer)] = source
        variable = self.variable_of(result)
        inner = any(True for _ in layer.children())
        if variable is None or variable.given or ((variable.place or variable is source) and not inner):
            result = self.assigned(result, "y")
            variable = self.variable(result)
        if not variable.place:
            self.roles.output(variable, layer, source)
        return result

    def _input_gradient(self, layer: Layer, result: Expression) -> Expression:
        source = self.inputs.get(id(layer))
        variable = self.variable_of(result)
        inner = any(True for _ in layer.children())
        if variable is not None and variable.place and inner:
            return result
        wanted = f"grad_{(source.name or source.hint) if source else 'x'}"
        return self._placed(result, wanted, self.roles.place(layer, "gradient of input"))

    def gradients_made(self) -> int:
        return len(self.gradients)

    def may_be_called(self, name: str) -> bool:
        """Whether a helper may have this name; then nothing else may."""
        is_free = name not in self.roles.taken
        self.roles.taken.add(name)
        return is_free

    def parameter(self, parameter: Parameter, attribute: str) -> Any:
        if id(parameter) not in self.weights:
            self.fail("a parameter that is not an attribute of a layer in the network")
        if attribute == "data":
            return self.weights[id(parameter)]
        if attribute == "has_grad":
            return id(parameter) in self.gradients
        if id(parameter) not in self.gradients:
            self.fail("a gradient is read before there is one")
        return self.gradients[id(parameter)]

    def set_parameter(self, parameter: Parameter, attribute: str, value: Any) -> None:
        known = self.gradients.get(id(parameter))
        if attribute == "data":
            self.set_item(self.parameter(parameter, "data"), ..., value)
        elif attribute != "grad":
            self.fail(f"{attribute} of a parameter cannot be set")
        elif value is None:
            self.gradients.pop(id(parameter), None)
        elif known is None:
            self._add_gradient(parameter, value)
        elif self.variable_of(value) is not self.variable_of(known):
            self.set_item(known, ..., value)

    def of_parameter(self, parameter: Parameter, method: str, args: list[Any], kwargs: Any) -> Any:
        if method == "add_product":
            self._add_gradient(parameter, self.call(product, args, kwargs))
        elif method == "add_sum":
            self._add_gradient(parameter, self.call(sum_rows, args, kwargs))
        elif method == "add_rows":
            self._add_gradient(parameter, self.call(scattered, [*args, parameter.shape], kwargs))
        elif method == "add_grad":
            self._add_gradient(parameter, *args)
        elif method == "zero_grad":
            self.gradients.pop(id(parameter), None)
        else:
            self.fail(f"Parameter.{method} leads outside")

    def _add_gradient(self, parameter: Parameter, value: Any) -> None:
        if not isinstance(value, Expression):
            value = self.made(ast.Call(ast.parse("np.array", mode="eval").body, [self.node(value)], []), value)
        if id(parameter) in self.gradients:
            kept = self.gradients[id(parameter)]
            self.native(self._put, kept, ..., self.binary(ast.Add(), kept, value))
            target = ast.Name(self.variable(kept).key, ast.Store())
            self.emit(ast.AugAssign(target, ast.Add(), value.node), effect=True)
            return
        if self.variable_of(value):  # the layer may go on with its array
            copied = ast.Call(ast.Attribute(value.node, "copy", ast.Load()), [], [])
            value = self.made(copied, copy.copy(value.value), value)
        layer, text, attribute = self.parameter_places[id(parameter)]
        place = Location(layer, text, f"gradient of {attribute}")
        name = f"grad_{self.roles.parameters[id(parameter)]}"
        self.gradients[id(parameter)] = self._placed(value, name, place)

    def begin(self, x: Any, y: Any) -> None:
        """Take the data, and remember all arrays as they are at the beginning."""
        self.x = self.given("x", x.copy(), name_="x", varies_=False)
        self.y = self.given("y", y.copy(), name_="y", varies_=False)
        weights = {self.variable(weight).name: weight.value for weight in self.weights.values()}
        self.start: dict[str, Any] = {"x": x, "y": y, **copy.deepcopy(weights)}

    def phases(self, optimizer: Optimizer) -> dict[str, list[ast.stmt]]:
        """Forward, backward and update."""
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            return {
                "forward": self.forward(self.x, self.y),
                "backward": self.backward(),
                "update": self.update(optimizer),
            }

    def constant(self, thing: Any, hint: str) -> Expression:
        made = super().constant(thing, hint)
        self.starts.setdefault(self.variable(made).key, copy.deepcopy(thing))
        return made

    def start_of(self, variable: Variable) -> Any:
        """What a constant or a state is before the first step."""
        return self.starts[variable.key]

    def gradient_order(self) -> list[str]:
        """The parameters' names, in the order in which their gradients are made."""
        return [self.roles.parameters[key] for key in self.gradients]

    def update(self, optimizer: Optimizer) -> list[ast.stmt]:
        """The statements of one step.

        Options become constants of the program; `first_step` is what it has to count from, and
        `states` are the rule's arrays, each with the parameter that it belongs to.
        """
        if type(optimizer).step is not Optimizer.step:
            raise ValueError(f"{optimizer!r} has a step() of its own: only update(…) can be written out")
        self.options: list[Variable] = []
        self.states: list[tuple[Variable, Expression, Any]] = []
        ready = optimizer.ready()
        counts = [s + 1 for group in ready if group.counts for s in group.buffers.steps]
        self.first_step = min(counts, default=1)
        step = self.new_variable("step", self.first_step, name="step", given=True)
        self.step_key = step.key
        self.step = Expression(name(step), self.first_step, varies=True)
        with self.sub_block() as block:
            for group in ready:
                self._group(optimizer, group)
        return block

    def _group(self, optimizer: Optimizer, group: ParamGroup) -> None:
        buffers = group.buffers
        options = {key: self._option(key, value) for key, value in group.options.items()}
        places = [i for i, parameter in enumerate(buffers.parameters) if id(parameter) in self.gradients]
        for made, run in groupby(places, key=lambda i: buffers.steps[i]):
            rows = [
                (
                    self.weights[id(buffers.parameters[i])],
                    self.gradients[id(buffers.parameters[i])],
                    {
                        key: self._state(key, buffers.view(flat, i), i, group)
                        for key, flat in buffers.states.items()
                    },
                )
                for i in run
            ]
            self.call(optimizer.update, [Blocks(rows), self._step(made + 1) if group.counts else 1], options)

    def _step(self, first: int) -> Any:
        """The step's number for parameters that have made more or fewer steps than others."""
        more = first - self.first_step
        return self.binary(ast.Add(), self.step, more) if more else self.step

    def _option(self, key: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._option(f"{key.rstrip('s')}{i}", part) for i, part in enumerate(value, start=1))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        wanted = NAMES.get(key, key)
        for variable in self.options:
            if variable.hint == wanted and type(variable.value) is type(value) and variable.value == value:
                return Expression(name(variable), value, varies=False)
        taken = any(variable.name == wanted for variable in self.options)
        chosen = wanted if key == "lr" and not taken else self.roles.unique(wanted)
        option = self.given(wanted, value, name_=chosen, varies_=False)
        self.options.append(self.variable(option))
        return option

    def _state(self, key: str, array: Any, i: int, group: ParamGroup) -> Expression:
        state = self.given(key, np.array(array, order="C"))
        self.starts[self.variable(state).key] = np.array(array)
        parameter = group.buffers.parameters[i]
        self.states.append((self.variable(state), self.weights[id(parameter)], array))
        return state

    def write_loop(self, names: list[Expression], rows: list[list[Expression]], body: list[ast.stmt]) -> None:
        body = fold(body, self.variables)
        used = {key for statement in body for key in keys_in(statement) | keys_in(statement, ast.Store)}
        columns = [
            (self.variable(n), row) for n, row in zip(names, rows, strict=True) if self.variable(n).key in used
        ]
        for stand_in, column in columns:
            for part, weight in zip(column, rows[0], strict=True):
                state = self.variable(part)
                if not state.name:
                    state.name = self.roles.unique(f"{stand_in.hint}_{self.variable(weight).name}")
        if len(rows[0]) == 1 or (len(body) == 1 and not hasattr(body[0], "body")):
            for i in range(len(rows[0])):
                self.block += self._for_one(body, [(stand_in, column[i]) for stand_in, column in columns])
            return
        target = ast.Tuple([ast.Name(s.key, ast.Store()) for s, _ in columns], ast.Store())
        lines = [ast.Tuple([column[i].node for _, column in columns], ast.Load()) for i in range(len(rows[0]))]
        self.emit(ast.For(target, ast.Tuple(list(lines), ast.Load()), body, []), "", effect=True)

    def _for_one(self, body: list[ast.stmt], pairs: list[tuple[Variable, Expression]]) -> list[ast.stmt]:
        made = fold(body, self.variables)  # a copy
        for stand_in, actual in pairs:
            made = [Replaced(stand_in.key, actual.node).visit(statement) for statement in made]
        return made


METHODS = ("forward", "backward", "backward_parameters")

NAMES = {"lr": "learning_rate"}
