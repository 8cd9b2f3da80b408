"""Rates by hand, options that make no sense, and what else may change a rate."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt


def optimizer(lr=1.0, momentum=0):
    return mt.SGD([mt.Parameter(np.ones(1))], lr=lr, momentum=momentum)


def rates(schedule, epochs):
    found = []
    for _ in range(epochs):
        found += schedule.get_last_lr()
        schedule.step()
    return found


def test_rates_by_hand():
    cases = [
        (lambda o: mt.StepLR(o, 2, gamma=0.5), [1, 1, 0.5, 0.5, 0.25]),
        (lambda o: mt.MultiStepLR(o, [3, 1, 3], gamma=0.5), [1, 0.5, 0.5, 0.125, 0.125]),
        (lambda o: mt.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
        (lambda o: mt.CosineAnnealingLR(o, 2, eta_min=0.5), [1, 0.75, 0.5, 0.75, 1]),
        (lambda o: mt.LambdaLR(o, np.float32), [0, 1, 2, 3, 4]),
        (lambda o: mt.ConstantLR(o, 0.5, total_iters=3), [0.5, 0.5, 0.5, 1, 1]),
        (lambda o: mt.LinearLR(o, 0, 1, total_iters=4), [0, 0.25, 0.5, 0.75, 1]),
    ]
    for make, expected in cases:
        np.testing.assert_allclose(rates(make(optimizer()), 5), expected, rtol=1e-15)


def test_rounding_does_not_add_up():
    schedule = mt.ExponentialLR(optimizer(), 0.9)
    assert rates(schedule, 1000)[-1] == 0.9**999


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: mt.StepLR(o, 0), "StepLR expects step_size to be a whole number, 1 or more, got 0"),
        (lambda o: mt.StepLR(o, 1.5), "a whole number, 1 or more, got 1.5"),
        (lambda o: mt.StepLR(o, 2, gamma=-1), "StepLR expects gamma to be a number, 0 or more, got -1"),
        (lambda o: mt.MultiStepLR(o, [2, "a"]), "expects milestones to be a whole number, 0 or more, got 'a'"),
        (lambda o: mt.ExponentialLR(o, math.nan), "got nan"),
        (lambda o: mt.CosineAnnealingLR(o, 0), "expects T_max to be a whole number, 1 or more, got 0"),
        (lambda o: mt.CosineAnnealingLR(o, 5, eta_min=-1), "expects eta_min"),
        (lambda o: mt.ConstantLR(o, 1.5), r"expects factor to be a number in \[0, 1\], got 1.5"),
        (lambda o: mt.LinearLR(o, 2), r"expects start_factor to be a number in \[0, 1\], got 2"),
        (lambda o: mt.LinearLR(o, total_iters=0), "expects total_iters to be a whole number, 1 or more"),
        (lambda o: mt.LambdaLR(o, [abs, abs]), "LambdaLR expects lr_lambda for 1 groups, got 2 values"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(ValueError, match=message):
        make(optimizer())


def test_a_function_is_needed():
    with pytest.raises(TypeError, match=r"LambdaLR expects lr_lambda to be a function of the epoch, got 0\.5"):
        mt.LambdaLR(optimizer(), 0.5)


def test_a_rate_that_was_changed_by_hand_keeps_its_factor():
    its_optimizer = optimizer()
    schedule = mt.StepLR(its_optimizer, 2, gamma=0.5)
    schedule.step()
    its_optimizer.param_groups[0]["lr"] = 3.0
    state, changed = schedule.state_dict(), its_optimizer.state_dict()
    assert rates(schedule, 4) == [3, 1.5, 1.5, 0.75]
    again = optimizer()
    resumed = mt.StepLR(again, 2, gamma=0.5)
    resumed.load_state_dict(state)
    again.load_state_dict(changed)
    assert rates(resumed, 4) == [3, 1.5, 1.5, 0.75]


def test_a_user_writes_a_schedule_of_his_own():
    class InverseRoot(mt.Schedule):
        def rate(self, epoch, lr, group):
            return lr / math.sqrt(1 + epoch)

    schedule = InverseRoot(optimizer(lr=2.0))
    assert rates(schedule, 4) == [2, 2 / math.sqrt(2), 2 / math.sqrt(3), 1]
    assert repr(schedule) == "InverseRoot(optimizer)"


@given(st.floats(1e-6, 1), st.floats(0, 1e-6), st.integers(1, 50), st.integers(1, 100), st.floats(0, 1))
def test_rates_stay_within_their_bounds(lr, low, length, epochs, factor):
    for make in (
        lambda o: mt.CosineAnnealingLR(o, length, eta_min=low),
        lambda o: mt.LinearLR(o, factor, total_iters=length),
        lambda o: mt.ConstantLR(o, factor, total_iters=length),
        lambda o: mt.StepLR(o, length, gamma=factor),
        lambda o: mt.ExponentialLR(o, factor),
    ):
        found = rates(make(optimizer(lr)), epochs)
        assert all(0 <= rate <= lr * (1 + 1e-12) for rate in found)
    assert min(rates(mt.CosineAnnealingLR(optimizer(lr), length, eta_min=low), epochs)) >= low * (1 - 1e-12)


@given(
    st.floats(1e-3, 1),
    st.integers(1, 60),
    st.floats(0, 1),
    st.sampled_from(["cos", "linear"]),
    st.booleans(),
    st.floats(1, 100),
    st.floats(1, 1e4),
)
def test_one_cycle_stays_within_its_bounds(top, steps, part, anneal, three_phase, div, final_div):
    its_optimizer = optimizer(momentum=0.5)
    schedule = mt.OneCycleLR(
        its_optimizer,
        top,
        total_steps=steps,
        pct_start=part,
        anneal_strategy=anneal,
        three_phase=three_phase,
        div_factor=div,
        final_div_factor=final_div,
    )
    for _ in range(steps):
        (group,) = its_optimizer.param_groups
        assert top / div / final_div * (1 - 1e-9) <= group["lr"] <= top * (1 + 1e-9)
        assert 0.85 - 1e-9 <= group["momentum"] <= 0.95 + 1e-9
        schedule.step()
    with pytest.raises(RuntimeError, match=f"OneCycleLR was made for {steps} steps, this is one more"):
        schedule.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: mt.StepLR(o, 2, gamma=0.5),
        lambda o: mt.ExponentialLR(o, 0.9),
        lambda o: mt.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
        lambda o: mt.CosineAnnealingLR(o, 10),
    ],
)
def test_a_group_that_is_added_later_goes_on_from_its_rate(make):
    optimizer = mt.SGD([mt.Parameter(np.ones(1))], lr=0.4)
    schedule = make(optimizer)
    for _ in range(3):
        schedule.step()
    now = optimizer.param_groups[0]["lr"]
    optimizer.add_param_group({"params": [mt.Parameter(np.ones(1))], "lr": now / 4})
    for _ in range(4):
        schedule.step()
        first, added = schedule.get_last_lr()
        assert added == pytest.approx(first / 4)
    again = make(optimizer)
    again.load_state_dict(schedule.state_dict())


def test_a_plateau_lowers_a_group_that_is_added_later_and_one_cycle_refuses_it():
    optimizer = mt.SGD([mt.Parameter(np.ones(1))], lr=0.4)
    schedule = mt.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, min_lr=0.01)
    schedule.step(1.0)
    optimizer.add_param_group({"params": [mt.Parameter(np.ones(1))], "lr": 0.015})
    schedule.step(2.0)
    assert schedule.get_last_lr() == [0.2, 0.01]
    cycle = mt.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    optimizer.add_param_group({"params": [mt.Parameter(np.ones(1))]})
    with pytest.raises(RuntimeError, match="call add_param_group before making the schedule"):
        cycle.step()
