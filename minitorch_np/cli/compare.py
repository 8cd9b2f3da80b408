"""`minitorch-np compare`: a program written by hand against the layers, and which of its lines is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitorch_np.cli.shared import learning_rate, positive_integer
from minitorch_np.layer import Layer
from minitorch_np.serialization import parse as networks
from minitorch_np.serialization.parse import load
from minitorch_np.study.byhand.reading import Reading, rate_of, read, read_into
from minitorch_np.study.byhand.recording import ProgramSource, Recording, parsed, record
from minitorch_np.study.compare import compare
from minitorch_np.study.handwritten import write

if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands

LOOK = 2  # steps that are recorded to read the network off
FORM = """\
The form of the program, that of the PyTorch tutorials' NumPy warm-up:
  - a training loop, for or while, in the file itself or in a function. It is the first loop that has
    a matrix product in it (@, dot, matmul, einsum; or it calls a function of the file) and updates
    arrays: w1 -= ..., w1 = w1 - ..., or a call with out=w1. One pass through it is a step. Of a loop
    over epochs and one over batches inside it, the inner one is the training loop.
  - NumPy arrays: x (N, in) and y (N, out), a sample a row, or y (N,) for classes; weights (in, out),
    used as x @ w1; biases (out,) or (1, out). float64 or float32, all the same.
  - x, y and the weights are there before the loop; batches may be taken from them in it.
  - every gradient may have a variable of its own, in the loop or in functions of the file. What has
    none is judged by the next array that has.
  - names are free, and so are lists, dicts and attributes: params["W1"], self.W1. An array is
    recognised by its numbers, then by its name (dW1, grad_w1), then by its place.
The file runs as `python FILE` would, and is stopped after the steps; what it prints or shows is
dropped, and input() finds no keyboard. If it defines a function train(x, y, w1, b1, ..., steps,
learning_rate) and does not call it, give the network: then it is called with numbers drawn here.
The exit code is 0 if all bits are the same, 1 if not, 2 if the call or the form is wrong.

examples:
  minitorch-np compare my_network.py
  minitorch-np compare my_network.py "Linear(64, 32), Tanh(), Linear(32, 10)" --loss MSELoss
  minitorch-np compare my_network.py --optimizer "SGD(momentum=0.9)" --lr 0.01 --plot both.png
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "compare",
        help="compare a program written by hand with the layers, and name the line that is wrong",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Run a NumPy program that trains a network with gradients written by hand beside the same\n"
            "network of layers, from the same numbers, and compare every loss, gradient and weight of every\n"
            "step bit by bit. Where they differ, say in which line first, which array of which layer that is,\n"
            "whether it is rounding or another formula, which mistake explains it, and what to write."
        ),
        epilog=FORM,
    )
    command.add_argument("file", type=Path, metavar="FILE.py", help="the program")
    command.add_argument("network", nargs="?", metavar="NETWORK", help="layers (read off the program's arrays)")
    command.add_argument("--loss", metavar="LOSS", help="a loss (the one whose numbers the program has)")
    command.add_argument("--optimizer", default="SGD", metavar="OPTIMIZER", help="an optimizer (SGD)")
    command.add_argument("--lr", type=learning_rate, metavar="X", help="learning rate (the program's)")
    command.add_argument("--steps", type=positive_integer, default=20, metavar="N", help="steps (20)")
    command.add_argument("--activation", metavar="LAYER", help="between the layers (the program's, or ReLU)")
    command.add_argument("--plot", type=Path, metavar="PATH", help="draw both loss curves")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.network and options.activation:
        raise ValueError("--activation is for a network that is read off the program: leave out one of the two")
    if options.plot is not None:
        from minitorch_np.study import plots

        plots.check_path(options.plot)
    source = ProgramSource.of(options.file)
    loss = None if options.loss is None else networks.loss(options.loss)
    program = parsed(source)
    recording = record(source, LOOK) if program.is_called() else None
    rate = options.lr
    if recording is not None:
        reading = _read(recording, options, loss)
        model, loss, x, y = reading.model, reading.loss, reading.x, reading.y
        rate = rate_of(recording, reading) if rate is None else rate
        print(f"read off {source.name}: {reading.said}")
    elif options.network:
        model = networks.network(options.network)
        loss = loss or networks.loss("SquaredLoss")
        drawn = write(model, loss, networks.optimizer(options.optimizer, model.parameters()), seed=0)
        x, y = drawn.arrays["x"], drawn.arrays["y"]
    else:
        function = program.loop.function
        what = function.name if function else "the training loop"
        raise ValueError(
            f"{source.name}: nothing calls {what}: call it at the end of the file, or give the network, as in "
            "'Linear(4, 8), ReLU(), Linear(8, 2)'"
        )
    if rate is None and recording is not None and recording.steps and options.optimizer.startswith("SGD"):
        raise ValueError(f"the learning rate cannot be read off {source.name}: give it with --lr")
    given: dict[str, Any] = {} if rate is None else {"lr": rate}
    optimizer = networks.optimizer(options.optimizer, model.parameters(), **given)
    try:
        found = compare(model, loss, optimizer, x, y, steps=options.steps, against=options.file)
    except (TypeError, RuntimeError) as error:  # x and y that the network cannot take
        raise ValueError(str(error)) from error
    print(found)
    if options.plot is not None:
        plots.save(found.plot(), options.plot)
        print(f"the loss curves are in {options.plot}")
    return 0 if found else 1


def _read(recording: Recording, options: argparse.Namespace, loss: Any) -> Reading:
    """The network of the program, or the one that was given with the program's x and y."""
    if not recording.before:
        line = recording.program.loop.node.lineno
        what = f", line {line}: the training loop was never reached"
        if program_error := recording.program_error:
            what = f", line {program_error.line}: `{program_error.text}`: {program_error}"
        raise ValueError(f"{recording.source.name}{what}")
    if options.network:
        return read_into(recording, networks.network(options.network), loss)
    activation = None if options.activation is None else load(options.activation)
    if activation is not None and not isinstance(activation, Layer):
        raise ValueError(f"--activation expects a layer such as tanh, got {options.activation}")
    return read(recording, activation, loss)
