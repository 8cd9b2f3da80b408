import numpy as np
import pytest

import minitorch_np as mt


def test_by_hand():
    p, t = np.array([[0.25, 0.5], [0.8, 0.5]]), np.array([[0.0, 1.0], [1.0, 0.5]])
    values = [[np.log(4 / 3), np.log(2)], [np.log(1.25), np.log(2)]]
    slopes = np.array([[4 / 3, -2], [-1.25, 0]])
    loss = mt.BCELoss()
    assert loss(p, t) == pytest.approx(np.mean(values))
    assert np.allclose(loss.backward(), slopes / 4)
    logits = mt.BCEWithLogitsLoss()
    assert logits(np.log(p / (1 - p)), t) == pytest.approx(np.mean(values))
    assert np.allclose(logits.backward(), (p - t) / 4)
    weighted = mt.BCELoss(weight=[[1], [3]], reduction="sum")
    assert weighted(p, t) == pytest.approx(np.sum(values * np.array([[1], [3]])))
    assert np.allclose(weighted.backward(), slopes * [[1], [3]])
    positives = mt.BCEWithLogitsLoss(pos_weight=2, reduction="none")
    twice = [[np.log(4 / 3), 2 * np.log(2)], [2 * np.log(1.25), 1.5 * np.log(2)]]
    assert np.allclose(positives(np.log(p / (1 - p)), t), twice)
    assert np.allclose(positives.backward(np.ones((2, 2))), [[0.25, -1], [-0.4, -0.25]])


def test_certain_and_wrong_costs_100_and_pulls_with_1e12():
    p, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0, 1, 1, 0])
    for dtype in ("float64", "float32"):
        loss = mt.BCELoss(reduction="none")
        assert loss(p.astype(dtype), t).tolist() == [0, 0, 100, 100]
        assert np.allclose(loss.backward(np.ones(4, dtype)), [0, 0, -1e12, 1e12], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("pos_weight", [None, 3.0])
def test_logits_of_any_size(dtype, pos_weight):
    x = np.array([1e4, -1e4, 1e4, -1e4, np.inf, -np.inf, np.inf, -np.inf, np.nan, np.nan], dtype)
    t = np.array([1, 0, 0, 1, 1, 0, 0, 1, 0, 1], dtype)
    r = pos_weight or 1
    loss = mt.BCEWithLogitsLoss(reduction="none", pos_weight=pos_weight)
    expected = [0, 0, 1e4, r * 1e4, 0, 0, np.inf, np.inf, np.nan, np.nan]
    assert np.array_equal(loss(x, t), expected, equal_nan=True)
    gradient = loss.backward(np.ones(10, dtype))
    assert np.array_equal(gradient, [0, 0, 1, -r, 0, 0, 1, -r, np.nan, np.nan], equal_nan=True)


def test_small_losses_keep_their_digits():
    """Where the two terms of max(x, 0) − x t cancel, log(1 + exp(−|x|)) is all there is."""
    x = np.array([40.0, -40.0])
    values = mt.BCEWithLogitsLoss(reduction="none")(x, np.array([1, 0]))
    assert np.allclose(values, np.exp(-40), rtol=1e-12, atol=0)


def test_nan_stays_nan_in_bce():
    loss = mt.BCELoss(reduction="none")
    assert np.isnan(loss(np.array([np.nan, 0.5]), np.ones(2))).tolist() == [True, False]
    assert np.isnan(loss.backward(np.ones(2))).tolist() == [True, False]


def test_weight_0_takes_no_part():
    x, t = np.array([np.inf, np.nan, 1.0]), np.array([0.0, 1.0, 1.0])
    loss = mt.BCEWithLogitsLoss(weight=[0, 0, 1], reduction="sum")
    assert loss(x, t) == pytest.approx(np.log1p(np.exp(-1)))
    assert loss.backward().tolist() == [0, 0, pytest.approx(-1 / (1 + np.e))]


def test_targets_may_be_integers_or_booleans():
    x, t = np.array([0.2, 0.9], "float32"), np.array([False, True])
    assert mt.BCELoss()(x, t) == mt.BCELoss()(x, t.astype(int)) == mt.BCELoss()(x, t.astype("float32"))


def test_empty_batches():
    for loss in (mt.BCELoss, mt.BCEWithLogitsLoss):
        total = loss(reduction="sum", weight=[1.0, 2.0])
        assert total(np.ones((0, 2)), np.ones((0, 2))) == 0
        assert total.backward().shape == (0, 2)
        with pytest.raises(ValueError, match="no mean over an empty batch"):
            loss()(np.ones((0, 2)), np.ones((0, 2)))


@pytest.mark.parametrize(
    ("loss", "prediction", "target", "message"),
    [
        (
            mt.BCELoss(),
            [2.5],
            [1],
            r"BCELoss\(\) expects probabilities between 0 and 1, got 2\.5: for logits",
        ),
        (mt.BCELoss(), [-np.inf], [1], r"got -inf: for logits use BCEWithLogitsLoss"),
        (
            mt.BCELoss(),
            [0.5],
            [-1],
            r"expects targets between 0 and 1, got -1: for labels −1 and 1, ",
        ),
        (mt.BCEWithLogitsLoss(), [0.5], [2], r"BCEWithLogitsLoss\(\) expects targets between 0 and 1, got 2"),
        (mt.BCELoss(), [[0.5]], [1], r"same shape, got \(1, 1\) and \(1,\): make the target a column"),
        (
            mt.BCELoss([1, 2, 3]),
            [0.5],
            [1],
            r"weight to broadcast to .* shape \(1,\), got \(3,\)",
        ),
        (mt.BCEWithLogitsLoss(pos_weight=[1, 2]), [0.5] * 3, [1] * 3, r"expects pos_weight to .* got \(2,\)"),
    ],
)
def test_what_fits_not(loss, prediction, target, message):
    with pytest.raises(ValueError, match=message):
        loss(prediction, target)


def test_weights_that_make_no_sense():
    with pytest.raises(ValueError, match="BCELoss expects weight of numbers that are finite and not negative"):
        mt.BCELoss(weight=[-1])
    with pytest.raises(ValueError, match=r"BCEWithLogitsLoss expects pos_weight of .* got inf"):
        mt.BCEWithLogitsLoss(pos_weight=np.inf)
