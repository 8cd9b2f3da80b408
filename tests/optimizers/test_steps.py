"""What holds for the steps of all rules: little memory, and numbers that stay where they are."""

import tracemalloc

import numpy as np
import pytest
from table.optimizers import OPTIMIZERS

import minitorch_np as mt
from minitorch_np._internal.flat_buffers import BLOCK_BYTES

optimizers = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


@optimizers
def test_a_step_allocates_a_few_blocks_at_most(make):
    p = mt.Parameter(np.ones(500_000))
    optimizer = make([p])

    def step():
        p.has_grad = True
        optimizer.step()

    p.grad = np.full(500_000, 1e-3)
    for _ in range(7):  # RAdam's rule changes in the sixth
        step()
    tracemalloc.start()
    try:
        step()
        start, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(3):
            step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - start < 6 * BLOCK_BYTES < p.data.nbytes / 4


@optimizers
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_of_zero_leave_finite_weights(make, dtype):
    p = mt.Parameter(np.ones(20, dtype))
    optimizer = make([p])
    for _ in range(8):
        p.grad = np.zeros(20, dtype)
        optimizer.step()
    assert np.isfinite(p.data).all()
    if not optimizer.param_groups[0]["weight_decay"]:
        assert (p.data == 1).all()


@optimizers
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_an_odd_gradient_stays_in_its_element(make, odd):
    p, q = mt.Parameter(np.ones(20)), mt.Parameter(np.ones(20))
    optimizers = make([p]), make([q])
    for step in range(8):
        gradient = np.linspace(-1, 1, 20) + 0.1 * step
        q.grad = gradient
        gradient[7] = odd
        p.grad = gradient
        with np.errstate(invalid="ignore", over="ignore"):
            for optimizer in optimizers:
                optimizer.step()
    others = np.arange(20) != 7
    assert (p.data[others] == q.data[others]).all()
    assert np.isfinite(p.data[others]).all()
