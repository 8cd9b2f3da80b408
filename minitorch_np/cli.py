"""The command `minitorch-np`, also `python -m minitorch_np`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from io import StringIO, TextIOWrapper
from pathlib import Path
from statistics import median
from typing import NoReturn

import numpy as np

import minitorch_np
from minitorch_np import tutorial
from minitorch_np.study import machine
from minitorch_np.study.bits import equal_bits, first_difference

TURN = 10  # steps that each program trains before the other goes on


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 where a check failed, 2 for a wrong call."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stdout is None:  # closed by the caller
        sys.stdout = StringIO()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
    parser, commands = build_parser()
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "tutorial")
    if given[0] not in commands and not given[0].startswith("-"):
        parser.error(f"there is no command {given[0]!r}; there is {', '.join(commands)}")
    try:
        options = parser.parse_args(given)
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        discard_output()
        return 141  # what a shell reports for SIGPIPE
    except (ValueError, OSError, MemoryError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            discard_output()
        return 2 if isinstance(error, ValueError) else 1


def discard_output() -> None:
    """Let what could not be written go nowhere, so that the interpreter does not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> tuple[Parser, list[str]]:
    parser = Parser(
        prog="minitorch-np",
        description="A layered mini deep-learning framework on NumPy. Also: python -m minitorch_np.",
        epilog="Without a command: tutorial, with its options. minitorch-np COMMAND --help explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"minitorch-np {minitorch_np.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser, required=True)
    add_tutorial(commands)
    return parser, list(commands.choices)


def add_tutorial(commands: argparse._SubParsersAction[Parser]) -> None:
    command = commands.add_parser(
        "tutorial",
        help="train the tutorial network layer by layer and by hand, and compare the bits",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Train the two-layer network of the PyTorch tutorials twice from the same numbers, layer by layer\n"
            "and by hand, and compare every loss, the last gradients and the final weights bit for bit.\n"
            "The exit code is 1 where anything differs."
        ),
        epilog=(
            "examples:\n"
            "  minitorch-np                                    500 steps, the picture in loss.png\n"
            "  minitorch-np --steps 50 --every 1 --no-plot     every loss\n"
            "  minitorch-np --dtype float32 --batch 1 --plot one.svg\n"
        ),
    )
    command.add_argument(
        "--steps", type=positive_integer, default=500, metavar="N", help="gradient steps (500)"
    )
    command.add_argument("--lr", type=learning_rate, default=1e-6, metavar="X", help="learning rate (1e-6)")
    command.add_argument("--batch", type=positive_integer, default=64, metavar="N", help="samples (64)")
    command.add_argument("--hidden", type=positive_integer, default=100, metavar="N", help="hidden units (100)")
    command.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="seed of data and weights (0)"
    )
    command.add_argument(
        "--dtype", choices=["float64", "float32"], default="float64", help="precision (float64)"
    )
    command.add_argument(
        "--every", type=positive_integer, metavar="N", help="print every Nth loss (about ten lines)"
    )
    command.add_argument(
        "--plot",
        type=Path,
        default=Path("loss.png"),
        metavar="PATH",
        help="where the loss curve goes (loss.png)",
    )
    command.add_argument("--no-plot", action="store_true", help="draw no picture")
    command.add_argument("--show", action="store_true", help="also show the picture in a window")
    command.set_defaults(run=run_tutorial)


def run_tutorial(options: argparse.Namespace) -> int:
    if options.no_plot and options.show:
        raise ValueError("--show needs the picture that --no-plot leaves out")
    if not options.no_plot:
        from minitorch_np.study import plots

        plots.check_path(options.plot)
    start = tutorial.problem(options.batch, options.hidden, seed=options.seed, dtype=options.dtype)
    runs = tutorial.SideBySide(start, options.lr)
    every = options.every or max(1, options.steps // 10)
    print(runs.model)
    print(f"{runs.loss}, SGD with lr={options.lr}, {options.batch} samples, seed {options.seed}\n\nstep loss")
    with np.errstate(over="ignore", invalid="ignore"):
        while (done := len(runs.losses)) < options.steps:
            runs.advance(min(TURN, options.steps - done))
            for step in range(done, len(runs.losses)):
                if step % every == 0 or step == options.steps - 1:
                    print(step, runs.losses[step], flush=True)
    same = print_verdict(runs)
    if not options.no_plot:
        draw(runs, options)
    return 0 if same else 1


def print_verdict(runs: tutorial.SideBySide) -> bool:
    """Print what is equal, where the first difference is, and the times; returns whether all is equal."""
    not_finite = [step for step, loss in enumerate(runs.losses) if not np.isfinite(loss)]
    if not_finite:
        print(
            f"\nthe loss is not finite from step {not_finite[0]} on: "
            f"try a smaller --lr than {runs.learning_rate}"
        )
    print("\nidentical to the bit, layered and handwritten:")
    first = None
    for what, arrays in runs.arrays().items():
        equal = sum(equal_bits(ours, theirs) for _, ours, theirs in arrays)
        total = sum(ours.size for _, ours, _ in arrays)
        print(f"  {equal} of {total} {'losses' if what == 'losses' else f'numbers in the {what}'}")
        for name, ours, theirs in arrays:
            if first is None and (difference := first_difference(ours, theirs)):
                first = f"the first difference is in {name} {difference}"
    if first:
        print(f"DIFFERENT: {first}")
    print(f"on {machine.description()}, {runs.x.dtype}")
    layered, handwritten = 1e3 * median(runs.times), 1e3 * median(runs.handwritten_times)
    ratio = layered / handwritten
    print(f"time a step: layered {layered:.3f} ms, handwritten {handwritten:.3f} ms, ratio {ratio:.2f}")
    return first is None


def draw(runs: tutorial.SideBySide, options: argparse.Namespace) -> None:
    from minitorch_np.study import plots

    curves = {"handwritten": runs.handwritten_losses, "layer by layer": runs.losses}
    plots.save(plots.draw_losses(curves), options.plot)
    print(f"the loss curve is in {options.plot}")
    if options.show:
        plots.show(lambda figure: plots.draw_losses(curves, figure))


def number(
    convert: Callable[[str], float], accept: Callable[[float], bool], wanted: str
) -> Callable[[str], float]:
    """A converter for argparse that names what it wants."""

    def converted(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = float("nan")
        if not accept(value):
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
        return value

    return converted


positive_integer = number(int, lambda value: value >= 1, "a whole number, 1 or more")
whole_number = number(int, lambda value: value >= 0, "a whole number, 0 or more")
learning_rate = number(float, lambda value: 0 <= value < float("inf"), "a number, 0 or more")
