import warnings

import numpy as np
import pytest

import minitorch_np as mt

X = np.random.default_rng(0).normal(0, 2, (5, 4))
T = np.array([3, 0, 1, 1, 2])


def test_cross_entropy_by_hand():
    """Logits log 1, log 2, log 5 have the softmax 1/8, 2/8, 5/8."""
    x = np.log([[1.0, 2.0, 5.0], [5.0, 2.0, 1.0]])
    loss = mt.CrossEntropyLoss()
    assert loss(x, np.array([1, 0])) == pytest.approx((np.log(4) + np.log(8 / 5)) / 2)
    assert np.allclose(loss.backward() * 16, [[1, -6, 5], [-3, 2, 1]])
    loss = mt.CrossEntropyLoss(weight=[1, 3, 5])
    assert loss(x, np.array([1, 0])) == pytest.approx((3 * np.log(4) + np.log(8 / 5)) / 4)
    assert np.allclose(loss.backward() * 32, [[3, -18, 15], [-3, 2, 1]])
    loss = mt.CrossEntropyLoss(reduction="none")
    assert np.allclose(loss(x, np.array([1, 0])), [np.log(4), np.log(8 / 5)])
    assert np.allclose(loss.backward(np.array([2.0, 0.0])) * 8, [[2, -12, 10], [0, 0, 0]])


def test_nll_by_hand():
    log_p = np.log([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]])
    loss = mt.NLLLoss(weight=[1.0, 3.0])
    assert loss(log_p, np.array([0, 1, -100])) == pytest.approx((np.log(4) + 3 * np.log(2)) / 4)
    assert np.allclose(loss.backward(), [[-1 / 4, 0], [0, -3 / 4], [0, 0]])


def test_cross_entropy_is_nll_of_the_log_softmax():
    log_p = X - np.log(np.exp(X).sum(axis=1, keepdims=True))
    assert mt.CrossEntropyLoss()(X, T) == pytest.approx(mt.NLLLoss()(log_p, T))


def test_indices_and_probabilities_say_the_same():
    onehot = np.eye(4)[T]
    for options in ({}, {"label_smoothing": 0.2}):
        loss = mt.CrossEntropyLoss(**options)
        value = loss(X, T)
        gradient = loss.backward()
        assert loss(X, onehot) == pytest.approx(value)
        assert np.allclose(loss.backward(), gradient)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("ignore_index", [-100, 255])
def test_any_integers_are_class_indices(kind, ignore_index):
    loss = mt.CrossEntropyLoss(ignore_index=ignore_index)
    assert loss(X, T.astype(kind)) == loss(X, T.tolist()) == loss(X, T)


def test_an_ignored_sample_takes_no_part_even_where_it_is_nan():
    x, t = X.copy(), T.copy()
    x[[1, 4]], t[[1, 4]] = [[np.nan], [np.inf]], -100
    for options in ({}, {"weight": [1, 2, 3, 4]}, {"label_smoothing": 0.1}):
        loss = mt.CrossEntropyLoss(**options)
        value = loss(x, t)
        gradient = loss.backward()
        kept = [0, 2, 3]
        assert value == pytest.approx(loss(X[kept], T[kept]))
        assert np.allclose(gradient[kept], loss.backward())
        assert not gradient[[1, 4]].any()


def test_minus_infinity_masks_a_class():
    x = np.array([[1.0, -np.inf, 0.0]])
    softmax = np.exp([1, -np.inf, 0]) / (np.e + 1)
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        loss = mt.CrossEntropyLoss()
        assert loss(x, target) == pytest.approx(np.log1p(np.exp(-1)))
        assert np.allclose(loss.backward(), softmax - [1, 0, 0])
    assert mt.CrossEntropyLoss()(x, np.array([1])) == np.inf


def test_large_logits_in_float32():
    x = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4]], "float32")
    loss = mt.CrossEntropyLoss(reduction="none")
    assert np.allclose(loss(x, np.array([0, 1])), [0, np.log(2)])
    assert np.allclose(loss.backward(np.ones(2, "float32")), [[0, 0, 0], [0, -0.5, 0.5]])
    assert loss(x, np.array([1, 0])).tolist() == pytest.approx([2e4, 2e4 + np.log(2)])


def test_rows_that_no_softmax_fits_are_nan_and_no_others():
    x = np.array([[-np.inf, -np.inf], [np.inf, 0], [np.nan, 0], [0, 0]])
    for target in (np.zeros(4, int), np.full((4, 2), 0.5)):
        loss = mt.CrossEntropyLoss(reduction="none")
        values = loss(x, target)
        assert np.isnan(values).tolist() == [True, True, True, False]
        assert np.isnan(loss.backward(np.ones(4))).all(axis=1).tolist() == [True, True, True, False]


def test_empty_batches():
    for loss in (mt.CrossEntropyLoss, mt.NLLLoss):
        total = loss(reduction="sum")
        assert total(np.ones((0, 3)), np.ones(0, int)) == 0
        assert total.backward().shape == (0, 3)
        with pytest.raises(ValueError, match=r"Loss\(\) has no mean over an empty batch"):
            loss()(np.ones((0, 3)), np.ones(0, int))
        with pytest.raises(ValueError, match="no mean over targets that are all ignored or of weight 0"):
            loss()(-np.ones((2, 3)), np.full(2, -100))
        with pytest.raises(ValueError, match="no mean over targets that are all ignored or of weight 0"):
            loss(weight=[0, 1, 1])(-np.ones((2, 3)), np.zeros(2, int))
        assert total(-np.ones((2, 3)), np.full(2, -100)) == 0
        assert not total.backward().any()


INDICES = r"CrossEntropyLoss\(\) expects class indices "


@pytest.mark.parametrize(
    ("error", "prediction", "target", "message"),
    [
        (ValueError, X, T[:, None], INDICES + r"of shape \(5,\), got \(5, 1\): .* target\.reshape\(5,\)$"),
        (ValueError, X, T[:3], INDICES + r"of shape \(5,\), got \(3,\)$"),
        (ValueError, X, np.eye(4, dtype=int)[T], r"got \(5, 4\): probabilities, and one-hot .* as floats"),
        (ValueError, X, np.ones((5, 3)), r"of shape \(5,\), got \(5, 3\): probabilities"),
        (ValueError, X, np.array([3, 0, 4, 9, 2]), r"0 to 3 \(4 classes\), got 4 at target\[2\]: .* from 0"),
        (ValueError, X, np.array([3, 0, 1, -1, 2]), r"from 0 to 3 \(4 classes\), got -1 at target\[3\]$"),
        (ValueError, np.ones((1, 2, 3)), np.array([[0, 1, 5]]), r"got 5 at target\[0, 2\]$"),
        (ValueError, X[0], np.array(7), r"got 7 at target$"),
        (TypeError, X, T.astype(float), INDICES[:-1] + r", got float64: .* integers: target\.astype\(int\)"),
        (TypeError, X, T > 1, r"got bool: class indices are integers: target\.astype\(int\)"),
        (TypeError, X, np.ma.masked_array(T), r"expects target without a mask"),
        (TypeError, X.astype("float32"), np.eye(4)[T], "expects target of dtype float32, got float64"),
        (TypeError, X.astype(complex), T, "expects prediction of dtype float64 or float32"),
        (ValueError, np.array(1.0), np.array(0), r"prediction of shape \(N, C\).* got \(\)"),
        (ValueError, np.ones((2, 0)), np.array([0, 0]), r"with a class or more, got \(2, 0\)"),
        (ValueError, X, -np.eye(4)[T], "expects probabilities as target, got the negative -1"),
        (ValueError, X, np.eye(4)[T] * [[1], [1], [0.5], [1], [1]], r"a sum of 0\.5 instead of 1 in sample 2"),
        (ValueError, X[0], np.ones(4), r"a sum of 4 instead of 1: divide by target\.sum\(axis=0"),
        (ValueError, X.reshape(5, 2, 2), np.ones((5, 2, 2)), r"a sum of 2 .* in sample \(0, 0\)"),
    ],
)
def test_targets_that_fit_no_prediction(error, prediction, target, message):
    loss = mt.CrossEntropyLoss()
    with pytest.raises(error, match=message):
        loss(prediction, target)
    with pytest.raises(RuntimeError, match="nothing saved"):
        loss.backward()


@pytest.mark.parametrize(
    ("error", "make", "message"),
    [
        (ValueError, lambda: mt.NLLLoss([1, -2]), "NLLLoss expects weight of numbers that are finite and not"),
        (ValueError, lambda: mt.CrossEntropyLoss([1, np.nan]), "not negative, got nan"),
        (
            ValueError,
            lambda: mt.CrossEntropyLoss([[1, 2]]),
            r"weight of shape \(classes,\), got \(1, 2\)",
        ),
        (TypeError, lambda: mt.CrossEntropyLoss(["a"]), "CrossEntropyLoss expects weight as numbers, got <U1"),
        (TypeError, lambda: mt.CrossEntropyLoss(ignore_index=1.0), "ignore_index to be an integer, got 1.0"),
        (ValueError, lambda: mt.CrossEntropyLoss(label_smoothing=1.1), r"in \[0, 1\], got 1.1"),
        (ValueError, lambda: mt.CrossEntropyLoss(label_smoothing=-0.1), r"in \[0, 1\], got -0.1"),
        (ValueError, lambda: mt.CrossEntropyLoss(reduction="batchmean"), "'none', 'mean' or 'sum', got 'batch"),
    ],
)
def test_options_that_make_no_sense(error, make, message):
    with pytest.raises(error, match=message):
        make()


def test_options_that_do_not_fit_the_call():
    with pytest.raises(ValueError, match=r"has weights for 3 classes, got a prediction of 4, shape \(5, 4\)"):
        mt.CrossEntropyLoss(weight=[1, 2, 3])(X, T)
    with pytest.raises(ValueError, match="probabilities cannot be ignored"):
        mt.CrossEntropyLoss(ignore_index=1)(X, np.eye(4)[T])


def test_the_weights_are_a_copy_and_follow_the_prediction():
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    loss = mt.CrossEntropyLoss(weight)
    weight[:] = 0
    assert loss(X.astype("float32"), T).dtype == np.float32
    assert repr(loss) == "CrossEntropyLoss(weight=[1.0, 2.0, 3.0, 4.0])"


def test_float32_rounding_of_probabilities_passes():
    e = np.exp(np.random.default_rng(0).normal(0, 3, (3, 50_000))).astype("float32")
    q = e / e.sum(axis=1, keepdims=True)
    assert np.isfinite(mt.CrossEntropyLoss()(np.log(e), q))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_softmax_before_cross_entropy_is_pointed_out_once(dtype):
    loss = mt.CrossEntropyLoss()
    with pytest.warns(UserWarning, match=r"CrossEntropyLoss\(\) expects logits, .* remove the Softmax") as seen:
        loss(softmax(X).astype(dtype), T)
    assert seen[0].filename == __file__
    loss(softmax(X).astype(dtype), T)


@pytest.mark.parametrize(
    "prediction", [X, np.zeros((5, 4)), np.eye(5, 4), softmax(X)[:1], np.ones((5, 1)), np.ones((2, 3, 0)) / 3]
)
def test_logits_are_not_taken_for_probabilities(prediction):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        target = np.zeros(prediction.shape[:1] + prediction.shape[2:], int)
        mt.CrossEntropyLoss(reduction="sum")(prediction, target)


def test_probabilities_for_nll_are_pointed_out_once():
    loss = mt.NLLLoss()
    with pytest.warns(UserWarning, match=r"NLLLoss\(\) expects log-probabilities, .* LogSoftmax") as seen:
        loss(softmax(X), T)
    assert seen[0].filename == __file__
    loss(softmax(X), T)
    mt.NLLLoss()(np.log(softmax(X)) + 1e-6, T)
