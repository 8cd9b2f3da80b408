"""A step that is interrupted or runs out of memory, at every line of it, breaks nothing for later."""

import sys

import numpy as np
import pytest
from table.optimizers import OPTIMIZERS

import minitorch_np as mt
from minitorch_np._internal import flat_buffers

CASES = [(name, error) for name in OPTIMIZERS for error in (KeyboardInterrupt, MemoryError)]
rules = pytest.mark.parametrize(
    ("name", "error"),
    [c if c == ("Adam", KeyboardInterrupt) else pytest.param(*c, marks=pytest.mark.slow) for c in CASES],
)
PACKAGE = mt.__file__.rpartition("__init__")[0]


def network(make):
    model = mt.Sequential(mt.Linear(3, 4, rng=0), mt.Tanh(), mt.Linear(4, 2, rng=1))
    return model, make(model.parameters())


def gradients(model):
    for i, parameter in enumerate(model.parameters()):
        parameter.grad = np.full(parameter.shape, 0.1 * (i + 1))


def interrupted(call, at, error):
    """Call, and raise the error at the line of that number that is executed in this package."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            count += 1
            if count == at:
                sys.settrace(None)
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)


def state_of(model, optimizer):
    state = optimizer.state_dict()["state"]
    arrays = {f"{i}.{name}": np.asarray(v) for i, entry in state.items() for name, v in entry.items()}
    return model.state_dict() | arrays


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@rules
@pytest.mark.parametrize("steps_before", [0, 1])
def test_an_interrupt_at_any_line_leaves_an_optimizer_that_goes_on(name, steps_before, error):
    at = 0
    while True:
        at += 1
        model, optimizer = network(OPTIMIZERS[name])
        for _ in range(steps_before):
            gradients(model)
            optimizer.step()
        gradients(model)
        before = state_of(model, optimizer)
        try:
            interrupted(optimizer.step, at, error())
        except error as raised:
            noted = "ended in its middle" in "".join(getattr(raised, "__notes__", []))
        else:
            break  # all lines were tried
        pending = [p.has_grad for p in model.parameters()]
        now = state_of(model, optimizer)
        is_untouched = all(np.array_equal(now[n], before[n]) for n in before) and all(pending)
        assert is_untouched or noted or not any(pending), f"line {at}"
        counts = {entry["step"] for entry in optimizer.state_dict()["state"].values()}
        assert len(counts) == 1, f"line {at}: {counts}"
        gradients(model)
        optimizer.step()
        assert all(np.isfinite(p.data).all() and p.data.flags.writeable for p in model.parameters())
        assert len({entry["step"] for entry in optimizer.state_dict()["state"].values()}) == 1
        moved = model.state_dict()
        gradients(model)
        optimizer.step()  # the parameters are those that the optimizer writes to
        assert not any(np.array_equal(moved[n], p.data) for n, p in model.named_parameters())
    assert at > 20


def test_parameters_that_are_fetched_back_are_not_lost_by_an_interrupt():
    at = 0
    while True:
        at += 1
        model, optimizer = network(lambda parameters: mt.Adam(parameters, lr=0.1))
        gradients(model)
        optimizer.step()
        other = mt.SGD(model.parameters(), lr=0.1)  # takes the parameters into its own memory
        before = state_of(model, optimizer)
        gradients(model)
        try:
            interrupted(optimizer.step, at, KeyboardInterrupt())
        except KeyboardInterrupt as raised:
            noted = bool(getattr(raised, "__notes__", []))
        else:
            break
        assert noted or same(before, state_of(model, optimizer)) or not model[0].weight.has_grad, f"line {at}"
        for each in (other, optimizer):
            gradients(model)
            moved = model.state_dict()
            each.step()
            assert not any(np.array_equal(moved[n], p.data) for n, p in model.named_parameters())
    assert at > 40


def test_no_memory_for_a_state_changes_nothing(monkeypatch):
    model, optimizer = network(lambda parameters: mt.Adam(parameters, lr=0.1))
    gradients(model)
    before = model.state_dict()
    calls = []

    def fails(size, dtype):
        calls.append(size)
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(flat_buffers, "aligned_zeros", fails)
        with pytest.raises(MemoryError):
            optimizer.step()
    assert calls
    assert same(before, model.state_dict())
    optimizer.step()
    assert not same(before, model.state_dict())


def test_a_gradient_that_another_optimizer_has_stepped_over_is_warned_of():
    model = mt.Sequential(mt.Linear(2, 3, rng=0), mt.Linear(3, 2, rng=1))
    loss, x, y = mt.SquaredLoss(), np.ones((4, 2)), np.zeros((4, 2))
    head, everything = mt.SGD(model[1].parameters(), lr=0.01), mt.SGD(model.parameters(), lr=0.01)

    def backward():
        loss(model(x), y)
        model.backward(loss.backward())

    backward()
    head.step()
    backward()  # adds to the first layer's gradients of before
    with pytest.warns(
        UserWarning, match=r"gradients of shape \(2, 3\), \(3,\) were begun before a step of another"
    ):
        everything.step()
    backward()
    everything.step()  # warnings are errors
    backward()
    head.step()
    model.zero_grad()
    backward()
    backward()  # two batches for one step
    everything.step()
    backward()  # one backward for two optimizers
    head.step()
    everything.step()


def test_a_layer_that_came_after_the_optimizer_is_noticed_by_its_steps():
    model = mt.Sequential(mt.Linear(2, 3, rng=0), mt.Linear(3, 2, rng=1))
    optimizer = mt.SGD(model.parameters(), lr=0.01)
    model[1] = mt.Linear(3, 2, rng=2)
    loss, x, y = mt.SquaredLoss(), np.ones((4, 2)), np.zeros((4, 2))

    def step():
        loss(model(x), y)
        model.backward(loss.backward())
        optimizer.step()

    step()
    with pytest.warns(UserWarning, match=r"shape \(3, 2\), \(2,\) get gradients, and no optimizer has them"):
        step()
    step()  # it is said once


def test_fit_begins_without_gradients_of_before():
    x, y = np.ones((4, 2)), np.zeros((4, 2))

    def trained(stale):
        model = mt.Sequential(mt.Linear(2, 3, rng=0), mt.Linear(3, 2, rng=1))
        if stale:
            for parameter in model.parameters():
                parameter.grad = np.full(parameter.shape, 100.0)
        mt.fit(model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=0.01), x, y, epochs=1, verbose=0)
        return model.state_dict()

    assert same(trained(stale=False), trained(stale=True))
