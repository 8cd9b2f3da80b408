"""Options that make no sense, that differ by group, and that change between steps."""

import numpy as np
import pytest

import minitorch_np as mt


def parameters(*sizes):
    return [mt.Parameter(np.ones(size)) for size in sizes]


def give(params, value=1.0):
    for p in params:
        p.grad = np.full(p.shape, value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "Adam",
            {"betas": (0.9, 1.0)},
            r"Adam expects betas to be two numbers in \[0, 1\), got \(0\.9, 1\.0\)",
        ),
        ("Adam", {"betas": (-0.1, 0.9)}, r"got \(-0\.1, 0\.9\)"),
        ("Adam", {"betas": (0.9,)}, r"two numbers in \[0, 1\), got \(0\.9,\)"),
        ("Adam", {"betas": 0.9}, r"two numbers in \[0, 1\), got 0\.9"),
        ("Adam", {"betas": "ab"}, r"got 'ab'"),
        ("Adam", {"betas": (True, 0.9)}, r"got \(True, 0\.9\)"),
        ("Adam", {"betas": (float("nan"), 0.9)}, r"got \(nan, 0\.9\)"),
        ("Adam", {"eps": -1e-8}, r"Adam expects eps to be a number, 0 or more, got -1e-08"),
        ("AdamW", {"weight_decay": -1}, "AdamW expects weight_decay to be a number, 0 or more, got -1"),
        ("NAdam", {"momentum_decay": -1}, "NAdam expects momentum_decay to be a number, 0 or more, got -1"),
        ("RAdam", {"betas": (0.9, 2)}, "RAdam expects betas"),
        ("RMSprop", {"alpha": 1.5}, r"RMSprop expects alpha to be a number in \[0, 1\], got 1\.5"),
        ("RMSprop", {"momentum": -1}, "RMSprop expects momentum to be a number, 0 or more, got -1"),
        ("Adadelta", {"rho": -0.5}, r"Adadelta expects rho to be a number in \[0, 1\], got -0\.5"),
        ("Adagrad", {"initial_accumulator_value": -1}, "Adagrad expects initial_accumulator_value"),
    ],
)
def test_wrong_options(name, options, message):
    optimizer = getattr(mt, name)
    with pytest.raises(ValueError, match=message):
        optimizer(parameters(1), **options)
    with pytest.raises(ValueError, match=message):
        optimizer([{"params": parameters(1), **options}])
    params = parameters(1)
    made = optimizer(params)
    made.param_groups[0].update(options)
    give(params)
    with pytest.raises(ValueError, match=message):
        made.step()
    assert params[0].data.tolist() == [1]


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("Adam", "amsgrad"),
        ("RMSprop", "centered"),
        ("NAdam", "decoupled_weight_decay"),
        ("Adagrad", "maximize"),
    ],
)
def test_flags_are_true_or_false(name, flag):
    with pytest.raises(TypeError, match=f"{name} expects {flag} to be True or False, got 1"):
        getattr(mt, name)(parameters(1), **{flag: 1})


def test_betas_may_be_a_list_that_is_changed_in_place():
    p, q = parameters(1, 1)
    listed, fresh = mt.Adam([p], betas=[0.5, np.float32(0.75)]), mt.Adam([q], betas=(0.5, 0.75))
    assert listed.param_groups[0]["betas"] == (0.5, 0.75)
    for optimizer in (listed, fresh):
        optimizer.param_groups[0]["betas"] = [0.25, 0.5]
    for gradient in (1.0, 2.0):
        give([p, q], gradient)
        listed.step()
        fresh.step()
    assert listed.param_groups[0]["betas"] == (0.25, 0.5)
    assert p.data.tolist() == q.data.tolist()


def test_amsgrad_may_be_switched_on_later():
    (p,) = parameters(1)
    optimizer = mt.Adam([p], lr=0.1, betas=(0.0, 0.5))
    for gradient in (4.0, 2.0, 0.0, 1.0):
        optimizer.param_groups[0]["amsgrad"] = gradient < 4
        give([p], gradient)
        optimizer.step()
    state = optimizer.state_dict()["state"][0]
    assert state["step"] == 4
    assert state["exp_avg_sq"].tolist() == [(8 * 0.5 + 2) * 0.25 + 0.5]
    assert state["max_exp_avg_sq"].tolist() == [6.0]  # from the step that it was switched on at


def test_momentum_and_centered_may_be_switched_on_later():
    (p,) = parameters(1)
    optimizer = mt.RMSprop([p], alpha=0.5)
    give([p], 2.0)
    optimizer.step()
    optimizer.param_groups[0].update(centered=True, momentum=0.9)
    give([p], 2.0)
    optimizer.step()
    state = optimizer.state_dict()["state"][0]
    assert (state["square_avg"].tolist(), state["grad_avg"].tolist()) == ([3.0], [1.0])
    np.testing.assert_allclose(state["momentum_buffer"], [2 / np.sqrt(3 - 1)], rtol=1e-7)


def test_lr_changes_at_the_next_step():
    (p,) = parameters(1)
    optimizer = mt.Adam([p], lr=0.5, eps=0)
    for lr, expected in ((0.5, 0.5), (0.25, 0.25), (0, 0.25)):
        optimizer.param_groups[0]["lr"] = lr
        give([p])
        optimizer.step()
        np.testing.assert_allclose(p.data, [expected], rtol=1e-12)


def test_groups_have_options_of_their_own():
    p, q = parameters(3, 3)
    optimizer = mt.Adam([{"params": p}, {"params": q, "betas": (0.5, 0.5), "amsgrad": True, "lr": 0.5}])
    alone, other = parameters(3, 3)
    references = [mt.Adam([alone]), mt.Adam([other], lr=0.5, betas=(0.5, 0.5), amsgrad=True)]
    for gradient in (1.0, -2.0, 0.5):
        give([p, q, alone, other], gradient)
        for each in (optimizer, *references):
            each.step()
    assert p.data.tolist() == alone.data.tolist()
    assert q.data.tolist() == other.data.tolist()
    assert "max_exp_avg_sq" not in optimizer.state_dict()["state"][0]
    assert "max_exp_avg_sq" in optimizer.state_dict()["state"][1]


def test_adagrads_start_by_group_and_after_loading():
    p, q = parameters(1, 1)
    optimizer = mt.Adagrad(
        [{"params": [p, q], "initial_accumulator_value": 3}, {"params": parameters(1)}], lr=0.1
    )
    give([p])
    optimizer.step()
    whole = optimizer.state_dict()
    bare = optimizer.state_dict()
    del bare["state"][1]["sum"], bare["state"][2]["sum"]  # which have made no step
    for state in (whole, bare):
        again = mt.Adagrad([{"params": [p, q]}, {"params": parameters(1)}])
        again.load_state_dict(state)
        give([q])
        again.step()
        sums = [entry["sum"].tolist() for entry in again.state_dict()["state"].values() if "sum" in entry]
        assert sums[:2] == [[4.0], [4.0]]


def test_a_loaded_state_replaces_one_of_more_arrays():
    p, q = parameters(1, 1)
    loaded, other = mt.Adam([p], amsgrad=True), mt.Adam([q])
    give([p], 100.0)
    give([q], 1.0)
    for optimizer in (loaded, other):
        optimizer.step()
    loaded.load_state_dict(other.state_dict())
    p.data = q.data
    for optimizer in (loaded, other):
        optimizer.param_groups[0]["amsgrad"] = True
    give([p, q], 2.0)
    for optimizer in (loaded, other):
        optimizer.step()
    assert p.data.tolist() == q.data.tolist()


def test_eps_0_makes_no_step_where_there_never_was_a_gradient():
    for name in ("Adam", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam"):
        (p,) = parameters(3)
        optimizer = getattr(mt, name)([p], eps=0)
        for _ in range(8):
            p.grad = np.array([1.0, 0.0, -1.0])
            optimizer.step()
        assert p.data[1] == 1
        assert np.isfinite(p.data).all()
        assert optimizer.param_groups[0]["eps"] == 0


def test_a_new_text_shows_the_options():
    text = "Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, amsgrad=False, maximize=False"
    assert repr(mt.Adam(parameters(1), lr=0.1)).startswith(text)
