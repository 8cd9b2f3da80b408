"""Calls in a process of their own: a new one, and a fork of this one."""

import math
import operator
import os
import time

import pytest

from minitorch_np._internal.child_process import ChildEndedError, call_apart

ENDS = {
    "an error": (operator.truediv, (1, 0), "ZeroDivisionError: division by zero"),
    "too much memory": (bytearray, (1 << 42,), "it needs more than 4 GB of memory"),
    "its own end": (os._exit, (3,), "the process that ran it ended with code 3"),
    "an end without a word": (os._exit, (0,), "the process that ran it ended with code 0"),
}


@pytest.fixture(params=[False, True], ids=["new", "fork"])
def forks(request):
    return request.param


def test_what_it_returns_and_refuses(forks, tmp_path):
    assert call_apart(os.getcwd, timeout=60, folder=tmp_path, forks=forks) == str(tmp_path)
    assert os.getcwd() != str(tmp_path)
    with pytest.raises(ValueError, match="math domain error"):
        call_apart(math.sqrt, -1.0, timeout=60, forks=forks)


@pytest.mark.parametrize(("function", "arguments", "said"), ENDS.values(), ids=ENDS)
def test_how_a_fork_ends_is_said(function, arguments, said):
    with pytest.raises(ChildEndedError, match=said):
        call_apart(function, *arguments, timeout=60, forks=True)


def test_what_needs_too_much_memory_is_said_of_a_new_process_too():
    with pytest.raises(ChildEndedError, match="it needs more than 4 GB of memory"):
        call_apart(bytearray, 1 << 42, timeout=60)


def test_a_fork_prints_nothing(capfd):
    call_apart(print, "hello", timeout=60, forks=True)
    assert capfd.readouterr() == ("", "")


def test_those_who_wait_are_told(monkeypatch):
    monkeypatch.setattr("minitorch_np._internal.child_process.PATIENCE", 0.1)
    said = []
    with pytest.raises(ChildEndedError, match=r"stopped after 0\.35 seconds"):
        call_apart(time.sleep, 60, timeout=0.35, say=said.append, forks=True)
    assert set(said) == {"running for 0 of 0.35 seconds"}
