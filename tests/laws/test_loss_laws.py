"""The laws that every public loss keeps; the cases are in `table/losses.py`."""

import numpy as np
import pytest
from table.losses import LOSSES

import minitorch_np as mt
from minitorch_np.study.gradcheck import gradcheck

losses = pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)


def floats(array, dtype):
    """The case's array in the precision under test; class indices stay as they are."""
    array = np.array(array)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def backward(loss, value):
    """The gradient of Σ value · dy for a dy that differs from value to value, where there are several."""
    if loss.reduction != "none":
        return loss.backward()
    return loss.backward(np.linspace(-1, 2, value.size).reshape(value.shape).astype(value.dtype))


@losses
def test_gradients_agree_with_difference_quotients(case):
    assert gradcheck(case.make(), case.prediction, case.target, rtol=1e-6, atol=1e-7)


@losses
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dtype_stays_and_arguments_stay_untouched(case, dtype):
    prediction, target = floats(case.prediction, dtype), floats(case.target, dtype)
    before = prediction.tobytes(), target.tobytes()
    prediction.flags.writeable = target.flags.writeable = False
    loss = case.make()
    value = loss(prediction, target)
    gradient = backward(loss, value)
    assert value.dtype == gradient.dtype == dtype
    assert gradient.shape == prediction.shape
    assert (prediction.tobytes(), target.tobytes()) == before


@losses
def test_backward_uses_up_its_forward(case):
    loss = case.make()
    with pytest.raises(RuntimeError, match=r"before each backward"):
        loss.backward()
    backward(loss, loss(case.prediction, case.target))
    with pytest.raises(RuntimeError, match=r"before each backward"):
        loss.backward()


def strided(array):
    """The same numbers with gaps between them."""
    return np.repeat(np.asfortranarray(array), 2, axis=0)[::2] if np.ndim(array) else array


@losses
def test_memory_layout_does_not_matter(case):
    loss = case.make()
    value = loss(case.prediction, case.target)
    gradient = backward(loss, value)
    again = loss(strided(case.prediction), strided(case.target))
    assert np.allclose(again, value, rtol=1e-12)
    assert np.allclose(backward(loss, again), gradient, rtol=1e-12)


@losses
def test_repr_is_the_call_that_builds_it(case):
    again = eval(repr(case.make()), vars(mt).copy())
    assert repr(again) == repr(case.make())
    assert np.all(again(case.prediction, case.target) == case.make()(case.prediction, case.target))


@losses
def test_reductions_are_one_loss(case):
    """Value and gradient of every reduction are those of "none", summed, over one and the same divisor."""
    loss = case.make()
    loss.reduction = "none"
    values = loss(case.prediction, case.target)
    each = loss.backward(np.ones_like(values))
    for reduction in set(loss.reductions) - {"none"}:
        loss.reduction = reduction
        value = loss(case.prediction, case.target)
        gradient = loss.backward()
        divisor = values.sum() / value
        assert np.allclose(gradient * divisor, each, rtol=1e-12)
        assert np.isclose(divisor, expected_divisor(loss, case), rtol=1e-12)


def expected_divisor(loss, case):
    """What torch's pages say of "mean": elements, samples, or the weights of the samples that count."""
    if loss.reduction != "mean":
        return {"sum": 1, "batchmean": len(case.prediction)}[loss.reduction]
    if not isinstance(loss, mt.NLLLoss):
        return case.prediction.size
    if case.target.dtype.kind == "f":
        return case.target.size / case.target.shape[min(1, case.target.ndim - 1)]
    weight = np.ones(100) if loss.weight is None else loss.weight
    return sum(weight[t] for t in case.target.flat if t != loss.ignore_index)


@losses
def test_upstream_gradients_fit_the_reduction(case):
    loss = case.make()
    value = loss(case.prediction, case.target)
    if loss.reduction == "none":
        with pytest.raises(ValueError, match="its backward expects their gradient dy"):
            loss.backward()
        with pytest.raises(ValueError, match="expects dy of the shape of its values"):
            loss.backward(np.ones((7, *value.shape)))
    else:
        with pytest.raises(ValueError, match="its backward takes no dy"):
            loss.backward(np.ones(()))
    assert backward(loss, value).shape == np.shape(case.prediction)


@losses
def test_results_are_not_overwritten_by_a_later_call(case):
    loss = case.make()
    value = loss(case.prediction, case.target)
    gradient = backward(loss, value)
    before = value.tobytes(), gradient.tobytes()
    backward(loss, loss(case.prediction, case.target))
    assert (value.tobytes(), gradient.tobytes()) == before
