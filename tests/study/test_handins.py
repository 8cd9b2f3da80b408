"""What students hand in, as they write it: right programs, and each with single mistakes."""

import re
from collections import Counter

import pytest
from handin_mistakes import CALLS, FOLDER, MISTAKES

from minitorch_np.study.marking import Options, mark

PATIENT = 60  # seconds: what is found does not depend on the machine
QUICK = ("affine", "relu", "softmax_function", "batchnorm", "embedding", "dense_learning_rate")


def spoiled(name, old, new):
    """The text of a hand-in with one edit, the last place of it where there are several."""
    text = (FOLDER / f"{name}.py").read_text()
    assert old in text, (name, old)
    before, _, after = text.rpartition(old) if name == "transpose" else text.partition(old)
    return before + new + after


def examined(names, folder, seconds):
    """The marks of the wrong ones, with what was changed and the words that name it."""
    marks = []
    for i, (name, old, new, words) in enumerate(MISTAKES):
        if name in names:
            path = folder / f"wrong_{i}.py"
            path.write_text(spoiled(name, old, new))
            marks.append((f"{name}: {new!r}", words, mark(f"{path}:{CALLS[name]}", Options(seconds=seconds))))
    return marks


def test_there_are_enough_of_them():
    assert {path.stem for path in FOLDER.glob("*.py")} == CALLS.keys()
    assert len(CALLS) >= 20
    assert len(MISTAKES) >= 100


def right(names):
    for name in names:
        found = mark(f"{FOLDER / name}.py:{CALLS[name]}", Options())
        assert found.verdict == "right", found.text
        assert found.points == 1 + len(found.gradients)


def wrong(names, folder, seconds):
    """How many there are, are named by the numbers, and have a line that mends them; each has to be found."""
    counts = Counter()
    for what, words, found in examined(names, folder, seconds):
        assert found.verdict == "wrong", what
        assert re.search(words, found.text), f"{what} is not named: {found.text}"
        mended = re.search(r"^ +line \d+.*\n +right:", found.text, re.MULTILINE) is not None
        counts["named"] += bool(words) or "no usual mistake" not in found.text
        counts["mended"] += mended
        counts["all"] += 1
    return counts


def test_some_right_ones_are_right():
    right(QUICK)


def test_some_wrong_ones_are_found_and_named(tmp_path):
    assert wrong(("affine",), tmp_path, PATIENT)["mended"] >= 5


@pytest.mark.slow
def test_right_ones_are_right():
    right(CALLS)


@pytest.mark.slow
def test_wrong_ones_are_found_and_named(tmp_path):
    counts = wrong(CALLS, tmp_path, 0)
    assert counts["named"] >= 32 / 36 * counts["all"], counts


@pytest.mark.slow
def test_what_the_numbers_do_not_name_a_line_may_mend(tmp_path):
    counts = wrong(("residual", "lstm_step", "network", "two_layer_net"), tmp_path, PATIENT)
    assert counts["mended"] == counts["all"], counts


@pytest.mark.slow
def test_right_ones_are_right_for_other_numbers():
    for name, call in CALLS.items():
        found = mark(f"{FOLDER / name}.py:{call}", Options(seed=1))
        assert found.verdict == "right", found.text
