"""Right programs in every form that people write, and wrong ones made of them by single changes."""

import random
from collections import Counter
from pathlib import Path

import pytest
from program_mutants import is_mistake, mutants

from minitorch_np.study.compare import examined
from minitorch_np.study.compare.recording import ProgramSource

CORPUS = Path(__file__).parents[1] / "corpus"
PROGRAMS = {f"{path.parent.name}/{path.stem}": path.read_text() for path in sorted(CORPUS.glob("*/*.py"))}
NOT_JUDGED = {"losses/huber_logcosh"}  # its loss is computed only after the training, with other weights


def judged(text):
    return examined(ProgramSource(text, "<program>", "program"), 20)


def test_the_corpus_has_all_forms():
    forms = Counter(name.partition("/")[0] for name in PROGRAMS)
    assert len(PROGRAMS) >= 70
    assert sorted(forms) == [
        "classes", "columns", "dictionaries", "integers", "losses", "minibatches", "optimizers", "rates",
        "regularised", "rows", "shapes", "single_samples",
    ]  # fmt: skip
    assert min(forms.values()) >= 5


QUICK = [name for i, name in enumerate(PROGRAMS) if i % 12 == 0]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in PROGRAMS if name not in QUICK]


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_a_right_program_is_never_accused(name):
    found = judged(PROGRAMS[name])
    assert found.judged == ("not judged" if name in NOT_JUDGED else "right"), str(found)
    assert not found.findings


def mistakes_of(name, most):
    """Wrong versions of a program, drawn at random."""
    text = PROGRAMS[name]
    drawn = list(mutants(text))
    random.Random(name).shuffle(drawn)
    found = (mutant for mutant in drawn if is_mistake(text, mutant.program))
    return [mutant for mutant, _ in zip(found, range(most), strict=False)]


def tally(names, most):
    """How many mistakes there are, how many are found, how many in their line, how many mended."""
    counts = Counter()
    for name in names:
        for mutant in mistakes_of(name, most):
            found = judged(mutant.program)
            lines = [finding.line for finding in found.wrong]
            counts["mistakes"] += 1
            counts["found"] += found.judged == "wrong"
            counts["line"] += bool(set(lines) & mutant.lines)
            counts["mended"] += any(finding.write for finding in found.wrong)
    return counts


def test_mistakes_are_found_in_a_sample():
    counts = tally(["rows/two_layer_relu", "dictionaries/two_layer_cache"], 2)
    assert counts["mistakes"] == 4
    assert counts["found"] >= 3, counts
    assert counts["line"] >= 2, counts


@pytest.mark.slow
def test_a_mended_line_can_be_pasted():
    text = PROGRAMS["rows/two_layer_relu"]
    mended = 0
    for mutant in mistakes_of("rows/two_layer_relu", 6):
        found = judged(mutant.program)
        for finding in found.wrong[:1]:
            if not finding.write or len(found.wrong) > 1:
                continue
            lines = mutant.program.splitlines()
            old = lines[finding.line - 1]
            lines[finding.line - 1] = old[: len(old) - len(old.lstrip())] + finding.write[0]
            assert judged("\n".join(lines) + "\n").judged == "right", (mutant, finding)
            mended += 1
    assert mended >= 3
    assert text


def test_one_factor_for_all_gradients_is_no_mistake():
    text = PROGRAMS["rows/two_layer_relu"]
    assert not is_mistake(text, text)
    assert not is_mistake(text, text.replace("2.0 *", "3.0 *"))
    assert not is_mistake("x = 1\n", "x = 1\n")


@pytest.mark.slow
def test_mistakes_are_found_in_all_forms():
    """Where the program computes its loss, or leaves unsaid one of the two usual ones."""
    counts = tally(PROGRAMS, 1)
    assert counts["mistakes"] >= 65
    assert counts["found"] >= 0.93 * counts["mistakes"], counts
    assert counts["line"] >= 0.9 * counts["mistakes"], counts
    assert counts["mended"] >= 0.85 * counts["mistakes"], counts
