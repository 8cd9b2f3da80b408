"""Wrong versions of right programs: every single change of a line of the backward pass of some usual kinds.

The lines are those that end in `# backward`. A mutant counts if it runs, if it changes the first updates,
and if it does not change all of them, or all gradients that they are made of, by one positive factor, which
is a convention and no mistake.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.study.compare.judge import Judge
from minitorch_np.study.compare.recording import ProgramSource, Recording, record
from minitorch_np.study.compare.trained import parameters

MARK = "# backward"
OPPOSITE = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}


class Mutant(NamedTuple):
    """A changed program: the kind of change, its line and what stands there now."""

    kind: str
    line: int
    text: str
    program: str

    @property
    def lines(self) -> set[int]:
        """The lines that may be blamed: of a line that is left out, the one before it too."""
        return {self.line, self.line - 1} if self.text == "pass" else {self.line}


def mutants(program: str) -> Iterator[Mutant]:
    """All mutants of a program, whether they count or not."""
    lines = program.splitlines()
    tree = ast.parse(program)
    names = _array_names(tree)
    statements = {n.lineno: n for n in ast.walk(tree) if isinstance(n, ast.stmt) and not hasattr(n, "body")}
    for number, line in enumerate(lines, start=1):
        statement = statements.get(number)
        if MARK not in line or statement is None or statement.end_lineno != number:
            continue
        if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        seen = {ast.unparse(statement)}
        for kind, changed in _changes(statement, names):
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text in seen:
                continue
            seen.add(text)
            changed_lines = [*lines[: number - 1], f"{indent}{text}  {MARK}", *lines[number:]]
            yield Mutant(kind, number, text, "\n".join(changed_lines) + "\n")


def _array_names(tree: ast.AST) -> list[str]:
    """What is assigned in the program, by name."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id != "_":
            found[node.id] = None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found[ast.unparse(node)] = None
    return list(found)


def _changes(statement: Any, names: list[str]) -> Iterator[tuple[str, Any]]:  # noqa: PLR0912
    def made(part: ast.AST, new: ast.AST) -> Any:
        return copy.deepcopy(statement, {id(part): new})

    value = statement.value
    if value is None:
        return
    for part in ast.walk(value):
        if isinstance(part, ast.Name | ast.Attribute) and isinstance(part.ctx, ast.Load):
            text = ast.unparse(part)
            if text in names:
                near = sorted((n for n in names if n != text and n[0].lower() == text[0].lower()), key=len)
                for other in near[:4]:
                    yield "another variable", made(part, ast.parse(other, mode="eval").body)
        if isinstance(part, ast.Attribute) and part.attr == "T":
            yield "transpose", made(part, part.value)
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else ""
            axis = next((k for k in part.keywords if k.arg == "axis"), None)
            if name in ("sum", "mean") and axis is not None and isinstance(axis.value, ast.Constant):
                other = ast.keyword("axis", ast.Constant(1 - int(axis.value.value or 0)))
                yield "axis", made(axis, other)
                new = copy.deepcopy(part)
                new.keywords = [k for k in new.keywords if k.arg != "axis"]
                yield "axis left out", made(part, new)
            if name in ("sum", "mean"):
                new = copy.deepcopy(part)
                new.func.attr = "mean" if name == "sum" else "sum"
                yield "mean for sum", made(part, new)
            if len(part.args) == 1 and not part.keywords and name not in ("sum", "mean", "append"):
                yield "a function left out", made(part, part.args[0])
        if isinstance(part, ast.BinOp):
            if isinstance(part.op, ast.Mult):
                yield "a factor left out", made(part, part.left)
                yield "a factor left out", made(part, part.right)
            if isinstance(part.op, ast.Div):
                yield "a division left out", made(part, part.left)
            if isinstance(part.op, ast.Sub):
                yield "sign", made(part, ast.BinOp(part.right, ast.Sub(), part.left))
                yield "plus for minus", made(part, ast.BinOp(part.left, ast.Add(), part.right))
            if isinstance(part.op, ast.Pow):
                yield "power", made(part, part.left)
        if isinstance(part, ast.Compare) and type(part.ops[0]) in OPPOSITE:
            new = ast.Compare(part.left, [OPPOSITE[type(part.ops[0])]()], part.comparators)
            yield "mask turned round", made(part, new)
    yield "factor 2", made(value, ast.BinOp(ast.Constant(2), ast.Mult(), value))
    if isinstance(statement, ast.Assign) and not isinstance(statement.targets[0], ast.Subscript | ast.Tuple):
        yield "sign", made(value, ast.UnaryOp(ast.USub(), value))
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        yield "line left out", ast.Pass()


def _named(program: str) -> tuple[Recording, dict[tuple[int, int, str], np.ndarray]]:
    """A recording, and what its statements bind or make: by statement, how often it was executed, and path."""
    recording = record(ProgramSource(program, "<program>", "program"), 3)
    times: Counter[int] = Counter()
    found = {}
    for e in recording.executions:
        times[e.statement.number] += 1
        nodes = [(path, new) for path, _, new in e.bound] + list(e.result.items())
        found |= {(e.statement.number, times[e.statement.number], path): node.value for path, node in nodes}
    return recording, found


@cache
def _gradients(program: str) -> dict[str, tuple[tuple[int, int, str], np.ndarray]]:
    """Of a right program, by parameter: the last variable that holds the gradient of the first step."""
    recording, named = _named(program)
    judgement = Judge(recording.tape, recording.executions).judge()
    places = {id(value): place for place, value in named.items()}
    found = {}
    for v in reversed([] if judgement is None else judgement.verdicts):
        kept = [places[id(n.value)] for n, _ in v.found if id(n.value) in places]
        found[v.update.name] = (kept[-1], named[kept[-1]]) if kept else None
    return {} if None in found.values() else found


def is_one_factor(original: str, mutant: str) -> bool:
    """Whether a mutant has all gradients of the first step of a right program, but for one positive factor."""
    named = _named(mutant)[1]
    factors = []
    for place, a in _gradients(original).values():
        b = named.get(place, np.empty(0))
        c = (a * b).sum() / (a * a).sum() if a.shape == b.shape and a.any() else 0.0
        if c <= 0 or np.abs(b - c * a).max() > 1e-6 * np.abs(b).max():
            return False
        factors.append(c)
    return bool(factors) and max(factors) - min(factors) <= 1e-6 * max(factors)


def first_changes(program: str) -> list[np.ndarray] | None:
    """How every parameter changes in its first update, and until its last; None if the program fails."""
    recording = record(ProgramSource(program, "<program>", "program"), 3)
    if recording.error is not None:
        return None
    found = []
    for parameter in parameters(recording.tape, recording.executions):
        first = parameter.used[0].value.astype(float)
        for after in (parameter.after(parameter.used[0]) or parameter.versions[-1], parameter.used[-1]):
            value = after.value
            found.append((value - first if value.shape == first.shape else value).reshape(-1))
    return found


def is_mistake(original: str, mutant: str) -> bool:
    """Whether a mutant runs and changes the first updates by more than one factor for all."""
    with np.errstate(all="ignore"):
        before, after = first_changes(original), first_changes(mutant)
        if not before or not after or not all(np.isfinite(a).all() for a in after):
            return False
        if len(before) != len(after) or any(a.shape != b.shape for a, b in zip(before, after, strict=True)):
            return True
        pairs = zip(before, after, strict=True)
        is_same = all(np.allclose(a, b, rtol=1e-5, atol=1e-9 * np.abs(a).max()) for a, b in pairs)
        if is_same or is_one_factor(original, mutant):
            return False
        factors = []
        for a, b in zip(before[::2], after[::2], strict=True):
            if not a.any():
                if b.any():
                    return True
                continue
            c = (a @ b) / (a @ a)
            if c <= 0 or np.abs(b - c * a).max() > 1e-6 * np.abs(b).max():
                return True
            factors.append(c)
        return max(factors, default=1) - min(factors, default=1) > 1e-6 * max(factors, default=1)
