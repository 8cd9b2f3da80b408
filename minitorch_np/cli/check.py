"""`minitorch-np check`: the gradients of a layer or a loss from a file, and what is wrong with them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from minitorch_np._internal.child_process import ChildEndedError, call_apart
from minitorch_np.cli.shared import positive_number, shape, whole_number
from minitorch_np.study.marking import TARGETS, Mark, Options, mark

if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "check",
        help="examine the gradients of a layer, an activation or a loss, and name what is wrong",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Compare every gradient of a layer, an activation or a loss with difference quotients in float64,\n"
            "and if one is wrong, name the mistake that explains it. The exit code is 1 if anything\n"
            "is wrong, 2 if the layer cannot be made, or a gradient cannot be told."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np check my_layers.py:Swish\n"
            "  minitorch-np check 'my_layers.py:Dense(4, 3)' --shape 5,4\n"
            "  minitorch-np check my_losses.py:Hinge --target classes\n"
            "  minitorch-np check gelu                            one that is here\n"
            "The arguments of a class are literals. The file is imported, so its code runs, in a process\n"
            "of its own: what it prints goes to the standard error."
        ),
    )
    command.add_argument("layer", metavar="FILE.py:CLASS", help="a file (or a dotted module) and a class in it")
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
    command.add_argument("--timeout", type=positive_number, default=60.0, metavar="S", help="seconds (60)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    how = Options(
        tuple(options.shape or ()),
        options.target,
        options.like,
        options.seed,
        options.eps,
        options.atol,
        options.rtol,
    )
    if ":" not in options.layer.partition("(")[0]:
        found = mark(options.layer, how)
    else:
        try:
            found = call_apart(mark, options.layer, how, timeout=options.timeout, say=tell, shows_errors=True)
        except ChildEndedError as ended:
            found = Mark(options.layer, "fails", text=f"{options.layer} was not checked to its end: {ended}")
    print(found.text)
    return found.code


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
