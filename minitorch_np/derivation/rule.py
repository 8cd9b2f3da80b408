"""Rule of an optimizer: its update of all parameters, or the loop over them."""

from __future__ import annotations

import ast
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.derivation.folding import fold
from minitorch_np.derivation.interpreter import Blocks
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.statements import Block, keys_of
from minitorch_np.derivation.values import Expression, Origin, Variable
from minitorch_np.optimizers.optimizer import Optimizer, ParamGroup

Row = tuple[Expression, Expression, dict[str, Expression]]  # of a parameter: weight, gradient, states


class State(NamedTuple):
    """An array of the optimizer that belongs to a parameter: momentum, or a mean of squares."""

    variable: Variable
    weight: Variable


class UpdateRule(Part):
    """The statements of an optimizer's step, from its method `update`.

    Options become constants of the program; `step` is the number that it counts from, and `states` are the
    rule's arrays, each with the parameter that it belongs to. If it is not for a reader, it is one update of
    all parameters of a group, in the flat arrays of the optimizer.
    """

    def __init__(self) -> None:
        self.options: list[Variable] = []
        self.states: list[State] = []
        self.step: Variable | None = None

    def update_or_why(self, optimizer: Optimizer) -> tuple[Block, str]:
        """The statements of one step; where they are not for a reader, or why the optimizer has to make it."""
        if self.writer.plain:
            return self.update(optimizer), ""
        first = len(self.objects.set_attributes)
        variables, constants = dict(self.writer.variables), dict(self.writer.constants)
        try:
            block = self.update(optimizer)
            if kept := self.objects.leftovers(first):
                raise ValueError(f"{optimizer!r} keeps {', '.join(kept)}, which is no array from the start")
        except ValueError as error:
            self.objects.put_back(first)
            self.writer.variables, self.writer.constants = variables, constants
            return [], str(error)
        return block, ""

    def update(self, optimizer: Optimizer) -> Block:
        """The statements of one step."""
        if type(optimizer).step is not Optimizer.step or "step" in vars(optimizer):
            raise ValueError(f"{optimizer!r} has a step() of its own: only update(…) can be written out")
        for method in ("step", "update"):
            self.objects.note_read(optimizer, method)
        first = len(self.objects.origins)
        ready = optimizer.ready()
        counts = [s + 1 for group in ready if group.counts for s in group.buffers.steps]
        begun = min(counts, default=1)
        plain = self.writer.plain
        step = self.writer.given("step", begun, name="step", origin=Origin("step", None, None))
        self.step = self.writer.variable(step)
        with self.writer.sub_block() as block:
            for number, group in enumerate(ready):
                options = {
                    key: self._option(key, value, Origin("option", number, key))
                    for key, value in group.options.items()
                }
                for made, run in self._runs(group):
                    rows = [self._row(group, i) for i in run] if plain else [self._flat(group, number, run)]
                    more = made + 1 - begun  # than parameters that have made fewer steps
                    now: Any = self.ops.binary(ast.Add(), step, more) if more else step
                    self.calls.call(optimizer.update, [Blocks(rows), now if group.counts else 1], options)
            self.objects.carry(first)
        return block

    def _runs(self, group: ParamGroup) -> list[tuple[int, list[int]]]:
        """The parameters that have a gradient, by their numbers: runs that have made as many steps."""
        buffers = group.buffers
        learned = [i for i, p in enumerate(buffers.parameters) if id(p) in self.passes.gradients]
        return [(made, [*run]) for made, run in groupby(learned, key=lambda i: buffers.steps[i])]

    def _row(self, group: ParamGroup, i: int) -> Row:
        """A parameter with its gradient and its states."""
        buffers, parameter = group.buffers, id(group.buffers.parameters[i])
        weight = self.passes.weights[parameter]
        states = {key: self._state(key, buffers.view(a, i), weight) for key, a in buffers.states.items()}
        return weight, self.passes.gradients[parameter], states

    def _flat(self, group: ParamGroup, number: int, run: list[int]) -> Row:
        """All parameters of a run in one: the part of the flat arrays that they stand in."""
        buffers = group.buffers
        if run != list(range(run[0], run[-1] + 1)):
            self.writer.fail("a parameter without a gradient stands between others")
        part = slice(buffers.starts[run[0]], buffers.starts[run[-1] + 1])

        def taken(hint: str, flat: Any, kind: str, key: str) -> Expression:
            return self.writer.given(hint, flat[part].copy(), origin=Origin(kind, number, (key, part)))

        states = {key: taken(key, flat, "state", key) for key, flat in buffers.states.items()}
        return taken("w", buffers.data, "flat", "data"), taken("g", buffers.grad, "flat", "grad"), states

    def _option(self, key: str, value: Any, origin: Origin) -> Any:
        if isinstance(value, tuple):
            return tuple(
                self._option(f"{key.rstrip('s')}{i}", part, origin._replace(key=(origin.key, i - 1)))
                for i, part in enumerate(value, start=1)
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        wanted = "learning_rate" if key == "lr" else key
        for variable in self.options if self.writer.plain else ():
            if variable.hint == wanted and type(variable.value) is type(value) and variable.value == value:
                return variable.expression(varies=False)
        taken = any(variable.name == wanted for variable in self.options)
        chosen = wanted if key == "lr" and not taken else self.passes.roles.unique(wanted)
        option = self.writer.given(wanted, value, varies=False, name=chosen, origin=origin)
        self.options.append(self.writer.variable(option))
        return option

    def _state(self, key: str, array: Any, weight: Expression) -> Expression:
        state = self.writer.variable(self.writer.given(key, np.array(array, order="C")))
        self.writer.starts[state.key] = np.array(array)
        self.states.append(State(state, self.writer.variable(weight)))
        return state.expression()

    def over_blocks(self, statement: ast.For, blocks: Blocks) -> None:
        """A loop over parameters: the body is written for a first one, and then said of all."""
        rows = [{"w": w, "g": g, **states} for w, g, states in blocks]
        stand_ins = {
            key: self.writer.new_variable(key, part.value.reshape(-1), stands_in=True)
            for key, part in rows[0].items()
        }
        parts = {key: stand_in.expression() for key, stand_in in stand_ins.items()}
        w, g = parts.pop("w"), parts.pop("g")
        outer = dict(self.writer.frame.locals)
        self.ops.in_rule = w.value.shape
        with self.writer.sub_block() as body:
            self.interpreter.assign(statement.target, (w, g, parts))
            self.interpreter.run(statement.body)
            for key, now in parts.items():
                if self.writer.variable_of(now) is not stand_ins[key]:
                    self.ops.set_item(stand_ins[key].expression(), ..., now)
        self.ops.in_rule = None
        self.writer.frame.locals = outer
        self._write_loop(stand_ins, rows, body)

    def _write_loop(
        self, stand_ins: dict[str, Variable], rows: list[dict[str, Expression]], body: Block
    ) -> None:
        """The loop; a short body is written once for each parameter, as the handwritten program does."""
        body = fold(body, self.writer.variables)
        read = keys_of(body)
        used = {key: stand_in for key, stand_in in stand_ins.items() if stand_in.key in read}
        for row in rows:
            for key, stand_in in used.items():
                state, weight = self.writer.variable(row[key]), self.writer.variable(row["w"])
                state.name = state.name or self.passes.roles.unique(f"{stand_in.hint}_{weight.name}")
        if len(rows) == 1 or (len(body) == 1 and not body[0].blocks):
            for row in rows:
                values = {stand_in.key: row[key].node for key, stand_in in used.items()}
                self.writer.block += [statement.copied(values) for statement in body]
            return
        target = ast.Tuple([stand_in.store() for stand_in in used.values()], ast.Store())
        lines: list[ast.expr] = [ast.Tuple([row[key].node for key in used], ast.Load()) for row in rows]
        self.writer.emit(ast.For(target, ast.Tuple(lines, ast.Load()), [], []), "", effect=True, body=body)
