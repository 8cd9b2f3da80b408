"""The one expression that is asked before a step: the step's number where nothing has changed, otherwise 0."""

import warnings

import numpy as np
import pytest
from compiled.test_own_optimizers import Mean
from compiled.test_steps import Both, data, network, parts

import minitorch_np as mt
from minitorch_np._internal.watching import WATCHED
from minitorch_np.parameter import FORGOTTEN


def warm(**options):
    both = Both(*parts(**{"momentum": 0.9, **options}))
    for seed in range(6):
        both.make(*data(seed))
    return both, both.step._plan.unchanged


def test_it_is_the_number_of_the_next_step_and_zero_before_the_plan_is_trusted():
    both = Both(*parts(momentum=0.9))
    numbers = []
    for seed in range(8):
        both.make(*data(seed))
        numbers.append(both.step._plan.unchanged(*data(seed)))
    assert numbers == [0, 0, 0, 0, 0, 7, 8, 9]


def test_without_a_state_each_step_is_the_first():
    assert warm(momentum=0.0)[1](*data()) == 1


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (data()[0][:4].copy(), data()[1]),
        (data()[0], data()[1][:, :2].copy()),
        (data()[0].astype("float32"), data()[1]),
        (np.asfortranarray(data()[0]), data()[1]),
        (data()[0], np.repeat(data()[1], 2, axis=1)[:, ::2]),
        (data()[0].tolist(), data()[1]),
        (data()[0], None),
        (np.ma.masked_array(data()[0]), data()[1]),
    ],
)
def test_other_data_are_looked_into(x, y):
    _, unchanged = warm()
    assert unchanged(*data())
    assert unchanged(x, y) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda m, loss, o: setattr(o, "lr", 0.5),
        lambda m, loss, o: m[0].weight.add_grad(np.ones((4, 6))),
        lambda m, loss, o: setattr(m[2].bias, "has_grad", True),
        lambda m, loss, o: m.eval(),
        lambda m, loss, o: setattr(loss, "reduction", "sum"),
        lambda m, loss, o: mt.SGD(m.parameters(), lr=1),
        lambda m, loss, o: o.load_state_dict(o.state_dict()),
        lambda m, loss, o: o.add_param_group({"params": [mt.Parameter(np.ones(2))], "lr": 0.5}),
        lambda m, loss, o: setattr(o, "param_groups", []),
    ],
)
def test_a_change_is_looked_into(change):
    both, unchanged = warm()
    assert unchanged(*data())
    change(*both.compiled)
    assert unchanged(*data()) == 0


@pytest.mark.parametrize("held", [WATCHED, FORGOTTEN])
def test_what_others_do_is_looked_into(held):
    _, unchanged = warm()
    held.append((3,))
    try:
        assert unchanged(*data()) == 0
    finally:
        held.pop()
    assert unchanged(*data())


class AsksFirst(mt.SGD):
    def ready(self):
        return super().ready()


def test_there_is_none_where_more_is_to_be_asked_between_passes_and_update():
    assert warm(optimizer=AsksFirst)[1] is None
    model = network()
    both = Both(model, mt.MSELoss(), mt.SGD(model[2].parameters(), lr=0.01))
    with warnings.catch_warnings(action="ignore"):  # of parameters that no optimizer has
        both.make(*data())
    assert both.step._plan.unchanged is None
    model = network()
    both = Both(model, mt.MSELoss(), Mean(model.parameters()))
    for seed in range(7):
        both.make(*data(seed))
    assert both.is_compiled
    assert both.step._plan.unchanged is None


def test_groups_that_have_made_as_many_steps_make_the_next_together():
    model = network()
    groups = [{"params": list(model[0].parameters())}, {"params": list(model[2].parameters()), "lr": 0.1}]
    both = Both(model, mt.MSELoss(), mt.Adam(groups))
    for seed in range(6):
        both.make(*data(seed))
    assert both.step._plan.unchanged(*data()) == 7
