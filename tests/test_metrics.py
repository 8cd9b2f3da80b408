import tracemalloc
from functools import partial

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.metrics import (
    Measurement,
    accuracy,
    confusion_table,
    mean_absolute_error,
    named_metrics,
    r_squared,
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


def test_several_labels_for_a_sample():
    logits = np.array([[2.0, -1, 3], [-1, -1, 1]])
    labels = np.array([[1.0, 0, 0], [0, 0, 1]])
    assert accuracy(logits, labels) == 0.5  # one class each
    labels[0, 2] = 1
    assert accuracy(logits, labels, threshold=0) == 1
    assert accuracy(-logits, labels, threshold=0) == 0
    for metric in (accuracy, top_k_accuracy, confusion_table):
        with pytest.raises(ValueError, match=r"several labels for a sample: accuracy\(\.\.\., threshold=0\)"):
            metric(logits, labels)
    assert accuracy(logits, labels * 0.3) == 0.5  # not labels of zeros and ones: the largest


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


def test_confusion_table_by_hand():
    assert confusion_table(LOGITS, TARGET).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert confusion_table(LOGITS, [0, 1, 2, 1]).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]  # rows are true
    assert confusion_table(LOGITS, [0, 1, 2, -100]).tolist() == np.eye(3).tolist()


def test_r2_by_hand():
    target = np.array([1.0, 2, 3])
    assert r_squared(target, target) == 1
    assert r_squared(np.full(3, 2.0), target) == 0
    assert r_squared([1.0, 2, 4], target) == 0.5
    assert r_squared(np.stack([target, np.full(3, 2.0)], 1), np.stack([target, target], 1)) == 0.5
    assert r_squared([5.0, 5], [5.0, 5]) == 1
    assert r_squared([5.0, 6], [5.0, 5]) == 0
    assert r_squared([0.1, 0.2, 0.1], [0.1] * 3) == 0  # whose mean is not 0.1


def test_mean_absolute_error_by_hand():
    assert mean_absolute_error([[1.0], [2.0]], [[2.0], [4.0]]) == 1.5


@pytest.mark.parametrize("metric", [r_squared, mean_absolute_error, partial(accuracy, threshold=0)])
def test_nothing_is_broadcast(metric):
    with pytest.raises(ValueError, match=r"same shape, got \(5, 1\) and \(5,\): .*reshape\(-1\)"):
        metric(np.zeros((5, 1)), np.zeros(5))
    with pytest.raises(ValueError, match="same shape"):
        metric(np.zeros((0, 1)), np.zeros((0, 1)))


@pytest.mark.parametrize("metric", [accuracy, top_k_accuracy, confusion_table])
def test_classes_that_do_not_fit_are_named(metric):
    with pytest.raises(ValueError, match=r"class indices \(N,\), integers, got \(4, 3\) and int64 \(4, 1\)"):
        metric(LOGITS, TARGET[:, None])
    with pytest.raises(ValueError, match=r"got \(4, 3\) and float64 \(4,\)"):
        metric(LOGITS, TARGET.astype(float))
    with pytest.raises(ValueError, match="class indices from 0 to 2, got 3"):
        metric(LOGITS, TARGET + 1)
    with pytest.raises(ValueError, match="nothing to count"):
        metric(LOGITS, np.full(4, -100))


def test_metrics_have_the_names_of_their_functions():
    assert list(named_metrics([accuracy, partial(top_k_accuracy, k=3)])) == ["accuracy", "top_k_accuracy"]
    assert list(named_metrics({"top 3": partial(top_k_accuracy, k=3)})) == ["top 3"]
    assert list(named_metrics(r_squared)) == ["r_squared"]
    assert named_metrics(()) == {}
    assert named_metrics(["accuracy"]) == named_metrics("accuracy") == {"accuracy": accuracy}
    assert named_metrics({"R²": "r_squared"}) == {"R²": r_squared}
    with pytest.raises(TypeError, match=r"the names accuracy, .*got 'accurracy'"):
        named_metrics(["accurracy"])
    with pytest.raises(ValueError, match="'loss' cannot be the name of a metric"):
        named_metrics({"loss": accuracy})


def test_two_metrics_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="two metrics are called 'top_k_accuracy'"):
        named_metrics([partial(top_k_accuracy, k=1), partial(top_k_accuracy, k=3)])


def measured(metrics, *batches):
    measurement = Measurement(named_metrics(metrics))
    for batch in batches:
        measurement.add(*batch)
    return measurement.values()


def test_a_metric_is_one_number():
    metrics = {"a": lambda p, t: np.float32(0.5), "b": lambda p, t: 1}
    assert measured(metrics, (LOGITS, TARGET)) == {"a": 0.5, "b": 1}
    with pytest.raises(TypeError, match="the metric confusion_table gave ndarray and not a number"):
        measured(confusion_table, (LOGITS, TARGET))


def test_batches_add_up():
    rng = np.random.default_rng(0)
    logits, classes = rng.standard_normal((40, 3)), rng.integers(0, 3, 40)
    classes[:9] = -100  # a whole batch of them
    parts = [slice(i, i + 8) for i in range(0, 40, 8)]
    for metric in (accuracy, partial(top_k_accuracy, k=2), lambda p, t: top_k_accuracy(p, t, 1)):
        (found,) = measured({"m": metric}, *[(logits[i], classes[i]) for i in parts]).values()
        assert found == metric(logits, classes)
    x, y = rng.standard_normal((40, 2)) + 100, rng.standard_normal((40, 2)) + 100
    y[:, 1] = y[0, 1]
    for metric in (r_squared, mean_absolute_error):
        (found,) = measured(metric, *[(x[i], y[i]) for i in parts]).values()
        assert np.isclose(found, metric(x, y), rtol=1e-12)
    only = measured([accuracy, mean_absolute_error], (LOGITS, np.eye(3)[TARGET]))
    assert list(only) == ["accuracy", "mean_absolute_error"]


def test_predictions_are_not_saved_for_a_metric_that_adds_up():
    measurement = Measurement(named_metrics(["accuracy", "r_squared"]))
    batch = np.zeros((100_000, 2)), np.eye(2)[np.zeros(100_000, int)]
    tracemalloc.start()
    try:
        for _ in range(5):
            measurement.add(*batch)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def test_names_of_scikit_learn_with_reversed_arguments_are_refused():
    for name, here in (("r2_score", "r_squared"), ("confusion_matrix", "confusion_table")):
        with pytest.raises(TypeError, match=rf"{name}\(target, .* is {here}\(prediction, target\) here"):
            getattr(mt.metrics, name)(TARGET, TARGET)
        with pytest.raises(AttributeError, match=here):
            getattr(mt, name)
