"""Softmax, LogSoftmax and GLU by hand and at the ends of the floats."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minitorch_np as mt


def test_by_hand():
    x, dy = np.log([[1.0, 3.0]]), np.array([[1.0, 0.0]])
    softmax, log_softmax = mt.Softmax(), mt.LogSoftmax()
    assert np.allclose(softmax(x), [[0.25, 0.75]], rtol=1e-15)
    assert np.allclose(softmax.backward(dy), [[0.25 * 0.75, -0.25 * 0.75]], rtol=1e-15)
    assert np.allclose(log_softmax(x), np.log([[0.25, 0.75]]), rtol=1e-15)
    assert np.allclose(log_softmax.backward(dy), [[0.75, -0.75]], rtol=1e-15)
    glu = mt.GLU()
    assert np.allclose(glu(np.array([2.0, -3.0, 0.0, math.log(3)])), [1, -2.25], rtol=1e-15)
    dx = glu.backward(np.array([1.0, 10.0]))
    assert np.allclose(dx, [0.5, 7.5, 2 * 0.25, -3 * 10 * 0.75 * 0.25], rtol=1e-15)


@given(data=st.data())
def test_any_finite_array(data):
    dtype = data.draw(st.sampled_from(["float64", "float32"]))
    shape = data.draw(st.sampled_from([(1,), (3,), (0, 3), (4, 1), (2, 3, 4)]))
    x = data.draw(arrays(dtype, shape, elements=st.floats(-1e4, 1e4, width=32)))
    view = data.draw(st.sampled_from([x, x[::-1], np.asfortranarray(x)]))
    dim = data.draw(st.sampled_from([-1, 0, len(shape) - 1]))
    assume(view.shape[dim] > 0)
    softmax, log_softmax = mt.Softmax(dim), mt.LogSoftmax(dim)
    y, log_y = softmax(view), log_softmax(view)
    assert y.dtype == log_y.dtype == dtype
    assert np.allclose(y.sum(axis=dim), 1, rtol=1e-5)
    assert np.isfinite(log_y).all()
    assert np.allclose(np.exp(log_y), y, rtol=1e-4, atol=1e-30)
    dx = softmax.backward(np.ones_like(y))
    assert np.allclose(dx, 0, atol=1e-6)  # the sum of y does not move
    assert np.allclose(log_softmax.backward(y).sum(axis=dim), 0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nan_stays_and_minus_infinity_has_probability_zero(dtype):
    x = np.array([[np.nan, 0], [-np.inf, 0], [1e4, -1e4]], dtype)
    assert np.isnan(mt.Softmax()(x)[0]).all()
    assert mt.Softmax()(x)[1:].tolist() == [[0, 1], [1, 0]]
    assert mt.LogSoftmax()(x)[1:].tolist() == [[-np.inf, 0], [0, -2e4]]


@pytest.mark.parametrize(
    ("make", "x", "said"),
    [
        (mt.GLU, (2, 3), r"GLU\(\) expects an even size along axis -1, got x of shape \(2, 3\)"),
        (lambda: mt.Softmax(1), (3,), r"Softmax\(dim=1\) expects x to have an axis 1, got x of shape \(3,\)"),
        (lambda: mt.LogSoftmax(-3), (3, 2), r"LogSoftmax\(dim=-3\) expects x to have an axis -3"),
    ],
)
def test_axes_that_are_not_there(make, x, said):
    with pytest.raises(ValueError, match=said):
        make()(np.ones(x))
    with pytest.raises(ValueError, match="expects dim to be the number of an axis, got 'last'"):
        mt.Softmax("last")
