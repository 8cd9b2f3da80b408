"""The written-out program: its text, its arrays, and the location in the network of each variable."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.derivation.derive import Derivation
from minitorch_np.derivation.folding import fold
from minitorch_np.derivation.locations import Location
from minitorch_np.derivation.naming import Names
from minitorch_np.derivation.statements import blocks_of, every_block, keys_in
from minitorch_np.derivation.values import Variable

WIDTH = 108


def note_shapes(statements: list[ast.stmt], variables: dict[str, Variable]) -> None:
    """Have every assignment of an array know its shape, and turn `n = n * a` of numbers into `n *= a`."""
    for block in every_block(statements):
        for i, statement in enumerate(block):
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                continue
            key = statement.targets[0].id
            value = variables[key].value if key in variables else None
            if isinstance(value, np.ndarray):
                vars(statement)["shape"] = str(value.shape)
            elif isinstance(statement.value, ast.BinOp) and isinstance(statement.value.left, ast.Name):
                vars(block[i])["number"] = True


def rendered(statements: list[ast.stmt], indent: int = 0) -> list[str]:
    """The lines of a block."""
    lines: list[str] = []
    for statement in statements:
        head, blocks = _parts(statement)
        said = [part for part in (getattr(statement, "shape", ""), getattr(statement, "comment", "")) if part]
        lines += _line(head, ", ".join(said), indent)
        for keyword, block in blocks:
            lines += [f"{' ' * indent}{keyword}"] if keyword else []
            lines += rendered(block, indent + 4)
    return lines


def _parts(statement: ast.stmt) -> tuple[str, list[tuple[str, list[ast.stmt]]]]:
    """The first line of a statement, and its blocks with what stands before each."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return f'"""{escaped(str(statement.value.value))}"""', []
    text = _quoted(ast.unparse(_augmented(statement)))
    if isinstance(statement, ast.If):
        blocks = [("", statement.body)] + ([("else:", statement.orelse)] if statement.orelse else [])
        return f"if {_quoted(ast.unparse(statement.test))}:", blocks
    if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Tuple):
        target = ast.unparse(statement.target).strip("()")
        rows = "".join(f"\n    {ast.unparse(row)}," for row in statement.iter.elts)
        return f"for {target} in ({rows}\n):", [("", statement.body)]
    if isinstance(statement, ast.With | ast.For | ast.While | ast.FunctionDef):
        header = next(line for line in text.splitlines() if not line.startswith("@"))
        orelse = getattr(statement, "orelse", [])
        return header, [("", statement.body)] + ([("else:", orelse)] if orelse else [])
    return text, []


def escaped(text: str) -> str:
    """Text as it stands between three quotes."""
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return text[:-1] + '\\"' if text.endswith('"') else text


def _augmented(statement: ast.stmt) -> ast.stmt:
    if getattr(statement, "number", False) and isinstance(statement, ast.Assign):
        target, value = statement.targets[0], statement.value
        same = isinstance(value, ast.BinOp) and ast.unparse(value.left) == ast.unparse(target)
        if same and isinstance(value, ast.BinOp) and isinstance(target, ast.Name):
            return ast.AugAssign(target, value.op, value.right)
    return statement


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
    lines: list[str] = []
    start = 0
    while len(code) - start > width - 4 * bool(lines):
        cuts = [cut for cut in _cuts(code) if start < cut <= start + width - 4 * bool(lines)]
        if not cuts:
            break
        lines.append(code[start : cuts[-1]].rstrip())
        start = cuts[-1]
    lines.append(code[start:])
    return [line if i == 0 else f"    {line}" for i, line in enumerate(lines)]


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
        scope: dict[str, Any] = {"__name__": "program"}
        exec(compile(self.text, "<handwritten>", "exec"), scope)
        return scope["train"]


class Written(NamedTuple):
    """A program but for where its arrays come from."""

    head: list[str]
    arrays: dict[str, Any]
    places: dict[str, Location]

    def program(self, lines: list[str]) -> Program:
        """With the lines that make the arrays."""
        main = [
            *lines,
            f"for step, loss in enumerate(train({', '.join(self.arrays)})):",
            "    print(step, loss)",
        ]
        inside = [f"    {line}" for line in main]
        text = "\n".join([*self.head, "", "", 'if __name__ == "__main__":', *inside, ""])
        return Program(text, self.arrays, self.places)


def written(derived: Derivation, steps: int) -> Written:
    """The program's function `train`, and what stands before it."""
    variables = derived.variables
    phases = {"forward": derived.forward, "backward": derived.backward, "update": derived.update}
    root: list[ast.stmt] = [ast.If(ast.Constant(phase), block, []) for phase, block in phases.items()]
    root = fold(root, variables)
    used = {key for statement in root for key in keys_in(statement) | keys_in(statement, ast.Store)}
    constants = [variable for variable in derived.constants if variable.key in used]
    for variable in constants:
        variable.name = derived.roles.unique(variable.hint)
    for state, weight, _ in derived.states:
        if not state.name:  # of a rule that goes over blocks in its own way
            state.name = derived.roles.unique(f"{state.hint}_{weight.name}")
    note_shapes(root, variables)
    Names(variables, reserved=set(derived.functions) | (derived.roles.taken - _all_names(variables))).give(root)
    starts, kept = _states(derived, used)
    arrays = dict(derived.data)
    arrays |= {variable.name: derived.starts[variable.key] for variable in [*constants, *kept]}
    options = [option for option in derived.options if option.key in used]
    head = [
        *_docstring(derived),
        "import numpy as np",
        *(line for helper in derived.functions.values() for line in ("", "", *rendered([helper]))),
        "",
        "",
        *_train(derived, root, arrays, options, starts, used, steps),
    ]
    places = {v.name: v.place for v in variables.values() if v.place and v.name and v.key in used}
    return Written(head, arrays, places)


def _train(
    derived: Derivation,
    root: list[ast.stmt],
    arrays: dict[str, Any],
    options: list[Variable],
    starts: list[str],
    used: set[str],
    steps: int,
) -> list[str]:
    rate = [option for option in options if option.name == "learning_rate"]
    parameters = [*arrays, f"steps={steps}", *(f"learning_rate={option.value!r}" for option in rate)]
    lines = _wrapped("def train(", parameters, "):")
    lines.append('    """Gradient descent; updates the parameters in place and returns the losses."""')
    lines += [f"    {option.name} = {option.value!r}" for option in options if option not in rate]
    lines += [f"    {start}" for start in starts]
    lines.append("    losses = []")
    first = derived.first_step
    counted = "step" if derived.step is not None and derived.step.key in used else "_"
    span = "steps" if counted == "_" else "1, steps + 1" if first == 1 else f"{first}, {first} + steps"
    lines.append(f"    for {counted} in range({span}):")
    for i, (title, phase) in enumerate(zip(_titles(derived), root, strict=True)):
        lines += [""] * bool(i) + [f"        # {title}"]
        lines += [line for block in blocks_of(phase) for line in rendered(block, 8)]
    lines.append("    return losses")
    return lines


def _titles(derived: Derivation) -> list[str]:
    gradients = list(derived.gradients)
    kind = type(derived.optimizer).__name__
    listed = (
        " and ".join([*(", ".join(gradients[:-1]),), gradients[-1]]) if gradients[1:] else "".join(gradients)
    )
    last = "gradient descent" if kind == "SGD" else kind
    return ["forward: predict y", f"backward: gradients of {listed or 'nothing'}", last]


def _states(derived: Derivation, used: set[str]) -> tuple[list[str], list[Variable]]:
    """The lines that start an optimizer's arrays, and those arrays that have to be given."""
    starts: dict[str, list[tuple[str, str]]] = {}
    kept = []
    for variable, weight, array in derived.states:
        if variable.key not in used:
            continue
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


def _docstring(derived: Derivation) -> list[str]:
    optimizer: Any = derived.optimizer
    signature = inspect.signature(type(optimizer)).parameters
    options = [
        f"{key}={value!r}"
        for key, value in optimizer.defaults.items()
        if key == "lr" or (key in signature and value != signature[key].default)
    ]
    made = f"{type(optimizer).__name__}({', '.join(options)})"
    network = " ".join(repr(derived.model).split()).replace("( ", "(").replace(", )", ")")
    text = f"{network} with {derived.loss!r} and {made}, written by hand in NumPy: the same bits as the layers."
    lines = textwrap.wrap(text, 100, break_long_words=False)
    if len(lines) == 1 and len(text) < 94:
        return [f'"""{escaped(text)}"""', ""]
    return [f'"""{escaped(lines[0])}', *map(escaped, lines[1:]), '"""', ""]


def _wrapped(opening: str, parts: list[str], closing: str) -> list[str]:
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= 108:
        return [line]
    rows = textwrap.wrap(", ".join(parts) + ",", 104, break_long_words=False)
    return [opening, *(f"    {row}" for row in rows), closing]


def _all_names(variables: dict[str, Variable]) -> set[str]:
    return {variable.name for variable in variables.values() if variable.name}
