"""Every block of code in the README runs, in order, and prints what it says it prints."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from minitorch_np.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_blocks_are_of_known_kinds():
    assert {kind for kind, _ in BLOCKS} == {"sh", "python"}
    assert BLOCKS[0][1] == "pip install . && python -m minitorch_np\n"
    assert BLOCKS[1][1] == "pip install '.[test]' && python -m pytest\n"


@pytest.mark.parametrize(
    "number", [i for i, (kind, code) in enumerate(BLOCKS) if kind == "python" and "import" in code]
)
def test_a_python_block_runs_alone(number, monkeypatch, tmp_path):
    """A line `# text` after a print says what it prints."""
    monkeypatch.chdir(tmp_path)
    code, printed = BLOCKS[number][1], io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    promised = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert promised
    assert printed.getvalue().splitlines() == promised


def test_it_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 250
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_program_that_is_shown_is_the_one_that_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = next(code for kind, code in BLOCKS if kind == "sh" and "-o network.py" in code)
    assert main(shlex.split(command)[3:]) == 0
    shown = next(code for kind, code in BLOCKS if kind == "python" and code.lstrip().startswith("# forward"))
    assert shown in (tmp_path / "network.py").read_text()


def test_the_hand_in_is_judged_as_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = README[README.index("`dense.py`") :]
    program, shown = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)[:2]
    (tmp_path / "dense.py").write_text(textwrap.dedent(program).lstrip("\n"))
    assert main(["check", "dense.py:Dense(4, 3)", "--like", "Linear"]) == 1
    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert all(line.strip() in said for line in shown.splitlines() if line)


def test_the_wrong_line_is_found_as_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program, shown = re.findall(r"(?:^ {4}.*\n)+", README[README.index("`xor.py`") :], re.MULTILINE)[:2]
    (tmp_path / "xor.py").write_text(textwrap.dedent(program))
    assert main(["compare", "xor.py"]) == 1
    said = capsys.readouterr().out
    numbers = re.compile(r"-?\d+\.\d+")  # whose last digits another BLAS may round otherwise
    assert numbers.sub("#", textwrap.dedent(shown)) in numbers.sub("#", said)


COMMANDS = [line for kind, code in BLOCKS if kind == "sh" for line in code.splitlines()]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(line, marks=pytest.mark.slow if re.match(r"pip|.* (activations|example)", line) else ())
        for line in COMMANDS
    ],
)
def test_shell_blocks(command, tmp_path):
    """All but the installation and the tests themselves, which the gate runs."""
    root = Path(__file__).parent.parent
    for part in command.split(" && "):
        words = shlex.split(part, comments=True)
        if words[:2] == ["pip", "install"]:
            assert words[2] in (".", ".[test]", ".[bench]", "torch==2.13.0")
        elif words == ["python", "-m", "pytest"]:
            continue
        else:
            assert words[0] == "python"
            words = [sys.executable, *(str(root / w) if (root / w).is_file() else w for w in words[1:])]
            if "benchmarks" in part:
                words += ["import", "--turns", "1"]
            subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=120)
