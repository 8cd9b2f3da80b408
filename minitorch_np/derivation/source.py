"""Source of a function: its syntax tree, the comments beside its lines, the name of its file."""

from __future__ import annotations

import ast
import linecache
import re
import tokenize
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType, FunctionType
from typing import Any

from minitorch_np._internal.syntax_trees import parameters_alone, walked

TOOLS = re.compile(r"# *(type|noqa|pylint|fmt|mypy|pyright|pragma|ruff|isort)\b|(pylint|pragma|noqa) *:")

LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)

BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)  # in which definitions stand

Definition = ast.FunctionDef | ast.Lambda


class SourceError(ValueError):
    """A function whose source cannot be read."""


@dataclass(eq=False)
class Source:
    """A definition, the lines of its file, and the file's name."""

    node: Definition
    lines: list[str]
    file: str

    @cached_property
    def body(self) -> list[ast.stmt]:
        """The statements, without the docstring; a lambda's is one `return`."""
        if isinstance(self.node, ast.Lambda):
            return [ast.copy_location(ast.Return(self.node.body), self.node.body)]
        return self.node.body[1:] if ast.get_docstring(self.node, clean=False) else self.node.body

    @cached_property
    def has_loops(self) -> bool:
        return any(isinstance(part, LOOPS) for part in walked(self.node))

    @cached_property
    def _bound(self) -> CodeType:
        return parameters_alone(self.node.args, getattr(self.node, "name", "<lambda>"))

    def binding(self, defaults: Any, named_defaults: Any) -> Callable[..., dict[str, Any]]:
        """A function that tells which of its parameters gets which argument, by name."""
        function = FunctionType(self._bound, {}, argdefs=defaults)
        function.__kwdefaults__ = named_defaults
        return function

    @cached_property
    def comments(self) -> dict[int, str]:
        """What is said at the ends of its lines, by line."""
        first = self.node.lineno
        lines = self.lines[first - 1 : self.node.end_lineno]
        found: dict[int, str] = {}
        with suppress(tokenize.TokenError, IndentationError):  # a lambda ends before the brackets around it do
            for token in tokenize.generate_tokens(iter(lines).__next__) if "#" in "".join(lines) else ():
                number, column = token.start
                follows = token.type == tokenize.COMMENT and lines[number - 1][:column].strip()
                if follows and not TOOLS.search(token.string):
                    found[number + first - 1] = token.string.lstrip("# ")
        return found


KNOWN: dict[CodeType, Source] = {}


def source_of(function: FunctionType) -> Source:
    """Find a function's source; raises SourceError if that cannot be read."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise SourceError(f"the source of {function.__qualname__} cannot be read: write it in a file")
    if code in KNOWN and KNOWN[code].lines is lines:  # the file has not changed
        return KNOWN[code]
    found: list[Definition] = []
    for text in (_block(lines, code), "".join(lines)):
        with suppress(SyntaxError):
            found = found or list(_beginning(_parsed(text), code))
    if len(found) > 1:
        found = [node for node in found if isinstance(node, ast.Lambda) and _holds(node, code)]
        found = found[-1:]  # the innermost
    if len(found) != 1:
        raise SourceError(f"the source of {function.__qualname__} is not what {code.co_filename} says now")
    KNOWN[code] = Source(found[0], lines, code.co_filename)
    return KNOWN[code]


def _block(lines: list[str], code: CodeType) -> str:
    """The lines of a function, where they stand in its file; no whole statement if it is within an expression.

    To parse them takes a tenth of the time that the file would take.
    """
    first = code.co_firstlineno - 1
    margin = _margin(lines[first]) if first < len(lines) else 0
    end = _last_line(code)
    while end < len(lines) and (
        not lines[end].strip() or _margin(lines[end]) > margin or lines[end - 1].lstrip().startswith("@")
    ):  # a lambda may be a decorator's argument
        end += 1
    before = "\n" * (first - 1) + "if True:\n" if margin else "\n" * first
    return before + "".join(lines[first:end])


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def _last_line(code: CodeType) -> int:
    """The last line that does something, also in the functions within."""
    own = [line for _, _, line in code.co_lines() if line]
    return max(own + [_last_line(inner) for inner in code.co_consts if isinstance(inner, CodeType)])


@lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _beginning(tree: ast.Module, code: CodeType) -> Iterator[Definition]:
    """The definitions that may be those of a code: of its name, on its line."""
    within = ast.AST if code.co_name == "<lambda>" else BLOCKS
    pending: list[ast.AST] = [tree]
    for node in pending:  # the outer ones first
        if isinstance(node, Definition) and getattr(node, "name", "<lambda>") == code.co_name:
            first = min(part.lineno for part in (node, *getattr(node, "decorator_list", [])))
            if first == code.co_firstlineno:
                yield node
                if isinstance(node, ast.FunctionDef):
                    return  # there is no other on its line
        pending += [part for part in ast.iter_child_nodes(node) if isinstance(part, within)]


def _holds(node: ast.Lambda, code: CodeType) -> bool:
    """Whether the code stems from this lambda, of several on one line."""
    body = node.body
    spans = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    inside = [
        (body.lineno, body.col_offset) <= span <= (body.end_lineno or 0, body.end_col_offset or 0)
        for span in spans
    ]
    return bool(inside) and all(inside)
