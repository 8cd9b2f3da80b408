"""Marks in a program's training loop: calls at the beginning of a step and after every statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

from minitorch_np.study.byhand.loops import Program, bodies, names

BEGIN, END, MARK, SCOPE = "_step_begins_", "_loop_ends_", "_statement_ran_", "_names_here_"
SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


class Statement(NamedTuple):
    """A simple statement that is recorded: its line, the function around it, names it stores and loads."""

    line: int
    function: str
    stored: tuple[str, ...]
    loaded: tuple[str, ...]


def marked(program: Program, thorough: bool) -> tuple[ast.Module, list[Statement]]:
    """The program's tree with marks where a step begins, where the loop ends, and after every statement.

    The statements of functions of the file that the loop calls are marked too. Without `thorough`
    only the steps are, for measuring times. The marks are calls of BEGIN, END and MARK with what
    SCOPE returns, the names there; MARK gets the statement's number too. Changes the program's tree.
    """
    statements: list[Statement] = []
    loop, siblings, function = program.loop
    at = siblings.index(loop)
    if thorough:
        parts: list[tuple[Any, str]] = [(loop, function.name if function else "")]
        parts += [(f, f.name) for f in program.called_from(loop) if f is not function]
        for node, name in parts:
            node.body = list(_after_each(node.body, name, statements))
    loop.body.insert(0, _call(BEGIN, loop.body[0]))
    siblings.insert(at + 1, _call(END, loop))
    return ast.fix_missing_locations(program.tree), statements


def _after_each(body: list[ast.stmt], function: str, statements: list[Statement]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, SIMPLE):
            statements.append(Statement(statement.lineno, function, *names(statement)))
            yield _call(MARK, statement, ast.Constant(len(statements) - 1))
        elif not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for inner in bodies(statement):
                inner[:] = list(_after_each(inner, function, statements))


def _call(name: str, where: ast.stmt, *arguments: ast.expr) -> ast.stmt:
    scope = ast.Call(ast.Name(SCOPE, ast.Load()), [], [])
    return ast.copy_location(ast.Expr(ast.Call(ast.Name(name, ast.Load()), [*arguments, scope], [])), where)
