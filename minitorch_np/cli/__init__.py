"""The command `minitorch-np`, also `python -m minitorch_np`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import StringIO, TextIOWrapper

import minitorch_np
from minitorch_np.cli import activations, check, compare, example, explain, handwritten, tutorial
from minitorch_np.cli.shared import Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 if a check failed, 2 for a wrong call."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stdout is None:  # closed by the caller
        sys.stdout = StringIO()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
    parser, commands = build_parser()
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "tutorial")
    if given[0] not in commands and not given[0].startswith("-"):
        from difflib import get_close_matches

        near = get_close_matches(given[0], commands, 1, 0.5)
        fix = f"did you mean {near[0]}?" if near else f"there is {', '.join(commands)}"
        parser.error(f"there is no command {given[0]!r}: {fix}")
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
    for command in (tutorial, explain, handwritten, compare, activations, check, example):
        command.add(commands)
    return parser, list(commands.choices)
