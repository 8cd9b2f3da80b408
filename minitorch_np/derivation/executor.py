"""The statements of a layer's source: assignments, branches and loops."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.derivation.values import Expression, Variable, example, expressions, name, varies

if TYPE_CHECKING:
    from minitorch_np.derivation.calls import Calls
    from minitorch_np.derivation.evaluator import Evaluator
    from minitorch_np.derivation.objects import Objects
    from minitorch_np.derivation.operations import Operations
    from minitorch_np.derivation.passes import Passes
    from minitorch_np.derivation.rule import UpdateRule
    from minitorch_np.derivation.writer import Writer

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


class Executor:
    """Statements, one after the other; each kind has the method that bears its name."""

    calls: Calls
    passes: Passes
    rule: UpdateRule

    def __init__(self, writer: Writer, ops: Operations, objects: Objects, evaluator: Evaluator) -> None:
        self.writer = writer
        self.ops = ops
        self.objects = objects
        self.evaluator = evaluator

    def bind(self, name: str, value: Any) -> None:
        """A local variable; what stands in for all parameters takes the name that the source has for it."""
        variable = self.writer.variable_of(value)
        if variable is not None and variable.stands_in:
            variable.hint, variable.stands_in = name, False
        self.writer.frame.locals[name] = value

    def unpack(self, target: ast.expr, value: Any) -> None:
        """Give names in a loop's target their values."""
        if isinstance(target, ast.Name):
            self.bind(target.id, self.writer.all_named(value, target.id))
        elif isinstance(target, ast.Tuple | ast.List):
            self._spread(target.elts, self.ops.items(value, "what is unpacked"))
        else:
            self.assign(target, value)

    def _spread(self, targets: list[ast.expr], items: list[Any]) -> None:
        stars = [i for i, target in enumerate(targets) if isinstance(target, ast.Starred)]
        if len(items) < len(targets) - len(stars) or (not stars and len(items) > len(targets)):
            self.writer.fail(f"ValueError: {len(items)} values for {len(targets)} names")
        if stars:
            at, more = stars[0], len(items) - len(targets) + 1
            starred = targets[at]
            if isinstance(starred, ast.Starred):
                self.unpack(starred.value, items[at : at + more])
            targets = targets[:at] + targets[at + 1 :]
            items = items[:at] + items[at + more :]
        for target, item in zip(targets, items, strict=True):
            self.unpack(target, item)

    def _run_annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self.assign(statement.target, self.evaluator.evaluate(statement.value))

    def _run_assign(self, statement: ast.Assign) -> None:
        value = self.evaluator.evaluate(statement.value)
        parts = getattr(statement.targets[0], "elts", [])
        if isinstance(value, tuple) and not all(isinstance(part, ast.Name | ast.Starred) for part in parts):
            value = self.writer.all_named(
                value, "value", mine=True
            )  # all of them, before the first is assigned
        if len(statement.targets) > 1:  # a = b = ...: one array of two names
            value = self.writer.all_named(value, ast.unparse(statement.targets[-1]).rpartition(".")[2])
        for target in statement.targets:
            self.assign(target, value)

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            value = self.writer.all_named(value, target.id)
            if isinstance(value, Expression) and type(value.value) in (tuple, list) and value.value:
                value = type(value.value)(self.ops.items(value, "what is unpacked"))
            self.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            names = [part.id for part in target.elts if isinstance(part, ast.Name)]
            if isinstance(value, Expression) and len(names) == len(target.elts):
                self._unpack_array(names, value)
            else:
                self.unpack(target, value)
        elif isinstance(target, ast.Attribute):
            self.objects.set_attribute(self.evaluator.evaluate(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self.ops.set_item(
                self.evaluator.evaluate(target.value), self.evaluator.evaluate(target.slice), value
            )
        else:
            self.writer.fail(f"`{ast.unparse(target)}` is not a name that can be assigned to")

    def _unpack_array(self, names: list[str], value: Expression) -> None:
        """`a, b = np.split(…)` stays one statement."""
        if len(value.value) != len(names):
            self.writer.fail(f"ValueError: {len(value.value)} values for {len(names)} names")
        variables = [self.writer.new_variable(n, part) for n, part in zip(names, value.value, strict=True)]
        targets: list[ast.expr] = [ast.Name(variable.key, ast.Store()) for variable in variables]
        self.writer.emit(ast.Assign([ast.Tuple(targets, ast.Store())], value.node))
        for variable in variables:
            made = Expression(name(variable), variable.value, value.varies, loose=value.loose)
            self.writer.frame.locals[variable.hint] = made

    def _run_augassign(self, statement: ast.AugAssign) -> None:
        target, op = statement.target, statement.op
        if isinstance(target, ast.Subscript):
            self._augment_item(
                self.evaluator.evaluate(target.value),
                self.evaluator.evaluate(target.slice),
                op,
                statement.value,
            )
        elif isinstance(target, ast.Attribute):
            owner = self.evaluator.evaluate(target.value)
            old = self.objects.attribute(owner, target.attr)
            self.objects.set_attribute(
                owner, target.attr, self.ops.augmented(old, op, self.evaluator.evaluate(statement.value))
            )
        else:
            load = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            self.assign(
                target,
                self.ops.augmented(self.evaluator.evaluate(load), op, self.evaluator.evaluate(statement.value)),
            )

    def _augment_item(self, owner: Any, index: Any, op: ast.operator, node: ast.expr) -> None:
        value = self.evaluator.evaluate(node)
        if not isinstance(owner, Expression):
            self.ops.set_item(owner, index, self.ops.augmented(self.ops.item(owner, index), op, value))
            return
        changed = self.ops.binary(op, self.ops.item(owner, index), value)
        owner = self.writer.named(owner, "part", mine=True)
        self.ops.native(self.ops.put, owner, index, changed)
        target = ast.Subscript(owner.node, self.writer.index(index), ast.Store())
        self.writer.emit(ast.AugAssign(target, op, self.writer.node(value)), effect=True)
        owner.varies |= varies(index, value)

    def run(self, statements: list[ast.stmt]) -> End:
        for i, statement in enumerate(statements):
            self.writer.frame.line, self.writer.frame.end_line = statement.lineno, statement.end_lineno or 0
            if isinstance(statement, ast.If):
                end = self.branch(statement, statements[i + 1 :])
                if end is not None:
                    return end
                continue
            method = getattr(self, f"_run_{type(statement).__name__.lower()}", None)
            if method is None:
                self.writer.fail(f"`{ast.unparse(statement).splitlines()[0]}` cannot be written out")
            end = method(statement)
            if end is not None:
                return end
        return None

    def _run_pass(self, statement: ast.Pass) -> None: ...

    def _run_assert(self, statement: ast.Assert) -> None: ...

    def _run_delete(self, statement: ast.Delete) -> None:
        for target in statement.targets:
            if isinstance(target, ast.Name):
                self.writer.frame.locals.pop(target.id, None)
                continue
            if not isinstance(target, ast.Subscript | ast.Attribute):
                self.writer.fail(f"`{ast.unparse(statement)}` cannot be written out")
            owner = self.evaluator.evaluate(target.value)
            if isinstance(owner, Expression):
                self.writer.fail(f"`{ast.unparse(statement)}`: elements of an array cannot be deleted")
            if isinstance(target, ast.Attribute):
                delattr(owner, target.attr)
            else:
                del owner[self.ops.settled(self.evaluator.evaluate(target.slice), "the index")]

    def _run_expr(self, statement: ast.Expr) -> None:
        self.evaluator.evaluate(statement.value)

    def _run_return(self, statement: ast.Return) -> Return:
        return Return(None if statement.value is None else self.evaluator.evaluate(statement.value))

    def _run_break(self, statement: ast.Break) -> Leave:
        return Leave(stops=True)

    def _run_continue(self, statement: ast.Continue) -> Leave:
        return Leave(stops=False)

    def _run_functiondef(self, statement: ast.FunctionDef) -> None:
        made: Any = self.evaluator.closure(statement)
        for decorator in reversed(statement.decorator_list):
            made = self.calls.call(self.evaluator.evaluate(decorator), [made], {})
        self.writer.frame.locals[statement.name] = made

    def _run_import(self, statement: ast.Import | ast.ImportFrom) -> None:
        exec(
            compile(ast.Module([statement], []), self.writer.frame.file, "exec"),
            self.writer.frame.globals,
            self.writer.frame.locals,
        )

    def _run_try(self, statement: ast.Try) -> End:
        end = self.run([*statement.body, *statement.orelse])
        if isinstance(end, Return):
            end.value = self.writer.all_named(end.value, "result", mine=True)
        return self.run(statement.finalbody) or end

    def _run_raise(self, statement: ast.Raise) -> None:
        self.evaluator.complains = True
        error = example(self.evaluator.evaluate(statement.exc)) if statement.exc else RuntimeError("raise")
        error = error() if isinstance(error, type) else error
        error.add_note(f"({self.writer.frame.file} line {statement.lineno})")
        raise error

    def _run_with(self, statement: ast.With) -> End:
        """np.errstate stays; what catches warnings is left out, and so are other names of them."""
        managers = [self.evaluator.evaluate(item.context_expr) for item in statement.items]
        kept = []
        for item, manager in zip(statement.items, managers, strict=True):
            if isinstance(manager, np.errstate) and isinstance(item.context_expr, ast.Call):
                options = {k.arg: self.evaluator.evaluate(k.value) for k in item.context_expr.keywords if k.arg}
                keywords = [ast.keyword(key, self.writer.node(value)) for key, value in options.items()]
                function = ast.Attribute(ast.Name("np", ast.Load()), "errstate", ast.Load())
                kept.append(ast.withitem(ast.Call(function, [], keywords)))
            elif not isinstance(manager, warnings.catch_warnings):
                self.writer.fail(f"`with {ast.unparse(item)}` leads outside")
        if not kept:
            return self.run(statement.body)
        with self.writer.sub_block() as body:
            end = self.run(statement.body)
            if isinstance(end, Return):
                end.value = self.writer.all_named(end.value, "result", mine=True)
        self.writer.emit(ast.With(kept, body or [ast.Pass()]), "")
        return end

    def _run_while(self, statement: ast.While) -> End:
        turns = 0
        while self.ops.settled(self.evaluator.evaluate(statement.test), "the loop"):
            end = self.run(statement.body)
            if isinstance(end, Return):
                return end
            if isinstance(end, Leave) and end.stops:
                return None
            turns += 1
            self.writer.frame.line = statement.lineno
            if turns > LONGEST:
                self.writer.fail(f"the loop has not ended after {LONGEST} turns")
        return self.run(statement.orelse)

    def _run_for(self, statement: ast.For) -> End:
        iterated = self.evaluator.evaluate(statement.iter)
        if isinstance(iterated, Blocks):
            self.rule.over_blocks(statement, iterated)
            return None
        for item in self.ops.items(iterated, "the loop"):
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
        test = self.evaluator.evaluate(statement.test)
        truth = self.ops.decide(test)
        if truth is not None:
            return self.run(statement.body if truth else statement.orelse)
        if self._guards(statement.body) and not statement.orelse:
            self.writer.guard(ast.UnaryOp(ast.Not(), self.writer.node(test)))
            return None
        sides = [statement.body, statement.orelse]
        returns = any(
            isinstance(node, ast.Return) for side in sides for part in side for node in ast.walk(part)
        )
        if returns:
            sides = [[*side, *rest] for side in sides]
        return self._both(test, sides, returns)

    def _both(self, test: Expression, sides: list[list[ast.stmt]], returns: bool) -> End:
        before = self.writer.frame.locals
        after, blocks, values, attributes = [], [], [], []
        for side in sides:
            self.writer.frame.locals = dict(before)
            first, gradients = len(self.objects.set_attributes), self.passes.gradients_made()
            self.objects.in_branch += 1
            with self.writer.sub_block() as block:
                end = self.run(side)
                if self.passes.gradients_made() != gradients:
                    self.writer.fail("whether there is a gradient depends on the numbers in the network")
                if not isinstance(end, Return | None):
                    self.writer.fail("a loop is left where that depends on the numbers in the network")
                values.append(end.value if isinstance(end, Return) else None)
            self.objects.in_branch -= 1
            after.append(self.writer.frame.locals)
            attributes.append(self.objects.put_back(first))
            blocks.append(block)
        taken = 0 if example(test) else 1
        self.writer.frame.locals = before
        if not returns:
            for key in {**after[0], **after[1]}:
                pair = [side.get(key, before.get(key)) for side in after]
                before[key] = self._merged(key, pair, blocks, taken, before.get(key))
        for at, (owner, attribute, old, _) in {**attributes[0], **attributes[1]}.items():
            if not all(at in side for side in attributes):
                old = self.objects.state_before(owner, attribute, old)
            pair = [side[at][3] if at in side else old for side in attributes]
            self.objects.set_attribute(owner, attribute, self._merged(attribute, pair, blocks, taken, old))
        result = self._merged("y", values, blocks, taken, None) if returns else None
        if not blocks[0]:
            test, blocks = (
                self.ops.made(ast.UnaryOp(ast.Not(), test.node), not test.value, test),
                blocks[::-1],
            )
        if blocks[0]:
            self.writer.emit(ast.If(test.node, blocks[0], blocks[1]), "")
        return Return(result) if returns else None

    def _merged(self, key: str, pair: list[Any], blocks: list[list[ast.stmt]], taken: int, old: Any) -> Any:
        """One value for what two sides made: a variable that each of them sets."""
        first, second = pair
        if first is second or self._equal(first, second):
            return first
        if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
            parts = zip(first, second, strict=True)
            return tuple(self._merged(key, list(both), blocks, taken, None) for both in parts)
        variable = self.writer.variable_of(old)
        if variable is None or not any(side is old for side in pair) or self._is_shared(variable):
            variable = self.writer.new_variable(key, example(pair[taken]))
        for side, block in zip(pair, blocks, strict=True):
            if self.writer.variable_of(side) is not variable:
                with self.writer.sub_block() as more:
                    self.writer.emit(
                        ast.Assign([ast.Name(variable.key, ast.Store())], self.writer.node(side)), ""
                    )
                block += more
        values = [example(side) for side in pair]
        loose = any(part.loose for part in expressions(pair)) or (
            (values[0] is None) != (values[1] is None) or np.shape(values[0]) != np.shape(values[1])
        )
        return Expression(name(variable), values[taken], varies=True, loose=loose)

    def _is_shared(self, variable: Variable) -> bool:
        """Whether it is known by other names too, which must not see it change."""
        held = [part for frame in self.writer.frames for part in expressions(frame.locals)]
        names = sum(self.writer.variable_of(part) is variable for part in held)
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
            and self.evaluator.evaluate(part.value.func) in (warnings.warn, print)
            for part in statements
        )
