"""What is to be predicted: one of a few classes, or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.commands.tables import (
    Problems,
    Table,
    is_missing,
    label,
    numbers,
    parsed,
    texts,
    with_decimal_comma,
)

if TYPE_CHECKING:
    from minitorch_np.arrays import Array

MOST = 20  # different whole numbers that are taken for classes


class Target(NamedTuple):
    """The column to predict: an index into `classes` for each row, or a number."""

    name: str
    classes: list[str] | None
    values: Array  # (N,), integers or float64
    why: str


def target(table: Table, name: str, kind: str | None, problems: Problems) -> Target:
    """The target; without a `kind`, "classes" or "numbers", texts and few different whole numbers are classes.

    Few are at most 20, with five rows or more each on average.
    """
    column = table.columns[name]
    values = parsed(column)
    filled = (
        np.array([not is_missing(cell) for cell in column]) if column.dtype == object else np.isfinite(values)
    )
    if not filled.any():
        raise ValueError(f"the target {name!r} is empty in every row")
    given = values[filled]
    numeric = 2 * np.isfinite(given).sum() >= len(given)
    given = given[np.isfinite(given)]
    whole = numeric and bool((given == np.round(given)).all())
    distinct = len(np.unique(given))
    few = distinct <= max(2, min(MOST, len(given) // 5))
    why = (
        ("whole numbers" if whole else "numbers, not all of them whole") + f", {distinct} different ones"
        if numeric
        else "texts"
    )
    if kind == "numbers" or (kind is None and numeric and not (whole and few)):
        found = numbers(table, name, problems)
        if distinct == 1:
            raise ValueError(
                f"the target {name!r} is {label(given[0])} in every row: there is nothing to learn"
            )
        return Target(name, None, found, why if kind is None else "as --numbers says")
    return _classes(table, name, numeric, why if kind is None else "as --classes says", problems)


def _classes(table: Table, name: str, numeric: bool, why: str, problems: Problems) -> Target:
    if numeric:  # 1 and 1.0 are one class, and a text among them is a mistake
        found = numbers(table, name, problems)
        present, index = np.unique(np.where(np.isfinite(found), found, 0), return_inverse=True)
        classes = [label(value) for value in present]
    else:
        cells = texts(table, name, problems)
        classes = sorted({cell for cell in cells if not is_missing(cell)})
        place = {text: i for i, text in enumerate(classes)}
        index = np.array([place.get(cell, 0) for cell in cells])
    if not numeric and (number := with_decimal_comma(classes)):
        raise ValueError(f"the target {name!r} has numbers with a comma, {number!r}: --decimal , reads them")
    if len(classes) == 1:
        raise ValueError(f"the target {name!r} is {classes[0]!r} in every row: there is nothing to learn")
    if len(classes) == len(index):
        raise ValueError(
            f"the target {name!r} is different in each of the {len(index)} rows: those are no classes"
        )
    return Target(name, classes, index.astype(np.int64), why)
