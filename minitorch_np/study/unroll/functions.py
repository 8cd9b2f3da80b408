"""Python functions in a layer's source: their statements are written where the call stands."""

from __future__ import annotations

import ast
import inspect
from types import FunctionType
from typing import Any

from minitorch_np.study.unroll.branches import Branches
from minitorch_np.study.unroll.emitter import Frame
from minitorch_np.study.unroll.evaluator import Closure
from minitorch_np.study.unroll.executor import Return
from minitorch_np.study.unroll.sources import Source, SourceError, source_of

DEEPEST = 100  # functions within functions


class Functions(Branches):
    """Going through functions, in frames of their own."""

    def enter(self, function: Any, args: list[Any], kwargs: dict[str, Any], label: str = "") -> Any:
        """Go through a function: its statements are written where the call stands."""
        try:
            source = source_of(function)
        except SourceError as error:
            self.fail(str(error))
        cells = dict(zip(function.__code__.co_freevars, _contents(function), strict=True))
        frame = Frame(label, source.file.rpartition("/")[2], function.__globals__, cells)
        frame.comments = source.comments
        return self.through(frame, source.body, inspect.signature(function, follow_wrapped=False), args, kwargs)

    def within(self, closure: Closure, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Go through a function that was defined on the way."""
        outer, node = closure.frame, closure.node
        frame = Frame("", outer.file, outer.globals, {**outer.cells, **outer.locals})
        frame.comments = outer.comments
        return self.through(frame, Source(node, {}, "").body, closure.signature, args, kwargs)

    def through(
        self, frame: Frame, body: list[ast.stmt], signature: inspect.Signature, args: list[Any], kwargs: Any
    ) -> Any:
        if len(self.frames) > DEEPEST:
            self.fail("functions call each other without an end")
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            self.fail(f"TypeError: {error}")
        bound.apply_defaults()
        for key, value in bound.arguments.items():
            frame.locals[key] = self.all_named(value, key, mine=True)
            variable = self.variable_of(frame.locals[key])
            if variable is not None:
                frame.bound[key] = variable
        self.frames.append(frame)
        try:
            end = self.run(body)
        finally:
            self.frames.pop()
        return end.value if isinstance(end, Return) else None


def _contents(function: FunctionType) -> list[Any]:
    """What the variables of the functions around it hold."""
    contents = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # not set yet
            contents.append(None)
    return contents
