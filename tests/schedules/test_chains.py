"""Schedules made of schedules."""

import numpy as np
import pytest

import minitorch_np as mt


def optimizer(lr=1.0):
    return mt.SGD([mt.Parameter(np.ones(1))], lr=lr)


def rates(schedule, epochs):
    found = []
    for _ in range(epochs):
        found += schedule.get_last_lr()
        schedule.step()
    return found


def test_warmup_and_decay_start_from_the_same_rate():
    o = optimizer()
    parts = [mt.LinearLR(o, 0.5, total_iters=2), mt.ExponentialLR(o, 0.5)]
    schedule = mt.SequentialLR(o, parts, [2])
    assert rates(schedule, 5) == [0.5, 0.75, 1, 0.5, 0.25]
    assert repr(schedule) == (
        "SequentialLR(optimizer, [LinearLR(optimizer, start_factor=0.5, total_iters=2), "
        "ExponentialLR(optimizer, 0.5)], [2])"
    )


def test_factors_multiply():
    o = optimizer()
    schedule = mt.ChainedScheduler([mt.ConstantLR(o, 0.5, total_iters=2), mt.ExponentialLR(o, 0.5)])
    assert rates(schedule, 4) == [0.5, 0.25, 0.25, 0.125]


def test_a_chain_anneals_what_comes_in():
    o = optimizer()
    parts = [mt.ConstantLR(o, 0.5, total_iters=9), mt.CosineAnnealingLR(o, 2, eta_min=0.25)]
    np.testing.assert_allclose(rates(mt.ChainedScheduler(parts), 3), [0.5, 0.375, 0.25], rtol=1e-15)


def test_a_part_is_not_stepped_by_itself():
    o = optimizer()
    part = mt.ExponentialLR(o, 0.5)
    mt.ChainedScheduler([part])
    with pytest.raises(
        RuntimeError, match=r"this ExponentialLR is a part of a ChainedScheduler: call step\(\)"
    ):
        part.step()
    assert o.param_groups[0]["lr"] == 1
    with pytest.raises(ValueError, match=r"expects new schedules.* is a part of a ChainedScheduler"):
        mt.ChainedScheduler([part])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: mt.ChainedScheduler([]), "ChainedScheduler got no schedulers"),
        (lambda o: mt.SequentialLR(o, [], []), "SequentialLR got no schedulers"),
        (lambda o: mt.ChainedScheduler([mt.ReduceLROnPlateau(o)]), "got ReduceLROnPlateau"),
        (
            lambda o: mt.SequentialLR(o, [mt.OneCycleLR(o, 1, 10)], []),
            "SequentialLR expects schedules that are functions of the epoch, got OneCycleLR",
        ),
        (
            lambda o: mt.SequentialLR(o, [mt.StepLR(o, 1), mt.StepLR(optimizer(), 1)], [1]),
            r"expects schedules of one optimizer; StepLR\(optimizer, 1\) has another",
        ),
        (lambda o: mt.SequentialLR(o, [mt.StepLR(o, 1)], [1]), "got 1 for 1 schedulers"),
        (
            lambda o: mt.SequentialLR(o, [mt.StepLR(o, 1) for _ in range(3)], [5, 5]),
            r"expects milestones that rise, got \[5, 5\]",
        ),
        (lambda o: mt.SequentialLR(o, [mt.StepLR(o, 1)] * 2, [0.5]), "whole number, 1 or more, got 0.5"),
        (
            lambda o: mt.SequentialLR(o, [mt.ConstantLR(o), mt.LinearLR(o)][::-1], [5]),
            "expects its schedulers made in their order, right before it",
        ),
    ],
)
def test_wrong_parts(make, message):
    with pytest.raises(ValueError, match=message):
        make(optimizer())


def test_a_part_that_was_stepped_is_refused():
    o = optimizer()
    part = mt.ExponentialLR(o, 0.5)
    part.step()
    with pytest.raises(ValueError, match="was stepped already"):
        mt.SequentialLR(o, [part, mt.StepLR(o, 1)], [2])
