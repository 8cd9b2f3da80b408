"""`minitorch-np compare`: is the backward pass of a program right, and if not, which of its lines is wrong?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from minitorch_np.cli.shared import learning_rate, positive_integer, positive_number
from minitorch_np.serialization import parse as networks
from minitorch_np.study.compare import compare, examined_apart
from minitorch_np.study.compare.recording import ProgramSource
from minitorch_np.study.handwritten import write

if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands
    from minitorch_np.study.compare.report import Comparison

FORMS = """\
The truth is the derivative of the program's own forward pass and loss, so no form is asked for: scripts,
functions, classes, dictionaries of parameters; samples as rows or as columns, in batches or one at a time;
any names, learning rates and optimizers; a loss that is printed or, where it is the squared error or the
cross entropy, left unsaid. What it needs: NumPy arrays (or numbers) that are updated, as in
w -= learning_rate * grad_w, in a file that trains when it is run.

The file runs in a process of its own, with your rights, in an empty folder, into which files that it
names and that lie beside it are copied. It is ended after a few updates; what it prints or shows is
dropped, and input() finds no keyboard.

If it is a stack of layers, the same network is trained beside it, and the report says whether all bits
agree. With NETWORK it is compared with that one, loss, optimizer and all; then a function
train(x, y, w1, b1, ..., steps, learning_rate) that nothing calls is called with numbers drawn here, and
the program runs in this process.

The exit code is 0 if the backward pass is right (the same bits, rounding, or right for the multiple of
the loss that is said), 1 if a line is wrong, 2 if it could not be judged or the call is wrong.

examples:
  minitorch-np compare my_network.py
  minitorch-np compare my_network.py --json
  minitorch-np compare my_network.py "Linear(64, 32), Tanh(), Linear(32, 10)" --loss MSELoss --lr 0.01
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "compare",
        help="judge the backward pass of a program written by hand, and name the line that is wrong",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Run a NumPy program that trains with gradients written by hand, differentiate its own forward\n"
            "pass and loss, and hold its gradients and updates against that. Where they differ, say which\n"
            "line is the first wrong one, what is wrong with it, and which line belongs there."
        ),
        epilog=FORMS,
    )
    command.add_argument("file", type=Path, metavar="FILE.py", help="the program")
    command.add_argument("network", nargs="?", metavar="NETWORK", help="layers to compare it with")
    command.add_argument("--loss", metavar="LOSS", help="with NETWORK: a loss (SquaredLoss)")
    command.add_argument("--optimizer", metavar="OPTIMIZER", help="with NETWORK: an optimizer (SGD)")
    command.add_argument("--lr", type=learning_rate, metavar="X", help="with NETWORK: learning rate")
    command.add_argument("--steps", type=positive_integer, default=20, metavar="N", help="steps at most (20)")
    command.add_argument("--timeout", type=positive_number, default=60.0, metavar="S", help="seconds (60)")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--plot", type=Path, metavar="PATH", help="draw both loss curves")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.plot is not None:
        from minitorch_np.study import plots

        plots.check_path(options.plot)
    given = [name for name in ("loss", "optimizer", "lr") if getattr(options, name) is not None]
    if given and not options.network:
        raise ValueError(f"--{given[0]} belongs to a NETWORK, such as 'Linear(4, 8), ReLU(), Linear(8, 2)'")
    found = _against(options) if options.network else _judged(options)
    print(json.dumps(found.as_dict(), indent=2) if options.json else found)
    if options.plot is not None:
        if not found.losses:
            print(
                "there is nothing to draw: no network of layers was trained beside the program", file=sys.stderr
            )
        else:
            written = plots.save(found.plot(), options.plot)
            print(f"the loss curves are in {written}", file=sys.stderr if options.json else sys.stdout)
    return found.exit_code


def _judged(options: argparse.Namespace) -> Comparison:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    source = ProgramSource.of(options.file)
    return examined_apart(source, options.steps, options.timeout, say=say, forks=True)


def _against(options: argparse.Namespace) -> Comparison:
    model = networks.network(options.network)
    loss = networks.loss(options.loss or "SquaredLoss")
    name = options.optimizer or "SGD"
    rate = {} if options.lr is None else {"lr": options.lr}
    optimizer = networks.optimizer(name, model.parameters(), **rate)
    drawn = write(model, loss, optimizer, seed=0)
    try:
        return compare(
            model,
            loss,
            optimizer,
            drawn.arrays["x"],
            drawn.arrays["y"],
            steps=options.steps,
            against=options.file,
        )
    except (TypeError, RuntimeError) as error:  # x and y that the network cannot take
        raise ValueError(str(error)) from error
