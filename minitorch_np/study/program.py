"""The written-out program: its text, its arrays, and the location in the network of each variable."""

from __future__ import annotations

import ast
import copy
import io
import textwrap
import tokenize
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_np._internal.reprs import constructor_arguments
from minitorch_np.derivation.derive import Derivation
from minitorch_np.derivation.folding import fold
from minitorch_np.derivation.naming import Names
from minitorch_np.derivation.statements import Block, Statement, inside, keys_in, keys_of
from minitorch_np.derivation.values import Location, Variable

WIDTH = 108

Shapes = Callable[[str], str]


def note_shapes(statements: Block, variables: dict[str, Variable], written: Shapes | None = None) -> None:
    """Have every assignment of an array know its shape.

    `written` says how the shape of a variable is written, where not as it is.
    """
    for statement in inside(statements):
        head = statement.head
        if isinstance(head, ast.Assign) and isinstance(head.targets[0], ast.Name):
            key = head.targets[0].id
            value = variables[key].value if key in variables else None
            if isinstance(value, np.ndarray):
                statement.shape = written(key) if written else str(value.shape)


def rendered(statements: Block, indent: int = 0) -> list[str]:
    """The lines of a block."""
    lines: list[str] = []
    for statement in statements:
        said = [part for part in (statement.shape, statement.comment) if part]
        lines += _line(_head(statement), ", ".join(said), indent)
        lines += rendered(statement.body, indent + 4)
        lines += [f"{' ' * indent}else:"] if statement.orelse else []
        lines += rendered(statement.orelse, indent + 4)
    return lines


def _head(statement: Statement) -> str:
    """The first line of a statement; a loop over rows has each of them in a line."""
    head = statement.head
    if isinstance(head, ast.Expr) and isinstance(head.value, ast.Constant):
        return f'"""{escaped(str(head.value.value))}"""'
    if isinstance(head, ast.For) and isinstance(head.iter, ast.Tuple):
        target = ast.unparse(head.target).strip("()")
        rows = "".join(f"\n    {ast.unparse(row)}," for row in head.iter.elts)
        return f"for {target} in ({rows}\n):"
    return _quoted(ast.unparse(head))


def escaped(text: str) -> str:
    """Text as it stands between three quotes."""
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return text[:-1] + '\\"' if text.endswith('"') else text


def _quoted(code: str) -> str:
    """With double quotes, as most people write strings."""
    return code if '"' in code else code.replace("'", '"')


def _line(code: str, comment: str, indent: int) -> list[str]:
    margin = " " * indent
    if "\n" in code:
        return [margin + line for line in code.splitlines()]
    if comment and len(code) + len(comment) + indent + 4 <= WIDTH:
        return [f"{margin}{code}  # {comment}"]
    shape, bracket, rest = comment.partition("), ")
    if rest and comment.startswith("("):
        return [f"{margin}# {rest}", *_line(code, shape + bracket[:1], indent)]
    lines = [margin + line for line in _broken(code, WIDTH - indent)]
    return [f"{margin}# {comment}", *lines] if comment else lines


def _broken(code: str, width: int) -> list[str]:
    """Lines no longer than `width` where that is possible, broken at spaces inside brackets."""
    if len(code) <= width:
        return [code]
    cuts = _cuts(code)
    whole = "".join("\0" if c == " " and i + 1 not in cuts else c for i, c in enumerate(code))
    lines = textwrap.wrap(
        whole, width - 1, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines]


def _cuts(code: str) -> list[int]:
    """Where a line may be broken: before a word inside brackets."""
    depth, cuts = 0, []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if depth and token.start[0] == 1 and code[token.start[1] - 1 : token.start[1]] == " ":
            cuts.append(token.start[1])
        depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
    return cuts


class Program(NamedTuple):
    """A program whose function `train` makes the steps; `arrays` are its arguments, by name and in order.

    `places` says of its variables which layer they belong to, and as what.
    """

    text: str
    arrays: dict[str, Any]
    places: dict[str, Location]

    def train(self) -> Any:
        """The function `train` of the program."""
        return _run(self.text, {})["train"]

    def run_with(self, lines: list[str]) -> Program:
        """The program that also runs, with the lines that make its arrays."""
        main = [
            *lines,
            f"for step, loss in enumerate(train({', '.join(self.arrays)})):",
            "    print(step, loss)",
        ]
        return self._replace(text="\n".join([self.text, "", "", *_main(main)]))


class Predictor(NamedTuple):
    """A program whose function `predict` is the forward pass; `arrays` are the weights beside it."""

    head: list[str]
    arrays: dict[str, Any]

    def names(self) -> dict[str, Any]:
        """What the program has by name: the function `predict`, and copies of the arrays."""
        return _run("\n".join(self.head), copy.deepcopy(self.arrays))

    def text(self, weights: list[str], x: list[str]) -> str:
        """The program with the lines that make the weights, and those that make an x."""
        beside = ["", "", *weights] if weights else []
        main = [
            "import sys",
            "",
            "if len(sys.argv) > 1:",
            "    x = np.load(sys.argv[1])",
            "else:",
            *(f"    {line}" for line in x),
            "print(predict(x))",
        ]
        return "\n".join([*self.head, *beside, "", "", *_main(main)])


def _main(lines: list[str]) -> list[str]:
    """The lines that are run if the program is the main one, and the end of its last line."""
    return ['if __name__ == "__main__":', *(f"    {line}" if line else "" for line in lines), ""]


def _run(text: str, scope: dict[str, Any]) -> dict[str, Any]:
    """The names that a program has at the end, where it is not the main one."""
    scope = {"__name__": "program", **scope}
    exec(compile(text, "<handwritten>", "exec"), scope)
    return scope


def predictor(derived: Derivation, shape: str, shapes: Shapes | None = None) -> Predictor:
    """The program that predicts, of a derivation without a loss.

    `shape` is that of x as it is written; one that starts with (N holds for any batch. Raises ValueError for a
    network that changes something as it predicts.
    """
    variables = derived.variables
    set_keys = {key for statement in derived.forward for key in keys_in(statement, ast.Store)}
    changed = {variables[key] for key in set_keys | keys_of(derived.backward) if variables[key].given}
    if changed:
        names = ", ".join(sorted(variable.name or variable.hint for variable in changed))
        raise ValueError(
            f"{derived.model!r} changes {names} as it predicts, also in evaluation mode: "
            "what it predicts is no function of x, and cannot be written as one"
        )
    result = ast.Return(derived.prediction.load())
    forward = [*derived.forward, Statement(result, effect=True)]
    for statement in forward:  # what a layer passes on as it is needs no name of its own
        made = statement.head
        if isinstance(made, ast.Assign) and isinstance(made.value, ast.Name):
            for key in keys_in(statement, ast.Store):
                variables[key].place, variables[key].name = None, ""
    (phase,) = fold([Statement(ast.If(ast.Constant(True), [], []), forward)], variables)
    used = _name_all(derived, [phase], shapes)
    given = [variable for variable in variables.values() if variable.origin and variable.key in used]
    arrays = {v.name: derived.data[v.name] for v in given if v.name in derived.data and v.name != "x"}
    arrays |= {v.name: derived.starts[v.key] for v in derived.constants if v.key in used}
    x = derived.data["x"]
    asked = f"np.asarray(x, np.{x.dtype.name})" if x.dtype.kind == "f" else "np.asarray(x)"
    is_wrong = f"x.shape != {x.shape}"
    if shape.startswith("(N"):
        is_wrong = f"x.ndim == 0 or x.shape[1:] != {x.shape[1:]}"
    said = f"{_network(derived)}, written by hand in NumPy: the same bits as the layers in evaluation mode."
    head = [
        *_beginning(derived, said),
        "def predict(x):",
        f'    """The forward pass for x of shape {shape}."""',
        f"    x = {asked}",
        f"    if {is_wrong}:",
        f'        raise ValueError(f"predict expects x of shape {shape}, got {{x.shape}}")',
        *rendered(phase.body, 4),
    ]
    return Predictor(head, arrays)


def written(derived: Derivation, steps: int) -> Program:
    """The program's function `train`, and what stands before it."""
    variables = derived.variables
    phases = [derived.forward, derived.backward, derived.update]
    root = fold([Statement(ast.If(ast.Constant(True), [], []), block) for block in phases], variables)
    used = _name_all(derived, root)
    starts, kept = _states(derived, used)
    kept = [variable for variable in derived.constants if variable.key in used] + kept
    arrays = derived.data | {variable.name: derived.starts[variable.key] for variable in kept}
    lines = [*_beginning(derived, _description(derived)), *_train(derived, root, arrays, starts, used, steps)]
    places = {v.name: v.place for v in variables.values() if v.place and v.name and v.key in used}
    return Program("\n".join(lines), arrays, places)


def _name_all(derived: Derivation, root: Block, shapes: Shapes | None = None) -> set[str]:
    """Give every variable of the statements its name; return the keys of these variables."""
    variables = derived.variables
    used = keys_of(root)
    for variable in derived.constants:
        if variable.key in used:
            variable.name = derived.roles.unique(variable.hint)
    for state, weight in derived.states:
        if not state.name:  # of a rule that goes over blocks in its own way
            state.name = derived.roles.unique(f"{state.hint}_{weight.name}")
    note_shapes(root, variables, shapes)
    names = {variable.name for variable in variables.values() if variable.name}
    Names(variables, reserved=set(derived.functions) | (derived.roles.names.taken - names)).give(root)
    return used


def _beginning(derived: Derivation, said: str) -> list[str]:
    """What stands before the function of the program."""
    helpers = [line for helper in derived.functions.values() for line in ("", "", *rendered([helper]))]
    return [*_said(said), "import numpy as np", *helpers, "", ""]


def _train(
    derived: Derivation,
    root: Block,
    arrays: dict[str, Any],
    starts: list[str],
    used: set[str],
    steps: int,
) -> list[str]:
    options = [option for option in derived.options if option.key in used]
    rate = [option for option in options if option.name == "learning_rate"]
    parameters = [*arrays, f"steps={steps}", *(f"learning_rate={option.value!r}" for option in rate)]
    lines = _wrapped("def train(", parameters, "):")
    lines.append('    """Gradient descent; updates the parameters in place and returns the losses."""')
    lines += [f"    {option.name} = {option.value!r}" for option in options if option not in rate]
    lines += [f"    {start}" for start in starts]
    lines.append("    losses = []")
    counted, span = "_", "steps"
    if derived.step is not None and derived.step.key in used:
        counted, first = "step", derived.step.value
        span = "1, steps + 1" if first == 1 else f"{first}, {first} + steps"
    lines.append(f"    for {counted} in range({span}):")
    for i, (title, phase) in enumerate(zip(_titles(derived), root, strict=True)):
        lines += [""] * bool(i) + [f"        # {title}"]
        lines += rendered(phase.body, 8)
    lines.append("    return losses")
    return lines


def _titles(derived: Derivation) -> list[str]:
    *others, last = [*derived.gradients] or ["nothing"]
    gradients = f"{', '.join(others)} and {last}" if others else last
    kind = type(derived.optimizer).__name__
    update = "gradient descent" if kind == "SGD" else kind
    return ["forward: predict y", f"backward: gradients of {gradients}", update]


def _states(derived: Derivation, used: set[str]) -> tuple[list[str], list[Variable]]:
    """The lines that start an optimizer's arrays, and those arrays that have to be given."""
    starts: dict[str, list[tuple[str, str]]] = {}
    kept = []
    for variable, weight in derived.states:
        if variable.key not in used:
            continue
        array = derived.starts[variable.key]
        first = array.flat[0] if array.size else 0.0
        if not (array == first).all():
            kept.append(variable)
            continue
        like = weight.name
        made = f"np.zeros_like({like})" if first == 0 else f"np.full_like({like}, {float(first)!r})"
        starts.setdefault(like, []).append((variable.name, made))
    lines = [
        f"{', '.join(name for name, _ in made)} = {', '.join(start for _, start in made)}"
        for made in starts.values()
    ]
    return lines, kept


def _description(derived: Derivation) -> str:
    """The network, the loss and the optimizer."""
    network = f"{_network(derived)} with {derived.loss!r} and {optimizer_call(derived.optimizer)}"
    return f"{network}, written by hand in NumPy: the same bits as the layers."


def optimizer_call(optimizer: Any) -> str:
    """Return the call that builds an optimizer, with the options that are not the usual ones."""
    usual = constructor_arguments(type(optimizer))
    options = optimizer.defaults.items()
    said = [f"{n}={v!r}" for n, v in options if n == "lr" or (n in usual and v != usual[n])]
    return f"{type(optimizer).__name__}({', '.join(said)})"


def _network(derived: Derivation) -> str:
    """The network in one line."""
    return " ".join(repr(derived.model).split()).replace("( ", "(").replace(", )", ")")


def _said(text: str) -> list[str]:
    """A docstring, and the empty line after it."""
    lines = textwrap.wrap(text, 100, break_long_words=False)
    if len(lines) == 1 and len(text) < 94:
        return [f'"""{escaped(text)}"""', ""]
    return [f'"""{escaped(lines[0])}', *map(escaped, lines[1:]), '"""', ""]


def _wrapped(opening: str, parts: list[str], closing: str) -> list[str]:
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= WIDTH:
        return [line]
    rows = textwrap.wrap(", ".join(parts) + ",", WIDTH - 4, break_long_words=False)
    return [opening, *(f"    {row}" for row in rows), closing]
