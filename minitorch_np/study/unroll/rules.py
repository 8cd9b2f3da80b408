"""An optimizer's rule for each parameter, as statements of a program."""

from __future__ import annotations

import ast
import copy
import warnings
from itertools import groupby
from typing import Any

import numpy as np

from minitorch_np.optimizers.optimizer import Optimizer, ParamGroup
from minitorch_np.study.unroll.executor import Blocks
from minitorch_np.study.unroll.folding import fold
from minitorch_np.study.unroll.statements import Replaced, keys_in
from minitorch_np.study.unroll.tracer import Tracer
from minitorch_np.study.unroll.values import Expression, Variable, name

NAMES = {"lr": "learning_rate"}


class Rules(Tracer):
    """Goes through an optimizer's `update` after the backward pass."""

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
