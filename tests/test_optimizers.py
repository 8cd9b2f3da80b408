import copy
import tracemalloc

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np._internal.flat_buffers import BLOCK_BYTES


def parameters(*sizes, dtype="float64"):
    return [mt.Parameter(np.ones(size, dtype)) for size in sizes]


def give(params, value=1.0):
    for parameter in params:
        parameter.add_grad(np.full(parameter.shape, value, parameter.dtype))


def test_one_step_by_hand():
    (p,) = parameters(2)
    give([p], 3.0)
    mt.SGD([p], lr=0.1).step()
    assert p.data.tolist() == [1 - 0.1 * 3.0] * 2


def test_two_steps_with_everything_by_hand():
    (p,) = parameters(1)
    optimizer = mt.SGD([p], lr=0.1, momentum=0.5, dampening=0.25, weight_decay=0.01)
    give([p], 3.0)
    optimizer.step()
    v = 3.0 + 0.01 * 1.0
    w = 1.0 - 0.1 * v
    assert p.data.tolist() == [w]
    give([p], 2.0)
    optimizer.step()
    v = v * 0.5 + 0.75 * (2.0 + 0.01 * w)
    assert p.data.tolist() == [w - 0.1 * v]


def test_momentum_may_be_switched_off_and_on():
    """The velocity starts with the first gradient that meets momentum and waits while that is off."""
    (p,) = parameters(1)
    optimizer = mt.SGD([p], lr=1.0, dampening=0.5)
    w, v = 1.0, None
    for step, momentum in enumerate([0, 0.9, 0.9, 0, 0.9]):
        optimizer.param_groups[0]["momentum"] = momentum
        if step in (0, 3):  # looking at the state, or going on from a copy, changes nothing
            p, optimizer = copy.deepcopy((p, optimizer))
        give([p])
        optimizer.step()
        if momentum:
            v = 1.0 if v is None else 0.9 * v + 0.5
        w -= v if momentum else 1.0
        assert p.data.tolist() == [w]


def test_a_loaded_state_replaces_the_old_one_whole():
    (p,), (q,) = parameters(1), parameters(1)
    with_momentum, without = mt.SGD([p], lr=1.0, momentum=0.9), mt.SGD([q], lr=1.0)
    give([p, q])
    with_momentum.step()
    without.step()
    with_momentum.load_state_dict(without.state_dict())
    p.data = q.data
    for optimizer in (with_momentum, without):
        optimizer.param_groups[0]["momentum"] = 0.9
    give([p, q])
    with_momentum.step()
    without.step()
    assert p.data.tolist() == q.data.tolist()


def test_param_groups_keep_their_order_and_parameters():
    p, q = parameters(1, 1)
    for change in (
        lambda groups: groups.reverse(),
        lambda groups: groups.pop(),
        lambda groups: groups.append({"params": [], "lr": 1}),
        lambda groups: groups[0].update(params=[q]),
    ):
        optimizer = mt.SGD([{"params": p}, {"params": q, "lr": 0.5}])
        change(optimizer.param_groups)
        give([p, q])
        with pytest.raises(RuntimeError, match="param_groups"):
            optimizer.step()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1}, "SGD expects lr to be a number, 0 or more, got -1"),
        ({"lr": float("nan")}, "got nan"),
        ({"lr": "0.1"}, "got '0.1'"),
        ({"lr": None}, "got None"),
        ({"lr": float("inf")}, "got inf"),
        ({"lr": 10**400}, "got 1000"),
        ({"lr": True}, "got True"),
        ({"momentum": -0.1}, "expects momentum"),
        ({"dampening": -0.1}, "expects dampening"),
        ({"weight_decay": -0.1}, "expects weight_decay"),
        (
            {"nesterov": True},
            "nesterov=True expects momentum above 0 and dampening 0, got momentum=0, dampening=0",
        ),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        mt.SGD(parameters(1), **options)
    with pytest.raises(ValueError, match=message):
        mt.SGD([{"params": parameters(1), **options}])


def test_flags_are_true_or_false():
    with pytest.raises(TypeError, match="expects maximize to be True or False, got 1"):
        mt.SGD(parameters(1), maximize=1)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "SGD got no parameters"),
        (iter([]), ValueError, "SGD got no parameters"),
        (np.ones(3), TypeError, r"expects model\.parameters\(\), got ndarray"),
        (mt.Parameter(np.ones(1)), TypeError, r"expects model\.parameters\(\), got Parameter"),
        ({"a": 1}, TypeError, "got dict"),
        (mt.Linear(2, 2), TypeError, r"expects model\.parameters\(\), got Linear"),
        ([np.ones(3)], TypeError, "got ndarray among them"),
        ([mt.Linear(2, 2)], TypeError, "got Linear among them"),
        ([{"lr": 1}], TypeError, "expects a group to be a dict with 'params'"),
        ([{"params": []}], ValueError, "a group without parameters"),
        ([{"params": parameters(1), "betas": 1}], ValueError, "SGD has no option betas; it has lr, momentum"),
        (parameters(1) * 2, ValueError, "got a parameter twice"),
    ],
)
def test_wrong_parameters(params, error, message):
    with pytest.raises(error, match=message):
        mt.SGD(params)


def test_parameters_of_two_dtypes_in_a_group_are_refused():
    with pytest.raises(ValueError, match="parameters of one dtype in a group, got float32 and float64"):
        mt.SGD([*parameters(1), *parameters(1, dtype="float32")])
    groups = [{"params": parameters(1)}, {"params": parameters(1, dtype="float32")}]
    assert len(mt.SGD(groups).param_groups) == 2


def test_groups_have_options_of_their_own():
    p, q, r = parameters(1, 1, 1)
    optimizer = mt.SGD([{"params": p}, {"params": [q], "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [r], "lr": 0.125})
    give([p, q, r])
    optimizer.step()
    assert [float(x.data[0]) for x in (p, q, r)] == [0.75, 0.5, 0.875]
    assert repr(optimizer).startswith("SGD(lr=0.25, momentum=0, ")
    with pytest.raises(ValueError, match="got a parameter twice"):
        optimizer.add_param_group({"params": [q]})


def test_a_step_without_gradients_is_an_error():
    params = parameters(2)
    optimizer = mt.SGD(params)
    with pytest.raises(RuntimeError, match=r"call model\.backward\(loss\.backward\(\)\) before it"):
        optimizer.step()
    give(params)
    optimizer.zero_grad()
    assert params[0].grad.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="no fresh gradient"):
        optimizer.step()


def test_options_that_are_changed_are_checked_at_the_next_step():
    params = parameters(2)
    optimizer = mt.SGD(params)
    give(params)
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match=r"expects lr to be a number, 0 or more, got -1\.0"):
        optimizer.step()
    assert params[0].data.tolist() == [1, 1]
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert params[0].data.tolist() == [0.5, 0.5]


def test_a_learning_rate_that_is_a_numpy_number_changes_no_bits():
    results = []
    for lr in (0.1, np.float64(0.1)):
        (p,) = parameters(1000, dtype="float32")
        p.data = np.random.default_rng(0).standard_normal(1000).astype("float32")
        p.grad = np.random.default_rng(1).standard_normal(1000).astype("float32")
        optimizer = mt.SGD([p])
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        results.append(p.data.tobytes())
    assert results[0] == results[1]


def test_the_model_may_change_dtype_in_between():
    model = mt.Sequential(mt.Linear(3, 2, rng=0))
    optimizer = mt.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for dtype in ("float64", "float32"):
        model.astype(dtype)
        y = model(np.ones((1, 3), dtype))
        model.backward(np.ones_like(y))
        before = model.state_dict()
        optimizer.step()
        assert model[0].weight.data.dtype == dtype
        factor = 0.5 if dtype == "float64" else 0.5 * 1.9
        assert np.allclose(before["0.weight"] - model[0].weight.data, factor)


def test_two_optimizers_may_share_a_parameter():
    (p,) = parameters(2)
    optimizers = [mt.SGD([p], lr=0.25), mt.SGD([p], lr=0.5)]
    for optimizer in (*optimizers, *optimizers):
        give([p])
        optimizer.step()
    assert p.data.tolist() == [1 - 2 * 0.75] * 2


def test_a_wrong_state_is_listed_whole_and_changes_nothing():
    params = parameters(2, 3)
    optimizer = mt.SGD(params, lr=0.1, momentum=0.9)
    give(params)
    optimizer.step()
    state = optimizer.state_dict()
    wrong = optimizer.state_dict()
    wrong["param_groups"][0]["lr"] = 5.0
    wrong["state"][0]["momentum_buffer"] = np.ones(3)
    del wrong["state"][1]["momentum_buffer"]
    wrong["state"][1]["exp_avg"] = np.ones(3)
    with pytest.raises(ValueError, match="nothing was changed") as caught:
        optimizer.load_state_dict(wrong)
    for part in (
        "'0.momentum_buffer' has shape (3,)",
        "missing key '1.momentum_buffer'",
        "unexpected key '1.exp_avg'",
    ):
        assert part in str(caught.value)
    after = optimizer.state_dict()
    assert after["param_groups"] == state["param_groups"]
    assert (after["state"][0]["momentum_buffer"] == state["state"][0]["momentum_buffer"]).all()
    with pytest.raises(ValueError, match=r"SGD has groups of \[2\] parameters, the state of \[1\]"):
        optimizer.load_state_dict(mt.SGD(parameters(2)).state_dict())
    for step in (1.5, "a", np.nan):
        odd = optimizer.state_dict()
        odd["state"][0]["step"] = step
        with pytest.raises(ValueError, match=r"'0.step' has dtype .*, expected int64"):
            optimizer.load_state_dict(odd)
    with pytest.raises(TypeError, match="expects a state_dict with"):
        optimizer.load_state_dict({"lr": 1})
    for option, value in (("lr", -1.0), ("maximize", 1)):
        bad = optimizer.state_dict()
        bad["param_groups"][0] |= {"momentum": 0.5, option: value}
        with pytest.raises((ValueError, TypeError), match=f"expects {option}"):
            optimizer.load_state_dict(bad)
        assert optimizer.state_dict()["param_groups"] == state["param_groups"]


def test_a_loaded_state_brings_its_options():
    optimizer = mt.SGD(parameters(2), lr=0.1)
    other = mt.SGD(parameters(2), lr=0.7, momentum=0.5)
    optimizer.load_state_dict(other.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.7
    assert optimizer.param_groups[0]["params"] != [0]


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_allocates_nothing_of_the_size_of_a_parameter(momentum, accumulate):
    model = mt.Sequential(mt.Linear(800, 500, rng=0), mt.ReLU(), mt.Linear(500, 300, rng=1))
    optimizer, loss = mt.SGD(model.parameters(), lr=1e-3, momentum=momentum, weight_decay=0.1), mt.SquaredLoss()
    x, y = np.ones((4, 800)), np.ones((4, 300))

    def step():
        for _ in range(accumulate):
            loss(model(x), y)
            model.backward(loss.backward())
        optimizer.step()

    for _ in range(2):
        step()
    smallest = min(p.data.nbytes for p in model.parameters() if p.data.ndim == 2)
    tracemalloc.start()
    try:
        step()
        start, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(3):
            step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - start < 3 * BLOCK_BYTES < smallest / 2


def test_a_state_of_torch_is_turned_round():
    """As torch writes it: transposed weights, steps of float32 or none, options that say how it computes."""
    model = mt.Sequential(mt.Linear(3, 2, rng=0), mt.Linear(2, 2, rng=1))
    rng = np.random.default_rng(0)
    for make, arrays, options in (
        (lambda p: mt.SGD(p, lr=0.1, momentum=0.9), ("momentum_buffer",), {"foreach": None, "fused": None}),
        (mt.Adam, ("exp_avg", "exp_avg_sq"), {"capturable": False, "differentiable": False}),
    ):
        optimizer = make(model.parameters())
        shapes = [(2, 3), (2,), (2, 2), (2,)]  # torch's
        state = {i: {name: rng.random(shape) for name in arrays} for i, shape in enumerate(shapes)}
        step = {} if len(arrays) == 1 else {"step": np.float32(3)}
        given = {
            "state": {i: entry | step for i, entry in state.items()},
            "param_groups": [g | options for g in optimizer.state_dict()["param_groups"]],
        }
        with pytest.raises(ValueError, match=r"is of torch.*load_state_dict\(state, layout='torch'\)"):
            optimizer.load_state_dict(given)
        copy.deepcopy(optimizer)
        optimizer.load_state_dict(given, layout="torch")
        found = optimizer.state_dict()["state"]
        for i, entry in state.items():
            assert found[i]["step"] == (3 if step else 1)
            for name, array in entry.items():
                np.testing.assert_array_equal(found[i][name], array.T)
    with pytest.raises(ValueError, match="layout=None or 'torch', got 'keras'"):
        optimizer.load_state_dict(given, layout="keras")
    copied = copy.deepcopy(model)
    assert [p.is_transposed_in_torch for p in copied.parameters()] == [True, False, True, False]
