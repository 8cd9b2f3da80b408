"""The laws that every public schedule keeps; the cases are in `table/schedules.py`."""

import copy
import inspect
import json

import numpy as np
import pytest
from table.schedules import SCHEDULES

import minitorch_np as mt

schedules = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)


def optimizer(lr=0.1):
    groups = [{"params": mt.Parameter(np.ones(2))}, {"params": mt.Parameter(np.ones(3)), "lr": lr / 2}]
    return mt.SGD(groups, lr=lr, momentum=0.9)


def go(schedule, epochs, start=0):
    """The options of all groups after each step."""
    found = []
    for epoch in range(start, start + epochs):
        metric = [1 + 0.1 * (epoch % 4)] if isinstance(schedule, mt.ReduceLROnPlateau) else []
        schedule.step(*metric)
        found.append([(g["lr"], g["momentum"]) for g in schedule.optimizer.param_groups])
    return found


@schedules
def test_a_schedule_continues_from_its_state(make):
    schedule = make(optimizer())
    whole = go(schedule, 15)
    schedule = make(optimizer())
    first = go(schedule, 7)
    state = json.loads(json.dumps(schedule.state_dict()))
    resumed = make(optimizer())
    resumed.load_state_dict(state)
    assert resumed.get_last_lr() == schedule.get_last_lr()
    copied = copy.deepcopy(schedule)
    assert first + go(resumed, 8, 7) == first + go(copied, 8, 7) == whole
    assert resumed.last_epoch == 15


@schedules
def test_a_schedule_changes_lr_and_the_optimizer_takes_it(make):
    its_optimizer = optimizer(lr=0.1)
    schedule = make(its_optimizer)
    assert schedule.last_epoch == 0
    rates = go(schedule, 8)
    assert len({lr for ((lr, _), _) in rates}) > 1
    assert schedule.get_last_lr() == [g["lr"] for g in its_optimizer.param_groups] == [r[0] for r in rates[-1]]
    assert {type(lr) for lr in schedule.get_last_lr()} == {float}
    for group in its_optimizer.param_groups:
        group["momentum"] = 0
        group["params"][0].grad = np.ones(group["params"][0].shape)
    its_optimizer.step()
    for group in its_optimizer.param_groups:
        assert (group["params"][0].data == 1 - group["lr"]).all()


@schedules
def test_a_later_group_is_taken_or_an_error_that_changes_nothing(make):
    its_optimizer = optimizer()
    schedule = make(its_optimizer)
    its_optimizer.add_param_group({"params": mt.Parameter(np.ones(4)), "lr": 0.3})
    if isinstance(schedule, mt.OneCycleLR):
        with pytest.raises(RuntimeError, match="was made for 2 groups of parameters, the optimizer has 3"):
            go(schedule, 1)
        assert schedule.last_epoch == 0
    else:
        go(schedule, 1)
        assert len(schedule.get_last_lr()) == 3
        assert schedule.last_epoch == 1


@schedules
def test_a_wrong_state_is_refused_and_changes_nothing(make):
    schedule = make(optimizer())
    go(schedule, 2)
    state = schedule.state_dict()
    for wrong in (
        [],
        {},
        {**state, "more": 1},
        {**state, "last_epoch": 1.5},
        {**state, "lr": [0.1]},
        {**state, "lr": [0.1, float("nan")]},
        {**state, "lr": 0.1},
    ):
        with pytest.raises(ValueError, match=f"{type(schedule).__name__} expects"):
            schedule.load_state_dict(wrong)
        assert schedule.state_dict() == state


@schedules
def test_the_text_is_a_call(make):
    its_optimizer = optimizer()
    schedule = make(its_optimizer)
    text = repr(schedule)
    assert text.startswith(f"{type(schedule).__name__}(")
    if not isinstance(schedule, mt.LambdaLR):
        again = optimizer()
        made = eval(text, {**vars(mt), "optimizer": again})
        assert repr(made) == text
        assert go(made, 8) == go(schedule, 8)


@schedules
def test_a_schedule_is_made_of_an_optimizer(make):
    with pytest.raises((TypeError, ValueError), match="expects an optimizer, got Linear"):
        make(mt.Linear(2, 2))


@schedules
def test_the_docstring_says_where_torch_has_it(make):
    assert f"torch.optim.lr_scheduler.{type(make(optimizer())).__name__}" in inspect.getdoc(
        type(make(optimizer()))
    )
