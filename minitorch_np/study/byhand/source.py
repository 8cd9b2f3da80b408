"""Where a program comes from: a function, or a file."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from minitorch_np.study.byhand.loops import Program


class Source(NamedTuple):
    """Where a program comes from: its text, the file, its name in reports, and what a function can see."""

    text: str
    filename: str
    name: str
    first_line: int = 1
    namespace: Mapping[str, Any] | None = None

    @staticmethod
    def of(against: Any) -> Source:
        """The source of a file or a function. Raises ValueError or TypeError that says what it should be."""
        if isinstance(against, FunctionType):
            return _of_function(against)
        if not isinstance(against, Path | str):
            raise TypeError(f"expected a function or the path of a file, got {against!r}")
        path = Path(against)
        if "\n" in str(against) or not path.is_file():
            name = str(against).partition("\n")[0]
            raise ValueError(
                f"there is no file {name}: a program is given as the path of a .py file, or as a function, "
                "not as text"
            )
        try:
            return Source(path.read_text(encoding="utf-8"), str(path.resolve()), path.name)
        except UnicodeDecodeError:
            raise ValueError(f"{path} is no Python source") from None


def parsed(source: Source) -> Program:
    """The program of a source; ValueError that names the line where it is none."""
    try:
        return Program(source.text, source.filename, source.first_line)
    except SyntaxError as error:
        raise ValueError(
            f"{source.name} line {error.lineno}: {error.msg}: {(error.text or '').strip()}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from None


def _of_function(function: FunctionType) -> Source:
    name = function.__name__
    try:
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function) or f"<{name}>"
    except (OSError, TypeError):
        raise ValueError(
            f"the source of {name} cannot be found: define it in a file, or give the path of that file"
        ) from None
    text = textwrap.dedent("".join(lines))
    if not text.lstrip("@").startswith(("def ", "@")) and "def " not in text:
        raise ValueError(f"expected a function made with def, got {text.strip()!r}")
    start = next(i for i, line in enumerate(text.splitlines()) if line.startswith("def "))  # past decorators
    text = "\n".join(text.splitlines()[start:])
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    seen = {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}
    return Source(text, file, f"{name} in {Path(file).name}", first + start, seen)
