"""Training under mpiexec: the numbers of one process, the same bits on all ranks, and ends of all kinds."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import parallel_cases
import pytest

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install '.[mpi]'")
BESIDE = Path(sysconfig.get_path("scripts"), "mpiexec")  # the mpich wheel has it there
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
if MPIEXEC is None:
    pytest.skip("mpiexec was not found: pip install mpich", allow_module_level=True)

ROOT = Path(__file__).parent.parent.parent
PROGRAM = Path(parallel_cases.__file__)
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
    "HYDRA_LAUNCHER": "fork",  # all on this machine, whatever batch system it has
    "HYDRA_IFACE": "lo",
    "FI_PROVIDER": "tcp",
}


HANGS = 300  # seconds after which one that waits for another for ever is stopped


def command(processes, *arguments):
    return [MPIEXEC, "-n", str(processes), sys.executable, str(PROGRAM), *map(str, arguments)]


def run(processes, *arguments):
    return subprocess.run(
        command(processes, *arguments),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(
    scope="module", params=[pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)]
)
def made(request, tmp_path_factory):
    """The numbers of all cases, by name a list of ranks; and the names of the files."""
    folder = tmp_path_factory.mktemp("ranks")
    done = run(request.param, folder, *parallel_cases.CASES)
    assert done.returncode == 0, done.stderr
    results = {
        name: [dict(np.load(folder / f"{name}.{rank}.npz")) for rank in range(request.param)]
        for name in parallel_cases.CASES
    }
    return results, {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", [*parallel_cases.SAME, "accumulated", "with_loop"])
def test_numbers_are_those_of_one_process(made, name, tmp_path):
    alone = parallel_cases.CASES[name](None, tmp_path)
    found = made[0][name][0]
    assert found.keys() == alone.keys()
    for key, expected in alone.items():
        np.testing.assert_allclose(
            found[key], expected, rtol=1e-4 if name == "single_precision" else 1e-11, atol=1e-14, err_msg=key
        )


@pytest.mark.parametrize("name", parallel_cases.CASES)
def test_all_ranks_have_the_same_bits(made, name):
    first, *others = made[0][name]
    for other in others:
        for key, array in first.items():
            assert key == "said by rank 0" or array.tobytes() == other[key].tobytes(), key


def test_a_resumed_training_has_the_bits_of_one_that_was_never_stopped(made):
    numbers, names = made
    for arrays in numbers["resumed"]:
        for key in [key.split(": ")[1] for key in arrays if key.startswith("at once")]:
            assert arrays[f"at once: {key}"].tobytes() == arrays[f"in two: {key}"].tobytes(), key
    assert {name for name in names if name.startswith("run")} == {"run.npz", "run.best.npz"}


def test_of_batch_norm_rank_0_speaks(made):
    ranks = made[0]["batch_norm"]
    assert ranks[0]["said by rank 0"] == (len(ranks) > 1)


def test_a_loss_that_is_not_finite_is_reported_by_all(made):
    text = str(made[0]["not_finite"][0]["text"])
    assert "x of this batch holds 1 NaN" in text
    if len(made[0]["not_finite"]) > 1:
        assert "it began here: on rank" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one_rank_fails", "OSError: the disk of rank 1 is full"),
        ("the_loop_fails_on_one_rank", "OSError: the disk of rank 1 is full"),
        ("one_rank_changes_its_weights", "rank 1 of 2 and rank 0 have different weights"),
        ("ranks_build_different_networks", "all ranks must build the same network and optimizer"),
        ("ranks_have_different_data", "rank 0 has samples 100, rank 1 samples 101"),
    ],
)
def test_an_error_on_one_rank_ends_all(name, said, tmp_path):
    done = run(2, tmp_path, name)
    assert done.returncode != 0
    assert said in done.stderr
    assert "ends all:" in done.stderr


@pytest.mark.slow
def test_ctrl_c_ends_all_after_the_same_step(tmp_path):
    with subprocess.Popen(
        command(2, tmp_path, "ctrl_c"), stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, process_group=0
    ) as process:
        try:
            process.stdout.readline()  # it trains
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=HANGS)
        finally:
            process.kill()
    assert "ended 1 Ctrl-C in epoch" in rest
