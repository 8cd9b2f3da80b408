"""Single edits of a statement, tried on the recorded values: which one makes the gradient right."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.study.compare.instrument import Execution
from minitorch_np.study.compare.recorded import Node, plain_deep

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

MOST_EDITS = 1500


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


def edits(execution: Execution, values: Values) -> Iterator[Edit]:
    """The edits of a statement, the likeliest mistakes first within each kind."""
    tree = execution.statement.tree
    known = {**values.here, **execution.loads}
    for part in _expressions(tree):
        yield from _of_operand(tree, part, known, values)
        yield from _of_call(tree, part, execution)
        yield from _of_operator(tree, part)
    yield from _insertions(tree, known, values)
    target = tree.targets[0] if isinstance(tree, ast.Assign) else None
    if isinstance(target, ast.Subscript) and ast.unparse(target.value) in known:
        yield Edit(1.5, "this line does not belong", ast.parse(ast.unparse(target.value)).body[0])


def forward_edits(execution: Execution, values: Values) -> Iterator[Edit]:
    """What is missing in a statement of the forward pass: an activation, or a bias."""
    tree = execution.statement.tree
    value = getattr(tree, "value", None)
    if not isinstance(value, ast.expr):
        return
    for part in ast.walk(value):
        if isinstance(part, ast.Call):
            yield from _other_functions(tree, part)
    if not isinstance(tree, ast.Assign | ast.Return):
        return
    text = ast.unparse(value)
    for activation in ("np.maximum({}, 0)", "np.tanh({})", "1 / (1 + np.exp(-({})))"):
        new = _expression(activation.format(text))
        yield Edit(2.0, f"the activation {activation.format('...')} is left out", _replaced(tree, value, new))
    for name, node in values.here.items():
        if node.value.ndim and node.value.size == max(node.value.shape):
            yield Edit(2.1, f"{name} is left out", _replaced(tree, value, _expression(f"{text} + {name}")))


def _other_functions(tree: Any, part: ast.Call) -> Iterator[Edit]:
    """Another function of NumPy's of one array."""
    if (
        len(part.args) == 1
        and isinstance(part.func, ast.Attribute)
        and ast.unparse(part.func.value) in ("np", "numpy")
    ):
        for name in ("square", "abs", "exp", "log", "tanh", "sqrt"):
            new = ast.Call(_expression(f"np.{name}"), part.args, [])
            yield Edit(
                1.8, f"np.{name} belongs where {ast.unparse(part.func)} stands", _replaced(tree, part, new)
            )


def scalings(execution: Execution, factor: float | None) -> Iterator[Edit]:
    """The statement's value divided by a factor that it has too much."""
    tree = execution.statement.tree
    value = getattr(tree, "value", None)
    if not factor or not isinstance(value, ast.expr) or isinstance(tree, ast.Expr) or abs(factor - 1) < 1e-6:
        return
    text = ast.unparse(value)
    operand = text if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else f"({text})"
    if abs(factor + 1) < 1e-6:
        yield Edit(2.4, "it has the other sign", _replaced(tree, value, _expression(f"-{operand}")))
        return
    sizes = {n: v for n, v in execution.scope.items() if type(v) is int and v > 1}
    for name, size in sizes.items():
        if abs(factor - size) < 1e-6 * size:
            yield Edit(
                2.0,
                f"it is {name} = {size} times the right one",
                _replaced(tree, value, _expression(f"{operand} / {name}")),
            )
        if abs(factor * size - 1) < 1e-6:
            yield Edit(
                2.1,
                f"it is 1/{name} = 1/{size} of the right one",
                _replaced(tree, value, _expression(f"{operand} * {name}")),
            )
    said, by = (
        (f"{factor:.6g} times", f"{operand} / {factor:.6g}")
        if factor > 1
        else (f"1/{1 / factor:.6g} of", f"{operand} * {1 / factor:.6g}")
    )
    yield Edit(2.5, f"it is {said} the right one", _replaced(tree, value, _expression(by)))


def _expressions(tree: Any) -> list[ast.expr]:
    """All expressions of a statement that can be changed: its value, and the index that it writes to."""
    roots = [getattr(tree, "value", None)]
    targets = [*getattr(tree, "targets", ()), getattr(tree, "target", None)]
    roots += [target.slice for target in targets if isinstance(target, ast.Subscript)]
    found: list[ast.expr] = []
    pending = [r for r in roots if isinstance(r, ast.expr)]
    while pending:
        node = pending.pop(0)
        found.append(node)
        if not isinstance(node, ast.Name):
            pending += [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
            pending += [n.value for n in ast.iter_child_nodes(node) if isinstance(n, ast.keyword)]
    return found


def _replaced(tree: Any, part: ast.AST, new: ast.AST) -> Any:
    return copy.deepcopy(tree, {id(part): new})


def _expression(text: str) -> Any:
    return ast.parse(text, mode="eval").body


def _of_operand(tree: Any, part: Any, known: Mapping[str, Node], values: Values) -> Iterator[Edit]:
    """Another variable in place of this one, the same one transposed, squared, or of another time."""
    if not isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
        return
    if isinstance(part, ast.Attribute) and part.attr == "T":
        yield from _of_transposed(tree, part, known, values)
        return
    text = ast.unparse(part)
    node = known.get(text)
    if node is None or node.value.ndim == 0:
        return
    for kept, what in values.earlier.get(text, ()):
        if kept.value.shape == node.value.shape:
            name = f"__earlier_{kept.index}__"
            yield Edit(1.1, what, _replaced(tree, part, ast.Name(name, ast.Load())))
    for other in _others(text, node, values.here):
        yield Edit(
            1.0, f"it is made with {text} where {other} belongs", _replaced(tree, part, _expression(other))
        )
    for other in _of_another_shape(text, node, values.here):
        yield Edit(
            1.25, f"it is made with {text} where {other} belongs", _replaced(tree, part, _expression(other))
        )
    for other, candidate in values.here.items():
        if other != text and candidate.value.ndim == 2 and candidate.value.T.shape == node.value.shape:
            yield Edit(
                1.6,
                f"it is made with {text} where {other}.T belongs",
                _replaced(tree, part, _expression(f"{other}.T")),
            )
    if node.value.ndim == 2:
        yield Edit(
            1.2, f"{text} stands in it the wrong way round", _replaced(tree, part, _expression(f"{text}.T"))
        )
    yield from _sums(tree, part, text)
    yield Edit(1.4, f"the square of {text} belongs in it", _replaced(tree, part, _expression(f"{text} ** 2")))
    for function in ("np.tanh", "np.exp", "np.sign", "np.abs", "np.sqrt", "1 / "):
        new = _expression(f"{function}({text})")
        yield Edit(2.6, f"it is made with {text} where {ast.unparse(new)} belongs", _replaced(tree, part, new))
    new = _expression(f"(1 / (1 + np.exp(-{text})))")
    yield Edit(2.5, f"it is made with {text} where its sigmoid belongs", _replaced(tree, part, new))


def _of_transposed(tree: Any, part: ast.Attribute, known: Mapping[str, Node], values: Values) -> Iterator[Edit]:
    """Not transposed, or another variable transposed."""
    inner = ast.unparse(part.value)
    if inner not in known:
        return
    yield Edit(1.2, f"{inner} stands in it the wrong way round", _replaced(tree, part, part.value))
    for other in _others(inner, known[inner], values.here):
        what = f"it is made with {inner} where {other} belongs"
        yield Edit(1.0, what, _replaced(tree, part, _expression(f"{other}.T")))


def _sums(tree: Any, part: Any, text: str) -> Iterator[Edit]:
    """A sum over the samples that is missing."""
    for inner in dict.fromkeys([text, ast.unparse(part.value) if isinstance(part, ast.Subscript) else text]):
        for arguments in ("axis=0", "axis=1", "axis=0, keepdims=True", "axis=1, keepdims=True"):
            new = _expression(f"np.sum({inner}, {arguments})")
            yield Edit(1.5, f"{ast.unparse(new)} belongs where {text} stands", _replaced(tree, part, new))


def _others(text: str, node: Node, values: Mapping[str, Node]) -> list[str]:
    """Variables that could stand there instead, those of the most similar name first."""
    shape = node.value.shape
    found = [
        other for other, n in values.items()
        if other != text and n is not node and n.value.shape == shape and n.value.dtype.kind in "fiu"
    ]  # fmt: skip
    return sorted(found, key=lambda other: _unlike(text, other))


def _of_another_shape(text: str, node: Node, values: Mapping[str, Node]) -> list[str]:
    """Arrays of the most similar names that are of another shape."""
    found = [
        other for other, n in values.items()
        if n.value.ndim and n.value.shape != node.value.shape and n.value.dtype.kind == "f"
    ]  # fmt: skip
    return sorted(found, key=lambda other: _unlike(text, other))[:6]


def _unlike(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def _of_call(tree: Any, part: Any, execution: Execution) -> Iterator[Edit]:
    """Another axis or none, a mean for a sum, another function, the function left out."""
    if not isinstance(part, ast.Call):
        return
    name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
    if name in ("sum", "mean", "max"):
        yield from _axes(tree, part, name)
    if name in ("dot", "matmul", "outer") and part.args:
        is_method = len(part.args) == 1 and isinstance(part.func, ast.Attribute)
        operands = [part.func.value, *part.args] if is_method else part.args[:2]  # type: ignore[attr-defined]
        yield from _swapped(tree, part, operands[0], operands[1])
    single = len(part.args) == 1 and not part.keywords
    if single:
        inner = part.args[0]
        yield Edit(1.8, f"{ast.unparse(part.func)} does not belong in it", _replaced(tree, part, inner))
        for other in _functions_like(part, execution):
            new = copy.deepcopy(part)
            new.func = _expression(other)
            yield Edit(
                1.5,
                f"it is made with {ast.unparse(part.func)} where {other} belongs",
                _replaced(tree, part, new),
            )
        for other in _functions_like(part, execution):
            new = copy.deepcopy(part)
            new.args = [ast.Call(_expression(other), [inner], [])]
            yield Edit(
                2.2,
                f"{ast.unparse(part.func)} takes {ast.unparse(new.args[0])}, not {ast.unparse(inner)}",
                _replaced(tree, part, new),
            )
        if isinstance(inner, ast.Call) and len(inner.args) == 1:
            new = copy.deepcopy(part)
            new.args = [inner.args[0]]
            yield Edit(1.7, f"{ast.unparse(inner.func)} does not belong in it", _replaced(tree, part, new))


def _axes(tree: Any, part: ast.Call, name: str) -> Iterator[Edit]:
    is_method = not (isinstance(part.func, ast.Attribute) and ast.unparse(part.func.value) in ("np", "numpy"))
    first = 0 if is_method else 1
    if name in ("sum", "mean"):
        new = copy.deepcopy(part)
        other = "mean" if name == "sum" else "sum"
        if isinstance(new.func, ast.Attribute):
            new.func.attr = other
            yield Edit(1.3, f"{name} stands where {other} belongs", _replaced(tree, part, new))
    keywords = [k for k in part.keywords if k.arg not in ("axis", "keepdims")]
    now = {k.arg: ast.unparse(k.value) for k in part.keywords}
    axis_now = now.get("axis", ast.unparse(part.args[first]) if len(part.args) > first else None)
    for axis in ("0", "1", None):
        for keepdims in (False, True):
            if axis == axis_now and keepdims == (now.get("keepdims") == "True"):
                continue
            new = copy.deepcopy(part)
            new.args = new.args[:first]
            new.keywords = [*keywords]
            if axis is not None:
                new.keywords.append(ast.keyword("axis", ast.Constant(int(axis))))
            if keepdims:
                new.keywords.append(ast.keyword("keepdims", ast.Constant(True)))
            what = f"axis={axis} belongs in {name}" if axis else f"{name} is over all axes"
            what += (
                f", not axis={axis_now}"
                if axis_now
                else (", which sums over all axes without it" if axis else "")
            )
            yield Edit(1.2 + 0.1 * keepdims, what, _replaced(tree, part, new))


def _swapped(tree: Any, part: Any, a: Any, b: Any) -> Iterator[Edit]:
    """The matrix product in other orders."""
    first, second = ast.unparse(a), ast.unparse(b)
    for text in (
        f"({second}) @ ({first})", f"({first}).T @ ({second})", f"({first}) @ ({second}).T",
        f"({second}).T @ ({first})", f"({second}) @ ({first}).T", f"({second}).T @ ({first}).T",
    ):  # fmt: skip
        new = _expression(text.replace(".T).T", ")"))
        yield Edit(1.9, f"the product is {ast.unparse(new)}", _replaced(tree, part, new))


def _functions_like(part: ast.Call, execution: Execution) -> list[str]:
    """Functions of the program that take one array, and methods of the same object."""
    if isinstance(part.func, ast.Attribute):
        owner = ast.unparse(part.func.value)
        if owner in ("np", "numpy"):
            return []
        thing = execution.scope.get(owner, execution.namespace.get(owner))
        if isinstance(thing, np.ndarray) or thing is None:
            return []
        names = (
            [f"{owner}.{n}" for n in dir(type(thing)) if not n.startswith("__")] if thing is not None else []
        )
        candidates = {n: getattr(thing, n.rpartition(".")[2], None) for n in names}
    else:
        candidates = {
            n: v for n, v in execution.namespace.items() if hasattr(v, "__code__") and not n.startswith("__")
        }
    text = ast.unparse(part.func)
    return [n for n, v in candidates.items() if n != text and _takes_one(v)]


def _takes_one(function: Any) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return False
    needed = code.co_argcount - len(getattr(function, "__defaults__", None) or ())
    return needed - hasattr(function, "__self__") == 1


OPERATORS: tuple[type, ...] = (ast.Add, ast.Sub, ast.Mult, ast.Div)
FLIPPED: dict[type, type] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def _of_operator(tree: Any, part: Any) -> Iterator[Edit]:
    """Another operator, constant or power; one side left out; a comparison turned round; the other sign."""
    text = ast.unparse(part)
    if isinstance(part, ast.BinOp):
        for kind in OPERATORS:
            if type(part.op) is not kind and not isinstance(part.op, ast.Pow | ast.MatMult):
                new = ast.BinOp(part.left, kind(), part.right)
                yield Edit(1.5, f"{ast.unparse(new)} belongs where {text} stands", _replaced(tree, part, new))
        if isinstance(part.op, ast.MatMult):
            yield from _swapped(tree, part, part.left, part.right)
        if isinstance(part.op, ast.Sub):
            new = ast.BinOp(part.right, ast.Sub(), part.left)
            yield Edit(1.4, f"{ast.unparse(new)} belongs where {text} stands", _replaced(tree, part, new))
        for kept, left_out in ((part.left, part.right), (part.right, part.left)):
            yield Edit(1.45, f"{ast.unparse(left_out)} does not belong in it", _replaced(tree, part, kept))
    if isinstance(part, ast.Compare) and len(part.ops) == 1:
        turned = ast.Compare(part.left, [FLIPPED.get(type(part.ops[0]), ast.Lt)()], part.comparators)
        yield Edit(1.3, "the mask looks turned round", _replaced(tree, part, turned))
    if isinstance(part, ast.Constant) and type(part.value) in (int, float):
        for value in (0, 1, 2, 3, 0.5):
            if value != part.value:
                yield Edit(
                    1.6, f"{value} belongs where {text} stands", _replaced(tree, part, ast.Constant(value))
                )
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
        yield Edit(1.4, "it has the other sign", _replaced(tree, part, part.operand))


def _insertions(tree: Any, known: Mapping[str, Node], values: Values) -> Iterator[Edit]:
    """A factor that is missing: the derivative of an activation, from an array of the forward pass."""
    value = getattr(tree, "value", None)
    if not isinstance(value, ast.expr) or isinstance(tree, ast.AugAssign):
        return
    text = ast.unparse(value)
    operand = text if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else f"({text})"
    for name, node in values.here.items():
        if node.value.ndim == 0 or node.value.dtype.kind != "f":
            continue
        for factor in DERIVATIVES if name in values.forward else ():
            new = _expression(f"{operand} * {factor.format(name)}")
            what = f"the factor {factor.format(name)} is missing: the derivative of the activation"
            yield Edit(2.0, what, _replaced(tree, value, new), True)
        new = _expression(f"{operand} * {name}")
        yield Edit(2.3, f"the factor {name} is missing", _replaced(tree, value, new), True)


DERIVATIVES = ("({0} > 0)", "({0} * (1 - {0}))", "(1 - {0} ** 2)", "(1 - np.tanh({0}) ** 2)", "np.exp({0})",
               "(1 / (1 + np.exp(-{0})))", "np.where({0} > 0, 1, 0.01)", "np.sign({0})")  # fmt: skip


class Trial:
    """Executes edited versions of one statement on its recorded values, or on what has been mended of them."""

    def __init__(
        self, execution: Execution, values: Values, own: list[Node], mended: Mapping[int, Array] | None = None
    ) -> None:
        mended = mended or {}
        self.execution, self.values, self.own = execution, values, own
        known = {**values.here, **execution.loads}
        self.names = {text: f"__known_{i}__" for i, text in enumerate(known)}
        with np.errstate(all="ignore"):
            self.given = {name: _restored(known[text], mended) for text, name in self.names.items()}
        for kept, _ in (pair for pairs in values.earlier.values() for pair in pairs):
            self.given[f"__earlier_{kept.index}__"] = _restored(kept, mended)
        self.scope = {**execution.namespace, **plain_deep(execution.scope), **self.given}
        self.written: set[str] = set()  # what the statement changes in place

    def run(self, tree: Any) -> dict[int, Array] | None:
        """The new values of the statement's nodes, by index; None if it cannot be executed."""
        statement, outputs = self._rewritten(copy.deepcopy(tree))
        if statement is None:
            return None
        module = ast.fix_missing_locations(ast.Module([statement], []))
        scope = self.scope.copy()
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                exec(compile(module, "<edit>", "exec"), scope)
                return outputs(scope)
        except Exception:
            return None
        finally:
            for name in self.written:
                self.scope[name] = self.given[name].copy()

    def _rewritten(self, tree: Any) -> tuple[Any, Callable[[Any], dict[int, Array] | None]]:  # noqa: PLR0911
        """The statement with known values in it, and what to read off afterwards."""
        original = self.execution.statement.tree
        if isinstance(tree, ast.Expr) and isinstance(original, ast.Assign):  # left out
            left_out, kept = self._written(), self.names[ast.unparse(tree)]
            if left_out is None:
                return None, dict
            return tree, lambda scope: {left_out.index: np.array(self.given[kept])}
        target = tree.targets[0] if isinstance(tree, ast.Assign) else getattr(tree, "target", None)
        base = target.value if isinstance(target, ast.Subscript) else None
        if base is not None and ast.unparse(base) in self.names:  # writes into an array
            written = self._written()
            name = self.names[ast.unparse(base)]
            self._protect(name)
            if written is None:
                return None, dict
            return self._known(tree), lambda scope: {written.index: np.array(scope[name])}
        if isinstance(tree, ast.AugAssign):
            new = self.execution.bound[0][-1] if self.execution.bound else None
            changed = self.names.get(ast.unparse(tree.target))
            if new is None or changed is None:
                return None, dict
            self._protect(changed)
            tree.value = self._known(tree.value)
            tree.target = ast.Name(changed, ast.Store())
            return tree, lambda scope: {new.index: np.array(scope[changed])}
        value = getattr(tree, "value", None)
        if value is None:
            return None, dict
        made = ast.Assign([ast.Name("__made__", ast.Store())], self._known(value))
        if isinstance(tree, ast.Expr):
            return self._of_call(value)
        return made, lambda scope: _paired(self.execution.result, scope["__made__"])

    def _of_call(self, value: Any) -> tuple[Any, Callable[[Any], dict[int, Array] | None]]:
        """`grads.append(d @ w.T)`: its last argument."""
        if not (isinstance(value, ast.Call) and value.args and self.own):
            return None, dict
        made = ast.Assign([ast.Name("__made__", ast.Store())], self._known(value.args[-1]))
        last = self.own[-1]
        return made, lambda scope: {last.index: np.array(scope["__made__"])}

    def _written(self) -> Node | None:
        return next((n for n in reversed(self.own) if n.operation in ("setitem", "put")), None)

    def _protect(self, name: str) -> None:
        if name not in self.written and isinstance(self.given[name], np.ndarray):
            self.written.add(name)
            self.scope[name] = self.given[name].copy()

    def _known(self, tree: Any) -> Any:
        return _Known(self.names).visit(tree)


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
    return value.copy() if value.ndim else value[()]


def _paired(result: Mapping[str, Node], made: Any) -> dict[int, Array]:
    """The new values of the recorded ones in a result of any structure."""
    found = {}
    for path, node in result.items():
        value = made
        if path:
            value = eval(f"__made__{path}", {"__made__": made})
        found[node.index] = np.array(value)
    return found
