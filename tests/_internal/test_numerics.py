import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minitorch_np as mt
from minitorch_np._internal.numerics import (
    FEW,
    choose,
    maximum,
    normal_cdf,
    product,
    sigmoid,
    where,
    zero_where,
)

MANY = st.sampled_from([1, FEW])  # repetitions: there is one way for few numbers and another one for many


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


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(data=st.data())
def test_choose_is_where_for_two_numbers(dtype, data):
    mask = data.draw(arrays(bool, data.draw(st.sampled_from([(), (0,), (7,), (3, 4), (2, 0, 3)]))))
    mask = np.tile(mask, data.draw(MANY))
    a, b = data.draw(st.floats(width=32)), data.draw(st.floats(width=32))
    result = choose(mask, a, b, np.dtype(dtype))
    assert result.tobytes() == np.where(mask, np.array(a, dtype), np.array(b, dtype)).tobytes()
    assert choose(np.repeat(mask[None], 4, axis=0).T[..., ::2], a, b, np.dtype(dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(data=st.data())
def test_where_is_that_of_numpy_to_the_bit(dtype, data):
    shape = data.draw(st.sampled_from([(0,), (7,), (3, 4), (2, 0, 3)]))
    drawn = (data.draw(arrays(kind, shape)) for kind in (bool, dtype, dtype))
    many = data.draw(MANY)
    mask, a, b = (np.tile(array, many) for array in drawn)
    number, row = data.draw(st.floats(width=32)), b[..., :1]
    for arguments in (
        (mask, a, b),
        (mask[::2], a[::2], b[::2]),
        (mask, number, b),
        (mask, np.ones_like(row), row),
    ):
        is_same = where(*arguments).tobytes() == np.where(*arguments).tobytes()
        assert is_same  # by itself: to show where so many bytes differ takes minutes


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(300, 400), (120_000,), (120_000, 1), (3, 4), (0, 5), (40, 0, 7000)])
def test_maximum_of_large_arrays_is_that_of_numpy_to_the_bit(dtype, shape):
    a = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    a.reshape(-1)[::7] = -0.0
    a.reshape(-1)[::11] = np.nan
    for view in (a, np.asfortranarray(a), a[::2]):
        for number in (0, 0.3, -1000):
            assert maximum(view, number).tobytes() == np.maximum(view, number).tobytes()


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


def test_normal_cdf_over_the_whole_range():
    x = np.concatenate([np.linspace(-9, 9, 100_001), 10.0 ** np.linspace(-307, 3, 10_001), [5e-324, 38]])
    for dtype, tolerance in (("float64", 2.5e-16), ("float32", 1.5e-7)):
        values = x.astype(dtype)
        expected = np.array([math.erfc(-float(v) / math.sqrt(2)) / 2 for v in values])
        result = normal_cdf(values)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)
        assert normal_cdf(np.array([1000, -1000, 9, -9, 0], dtype)).tolist() == [1, 0, 1, 0, 0.5]
        assert np.isnan(normal_cdf(np.array([np.nan], dtype))).all()


@given(arrays("float64", (5,), elements=st.floats(allow_nan=False)))
def test_sigmoid_and_softplus_are_those_of_the_standard_library(x):
    softplus = mt.Softplus(threshold=1000)
    with np.errstate(under="ignore"):
        assert np.allclose(sigmoid(x), [1 / (1 + math.exp(-v)) if v > -700 else 0 for v in x], rtol=1e-14)
        assert np.allclose(
            softplus(x), [math.log1p(math.exp(v)) if v < 700 else v for v in x], rtol=1e-13, atol=0
        )
