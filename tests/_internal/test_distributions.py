import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minitorch_np._internal.numerics import log_softmax, logsumexp, softmax, weighted

INF, NAN = np.inf, np.nan


def test_by_hand():
    x = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 4.0]])
    assert np.allclose(logsumexp(x, 1), np.log([8, 10]))
    assert np.allclose(softmax(x, 1), [[1 / 8, 2 / 8, 5 / 8], [0.3, 0.3, 0.4]])
    assert np.allclose(log_softmax(x, 0), np.log([[1 / 4, 2 / 5, 5 / 9], [3 / 4, 3 / 5, 4 / 9]]))
    assert logsumexp(x, 1, keepdims=True).shape == (2, 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("row", "total", "p"),
    [
        ([1e4, 1e4, -1e4], 1e4 + np.log(2), [0.5, 0.5, 0]),
        ([-1e4, -1e4, -1e4], -1e4 + np.log(3), [1 / 3] * 3),
        ([0, -INF, 0], np.log(2), [0.5, 0, 0.5]),
        ([-INF, -INF, -INF], -INF, [NAN] * 3),
        ([INF, 0, 0], INF, [NAN, 0, 0]),
        ([INF, -INF, 0], INF, [NAN, 0, 0]),
        ([NAN, 0, -INF], NAN, [NAN] * 3),
        ([NAN, INF, 0], NAN, [NAN] * 3),
    ],
)
def test_limits(dtype, row, total, p):
    x = np.array(row, dtype)
    assert np.allclose(logsumexp(x, 0), total, equal_nan=True)
    assert np.isnan(log_softmax(x, 0)).all() == np.isnan(p).any()
    if not np.isnan(p).any():
        assert np.allclose(softmax(x, 0), p)
        assert np.allclose(np.exp(log_softmax(x, 0)), p)
    assert np.isnan(softmax(x, 0)).any() == np.isnan(p).any()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_ends_of_the_range(dtype):
    largest = np.finfo(dtype).max
    x = np.array([largest, -largest], dtype)
    assert softmax(x, 0).tolist() == [1, 0]
    assert logsumexp(x, 0) == largest
    assert log_softmax(x, 0).tolist() == [0, -INF]  # the true number, −2 · max, is out of range


def test_small_differences_keep_their_digits():
    assert log_softmax(np.array([1e4, 1e4 - 40]), 0)[1] == pytest.approx(-40, rel=1e-14)


@given(
    x=hnp.arrays(
        st.sampled_from(["float64", "float32"]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
        elements=st.sampled_from([0.0, 1.0, -2.5, 30.0, -30.0, 1e4, -1e4, INF, -INF, NAN]),
    ),
    data=st.data(),
)
def test_any_input(x, data):
    axis = data.draw(st.integers(0, x.ndim - 1))
    x = x.T if data.draw(st.booleans()) else x
    axis = min(axis, x.ndim - 1)
    p, log_p, total = softmax(x, axis), log_softmax(x, axis), logsumexp(x, axis)
    assert p.shape == log_p.shape == x.shape
    assert total.shape == x.shape[:axis] + x.shape[axis + 1 :]
    assert p.dtype == log_p.dtype == total.dtype == x.dtype
    if x.size == 0:
        return
    for line, q in zip(rows(x, axis), rows(p, axis), strict=True):
        if np.isnan(line).any() or line.max() in (INF, -INF):
            assert np.isnan(q).any()
        else:
            assert q.sum() == pytest.approx(1, rel=1e-5)


def rows(a, axis):
    return np.moveaxis(a, axis, -1).reshape(-1, a.shape[axis])


def test_what_weighs_nothing_is_nothing():
    a = np.array([[INF, NAN, -INF], [1.0, NAN, INF]])
    result = weighted(np.array([0.0, 0.0, 2.0]), a)
    assert np.array_equal(result, [[0, 0, -INF], [0, 0, INF]])
    assert np.isnan(weighted(np.array([[0.0], [2.0]]), a)).tolist() == [[False] * 3, [False, True, False]]
