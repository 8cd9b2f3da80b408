"""`minitorch-np check`: the gradients of a layer or a loss from a file, and what is wrong with them."""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.child_process import ChildEndedError, call_apart
from minitorch_np.cli.shared import positive_number, shape, whole_number
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.serialization.parse import load, place
from minitorch_np.study.gradcheck import diagnose
from minitorch_np.study.targets import accepted_target, drawn_input, drawn_targets, usual_shape

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
        "--shape", type=shape, metavar="N,M", help="shape of x (5,4, or what in_features asks)"
    )
    command.add_argument(
        "--target", choices=list(TARGETS), help="of a loss: what it compares with (the first that it accepts)"
    )
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all numbers (0)")
    command.add_argument("--eps", type=positive_number, default=1e-6, metavar="X", help="step (1e-6)")
    command.add_argument("--atol", type=positive_number, default=1e-5, metavar="X", help="absolute (1e-5)")
    command.add_argument("--rtol", type=positive_number, default=1e-3, metavar="X", help="relative (1e-3)")
    command.add_argument("--timeout", type=positive_number, default=60.0, metavar="S", help="seconds (60)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if ":" not in options.layer.partition("(")[0]:
        text, code = checked(options)
    else:
        del options.run  # of the parser, which a child process does not need
        try:
            text, code = call_apart(checked, options, timeout=options.timeout, say=tell, shows_errors=True)
        except ChildEndedError as ended:
            text, code = f"{options.layer} was not checked to its end: {ended}", 1
    print(text)
    return code


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def checked(options: argparse.Namespace) -> tuple[str, int]:
    """Return the report on a layer or a loss, and the exit code."""
    subject = load(options.layer)
    lines = []
    try:
        inputs, said = example(subject, options)
        lines.append(f"{subject!r}, {said}")
        found = diagnose(
            subject, *inputs, eps=options.eps, atol=options.atol, rtol=options.rtol, rng=options.seed
        )
    except (Exception, SystemExit) as error:
        return "\n".join([*lines, f"{subject!r} fails: {place(error)}"]), 1
    for name, worst in found.errors.items():
        wrong = any(finding.name == name for finding in found.findings)
        if name in found.unjudged and not wrong:
            lines.append(f"  ?      {name}, cannot be told from difference quotients")
            continue
        lines.append(
            f"  {'WRONG' if wrong else 'right':5}  {name}, largest error {worst:.1e} of the largest slope"
        )
    lines.append(str(found))
    if isinstance(subject, Layer):
        lines += [f"  also: {remark}" for remark in remarks(subject, inputs[0])]
    return "\n".join(lines), 1 if not found else 2 if found.unjudged else 0


TARGETS = ("normal", "classes", "probabilities")


def example(subject: Any, options: argparse.Namespace) -> tuple[tuple[Any, ...], str]:
    """Return inputs that the subject accepts, and a text that says what they are."""
    rng = np.random.default_rng(options.seed)
    usual = usual_shape(subject, 5) if isinstance(subject, Layer) else None
    size = options.shape or usual or (5, 4)
    x = drawn_input(subject, size, rng)
    if not isinstance(subject, Loss):
        return (x,), f"x of shape {size}, {'normal' if x.dtype.kind == 'f' else 'indices'}"
    refused: Exception | None = None
    for kind, prediction in (("normal", x), ("probabilities", drawn_targets(x, rng)["probabilities"])):
        drawn = drawn_targets(x, rng)
        wanted = {options.target: drawn[options.target]} if options.target else drawn
        try:
            found = accepted_target(subject, prediction, wanted)
        except (TypeError, ValueError, IndexError) as error:
            refused = refused or error
        else:
            return (prediction, drawn[found]), f"prediction of shape {size}, {kind}; target: {found}"
    raise refused or ValueError(f"{subject!r} accepts no target")


def remarks(layer: Layer, x: Any) -> list[str]:
    """What else a layer should do and does not."""
    found = []

    def attempt(what: str, x: Any, made: Layer) -> Any:
        try:
            with warnings.catch_warnings(action="ignore"):
                y = made(x)
                made.backward(y)
        except (Exception, SystemExit) as error:
            found.append(f"{what}: {place(error)}")
            return None
        return y

    if x.ndim > 1:
        attempt("a batch of one fails", x[:1], copy.deepcopy(layer))
        attempt("an empty batch fails", x[:0], copy.deepcopy(layer))
    single = x.astype("float32") if x.dtype.kind == "f" else x
    y = attempt("float32 fails", single, copy.deepcopy(layer).astype("float32"))
    if y is not None and y.dtype != np.float32:
        found.append(f"float32 becomes {y.dtype}: are its constants Python numbers?")
    try:
        copy.deepcopy(layer).backward(np.zeros_like(x))
        found.append(
            "backward without a forward is not an error: save_for_backward(...) and saved(dy) make it one"
        )
    except (Exception, SystemExit):
        pass
    return found
