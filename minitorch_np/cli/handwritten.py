"""`minitorch-np handwritten`: the plain NumPy program that one would have written for a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from minitorch_np._internal.atomic_write import check_writable, replaced
from minitorch_np.cli.shared import learning_rate, positive_integer, shape, whole_number
from minitorch_np.serialization import parse as networks
from minitorch_np.serialization.load import load
from minitorch_np.study.handwritten import handwritten, write

if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "handwritten",
        help="print the plain NumPy program that trains a network: what one would have written by hand",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Print the program that trains a network in plain NumPy: forward, every gradient and the update\n"
            "in view, derived from the layers' own source. Its first steps are compared with the layers' to\n"
            "the bit before it is printed. Without NETWORK: the tutorial's."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np handwritten\n"
            '  minitorch-np handwritten "Linear(64, 32), GELU(), Linear(32, 10)" --loss CrossEntropyLoss \\\n'
            "      --optimizer Adam -o network.py\n"
            '  minitorch-np handwritten "Linear(4, 3), my_layers.py:Swish" --optimizer "SGD(momentum=0.9)"\n'
            "  minitorch-np handwritten net.npz --forward -o net.py && python net.py x.npy\n"
            "Layers are names or calls with literal arguments; nothing else in the text is evaluated."
        ),
    )
    command.add_argument(
        "network",
        nargs="?",
        metavar="NETWORK",
        help="layers, separated by commas; with --forward also FILE.npz",
    )
    command.add_argument(
        "--forward",
        action="store_true",
        help="the forward pass alone, a function that predicts, with the weights",
    )
    command.add_argument("--loss", default="SquaredLoss", metavar="LOSS", help="a loss (SquaredLoss)")
    command.add_argument("--optimizer", default="SGD", metavar="OPTIMIZER", help="an optimizer (SGD)")
    command.add_argument(
        "--lr", type=learning_rate, metavar="X", help="learning rate (the optimizer's; the tutorial's 1e-6)"
    )
    command.add_argument(
        "--shape", type=shape, metavar="N,M", help="shape of x (the batch and what the first layer asks)"
    )
    command.add_argument("--batch", type=positive_integer, default=64, metavar="N", help="samples (64)")
    command.add_argument("--steps", type=positive_integer, default=500, metavar="N", help="steps (500)")
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of data and weights (0)")
    command.add_argument(
        "--dtype", choices=["float64", "float32"], default="float64", help="precision (float64)"
    )
    command.add_argument(
        "--data",
        choices=["seed", "embed", "npz"],
        help="where the arrays come from: drawn, in the text, or in a file beside it (seed; --forward: embed)",
    )
    command.add_argument("-o", "--output", type=Path, metavar="FILE.py", help="write it to a file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.output is not None:
        if options.output.suffix != ".py":
            raise ValueError(f"--output should end in .py, got {options.output}")
        check_writable(options.output)
    elif options.data == "npz":
        raise ValueError("--data npz needs --output FILE.py: the arrays go beside it")
    _write(_predictor(options) if options.forward else _training(options), options.output)
    return 0


def _predictor(options: argparse.Namespace) -> str:
    """The forward pass of a network that was saved, or of a new one."""
    if _is_saved(options.network):
        model = load(options.network).model
    else:
        model = networks.network(options.network or networks.TUTORIAL, rng=options.seed).astype(options.dtype)
    given = {"data": options.data, "seed": options.seed, "batch": options.batch, "path": options.output}
    return handwritten(model, x=options.shape, train=False, **given)


def _is_saved(network: str | None) -> bool:
    return network is not None and network.endswith(".npz")


def _training(options: argparse.Namespace) -> str:
    """The program that trains a new network."""
    if _is_saved(options.network):
        raise ValueError(f"{options.network} is a saved network: --forward writes what it predicts")
    model = networks.network(options.network or networks.TUTORIAL, rng=options.seed).astype(options.dtype)
    loss = networks.loss(options.loss)
    rate = options.lr if options.lr is not None or options.network else 1e-6
    optimizer = networks.optimizer(
        options.optimizer, model.parameters(), **({} if rate is None else {"lr": rate})
    )
    drawn = write(
        model, loss, optimizer, options.shape, seed=options.seed, steps=options.steps, batch=options.batch
    )
    if options.data in (None, "seed"):
        return drawn.text
    for parameter, array in zip(model.parameters(), list(drawn.arrays.values())[2:], strict=False):
        parameter.data = array
    x, y = drawn.arrays["x"], drawn.arrays["y"]
    given = {"data": options.data, "steps": options.steps, "path": options.output}
    return handwritten(model, loss, optimizer, x, y, **given)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="")
        return
    with replaced(output) as part:
        part.write_text(text, encoding="utf-8")
    print(f"the program is in {output}: python {output}")
