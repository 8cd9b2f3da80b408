"""Several processes, one training: what one process would have, to rounding, and the same bits on all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt

pytest.importorskip("mpi4py")

PROGRAM = Path(__file__).parents[1] / "support" / "parallel_program.py"
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
CLOSE = {"rtol": 1e-11, "atol": 1e-14}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install mpich"),
]


def run(what, processes, folder):
    folder.mkdir(exist_ok=True)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    root = str(Path(mt.__file__).parents[1])
    return subprocess.run(
        [MPIEXEC, "-n", str(processes), sys.executable, str(PROGRAM), what, str(folder)],
        env=os.environ | threads | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def results(what, processes, folder):
    """What each process has in the end."""
    done = run(what, processes, folder)
    assert done.returncode == 0, done.stderr
    made = []
    for rank in range(processes):
        with np.load(folder / f"{rank}.npz") as arrays:
            made.append(dict(arrays))
    assert all(np.array_equal(each[name], array) for each in made for name, array in made[0].items())
    return made[0], done


@pytest.mark.parametrize("what", ["momentum", "adam", "ignored_classes", "fitted"])
def test_several_processes_are_one_training(what, tmp_path):
    one, _ = results(what, 1, tmp_path / "1")
    for processes in (2, 4):
        several, _ = results(what, processes, tmp_path / str(processes))
        assert several.keys() == one.keys()
        for name, array in one.items():
            np.testing.assert_allclose(several[name], array, **CLOSE, err_msg=name)


def test_one_process_has_the_numbers_of_a_plain_training(tmp_path):
    one, _ = results("fitted", 1, tmp_path)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((101, 4)), rng.standard_normal((101, 3))
    model = mt.Sequential(mt.Linear(4, 6, rng=0), mt.Tanh(), mt.Linear(6, 3, rng=10))
    options = {"rng": 0, "batch_size": 25, "clip_norm": 1.0, "accumulate_grad_batches": 2, "verbose": 0}
    options |= {"sample_weight": np.linspace(0, 2, 101)}
    history = mt.fit(model, mt.MSELoss(), mt.Adam(model.parameters()), x, y, epochs=4, **options)
    np.testing.assert_allclose(one["loss"], history["loss"], rtol=1e-13)
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(one[name], array, rtol=1e-12, atol=1e-15, err_msg=name)


def test_there_is_one_checkpoint_and_training_goes_on_from_it(tmp_path):
    made, done = results("resumed", 2, tmp_path)
    assert made["same"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npz", "1.npz", "run.best.npz", "run.npz"]
    assert done.stdout.count("epoch 4/4") == 2  # by one process, in two of the trainings


@pytest.mark.parametrize("what", ["statistics", "statistics_by_hand"])
def test_running_statistics_are_the_mean_of_all(what, tmp_path):
    made, _ = results(what, 2, tmp_path)
    assert np.any(made["1.running_mean"] != 0)


@pytest.mark.parametrize("processes", [2, 4])
def test_an_error_on_one_ends_all(processes, tmp_path):
    done = run("error", processes, tmp_path)
    assert done.returncode != 0
    assert f"process {processes - 1} of {processes} ends all:" in done.stderr
    assert "RuntimeError: something broke here" in done.stderr


def test_a_loss_that_is_not_finite_ends_all(tmp_path):
    done = run("not_finite", 2, tmp_path)
    assert done.returncode != 0
    assert "NotFiniteError: the loss is" in done.stderr


def test_gradients_of_one_process_alone_are_refused(tmp_path):
    done = run("alone", 2, tmp_path)
    assert done.returncode != 0
    assert "loss = ParallelLoss(loss, comm)" in done.stderr


def test_weights_that_are_no_longer_the_same_are_found(tmp_path):
    done = run("different", 4, tmp_path)
    assert done.returncode != 0
    assert "the weights of process 1, 2, 3 are no longer those of process 0" in done.stderr


def test_what_does_not_fit_is_said():
    from mpi4py import MPI

    from minitorch_np.interop.mpi import DataParallel, ParallelLoss

    model = mt.Linear(2, 1)
    optimizer, loss = mt.SGD(model.parameters(), lr=0.1), mt.MSELoss()
    x, y = np.zeros((4, 2)), np.zeros((4, 1))
    with pytest.raises(TypeError, match=r"comm to be a communicator of mpi4py, MPI\.COMM_WORLD, got 4"):
        mt.fit(model, loss, optimizer, x, y, epochs=1, comm=4)
    with pytest.raises(ValueError, match="leave out compile or comm"):
        mt.fit(model, loss, optimizer, x, y, epochs=1, comm=MPI.COMM_SELF, compile=True)
    with pytest.raises(ValueError, match=r"a sum or a mean, got MSELoss\(reduction='none'\)"):
        ParallelLoss(mt.MSELoss(reduction="none"), MPI.COMM_SELF)
    with pytest.raises(TypeError, match="DataParallel expects an optimizer, got MSELoss"):
        DataParallel(loss, MPI.COMM_SELF)
