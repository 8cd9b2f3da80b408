import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minitorch_np.numerics import product, zero_where


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(data=st.data())
def test_zero_where_is_a_masked_assignment_to_a_copy(dtype, data):
    shape = data.draw(st.sampled_from([(), (0,), (7,), (3, 4), (2, 0, 3)]))
    a = data.draw(arrays(dtype, shape))
    mask = data.draw(arrays(bool, shape))
    expected = a.copy()
    expected[mask] = 0
    before = a.tobytes()
    result = zero_where(mask, a)
    assert result.dtype == a.dtype
    assert result.tobytes() == expected.tobytes()
    assert a.tobytes() == before


def test_zero_where_takes_any_layout():
    a = np.random.default_rng(0).standard_normal((6, 8))
    for view in (a.T, a[::2, ::3], a[::-1]):
        expected = np.where(view < 0, 0.0, view)
        assert (zero_where(view < 0, view) == expected).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (1, 7, 1), (5, 1, 3), (3, 4, 5), (64, 1000, 100), (0, 3, 2), (200, 3, 300), (1, 300, 200)],
)
def test_product_is_the_handwritten_product_to_the_bit(dtype, shape):
    n, k, m = shape
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((n, m)).astype(dtype)
    out = np.full((k, m), np.nan, dtype)
    assert product(x.T, dy, out=out) is out
    assert out.tobytes() == x.T.dot(dy).tobytes()
