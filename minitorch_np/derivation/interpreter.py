"""The interpreter: goes through the statements and expressions of a layer's source."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.syntax_trees import OPERATORS
from minitorch_np.derivation.parts import Part
from minitorch_np.derivation.source import Source
from minitorch_np.derivation.statements import Block, Statement
from minitorch_np.derivation.values import HELD, Expression, Variable, called, example, expressions
from minitorch_np.derivation.writer import Frame

LONGEST = 10_000  # turns of a loop


class Return(NamedTuple):
    """The end of a block that returns."""

    value: Any


# With what a block ended, unless it went on to the next statement.
End = Return | ast.Break | ast.Continue | None


@dataclass(slots=True, eq=False)
class Closure:
    """A function that was defined on the way, in the frame around it."""

    source: Source
    frame: Frame
    bind: Callable[..., dict[str, Any]]


class Blocks(list[tuple[Expression, Expression, dict[str, Expression]]]):
    """The parameters of an optimizer's group; a loop over them is written once, for all."""


class Interpreter(Part):
    """Expressions are evaluated, statements are run; each kind of node has the method that bears its name."""

    def __init__(self) -> None:
        self.complains = False  # an error is being made, whose text may tell all numbers
        self.methods: dict[type[ast.AST], Callable[[Any], Any]] = {}  # that were found, by the kind of node

    def _method(self, node: ast.AST) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.writer.fail(f"`{ast.unparse(node).splitlines()[0]}` cannot be written out")
        self.methods[type(node)] = method
        return method

    def evaluate(self, node: ast.expr) -> Any:
        return (self.methods.get(type(node)) or self._method(node))(node)

    def in_order(self, nodes: list[ast.expr]) -> list[Any]:
        """Values one after the other; one that a later one may change is written before that."""
        writer, values = self.writer, [self.evaluate(node) for node in nodes[:1]]
        for node in nodes[1:]:
            place, block, effects = len(writer.block), writer.block, writer.effects
            value = self.evaluate(node)
            if writer.effects > effects and writer.block is block:
                after = block[place:]
                del block[place:]
                values = writer.all_named(values, "value", mine=True)
                block += after
            values.append(value)
        return values

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        frame, name = self.writer.frames[-1], node.id
        if name in frame.locals:
            value = frame.locals[name]
            return self.writer.constant(value, name) if isinstance(value, HELD) else value
        if name in frame.cells:
            value = self.ops.attempt(getattr, frame.cells[name], "cell_contents")
            return self.objects.from_outside(value, name, frame.cells[name], "cell_contents")
        if name in frame.globals:
            return self.objects.from_outside(frame.globals[name], name, frame.globals, name)
        if not hasattr(builtins, name):
            self.writer.fail(f"NameError: {name} is not defined")
        return getattr(builtins, name)

    def _attribute(self, node: ast.Attribute) -> Any:
        return self.objects.attribute(self.evaluate(node.value), node.attr)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.ops.item(self.evaluate(node.value), self.evaluate(node.slice))

    def _slice(self, node: ast.Slice) -> Any:
        return slice(*(part and self.evaluate(part) for part in (node.lower, node.upper, node.step)))

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.in_order([node.left, node.right])
        return self.ops.binary(node.op, left, right)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        operand = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not) and (truth := self.ops.decide(operand)) is not None:
            return not truth
        value = self.ops.native(OPERATORS[type(node.op)], operand)
        if type(operand) is not Expression:
            return value
        return self.ops.made(ast.UnaryOp(node.op, self.ops.operand(operand)), value, operand)

    def _compare(self, node: ast.Compare) -> Any:
        operands = self.in_order([node.left, *node.comparators])
        pairs = zip(node.ops, operands, operands[1:], strict=False)
        results = [self._compared(op, left, right) for op, left, right in pairs]
        return results[0] if len(results) == 1 else self.ops.junction(ast.And(), results)

    def _compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        value = self.ops.native(OPERATORS[type(op)], left, right)
        is_written = type(left) is Expression or type(right) is Expression
        if is_written and isinstance(op, ast.Is | ast.IsNot):  # None may be an array in the next step
            is_written = any(part.loose for part in expressions((left, right)))
        if isinstance(op, ast.In | ast.NotIn):
            self.ops.settled((left, right), "membership")
        elif is_written:
            compared = ast.Compare(self.ops.operand(left), [op], [self.ops.operand(right)])
            return self.ops.made(compared, value, left, right)
        return value

    def _boolop(self, node: ast.BoolOp) -> Any:
        kept: list[Any] = []
        for part in node.values:
            value = self.evaluate(part)
            truth = self.ops.decide(value)
            if truth is isinstance(node.op, ast.Or):
                kept.append(value)
                break
            if truth is None or (kept and part is node.values[-1]):
                kept.append(value)
        return self.ops.junction(node.op, kept) if kept else value

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.evaluate(node.test)
        truth = self.ops.decide(test)
        if truth is not None:
            return self.evaluate(node.body if truth else node.orelse)
        parts = test, self.evaluate(node.body), self.evaluate(node.orelse)
        if any(callable(example(part)) for part in parts):
            self.writer.fail("which function this is depends on the numbers in the network")
        made = ast.IfExp(*(self.writer.node(part) for part in parts))
        return self.ops.made(made, example(parts[1] if test.value else parts[2]), *parts)

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> list[Any]:
        return self._spread(node.elts, self.in_order(node.elts))

    def _tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self._list(node))

    def _set(self, node: ast.Set) -> set[Any]:
        return set(self._list(node))

    def _starred(self, node: ast.Starred) -> Any:
        return self.evaluate(node.value)

    def _spread(self, nodes: list[ast.expr], values: list[Any]) -> list[Any]:
        """The values of nodes, of which those with a star are several."""
        if ast.Starred not in map(type, nodes):
            return values
        parts: list[Any] = []
        for node, value in zip(nodes, values, strict=True):
            parts += self.ops.items(value, "what is unpacked") if isinstance(node, ast.Starred) else [value]
        return parts

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made |= self.evaluate(value)
            else:
                made[self.ops.settled(self.evaluate(key), "the key")] = self.evaluate(value)
        return made

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.evaluate(part)) for part in node.values)

    def _formattedvalue(self, node: ast.FormattedValue) -> str:
        value = self.evaluate(node.value)
        value = example(value) if self.complains else self.ops.settled(value, "the text")
        if node.conversion != -1:  # !r, !s
            value = repr(value) if node.conversion == ord("r") else str(value)
        return format(value, self.evaluate(node.format_spec) if node.format_spec else "")

    def _closure(self, node: ast.FunctionDef | ast.Lambda) -> Closure:
        """A function with the defaults that it has where it is defined."""
        named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        defaults = tuple(self._default(part) for part in node.args.defaults)
        named_defaults = {arg.arg: self._default(part) for arg, part in named if part}
        source = Source(node, [], "")
        return Closure(source, self.writer.frame, source.binding(defaults, named_defaults))

    def _default(self, node: ast.expr) -> Any:
        return self.writer.all_named(self.evaluate(node), "default")

    _lambda = _closure

    def _namedexpr(self, node: ast.NamedExpr) -> Any:
        self.assign(node.target, self.evaluate(node.value))
        return self._name(node.target)

    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> list[Any]:
        """The elements of a comprehension, its loops unrolled; its variables are its own."""
        outer = self.writer.frame.locals
        self.writer.frame.locals = dict(outer)
        try:
            return list(self._turns_of(node.generators, node.elt))
        finally:
            self.writer.frame.locals = outer

    _generatorexp = _listcomp

    def _setcomp(self, node: ast.SetComp) -> set[Any]:
        return set(self._listcomp(node))

    def _dictcomp(self, node: ast.DictComp) -> dict[Any, Any]:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return dict(self._listcomp(ast.ListComp(pair, node.generators)))

    def _turns_of(self, generators: list[ast.comprehension], element: ast.expr) -> Iterator[Any]:
        if not generators:
            yield self.evaluate(element)
            return
        first, *rest = generators
        for item in self.ops.items(self.evaluate(first.iter), "the loop"):
            self.assign(first.target, item)
            if all(self.ops.settled(self.evaluate(test), "the condition") for test in first.ifs):
                yield from self._turns_of(rest, element)

    def _call(self, node: ast.Call) -> Any:
        function = self.evaluate(node.func)
        values = self.in_order([*node.args, *(keyword.value for keyword in node.keywords)])
        number = len(node.args)
        args = self._spread(node.args, values[:number])
        kwargs: dict[str, Any] = {}
        for keyword, value in zip(node.keywords, values[number:], strict=True):
            kwargs |= value if keyword.arg is None else {keyword.arg: value}
        return self.calls.call(function, args, kwargs)

    def run(self, statements: list[ast.stmt]) -> End:
        frame = self.writer.frame
        for i, statement in enumerate(statements):
            frame.line, frame.end_line = statement.lineno, statement.end_lineno or 0
            if isinstance(statement, ast.If):
                end = self._branch(statement, statements[i + 1 :])
            else:
                end = (self.methods.get(type(statement)) or self._method(statement))(statement)
            if end is not None:
                return end
        return None

    def _pass(self, statement: ast.Pass | ast.Assert) -> None: ...

    _assert = _pass

    def _expr(self, statement: ast.Expr) -> None:
        self.evaluate(statement.value)

    def _return(self, statement: ast.Return) -> Return:
        return Return(None if statement.value is None else self.evaluate(statement.value))

    def _break(self, statement: ast.Break | ast.Continue) -> End:
        return statement

    _continue = _break

    def _functiondef(self, statement: ast.FunctionDef) -> None:
        made: Any = self._closure(statement)
        for decorator in reversed(statement.decorator_list):
            made = self.calls.call(self.evaluate(decorator), [made], {})
        self.writer.frame.locals[statement.name] = made

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        frame = self.writer.frame
        exec(compile(ast.Module([statement], []), frame.file, "exec"), frame.globals, frame.locals)

    _importfrom = _import

    def _annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self.assign(statement.target, self.evaluate(statement.value))

    def _assign(self, statement: ast.Assign) -> None:
        value = self.evaluate(statement.value)
        parts = getattr(statement.targets[0], "elts", [])
        if isinstance(value, tuple) and not all(isinstance(part, ast.Name | ast.Starred) for part in parts):
            value = self.writer.all_named(value, "value", mine=True)  # all, before the first is assigned
        if len(statement.targets) > 1:  # a = b = ...: one array of two names
            value = self.writer.all_named(value, ast.unparse(statement.targets[-1]).rpartition(".")[2])
        for target in statement.targets:
            self.assign(target, value)

    def assign(self, target: ast.expr, value: Any) -> None:
        """Give the names in a target their values."""
        if isinstance(target, ast.Name):
            value = self.writer.all_named(value, target.id)
            if type(value) is Expression and type(value.value) in (tuple, list) and value.value:
                value = type(value.value)(self.ops.items(value, "what is unpacked"))
            variable = self.writer.variable_of(value)
            if variable is not None and variable.stands_in:  # it takes the name that the source has for it
                variable.hint, variable.stands_in = target.id, False
            self.writer.frame.locals[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            names = [part.id for part in target.elts if isinstance(part, ast.Name)]
            if type(value) is Expression and len(names) == len(target.elts):
                self._unpack_array(names, value)
            else:
                self._unpack(target.elts, self.ops.items(value, "what is unpacked"))
        elif isinstance(target, ast.Attribute):
            self.objects.set_attribute(self.evaluate(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self.ops.set_item(self.evaluate(target.value), self.evaluate(target.slice), value)

    def _unpack(self, targets: list[ast.expr], items: list[Any]) -> None:
        star = next((i for i, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
        if star is not None and len(items) >= len(targets) - 1:
            end = len(items) - len(targets) + star + 1
            items = [*items[:star], items[star:end], *items[end:]]
        self._check_number(targets, items)
        for target, item in zip(targets, items, strict=True):
            self.assign(target.value if isinstance(target, ast.Starred) else target, item)

    def _unpack_array(self, names: list[str], value: Expression) -> None:
        """`a, b = np.split(…)` stays one statement."""
        self._check_number(names, value.value)
        variables = [self.writer.new_variable(n, part) for n, part in zip(names, value.value, strict=True)]
        targets: list[ast.expr] = [variable.store() for variable in variables]
        self.writer.emit(ast.Assign([ast.Tuple(targets, ast.Store())], value.node))
        for variable in variables:
            self.writer.frame.locals[variable.hint] = variable.expression(value.varies, value.loose)

    def _check_number(self, names: list[Any], values: Any) -> None:
        if len(values) != len(names):
            self.writer.fail(f"ValueError: {len(values)} values for {len(names)} names")

    def _augassign(self, statement: ast.AugAssign) -> None:
        target, op = statement.target, statement.op
        if isinstance(target, ast.Subscript):
            owner, index = self.evaluate(target.value), self.evaluate(target.slice)
            self.ops.set_item(owner, index, self.evaluate(statement.value), op)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value)
            old = self.objects.attribute(owner, target.attr)
            changed = self.ops.augmented(old, op, self.evaluate(statement.value))
            self.objects.set_attribute(owner, target.attr, changed)
        else:
            old = self._name(target)
            self.assign(target, self.ops.augmented(old, op, self.evaluate(statement.value)))

    def _delete(self, statement: ast.Delete) -> None:
        for target in statement.targets:
            if isinstance(target, ast.Name):
                self.writer.frame.locals.pop(target.id, None)
                continue
            if not isinstance(target, ast.Subscript | ast.Attribute):
                self.writer.fail(f"`{ast.unparse(statement)}` cannot be written out")
            owner = self.evaluate(target.value)
            if type(owner) is Expression:
                self.writer.fail(f"`{ast.unparse(statement)}`: elements of an array cannot be deleted")
            self.objects.check_change(owner)
            if isinstance(target, ast.Attribute):
                delattr(owner, target.attr)
            else:
                del owner[self.ops.settled(self.evaluate(target.slice), "the index")]

    def _try(self, statement: ast.Try) -> End:
        end = self._named_end(self.run([*statement.body, *statement.orelse]))
        return self.run(statement.finalbody) or end

    def _named_end(self, end: End) -> End:
        """What a block returns, as variables."""
        if isinstance(end, Return):
            return Return(self.writer.all_named(end.value, "result", mine=True))
        return end

    def _raise(self, statement: ast.Raise) -> None:
        self.complains = True
        error = example(self.evaluate(statement.exc)) if statement.exc else RuntimeError("raise")
        error = error() if isinstance(error, type) else error
        error.add_note(f"({self.writer.frame.file} line {statement.lineno})")
        raise error

    def _with(self, statement: ast.With) -> End:
        """np.errstate stays; what catches warnings is left out, and so are other names of them."""
        kept = []
        for item in statement.items:
            manager = self.evaluate(item.context_expr)
            if isinstance(manager, np.errstate) and isinstance(item.context_expr, ast.Call):
                made = called("np.errstate")
                for option in item.context_expr.keywords:
                    node = self.writer.node(self.evaluate(option.value))
                    made.keywords.append(ast.keyword(option.arg, node))
                kept.append(ast.withitem(made))
            elif not isinstance(manager, warnings.catch_warnings):
                self.writer.fail(f"`with {ast.unparse(item)}` leads outside")
        if not kept:
            return self.run(statement.body)
        with self.writer.sub_block() as body:
            end = self._named_end(self.run(statement.body))
        self.writer.emit(ast.With(kept, []), "", body=body or [Statement(ast.Pass())])
        return end

    def _while(self, statement: ast.While) -> End:
        return self._turns(statement, self._while_true(statement))

    def _while_true(self, statement: ast.While) -> Iterator[None]:
        for _ in range(LONGEST):
            self.writer.frame.line = statement.lineno
            if not self.ops.settled(self.evaluate(statement.test), "the loop"):
                return
            yield
        self.writer.fail(f"the loop has not ended after {LONGEST} turns")

    def _for(self, statement: ast.For) -> End:
        iterated = self.evaluate(statement.iter)
        if isinstance(iterated, Blocks):
            self.rule.over_blocks(statement, iterated)
            return None
        items = self.ops.items(iterated, "the loop")
        return self._turns(statement, map(self.assign, repeat(statement.target), items))

    def _turns(self, statement: ast.For | ast.While, turns: Iterable[None]) -> End:
        for _ in turns:
            end = self.run(statement.body)
            if isinstance(end, Return):
                return end
            if isinstance(end, ast.Break):
                return None
        return self.run(statement.orelse)

    def _branch(self, statement: ast.If, rest: list[ast.stmt]) -> End:
        """An `if`: decided, dropped if it only guards, or written with both its sides.

        Where a side returns, what follows the `if` belongs to the other one.
        """
        test = self.evaluate(statement.test)
        truth = self.ops.decide(test)
        if truth is not None:
            return self.run(statement.body if truth else statement.orelse)
        if self._guards(statement.body) and not statement.orelse:
            self.writer.guard(ast.UnaryOp(ast.Not(), self.writer.node(test)))
            return None
        sides = [statement.body, statement.orelse]
        returns = any(isinstance(node, ast.Return) for node in ast.walk(statement))
        if returns:
            sides = [[*side, *rest] for side in sides]
        return self._both(test, sides, returns)

    def _both(self, test: Expression, sides: list[list[ast.stmt]], returns: bool) -> End:
        before = self.writer.frame.locals
        after, blocks, attributes = [], [], []
        for side in sides:
            self.writer.frame.locals = dict(before)
            first, gradients = len(self.objects.set_attributes), len(self.passes.gradients)
            self.objects.in_branch += 1
            with self.writer.sub_block() as block:
                end = self.run(side)
            if len(self.passes.gradients) != gradients:
                self.writer.fail("whether there is a gradient depends on the numbers in the network")
            if not isinstance(end, Return | None):
                self.writer.fail("a loop is left where that depends on the numbers in the network")
            self.objects.in_branch -= 1
            result = {"y": end.value if isinstance(end, Return) else None}
            after.append(result if returns else self.writer.frame.locals)
            attributes.append(self.objects.put_back(first))
            blocks.append(block)
        taken = 0 if test.value else 1
        self.writer.frame.locals = before
        known = {} if returns else before
        for key in {**after[0], **after[1]}:
            pair = [side.get(key, known.get(key)) for side in after]
            known[key] = self._merged(key, pair, blocks, taken, known.get(key))
        for at, (owner, attribute, _) in {**attributes[0], **attributes[1]}.items():
            is_in_both = all(at in side for side in attributes)
            old = None if is_in_both else self.objects.before(owner, attribute)
            pair = [side[at][2] if at in side else old for side in attributes]
            self.objects.set_attribute(owner, attribute, self._merged(attribute, pair, blocks, taken, old))
        node = test.node
        if not blocks[0]:
            node, blocks = ast.UnaryOp(ast.Not(), node), blocks[::-1]
        if blocks[0]:
            self.writer.emit(ast.If(node, [], []), "", body=blocks[0], orelse=blocks[1])
        return Return(known["y"]) if returns else None

    def _merged(self, key: str, pair: list[Any], blocks: list[Block], taken: int, old: Any) -> Any:
        """One value for what two sides made: a variable that each of them sets."""
        first, second = pair
        plain = all(isinstance(side, int | float | str) for side in pair)
        if first is second or (plain and first == second):
            return first
        if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
            parts = zip(first, second, strict=True)
            return tuple(self._merged(key, list(both), blocks, taken, None) for both in parts)
        variable = self.writer.variable_of(old)
        if variable is None or not any(side is old for side in pair) or self._is_shared(variable):
            variable = self.writer.new_variable(key, example(pair[taken]))
        for side, block in zip(pair, blocks, strict=True):
            if self.writer.variable_of(side) is not variable:
                with self.writer.sub_block() as more:
                    self.writer.set(variable, side)
                block += more
        values = [example(side) for side in pair]
        kinds = {(value is None, np.shape(value)) for value in values}
        loose = len(kinds) > 1 or any(part.loose for part in expressions(pair))
        return Expression(variable.load(), values[taken], varies=True, loose=loose)

    def _is_shared(self, variable: Variable) -> bool:
        """Whether it is known by other names too, which must not see it change."""
        held = [part for frame in self.writer.frames for part in expressions(frame.locals)]
        names = sum(self.writer.variable_of(part) is variable for part in held)
        return variable.given or variable.place is not None or variable.kept or names > 1

    def _guards(self, statements: list[ast.stmt]) -> bool:
        """Whether a block only complains: it raises an error or warns."""
        return isinstance(statements[-1], ast.Raise) or all(
            isinstance(part, ast.Expr)
            and isinstance(part.value, ast.Call)
            and self.evaluate(part.value.func) in (warnings.warn, print)
            for part in statements
        )
