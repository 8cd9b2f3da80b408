"""The figure that all pictures are drawn in, and how it is written to a file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from minitorch_np._internal.atomic_write import check_writable, replaced, said_of
from minitorch_np._internal.notebook import png

FORMATS = ("png", "svg", "pdf", "jpg")


class Picture(Figure):
    """A figure that a notebook shows as the last line of a cell, without `%matplotlib inline` too."""

    def _repr_png_(self) -> bytes:
        return png(self)


def check_path(path: Path) -> None:
    """Raise ValueError if a picture cannot be written to `path`."""
    if path.suffix[1:].lower() not in FORMATS:
        raise ValueError(f"{path} should end in one of .{', .'.join(FORMATS)}")
    check_writable(path)


def save(figure: Figure, path: Path) -> str:
    """Write the picture beside `path` and rename it, so that there is never half a picture.

    Returns what `said_of` says of the path as it was before.
    """
    said = said_of(path)
    with replaced(path) as part:
        figure.savefig(part, format=path.suffix[1:].lower() or "png", dpi=150)
    return said


def plotted(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Return the figure, written to `path` if there is one; a warning says if another was there."""
    if path is None:
        return figure
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"plot expects the path of a file first, got {type(path).__name__}: a figure goes into figure="
        )
    check_writable(Path(path))
    said = save(figure, Path(path))
    if said != str(Path(path)):
        warnings.warn(f"the picture is in {said}", UserWarning, stacklevel=3)
    return figure
