"""Branches and loops that stay in the program: on the step's number, and over an optimizer's parameters."""

from __future__ import annotations

import ast
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np

from minitorch_np.study.unroll.assignments import UNSET
from minitorch_np.study.unroll.executor import Blocks, End, Executor, Return
from minitorch_np.study.unroll.values import Expression, Variable, example, expressions, mapped, name


class Branches(Executor):
    """`if` on what varies, and `for w, g, state in blocks`."""

    def branch(self, statement: ast.If, rest: list[ast.stmt]) -> End:
        """An `if`: decided, dropped where it only guards, or written with both its sides.

        Where a side returns, what follows the `if` belongs to the other one.
        """
        test = self.evaluate(statement.test)
        truth = self.decide(test)
        if truth is not None:
            return self.run(statement.body if truth else statement.orelse)
        if self._guards(statement.body) and not statement.orelse:
            return None
        sides = [statement.body, statement.orelse]
        returns = any(
            isinstance(node, ast.Return) for side in sides for part in side for node in ast.walk(part)
        )
        if returns:
            sides = [[*side, *rest] for side in sides]
        return self._both(test, sides, returns)

    def _both(self, test: Expression, sides: list[list[ast.stmt]], returns: bool) -> End:
        before = self.frame.locals
        after, blocks, values, attributes = [], [], [], []
        for side in sides:
            self.frame.locals = dict(before)
            first, gradients = len(self.set_attributes), self.gradients_made()
            self.in_branch += 1
            with self.sub_block() as block:
                end = self.run(side)
                if self.gradients_made() != gradients:
                    self.fail("whether there is a gradient depends on the numbers in the network")
                if not isinstance(end, Return | None):
                    self.fail("a loop is left where that depends on the numbers in the network")
                values.append(end.value if isinstance(end, Return) else None)
            self.in_branch -= 1
            after.append(self.frame.locals)
            attributes.append(self._put_back(first))
            blocks.append(block)
        taken = 0 if example(test) else 1
        self.frame.locals = before
        if not returns:
            for key in {**after[0], **after[1]}:
                pair = [side.get(key, before.get(key)) for side in after]
                before[key] = self._merged(key, pair, blocks, taken, before.get(key))
        for at, (owner, attribute, old, _) in {**attributes[0], **attributes[1]}.items():
            if not all(at in side for side in attributes):
                old = self._state_before(owner, attribute, old)
            pair = [side[at][3] if at in side else old for side in attributes]
            self.set_attribute(owner, attribute, self._merged(attribute, pair, blocks, taken, old))
        result = self._merged("y", values, blocks, taken, None) if returns else None
        if not blocks[0]:
            test, blocks = self.made(ast.UnaryOp(ast.Not(), test.node), not test.value, test), blocks[::-1]
        if blocks[0]:
            self.emit(ast.If(test.node, blocks[0], blocks[1]), "")
        return Return(result) if returns else None

    def _state_before(self, owner: Any, attribute: str, old: Any) -> Any:
        """What an attribute is where only the other side sets it."""
        if any(o is owner and name == attribute for o, name, _ in self.set_attributes):
            return old  # set before, in this step
        if not isinstance(old, np.ndarray):
            self.fail(f"{attribute} is set in some steps only: keep it in an array, changed in place")
        return self.attribute(owner, attribute)

    @abstractmethod
    def gradients_made(self) -> int: ...

    def _put_back(self, first: int) -> dict[tuple[int, str], Any]:
        """Undo what was set in attributes since then; returns what that was."""
        changed: dict[tuple[int, str], Any] = {}
        while len(self.set_attributes) > first:
            owner, attribute, old = self.set_attributes.pop()
            new = changed.get((id(owner), attribute), (0, 0, 0, vars(owner)[attribute]))[3]
            changed[id(owner), attribute] = owner, attribute, old, new
        for owner, attribute, old, _ in changed.values():
            if old is UNSET:
                del vars(owner)[attribute]
            else:
                vars(owner)[attribute] = old
        return changed

    def _merged(self, key: str, pair: list[Any], blocks: list[list[ast.stmt]], taken: int, old: Any) -> Any:
        """One value for what two sides made: a variable that each of them sets."""
        first, second = pair
        if first is second or self._equal(first, second):
            return first
        if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
            parts = zip(first, second, strict=True)
            return tuple(self._merged(key, list(both), blocks, taken, None) for both in parts)
        variable = self.variable_of(old)
        if variable is None or not any(side is old for side in pair) or self._is_shared(variable):
            variable = self.new_variable(key, example(pair[taken]))
        for side, block in zip(pair, blocks, strict=True):
            if self.variable_of(side) is not variable:
                with self.sub_block() as more:
                    self.emit(ast.Assign([ast.Name(variable.key, ast.Store())], self.node(side)), "")
                block += more
        values = [example(side) for side in pair]
        loose = any(part.loose for part in expressions(pair)) or (
            (values[0] is None) != (values[1] is None) or np.shape(values[0]) != np.shape(values[1])
        )
        return Expression(name(variable), values[taken], varies=True, loose=loose)

    def _is_shared(self, variable: Variable) -> bool:
        """Whether it is known by other names too, which must not see it change."""
        held = [part for frame in self.frames for part in expressions(frame.locals)]
        names = sum(self.variable_of(part) is variable for part in held)
        return variable.given or variable.place is not None or variable.kept or names > 1

    @staticmethod
    def _equal(first: Any, second: Any) -> bool:
        plain = int | float | str | bool | None
        return isinstance(first, plain) and isinstance(second, plain) and first == second

    def _guards(self, statements: list[ast.stmt]) -> bool:
        """Whether a block only complains: it raises an error or warns."""
        *_, last = statements
        if isinstance(last, ast.Raise):
            return True
        return all(
            isinstance(part, ast.Expr)
            and isinstance(part.value, ast.Call)
            and self.evaluate(part.value.func) in (warnings.warn, print)
            for part in statements
        )

    def over_blocks(self, statement: ast.For, blocks: Blocks) -> None:
        """A loop over parameters: the body is written for a first one, and then said of all.

        A short body is written once for each of them, as the handwritten program does.
        """
        outer, state = dict(self.frame.locals), blocks.rows[0][2]
        rows: list[list[Expression]] = []
        columns = self._columns(blocks)
        stand_ins: dict[str, Expression] = {}
        for hint, column in columns.items():
            variable = self.new_variable(hint, column[0].value.reshape(-1))
            variable.stands_in = True
            stand_ins[hint] = Expression(name(variable), variable.value, varies=True)
            rows.append(column)
        first = mapped(
            blocks.rows[0],
            lambda part: next(stand_ins[hint] for hint, column in columns.items() if column[0] is part),
        )
        self.in_rule = next(iter(stand_ins.values())).value.shape
        with self.sub_block() as body:
            self.unpack(statement.target, first)
            self.run(statement.body)
            for hint in state:
                if self.variable_of(first[2][hint]) is not self.variable_of(stand_ins[hint]):
                    self.set_item(stand_ins[hint], ..., first[2][hint])
        self.in_rule = None
        self.frame.locals = outer
        self.write_loop(list(stand_ins.values()), rows, body)

    def _columns(self, blocks: Blocks) -> dict[str, list[Expression]]:
        """The parts of the blocks by what they are: all parameters, all gradients, each of the states."""
        columns: dict[str, list[Expression]] = {}
        for w, g, state in blocks:
            for hint, part in {"w": w, "g": g, **state}.items():
                columns.setdefault(hint, []).append(part)
        return columns

    @abstractmethod
    def write_loop(
        self, names: list[Expression], rows: list[list[Expression]], body: list[ast.stmt]
    ) -> None: ...
