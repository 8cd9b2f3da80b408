"""The benchmarks run; what they measure is no test's business."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parent.parent / "benchmarks" / "speed.py"


@pytest.mark.parametrize("workload", ["tutorial", "tiny"])
def test_a_table_has_a_row_for_every_peer(workload):
    command = [sys.executable, SPEED, workload, "--turns", "1", "--burst", "0.001"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env=os.environ)
    missing = re.findall(r"not installed, so missing here: (.*)", run.stdout)
    for peer in (
        "handwritten",
        "minitorch_np",
        "written out",
        "bare matrix products",
        "torch eager",
        "scikit-learn",
    ):
        row = rf"^\| {re.escape(peer)} \| \d+ \| \d+ \| \d+\.\d\d \| \d+\.\d\d \| \d+ \|$"
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
