"""Tables for the tests of train and predict."""

import csv
import os
import re
import subprocess
import sys

import numpy as np

from minitorch_np.cli import main


def flowers(path, rows=120, seed=0, columns=("length", "width", "colour", "kind"), delimiter=","):
    """Three kinds, told apart by two numbers and, mostly, a colour."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    cells = {
        "length": 3.0 * kind + rng.standard_normal(rows) * 0.4,
        "width": 1000 + 50.0 * (kind == 1) + rng.standard_normal(rows),
        "colour": np.array(["red", "deep, blue", "white"])[(kind + (rng.random(rows) < 0.2)) % 3],
        "kind": np.array(["rose", "iris", "lily"])[kind],
        "id": np.array([f"no. {i}" for i in range(rows)]),
    }
    write(path, {name: cells[name] for name in columns}, delimiter)
    return cells


def houses(path, rows=150, seed=0):
    """Prices of houses, in units that no network starts from."""
    rng = np.random.default_rng(seed)
    area, town = rng.uniform(30, 200, rows), rng.integers(0, 2, rows)
    price = 200_000 + 1500.0 * area + 50_000 * town
    write(path, {"area": area, "town": np.array(["A", "B"])[town], "price": price})
    return price


def write(path, columns, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def read(path_or_text):
    """Columns of a CSV file or text, as lists of texts."""
    text = path_or_text if isinstance(path_or_text, str) else path_or_text.read_text(encoding="utf-8")
    names, *rows = csv.reader(text.splitlines())
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def command(capsys, *arguments):
    """Exit code, output and errors."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def result(out):
    """The numbers of the result line by name, and the epoch."""
    line = re.search(r"^(?:validation|training) result.*", out, re.MULTILINE)[0].partition("(")[0]
    found = {
        name: float(value) for name, value in re.findall(r"(loss|accuracy|r2 score|error) (\S+?)[,) ]", line)
    }
    epoch = re.search(r"epoch (\d+)", line)
    return found | ({"epoch": int(epoch[1])} if epoch else {})


def start(*arguments):
    program = [sys.executable, "-m", "minitorch_np", *map(str, arguments)]
    return subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
