import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bit_identity import OTHERS, SEEDS, first_differing_array, with_zeros

import minitorch_np as mt
from minitorch_np import tutorial
from minitorch_np._internal.numerics import zero_where


@pytest.mark.parametrize(
    ("threads", "steps"),
    [(1, 5), pytest.param(1, 500, marks=pytest.mark.slow), pytest.param(2, 500, marks=pytest.mark.slow)],
)
def test_every_array_of_every_step_is_identical_to_the_bit(threads, steps):
    program = Path(__file__).parent / "support" / "bit_identity.py"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    run = subprocess.run(
        [sys.executable, program, str(steps)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(f"{steps} steps identical") == 2 * (len(SEEDS) + len(OTHERS))


def test_a_difference_is_found(monkeypatch):
    start = with_zeros(tutorial.problem(8, 12, inputs=20))
    assert first_differing_array(start, 3) is None
    with monkeypatch.context() as patch:  # torch's gradient of ReLU at exactly 0
        patch.setattr(mt.ReLU, "gradient", lambda self, dy, x, y: zero_where(x <= 0, dy))
        assert first_differing_array(start, 3).startswith("step 0: grad_w1 at [0, 0]: ")
    monkeypatch.setattr(mt.SquaredLoss, "function", lambda self, p, t: np.square(p - t) * (1 + 1e-15))
    assert first_differing_array(start, 3).startswith("step 0: loss ")


def test_the_data_are_those_of_the_handwritten_program():
    start = tutorial.problem()
    assert [a.shape for a in start] == [(64, 1000), (64, 10), (1000, 100), (100, 10)]
    rng = np.random.default_rng(0)
    assert all((a == rng.standard_normal(a.shape)).all() for a in start)
    single = tutorial.problem(dtype="float32")
    assert all((a.astype("float32") == b).all() for a, b in zip(start, single, strict=True))


def test_the_network_holds_copies_of_the_weights():
    start = tutorial.problem(3, 4, inputs=5, outputs=2)
    model = tutorial.network(start.w1, start.w2)
    assert repr(model[:1]) == "Sequential(Linear(5, 4, bias=False, init='standard_normal'))"
    model[0].weight.data[:] = 0
    assert start.w1.all()


def test_the_tutorial_network_learns():
    runs = tutorial.SideBySide(tutorial.problem(), 1e-6)
    for _ in range(10):
        runs.advance(50)
    assert len(runs.losses) == len(runs.handwritten_losses) == 500
    assert len(runs.times) == len(runs.handwritten_times) == 10
    assert min(runs.times) > 0
    assert runs.losses[0] > 1e7
    assert runs.losses[-1] < 1e-5
    assert runs.losses == runs.handwritten_losses
