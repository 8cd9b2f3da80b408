"""`minitorch-np activations`: what difference an activation makes, as functions and as loss curves."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from minitorch_np import tutorial
from minitorch_np.cli.shared import learning_rate, positive_integer, whole_number
from minitorch_np.layers.activation import Activation
from minitorch_np.serialization.parse import load

SLOW = 0.01  # of the first loss

COMMON = "ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, Tanh, Sigmoid"
MORE = "SELU, CELU, Mish, ReLU6, Hardtanh, Hardswish, Hardsigmoid, LogSigmoid, Softsign, Tanhshrink, "
MORE += "Softshrink, Hardshrink, Identity"


if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "activations",
        help="train the tutorial's network with one activation after the other, and draw the difference",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Train a network of the tutorial's shape once for each activation, from the same weights and\n"
            "data, and draw two pictures: the functions with their derivatives, and all loss curves. The\n"
            "weights are torch's default ones and there are biases, so that every activation can learn."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np activations\n"
            "  minitorch-np activations --only relu,tanh,my_layers.py:Swish\n"
            "  minitorch-np activations --only 'leaky_relu(0.2), hardtanh(-2, 2)'\n"
            "  minitorch-np activations --only all\n"
        ),
    )
    command.add_argument(
        "--only", default=COMMON, metavar="LIST", help=f"names, files with a class, or all ({COMMON})"
    )
    command.add_argument(
        "--steps", type=positive_integer, default=300, metavar="N", help="gradient steps (300)"
    )
    command.add_argument("--lr", type=learning_rate, default=1e-4, metavar="X", help="learning rate (1e-4)")
    command.add_argument("--batch", type=positive_integer, default=64, metavar="N", help="samples (64)")
    command.add_argument("--hidden", type=positive_integer, default=100, metavar="N", help="hidden units (100)")
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of data and weights (0)")
    for name, what in (("functions", "functions and derivatives"), ("losses", "loss curves")):
        default = Path(f"activation_{name}.png")
        command.add_argument(
            f"--{name}", type=Path, default=default, metavar="PATH", help=f"where the {what} go ({default})"
        )
    command.add_argument("--no-plot", action="store_true", help="draw no pictures")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    activations = chosen(options.only)
    if not options.no_plot:
        from minitorch_np.study import plots

        plots.check_path(options.functions)
        plots.check_path(options.losses)
    start = tutorial.problem(options.batch, options.hidden, seed=options.seed)
    print(f"1000-{options.hidden}-10, {options.batch} samples, SGD with lr={options.lr}, seed {options.seed}")
    width = max(map(len, activations))
    print(f"{'activation':{width}}  first loss  loss after {options.steps} steps")
    curves = {}
    for name, activation in activations.items():
        losses = tutorial.losses_with(
            activation, start, steps=options.steps, learning_rate=options.lr, seed=options.seed
        )
        curves[name] = losses
        print(f"{name:{width}}  {losses[0]:10.4g}  {losses[-1]:.4g}", flush=True)
    slow = [name for name, losses in curves.items() if losses[-1] > SLOW * losses[0]]
    if slow:
        print(
            f"still above {SLOW:.0%} of the first loss: {', '.join(slow)}; one learning rate does not suit all "
            "activations: try more --steps, or another --lr"
        )
    if not options.no_plot:
        functions = plots.save(plots.draw_functions(activations), options.functions)
        print(
            f"the functions are in {functions}, "
            f"the loss curves in {plots.save(plots.draw_losses(curves), options.losses)}"
        )
    return 0


def chosen(text: str) -> dict[str, Activation]:
    """The activations of a list such as `relu, hardtanh(-2, 2), my_layers.py:Swish`, by name."""
    if text.strip().lower() == "all":
        text = f"{COMMON}, {MORE}"
    activations = {}
    for part in re.split(r",(?![^(]*\))", text):
        activation = load(part.strip())
        if not isinstance(activation, Activation):
            raise ValueError(
                f"{part.strip()} is not an Activation: it has to be elementwise, a function and its derivative"
            )
        called = getattr(activation, "called", "")  # of Activation.of
        name = called if called.isidentifier() and called not in activations else repr(activation)
        activations[name.removesuffix("()")] = activation
    return activations
