"""`minitorch-np explain`: a network forward and back, each formula with the reason for its order."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np import tutorial
from minitorch_np.cli.shared import positive_integer, shape, whole_number
from minitorch_np.serialization import parse as networks
from minitorch_np.serialization.parse import place
from minitorch_np.study.explain import explain
from minitorch_np.study.targets import accepted_target, drawn_input, drawn_targets, fitting_shape

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.cli.shared import Commands
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "explain",
        help="say where every gradient of a network comes from, with shapes, costs and numbers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Send a batch through a network and back, and say for each layer its formula, what it learns,\n"
            "keeps and costs, and for each gradient why it has these transposes and sums. Without a network\n"
            "it is the one of the tutorial, with the tutorial's names and numbers."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np explain --plot explain.png\n"
            "  minitorch-np explain 'Linear(3, 4), ReLU(), Linear(4, 1)' --batch 2 --numbers\n"
            "  minitorch-np explain 'Linear(64, 32), GELU(), Linear(32, 10)' --loss CrossEntropyLoss\n"
            "  minitorch-np explain 'Linear(4, 8), Residual(Sequential(Linear(8, 8), Tanh()))'\n"
            "  minitorch-np explain 'my_layers.py:Dense(4, 3), relu' --shape 5,4\n"
        ),
    )
    command.add_argument(
        "network", nargs="?", metavar="LAYERS", help="layers as in Sequential(…) (the tutorial's network)"
    )
    command.add_argument("--loss", metavar="LOSS", help="what it is trained with (SquaredLoss; none for none)")
    command.add_argument("--batch", type=positive_integer, metavar="N", help="samples (5; the tutorial's 64)")
    command.add_argument(
        "--shape", type=shape, metavar="N,M", help="shape of x (batch and what the first layer asks)"
    )
    command.add_argument("--numbers", action="store_true", help="also the numbers, and one element worked out")
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of data and weights (0)")
    command.add_argument("--plot", type=Path, metavar="PATH", help="also draw it")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.plot is not None:
        from minitorch_np.study import plots

        plots.check_path(options.plot)
    if options.shape and options.batch:
        raise ValueError("--shape has the batch in it: give it or --batch")
    loss = None if options.loss == "none" else networks.loss(options.loss or "SquaredLoss")
    try:
        model, x, targets = subject(options)
        y = None if loss is None else target(loss, copy.deepcopy(model)(x), targets, options.seed)
        given = (x,) if loss is None else (loss, x, y)
        explanation = explain(model, *given, numbers=options.numbers)
    except ValueError:
        raise
    except (Exception, SystemExit) as error:  # of a layer from a file
        raise ValueError(f"the network fails: {place(error)}") from error
    print(explanation)
    if options.plot is not None:
        print(f"\nthe picture is in {plots.save(explanation.plot(), options.plot)}")
    return 0


def subject(options: argparse.Namespace) -> tuple[Layer, Array, list[Array]]:
    """The network, a batch for it, and targets that come with it."""
    if options.network is None and options.shape is None:
        start = tutorial.problem(options.batch or 64, seed=options.seed)
        return tutorial.network(start.w1, start.w2), start.x, [start.y]
    model = networks.network(options.network or networks.TUTORIAL, rng=options.seed)
    batch = options.batch or 5
    size = options.shape or fitting_shape(model, batch)
    return model, drawn_input(model, size, np.random.default_rng(options.seed)), []


def target(loss: Loss, prediction: Array, given: list[Array], seed: int) -> Any:
    """Return the first target that the loss accepts, of those given and some that are drawn."""
    targets = {f"given {i}": array for i, array in enumerate(given)}
    targets |= drawn_targets(prediction, np.random.default_rng((seed, 1)))  # x is drawn with the seed itself
    try:
        return targets[accepted_target(loss, prediction, targets)]
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{loss!r} accepts no target that could be drawn for it: {error}") from None
