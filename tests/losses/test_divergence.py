import numpy as np
import pytest

import minitorch_np as mt

P, Q = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[0.25, 0.75], [1.0, 0.0]])
VALUES = [[0.25 * np.log(0.5), 0.75 * np.log(1.5)], [np.log(4), 0]]


@pytest.mark.parametrize(
    ("reduction", "divisor"), [("mean", 4), ("batchmean", 2), ("sum", 1)], ids=["mean", "batchmean", "sum"]
)
def test_by_hand(reduction, divisor):
    loss = mt.KLDivLoss(reduction)
    assert loss(np.log(P), Q) == pytest.approx(np.sum(VALUES) / divisor)
    assert np.allclose(loss.backward(), -Q / divisor)


def test_values_by_hand_and_from_logarithms():
    loss = mt.KLDivLoss("none")
    assert np.allclose(loss(np.log(P), Q), VALUES)
    assert np.allclose(loss.backward(2 * np.ones((2, 2))), -2 * Q)
    loss = mt.KLDivLoss("none", log_target=True)
    log_q = np.array([[np.log(0.25), np.log(0.75)], [0, -np.inf]])
    assert np.allclose(loss(np.log(P), log_q), VALUES)
    assert np.allclose(loss.backward(np.ones((2, 2))), -Q)


@pytest.mark.parametrize("log_target", [False, True])
def test_limits(log_target):
    log_p = np.array([-np.inf, -np.inf, -1.0, np.nan, -1.0])
    target = np.array([0, 0.5, 0, 0.5, np.nan])
    with np.errstate(divide="ignore"):
        target = np.log(target) if log_target else target
    values = mt.KLDivLoss("none", log_target=log_target)(log_p, target)
    assert np.array_equal(values, [0, np.inf, 0, np.nan, np.nan], equal_nan=True)


def test_rows_need_not_sum_to_1():
    assert mt.KLDivLoss("sum")(np.zeros((1, 2)), np.ones((1, 2))) == 0


def test_an_empty_batch():
    for reduction in ("mean", "batchmean"):
        with pytest.raises(ValueError, match="no mean over an empty batch"):
            mt.KLDivLoss(reduction)(np.ones((0, 2)), np.ones((0, 2)))
    assert mt.KLDivLoss("sum")(np.ones((0, 2)), np.ones((0, 2))) == 0


def test_what_fits_not():
    with pytest.raises(ValueError, match=r"the negative -1\.38.*: for logarithms .* KLDivLoss\(log_t"):
        mt.KLDivLoss()(np.log(P), np.log(P))
    with pytest.raises(TypeError, match="KLDivLoss expects log_target to be True or False, got 1"):
        mt.KLDivLoss(log_target=1)
    with pytest.raises(ValueError, match="reduction 'none', 'mean', 'batchmean' or 'sum', got 'average'"):
        mt.KLDivLoss("average")
    with pytest.raises(ValueError, match="same shape"):
        mt.KLDivLoss()(np.log(P), Q[:1])


def test_probabilities_as_prediction_are_pointed_out_once():
    loss = mt.KLDivLoss()
    with pytest.warns(UserWarning, match=r"KLDivLoss\(\) expects log-probabilities") as seen:
        loss(P, Q)
    assert seen[0].filename == __file__
    loss(P, Q)
