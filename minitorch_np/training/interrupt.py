"""Ctrl-C that waits until the running step is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """Whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def held_back() -> Iterator[Interrupt]:
    """Inside, the first Ctrl-C is noted and nothing else; a second one is KeyboardInterrupt as always.

    Where something else handles Ctrl-C already, and in another thread than the main one, which gets no
    signals, nothing is changed.
    """
    import signal
    from threading import current_thread, main_thread

    interrupt = Interrupt()
    usual = signal.default_int_handler
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield interrupt
        return

    def note(number: int, frame: Any) -> None:
        if interrupt.asked:
            usual(number, frame)
        interrupt.asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, usual)
