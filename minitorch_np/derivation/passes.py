"""The network's side of a step: layers, parameters and their gradients, each with its name and place."""

from __future__ import annotations

import ast
from types import MethodType
from typing import Any

import numpy as np

from minitorch_np._internal.numerics import plain_form, product, scattered, sum_rows, summed_rows
from minitorch_np.derivation.naming import Roles, own_parameters
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.statements import Block
from minitorch_np.derivation.values import Expression, Location, Origin, Variable, called, example
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.parameter import Parameter

# The functions that make what a parameter's method adds to its gradient.
MADE_BY = {"add_product": plain_form(product), "add_sum": plain_form(sum_rows), "add_rows": scattered}

METHODS = ("forward", "backward", "backward_parameters")


class Passes(Part):
    """Goes through forward, loss and backward of a copy of the network, on copies of the data.

    Parameters and their gradients are variables here; what stands between layers gets the handwritten
    program's names.
    """

    def __init__(self, model: Layer, loss: Loss | None) -> None:
        self.value: Expression | None = None
        self.prediction: Expression
        self.model = model
        self.loss = loss
        self.roles = Roles(model)
        self.weights: dict[int, Expression] = {}
        self.gradients: dict[int, Expression] = {}
        self.unnamed: list[tuple[str, Variable]] = []  # gradients of layers' inputs
        self.active: set[tuple[int, str]] = set()
        self.inputs: dict[int, Variable | None] = {}

    def forward(self) -> Block:
        """The statements from the data to the loss, and the loss's value in the list of losses."""
        with self.writer.sub_block() as block:
            result = self.calls.call(self.model, [self.x], {})
            variable = self.writer.variable_of(result)
            if variable is None or variable.given:
                result = self.writer.assigned(result, "y_pred")
                variable = self.writer.variable(result)
                self.roles.output(variable, self.model, None)
            self.roles.name_outputs(variable)
            self.prediction = result
            if self.loss is None:
                return block
            value = self.calls.call(self.loss, [result, self.y], {})
            if type(value) is not Expression or np.ndim(value.value):
                found = f"{np.shape(example(value))} values" if type(value) is Expression else repr(value)
                raise ValueError(
                    f"{self.loss!r} gives {found} and no single one to go down from: "
                    "reduction='sum' or 'mean' makes it one"
                )
            self.value = value
            self.writer.emit(ast.Expr(called("losses.append", value.node)), "", effect=True)
        return block

    def backward(self) -> Block:
        """The statements from the loss to the gradients, and those that keep a state for the next step."""
        with self.writer.sub_block() as block:
            if self.loss is None:
                self.objects.carry()
                return block
            dy = self.calls.call(self.loss.backward, [], {})
            place = Location("", repr(self.loss), "gradient of output")
            self.calls.call(self.model.backward, [self._placed(dy, "grad_y_pred", place)], {})
            self.objects.carry()
        for wanted in dict.fromkeys(hint for hint, _ in self.unnamed):
            same = [variable for hint, variable in self.unnamed if hint == wanted]
            for variable in reversed(same):  # the last is the whole, those before are parts of it
                variable.name = self.roles.unique(wanted)
        return block

    def _placed(self, value: Expression, wanted: str, place: Location | None) -> Expression:
        """The value in a variable of its own, with a name and a place."""
        variable = self.writer.variable_of(value)
        if variable is None or variable.given or variable.place:
            value = self.writer.assigned(value, wanted)
            variable = self.writer.variable(value)
        variable.place = place
        if place and place.what == "gradient of input":
            self.unnamed.append((wanted, variable))
        else:
            variable.name = self.roles.unique(wanted)
        return value

    def of_layer(self, layer: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a layer, a loss or an optimizer; what it makes of its arrays gets a name and a place."""
        kind = method.__name__
        mark = id(layer), kind
        known = isinstance(layer, Layer) and id(layer) in self.roles.places
        is_pass = known and kind in METHODS and mark not in self.active
        if is_pass:
            args = self.writer.all_named(args, "x" if kind == "forward" else "dy", mine=True)
            self.active.add(mark)
        function: Any = method.__func__
        if self.writer.plain or hasattr(function, "__wrapped__"):
            function = plain_form(function) or function
        result = self.calls.enter(function, [layer, *args], kwargs, layer)
        if not is_pass:
            return result
        self.active.discard(mark)
        if type(result) is not Expression:
            return result
        if kind == "forward":
            return self._output(layer, self.writer.variable_of(args[0]) if args else None, result)
        return self._input_gradient(layer, result)

    def _output(self, layer: Layer, source: Variable | None, result: Expression) -> Expression:
        self.inputs[id(layer)] = source
        variable = self.writer.variable_of(result)
        is_passed_on = variable is not None and (variable.place or variable is source)
        if variable is None or variable.given or (is_passed_on and not _is_composed(layer)):
            result = self.writer.assigned(result, "y")
        variable = self.writer.variable(result)
        if not variable.place:
            self.roles.output(variable, layer, source)
        return result

    def _input_gradient(self, layer: Layer, result: Expression) -> Expression:
        source = self.inputs.get(id(layer))
        variable = self.writer.variable_of(result)
        if variable is not None and variable.place and _is_composed(layer):
            return result
        wanted = f"grad_{(source.name or source.hint) if source else 'x'}"
        return self._placed(result, wanted, self.roles.place(layer, "gradient of input"))

    def parameter(self, parameter: Parameter, attribute: str) -> Any:
        if id(parameter) not in self.weights:
            self.writer.fail("a parameter that is not an attribute of a layer in the network")
        if attribute == "data":
            return self.weights[id(parameter)]
        if attribute == "has_grad":
            return id(parameter) in self.gradients
        if id(parameter) not in self.gradients:
            self.writer.fail("a gradient is read before there is one")
        return self.gradients[id(parameter)]

    def set_parameter(self, parameter: Parameter, attribute: str, value: Any) -> None:
        known = self.gradients.get(id(parameter))
        if attribute == "data":
            self.ops.set_item(self.parameter(parameter, "data"), ..., value)
        elif attribute != "grad":
            self.writer.fail(f"{attribute} of a parameter cannot be set")
        elif value is None:
            self.gradients.pop(id(parameter), None)
        elif known is None:
            self._add_gradient(parameter, value)
        elif self.writer.variable_of(value) is not self.writer.variable_of(known):
            self.ops.set_item(known, ..., value)

    def of_parameter(self, parameter: Parameter, method: str, args: list[Any], kwargs: Any) -> Any:
        if method == "add_rows":
            args = [*args, parameter.shape]
        if method in MADE_BY:
            made_by = MADE_BY[method] if self.writer.plain or method != "add_rows" else summed_rows
            self._add_gradient(parameter, self.calls.call(made_by, args, kwargs))
        elif method == "add_grad":
            self._add_gradient(parameter, *args)
        elif method == "zero_grad":
            self.gradients.pop(id(parameter), None)
        else:
            self.writer.fail(f"Parameter.{method} leads outside")

    def _add_gradient(self, parameter: Parameter, value: Any) -> None:
        if id(parameter) in self.gradients:
            self.ops.augmented(self.gradients[id(parameter)], ast.Add(), value)
            return
        if self.writer.variable_of(value):  # the layer may go on with its array
            value = self.ops.copy(value)
        weight = self.writer.variable(self.weights[id(parameter)])
        place = weight.place and weight.place._replace(what=f"gradient of {weight.place.what}")
        self.gradients[id(parameter)] = self._placed(value, f"grad_{weight.name}", place)

    def begin(self, x: Any, y: Any) -> dict[str, Any]:
        """Take the network and the data; return all arrays as they are at the beginning, by name."""
        if self.loss is not None:
            self.objects.remember(self.loss)
        for layer in self.model.modules():
            self.objects.remember(layer)
            for attribute, parameter in own_parameters(layer):
                parameter.zero_grad()
                name = self.roles.parameters[id(parameter)]
                place, origin = self.roles.place(layer, attribute), Origin("parameter", parameter, "data")
                self.weights[id(parameter)] = self.writer.given(
                    name, parameter.data, name=name, place=place, origin=origin
                )
        self.x = self._data("x", x)
        if self.loss is not None:
            self.y = self._data("y", y)
        weights = {name: self.weights[key].value.copy() for key, name in self.roles.parameters.items()}
        return {"x": x, "y": y, **weights}

    def _data(self, name: str, array: Any) -> Expression:
        return self.writer.given(name, array.copy(), varies=False, name=name, origin=Origin("data", None, name))


def _is_composed(layer: Layer) -> bool:
    return any(True for _ in layer.children())
