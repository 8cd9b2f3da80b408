"""The written-out program: its text, its arrays, and which variable belongs where in the network."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any, NamedTuple

from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.study.locations import Location
from minitorch_np.study.unroll.folding import fold
from minitorch_np.study.unroll.naming import Names
from minitorch_np.study.unroll.rendering import escaped, note_shapes, rendered
from minitorch_np.study.unroll.rules import Rules
from minitorch_np.study.unroll.values import Variable
from minitorch_np.study.unroll.walking import blocks_of, keys_in


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


def written(rules: Rules, phases: dict[str, list[ast.stmt]], optimizer: Optimizer, steps: int) -> Written:
    """The program's function `train`, and what stands before it."""
    variables = rules.variables
    root: list[ast.stmt] = [ast.If(ast.Constant(phase), block, []) for phase, block in phases.items()]
    root = fold(root, variables)
    used = {key for statement in root for key in keys_in(statement) | keys_in(statement, ast.Store)}
    constants = [rules.variable(expression) for _, expression in rules.constants.values()]
    constants = [variable for variable in constants if variable.key in used]
    for variable in constants:
        variable.name = rules.roles.unique(variable.hint)
    for state, weight, _ in rules.states:
        if not state.name:  # of a rule that goes over blocks in its own way
            state.name = rules.roles.unique(f"{state.hint}_{rules.variable(weight).name}")
    note_shapes(root, variables)
    Names(variables, reserved={*rules.helpers, *rules.roles.taken} - _all_names(variables)).give(root)
    starts, kept = _states(rules, used)
    given = ["x", "y", *rules.roles.parameters.values()]
    arrays = {name: rules.start[name] for name in given}
    arrays |= {variable.name: rules.start_of(variable) for variable in [*constants, *kept]}
    options = [option for option in rules.options if option.key in used]
    head = [
        *_docstring(rules, optimizer),
        "import numpy as np",
        *(line for helper in rules.helpers.values() for line in ("", "", *rendered([helper]))),
        "",
        "",
        *_train(rules, root, arrays, options, starts, used, optimizer, steps),
    ]
    places = {v.name: v.place for v in variables.values() if v.place and v.name and v.key in used}
    return Written(head, arrays, places)


def _train(
    rules: Rules,
    root: list[ast.stmt],
    arrays: dict[str, Any],
    options: list[Variable],
    starts: list[str],
    used: set[str],
    optimizer: Optimizer,
    steps: int,
) -> list[str]:
    rate = [option for option in options if option.name == "learning_rate"]
    parameters = [*arrays, f"steps={steps}", *(f"learning_rate={option.value!r}" for option in rate)]
    lines = _wrapped("def train(", parameters, "):")
    lines.append('    """Gradient descent; updates the parameters in place and returns the losses."""')
    lines += [f"    {option.name} = {option.value!r}" for option in options if option not in rate]
    lines += [f"    {start}" for start in starts]
    lines.append("    losses = []")
    first = rules.first_step
    counted = "step" if rules.step_key in used else "_"
    span = "steps" if counted == "_" else "1, steps + 1" if first == 1 else f"{first}, {first} + steps"
    lines.append(f"    for {counted} in range({span}):")
    for i, (title, phase) in enumerate(zip(_titles(rules, optimizer), root, strict=True)):
        lines += [""] * bool(i) + [f"        # {title}"]
        lines += [line for block in blocks_of(phase) for line in rendered(block, 8)]
    lines.append("    return losses")
    return lines


def _titles(rules: Rules, optimizer: Optimizer) -> list[str]:
    gradients = rules.gradient_order()
    listed = (
        " and ".join([*(", ".join(gradients[:-1]),), gradients[-1]]) if gradients[1:] else "".join(gradients)
    )
    last = "gradient descent" if type(optimizer).__name__ == "SGD" else type(optimizer).__name__
    return ["forward: predict y", f"backward: gradients of {listed or 'nothing'}", last]


def _states(rules: Rules, used: set[str]) -> tuple[list[str], list[Variable]]:
    """The lines that start an optimizer's arrays, and those arrays that have to be given."""
    starts: dict[str, list[tuple[str, str]]] = {}
    kept = []
    for variable, weight, array in rules.states:
        if variable.key not in used:
            continue
        first = array.flat[0] if array.size else 0.0
        if not (array == first).all():
            kept.append(variable)
            continue
        like = rules.variable(weight).name
        made = f"np.zeros_like({like})" if first == 0 else f"np.full_like({like}, {float(first)!r})"
        starts.setdefault(like, []).append((variable.name, made))
    lines = [
        f"{', '.join(name for name, _ in made)} = {', '.join(start for _, start in made)}"
        for made in starts.values()
    ]
    return lines, kept


def _docstring(rules: Rules, optimizer: Optimizer) -> list[str]:
    signature = inspect.signature(type(optimizer)).parameters
    options = [
        f"{key}={value!r}"
        for key, value in optimizer.defaults.items()
        if key == "lr" or (key in signature and value != signature[key].default)
    ]
    made = f"{type(optimizer).__name__}({', '.join(options)})"
    network = " ".join(repr(rules.model).split()).replace("( ", "(").replace(", )", ")")
    text = f"{network} with {rules.loss!r} and {made}, written by hand in NumPy: the same bits as the layers."
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
