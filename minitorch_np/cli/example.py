"""`minitorch-np example`: networks that run, by name."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from minitorch_np import examples
from minitorch_np._internal.atomic_write import said_of
from minitorch_np.cli.shared import check_output, whole_number

if TYPE_CHECKING:
    from minitorch_np.cli.shared import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "example",
        help="train a network that is here, to be read and changed",
        description="Train one of the networks in minitorch_np/examples; without a name, list them.",
    )
    command.add_argument("name", nargs="?", metavar="NAME", choices=names(), help=", ".join(names()))
    command.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all numbers (0)")
    command.add_argument("--plot", type=Path, metavar="PATH", help="draw what it says in its file")
    command.set_defaults(run=run)


def names() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(examples.__path__) if not m.name.startswith("_")]


def run(options: argparse.Namespace) -> int:
    modules = {name: importlib.import_module(f"minitorch_np.examples.{name}") for name in names()}
    if options.name is None:
        for name, module in modules.items():
            print(f"{name:11}  {module.__doc__}")
        return 0
    if options.plot is not None:
        check_output(options.plot, [])
    said = None if options.plot is None else said_of(options.plot)
    module = modules[options.name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the picture is in")  # which is said below
        reached = module.run(options.seed, options.plot)
    print(f"{module.MEASURE} {reached:.4f}")
    if said is not None:
        print(f"the picture is in {said}")
    return 0
