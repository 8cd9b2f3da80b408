from functools import partial

import numpy as np
import pytest

from minitorch_np.metrics import (
    accuracy,
    confusion_matrix,
    mean_absolute_error,
    measured,
    named_metrics,
    r2_score,
    top_k_accuracy,
)

LOGITS = np.array([[3.0, 1, 2], [0, 5, 1], [1, 2, 9], [4, 0, 3]])  # classes 0, 1, 2, 0
TARGET = np.array([0, 1, 0, 2])


def test_accuracy_by_hand():
    assert accuracy(LOGITS, TARGET) == 0.5
    assert accuracy(LOGITS, np.eye(3)[TARGET]) == 0.5
    assert accuracy(LOGITS, [0, 1, -100, -100]) == 1
    assert accuracy(LOGITS, [0, 1, 7, 7], ignore_index=7) == 1
    assert type(accuracy(LOGITS, TARGET)) is float


def test_accuracy_with_more_axes():
    prediction = np.zeros((2, 3, 2))
    prediction[0, 1, 0] = prediction[1, 2, 1] = 1
    assert accuracy(prediction, [[1, 1], [0, 2]]) == 0.75


def test_accuracy_of_yes_or_no():
    logits, target = np.array([-1.0, 2, 0.3, -0.1]), np.array([0, 1, 1, 1])
    assert accuracy(logits, target, threshold=0) == 0.75
    assert accuracy(1 / (1 + np.exp(-logits)), target, threshold=0.5) == 0.75
    assert accuracy([[1.0, -1.0]], [[1.0, 1.0]], threshold=0) == 0.5
    with pytest.raises(ValueError, match=r"give the threshold, 0 for logits and 0.5 for probabilities"):
        accuracy(logits, target)
    with pytest.raises(ValueError, match="the threshold"):
        accuracy(logits[:, None], target)
    with pytest.raises(ValueError, match="threshold to be a number, got 'a'"):
        accuracy(logits, target, threshold="a")


def test_top_k_by_hand():
    assert [top_k_accuracy(LOGITS, TARGET, k) for k in (1, 2, 3, 9)] == [0.5, 0.75, 1, 1]
    assert top_k_accuracy(LOGITS, [0, 1, -100, -100], 1) == 1
    prediction = np.moveaxis(LOGITS[None], -1, 1)  # (1, 3, 4)
    assert top_k_accuracy(prediction, TARGET[None], 2) == 0.75
    with pytest.raises(ValueError, match="k to be a whole number, 1 or more"):
        top_k_accuracy(LOGITS, TARGET, 0)


def test_the_first_of_equal_numbers_comes_first():
    same = np.zeros((3, 3))
    assert accuracy(same, [0, 1, 2]) == top_k_accuracy(same, [0, 1, 2], 1) == 1 / 3
    assert top_k_accuracy(same, [0, 1, 2], 2) == 2 / 3


def test_top_1_is_accuracy():
    rng = np.random.default_rng(0)
    prediction, target = rng.integers(0, 3, (200, 5)).astype(float), rng.integers(0, 5, 200)
    assert top_k_accuracy(prediction, target, 1) == accuracy(prediction, target)


def test_confusion_matrix_by_hand():
    assert confusion_matrix(LOGITS, TARGET).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert confusion_matrix(LOGITS, [0, 1, 2, 1]).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]  # rows are true
    assert confusion_matrix(LOGITS, [0, 1, 2, -100]).tolist() == np.eye(3).tolist()


def test_r2_by_hand():
    target = np.array([1.0, 2, 3])
    assert r2_score(target, target) == 1
    assert r2_score(np.full(3, 2.0), target) == 0
    assert r2_score([1.0, 2, 4], target) == 0.5
    assert r2_score(np.stack([target, np.full(3, 2.0)], 1), np.stack([target, target], 1)) == 0.5
    assert r2_score([5.0, 5], [5.0, 5]) == 1
    assert r2_score([5.0, 6], [5.0, 5]) == 0
    assert r2_score([0.1, 0.2, 0.1], [0.1] * 3) == 0  # whose mean is not 0.1


def test_mean_absolute_error_by_hand():
    assert mean_absolute_error([[1.0], [2.0]], [[2.0], [4.0]]) == 1.5


@pytest.mark.parametrize("metric", [r2_score, mean_absolute_error, partial(accuracy, threshold=0)])
def test_nothing_is_broadcast(metric):
    with pytest.raises(ValueError, match=r"same shape, got \(5, 1\) and \(5,\): .*reshape\(-1\)"):
        metric(np.zeros((5, 1)), np.zeros(5))
    with pytest.raises(ValueError, match="same shape"):
        metric(np.zeros((0, 1)), np.zeros((0, 1)))


@pytest.mark.parametrize("metric", [accuracy, top_k_accuracy, confusion_matrix])
def test_classes_that_do_not_fit_are_named(metric):
    with pytest.raises(ValueError, match=r"class indices \(N,\), integers, got \(4, 3\) and int64 \(4, 1\)"):
        metric(LOGITS, TARGET[:, None])
    with pytest.raises(ValueError, match=r"got \(4, 3\) and float64 \(4,\)"):
        metric(LOGITS, TARGET.astype(float))
    with pytest.raises(ValueError, match="class indices from 0 to 2, got 3"):
        metric(LOGITS, TARGET + 1)
    with pytest.raises(ValueError, match="nothing to count in 4 targets"):
        metric(LOGITS, np.full(4, -100))


def test_metrics_have_the_names_of_their_functions():
    assert list(named_metrics([accuracy, partial(top_k_accuracy, k=3)])) == ["accuracy", "top_k_accuracy"]
    assert list(named_metrics({"top 3": partial(top_k_accuracy, k=3)})) == ["top 3"]
    assert list(named_metrics(r2_score)) == ["r2_score"]
    assert named_metrics(()) == {}
    with pytest.raises(TypeError, match=r"metrics are functions of prediction and target.*got 'accuracy'"):
        named_metrics(["accuracy"])
    with pytest.raises(TypeError, match=r"metrics are functions.*got 'accuracy'"):
        named_metrics("accuracy")
    with pytest.raises(ValueError, match="'loss' cannot be the name of a metric"):
        named_metrics({"loss": accuracy})


def test_two_metrics_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="two metrics are called 'top_k_accuracy'"):
        named_metrics([partial(top_k_accuracy, k=1), partial(top_k_accuracy, k=3)])


def test_a_metric_is_one_number():
    assert measured({"a": lambda p, t: np.float32(0.5), "b": lambda p, t: 1}, LOGITS, TARGET) == {
        "a": 0.5,
        "b": 1,
    }
    with pytest.raises(TypeError, match="the metric confusion_matrix gave ndarray and not a number"):
        measured({"confusion_matrix": confusion_matrix}, LOGITS, TARGET)
