import math
import tracemalloc

import numpy as np
import pytest

import minitorch_np as mt


def parameters(*gradients, dtype="float64"):
    found = []
    for gradient in gradients:
        p = mt.Parameter(np.zeros_like(np.array(gradient, dtype)))
        p.grad = np.array(gradient, dtype)
        found.append(p)
    return found


def test_the_norm_by_hand():
    p, q = parameters([3.0, 0.0], [4.0])
    assert mt.clip_grad_norm_([p, q], 2.5) == 5
    np.testing.assert_allclose([*p.grad, *q.grad], [1.5, 0, 2], rtol=1e-6)
    assert mt.clip_grad_norm_([p, q], 100) == pytest.approx(2.5)
    np.testing.assert_allclose([*p.grad, *q.grad], [1.5, 0, 2], rtol=1e-6)


def test_values_by_hand():
    (p,) = parameters([3.0, -4.0, 0.5, math.inf, math.nan])
    assert mt.clip_grad_value_([p], 1) is None
    assert p.grad.tolist()[:4] == [1, -1, 0.5, 1]
    assert math.isnan(p.grad[4])
    assert p.has_grad


def test_a_list_a_generator_a_parameter():
    for give in (lambda p: [p], lambda p: (each for each in [p]), lambda p: p):
        (p,) = parameters([3.0, 4.0])
        assert mt.clip_grad_norm_(give(p), 1) == 5
        mt.clip_grad_value_(give(p), 0.1)
        assert p.grad.max() == 0.1


def test_gradients_that_were_used_do_not_count():
    p, q = parameters([3.0], [4.0])
    mt.SGD([q]).step()
    assert mt.clip_grad_norm_([p, q], 1) == 3
    assert q.grad.tolist() == [4]
    assert not q.has_grad
    for clip in (mt.clip_grad_norm_, mt.clip_grad_value_):
        with pytest.raises(RuntimeError, match=f"{clip.__name__} found no fresh gradient: call it between"):
            clip([q], 1)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
@pytest.mark.parametrize("power", [1, 2, 3, 0.5, math.inf])
def test_no_power_overflows_or_vanishes(scale, power):
    (p,) = parameters(np.full(4, scale), dtype="float32")
    expected = scale * (4 ** (1 / power))
    assert mt.clip_grad_norm_(p, 1e-35, norm_type=power) == pytest.approx(expected, rel=1e-6)
    assert p.grad.dtype == "float32"
    assert np.isfinite(p.grad).all()


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_norms_that_are_not_finite(odd):
    p, q = parameters([1.0], [odd])
    with pytest.raises(RuntimeError, match=r"found gradients of norm (inf|nan); nothing was changed"):
        mt.clip_grad_norm_([p, q], 1, error_if_nonfinite=True)
    assert p.grad.tolist() == [1]
    norm = mt.clip_grad_norm_([p, q], 1)
    assert math.isnan(norm) if math.isnan(odd) else norm == math.inf
    assert math.isnan(q.grad[0])
    assert math.isnan(p.grad[0]) if math.isnan(odd) else p.grad[0] == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: mt.clip_grad_norm_(p, -1), ValueError, "clip_grad_norm_ expects max_norm to be a number"),
        (lambda p: mt.clip_grad_norm_(p, 1, 0), ValueError, "expects norm_type to be a number above 0, or inf"),
        (lambda p: mt.clip_grad_norm_(p, 1, math.nan), ValueError, "got nan"),
        (
            lambda p: mt.clip_grad_value_(p, -1),
            ValueError,
            "clip_grad_value_ expects clip_value to be a number",
        ),
        (lambda p: mt.clip_grad_value_([np.ones(2)], 1), TypeError, "got ndarray among them"),
        (lambda p: mt.clip_grad_norm_([], 1), RuntimeError, "no fresh gradient"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(parameters([1.0]))


def test_nothing_of_the_size_of_a_parameter_is_allocated():
    (p,) = parameters(np.ones(1_000_000))
    mt.clip_grad_norm_(p, 1)
    tracemalloc.start()
    try:
        mt.clip_grad_norm_(p, 0.5)
        mt.clip_grad_value_(p, 1e-4)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < p.grad.nbytes / 5
