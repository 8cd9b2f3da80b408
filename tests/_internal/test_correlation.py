"""Cross-correlation in blocks is its formula, its gradients are what the formula's are, and it stays small."""

import tracemalloc

import numpy as np
import pytest

from minitorch_np._internal import correlation
from minitorch_np._internal.correlation import (
    CACHE,
    correlate,
    correlate_input_gradient,
    correlate_simply,
    correlate_weight_gradient,
)

CASES = {  # x, weight, padding, stride, dilation, groups
    "whole windows": ((3, 2, 7, 6), (4, 2, 3, 2), ((0, 0), (0, 0)), (1, 1), (1, 1), 1),
    "row by row": ((3, 16, 7, 6), (4, 16, 3, 2), ((0, 0), (0, 0)), (1, 1), (1, 1), 1),
    "row by row, all options": ((3, 32, 7, 6), (4, 16, 3, 2), ((1, 2), (3, 0)), (1, 2), (2, 3), 2),
    "stride": ((3, 32, 7, 6), (4, 32, 3, 2), ((1, 1), (0, 0)), (2, 3), (1, 1), 1),
    "one by one": ((3, 32, 4, 4), (4, 32, 1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1), 1),
    "no samples": ((0, 32, 4, 4), (4, 32, 3, 3), ((0, 0), (0, 0)), (1, 1), (1, 1), 1),
    "more padding than kernel": ((3, 2, 3, 2), (4, 2, 1, 1), ((2, 0), (1, 3)), (1, 1), (1, 1), 1),
    "a kernel wider than the image": ((3, 2, 3, 3), (4, 2, 3, 12), ((1, 1), (4, 6)), (1, 1), (1, 1), 1),
    "many channels of y": ((3, 1, 7, 6), (8, 1, 3, 2), ((1, 1), (2, 0)), (1, 1), (1, 2), 1),
    "several blocks": ((40, 16, 12, 12), (40, 16, 3, 3), ((1, 1), (1, 1)), (1, 1), (1, 1), 1),
}


@pytest.fixture(params=["as it is", "rows of one sample", "small products"])
def sizes(request, monkeypatch):
    """Blocks and products so small that these cases make many of them."""
    if request.param == "rows of one sample":
        monkeypatch.setattr(correlation, "CACHE", 2**11)
    elif request.param == "small products":
        monkeypatch.setattr(correlation, "SMALL", 3000)
        monkeypatch.setattr(correlation, "NARROW", 16)


def given(case):
    shape, kernels, *geometry = CASES[case]
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape), rng.standard_normal(kernels), geometry, rng


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("case", CASES)
def test_in_blocks_it_is_the_formula(case):
    x, weight, (*geometry, groups), _ = given(case)
    parts = zip(np.split(x, groups, axis=1), np.split(weight, groups), strict=True)
    expected = np.concatenate([correlate_simply(a, w, *geometry) for a, w in parts], axis=1)
    np.testing.assert_allclose(correlate(x, weight, *geometry, groups), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("case", CASES)
def test_its_gradients_are_those_of_a_map_that_is_linear_in_both(case):
    x, weight, geometry, rng = given(case)
    y = correlate(x, weight, *geometry)
    dy = rng.standard_normal(y.shape)
    dx = correlate_input_gradient(dy, weight, x.shape, *geometry)
    dw = correlate_weight_gradient(x, dy, weight.shape, *geometry)
    for _ in range(3):
        u, v = rng.standard_normal(x.shape), rng.standard_normal(weight.shape)
        np.testing.assert_allclose((dx * u).sum(), (dy * correlate(u, weight, *geometry)).sum(), rtol=1e-9)
        np.testing.assert_allclose((dw * v).sum(), (dy * correlate(x, v, *geometry)).sum(), rtol=1e-9)


def test_nothing_of_the_size_of_the_batch_is_made_but_the_results():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((300, 16, 16, 16)), rng.standard_normal((8, 16, 3, 3))
    geometry = ((1, 1), (1, 1)), (1, 1), (1, 1), 1
    y = correlate(x, weight, *geometry)
    calls = (
        lambda: correlate(x, weight, *geometry),
        lambda: correlate_input_gradient(y, weight, x.shape, *geometry),
        lambda: correlate_weight_gradient(x, y, weight.shape, *geometry),
    )
    for call in calls:
        tracemalloc.start()
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < result.nbytes + 4 * CACHE < result.nbytes + x.nbytes
