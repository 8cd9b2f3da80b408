"""Statements as text: shapes and comments at the ends of the lines, long lines broken inside their brackets."""

from __future__ import annotations

import ast
import io
import tokenize

import numpy as np

from minitorch_np.study.unroll.values import Variable
from minitorch_np.study.unroll.walking import every_block

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
