"""A derived program, run statement by statement, with what another program has computed put in between."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.byhand.recorder import LOOPS, ParsedProgram, names
from minitorch_np.study.locations import Location

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LOSS = "loss"  # the name of what a program appends to its list of losses


class Segment(NamedTuple):
    """The statements up to the one that makes `finals`, the arrays that then have their value of this step."""

    code: CodeType
    finals: tuple[str, ...]
    loads: tuple[str, ...]
    changes: bool  # whether it writes into arrays that it loads


class Reference:
    """`train(x, y, w1, …)` of a derived program, cut into segments at the arrays of its loop.

    `names` are these arrays in the order of computation; `lines` the statements that make each. The
    weights are arguments that the loop changes in place.
    """

    def __init__(
        self, text: str, arrays: Mapping[str, Array], places: Mapping[str, Location], weights: tuple[str, ...]
    ) -> None:
        self.arrays, self.weights = dict(arrays), weights
        self._places = dict(places)
        program = ParsedProgram(text, "<derived program>")
        loop, siblings, function = program.loop
        if function is None or not isinstance(loop, ast.For):
            raise ValueError("a derived program has its loop, a for, in a function")
        self._globals: dict[str, Any] = {"__name__": "derived"}
        exec(compile(program.tree, "<derived program>", "exec"), self._globals)
        self._loop = loop
        self._prelude = _code(siblings[: siblings.index(loop)])
        defaults = zip(function.args.args[::-1], function.args.defaults[::-1], strict=False)
        self._options = {argument.arg: ast.literal_eval(value) for argument, value in defaults}
        self._steps = next((name for name in self._options if name in ast.unparse(loop.iter)), "steps")
        self._losses = _list_of_losses(loop)
        self._counter = [n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
        self.lines: dict[str, list[str]] = {}
        self.segments = self._cut(loop.body)
        self.names = [name for segment in self.segments for name in segment.finals]

    def place(self, name: str) -> Location:
        """Where an array belongs; one without a place of its own is on the way to the next that has one."""
        if name in self._places:
            return self._places[name]
        following = self.names[self.names.index(name) :] if name in self.names else []
        place = next((self._places[n] for n in following if n in self._places), Location("", "", name))
        return place._replace(what=f"on the way to the {place.what}")

    def gradient_of(self, weight: str) -> str | None:
        """The name of a weight's gradient."""
        layer, _, what = self._places[weight]
        return self._named(layer, f"gradient of {what}")

    def weight_of(self, gradient: str) -> str | None:
        """The name of the weight whose gradient this is."""
        return next((weight for weight in self.weights if self.gradient_of(weight) == gradient), None)

    def is_gradient(self, name: str) -> bool:
        return name in self._places and self._places[name].what.startswith("gradient of")

    def _named(self, layer: str, what: str) -> str | None:
        """The array of that place."""
        for name, place in self._places.items():
            if (place.layer, place.what) == (layer, what):
                return name
        return None

    def written(self, made: Sequence[str], own: Mapping[str, str]) -> tuple[str, ...]:
        """The statements that make these arrays, with a program's own names for those in them."""
        lines = [line for name in dict.fromkeys(made) for line in self.lines.get(name, [])]
        return tuple(re.sub(r"\b[A-Za-z_]\w*", lambda word: own.get(word[0], word[0]), line) for line in lines)

    def begin(self, arrays: Mapping[str, Array], steps: int) -> dict[str, Any]:
        """Everything in scope where the loop begins, with copies of these arrays."""
        scope = {**self._globals, **self._options}
        scope |= {name: np.array(arrays[name]) for name in self.arrays}
        scope[self._steps] = steps
        with np.errstate(all="ignore"):
            exec(self._prelude, scope)
            scope["_items_"] = iter(list(eval(_expression(self._loop.iter), scope)))
        return scope

    def step(self, scope: dict[str, Any]) -> Iterator[tuple[Segment, dict[str, Any]]]:
        """Run the segments of a step one by one; with each, what it was given."""
        scope["_item_"] = next(scope["_items_"])
        item = ast.Assign([self._loop.target], ast.Name("_item_", ast.Load()), lineno=1)
        exec(_code([item]), scope)
        for segment in self.segments:
            given = {name: scope[name] for name in segment.loads if name in scope}
            if segment.changes:
                given = {name: _copy(value) for name, value in given.items()}
            with np.errstate(all="ignore"):
                exec(segment.code, scope)
            yield segment, given

    def values(self, segment: Segment, scope: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
        """The names and values that a segment has made, arrays of floats and the loss."""
        for name in segment.finals:
            value = scope[self._losses][-1] if name == LOSS else scope.get(name)
            if value is not None and np.asarray(value).dtype.kind == "f" and (name == LOSS or np.ndim(value)):
                yield name, np.array(value)

    def put(self, scope: dict[str, Any], name: str, value: Array) -> None:
        """Let the program go on with another value; weights keep their memory."""
        if name in self.weights:
            scope[name][...] = value
        elif name != LOSS:
            scope[name] = np.array(value, scope[name].dtype)

    def made_with(
        self, segments: Sequence[Segment], given: Mapping[str, Any], changed: Mapping[str, Any]
    ) -> dict[str, Array]:
        """What segments, one after the other, make of other arrays; nothing if they fail."""
        scope = self._globals | {name: _copy(value) for name, value in {**given, **changed}.items()}
        try:
            with np.errstate(all="ignore"):
                for segment in segments:
                    exec(segment.code, scope)
            return dict(self.values(segments[-1], scope))
        except (ValueError, IndexError, TypeError, FloatingPointError):
            return {}

    def _cut(self, body: list[ast.stmt]) -> list[Segment]:
        last: dict[str, int] = {}
        for i, statement in enumerate(body):
            for name in self._made_by(statement):
                last[name] = i
                self.lines.setdefault(name, []).extend(ast.unparse(statement).splitlines())
        segments, begun = [], 0
        for i in range(len(body)):
            finals = tuple(name for name, at in last.items() if at == i)
            if finals or i == len(body) - 1:
                part = body[begun : i + 1]
                loads = tuple(dict.fromkeys(name for statement in part for name in names(statement)[1]))
                segments.append(Segment(_code(part), finals, loads, any(map(_changes, part))))
                begun = i + 1
        return segments

    def _made_by(self, statement: ast.stmt) -> list[str]:
        """The arrays that a statement makes: names it stores; in an inner loop, the weights it mentions."""
        stored, loaded = names(statement)
        if isinstance(statement, LOOPS):
            return [name for name in loaded if name in self.weights]
        made = [name for name in stored if name not in self._counter]
        return [*made, LOSS] if self._losses in loaded and isinstance(statement, ast.Expr) else made


def _list_of_losses(loop: ast.For) -> str:
    """The list that the loop appends to."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Attribute) and node.attr == "append" and isinstance(node.value, ast.Name):
            return node.value.id
    return ""


def _changes(statement: ast.stmt) -> bool:
    kinds = (ast.AugAssign, ast.Subscript, *LOOPS)
    return any(isinstance(node, kinds) for node in ast.walk(statement)) or isinstance(statement, ast.Expr)


def _copy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _code(statements: list[ast.stmt]) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Module(statements, [])), "<derived program>", "exec")


def _expression(node: ast.expr) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Expression(node)), "<derived program>", "eval")
