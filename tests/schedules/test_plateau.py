import math

import numpy as np
import pytest

import minitorch_np as mt


def plateau(**options):
    return mt.ReduceLROnPlateau(mt.SGD([mt.Parameter(np.ones(1))], lr=1.0), **options)


def go(schedule, *metrics):
    found = []
    for metric in metrics:
        schedule.step(metric)
        found += schedule.get_last_lr()
    return found


def test_rates_by_hand():
    assert go(plateau(factor=0.5, patience=1), 3, 3, 3, 3, 3, 2) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert go(plateau(factor=0.5, patience=0, mode="max"), 1, 2, 2, 3) == [1, 1, 0.5, 0.5]
    assert go(plateau(factor=0.5, patience=0, cooldown=2), 1, 1, 1, 1, 1) == [1, 0.5, 0.5, 0.5, 0.25]
    assert go(plateau(factor=0.5, patience=0, min_lr=0.4), 1, 1, 1) == [1, 0.5, 0.4]
    assert go(plateau(factor=0.5, patience=0, eps=0.3), 1, 1, 1) == [1, 0.5, 0.5]


def test_an_improvement_goes_beyond_the_threshold():
    assert go(plateau(patience=0, factor=0.5, threshold=0.5), 4, 2.1) == [1, 0.5]
    assert go(plateau(patience=0, factor=0.5, threshold=0.5), 4, 1.9) == [1, 1]
    assert go(plateau(patience=0, factor=0.5, threshold=1, threshold_mode="abs"), 4, 3) == [1, 0.5]


def test_nan_is_no_improvement():
    schedule = plateau(factor=0.5, patience=1)
    assert go(schedule, math.nan, math.nan, 1.0, np.float32(1), math.inf) == [1, 0.5, 0.5, 0.5, 0.25]
    assert schedule.best == 1


def test_a_metric_is_needed():
    schedule = plateau()
    with pytest.raises(TypeError, match="metrics"):
        schedule.step()
    with pytest.raises(TypeError, match=r"ReduceLROnPlateau\.step expects a number, got None"):
        schedule.step(None)
    assert schedule.last_epoch == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "low"}, "ReduceLROnPlateau expects mode to be 'min' or 'max', got 'low'"),
        ({"threshold_mode": None}, "expects threshold_mode to be 'rel' or 'abs', got None"),
        ({"factor": 1.0}, r"expects factor to be below 1, got 1\.0"),
        ({"patience": -1}, "expects patience to be a whole number, 0 or more, got -1"),
        ({"min_lr": [0, 0]}, "expects min_lr for 1 groups, got 2 values"),
        ({"cooldown": 0.5}, "expects cooldown"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        plateau(**options)


def test_a_wrong_best_is_refused():
    schedule = plateau()
    with pytest.raises(ValueError, match="expects best like None, got 'low'"):
        schedule.load_state_dict({**schedule.state_dict(), "best": "low"})
