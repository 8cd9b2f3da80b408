import numpy as np
import pytest

import minitorch_np as mt


def test_by_hand():
    prediction, target = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 5.0]])
    loss = mt.SquaredLoss()
    assert loss(prediction, target) == 0 + 4 + 9 + 1
    assert loss.backward().tolist() == [[0, 4], [6, -2]]
    mean = mt.SquaredLoss("mean")
    assert mean(prediction, target) == 3.5
    assert mean.backward().tolist() == [[0, 1], [1.5, -0.5]]


@pytest.mark.parametrize(
    ("prediction", "target", "hint"),
    [
        ((5, 1), (5,), r"got \(5, 1\) and \(5,\): make the target a column with target\.reshape\(-1, 1\)"),
        ((5,), (5, 1), r"make the target flat with target\.reshape\(-1\)"),
        ((5, 3), (1, 3), r"got \(5, 3\) and \(1, 3\)$"),
        ((5, 3), (), r"got \(5, 3\) and \(\)$"),
    ],
)
def test_shapes_are_never_broadcast(prediction, target, hint):
    with pytest.raises(
        ValueError, match=r"SquaredLoss\(\) expects prediction and target of the same shape, .*" + hint
    ):
        mt.SquaredLoss()(np.ones(prediction), np.ones(target))


def test_dtypes():
    loss = mt.SquaredLoss()
    assert loss(np.ones(3, "float32"), np.array([0, 1, 2])) == 2
    assert loss.backward().dtype == np.float32
    with pytest.raises(TypeError, match="expects target of dtype float32, got float64"):
        loss(np.ones(3, "float32"), np.ones(3))
    with pytest.raises(TypeError, match="expects prediction of dtype float64 or float32, got complex128"):
        loss(np.ones(3, complex), np.ones(3))


def test_an_empty_batch():
    loss = mt.SquaredLoss()
    assert loss(np.ones((0, 3)), np.ones((0, 3))) == 0
    assert loss.backward().shape == (0, 3)
    with pytest.raises(ValueError, match="no mean over an empty batch"):
        mt.SquaredLoss("mean")(np.ones((0, 3)), np.ones((0, 3)))


def test_a_wrong_reduction():
    with pytest.raises(
        ValueError, match="SquaredLoss expects reduction 'none', 'mean' or 'sum', got 'average'"
    ):
        mt.SquaredLoss("average")


def test_nan_stays_nan():
    loss = mt.SquaredLoss()
    assert np.isnan(loss(np.array([np.nan, 1.0]), np.ones(2)))
    assert np.isnan(loss.backward()).tolist() == [True, False]


def test_a_loss_of_ones_own_is_a_function_and_its_derivative():
    from minitorch_np.study.gradcheck import gradcheck

    class LogCosh(mt.Loss):
        def function(self, prediction, target):
            return np.log(np.cosh(prediction - target))

        def derivative(self, prediction, target):
            return np.tanh(prediction - target)

    rng = np.random.default_rng(0)
    assert gradcheck(LogCosh("mean"), rng.standard_normal((3, 2)), rng.standard_normal((3, 2)))


def test_upstream_gradients_for_the_values():
    prediction, target = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    loss = mt.SquaredLoss("none")
    assert loss(prediction, target).tolist() == [1, 4, 9]
    with pytest.raises(ValueError, match=r"gives values of shape \(3,\): its backward expects their grad"):
        loss.backward()
    with pytest.raises(ValueError, match=r"expects dy of the shape of its values \(3,\), got \(\)"):
        loss.backward(np.array(1.0))
    with pytest.raises(TypeError, match="expects dy of dtype float64, got float32"):
        loss.backward(np.ones(3, "float32"))
    assert loss.backward([1, 0, 2]).tolist() == [2, 0, 12]
    loss = mt.SquaredLoss()
    loss(prediction, target)
    with pytest.raises(ValueError, match=r"SquaredLoss\(\) starts the backward pass: its backward takes no dy"):
        loss.backward(np.ones(3))
    assert loss.backward().tolist() == [2, 4, 6]


def test_a_forward_that_fails_leaves_nothing_for_a_backward():
    loss = mt.SquaredLoss()
    loss(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="same shape"):
        loss(np.ones(3), np.ones(4))
    with pytest.raises(RuntimeError, match="before each backward"):
        loss.backward()


@pytest.mark.parametrize(
    "name",
    [
        "SquaredLoss",
        "MSELoss",
        "L1Loss",
        "HuberLoss",
        "SmoothL1Loss",
        "BCEWithLogitsLoss",
        "BCELoss",
        "KLDivLoss",
    ],
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
def test_an_array_without_axes_is_a_batch_of_one(name, reduction):
    if reduction == "batchmean" and name != "KLDivLoss":
        return
    loss = getattr(mt, name)(reduction=reduction)
    prediction, target = np.array(-0.3 if name == "KLDivLoss" else 0.3), np.array(0.6)
    dy = (np.array(2.0),) if reduction == "none" else ()
    value, gradient = loss(prediction, target), loss.backward(*dy)
    assert np.shape(value) == ()
    assert (type(gradient), gradient.shape) == (np.ndarray, ())
    assert value == loss(prediction.reshape(1), target.reshape(1))
    assert gradient == loss.backward(*(a.reshape(1) for a in dy))
