import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitorch_np.study.bits import equal_bits, first_difference


def test_equal_bits_counts_bits_not_values():
    a = np.array([1.0, 0.0, np.nan, 2.0])
    b = np.array([1.0, -0.0, np.nan, np.nextafter(2.0, 3.0)])
    assert equal_bits(a, b) == 2
    assert equal_bits(a, a) == 4


def test_the_first_difference_says_where_and_how_far():
    a = np.arange(6.0).reshape(2, 3)
    b = a.copy()
    assert first_difference(a, b) is None
    b[1, 2] = 9
    b[1, 0] = np.nextafter(np.nextafter(3.0, 4.0), 4.0)
    difference = first_difference(a, b)
    assert difference.at == (1, 0)
    assert (difference.ours, difference.ulps) == (3.0, 2)
    assert str(difference) == "at [1, 0]: 3.0 and 3.000000000000001, 2 ULPs apart"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(value=st.floats(-(2.0**126), 2.0**126, width=32))
def test_neighbours_are_one_ulp_apart(dtype, value):
    a = np.array([value], dtype)
    b = np.nextafter(a, dtype(np.inf))
    assert first_difference(a, b).ulps == 1
    assert first_difference(b, a).ulps == 1


def test_zeros_differ_in_bits_and_are_no_ulp_apart():
    assert first_difference(np.array([0.0]), np.array([-0.0])).ulps == 0
    assert first_difference(np.array([5e-324]), np.array([-5e-324])).ulps == 2


def test_any_layout_and_no_elements():
    a = np.arange(6.0).reshape(2, 3)
    assert first_difference(a.T, a.T.copy()) is None
    assert first_difference(np.zeros((0, 3)), np.zeros((0, 3))) is None
    assert first_difference(np.array(1.0), np.array(2.0)).at == ()


def test_different_shapes_or_dtypes_are_refused():
    with pytest.raises(ValueError, match=r"float64 \(2,\) and float32 \(2,\)"):
        first_difference(np.ones(2), np.ones(2, "float32"))
