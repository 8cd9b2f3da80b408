"""Calls in a layer's source: those of NumPy are written to the program, Python functions are gone through."""

from __future__ import annotations

import ast
import functools
import inspect
import io
import linecache
import random
import re
import tokenize
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.numerics import plain_form
from minitorch_np.parameter import Parameter
from minitorch_np.study.unroll.access import OURS, Frame, Method
from minitorch_np.study.unroll.evaluator import Closure
from minitorch_np.study.unroll.executor import Executor, Return
from minitorch_np.study.unroll.values import Expression, expressions, numpy_name, varies

TOOLS = re.compile(r"# *(type|noqa|pylint|fmt|mypy|pyright|pragma|ruff|isort)\b|(pylint|pragma|noqa) *:")

Definition = ast.FunctionDef | ast.Lambda


class SourceError(ValueError):
    """A function whose source cannot be read."""


class Source(NamedTuple):
    """A definition, the comments of its file by line, and the file's name."""

    node: Definition
    comments: dict[int, str]
    file: str

    @property
    def body(self) -> list[ast.stmt]:
        """The statements, without the docstring; a lambda's is one `return`."""
        if isinstance(self.node, ast.Lambda):
            return [ast.copy_location(ast.Return(self.node.body), self.node.body)]
        return self.node.body[1:] if ast.get_docstring(self.node) else self.node.body


def source_of(function: FunctionType) -> Source:
    """If a function is written; raises SourceError if that cannot be read."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    unread = SourceError(f"the source of {function.__qualname__} cannot be read: write it in a file")
    if not text:
        raise unread
    try:
        found = [node for node in _definitions(text) if _begins(node, code)]
    except SyntaxError:
        found = []
    if len(found) > 1:
        found = [node for node in found if isinstance(node, ast.Lambda) and _holds(node, code)]
        found = found[-1:]  # the innermost
    if not found and code.co_filename == "<string>":  # of something else that was executed
        raise unread
    if len(found) != 1:
        raise SourceError(f"the source of {function.__qualname__} is not what {code.co_filename} says now")
    return Source(found[0], _comments(text), code.co_filename)


@lru_cache(maxsize=64)
def _definitions(text: str) -> list[Definition]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.Lambda)]


@lru_cache(maxsize=64)
def _comments(text: str) -> dict[int, str]:
    """Comments that follow code on their line, by line."""
    lines = text.splitlines()
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
        and lines[token.start[0] - 1][: token.start[1]].strip()
        and not TOOLS.search(token.string)
    }


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


DEEPEST = 100  # functions within functions


class Calls(Executor):
    """Calls, by the kind of what is called."""

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

    def of_numpy(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, np.ufunc) and len(args) > function.nin:
            *args, out = args
            kwargs = {**kwargs, "out": out}
        value = self.native(function, *args, **kwargs)
        is_constant = isinstance(function, type) and not expressions((args, kwargs))  # np.float64(2.0)
        if is_constant or not _is_numeric(value):
            return value if not expressions((args, kwargs)) else self.settled_or_written(value, function, args)
        made = self.written(numpy_name(function) or ast.Constant(None), value, args, kwargs)
        first = args[0] if args and isinstance(args[0], Expression) else None
        if value is None:  # np.add.at, np.copyto
            return self.changing(made, first)
        if first is not None and first.value is value and "out" not in kwargs:
            if function.__name__ not in UNCHANGED:
                self.changing(made, first)
            return first
        if _picks(function.__name__, args[:1], args[1:], kwargs):
            made.loose |= function.__name__ != "where" or len(args) == 1
        return self.with_effect(made, kwargs)

    def settled_or_written(self, value: Any, function: Any, args: list[Any]) -> Any:
        """np.shape, np.ndim and the like, which are the same in every step."""
        if isinstance(value, bool | float | complex):
            self.settled(args, f"np.{function.__name__}")
        return value

    def of_array(self, method: Method, args: list[Any], kwargs: dict[str, Any]) -> Any:
        owner = method.owner
        value = self.native(getattr(owner.value, method.name), *args, **kwargs)
        if value is owner.value and "out" not in kwargs:
            return owner  # astype to what it is
        made = self.written(ast.Attribute(owner.node, method.name, ast.Load()), value, args, kwargs)
        made.varies |= owner.varies
        picks = _picks(method.name, owner, args, kwargs)
        made.loose |= np.ndim(value) > 0 and (owner.loose or picks)
        if isinstance(owner.value, np.random.Generator):
            if method.name in ("spawn", "bit_generator"):
                self.fail(f"{method.name} of a generator: its state is not all that it depends on")
            made.varies, made.loose = True, varies(args, kwargs)
            drawn = self.assigned(made, method.name if method.name != "random" else "u")
            vars(self.block[-1])["effect"] = True
            self.effects += 1
            return drawn if value is not None else None  # shuffle
        if self.in_rule is not None and np.shape(owner.value) == self.in_rule != np.shape(value):
            self.check_size(owner)
        if method.name in ("fill", "sort", "partition", "put", "itemset", "resize"):
            return self.changing(made, owner)
        return self.with_effect(made, kwargs)

    def changing(self, made: Expression, changed: Any) -> None:
        """A call that is a statement, as it changes an array."""
        if isinstance(changed, Expression):
            named = self.named(changed, "part", mine=True)
            if named is not changed:
                made.node = ReplacedNode(changed.node, named.node).visit(made.node)
            named.varies |= made.varies
            changed.varies |= made.varies
        self.emit(ast.Expr(made.node), effect=True)

    def written(self, function: ast.expr, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Expression:
        nodes = [self.node(part) for part in args]
        keywords = [ast.keyword(key, self.node(part)) for key, part in kwargs.items()]
        return self.made(ast.Call(function, nodes, keywords), value, args, kwargs)

    def with_effect(self, made: Expression, kwargs: dict[str, Any]) -> Any:
        """A call that writes to `out` is a statement, and its value what it wrote to."""
        call = made.node
        out = kwargs.get("out")
        if not isinstance(out, Expression) or not isinstance(call, ast.Call):
            return made
        if not isinstance(out.node, ast.Name):
            named = self.named(out, "out", mine=True)
            call.keywords = [ast.keyword("out", named.node) if k.arg == "out" else k for k in call.keywords]
            out = named
        self.emit(ast.Expr(call), made.comment, effect=True)
        out.varies |= made.varies
        return out

    @abstractmethod
    def note_read(self, owner: Any, attribute: str) -> None: ...

    def of_builtin(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        own: dict[Any, Callable[..., Any]] = {
            super: self._super,
            getattr: self._getattr,
            hasattr: self._hasattr,
            isinstance: self._isinstance,
            map: self._map,
            range: lambda *args: range(*self.settled(args, "the length of a loop")),
            any: lambda values: self.junction(ast.Or(), [False, *self.items(values, "the loop")]),
            all: lambda values: self.junction(ast.And(), [True, *self.items(values, "the loop")]),
        }
        for known, method in own.items():
            if function is known:
                return method(*args, **kwargs)
        if isinstance(function, type) and _is_written_in_python(function):
            return self._made(function, args, kwargs)
        if function in GOING_OVER:
            parts = [self.items(part, "the loop") if isinstance(part, Expression) else part for part in args]
            return function(*parts, **kwargs)
        if function is len and not isinstance(args[0], Expression):
            return len(*args)
        if function in WRITTEN and expressions(args) and "key" not in kwargs:
            return self._written(function, args, kwargs)
        if function in (sorted, set, filter, str, repr, format, max, min) and not self.complains:
            args = self.settled(args, f"{function.__name__}(…)")
        elif function not in KNOWN and expressions((args, kwargs)):
            known = getattr(function, "__qualname__", repr(function))
            module = getattr(function, "__module__", None) or type(function).__name__
            self.fail(f"{module}.{known} leads outside NumPy")
        return self.native(function, *args, **kwargs)

    def _super(self, *args: Any) -> Any:
        if args:
            return super(*args)
        return super(self.frame.cells["__class__"], next(iter(self.frame.locals.values())))

    def _getattr(self, owner: Any, name: str, *default: Any) -> Any:
        if default:
            self._hasattr(owner, name)
            if not hasattr(owner, name):
                return default[0]
        return self.attribute(owner, name)

    def _hasattr(self, owner: Any, name: str) -> bool:
        if isinstance(owner, OURS):
            self.note_read(owner, name)
        return bool(self.native(hasattr, owner, name))

    def _isinstance(self, value: Any, classes: Any) -> bool:
        if isinstance(value, Expression) and value.loose:
            self.fail("whether there is a value depends on the numbers in the network")
        return bool(self.native(isinstance, value, classes))

    def _map(self, function: Any, *values: Any) -> list[Any]:
        rows = zip(*(self.items(part, "the loop") for part in values), strict=False)
        return [self.call(function, list(row), {}) for row in rows]

    def _written(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Expression:
        written = self.written(ast.Name(function.__name__, ast.Load()), 0, args, kwargs)
        written.value = self.native(function, *args, **kwargs)
        if function is len:
            self.check_size(args[0])
            written.varies &= args[0].loose
        return written

    def _made(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """An object that holds things: a named tuple, a dataclass, one of a class of the author's."""
        args, kwargs = self.all_named(args, "part"), self.all_named(kwargs, "part")
        if hasattr(function, "_fields") or hasattr(function, "__dataclass_fields__"):
            return function(*args, **kwargs)
        made = object.__new__(function)
        self.call(MethodType(vars(function)["__init__"], made), args, kwargs)
        return made

    @abstractmethod
    def of_parameter(self, parameter: Parameter, method: str, args: list[Any], kwargs: Any) -> Any: ...

    @abstractmethod
    def of_helper(self, function: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any: ...

    def of_layer(self, layer: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a layer, a loss or an optimizer."""
        function = plain_form(method.__func__) or method.__func__
        return self.enter(function, [layer, *args], kwargs, label=repr(layer))

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(function, functools.partial):
            return self.call(function.func, [*function.args, *args], {**function.keywords, **kwargs})
        if isinstance(function, Closure):
            return self.within(function, args, kwargs)
        if isinstance(function, Method):
            return self.of_array(function, args, kwargs)
        if isinstance(function, Expression):
            self.fail("which function is called depends on the numbers in the network")
        if numpy_name(function) is not None:
            return self.of_numpy(function, args, kwargs)
        if getattr(function, "__self__", None) is not None and not isinstance(function.__self__, ModuleType):
            return self.of_bound(function, args, kwargs)
        return self.of_function(function, args, kwargs)

    def of_bound(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of an object that is not written out itself."""
        owner = function.__self__
        if isinstance(owner, Parameter):
            return self.of_parameter(owner, function.__name__, args, kwargs)
        if isinstance(owner, np.random.RandomState | random.Random):
            self.fail("a global random generator: hold a np.random.Generator, np.random.default_rng(seed)")
        if isinstance(owner, np.random.Generator):
            return self.of_array(Method(self.constant(owner, "rng"), function.__name__), args, kwargs)
        if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
            return self.of_method(owner, function, args, kwargs)
        if isinstance(owner, list | dict | set | tuple):
            return self.of_container(function, args, kwargs)
        return self.of_builtin(function, args, kwargs)

    def of_method(self, owner: Any, method: MethodType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method that is written in Python."""
        if inspect.isgeneratorfunction(method):
            return list(self.native(method, *self.settled(args, "what a generator yields"), **kwargs))
        if isinstance(owner, OURS):
            return self.of_layer(owner, method, args, kwargs)
        return self.enter(method.__func__, [owner, *args], kwargs)

    def of_container(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A method of a list or a dict, which may hold expressions; those that look at them cannot be."""
        name = function.__name__
        if name in ("sort", "index", "count", "remove") and expressions((function.__self__, args)):
            self.fail(f"{name} of a {type(function.__self__).__name__} depends on the numbers in the network")
        if name not in ("get", "items", "keys", "values", "copy"):
            self.check_branch()
        try:
            found = function(*self.all_named(args, "part"), **kwargs)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            self.fail(f"{type(error).__name__}: {error}")
        return self.constant(found, "constant") if isinstance(found, np.ndarray) else found

    def of_function(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A function of Python, or an object that can be called."""
        if not isinstance(function, FunctionType):
            callee = inspect.getattr_static(type(function), "__call__", None)
            if isinstance(callee, FunctionType):
                return self.call(MethodType(callee, function), args, kwargs)
            return self.of_builtin(function, args, kwargs)
        ours = any(isinstance(part, OURS) for part in (*args, *kwargs.values()))
        of_numpy = (function.__module__ or "").startswith("numpy.")
        if inspect.isgeneratorfunction(function):
            self.settled((args, kwargs), "what a generator yields")
        if of_numpy or inspect.isgeneratorfunction(function) or not (ours or expressions((args, kwargs))):
            value = self.native(function, *args, **kwargs)
            if of_numpy or not isinstance(value, np.ndarray | np.random.Generator | list | dict):
                return value  # what can be changed has to be a new one at every step
        plain = plain_form(function)
        if isinstance(plain, FunctionType):
            return self.enter(plain, args, kwargs)
        return self.call(plain, args, kwargs) if plain else self.of_helper(function, args, kwargs)


def _contents(function: FunctionType) -> list[Any]:
    """What the variables of the functions around it hold."""
    contents = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # not set yet
            contents.append(None)
    return contents


UNCHANGED = (
    "asarray",
    "asanyarray",
    "ascontiguousarray",
    "asfortranarray",
    "require",
    "atleast_1d",
    "atleast_2d",
)

PICKING = (  # results as large as numbers say
    *("nonzero", "flatnonzero", "argwhere", "unique", "where", "compress", "extract", "repeat", "delete"),
    *("trim_zeros", "union1d", "intersect1d", "setdiff1d", "arange", "linspace"),
)


def _picks(name: str, array: Any, *others: Any) -> bool:
    """Whether the size of a result depends on the numbers; for `repeat` and `delete` on the other arguments."""
    return name in PICKING and (varies(others) or (varies(array) and name not in ("repeat", "delete")))


class ReplacedNode(ast.NodeTransformer):
    """With another expression for one."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self.old = old
        self.new = new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _is_numeric(value: Any) -> bool:
    """Whether a result is one of the program's: an array or several, a number, a generator, or nothing."""
    if isinstance(value, tuple | list):
        return len(value) > 0 and all(isinstance(part, np.ndarray | np.number) for part in value)
    return value is None or isinstance(value, np.ndarray | np.number | np.bool_ | np.random.Generator)


KNOWN = (type, callable, id, issubclass)  # the same in every step

GOING_OVER = (list, tuple, zip, enumerate, reversed, iter, dict)

WRITTEN = (len, abs, float, int, bool, max, min, sum, round, pow, complex)


def _is_written_in_python(function: type) -> bool:
    """Whether making an object of a class is what a few lines of Python do."""
    if issubclass(function, (BaseException, *OURS)):
        return False
    return hasattr(function, "_fields") or isinstance(vars(function).get("__init__"), FunctionType)
