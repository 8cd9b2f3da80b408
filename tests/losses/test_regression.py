import numpy as np
import pytest

import minitorch_np as mt

D = np.array([-3.0, -0.5, 0.0, 1.0, 2.0])


def values_and_gradient(loss, prediction, target):
    values = loss(prediction, target)
    return values.tolist(), loss.backward(np.ones_like(values)).tolist()


@pytest.mark.parametrize(
    ("loss", "values", "gradient"),
    [
        (mt.SquaredLoss("none"), [9, 0.25, 0, 1, 4], [-6, -1, 0, 2, 4]),
        (mt.MSELoss("none"), [9, 0.25, 0, 1, 4], [-6, -1, 0, 2, 4]),
        (mt.L1Loss("none"), [3, 0.5, 0, 1, 2], [-1, -1, 0, 1, 1]),
        (mt.HuberLoss("none"), [2.5, 0.125, 0, 0.5, 1.5], [-1, -0.5, 0, 1, 1]),
        (mt.HuberLoss("none", delta=2), [4, 0.125, 0, 0.5, 2], [-2, -0.5, 0, 1, 2]),
        (mt.SmoothL1Loss("none"), [2.5, 0.125, 0, 0.5, 1.5], [-1, -0.5, 0, 1, 1]),
        (mt.SmoothL1Loss("none", beta=2), [2, 0.0625, 0, 0.25, 1], [-1, -0.25, 0, 0.5, 1]),
        (mt.SmoothL1Loss("none", beta=0), [3, 0.5, 0, 1, 2], [-1, -1, 0, 1, 1]),
    ],
    ids=repr,
)
def test_by_hand(loss, values, gradient):
    assert values_and_gradient(loss, D + 7, np.full(5, 7.0)) == (values, gradient)


def test_names_from_torch_take_the_mean_and_the_handwritten_one_sums():
    assert mt.SquaredLoss().reduction == "sum"
    for loss in (mt.MSELoss, mt.L1Loss, mt.HuberLoss, mt.SmoothL1Loss):
        assert loss().reduction == "mean"
    target = np.zeros(5)
    assert mt.MSELoss()(D, target) == mt.SquaredLoss()(D, target) / 5 == 14.25 / 5


def test_the_squared_loss_has_the_bits_of_the_handwritten_program():
    rng = np.random.default_rng(0)
    for shape in ((64, 10), (32, 1), (1000, 37), (7,)):
        for dtype in ("float64", "float32"):
            y_pred, y = rng.standard_normal((2, *shape)).astype(dtype)
            loss = mt.SquaredLoss()
            assert loss(y_pred, y).tobytes() == np.square(y_pred - y).sum().tobytes()
            assert loss.backward().tobytes() == (2.0 * (y_pred - y)).tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_far_from_the_target_robust_losses_stay_in_range(dtype):
    large = 1e300 if dtype == "float64" else 1e30
    prediction = np.array([large, -large, np.inf, -np.inf, np.nan], dtype)
    for loss in (mt.L1Loss("none"), mt.HuberLoss("none"), mt.SmoothL1Loss("none", beta=0.5)):
        values, gradient = values_and_gradient(loss, prediction, np.zeros(5, dtype))
        assert np.allclose(values, [large, large, np.inf, np.inf, np.nan], equal_nan=True, rtol=1e-6)
        assert np.array_equal(gradient, [1, -1, 1, -1, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.HuberLoss(delta=0), "HuberLoss expects a positive delta, got 0"),
        (lambda: mt.HuberLoss(delta=-1), "HuberLoss expects delta to be a number, 0 or more, got -1"),
        (lambda: mt.HuberLoss(delta=np.inf), "expects delta to be a number"),
        (
            lambda: mt.SmoothL1Loss(beta=-1),
            "SmoothL1Loss expects beta to be a number, .* got -1",
        ),
        (lambda: mt.SmoothL1Loss(beta="1"), "expects beta to be a number, 0 or more, got '1'"),
        (lambda: mt.HuberLoss(0.5), "HuberLoss expects reduction 'none', 'mean' or 'sum', got 0.5"),
    ],
)
def test_options_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
