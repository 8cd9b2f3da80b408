import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import cli

SMALL = ["--steps", "25", "--batch", "4", "--hidden", "5"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def start(*arguments, unbuffered=""):
    command = [sys.executable, "-m", "minitorch_np", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_the_main_job(capsys, tmp_path):
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    losses = re.findall(r"^(\d+) (\S+)$", out, re.MULTILINE)
    assert [int(step) for step, _ in losses] == [*range(0, 500, 50), 499]
    assert float(losses[0][1]) > 1e7
    assert float(losses[-1][1]) < 1e-5
    assert "500 of 500 losses" in out
    assert "101000 of 101000 numbers in the gradients of the last step" in out
    assert "101000 of 101000 numbers in the final weights" in out
    assert re.search(r"time a step: layered \d+\.\d{3} ms, handwritten \d+\.\d{3} ms, ratio \d+\.\d\d", out)
    assert f"on NumPy {np.__version__}, " in out
    assert (tmp_path / "loss.png").stat().st_size > 10_000


def test_tutorial_is_the_default_command(capsys):
    assert cli.main([*SMALL, "--no-plot"]) == 0
    implied = capsys.readouterr().out
    assert cli.main(["tutorial", *SMALL, "--no-plot"]) == 0
    explicit = capsys.readouterr().out
    assert re.sub("time a step.*", "", implied) == re.sub("time a step.*", "", explicit)


def test_every(capsys):
    cli.main([*SMALL, "--no-plot", "--every", "7"])
    out = capsys.readouterr().out
    assert re.findall(r"^(\d+) \S+$", out, re.MULTILINE) == ["0", "7", "14", "21", "24"]


def test_options_reach_the_training(capsys):
    results = {}
    for options in (
        (),
        ("--seed", "1"),
        ("--lr", "1e-7"),
        ("--dtype", "float32"),
        ("--batch", "1"),
        ("--hidden", "1"),
    ):
        assert cli.main([*SMALL, *options, "--no-plot"]) == 0
        results[options] = re.search(r"^24 (\S+)$", capsys.readouterr().out, re.MULTILINE)[1]
    assert len(set(results.values())) == len(results)


@pytest.mark.parametrize("name", ["curve.svg", "curve.pdf", "curve.PNG"])
def test_plot_writes_where_it_is_told(tmp_path, name):
    assert cli.main([*SMALL, "--plot", name]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_plot_writes_nothing(tmp_path):
    assert cli.main([*SMALL, "--no-plot"]) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "argument --steps: expected a whole number, 1 or more, got '0'"),
        (["--steps", "many"], "argument --steps: expected a whole number, 1 or more, got 'many'"),
        (["--batch", "-1"], "argument --batch: expected a whole number, 1 or more, got '-1'"),
        (["--hidden", "2.5"], "argument --hidden"),
        (["--seed", "-1"], "argument --seed: expected a whole number, 0 or more"),
        (["--lr", "fast"], "argument --lr: expected a number, 0 or more, got 'fast'"),
        (["--lr", "nan"], "argument --lr"),
        (["--dtype", "float16"], "argument --dtype: invalid choice"),
        (["--every", "0"], "argument --every"),
        (["--plot", "loss.docx"], "loss.docx should end in one of"),
        (["--plot", "missing/loss.png"], "there is no directory missing"),
        (["--no-plot", "--show"], "--show needs the picture that --no-plot leaves out"),
        (["--plot", "loss.pgf"], "loss.pgf should end in one of .png, .svg, .pdf, .jpg"),
        (["tutorial", "more"], "unrecognized arguments: more"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["teach"], "there is no command 'teach'"),
        (["explian"], "did you mean explain"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_code_2(capsys, tmp_path, arguments, message):
    try:
        code = cli.main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    out, error = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert error.startswith("minitorch-np")
    assert error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--help"], ["tutorial", "--help"], ["--version"]])
def test_help_and_version(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert ("examples:" in out) == (arguments == ["tutorial", "--help"])
    assert (mt.__version__ in out) == (arguments == ["--version"])


def test_a_difference_is_shown_and_fails(capsys, monkeypatch):
    monkeypatch.setattr(mt.SquaredLoss, "derivative", lambda self, p, t: 2.0 * (p - t) * (1 + 1e-15))
    assert cli.main([*SMALL, "--no-plot"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^  \d+ of 25 losses$", out, re.MULTILINE)
    assert "25 of 25 losses" not in out
    assert re.search(
        r"^DIFFERENT: the first difference is in loss at \[\d+\]: \S+ and \S+, \d+ ULPs apart$",
        out,
        re.MULTILINE,
    )


def test_a_loss_that_overflows_is_pointed_out(capsys, tmp_path):
    assert cli.main([*SMALL, "--lr", "1"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"the loss is not finite from step \d+ on: try a smaller --lr than 1\.0", out)
    assert (tmp_path / "loss.png").exists()


def test_too_large_a_network_is_one_line(capsys):
    assert cli.main(["--hidden", "1000000000000", "--no-plot"]) == 1
    out, error = capsys.readouterr()
    assert error.startswith("minitorch-np: Unable to allocate")
    assert error.count("\n") == 1
    assert out == ""


def test_show_without_a_screen(capsys):
    assert cli.main([*SMALL, "--show"]) == 2
    assert "no screen" in capsys.readouterr().err


def test_a_closed_pipe_ends_it_quietly():
    with start("--steps", "2000", "--every", "1", "--batch", "1", "--hidden", "1", "--no-plot") as program:
        assert program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == ""
        assert program.wait(30) == 141


def test_ctrl_c_ends_it_quietly():
    program = start("--steps", "10000000", "--batch", "1", "--hidden", "1", "--every", "1", "--no-plot")
    while not program.stdout.readline().startswith("10 "):
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    _, error = program.communicate(timeout=30)
    assert error == ""
    assert program.returncode == 130


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(unbuffered):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "minitorch_np", *SMALL, "--no-plot"]
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        run = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    assert run.returncode == 1
    assert run.stderr == "minitorch-np: [Errno 28] No space left on device\n"


@pytest.mark.slow
def test_a_closed_output_and_an_ascii_terminal_change_nothing(tmp_path):
    command = f"{sys.executable} -m minitorch_np {' '.join(SMALL)} --plot"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    for rest in ("a.png >&-", "ü.png >out.txt"):
        run = subprocess.run(
            f"{command} {rest}", shell=True, env=environment, capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "ü.png", "out.txt"}


def test_one_step_and_a_link_to_the_picture(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    assert cli.main(["--steps", "1", "--batch", "2", "--hidden", "3", "--plot", "link.png"]) == 0
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("explain Liner(3,2)", "did you mean Linear?"),
        ("explian", "did you mean explain?"),
        ("explain --bacth 3", "did you mean --batch?"),
        ("explain Linear(3,2) --loss MES", "did you mean MSELoss?"),
        ("handwritten --optimizer Adem", "did you mean Adam?"),
    ],
)
def test_typos_are_answered_with_the_nearest_name(capsys, arguments, said):
    try:
        code = cli.main(arguments.split())
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_no_command_waits_for_matplotlib_before_it_draws():
    code = "import sys, minitorch_np.cli; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
