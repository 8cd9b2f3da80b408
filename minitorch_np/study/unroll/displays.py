"""Containers, comprehensions, small functions and calls in a layer's source, taken apart on the way."""

from __future__ import annotations

import ast
import inspect
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from minitorch_np.study.unroll.evaluator import Closure, Evaluator
from minitorch_np.study.unroll.values import Expression, example


class Displays(Evaluator):
    """Values of syntax trees that have several parts."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Any) -> None: ...

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._parts(node.elts))

    def _list(self, node: ast.List) -> Any:
        return list(self._parts(node.elts))

    def _set(self, node: ast.Set) -> Any:
        return set(self._parts(node.elts))

    def _parts(self, nodes: list[ast.expr]) -> Iterator[Any]:
        plain = [node.value if isinstance(node, ast.Starred) else node for node in nodes]
        for node, value in zip(nodes, self.in_order(plain), strict=True):
            if isinstance(node, ast.Starred):
                yield from self.items(value, "what is unpacked")
            else:
                yield value

    def items(self, value: Any, what: str) -> list[Any]:
        """What iterating gives: of an array its rows, as many as it has."""
        if not isinstance(value, Expression):
            try:
                return list(value)
            except TypeError as error:
                self.fail(f"TypeError: {error}")
        if value.loose or not hasattr(value.value, "__len__"):
            self.fail(f"{what} depends on the numbers in the network")
        value = self.named(value, "parts", mine=True)
        return [self.item(value, i) for i in range(len(value.value))]

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made |= self.evaluate(value)
            else:
                made[self.settled(self.evaluate(key), "the key")] = self.evaluate(value)
        return made

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.evaluate(part)) for part in node.values)

    def _formattedvalue(self, node: ast.FormattedValue) -> str:
        value = self.evaluate(node.value)
        value = example(value) if self.complains else self.settled(value, "the text")
        if node.conversion != -1:  # !r, !s
            value = repr(value) if node.conversion == ord("r") else str(value)
        return format(value, self.evaluate(node.format_spec) if node.format_spec else "")

    def _lambda(self, node: ast.Lambda) -> Closure:
        return self.closure(node)

    def closure(self, node: ast.FunctionDef | ast.Lambda) -> Closure:
        """A function with the defaults that it has where it is defined."""
        given, kinds = node.args, inspect.Parameter
        positional = [*given.posonlyargs, *given.args]
        values = [self.all_named(self.evaluate(default), "default") for default in given.defaults]
        defaults = [kinds.empty] * (len(positional) - len(values)) + values
        parameters = [
            kinds(arg.arg, kinds.POSITIONAL_OR_KEYWORD, default=default)
            for arg, default in zip(positional, defaults, strict=True)
        ]
        if given.vararg:
            parameters.append(kinds(given.vararg.arg, kinds.VAR_POSITIONAL))
        for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            value = kinds.empty if default is None else self.all_named(self.evaluate(default), arg.arg)
            parameters.append(kinds(arg.arg, kinds.KEYWORD_ONLY, default=value))
        if given.kwarg:
            parameters.append(kinds(given.kwarg.arg, kinds.VAR_KEYWORD))
        return Closure(node, self.frame, inspect.Signature(parameters))

    def _namedexpr(self, node: ast.NamedExpr) -> Any:
        value = self.evaluate(node.value)
        value = self.frame.locals[node.target.id] = self.all_named(value, node.target.id)
        return value

    def _listcomp(self, node: ast.ListComp) -> list[Any]:
        return list(self._comprehended(node.generators, lambda: self.evaluate(node.elt)))

    def _generatorexp(self, node: ast.GeneratorExp) -> list[Any]:
        return list(self._comprehended(node.generators, lambda: self.evaluate(node.elt)))

    def _setcomp(self, node: ast.SetComp) -> set[Any]:
        return set(self._comprehended(node.generators, lambda: self.evaluate(node.elt)))

    def _dictcomp(self, node: ast.DictComp) -> dict[Any, Any]:
        pairs = self._comprehended(
            node.generators, lambda: (self.evaluate(node.key), self.evaluate(node.value))
        )
        return dict(pairs)

    def _comprehended(self, generators: list[ast.comprehension], element: Any) -> Iterator[Any]:
        """The elements of a comprehension, its loops unrolled; its variables are its own."""
        outer = self.frame.locals
        self.frame.locals = dict(outer)
        try:
            yield from self._loops(generators, element)
        finally:
            self.frame.locals = outer

    def _loops(self, generators: list[ast.comprehension], element: Any) -> Iterator[Any]:
        if not generators:
            yield element()
            return
        first, *rest = generators
        for item in self.items(self.evaluate(first.iter), "the loop"):
            self.unpack(first.target, item)
            if all(self.settled(self.evaluate(test), "the condition") for test in first.ifs):
                yield from self._loops(rest, element)

    def bind(self, name: str, value: Any) -> None:
        """A local variable; what stands in for all parameters takes the name that the source has for it."""
        variable = self.variable_of(value)
        if variable is not None and variable.stands_in:
            variable.hint, variable.stands_in = name, False
        self.frame.locals[name] = value

    def unpack(self, target: ast.expr, value: Any) -> None:
        """Give names in a loop's target their values."""
        if isinstance(target, ast.Name):
            self.bind(target.id, self.all_named(value, target.id))
        elif isinstance(target, ast.Tuple | ast.List):
            self._spread(target.elts, self.items(value, "what is unpacked"))
        else:
            self.assign(target, value)

    def _spread(self, targets: list[ast.expr], items: list[Any]) -> None:
        stars = [i for i, target in enumerate(targets) if isinstance(target, ast.Starred)]
        if len(items) < len(targets) - len(stars) or (not stars and len(items) > len(targets)):
            self.fail(f"ValueError: {len(items)} values for {len(targets)} names")
        if stars:
            at, more = stars[0], len(items) - len(targets) + 1
            starred = targets[at]
            if isinstance(starred, ast.Starred):
                self.unpack(starred.value, items[at : at + more])
            targets = targets[:at] + targets[at + 1 :]
            items = items[:at] + items[at + more :]
        for target, item in zip(targets, items, strict=True):
            self.unpack(target, item)

    def _call(self, node: ast.Call) -> Any:
        function = self.evaluate(node.func)
        starred = [arg.value if isinstance(arg, ast.Starred) else arg for arg in node.args]
        values = self.in_order([*starred, *(keyword.value for keyword in node.keywords)])
        args: list[Any] = []
        for arg, value in zip(node.args, values, strict=False):
            args += self.items(value, "what is unpacked") if isinstance(arg, ast.Starred) else [value]
        kwargs: dict[str, Any] = {}
        for keyword, value in zip(node.keywords, values[len(node.args) :], strict=True):
            kwargs |= value if keyword.arg is None else {keyword.arg: value}
        return self.call(function, args, kwargs)
