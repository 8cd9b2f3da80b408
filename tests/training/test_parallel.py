"""Data-parallel training on ranks that are threads: the numbers of one process, equal bits, errors by name."""

import re
import subprocess
import sys

import numpy as np
import parallel_cases
import pytest
from parallel_cases import CLASSES, X, Y, network
from thread_ranks import on_ranks

import minitorch_np as mt
from minitorch_np.training.parallel import OneProcess, Ranks, ranks_of


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", parallel_cases.SAME)
def test_numbers_are_those_of_one_process(name, size, tmp_path):
    alone = parallel_cases.CASES[name](None, tmp_path)
    first, *others = on_ranks(size, lambda comm: parallel_cases.CASES[name](comm, tmp_path))[0]
    assert first.keys() == alone.keys()
    rtol = 1e-4 if name == "single_precision" else 1e-11
    for key, expected in alone.items():
        np.testing.assert_allclose(first[key], expected, rtol=rtol, atol=1e-14, err_msg=key)
        assert all(other[key].tobytes() == first[key].tobytes() for other in others), key


def test_one_rank_has_the_bits_of_training_without_a_communicator(tmp_path):
    alone = parallel_cases.means(None, tmp_path)
    ((found,), _) = on_ranks(1, lambda comm: parallel_cases.means(comm, tmp_path))
    assert {key: array.tobytes() for key, array in found.items()} == {k: a.tobytes() for k, a in alone.items()}


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_shards_are_all_samples_once(count):
    found, idle = [], 0
    for comm in on_ranks(3, lambda comm: None)[1]:
        ranks = Ranks(comm)
        first, end = ranks.shard(10, 10 + count)
        idle += ranks.idle
        found += [] if ranks.idle else range(first, end)
    assert found == list(range(10, 10 + count))
    assert idle == max(0, 3 - count)


def test_the_order_of_samples_is_that_of_rank_0(tmp_path):
    first, *others = on_ranks(3, lambda comm: parallel_cases.random_order(comm, tmp_path))[0]
    assert all(other["seeds"].tolist() == first["seeds"].tolist() for other in others)


def test_masks_of_dropout_differ_from_rank_to_rank_and_one_file_resumes_all(tmp_path):
    for found in on_ranks(3, lambda comm: parallel_cases.resumed(comm, tmp_path))[0]:
        for key in [key.split(": ")[1] for key in found if key.startswith("at once")]:
            assert found[f"at once: {key}"].tobytes() == found[f"in two: {key}"].tobytes(), key
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.best.npz", "run.npz"]

    def masks(comm):
        drop = mt.Dropout(0.5, rng=0)
        Ranks(comm).start_epoch(drop)
        return drop(np.ones((4, 8)))

    first, second, third = on_ranks(3, masks)[0]
    assert np.array_equal(first, mt.Dropout(0.5, rng=0)(np.ones((4, 8))))
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_weights_that_differ_are_an_error_that_names_the_ranks():
    def train(comm):
        def callback(state):
            if state.rank == 2:
                state.model[0].bias.data[0] = np.nextafter(state.model[0].bias.data[0], 9)

        return parallel_cases.fit(comm, mt.MSELoss(), mt.Adam, Y, callbacks=callback)

    results, comms = on_ranks(3, train)
    assert any("rank 2 of 3 and rank 0 have different weights" in str(error) for error in results)
    assert any(comm.aborted for comm in comms)


def test_an_error_on_one_rank_ends_all(capsys):
    def train(comm):
        def callback(state):
            if state.rank == 1:
                raise OSError("the disk of rank 1 is full")

        return parallel_cases.fit(comm, mt.MSELoss(), mt.Adam, Y, callbacks=callback)

    results, comms = on_ranks(2, train)
    assert isinstance(results[1], OSError)
    assert comms[1].aborted
    assert "rank 1 of 2 ends all:\nTraceback" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_reported_by_all(tmp_path):
    results, comms = on_ranks(3, lambda comm: parallel_cases.not_finite(comm, tmp_path))
    assert len({str(result["text"]) for result in results}) == 1
    assert re.search(r"it began here: on rank \d: x of this batch holds 1 NaN", str(results[0]["text"]))
    assert not any(comm.aborted for comm in comms)


def test_buffers_are_averaged_and_counts_stay():
    def averaged(comm):
        norm = mt.BatchNorm1d(2)
        norm.running_mean[...] = [comm.Get_rank(), 5.0]
        Ranks(comm).average_buffers(norm)
        return norm.running_mean.tolist()

    assert on_ranks(3, averaged)[0] == [[1.0, 5.0]] * 3


def test_ctrl_c_on_one_rank_is_that_of_all():
    def asked(comm):
        ranks = Ranks(comm)
        before = ranks.sums(1.0, 2.0), ranks.asked
        ranks.local.asked = comm.Get_rank() == 1
        ranks.sums(1.0, 2.0)
        return before, ranks.asked

    assert on_ranks(2, asked)[0] == [(((2.0, 4.0), False), True)] * 2


def refused(comm=None, loss=None, x=X, y=CLASSES):
    model = network()
    mt.fit(model, loss or mt.CrossEntropyLoss(), mt.SGD(model.parameters(), lr=0.1), x, y, epochs=1, comm=comm)


def test_what_cannot_be_shared_is_refused_by_name():
    class Own(mt.MSELoss):
        def forward(self, prediction, target):
            return super().forward(prediction, target)

    class Odd(mt.data.loader.DataLoader):
        def epoch(self, epoch):
            return super().epoch(epoch)

    with pytest.raises(TypeError, match=r"comm to be a communicator of mpi4py such as MPI.COMM_WORLD, got 4"):
        refused(4)
    odd = Odd(mt.TensorDataset(X, CLASSES), 10)
    for say, given in (("Own() has a forward of its own", {"loss": Own()}), ("got Odd", {"x": odd, "y": None})):
        errors, _ = on_ranks(2, lambda comm, given=given: refused(comm, **given))
        assert any(isinstance(error, TypeError) and say in str(error) for error in errors)


def test_one_rank_is_training_without_a_communicator():
    (comm,) = on_ranks(1, lambda comm: None)[1]
    assert type(ranks_of(comm)) is type(ranks_of(None)) is OneProcess


def test_without_mpi4py_one_line_says_what_to_install():
    code = "import sys; sys.modules['mpi4py'] = None; import minitorch_np.interop.mpi"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = run.stderr.splitlines()[-1]
    assert last.startswith(
        "ImportError: minitorch_np.interop.mpi needs mpi4py and an MPI library: pip install 'minitorch-np[mpi]'"
    )
