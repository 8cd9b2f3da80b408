"""Source of a function: its syntax tree, the comments beside its lines, the name of its file."""

from __future__ import annotations

import ast
import linecache
import re
import tokenize
from functools import lru_cache
from types import CodeType, FunctionType
from typing import NamedTuple

TOOLS = re.compile(r"# *(type|noqa|pylint|fmt|mypy|pyright|pragma|ruff|isort)\b|(pylint|pragma|noqa) *:")

Definition = ast.FunctionDef | ast.Lambda


class SourceError(ValueError):
    """A function whose source cannot be read."""


class Source(NamedTuple):
    """A definition, the text of its file, and the file's name."""

    node: Definition
    text: str
    file: str

    def comments(self) -> dict[int, str]:
        """What is said at the ends of its lines, by line."""
        return _comments(self.text, self.node.lineno, self.node.end_lineno or self.node.lineno)

    @property
    def body(self) -> list[ast.stmt]:
        """The statements, without the docstring; a lambda's is one `return`."""
        if isinstance(self.node, ast.Lambda):
            return [ast.copy_location(ast.Return(self.node.body), self.node.body)]
        return self.node.body[1:] if ast.get_docstring(self.node) else self.node.body


def source_of(function: FunctionType) -> Source:
    """Find a function's source; raises SourceError if that cannot be read."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    unread = SourceError(f"the source of {function.__qualname__} cannot be read: write it in a file")
    if not text:
        raise unread
    try:
        found = [node for node in _definitions(text, code.co_firstlineno) if _begins(node, code)]
    except SyntaxError:
        found = []
    if len(found) > 1:
        found = [node for node in found if isinstance(node, ast.Lambda) and _holds(node, code)]
        found = found[-1:]  # the innermost
    if len(found) != 1:
        raise SourceError(f"the source of {function.__qualname__} is not what {code.co_filename} says now")
    return Source(found[0], text, code.co_filename)


@lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=1024)
def _definitions(text: str, line: int) -> list[Definition]:
    """The functions that stand on a line, or around it."""
    found: list[Definition] = []
    around: list[ast.AST] = [_parsed(text)]
    for node in around:
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            found.append(node)
        around += [child for child in ast.iter_child_nodes(node) if _is_around(child, line)]
    return found


def _is_around(node: ast.AST, line: int) -> bool:
    """Whether the lines of a node, decorators among them, have this line; what has no lines may."""
    if not isinstance(node, ast.stmt | ast.expr):
        return True
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)]) <= line <= (node.end_lineno or node.lineno)


@lru_cache(maxsize=1024)
def _comments(text: str, first: int, last: int) -> dict[int, str]:
    """Comments that follow code on these lines, by line."""
    lines = text.splitlines(keepends=True)[first - 1 : last]
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(iter(lines).__next__):
            number, column = token.start
            follows = token.type == tokenize.COMMENT and lines[number - 1][:column].strip()
            if follows and not TOOLS.search(token.string):
                found[number + first - 1] = token.string.lstrip("# ")
    except (tokenize.TokenError, IndentationError):
        pass  # a lambda ends before the brackets around it do
    return found


def _begins(node: Definition, code: CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return node.name == code.co_name and first == code.co_firstlineno


def _holds(node: ast.Lambda, code: CodeType) -> bool:
    """Whether the code stems from this lambda, of several on one line."""
    body = node.body
    spans = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    inside = [
        (body.lineno, body.col_offset) <= span <= (body.end_lineno or 0, body.end_col_offset or 0)
        for span in spans
    ]
    return bool(inside) and all(inside)
