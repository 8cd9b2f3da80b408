"""`minitorch-np tutorial`: the tutorial network layer by layer and by hand, compared to the bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import numpy as np

from minitorch_np import tutorial
from minitorch_np.cli.shared import Parser, learning_rate, positive_integer, whole_number
from minitorch_np.study import machine
from minitorch_np.study.bits import equal_bits, first_difference

XLABEL = "train num"  # as the tutorial's readers have it
TURN = 10  # steps that each program trains before the other goes on


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    command = commands.add_parser(
        "tutorial",
        help="train the tutorial network layer by layer and by hand, and compare the bits",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Train the two-layer network of the PyTorch tutorials twice from the same numbers, layer by layer\n"
            "and by hand, and compare every loss, the last gradients and the final weights bit for bit.\n"
            "The exit code is 1 if anything differs."
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
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
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
    print(f"the loss curve is in {plots.save(plots.draw_losses(curves, xlabel=XLABEL), options.plot)}")
    if options.show:
        plots.show(lambda figure: plots.draw_losses(curves, figure, xlabel=XLABEL))
