"""The features of a table: which columns are numbers, which categories, and the matrix x that they make."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minitorch_np.commands.tables import (
    Problems,
    Table,
    is_missing,
    listed,
    numbers,
    parsed,
    texts,
    with_decimal_comma,
)

if TYPE_CHECKING:
    from minitorch_np.arrays import Array

MOST = 50  # categories of a column that nobody has called one


class Feature(NamedTuple):
    """A column: a number, or one of `categories`, which becomes a 1 among 0s."""

    name: str
    categories: list[str] | None = None

    @property
    def width(self) -> int:
        return 1 if self.categories is None else len(self.categories)


def inferred(table: Table, names: Sequence[str], categories: Container[str]) -> list[Feature]:
    """What each of these columns is.

    A column is a number where half of its cells or more are numbers; otherwise, and where it is among
    `categories`, a category. Raises ValueError for columns that no network can learn from, all of
    them at once.
    """
    features, useless = [], []
    for name in names:
        if name in table.unnamed and len(table.unnamed) < len(table.columns):
            useless.append(f"{name!r} has no name in the header; is it an index, as data frames write one?")
            continue
        column = table.columns[name]
        filled = [cell for cell in column if not is_missing(cell)] if column.dtype == object else [*column]
        if not filled:
            useless.append(f"{name!r} is empty in every row")
        elif name not in categories and 2 * np.isfinite(parsed(column)).sum() >= len(filled):
            features.append(Feature(name))
        else:
            cells = texts(table, name, Problems())
            found = sorted({cell for cell in cells if not is_missing(cell)}, key=_order)
            if said := _uselessness(found, len(filled), name in categories):
                useless.append(f"{name!r} {said}")
            features.append(Feature(name, found))
    if useless:
        raise ValueError(
            "\n  ".join([f"{table.source} has columns of no use; --drop NAME leaves one out:", *useless])
        )
    if not features:
        raise ValueError(f"{table.source} has no column to learn from")
    return features


def encoded(table: Table, features: Sequence[Feature], problems: Problems) -> Array:
    """The matrix x (N, sum of the widths) in float64; bad cells go to the problems."""
    x = np.zeros((len(table.lines), sum(feature.width for feature in features)))
    at = 0
    for feature in features:
        if feature.categories is None:
            x[:, at] = numbers(table, feature.name, problems)
        else:
            place = {category: i for i, category in enumerate(feature.categories)}
            for row, cell in enumerate(texts(table, feature.name, problems)):
                if cell in place:
                    x[row, at + place[cell]] = 1
                elif not is_missing(cell):
                    known = listed(feature.categories, 8)
                    problems.cell(table, row, feature.name, f"{cell!r} is none of the categories {known}")
        at += feature.width
    return x


def described(features: Sequence[Feature], x: Array) -> list[str]:
    """Lines that say what the features are, and which are of doubtful use."""
    plain = [feature.name for feature in features if feature.categories is None]
    lines = [f"{len(plain)} of numbers: {listed(plain, 12)}"] * bool(plain)
    for name, categories in features:
        if categories is not None:
            lines.append(f"{name}: a category of {len(categories)}: {listed(categories, 12)}")
    if len(plain) < len(features):
        lines.append(f"a category is a 1 among 0s: {x.shape[1]} inputs in all")
    widths = np.cumsum([0, *(feature.width for feature in features)])[:-1]
    same = [
        feature.name
        for feature, at in zip(features, widths, strict=True)
        if feature.categories is None and (x[:, at] == x[0, at]).all()
    ]
    counting = [
        feature.name
        for feature, at in zip(features, widths, strict=True)
        if feature.categories is None and len(x) > 2 and (np.diff(x[:, at]) == 1).all()
    ]
    if same:
        lines.append(f"the same in all rows, of no use: {listed(same, 12)}")
    if counting:
        lines.append(f"counting the rows, which tells nothing of new ones (--drop?): {listed(counting, 12)}")
    return lines


def _uselessness(categories: list[str], rows: int, forced: bool) -> str:
    """Why a column of texts is of no use, if it is."""
    if not forced and (number := with_decimal_comma(categories)):
        return f"has numbers with a comma, such as {number!r}: --decimal , reads them"
    if len(categories) == 1:
        return f"is {categories[0]!r} in every row"
    if len(categories) == rows:
        return f"has another text in each of the {rows} rows, such as {categories[0]!r}"
    if len(categories) > MOST and not forced:
        return f"has {len(categories)} different texts (--category NAME makes an input of each)"
    return ""


def _order(text: str) -> tuple[float, str]:
    """Numbers by size, then texts."""
    value = float(parsed(np.array([text], dtype=object))[0])
    return (np.inf if np.isnan(value) else value), text
