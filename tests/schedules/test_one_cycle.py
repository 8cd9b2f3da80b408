import numpy as np
import pytest

import minitorch_np as mt


def optimizer(kind=mt.SGD):
    return kind([{"params": mt.Parameter(np.ones(1))}, {"params": mt.Parameter(np.ones(2))}], lr=1.0)


def test_rates_and_momenta_by_hand():
    o = optimizer()
    schedule = mt.OneCycleLR(
        o,
        [8, 16],
        total_steps=6,
        pct_start=0.5,
        anneal_strategy="linear",
        div_factor=2,
        final_div_factor=2,
        base_momentum=0.5,
        max_momentum=1,
    )
    found = []
    for _ in range(6):
        found.append([(g["lr"], g["momentum"]) for g in o.param_groups])
        schedule.step()
    first = [4, 6, 8, 6, 4, 2]
    momenta = [1, 0.75, 0.5, 0.5 + 0.5 / 3, 0.5 + 1 / 3, 1]
    np.testing.assert_allclose(found, [[(a, m), (2 * a, m)] for a, m in zip(first, momenta, strict=True)])
    assert schedule.get_last_lr() == [2, 4]


def test_adams_beta_cycles_and_its_other_beta_stays():
    o = optimizer(mt.Adam)
    schedule = mt.OneCycleLR(o, 0.1, 10, pct_start=0.5)
    assert o.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(4):
        schedule.step()
    np.testing.assert_allclose(o.param_groups[1]["betas"], (0.85, 0.999))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (mt.SGD, {}, "OneCycleLR expects total_steps, or epochs and steps_per_epoch"),
        (mt.SGD, {"epochs": 3}, "expects total_steps, or"),
        (mt.SGD, {"total_steps": 0}, "expects total_steps to be a whole number, 1 or more, got 0"),
        (mt.SGD, {"total_steps": 9, "pct_start": 2}, r"expects pct_start to be a number in \[0, 1\], got 2"),
        (
            mt.SGD,
            {"total_steps": 9, "anneal_strategy": "exp"},
            "expects anneal_strategy to be 'cos' or 'linear', got 'exp'",
        ),
        (mt.SGD, {"total_steps": 9, "div_factor": 0}, "expects div_factor to be a number above 0, got 0"),
        (mt.SGD, {"total_steps": 9, "max_lr": [1, 2, 3]}, "expects max_lr for 2 groups, got 3 values"),
        (
            mt.Adagrad,
            {"total_steps": 9},
            "expects an optimizer with momentum or betas, got Adagrad: pass cycle_momentum=False",
        ),
    ],
)
def test_wrong_options(kind, options, message):
    with pytest.raises(ValueError, match=message):
        mt.OneCycleLR(optimizer(kind), **{"max_lr": 0.1, **options})


def test_a_loaded_state_brings_its_momentum():
    schedule, other = (mt.OneCycleLR(optimizer(), 0.1, 10) for _ in range(2))
    for _ in range(3):
        schedule.step()
    other.load_state_dict(schedule.state_dict())
    for group, expected in zip(other.optimizer.param_groups, schedule.optimizer.param_groups, strict=True):
        assert (group["lr"], group["momentum"]) == (expected["lr"], expected["momentum"])
