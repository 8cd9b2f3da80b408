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
    gradient = loss.backward()
    assert value.dtype == gradient.dtype == dtype
    assert gradient.shape == prediction.shape
    assert (prediction.tobytes(), target.tobytes()) == before


@losses
def test_backward_uses_up_its_forward(case):
    loss = case.make()
    with pytest.raises(RuntimeError, match=r"before each backward"):
        loss.backward()
    loss(case.prediction, case.target)
    loss.backward()
    with pytest.raises(RuntimeError, match=r"before each backward"):
        loss.backward()


@losses
def test_memory_layout_does_not_matter(case):
    loss = case.make()
    value = loss(case.prediction, case.target)
    gradient = loss.backward()
    strided = [np.repeat(np.asfortranarray(a), 2, axis=0)[::2] for a in (case.prediction, case.target)]
    assert np.allclose(loss(*strided), value, rtol=1e-12)
    assert np.allclose(loss.backward(), gradient, rtol=1e-12)


@losses
def test_repr_is_the_call_that_builds_it(case):
    again = eval(repr(case.make()), vars(mt).copy())
    assert repr(again) == repr(case.make())
    assert again(case.prediction, case.target) == case.make()(case.prediction, case.target)
