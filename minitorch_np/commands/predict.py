"""`minitorch-np predict`: what a model from `train` says of a new table."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.commands import reading
from minitorch_np.commands.columns import Feature, encoded
from minitorch_np.commands.loading import load_module
from minitorch_np.commands.outputs import check_output, speaker
from minitorch_np.commands.tables import Problems, Table, listed
from minitorch_np.commands.tasks import KEY
from minitorch_np.distributions import softmax
from minitorch_np.files import replaced
from minitorch_np.training import evaluation
from minitorch_np.training.loading import load

if TYPE_CHECKING:
    from minitorch_np.arrays import Array
    from minitorch_np.commands.arguments import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "predict",
        help="predict a column of a new table with a model that `train` has saved",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Write a CSV file with a line for each row of DATA: the class and its probability, or the number.\n"
            "Columns are found by name, in any order; without names (--no-header, arrays) by position, with\n"
            "or without the target. The probability is what the network says, not a frequency that was tested."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np predict model.npz new.csv\n"
            "  minitorch-np predict model.npz new.csv -o predictions.csv --probabilities\n"
            "  minitorch-np predict model.npz x.npy --custom my_layers.py:Swish\n"
        ),
    )
    command.add_argument("model", type=Path, metavar="MODEL.npz", help="a model that train has saved")
    command.add_argument("data", type=Path, metavar="DATA", help="a CSV file, a .npz or a .npy")
    reading.add_options(command)
    command.add_argument(
        "-o", "--output", type=Path, metavar="PATH.csv", help="where predictions go (the standard output)"
    )
    command.add_argument("--probabilities", action="store_true", help="a column for each class as well")
    command.add_argument(
        "--custom",
        action="append",
        default=[],
        metavar="FILE.py:CLASS",
        help="a layer of your own in the model",
    )
    command.add_argument("--quiet", action="store_true", help="print nothing but predictions and errors")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.output is not None:
        check_output(options.output, (options.model, options.data))
    if not options.model.is_file():
        raise ValueError(f"there is no file {options.model}")
    saved = load(options.model, custom=_classes(options.custom))
    if not isinstance(saved.extra, dict) or KEY not in saved.extra:
        raise ValueError(f"{options.model} was not saved by train: it does not say which columns it is for")
    about = saved.extra[KEY]
    problems = Problems()
    table, _ = reading.read(options.data, options, problems, target=None)
    features = [Feature(name, categories) for name, categories in about["features"]]
    table, ignored = _matched(table, features, about, options)
    x = encoded(table, features, problems)
    problems.check(table.source)
    y = evaluation.predict(saved.model, x.astype(_dtype(saved.model)))
    text = _csv(y, about, options.probabilities)
    say = speaker(options.quiet, sys.stderr if options.output is None else None)
    if ignored:
        say(f"ignored, as the model does not use them: {listed(ignored, 20)}")
    if options.output is None:
        sys.stdout.write(text)
        return 0
    with replaced(options.output) as part:
        part.write_text(text, encoding="utf-8", newline="")
    say(f"{len(y)} predictions of {about['target']} are in {options.output}")
    return 0


def _matched(
    table: Table, features: Sequence[Feature], about: dict[str, Any], options: argparse.Namespace
) -> tuple[Table, list[str]]:
    """The table with the model's names, and the columns that it does not use."""
    names = [feature.name for feature in features]
    if options.no_header or table.unit == "row":
        for given in (about["columns"], [name for name in about["columns"] if name != about["target"]], names):
            if len(given) == len(table.columns):
                table = table.renamed(given)
                break
        else:
            raise ValueError(
                f"{table.source} has {len(table.columns)} columns without names, and the model was "
                f"trained with {listed(about['columns'], 20)}: give as many, with or without the target"
            )
    missing = [name for name in names if name not in table.columns]
    if missing:
        fix = ": --no-header?" if missing[0] == "column 1" else ""
        raise ValueError(
            f"{table.source} lacks {'a column' if len(missing) == 1 else 'columns'} that the model needs: "
            f"{listed(missing, 20)}; it has {listed(list(table.columns), 20)}{fix}"
        )
    return table, [name for name in table.columns if name not in names]


def _csv(y: Array, about: dict[str, Any], every: bool) -> str:
    """The predictions as CSV."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    target, classes = about["target"], about["classes"]
    if classes is None:
        if every:
            raise ValueError(f"{target!r} is a number and has no probabilities")
        writer.writerow([target])
        writer.writerows([str(value)] for value in y[:, 0])
        return out.getvalue()
    p = softmax(y, axis=1)  # (N, C)
    best = p.argmax(axis=1)
    writer.writerow([target, "probability", *([f"probability of {name}" for name in classes] if every else [])])
    for row, i in zip(p, best, strict=True):
        writer.writerow([classes[i], f"{row[i]:.6g}", *(f"{value:.6g}" for value in (row if every else []))])
    return out.getvalue()


def _classes(given: Sequence[str]) -> dict[str, type]:
    """Classes of the user's files by name."""
    found = {}
    for text in given:
        source, colon, name = text.rpartition(":")
        module = load_module(source) if colon else None
        if not isinstance(getattr(module, name, None), type):
            raise ValueError(f"--custom expects FILE.py:CLASS, got {text!r}, and there is no such class")
        found[name] = getattr(module, name)
    return found


def _dtype(model: Any) -> np.dtype[Any]:
    return next(iter(model.parameters())).data.dtype
