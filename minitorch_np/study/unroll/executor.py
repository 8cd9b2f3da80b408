"""Statements of a layer's source: branches on what is known are decided, loops over it unrolled."""

from __future__ import annotations

import ast
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minitorch_np.study.unroll.assignments import Assignments
from minitorch_np.study.unroll.values import Expression, example

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


class Executor(Assignments):
    """Statements, one after the other."""

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
                self.fail(f"`{ast.unparse(statement).splitlines()[0]}` is nothing that can be written out")
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
                self.fail(f"`{ast.unparse(statement)}` is nothing that can be written out")
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

    @abstractmethod
    def over_blocks(self, statement: ast.For, blocks: Blocks) -> None: ...

    @abstractmethod
    def branch(self, statement: ast.If, rest: list[ast.stmt]) -> End: ...
