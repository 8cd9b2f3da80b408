"""Progress of a training on the screen: a line for each epoch, with tqdm on a terminal a bar too."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter
from typing import Any

HIDDEN = ("lr", "seconds")


class Progress:
    """Prints every `verbose`-th epoch to the standard output, and the last one; nothing with 0."""

    def __init__(self, verbose: int, first: int, epochs: int) -> None:
        self.verbose, self.first, self.epochs = verbose, first, epochs
        self.begin = perf_counter()
        self.bar = _tqdm() if verbose and sys.stdout.isatty() else None

    def watch(self, batches: Iterable[Any], count: int, epoch: int) -> Iterable[Any]:
        """Return the batches; on a terminal with tqdm a bar goes along, and is wiped away at their end."""
        if self.bar is None:
            return batches
        title = f"epoch {epoch + 1}/{self.epochs}"
        return self._along(self.bar(batches, total=count, desc=title, leave=False, file=sys.stdout))

    def _along(self, bar: Any) -> Iterator[Any]:
        try:
            yield from bar
        finally:
            bar.close()

    def line(self, epoch: int, row: Mapping[str, float], speed: float, last: bool) -> None:
        """Print the line of an epoch; `speed` is the number of steps a second, validation apart."""
        if not self.verbose or ((epoch + 1) % self.verbose and not last):
            return
        width = len(str(self.epochs))
        parts = [f"epoch {epoch + 1:{width}}/{self.epochs}"]
        parts += [f"{name.replace('_', ' ')} {v:.4g}" for name, v in row.items() if name not in HIDDEN]
        parts.append(f"{_rate(speed)} steps/s")
        done = epoch + 1 - self.first
        if not last:
            parts.append(f"{_clock((perf_counter() - self.begin) / done * (self.epochs - epoch - 1))} left")
        print("  ".join(parts), flush=True)

    def say(self, text: str) -> None:
        if self.verbose:
            print(text, flush=True)


def _tqdm() -> Any:
    """Return tqdm's bar, or None if it is not installed (the extra `progress` brings it)."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return None
    return tqdm


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
