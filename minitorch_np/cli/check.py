"""`minitorch-np check`: the gradients of a layer or a loss from a file, and what is wrong with them."""

from __future__ import annotations

import argparse
import csv
import glob
import json
import os
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitorch_np._internal.child_process import ChildEndedError, call_apart, each_apart
from minitorch_np._internal.reprs import text_table
from minitorch_np.cli.shared import positive_number, shape, whole_number
from minitorch_np.study.marking import TARGETS, Mark, Options, mark

if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands


ALONE, EACH = 60.0, 8.0  # seconds


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "check",
        help="examine the gradients of a layer, an activation or a loss, and name what is wrong",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Compare every gradient of a layer, an activation or a loss with difference quotients in float64,\n"
            "and if one is wrong, name the mistake that explains it. The exit code is 1 if anything\n"
            "is wrong, 2 if the layer cannot be made, or a gradient cannot be told.\n"
            "Of many hand-ins it makes a table."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np check my_layers.py:Swish\n"
            "  minitorch-np check 'my_layers.py:Dense(4, 3)' --shape 5,4\n"
            "  minitorch-np check my_losses.py:Hinge --target classes\n"
            "  minitorch-np check gelu                            one that is here\n"
            "  minitorch-np check 'relu.py:Relu' --like ReLU\n"
            "  minitorch-np check 'dense.py:Affine(W=(4, 3), b=(3,))'\n"
            "  minitorch-np check 'layers.py:affine_forward(x=(4, 3), w=(3, 5), b=(5,))'\n"
            "  minitorch-np check 'handins/*.py:Dense(4, 3)' --csv\n"
            "A class is one of this package, or any with forward and backward, its gradients in dW, grads\n"
            "or the like. Of a function, affine_forward, the backward is found by its name. Arguments are\n"
            "literals; for a weight, or an argument of a function, a tuple is the size of an array of normal\n"
            "numbers, a list its numbers, integers(9, (2, 5)) are indices below 9. The file is imported, so\n"
            "its code runs, in a process of its own: what it prints goes to the standard error. Of several\n"
            "files, with * or a folder, each has a row, with points for each gradient and for forward."
        ),
    )
    command.add_argument(
        "layer", metavar="FILE.py:NAME", help="a file (or a dotted module), and a class or function"
    )
    command.add_argument(
        "--shape",
        type=shape,
        action="append",
        metavar="N,M",
        help="shape of x (5,4, or what in_features asks); once for each of several inputs",
    )
    command.add_argument(
        "--like", metavar="NAME", help="compare forward too, with a layer or loss here or in torch: ReLU"
    )
    command.add_argument(
        "--target", choices=TARGETS, help="of a loss: what it compares with (the first that it accepts)"
    )
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all numbers (0)")
    command.add_argument("--eps", type=positive_number, default=1e-6, metavar="X", help="step (1e-6)")
    command.add_argument("--atol", type=positive_number, default=1e-5, metavar="X", help="absolute (1e-5)")
    command.add_argument("--rtol", type=positive_number, default=1e-3, metavar="X", help="relative (1e-3)")
    command.add_argument(
        "--timeout",
        type=positive_number,
        metavar="S",
        help=f"seconds ({ALONE:g}, of several files {EACH:g} each)",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print verdicts, points and causes as JSON")
    form.add_argument("--csv", action="store_true", help="or as a table for a spreadsheet")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    how = Options(
        shapes=tuple(options.shape or ()),
        target=options.target,
        like=options.like,
        seed=options.seed,
        eps=options.eps,
        atol=options.atol,
        rtol=options.rtol,
    )
    file, colon, call = files_and_call(options.layer)
    if colon and (glob.has_magic(file) or Path(file).is_dir()):
        return run_on_all(file, call, how, options)
    found = mark(options.layer, how) if not colon else _marked(options.layer, how, options.timeout or ALONE)
    if options.json or options.csv:
        print(_as_json([(file, found)]) if options.json else _as_csv([(file, found)]), end="")
    else:
        print(found.text)
    return found.code


def files_and_call(text: str) -> tuple[str, str, str]:
    """`FILE.py:Dense(4, 3)` as the file, the colon and the call; a name alone is a call."""
    name = text.partition("(")[0]
    file, colon, _ = name.rpartition(":")
    return file, colon, text[len(file) + len(colon) :]


def _marked(call: str, how: Options, timeout: float) -> Mark:
    try:
        found: Mark = call_apart(mark, call, how, timeout=timeout, say=tell, shows_errors=True)
    except ChildEndedError as ended:
        found = Mark(call, "fails", cause=str(ended), text=f"{call} was not checked to its end: {ended}")
    return found


def run_on_all(pattern: str, call: str, how: Options, options: argparse.Namespace) -> int:
    """Print a row for each of the files; whatever one of them does, the others have theirs."""
    given = Path(pattern)
    found = given.glob("*.py") if given.is_dir() else map(Path, glob.glob(pattern, recursive=True))
    paths = sorted(path for path in found if path.is_file() and path.suffix == ".py")
    if not paths:
        raise ValueError(f"there is no file {pattern}")
    calls = [(f"{path}:{call}", how._replace(seconds=0.3)) for path in paths]
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    answers = each_apart(mark, calls, timeout=options.timeout or EACH, workers=workers)
    marks = [
        answer if isinstance(answer, Mark) else Mark(call, "fails", cause=str(answer).removeprefix(f"{path} "))
        for path, answer in zip(paths, answers, strict=True)
    ]
    base = os.path.commonpath([path.parent for path in paths])
    rows = [(os.path.relpath(path, base or "."), found) for path, found in zip(paths, marks, strict=True)]
    if options.json or options.csv:
        print(_as_json(rows) if options.json else _as_csv(rows), end="")
    else:
        print(_as_table(call, rows))
    return int(any(found.code for found in marks))


def _of(rows: list[tuple[str, Mark]]) -> int:
    """The most points that one can have."""
    return 1 + max(len(found.gradients) for _, found in rows)


def _parts(rows: list[tuple[str, Mark]]) -> list[str]:
    """The names of all gradients, in the order in which they come."""
    return list(dict.fromkeys(name for _, found in rows for name in found.gradients))


def _cells(found: Mark, names: list[str]) -> dict[str, str]:
    return {"forward": found.forward} | {name: found.gradients.get(name, "") for name in names}


def _as_table(call: str, rows: list[tuple[str, Mark]]) -> str:
    names = _parts(rows)
    sign = {"right": "1", "wrong": "0", "fails": "0", "": "-"}
    lines = [
        [
            file,
            found.verdict,
            f"{found.points}/{_of(rows)}",
            *(sign.get(c, c) for c in _cells(found, names).values()),
        ]
        for file, found in rows
    ]
    table = text_table([call, "verdict", "points", "forward", *names], lines).splitlines()
    width = max(map(len, table)) + 2
    causes = ["cause", *(found.cause for _, found in rows)]
    full = "\n".join(f"{line:{width}}{cause}".rstrip() for line, cause in zip(table, causes, strict=True))
    right = sum(found.verdict == "right" for _, found in rows)
    return f"{full}\n{right} of {len(rows)} are right"


def _records(rows: list[tuple[str, Mark]]) -> list[dict[str, Any]]:
    return [
        {
            "file": file,
            "verdict": found.verdict,
            "points": found.points,
            "of": _of(rows),
            "forward": found.forward,
            "gradients": found.gradients,
            "cause": found.cause,
        }
        for file, found in rows
    ]


def _as_json(rows: list[tuple[str, Mark]]) -> str:
    return json.dumps(_records(rows), indent=2, ensure_ascii=False) + "\n"


def _as_csv(rows: list[tuple[str, Mark]]) -> str:
    names = _parts(rows)
    text = StringIO()
    fields = ["file", "verdict", "points", "of", "forward", *(f"gradient of {name}" for name in names), "cause"]
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for record in _records(rows):
        gradients = record.pop("gradients")
        writer.writerow(record | {f"gradient of {name}": gradients.get(name, "") for name in names})
    return text.getvalue()


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
