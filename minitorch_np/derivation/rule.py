"""Rule of an optimizer: its update of all parameters, or the loop over them."""

from __future__ import annotations

import ast
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.derivation.folding import fold
from minitorch_np.derivation.interpreter import Blocks
from minitorch_np.derivation.statements import Block, keys_in, replaced
from minitorch_np.derivation.values import Expression, Origin, Variable, mapped
from minitorch_np.optimizers.optimizer import Optimizer, ParamGroup

if TYPE_CHECKING:
    from minitorch_np.derivation.calls import Calls
    from minitorch_np.derivation.interpreter import Interpreter
    from minitorch_np.derivation.operations import Operations
    from minitorch_np.derivation.passes import Passes
    from minitorch_np.derivation.writer import Writer

NAMES = {"lr": "learning_rate"}


class State(NamedTuple):
    """An array of the optimizer that belongs to a parameter: momentum, or a mean of squares."""

    variable: Variable
    weight: Variable
    array: Any


class UpdateRule:
    """The statements of an optimizer's step, from its method `update`.

    Options become constants of the program; `first_step` is what it has to count from, and `states` are the
    rule's arrays, each with the parameter that it belongs to. With `flat` it is one update of all parameters
    of a group, in the flat arrays of the optimizer.
    """

    def __init__(
        self,
        writer: Writer,
        ops: Operations,
        interpreter: Interpreter,
        calls: Calls,
        passes: Passes,
        flat: bool = False,
    ) -> None:
        self.writer = writer
        self.ops = ops
        self.interpreter = interpreter
        self.calls = calls
        self.passes = passes
        self.flat = flat
        self.options: list[Variable] = []
        self.states: list[State] = []
        self.first_step = 1
        self.step: Variable | None = None

    def over_blocks(self, statement: ast.For, blocks: Blocks) -> None:
        """A loop over parameters: the body is written for a first one, and then said of all.

        A short body is written once for each of them, as the handwritten program does.
        """
        outer, state = dict(self.writer.frame.locals), blocks[0][2]
        rows: list[list[Expression]] = []
        columns = self._columns(blocks)
        stand_ins: dict[str, Expression] = {}
        for hint, column in columns.items():
            variable = self.writer.new_variable(hint, column[0].value.reshape(-1))
            variable.stands_in = True
            stand_ins[hint] = variable.expression()
            rows.append(column)
        first = mapped(
            blocks[0],
            lambda part: next(stand_ins[hint] for hint, column in columns.items() if column[0] is part),
        )
        self.ops.in_rule = next(iter(stand_ins.values())).value.shape
        with self.writer.sub_block() as body:
            self.interpreter.assign(statement.target, first)
            self.interpreter.run(statement.body)
            for hint in state:
                if self.writer.variable_of(first[2][hint]) is not self.writer.variable_of(stand_ins[hint]):
                    self.ops.set_item(stand_ins[hint], ..., first[2][hint])
        self.ops.in_rule = None
        self.writer.frame.locals = outer
        self.write_loop(list(stand_ins.values()), rows, body)

    def _columns(self, blocks: Blocks) -> dict[str, list[Expression]]:
        """The parts of the blocks by what they are: all parameters, all gradients, each of the states."""
        columns: dict[str, list[Expression]] = {}
        for w, g, state in blocks:
            for hint, part in {"w": w, "g": g, **state}.items():
                columns.setdefault(hint, []).append(part)
        return columns

    def write_loop(self, names: list[Expression], rows: list[list[Expression]], body: Block) -> None:
        body = fold(body, self.writer.variables)
        used = {key for statement in body for key in keys_in(statement) | keys_in(statement, ast.Store)}
        columns = [
            (self.writer.variable(n), row)
            for n, row in zip(names, rows, strict=True)
            if self.writer.variable(n).key in used
        ]
        for stand_in, column in columns:
            for part, weight in zip(column, rows[0], strict=True):
                state = self.writer.variable(part)
                if not state.name:
                    state.name = self.passes.roles.unique(
                        f"{stand_in.hint}_{self.writer.variable(weight).name}"
                    )
        if len(rows[0]) == 1 or (len(body) == 1 and not body[0].blocks):
            for i in range(len(rows[0])):
                self.writer.block += self._for_one(
                    body, [(stand_in, column[i]) for stand_in, column in columns]
                )
            return
        target = ast.Tuple([ast.Name(s.key, ast.Store()) for s, _ in columns], ast.Store())
        lines = [ast.Tuple([column[i].node for _, column in columns], ast.Load()) for i in range(len(rows[0]))]
        rows_of = ast.Tuple(list(lines), ast.Load())
        self.writer.emit(ast.For(target, rows_of, [], []), "", effect=True, body=body)

    def update(self, optimizer: Optimizer) -> Block:
        """The statements of one step."""
        if type(optimizer).step is not Optimizer.step:
            raise ValueError(f"{optimizer!r} has a step() of its own: only update(…) can be written out")
        ready = optimizer.ready()
        counts = [s + 1 for group in ready if group.counts for s in group.buffers.steps]
        self.first_step = min(counts, default=1)
        self.step = self.writer.new_variable("step", self.first_step, name="step", given=True)
        self.step.origin = Origin("step", None, None)
        with self.writer.sub_block() as block:
            for number, group in enumerate(ready):
                self._group(optimizer, group, number)
        return block

    def _group(self, optimizer: Optimizer, group: ParamGroup, number: int) -> None:
        buffers = group.buffers
        options = {
            key: self._option(key, value, Origin("option", number, key)) for key, value in group.options.items()
        }
        places = [i for i, parameter in enumerate(buffers.parameters) if id(parameter) in self.passes.gradients]
        for made, run in groupby(places, key=lambda i: buffers.steps[i]):
            numbers = list(run)
            rows = self._flat(group, number, numbers) if self.flat else self._rows(group, numbers)
            self.calls.call(
                optimizer.update, [Blocks(rows), self._step(made + 1) if group.counts else 1], options
            )

    def _rows(self, group: ParamGroup, run: list[int]) -> list[tuple[Any, Any, dict[str, Any]]]:
        """Each parameter with its gradient and its states."""
        buffers = group.buffers
        return [
            (
                self.passes.weights[id(buffers.parameters[i])],
                self.passes.gradients[id(buffers.parameters[i])],
                {
                    key: self._state(key, buffers.view(flat, i), i, group)
                    for key, flat in buffers.states.items()
                },
            )
            for i in run
        ]

    def _flat(self, group: ParamGroup, number: int, run: list[int]) -> list[tuple[Any, Any, dict[str, Any]]]:
        """All parameters of a run in one: the part of the flat arrays that they stand in."""
        buffers = group.buffers
        if run != list(range(run[0], run[-1] + 1)):
            self.writer.fail("a parameter without a gradient stands between others")
        part = slice(buffers.starts[run[0]], buffers.starts[run[-1] + 1])

        def taken(hint: str, flat: Any, kind: str, key: str) -> Expression:
            return self.writer.given(hint, flat[part].copy(), origin=Origin(kind, number, (key, part)))

        states = {key: taken(key, flat, "state", key) for key, flat in buffers.states.items()}
        return [(taken("w", buffers.data, "flat", "data"), taken("g", buffers.grad, "flat", "grad"), states)]

    def _step(self, first: int) -> Any:
        """The step's number for parameters that have made more or fewer steps than others."""
        more = first - self.first_step
        if self.step is None:
            return first
        step = self.step.expression()
        return self.ops.binary(ast.Add(), step, more) if more else step

    def _option(self, key: str, value: Any, origin: Origin) -> Any:
        if isinstance(value, tuple):
            return tuple(
                self._option(f"{key.rstrip('s')}{i}", part, origin._replace(key=(origin.key, i - 1)))
                for i, part in enumerate(value, start=1)
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        wanted = NAMES.get(key, key)
        for variable in () if self.flat else self.options:
            if variable.hint == wanted and type(variable.value) is type(value) and variable.value == value:
                return variable.expression(varies=False)
        taken = any(variable.name == wanted for variable in self.options)
        chosen = wanted if key == "lr" and not taken else self.passes.roles.unique(wanted)
        option = self.writer.given(wanted, value, name=chosen, varies=False, origin=origin)
        self.options.append(self.writer.variable(option))
        return option

    def _state(self, key: str, array: Any, i: int, group: ParamGroup) -> Expression:
        state = self.writer.given(key, np.array(array, order="C"))
        self.writer.starts[self.writer.variable(state).key] = np.array(array)
        weight = self.passes.weights[id(group.buffers.parameters[i])]
        self.states.append(State(self.writer.variable(state), self.writer.variable(weight), array))
        return state

    def _for_one(self, body: Block, pairs: list[tuple[Variable, Expression]]) -> Block:
        made = fold(body, self.writer.variables)  # a copy
        for stand_in, actual in pairs:
            made = [replaced(statement, stand_in.key, actual.node) for statement in made]
        return made
