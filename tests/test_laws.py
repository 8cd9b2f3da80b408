"""The laws that every public layer, loss and optimizer keeps; the cases are in `table.py`."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest
from table import LAYERS, LOSSES, OPTIMIZERS

import minitorch_np as mt
from minitorch_np.study.gradcheck import gradcheck

layers = pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
losses = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
optimizers = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


def sample(shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def grads(layer):
    return {name: parameter.grad.copy() for name, parameter in layer.named_parameters()}


def same_bits(a, b):
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_every_public_class_is_in_the_table():
    made = [case.make("float64") for case in LAYERS.values()] + [make() for make in LOSSES.values()]
    made += [make([mt.Parameter(np.ones(2))]) for make in OPTIMIZERS.values()]
    public = [getattr(mt, name) for name in mt.__all__]
    expected = {
        c for c in public if inspect.isclass(c) and issubclass(c, mt.Layer | mt.Loss | mt.Optimizer)
    } - {mt.Layer, mt.Activation, mt.Loss, mt.Optimizer}
    assert expected - {type(thing) for thing in made} == set()


@layers
def test_gradients_agree_with_difference_quotients(case):
    assert gradcheck(case.make("float64"), sample(case.shape), rng=1, rtol=1e-6, atol=1e-7)


@layers
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dtype_stays(case, dtype):
    layer = case.make(dtype)
    y = layer(sample(case.shape, dtype))
    dx = layer.backward(y.copy(), input_grad=True)
    assert {
        y.dtype,
        dx.dtype,
        *(p.dtype for p in layer.parameters()),
        *(g.dtype for g in grads(layer).values()),
    } == {np.dtype(dtype)}


@layers
def test_astype_takes_the_whole_model_over(case):
    layer = case.make("float64").astype(np.float32)
    x = sample(case.shape, "float32")
    assert np.allclose(layer(x), case.make("float64")(x.astype("float64")), rtol=1e-4, atol=1e-6)
    assert layer.dtype in (None, np.float32)


@layers
def test_arguments_stay_untouched_and_may_be_read_only(case):
    layer = case.make("float64")
    x, dy = sample(case.shape), sample(layer(sample(case.shape)).shape, seed=1)
    before = x.copy(), dy.copy()
    x.flags.writeable = dy.flags.writeable = False
    layer(x)
    layer.backward(dy, input_grad=True)
    assert x.tobytes() == before[0].tobytes()
    assert dy.tobytes() == before[1].tobytes()


@layers
def test_results_are_not_overwritten_by_later_calls(case):
    layer = case.make("float64")
    y = layer(sample(case.shape))
    dx = layer.backward(sample(y.shape, seed=1), input_grad=True)
    before = y.copy(), dx.copy()
    layer.backward(sample(layer(sample(case.shape, seed=2)).shape, seed=3), input_grad=True)
    assert y.tobytes() == before[0].tobytes()
    assert dx.tobytes() == before[1].tobytes()


@layers
def test_memory_layout_does_not_matter(case):
    layer, x = case.make("float64"), sample(case.shape)
    y = layer(x)
    dx = layer.backward(y.copy(), input_grad=True)
    expected = grads(layer)
    layer.zero_grad()
    strided = np.repeat(np.asfortranarray(x), 2, axis=0)[::2]
    assert np.allclose(layer(strided), y, rtol=1e-12)
    assert np.allclose(layer.backward(np.asfortranarray(y), input_grad=True), dx, rtol=1e-12)
    assert all(np.allclose(g, expected[name], rtol=1e-12) for name, g in grads(layer).items())


@layers
def test_integers_and_lists_become_floats(case):
    for dtype in ("float64", "float32"):
        layer = case.make(dtype)
        x = (10 * sample(case.shape)).astype(int)
        expected = layer(x.astype(layer.dtype or np.float64))
        assert layer(x).tobytes() == expected.tobytes()
        assert layer(x > 0).dtype == expected.dtype
        assert layer(x.astype(float).tolist()).tobytes() == expected.tobytes()


@layers
@pytest.mark.parametrize("wrong", ["complex128", "float16", "longdouble", "object", "str"])
def test_other_dtypes_are_refused(case, wrong):
    with pytest.raises(TypeError, match=r"expects x of dtype .*float64.*, got"):
        case.make("float64")(sample(case.shape).astype(wrong))


@layers
def test_the_other_precision_is_refused(case):
    layer = case.make("float32")
    if layer.dtype is None:
        return  # takes both
    with pytest.raises(
        TypeError, match=r"float32, got float64.*x\.astype\('float32'\).*model\.astype\('float64'\)"
    ):
        layer(sample(case.shape))


@layers
def test_a_wrong_shape_is_named(case):
    if case.wrong_shape is None:
        return  # takes every shape
    layer = case.make("float64")
    with pytest.raises(ValueError, match=r"expects x of shape \(N, 4\), got \(") as caught:
        layer(sample(case.wrong_shape))
    assert "Linear(4, " in str(caught.value)


@layers
def test_a_wrong_dy_is_named_and_can_be_corrected(case):
    layer = case.make("float64")
    y = layer(sample(case.shape))
    if len(list(layer.named_layers())) == 1 and isinstance(layer, mt.Sequential):
        return  # an empty Sequential keeps nothing
    with pytest.raises(ValueError, match=r"expects dy of shape"):
        layer.backward(np.ones((7, *y.shape)))
    with pytest.raises(TypeError, match=r"expects dy"):
        layer.backward(y.astype("float32"))
    with pytest.raises(TypeError, match=r"expects dy .*None"):
        layer.backward(None)
    layer.backward(y)


@layers
def test_backward_uses_up_its_forward(case):
    layer, x = case.make("float64"), sample(case.shape)
    if not list(layer.children()) and isinstance(layer, mt.Sequential):
        return
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        layer.backward(x)
    y = layer(x)
    layer.backward(y)
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        layer.backward(y)


@layers
def test_parameter_gradients_do_not_depend_on_input_grad(case):
    with_dx, without = case.make("float64"), case.make("float64")
    x = sample(case.shape)
    with_dx.backward(with_dx(x), input_grad=True)
    assert without.backward(without(x), input_grad=False) is None
    assert same_bits(grads(with_dx), grads(without))


@layers
def test_two_backwards_accumulate(case):
    layer, expected = case.make("float64"), case.make("float64")
    total = {name: 0.0 for name, _ in layer.named_parameters()}
    for seed in (0, 1):
        x = sample(case.shape, seed=seed)
        layer.backward(layer(x))
        expected.backward(expected(x))
        total = {name: total[name] + g for name, g in grads(expected).items()}
        expected.zero_grad()
    assert all(np.allclose(g, total[name], rtol=1e-14) for name, g in grads(layer).items())


@layers
@pytest.mark.parametrize("batch", [0, 1])
def test_an_empty_batch_and_a_batch_of_one(case, batch):
    layer = case.make("float64")
    shape = case.shape if len(case.shape) == 1 else (batch, *case.shape[1:])
    y = layer(sample(shape))
    assert layer.backward(y, input_grad=True).shape == shape
    if batch == 0 and len(case.shape) > 1:
        assert y.shape[0] == 0
        assert all((g == 0).all() for g in grads(layer).values())


@layers
def test_nan_and_infinity_pass_through(case):
    layer = case.make("float64")
    x = sample(case.shape)
    x[..., 0] = np.nan
    y = layer(x)
    assert np.isnan(y).any()
    x[..., 0] = np.inf
    with np.errstate(invalid="ignore"):
        assert layer(x).shape == y.shape


@layers
def test_repr_is_the_call_that_builds_it(case):
    for dtype in ("float64", "float32"):
        layer = case.make(dtype)
        again = eval(repr(layer), vars(mt).copy())
        assert repr(again) == repr(layer)
        assert [(n, p.shape, p.dtype) for n, p in again.named_parameters()] == [
            (n, p.shape, p.dtype) for n, p in layer.named_parameters()
        ]


@layers
def test_state_dict_copy_and_pickle_round_trips(case):
    layer, x = case.make("float64"), sample(case.shape)
    for parameter in layer.parameters():
        parameter.data += 1
    y = layer(x)
    other = case.make("float64")
    other.load_state_dict(layer.state_dict())
    for again in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert again(x).tobytes() == y.tobytes()
    for parameter in other.parameters():
        parameter.data += 1
    assert layer(x).tobytes() == y.tobytes()


@layers
def test_train_and_eval(case):
    layer = case.make("float64")
    assert layer.eval() is layer
    assert not any(inner.training for _, inner in layer.named_layers())
    assert all(inner.training for _, inner in layer.train().named_layers())


@losses
def test_loss_gradients_agree_with_difference_quotients(make):
    assert gradcheck(make(), sample((5, 4)), sample((5, 4), seed=1), rtol=1e-6, atol=1e-7)


@losses
def test_loss_dtype_stays_and_arguments_stay_untouched(make):
    for dtype in ("float64", "float32"):
        prediction, target = sample((5, 4), dtype), sample((5, 4), dtype, seed=1)
        before = prediction.copy(), target.copy()
        prediction.flags.writeable = target.flags.writeable = False
        loss = make()
        value = loss(prediction, target)
        gradient = loss.backward()
        assert value.dtype == gradient.dtype == dtype
        assert gradient.shape == prediction.shape
        assert (prediction == before[0]).all()
        assert (target == before[1]).all()


@losses
def test_loss_backward_uses_up_its_forward(make):
    loss = make()
    with pytest.raises(RuntimeError, match=r"before each backward"):
        loss.backward()
    loss(np.ones(3), np.ones(3))
    loss.backward()
    with pytest.raises(RuntimeError, match=r"before each backward"):
        loss.backward()


@losses
def test_loss_repr_is_the_call_that_builds_it(make):
    assert repr(eval(repr(make()), vars(mt).copy())) == repr(make())


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
