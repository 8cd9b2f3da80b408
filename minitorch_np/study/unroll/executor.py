"""Statements of a layer's source: assignments, branches and loops."""

from __future__ import annotations

import ast
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.access import OURS
from minitorch_np.study.unroll.evaluator import Evaluator
from minitorch_np.study.unroll.values import Expression, Variable, example, expressions, mapped, name, varies

UNSET = object()


class Executor(Evaluator):
    """Statements, one after the other."""

    @abstractmethod
    def set_parameter(self, parameter: Parameter, attribute: str, value: Any) -> None: ...

    def _run_annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self.assign(statement.target, self.evaluate(statement.value))

    def _run_assign(self, statement: ast.Assign) -> None:
        value = self.evaluate(statement.value)
        parts = getattr(statement.targets[0], "elts", [])
        if isinstance(value, tuple) and not all(isinstance(part, ast.Name | ast.Starred) for part in parts):
            value = self.all_named(value, "value", mine=True)  # all of them, before the first is assigned
        if len(statement.targets) > 1:  # a = b = ...: one array of two names
            value = self.all_named(value, ast.unparse(statement.targets[-1]).rpartition(".")[2])
        for target in statement.targets:
            self.assign(target, value)

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            value = self.all_named(value, target.id)
            if isinstance(value, Expression) and type(value.value) in (tuple, list) and value.value:
                value = type(value.value)(self.items(value, "what is unpacked"))
            self.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            names = [part.id for part in target.elts if isinstance(part, ast.Name)]
            if isinstance(value, Expression) and len(names) == len(target.elts):
                self._unpack_array(names, value)
            else:
                self.unpack(target, value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.evaluate(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self.set_item(self.evaluate(target.value), self.evaluate(target.slice), value)
        else:
            self.fail(f"`{ast.unparse(target)}` is not a name that can be assigned to")

    def _unpack_array(self, names: list[str], value: Expression) -> None:
        """`a, b = np.split(…)` stays one statement."""
        if len(value.value) != len(names):
            self.fail(f"ValueError: {len(value.value)} values for {len(names)} names")
        variables = [self.new_variable(n, part) for n, part in zip(names, value.value, strict=True)]
        targets: list[ast.expr] = [ast.Name(variable.key, ast.Store()) for variable in variables]
        self.emit(ast.Assign([ast.Tuple(targets, ast.Store())], value.node))
        for variable in variables:
            made = Expression(name(variable), variable.value, value.varies, loose=value.loose)
            self.frame.locals[variable.hint] = made

    def set_attribute(self, owner: Any, attribute: str, value: Any) -> None:
        if isinstance(owner, Parameter):
            self.set_parameter(owner, attribute, value)
        elif isinstance(setter := getattr(self.property_of(owner, attribute), "fset", None), FunctionType):
            self.call(MethodType(setter, owner), [value], {})
        elif isinstance(owner, OURS) or hasattr(owner, "__dict__"):
            value = self.all_named(value, attribute.lstrip("_"))
            for part in expressions(value):
                if variable := self.variable_of(part):
                    variable.kept = True
            self.set_attributes.append((owner, attribute, vars(owner).get(attribute, UNSET)))
            vars(owner)[attribute] = value
        else:
            self.fail(f"the attribute {attribute} of {type(owner).__name__} cannot be set")

    def set_item(self, owner: Any, index: Any, value: Any) -> None:
        if not isinstance(owner, Expression):
            self.check_branch()
            self.put_item(owner, self.settled(index, "the index"), self.all_named(value, "part"))
            return
        owner = self.named(owner, "part", mine=True)
        value = self.named(value, "value", mine=True) if isinstance(value, Expression) else value
        self.native(self._put, owner, index, value)
        target = ast.Subscript(owner.node, self.index(index), ast.Store())
        self.emit(ast.Assign([target], self.node(value)), effect=True)
        owner.varies |= varies(index, value)

    def _run_augassign(self, statement: ast.AugAssign) -> None:
        target, op = statement.target, statement.op
        if isinstance(target, ast.Subscript):
            self._augment_item(self.evaluate(target.value), self.evaluate(target.slice), op, statement.value)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value)
            old = self.attribute(owner, target.attr)
            self.set_attribute(owner, target.attr, self._augmented(old, op, self.evaluate(statement.value)))
        else:
            load = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            self.assign(target, self._augmented(self.evaluate(load), op, self.evaluate(statement.value)))

    def _augmented(self, old: Any, op: ast.operator, value: Any) -> Any:
        """`old op= value`: an array changes in place, a number becomes another."""
        if not isinstance(old, Expression) or not isinstance(old.value, np.ndarray):
            return self.binary(op, old, value)
        old = self.named(old, "part", mine=True)
        self.native(self._put, old, ..., self.binary(op, old, value))
        if isinstance(old.node, ast.Name):
            self.emit(ast.AugAssign(ast.Name(old.node.id, ast.Store()), op, self.node(value)), effect=True)
        old.varies |= varies(value)
        return old

    def _augment_item(self, owner: Any, index: Any, op: ast.operator, node: ast.expr) -> None:
        value = self.evaluate(node)
        if not isinstance(owner, Expression):
            self.set_item(owner, index, self._augmented(self.item(owner, index), op, value))
            return
        changed = self.binary(op, self.item(owner, index), value)
        owner = self.named(owner, "part", mine=True)
        self.native(self._put, owner, index, changed)
        target = ast.Subscript(owner.node, self.index(index), ast.Store())
        self.emit(ast.AugAssign(target, op, self.node(value)), effect=True)
        owner.varies |= varies(index, value)

    def put_item(self, owner: Any, index: Any, value: Any) -> None:
        """An element of a list or a dict."""
        owner[index] = value

    def check_branch(self) -> None:
        """What a list or a dict holds cannot depend on the numbers."""
        if self.in_branch:
            self.fail("what a list or a dict holds depends on the numbers in the network")

    @staticmethod
    def _put(array: Any, index: Any, value: Any) -> None:
        array[index] = value

    def run(self, statements: list[ast.stmt]) -> End:
        for i, statement in enumerate(statements):
            self.frame.line, self.frame.end_line = statement.lineno, statement.end_lineno or 0
            if isinstance(statement, ast.If):
                end = self.branch(statement, statements[i + 1 :])
                if end is not None:
                    return end
                continue
            method = getattr(self, f"_run_{type(statement).__name__.lower()}", None)
            if method is None:
                self.fail(f"`{ast.unparse(statement).splitlines()[0]}` cannot be written out")
            end = method(statement)
            if end is not None:
                return end
        return None

    @contextmanager
    def sub_block(self) -> Iterator[list[ast.stmt]]:
        """Statements go into a block of their own."""
        outer, self.block = self.block, []
        try:
            yield self.block
        finally:
            self.block = outer

    def _run_pass(self, statement: ast.Pass) -> None: ...

    def _run_assert(self, statement: ast.Assert) -> None: ...

    def _run_delete(self, statement: ast.Delete) -> None:
        for target in statement.targets:
            if isinstance(target, ast.Name):
                self.frame.locals.pop(target.id, None)
                continue
            if not isinstance(target, ast.Subscript | ast.Attribute):
                self.fail(f"`{ast.unparse(statement)}` cannot be written out")
            owner = self.evaluate(target.value)
            if isinstance(owner, Expression):
                self.fail(f"`{ast.unparse(statement)}`: elements of an array cannot be deleted")
            if isinstance(target, ast.Attribute):
                delattr(owner, target.attr)
            else:
                del owner[self.settled(self.evaluate(target.slice), "the index")]

    def _run_expr(self, statement: ast.Expr) -> None:
        self.evaluate(statement.value)

    def _run_return(self, statement: ast.Return) -> Return:
        return Return(None if statement.value is None else self.evaluate(statement.value))

    def _run_break(self, statement: ast.Break) -> Leave:
        return Leave(stops=True)

    def _run_continue(self, statement: ast.Continue) -> Leave:
        return Leave(stops=False)

    def _run_functiondef(self, statement: ast.FunctionDef) -> None:
        made: Any = self.closure(statement)
        for decorator in reversed(statement.decorator_list):
            made = self.call(self.evaluate(decorator), [made], {})
        self.frame.locals[statement.name] = made

    def _run_import(self, statement: ast.Import | ast.ImportFrom) -> None:
        exec(
            compile(ast.Module([statement], []), self.frame.file, "exec"), self.frame.globals, self.frame.locals
        )

    _run_importfrom = _run_import

    def _run_try(self, statement: ast.Try) -> End:
        end = self.run([*statement.body, *statement.orelse])
        if isinstance(end, Return):
            end.value = self.all_named(end.value, "result", mine=True)
        return self.run(statement.finalbody) or end

    def _run_raise(self, statement: ast.Raise) -> None:
        self.complains = True
        error = example(self.evaluate(statement.exc)) if statement.exc else RuntimeError("raise")
        error = error() if isinstance(error, type) else error
        error.add_note(f"({self.frame.file} line {statement.lineno})")
        raise error

    def _run_with(self, statement: ast.With) -> End:
        """np.errstate stays; what catches warnings is left out, and so are other names of them."""
        managers = [self.evaluate(item.context_expr) for item in statement.items]
        kept = []
        for item, manager in zip(statement.items, managers, strict=True):
            if isinstance(manager, np.errstate) and isinstance(item.context_expr, ast.Call):
                options = {k.arg: self.evaluate(k.value) for k in item.context_expr.keywords if k.arg}
                keywords = [ast.keyword(key, self.node(value)) for key, value in options.items()]
                function = ast.Attribute(ast.Name("np", ast.Load()), "errstate", ast.Load())
                kept.append(ast.withitem(ast.Call(function, [], keywords)))
            elif not isinstance(manager, warnings.catch_warnings):
                self.fail(f"`with {ast.unparse(item)}` leads outside")
        if not kept:
            return self.run(statement.body)
        with self.sub_block() as body:
            end = self.run(statement.body)
            if isinstance(end, Return):
                end.value = self.all_named(end.value, "result", mine=True)
        self.emit(ast.With(kept, body or [ast.Pass()]), "")
        return end

    def _run_while(self, statement: ast.While) -> End:
        turns = 0
        while self.settled(self.evaluate(statement.test), "the loop"):
            end = self.run(statement.body)
            if isinstance(end, Return):
                return end
            if isinstance(end, Leave) and end.stops:
                return None
            turns += 1
            self.frame.line = statement.lineno
            if turns > LONGEST:
                self.fail(f"the loop has not ended after {LONGEST} turns")
        return self.run(statement.orelse)

    def _run_for(self, statement: ast.For) -> End:
        iterated = self.evaluate(statement.iter)
        if isinstance(iterated, Blocks):
            self.over_blocks(statement, iterated)
            return None
        for item in self.items(iterated, "the loop"):
            self.unpack(statement.target, item)
            end = self.run(statement.body)
            if isinstance(end, Return):
                return end
            if isinstance(end, Leave) and end.stops:
                return None
        return self.run(statement.orelse)

    def branch(self, statement: ast.If, rest: list[ast.stmt]) -> End:
        """An `if`: decided, dropped if it only guards, or written with both its sides.

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


LONGEST = 10_000  # turns of a loop


class Return:
    """What a block ended with: a value to return."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Leave:
    """What a block ended with: `break` or `continue`."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops


End = Return | Leave | None


class Blocks:
    """The parameters of an optimizer's group; a loop over them is written once, for all."""

    def __init__(self, rows: list[tuple[Any, Any, dict[str, Any]]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
