"""`minitorch-np train`: a network for a table, from the file to the saved model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.commands import reading, tasks
from minitorch_np.commands.arguments import learning_rate, number, positive_integer, whole_number
from minitorch_np.commands.columns import described, encoded, inferred
from minitorch_np.commands.outputs import check_output, speaker
from minitorch_np.commands.stacks import EXAMPLE, stack
from minitorch_np.commands.tables import Problems, listed
from minitorch_np.commands.targets import target

if TYPE_CHECKING:
    from minitorch_np.arrays import Array
    from minitorch_np.commands.arguments import Commands
    from minitorch_np.commands.columns import Feature
    from minitorch_np.commands.tables import Table
    from minitorch_np.commands.targets import Target

part = number(float, lambda value: 0 <= value < 1, "a part, from 0 to below 1")


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "train",
        help="train a network for a table: a CSV file, or arrays in .npz or .npy",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Train a network to predict one column of a table from the others, and save it with all that\n"
            "`minitorch-np predict` needs. Columns of numbers are standardised, of texts one-hot; a target of\n"
            "texts or of few different whole numbers is classes, any other is numbers. The weights that are\n"
            "kept are those of the epoch with the best validation loss, also after Ctrl-C.\n"
            "The exit code is 1 where training fails, 2 where the table or a choice is wrong."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np train iris.csv --target species\n"
            "  minitorch-np train houses.csv --target price --drop id --layers '128, gelu, 64, gelu'\n"
            "  minitorch-np train digits.npz --target y              arrays x (N, features) and y (N,)\n"
            "  minitorch-np train x.npy --target y.npy -o model.npz\n"
            "then: minitorch-np predict model.npz new.csv\n"
        ),
    )
    command.add_argument("data", type=Path, metavar="DATA", help="a CSV file with a header, a .npz or a .npy")
    command.add_argument("--target", metavar="COLUMN", help="what to predict (of a .npz: y)")
    kind = command.add_mutually_exclusive_group()
    for name in ("classes", "numbers"):
        kind.add_argument(
            f"--{name}",
            dest="kind",
            action="store_const",
            const=name,
            help=f"the target is {name}, whatever it holds",
        )
    command.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="COLUMN",
        help="leave a column out; also a list with commas",
    )
    command.add_argument(
        "--category", action="append", default=[], metavar="COLUMN", help="a column of codes, not of amounts"
    )
    reading.add_options(command)
    command.add_argument(
        "--layers", default=EXAMPLE, metavar="LIST", help=f"hidden layers, sizes and names ({EXAMPLE})"
    )
    command.add_argument(
        "--no-standardize", action="store_true", help="take features, and a target of numbers, as they are"
    )
    command.add_argument("--loss", metavar="LOSS", help="(CrossEntropyLoss for classes, MSELoss for numbers)")
    command.add_argument("--optimizer", default="Adam", metavar="OPTIMIZER", help="an optimizer (Adam)")
    command.add_argument(
        "--lr", type=learning_rate, metavar="X", help="learning rate (the optimizer's own; Adam's is 1e-3)"
    )
    command.add_argument("--batch", type=positive_integer, default=64, metavar="N", help="rows a step (64)")
    command.add_argument("--epochs", type=positive_integer, default=100, metavar="N", help="at most (100)")
    command.add_argument(
        "--patience", type=positive_integer, default=10, metavar="N", help="epochs without a better one (10)"
    )
    command.add_argument(
        "--validation",
        type=part,
        default=0.2,
        metavar="X",
        help="part that is not trained on; 0 for none (0.2)",
    )
    command.add_argument(
        "--ordered", action="store_true", help="validate on the last rows, for what is ordered in time"
    )
    command.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="of split, weights and order of rows (0)"
    )
    command.add_argument(
        "--dtype", choices=["float64", "float32"], default="float64", help="precision (float64)"
    )
    command.add_argument(
        "-o", "--output", type=Path, default=Path("model.npz"), metavar="PATH", help="the model (model.npz)"
    )
    command.add_argument(
        "--plot",
        type=Path,
        default=Path("loss.png"),
        metavar="PATH",
        help="where the loss curve goes (loss.png)",
    )
    command.add_argument("--no-plot", action="store_true", help="draw no picture")
    command.add_argument(
        "--every", type=positive_integer, metavar="N", help="print every Nth epoch (ten lines)"
    )
    command.add_argument("--quiet", action="store_true", help="print nothing but errors")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from minitorch_np.training.failure import NotFiniteError

    say = speaker(options.quiet)
    _check_outputs(options)
    table, goal, features, x = _prepared(options)
    model = stack(
        options.layers,
        x.shape[1],
        1 if goal.classes is None else len(goal.classes),
        standardize=not options.no_standardize,
        seed=options.seed,
    )
    about = {
        "columns": list(table.columns),
        "features": [[feature.name, feature.categories] for feature in features],
        "target": goal.name,
        "classes": goal.classes,
    }
    task = tasks.Task(model.astype(options.dtype), x.astype(options.dtype), goal, options)
    say(f"{table.source}: {len(x)} rows, {len(table.columns)} columns, {table.said}")
    for i, line in enumerate(described(features, x)):
        say(f"{'features: ' if i == 0 else '          '}{line}")
    used = {goal.name, *(feature.name for feature in features)}
    if dropped := [name for name in table.columns if name not in used]:
        say(f"dropped:  {', '.join(dropped)}")
    try:
        history = task.train(say, about)
    except NotFiniteError as error:
        print(f"training failed: {error}", file=sys.stderr)
        return 1
    if not history.epochs:
        print("Ctrl-C before the first epoch was over: nothing is saved", file=sys.stderr)
        raise KeyboardInterrupt
    task.save(options.output, history, about)
    where = f"the model is in {options.output}"
    if not options.no_plot:
        history.plot(options.plot)
        where += f", the loss curve in {options.plot}"
    say(where)
    say(f"to use it: minitorch-np predict {options.output} NEW{options.data.suffix}")
    return 0


def _prepared(options: argparse.Namespace) -> tuple[Table, Target, list[Feature], Array]:
    """The table, its target and features, and the matrix of the features; all that is bad is said at once."""
    problems = Problems()
    wanted = options.target or ("y" if options.data.suffix == ".npz" else None)
    table, name = reading.read(options.data, options, problems, target=wanted)
    if not name:
        what = f"COLUMN, one of {listed(list(table.columns), 20)}"
        if options.data.suffix == ".npy":
            what = "y.npy, the file with the target"
        raise ValueError(f"say what to predict: --target {what}")
    dropped, forced = reading.chosen(table, options.drop), reading.chosen(table, options.category)
    if name in dropped | forced:
        raise ValueError(f"{name!r} is the target: it can be neither dropped nor a category among the features")
    names = [column for column in table.columns if column not in dropped and column != name]
    features = inferred(table, names, forced)
    x = encoded(table, features, problems)
    goal = target(table, name, options.kind, problems)
    problems.check(
        table.source, "correct them, or leave a column out (--drop), or call it a category (--category)"
    )
    with np.errstate(over="ignore"):
        if not np.isfinite(x.astype(options.dtype)).all():
            raise ValueError(f"{table.source} holds numbers beyond {options.dtype}: --dtype float64")
    return table, goal, features, x


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse what would be found out after the training only."""
    if options.output.suffix != ".npz":
        raise ValueError(f"--output should end in .npz, got {options.output}")
    check_output(options.output, (options.data, Path(options.target or "")))
    if not options.no_plot:
        from minitorch_np.study import plots

        plots.check_path(options.plot)
