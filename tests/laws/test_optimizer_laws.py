"""The laws that every public optimizer keeps; the cases are in `table/optimizers.py`."""

import copy
import pickle

import numpy as np
import pytest
from table.optimizers import OPTIMIZERS
from table.samples import grads, same_bits, sample

import minitorch_np as mt

optimizers = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


def network(dtype="float64"):
    return mt.Sequential(mt.Linear(4, 6, dtype=dtype, rng=0), mt.ReLU(), mt.Linear(6, 2, dtype=dtype, rng=1))


def train(model, optimizer, steps, start=0):
    loss = mt.SquaredLoss()
    for step in range(start, start + steps):
        y_pred = model(sample((5, 4), model.dtype, seed=step))
        loss(y_pred, sample((5, 2), model.dtype, seed=100 + step))
        model.backward(loss.backward())
        optimizer.step()


@optimizers
def test_optimizer_dtype_stays(make):
    model = network("float32")
    optimizer = make(model.parameters())
    optimizer.param_groups[0]["lr"] = np.float64(0.01)
    train(model, optimizer, 2)
    states = [a for entry in optimizer.state_dict()["state"].values() for a in entry.values() if np.ndim(a)]
    assert {a.dtype for a in [*model.state_dict().values(), *states]} == {np.dtype("float32")}


@optimizers
def test_optimizer_continues_from_its_state_to_the_bit(make):
    model = network()
    optimizer = make(model.parameters())
    train(model, optimizer, 3)
    other = network()
    other.load_state_dict(model.state_dict())
    resumed = make(other.parameters())
    resumed.load_state_dict(optimizer.state_dict())
    copied, copied_optimizer = copy.deepcopy((model, optimizer))
    pickled, pickled_optimizer = pickle.loads(pickle.dumps((model, optimizer)))
    train(model, optimizer, 3, start=3)
    for again, its_optimizer in ((other, resumed), (copied, copied_optimizer), (pickled, pickled_optimizer)):
        train(again, its_optimizer, 3, start=3)
        assert same_bits(again.state_dict(), model.state_dict())


@optimizers
def test_parameters_are_updated_alike_alone_and_side_by_side(make):
    together, apart = network(), network()
    train(together, make(together.parameters()), 3)
    optimizers = [make([parameter]) for parameter in apart.parameters()]
    loss = mt.SquaredLoss()
    for step in range(3):
        loss(apart(sample((5, 4), seed=step)), sample((5, 2), seed=100 + step))
        apart.backward(loss.backward())
        for optimizer in optimizers:
            optimizer.step()
    assert same_bits(together.state_dict(), apart.state_dict())


@optimizers
def test_a_step_uses_the_gradients_up(make):
    model = network()
    optimizer = make(model.parameters())
    train(model, optimizer, 1)
    before = model.state_dict()
    with pytest.raises(RuntimeError, match=r"step\(\) found no fresh gradient"):
        optimizer.step()
    assert same_bits(model.state_dict(), before)


@optimizers
def test_a_parameter_without_a_fresh_gradient_stays(make):
    parameters = [mt.Parameter(sample(n, seed=n)) for n in (3, 4, 5)]
    optimizer = make(parameters)
    before = parameters[1].data.copy()
    for parameter in (parameters[0], parameters[2]):
        parameter.add_grad(np.ones(parameter.shape))
    optimizer.step()
    assert parameters[1].data.tobytes() == before.tobytes()
    late, early = mt.Parameter(before), mt.Parameter(before)
    alone = make([early])
    for parameter in (parameters[1], early):
        parameter.add_grad(np.ones(4))
    optimizer.step()
    alone.step()
    assert parameters[1].data.tobytes() == early.data.tobytes() != late.data.tobytes()


@optimizers
def test_gradients_stay_readable_after_the_step(make):
    model = network()
    optimizer = make(model.parameters())
    loss = mt.SquaredLoss()
    loss(model(sample((5, 4))), sample((5, 2)))
    model.backward(loss.backward())
    before = grads(model)
    optimizer.step()
    assert same_bits(grads(model), before)
