"""Single edits of a statement, tried on the recorded values: which one makes the gradient right."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import copied_tree
from minitorch_np.study.compare.instrument import Execution
from minitorch_np.study.compare.recorded import Node, plain_deep

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

MOST_EDITS = 1500
OTHER_DERIVATIVE = 1.65  # the cost of the derivative of something else
MASK_LEFT_OUT = 1.95
FACTOR_LEFT_OUT = 2.3  # the cost of a factor that is missing, and is no derivative
GRADIENT_LEFT_OUT = 2.4  # the cost of a gradient that is missing
NUMPY = ("np", "numpy")
DERIVATIVES = (
    "({0} > 0)", "({0} * (1 - {0}))", "(1 - {0} ** 2)", "(1 - np.tanh({0}) ** 2)", "np.exp({0})",
    "(1 / (1 + np.exp(-{0})))", "np.where({0} > 0, 1, 0.01)", "np.sign({0})",
)  # fmt: skip
PRODUCTS = (
    "({b}) @ ({a})", "({a}).T @ ({b})", "({a}) @ ({b}).T", "({b}).T @ ({a})", "({b}) @ ({a}).T",
    "({b}).T @ ({a}).T",
)  # fmt: skip
FUNCTIONS = (
    (1.4, "the square of {0} belongs in it", "{} ** 2"),
    *(
        (2.6, "it is made with {0} where {1} belongs", form)
        for form in ("np.tanh({})", "np.exp({})", "np.sign({})", "np.abs({})", "np.sqrt({})", "1 / {}")
    ),
    (2.5, "it is made with {0} where its sigmoid belongs", "(1 / (1 + np.exp(-{})))"),
)
WITHOUT_BIASES = {  # by the number of axes: what stands first is a bias
    1: ("np.r_[0, {0}[1:]]",),
    2: ("np.vstack([0 * {0}[:1], {0}[1:]])", "np.hstack([0 * {0}[:, :1], {0}[:, 1:]])"),
}
FLIPPED: dict[type, type] = {
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


class Edit(NamedTuple):
    """A changed statement: how unusual the mistake is that it mends, what the mistake is, and the statement."""

    cost: float
    mistake: str
    tree: Any
    is_missing: bool = False  # something was left out

    def text(self) -> str:
        return ast.unparse(self.tree)


class Values(NamedTuple):
    """What can stand in a statement: nodes by what the program calls them, and other versions of them."""

    here: Mapping[str, Node]
    forward: Mapping[str, Node]  # those that the forward pass made
    earlier: Mapping[str, list[tuple[Node, str]]]  # other values of the same name, and what they are


Replacement = tuple[float, str, str | ast.expr]  # of an expression: the cost, the mistake, what belongs there


def edits(execution: Execution, values: Values) -> Iterator[Edit]:
    """The edits of a statement, the likeliest mistakes first within each kind."""
    tree = execution.statement.tree
    known = {**values.here, **execution.loads}
    values = values._replace(here=_distinct(values.here))
    numbers = _numbers(execution)
    made = next((n.value.shape for n in execution.result.values()), ())
    yield from _of_assignment(tree)
    for part in _expressions(tree):
        for cost, mistake, new in chain(
            _of_operand(part, known, values, execution),
            _of_slice(part),
            _of_number(part, numbers, known, made, values),
            _of_call(part, execution, known),
            _of_operator(part),
            _of_derivative(part, values),
        ):
            yield Edit(cost, mistake, _replaced(tree, part, new))
    yield from _of_repeated_calls(tree)
    yield from _of_repeated_names(tree, known, values)
    value = getattr(tree, "value", None)
    if isinstance(value, ast.expr):
        for cost, mistake, new in chain(
            _insertions(_operand(value), values, made, _functions(execution.namespace)),
            _additions(ast.unparse(value), values, made, numbers),
        ):
            yield Edit(cost, mistake, _replaced(tree, value, new), cost < GRADIENT_LEFT_OUT)
    target = tree.targets[0] if isinstance(tree, ast.Assign) else None
    if isinstance(target, ast.Subscript) and ast.unparse(target.value) in known:
        yield Edit(1.5, "this line does not belong", ast.parse(ast.unparse(target.value)).body[0])


def _of_assignment(tree: Any) -> Iterator[Edit]:
    """`=` in place of `+=` or `-=`, and the other way round; `np.add.at` for an index that occurs twice."""
    if isinstance(tree, ast.AugAssign) and isinstance(tree.op, ast.Add):
        yield Edit(1.7, "= belongs where it adds", ast.Assign([tree.target], tree.value, lineno=0))
        yield Edit(1.6, "-= belongs where += stands", ast.AugAssign(tree.target, ast.Sub(), tree.value))
        index = getattr(tree.target, "slice", None)
        has_slices = any(isinstance(n, ast.Slice) for n in getattr(index, "elts", [index]))
        if isinstance(tree.target, ast.Subscript) and not has_slices:
            parts = ", ".join(map(ast.unparse, (tree.target.value, tree.target.slice, tree.value)))
            new = ast.parse(f"np.add.at({parts})").body[0]
            yield Edit(1.6, "for an index that occurs several times, += adds only one of the values", new)
    if (
        isinstance(tree, ast.AugAssign)
        and isinstance(tree.target, ast.Subscript)
        and is_a_name(tree.target.value)
    ):
        owner = ast.unparse(tree.target.value)
        whole: Any = ast.parse(f"{owner} = 0").body[0]
        mistake = f"{owner} as a whole belongs where {ast.unparse(tree.target)} stands"
        yield Edit(1.55, mistake, ast.AugAssign(whole.targets[0], tree.op, tree.value))
    if isinstance(tree, ast.Assign) and len(tree.targets) == 1:
        is_negative = isinstance(tree.value, ast.UnaryOp) and isinstance(tree.value.op, ast.USub)
        value = tree.value.operand if is_negative else tree.value  # type: ignore[attr-defined]
        target: Any = tree.targets[0]
        made = ast.AugAssign(target, ast.Sub() if is_negative else ast.Add(), value)
        yield Edit(1.7, f"{'-=' if is_negative else '+='} belongs where = stands", made)


def _of_repeated_calls(tree: Any) -> Iterator[Edit]:
    """σ(a) (1 − σ(a)) where a (1 − a) belongs: the same call in all its places."""
    calls = (
        n for part in _expressions(tree) for n in ast.walk(part) if isinstance(n, ast.Call) and len(n.args) == 1
    )
    by_text: dict[str, dict[int, Any]] = {}
    for call in calls:
        by_text.setdefault(ast.unparse(call), {})[id(call)] = call.args[0]
    for text, replacements in by_text.items():
        if len(replacements) > 1:
            inner = ast.unparse(next(iter(replacements.values())))
            new = copied_tree(tree, replacements)
            yield Edit(1.3, f"{inner} belongs where {text} stands: it is the activated value already", new)


def _of_repeated_names(tree: Any, known: Mapping[str, Node], values: Values) -> Iterator[Edit]:
    """Another variable in all places of one: b * (1 - b) where a * (1 - a) belongs."""
    places: dict[str, list[ast.expr]] = {}
    for part in _expressions(tree):
        if is_a_name(part) and ast.unparse(part) in known:
            places.setdefault(ast.unparse(part), []).append(part)
    for text, parts in places.items():
        for is_same_shape in (True, False) if len(parts) > 1 else ():
            for other in _others(text, known[text], values.here, is_same_shape=is_same_shape):
                new = copied_tree(tree, {id(part): ast.parse(other, mode="eval").body for part in parts})
                yield Edit(1.1, f"it is made with {text} where {other} belongs", new)


def forward_edits(execution: Execution, values: Values) -> Iterator[Edit]:
    """What is missing in a statement of the forward pass: an activation, or a bias; or another function."""
    tree = execution.statement.tree
    value = getattr(tree, "value", None)
    if not isinstance(value, ast.expr):
        return
    for part in ast.walk(value):
        if isinstance(part, ast.Call) and len(part.args) == 1 and _owner(part.func) in NUMPY:
            for name in ("square", "abs", "exp", "log", "tanh", "sqrt"):
                new = f"np.{name}({ast.unparse(part.args[0])})"
                mistake = f"np.{name} belongs where {ast.unparse(part.func)} stands"
                yield Edit(1.8, mistake, _replaced(tree, part, new))
    if not isinstance(tree, ast.Assign | ast.Return):
        return
    text = ast.unparse(value)
    for activation in ("np.maximum({}, 0)", "np.tanh({})", "1 / (1 + np.exp(-({})))"):
        mistake = f"the activation {activation.format('...')} is left out"
        yield Edit(2.0, mistake, _replaced(tree, value, activation.format(text)))
    for name, node in values.here.items():
        if node.value.ndim and node.value.size == max(node.value.shape):
            yield Edit(2.1, f"{name} is left out", _replaced(tree, value, f"{text} + {name}"))


def scalings(execution: Execution, factor: float | None) -> Iterator[Edit]:
    """The statement's value divided by a factor that it has too much."""
    tree = execution.statement.tree
    value = getattr(tree, "value", None)
    if not factor or not isinstance(value, ast.expr) or isinstance(tree, ast.Expr) or abs(factor - 1) < 1e-6:
        return
    found: list[Replacement] = []
    operand = _operand(value)
    if abs(factor + 1) < 1e-6:
        found = [(2.4, "it has the other sign", f"-{operand}")]
    else:
        for name, size in execution.scope.items():
            if type(size) is int and size > 1:
                if abs(factor - size) < 1e-6 * size:
                    found.append((1.5, f"it is {name} = {size} times the right one", f"{operand} / {name}"))
                if abs(factor * size - 1) < 1e-6:
                    what = f"it is 1/{name} = 1/{size} of the right one"
                    found.append((1.6, what, f"{operand} * {name}"))
        if factor > 1:
            found.append((2.5, f"it is {factor:.6g} times the right one", f"{operand} / {factor:.6g}"))
        else:
            found.append((2.5, f"it is 1/{1 / factor:.6g} of the right one", f"{operand} * {1 / factor:.6g}"))
    for cost, mistake, new in found:
        yield Edit(cost, mistake, _replaced(tree, value, new))


def is_a_name(tree: Any) -> bool:
    return isinstance(tree, ast.Name | ast.Attribute | ast.Subscript)


def _operand(value: ast.expr) -> str:
    """The text of an expression as a factor."""
    text = ast.unparse(value)
    return text if is_a_name(value) or isinstance(value, ast.Call) else f"({text})"


def _owner(function: ast.expr) -> str:
    """`np` of `np.sum`; "" for a plain name."""
    return ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""


def _expressions(tree: Any) -> list[ast.expr]:
    """All expressions of a statement that can be changed: its value, and the index that it writes to."""
    targets = [*getattr(tree, "targets", ()), getattr(tree, "target", None)]
    roots = [getattr(tree, "value", None), *(t.slice for t in targets if isinstance(t, ast.Subscript))]
    found = [r for r in roots if isinstance(r, ast.expr)]
    for node in found:
        if not isinstance(node, ast.Name):
            children = list(ast.iter_child_nodes(node))
            found += [n for n in children if isinstance(n, ast.expr)]
            found += [n.value for n in children if isinstance(n, ast.keyword)]
    return found


def _replaced(tree: Any, part: ast.AST, new: str | ast.AST) -> Any:
    made = ast.parse(new, mode="eval").body if isinstance(new, str) else new
    return copied_tree(tree, {id(part): made})


def _distinct(here: Mapping[str, Node]) -> dict[str, Node]:
    """Every node by its variables, or by the shortest of its names."""
    found: dict[str, Node] = {}
    seen: set[int] = set()
    for name in sorted(here, key=lambda name: (not name.isidentifier(), name[-2:-1].isdigit(), len(name))):
        if name.isidentifier() or here[name].index not in seen:
            found[name] = here[name]
            seen.add(here[name].index)
    return {name: node for name, node in here.items() if name in found}


def _numbers(execution: Execution) -> dict[str, int | float]:
    """The numbers that a statement can use, by what the program calls them."""
    named = {**execution.namespace, **execution.scope}
    for name, value in list(named.items()):
        inside = getattr(value, "__dict__", None)
        if type(inside) is dict and type(value).__module__ == "__main__":
            named |= {f"{name}.{attribute}": v for attribute, v in inside.items()}
    return {
        n: v for n, v in named.items()
        if isinstance(v, int | float) and not isinstance(v, bool) and not n.startswith("__")
    }  # fmt: skip


def _of_number(
    part: ast.expr,
    numbers: Mapping[str, int | float],
    known: Mapping[str, Node],
    shape: tuple[int, ...],
    values: Values,
) -> Iterator[Replacement]:
    """An array or another number in place of a number, or the number divided or multiplied by a size."""
    text = ast.unparse(part)
    is_number = text in numbers or (text in known and not known[text].value.ndim)
    is_number |= isinstance(part, ast.Constant) and isinstance(part.value, float)
    if not is_number and not (isinstance(part, ast.Subscript) and text not in known):
        return
    for name, node in values.here.items():
        if node.value.shape == shape != ():
            yield 1.3, f"it is made with {text} where {name} belongs", name
    for name in sorted(numbers.keys() - {text}, key=lambda name: (_unlike(text, name), name))[:8]:
        yield 1.4, f"it is made with {text} where {name} belongs", name
    for size in ("2", *(n for n, v in numbers.items() if isinstance(v, int) and v > 1 and n != text)):
        for new in (f"{text} / {size}", f"{text} * {size}"):
            yield 1.55, f"{new} belongs where {text} stands", new


def _of_operand(
    part: ast.expr, known: Mapping[str, Node], values: Values, execution: Execution
) -> Iterator[Replacement]:
    """Another variable in place of this one, the same one transposed, squared, or of another time."""
    if not is_a_name(part):
        return
    inner = part.value if isinstance(part, ast.Attribute) and part.attr == "T" else part
    text = ast.unparse(inner)
    node = known.get(text)
    if node is None or node.value.ndim == 0:
        return
    if inner is not part:
        yield 1.2, f"{text} stands in it the wrong way round", text
        for other in _others(text, node, values.here):
            yield 1.0, f"it is made with {text} where {other} belongs", f"{other}.T"
        return
    for kept, what in values.earlier.get(text, ()):
        if kept.value.shape == node.value.shape:
            yield 1.1, what, f"__earlier_{kept.index}__"
    others = [(1.0, other) for other in _others(text, node, values.here)]
    others += [(1.25, other) for other in _others(text, node, values.here, is_same_shape=False)]
    turned = (n for n, v in values.here.items() if v.value.ndim == 2 and v.value.T.shape == node.value.shape)
    others += [(1.6, f"{other}.T") for other in turned if other != text]
    for cost, other in others:
        yield cost, f"it is made with {text} where {other} belongs", other
    functions = _functions(execution.namespace) if text in values.forward else None
    yield from _changed(text, part, node, functions)


def _changed(text: str, part: ast.expr, node: Node, functions: Iterable[str] | None) -> Iterator[Replacement]:
    """The same variable transposed, summed or in a function; with `functions` it is of the forward pass."""
    if node.value.ndim == 2:
        yield 1.2, f"{text} stands in it the wrong way round", f"{text}.T"
    summed = [text, *([ast.unparse(part.value)] if isinstance(part, ast.Subscript) else [])]
    for one, keepdims, axis in product(summed, ("", ", keepdims=True"), (0, 1)):
        new = f"np.sum({one}, axis={axis}{keepdims})"
        yield 1.5, f"{new} belongs where {text} stands", new
    for cost, mistake, form in FUNCTIONS if node.value.size > 1 else ():  # a number fits by chance
        new = form.format(text)
        yield cost, mistake.format(text, new), new
    if functions is not None:
        for form in WITHOUT_BIASES.get(node.value.ndim, ()):
            yield 2.15, f"the biases in {text} have no penalty in the loss", form.format(text)
        for function in functions:
            yield 2.2, f"it is made with {text} where {function}({text}) belongs", f"{function}({text})"


def _of_slice(part: ast.expr) -> Iterator[Replacement]:
    """All but the last in place of all but the first, and the other way round; the element beside one."""
    text = ast.unparse(part)
    if isinstance(part, ast.Subscript) and not isinstance(part.slice, ast.Slice | ast.Tuple):
        for beside in _beside(part.slice):
            new = f"{ast.unparse(part.value)}[{beside}]"
            yield 1.35, f"{new} belongs where {text} stands", new
    for here, other in (("1:", ":-1"), (":-1", "1:")) if isinstance(part, ast.Subscript) else ():
        for before, after in product("[ ", "],"):
            if before + here + after in text:
                new = text.replace(before + here + after, before + other + after)
                yield 1.35, f"{new} belongs where {text} stands", new


def _beside(index: ast.expr) -> tuple[str, str]:
    """The index before one, and that after it."""
    match index:
        case ast.Constant(int() as value):
            return str(value - 1), str(value + 1)
        case ast.BinOp(inner, ast.Sub() | ast.Add() as operator, ast.Constant(1)):
            text = ast.unparse(inner)
            return (text, f"{text} + 1") if isinstance(operator, ast.Sub) else (f"{text} - 1", text)
    text = ast.unparse(index)
    return f"{text} - 1", f"{text} + 1"


def _others(text: str, node: Node, values: Mapping[str, Node], *, is_same_shape: bool = True) -> list[str]:
    """Variables that could stand there instead, of this shape or of others, the most similar names first."""
    shape = node.value.shape
    found = [
        other for other, n in values.items()
        if other != text and n is not node and (n.value.shape == shape) == is_same_shape
        and n.value.dtype.kind in ("fiu" if is_same_shape else "f") and (is_same_shape or n.value.ndim)
    ]  # fmt: skip
    return sorted(found, key=lambda other: _unlike(text, other))[: None if is_same_shape else 12]


def _unlike(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def _of_call(part: ast.expr, execution: Execution, known: Mapping[str, Node]) -> Iterator[Replacement]:
    """Another axis or none, a mean for a sum, another function, the function left out."""
    if not isinstance(part, ast.Call):
        return
    function = ast.unparse(part.func)
    name = function.rpartition(".")[2]
    for inner in dict.fromkeys(ast.unparse(n) for n in ast.walk(part) if is_a_name(n)):
        if inner in known and known[inner].value.ndim:
            yield 1.85, f"{inner} belongs where {ast.unparse(part)} stands", inner
    if name in ("sum", "mean", "max"):
        yield from _axes(part, name)
    if name in ("dot", "matmul", "outer") and part.args:
        is_method = len(part.args) == 1 and isinstance(part.func, ast.Attribute)
        operands = [part.func.value, *part.args] if is_method else part.args[:2]  # type: ignore[attr-defined]
        yield from _other_products(*operands)
    if len(part.args) != 1 or part.keywords:
        return
    inner = ast.unparse(part.args[0])
    yield 1.8, f"{function} does not belong in it", part.args[0]
    others = _functions_like(part, execution)
    for other in others:
        yield 1.5, f"it is made with {function} where {other} belongs", f"{other}({inner})"
    for other in others:
        yield 2.2, f"{function} takes {other}({inner}), not {inner}", f"{function}({other}({inner}))"
    if isinstance(part.args[0], ast.Call) and len(part.args[0].args) == 1:
        within = part.args[0]
        new = f"{function}({ast.unparse(within.args[0])})"
        yield 1.7, f"{ast.unparse(within.func)} does not belong in it", new


def _axes(part: ast.Call, name: str) -> Iterator[Replacement]:
    function, first = ast.unparse(part.func), int(_owner(part.func) in NUMPY)
    if name in ("sum", "mean") and isinstance(part.func, ast.Attribute):
        other = "mean" if name == "sum" else "sum"
        new = ast.Attribute(part.func.value, other, ast.Load())
        yield 1.3, f"{name} stands where {other} belongs", _replaced(part, part.func, new)
        yield 1.35, f"{name} does not belong in it", part.args[0] if first else part.func.value
    now = {k.arg: ast.unparse(k.value) for k in part.keywords}
    axis_now = now.pop("axis", ast.unparse(part.args[first]) if len(part.args) > first else None)
    kept_now = now.pop("keepdims", None) == "True"
    others = [*map(ast.unparse, part.args[:first]), *(f"{k}={v}" for k, v in now.items())]
    for axis, keepdims in product(("0", "1", None), (False, True)):
        if axis == axis_now and keepdims == kept_now:
            continue
        arguments = [*others, *([f"axis={axis}"] if axis else []), *(["keepdims=True"] if keepdims else [])]
        what = f"axis={axis} belongs in {name}" if axis else f"{name} is over all axes"
        if axis_now:
            what += f", not axis={axis_now}"
        elif axis:
            what += ", which sums over all axes without it"
        yield 1.2 + 0.1 * keepdims, what, f"{function}({', '.join(arguments)})"


def _other_products(a: ast.expr, b: ast.expr) -> Iterator[Replacement]:
    """The matrix product in other orders, or one of its sides alone."""
    for kept, left in ((a, b), (b, a)):
        yield 1.5, f"{ast.unparse(left)} does not belong in it", kept
    for form in PRODUCTS:
        text = form.format(a=ast.unparse(a), b=ast.unparse(b)).replace(".T).T", ")")
        yield 1.9, f"the product is {ast.unparse(ast.parse(text))}", text


def _functions_like(part: ast.Call, execution: Execution) -> list[str]:
    """Functions of the program that take one array, and methods of the same object."""
    owner = _owner(part.func)
    if owner:
        thing = execution.scope.get(owner, execution.namespace.get(owner))
        if owner in NUMPY or thing is None or isinstance(thing, np.ndarray):
            return []
        names = [n for n in dir(type(thing)) if not n.startswith("__")]
        candidates = {f"{owner}.{n}": getattr(thing, n, None) for n in names}
    else:
        candidates = execution.namespace
    text = ast.unparse(part.func)
    return [name for name in _functions(candidates) if name != text]


def _functions(candidates: Mapping[str, Any]) -> list[str]:
    return [name for name, value in candidates.items() if not name.startswith("__") and _takes_one(value)]


def _takes_one(function: Any) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return False
    needed = code.co_argcount - len(getattr(function, "__defaults__", None) or ())
    return needed - hasattr(function, "__self__") == 1


def _of_operator(part: ast.expr) -> Iterator[Replacement]:
    """Another operator, constant or power; one side left out; a comparison turned round; the other sign."""
    text = ast.unparse(part)
    match part:
        case ast.BinOp(a, operator, b):
            new: ast.expr
            for kind in (ast.Add, ast.Sub, ast.Mult, ast.Div):
                if not isinstance(operator, kind | ast.Pow | ast.MatMult):
                    new = ast.BinOp(a, kind(), b)
                    yield 1.5, f"{ast.unparse(new)} belongs where {text} stands", new
            if isinstance(operator, ast.MatMult):
                yield from _other_products(a, b)
            if isinstance(operator, ast.Sub):
                new = ast.BinOp(b, ast.Sub(), a)
                yield 1.4, f"{ast.unparse(new)} belongs where {text} stands", new
            if isinstance(operator, ast.Mult):
                outer = f"np.outer({ast.unparse(a)}, {ast.unparse(b)})"
                yield 1.5, f"{outer} belongs where {text} stands", outer
            yield 1.45, f"{ast.unparse(b)} does not belong in it", a
            yield 1.45, f"{ast.unparse(a)} does not belong in it", b
            if isinstance(operator, ast.Mult) and isinstance(a, ast.BinOp) and isinstance(a.op, ast.Mult):
                factors = ast.unparse(ast.BinOp(a.right, operator, b))
                yield 1.45, f"{factors} does not belong in it", a.left
        case ast.Compare(a, [operator], others):
            turned = FLIPPED.get(type(operator), ast.Lt)()
            yield 1.3, "the mask looks turned round", ast.Compare(a, [turned], others)
        case ast.Constant(int() | float() as value) if not isinstance(value, bool):
            half = value // 2 if isinstance(value, int) and not value % 2 else value / 2
            for other in dict.fromkeys((2 * value, half, 0, 1, 2, 3, 0.5)):
                if other != value:
                    cost = 1.5 if value and other in (2 * value, half) else 1.6
                    yield cost, f"{other} belongs where {text} stands", ast.Constant(other)
        case ast.UnaryOp(ast.USub(), operand):
            yield 1.4, "it has the other sign", operand


def _of_derivative(part: ast.expr, values: Values) -> Iterator[Replacement]:
    """In a product, the derivative of another activation."""
    factors = list(_factors(part))
    if len(factors) < 2:
        return
    names = [{ast.unparse(n) for n in ast.walk(f) if is_a_name(n)} & values.forward.keys() for f in factors]
    for name in dict.fromkeys(n for one in names if len(one) == 1 for n in one):
        kept = [ast.unparse(f) for f, of in zip(factors, names, strict=True) if of != {name}]
        gone = " * ".join(_operand(f) for f, of in zip(factors, names, strict=True) if of == {name})
        for form in DERIVATIVES if kept and values.forward[name].value.ndim else ():
            new = form.format(name)
            yield (
                OTHER_DERIVATIVE,
                f"the derivative is {new}, not {gone}",
                " * ".join([*(f"({k})" for k in kept), new]),
            )


def _factors(part: ast.expr) -> Iterator[ast.expr]:
    """The factors of a product of several."""
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
        yield from _factors(part.left)
        yield from _factors(part.right)
    else:
        yield part


def _insertions(
    operand: str, values: Values, shape: tuple[int, ...], functions: Iterable[str]
) -> Iterator[Replacement]:
    """A factor that is missing: the derivative of an activation, or the gradient of what comes after it."""
    arrays = {name: n.value for name, n in values.here.items() if n.value.ndim or name in values.forward}
    for name, array in arrays.items():
        is_activated = name in values.forward and array.shape == shape
        for form in DERIVATIVES if is_activated and array.dtype.kind == "f" else ():
            factor = form.format(name)
            what = f"the factor {factor} is missing: the derivative of the activation"
            yield 2.0, what, f"{operand} * {factor}"
        for function in functions if is_activated else ():
            yield 2.1, f"the factor {function}({name}) is missing", f"{operand} * {function}({name})"
        cost = MASK_LEFT_OUT if is_activated and array.dtype.kind == "b" else FACTOR_LEFT_OUT
        yield cost, f"the factor {name} is missing", f"{operand} * {name}"
    yield 2.2, f"the factor (1 - {operand}) is missing", f"{operand} * (1 - {operand})"
    for factor in _gradient_products(values, shape):
        what = f"the factor {factor} is missing: the gradient of what follows"
        yield GRADIENT_LEFT_OUT, what, f"{operand} * ({factor})"


def _gradient_products(values: Values, shape: tuple[int, ...]) -> Iterator[str]:
    """The products of something of the backward pass and something of the forward pass that have this shape."""
    arrays = {name: n.value for name, n in values.here.items() if n.value.ndim}
    pairs = product(arrays.keys() - values.forward.keys(), values.forward.keys() & arrays.keys())
    for d, w in pairs:
        a, b = arrays[d].shape, arrays[w].shape
        for form, made in (
            ("{d} * {w}", _broadcast(a, b)), ("{d} @ {w}.T", _product(a, b[::-1])),
            ("{w}.T @ {d}", _product(b[::-1], a)), ("{d} @ {w}", _product(a, b)), ("{w} @ {d}", _product(b, a)),
            ("{d}.T @ {w}", _product(a[::-1], b)), ("{w} @ {d}.T", _product(b, a[::-1])),
            ("np.outer({w}, {d})", b + a), ("np.outer({d}, {w})", a + b),
        ):  # fmt: skip
            if made == shape:
                yield form.format(d=d, w=w)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    with suppress(ValueError):
        return np.broadcast_shapes(a, b)
    return None


def _product(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of a matrix product."""
    fits = 0 < len(a) < 3 and 0 < len(b) < 3 and a[-1] == b[0]
    return (*a[:-1], *b[1:]) if fits else None


def _additions(
    text: str, values: Values, shape: tuple[int, ...], numbers: Mapping[str, int | float]
) -> Iterator[Replacement]:
    """A term that is left out: the gradient of an L2 penalty, or what comes from another place."""
    alike = [name for name, n in values.here.items() if n.value.shape == shape != ()]
    for name in alike:
        if name not in values.forward:
            yield 2.35, f"the term {name} is missing", f"{text} + {name}"
    for term in _gradient_products(values, shape) if shape else ():
        yield 2.45, f"the term {term} is missing", f"{text} + {term}"
    weights = [name for name in alike if name in values.forward]
    sizes = [n for n, v in numbers.items() if isinstance(v, int) and v > 1]
    factors = ["{}", "2 * {}", *(f"{{}} / {n}" for n in sizes)]
    for weight, number, form in product(weights, numbers, factors):
        term = f"{form.format(number)} * {weight}"
        yield 2.2, f"the gradient of the penalty, {term}, is missing", f"{text} + {term}"


class Trial:
    """Executes edited versions of one statement on its recorded values, or on what has been mended of them."""

    def __init__(
        self, execution: Execution, values: Values, own: list[Node], mended: Mapping[int, Array] | None = None
    ) -> None:
        self.execution, self.own = execution, own
        known = {**values.here, **execution.loads}
        self.names = {text: f"__known_{i}__" for i, text in enumerate(known)}
        given = {name: known[text] for text, name in self.names.items()}
        given |= {f"__earlier_{node.index}__": node for pairs in values.earlier.values() for node, _ in pairs}
        with np.errstate(all="ignore"):
            self.given = {name: _restored(node, mended or {}) for name, node in given.items()}
        seen = {name: _read_only(value) for name, value in plain_deep(execution.scope).items()}
        self.scope = {**execution.namespace, **seen, **self.given}

    def run(self, tree: Any) -> dict[int, Array] | None:
        """The new values of the statement's nodes, by index; None if it cannot be executed."""
        scope = self.scope.copy()
        try:
            statement, written, outputs = self._rewritten(copied_tree(tree))
            if written:
                scope[written] = copy.copy(self.given[written])
            module = ast.fix_missing_locations(ast.Module([statement], []))
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                exec(compile(module, "<edit>", "exec"), scope)
                return {index: np.array(value) for index, value in outputs(scope).items()}
        except Exception:
            return None

    def _rewritten(self, tree: Any) -> tuple[Any, str, Callable[[Any], dict[int, Any]]]:
        """The statement with known values in it, what it writes into, and what to read off afterwards.

        Raises LookupError or AttributeError where that is not known.
        """
        known = _Known(self.names)
        target = tree.targets[0] if isinstance(tree, ast.Assign) else getattr(tree, "target", None)
        is_left_out = isinstance(tree, ast.Expr) and isinstance(self.execution.statement.tree, ast.Assign)
        is_add_at = isinstance(tree, ast.Expr) and isinstance(self.execution.statement.tree, ast.AugAssign)
        base = target.value if isinstance(target, ast.Subscript) else None
        base = tree.value if is_left_out else tree.value.args[0] if is_add_at else base
        written = getattr(self.execution.statement.tree, "target", None)
        if isinstance(written, ast.Subscript) and ast.unparse(target or tree) == ast.unparse(written.value):
            base = target  # the whole array, not its part
        if base is not None and (is_left_out or ast.unparse(base) in self.names):
            name = self.names[ast.unparse(base)]
            shape = np.shape(self.given[name])  # of w[i] in w[i][j] -= step, not of w
            last = next(n for n in reversed(self.own) if n.operation == "setitem" and n.value.shape == shape)
            return known.visit(tree), name, lambda scope: {last.index: scope[name]}
        if isinstance(tree, ast.AugAssign):
            name, new = self.names[ast.unparse(tree.target)], self.execution.bound[0][-1]
            tree = ast.AugAssign(ast.Name(name, ast.Store()), tree.op, known.visit(tree.value))
            return tree, name, lambda scope: {new.index: scope[name]}
        value, result = tree.value, self.execution.result
        if isinstance(tree, ast.Expr):  # grads.append(d @ w.T)
            value, result = value.args[-1], {"": self.own[-1]}
        made = ast.Assign([ast.Name("__made__", ast.Store())], known.visit(value))
        return made, "", lambda scope: {n.index: eval(f"__made__{path}", scope) for path, n in result.items()}


class _Known(ast.NodeTransformer):
    """Puts the names of recorded values in place of what the program calls them."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def _visit(self, node: Any) -> Any:
        name = self.names.get(node.id if isinstance(node, ast.Name) else ast.unparse(node))
        return ast.Name(name, node.ctx) if name else self.generic_visit(node)

    visit_Name = visit_Attribute = visit_Subscript = _visit  # noqa: N815


def _restored(node: Node, mended: Mapping[int, Array]) -> Any:
    value = mended.get(node.index, node.value)
    copied = value.copy() if value.ndim else value[()]
    return _read_only(copied.view(np.matrix) if node.is_matrix else copied)


def _read_only(value: Any) -> Any:
    """A view that cannot be written to: an edit must not change what others are tried on."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view
