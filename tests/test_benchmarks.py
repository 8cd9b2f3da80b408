"""The benchmarks run; what they measure is no test's business."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

SPEED = Path(__file__).parent.parent / "benchmarks" / "speed.py"
DIGITS = SPEED.with_name("digits.py")


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["tutorial", "tiny"])
def test_a_table_has_a_row_for_every_peer(workload):
    command = [sys.executable, SPEED, workload, "--turns", "1", "--burst", "0.001"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env=os.environ)
    missing = re.findall(r"not installed, so missing here: (.*)", run.stdout)
    for peer in (
        "handwritten",
        "minitorch_np",
        "compiled",
        "written out",
        "bare matrix products",
        "torch eager",
        "scikit-learn",
    ):
        row = rf"^\| {re.escape(peer)} \| \d+ \| \d+(?: \| \d+\.\d\d){{3}} \| \d+ \|$"
        tables = len(re.findall(r"^\*\*", run.stdout, re.MULTILINE))
        assert len(re.findall(row, run.stdout, re.MULTILINE)) == tables or peer in missing[0]


def test_the_peers_compute_the_same(monkeypatch):
    """The handwritten loop with biases and momentum against the layered network, bit for bit."""
    monkeypatch.syspath_prepend(str(SPEED.parent))
    import peers

    monkeypatch.setattr(peers, "LR", 1e-5)
    work = peers.Workload(32, (16, 64, 64, 1), "float64", bias=True, momentum=0.9)
    results = []
    for make in (peers.handwritten, peers.minitorch_np):
        made = []
        monkeypatch.setattr(
            peers, "arrays", lambda work, real=peers.arrays, made=made: made.append(real(work)) or made[-1]
        )
        run = make(work)
        run(3)
        results.append(run)
    hand, layered = (
        dict(zip(r.__code__.co_freevars, [c.cell_contents for c in r.__closure__], strict=True))
        for r in results
    )
    ours = [parameter.data for parameter in layered["model"].parameters()]
    theirs = [hand[name] for name in ("w1", "b1", "w2", "b2", "w3", "b3")]
    assert [a.tobytes() for a in ours] == [a.tobytes() for a in theirs]


@pytest.mark.slow
def test_digits_has_a_row_for_every_peer():
    command = [sys.executable, DIGITS, "--seeds", "1", "--epochs", "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if find_spec("sklearn") is None:
        assert run.stderr == "the digits come with scikit-learn: pip install '.[bench]'\n"
        return
    assert run.returncode == 0, run.stderr
    rows = re.findall(r"^\| (.+?)((?: \| \d+\.\d+){7}) \|$", run.stdout, re.MULTILINE)
    missing = ["torch eager"] * (find_spec("torch") is None)
    ours = ["minitorch_np, fit", "minitorch_np, fit, compiled", "minitorch_np, loop"]
    peers = ["handwritten", *ours, "scikit-learn", "torch eager"]
    assert [name for name, _ in rows] == [name for name in peers if name not in missing]
    assert ("not installed, so missing here: torch eager" in run.stdout) == bool(missing)
    assert len({numbers.split(" | ")[-2] for _, numbers in rows[:4]}) == 1  # one accuracy, as of one program


@pytest.fixture
def digits(monkeypatch):
    monkeypatch.syspath_prepend(str(DIGITS.parent))
    import digits

    return digits


def test_on_digits_the_handwritten_loop_and_the_layers_have_the_same_bits(digits):
    rng = np.random.default_rng(1)
    x, y = rng.random((150, 64), dtype=np.float32), rng.integers(0, 10, 150)
    by_hand, fit, loop = (
        make()(x, y, 3, 2)(x) for make in (digits.handwritten, digits.with_fit, digits.with_loop)
    )
    assert by_hand.dtype == np.float32
    assert by_hand.tobytes() == fit.tobytes() == loop.tobytes()
    if find_spec("torch") is not None:
        np.testing.assert_allclose(digits.torch_eager()(x, y, 3, 2)(x), by_hand, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_whole_process_is_timed_for_every_program():
    command = [sys.executable, SPEED, "process", "--turns", "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    rows = re.findall(r"^\| (.+?) \| \d+ \| \d+ \|(?: \d+\.\d\d)? *\|$", run.stdout, re.MULTILINE)
    torch = ["torch eager"] * (find_spec("torch") is not None)
    assert rows == ["minitorch_np", "handwritten", *torch]


@pytest.mark.slow
def test_the_programs_of_whole_processes_compute_the_same():
    """The tutorial's network by hand and in layers: the same last loss, to the bit."""
    one_thread = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    by_hand, layers = (
        subprocess.run(
            [sys.executable, SPEED.parent / "whole" / name], capture_output=True, check=True, env=one_thread
        ).stdout
        for name in ("by_hand.py", "layer_by_layer.py")
    )
    assert by_hand == layers


@pytest.mark.slow
def test_the_pictures_are_drawn(tmp_path):
    command = [sys.executable, SPEED.with_name("pictures.py"), tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    paths = [tmp_path / "spiral.png", tmp_path / "regression.png"]
    assert run.stdout.split() == list(map(str, paths))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.mark.slow
def test_estimators_has_a_row_for_every_table():
    arguments = ["wine", "diabetes", "--seeds", "1", "--epochs", "5"]
    command = [sys.executable, DIGITS.with_name("estimators.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    rows = re.findall(r"^\| (\w+)((?: \| -?\d+\.\d+){7}) \| \d+ \|$", run.stdout, re.MULTILINE)
    assert [table for table, _ in rows] == ["wine", "diabetes"]


@pytest.mark.slow
def test_parallel_has_a_row_for_every_number_of_processes():
    command = [
        sys.executable,
        DIGITS.with_name("parallel.py"),
        "--turns",
        "1",
        "--steps",
        "2",
        "--networks",
        "1",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if find_spec("mpi4py") is None:
        assert run.stderr == "several processes need mpi4py and mpiexec: pip install '.[mpi]'\n"
        return
    assert run.returncode == 0, run.stderr
    row = r"^\| 64 a layer, batch 64 \| (\d)(?: \(more than cores\))?(?: \| \d+\.\d+){7} \|$"
    assert re.findall(row, run.stdout, re.MULTILINE) == ["1", "2", "4"]


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
@pytest.mark.parametrize("name", ["lenet", "resnet", "autoencoder", "char_rnn", "transformer"])
def test_the_networks_in_torch_are_those_of_the_examples(name, monkeypatch):
    monkeypatch.syspath_prepend(str(SPEED.parent))
    import peers
    import torch
    import torch_networks

    loss = "MSELoss" if name == "autoencoder" else "CrossEntropyLoss"
    widths = {"char_rnn": (10,), "transformer": (8,)}.get(name, (1, 8, 8))
    model, _, x, _ = peers.example(peers.Workload(3, widths, "float32", loss=loss, layer=name))
    theirs = torch_networks.network(model, "float32").eval()
    model.load_state_dict(theirs.state_dict(), layout="torch")
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(model.eval()(x), expected, rtol=1e-4, atol=1e-5)
