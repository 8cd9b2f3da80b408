"""The laws that every public layer keeps; the cases are in `table/layers.py`."""

import copy
import pickle

import numpy as np
import pytest
from table.layers import LAYERS
from table.samples import grads, same_bits, sample

import minitorch_np as mt
from minitorch_np.layers.sequential import input_gradient
from minitorch_np.study.gradcheck import gradcheck


def those(wanted):
    """Parametrize a law with the cases that it speaks of."""
    found = {name: case for name, case in LAYERS.items() if wanted(case)}
    assert found
    return pytest.mark.parametrize("case", found.values(), ids=found)


layers = those(lambda case: True)
of_floats = those(lambda case: not case.indices)
computing = those(lambda case: repr(case.make("float64")) != "Sequential()")


@layers
def test_gradients_agree_with_difference_quotients(case):
    assert gradcheck(case.make("float64"), case.sample(), rng=1, rtol=1e-6, atol=1e-7)


@layers
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dtype_stays(case, dtype):
    layer = case.make(dtype)
    y = layer(case.sample(dtype))
    dx = input_gradient(layer, y.copy())
    assert {
        y.dtype,
        dx.dtype,
        *(p.dtype for p in layer.parameters()),
        *(g.dtype for g in grads(layer).values()),
    } == {np.dtype(dtype)}


@layers
def test_astype_takes_the_whole_model_over(case):
    layer = case.make("float64").astype(np.float32)
    x = case.sample("float32")
    exact = case.make("float64")(x if case.indices else x.astype("float64"))
    assert np.allclose(layer(x), exact, rtol=1e-4, atol=1e-6)
    assert layer.dtype in (None, np.float32)


@layers
def test_arguments_stay_untouched_and_may_be_read_only(case):
    layer = case.make("float64")
    x, dy = case.sample(), sample(layer(case.sample()).shape, seed=1)
    before = x.copy(), dy.copy()
    x.flags.writeable = dy.flags.writeable = False
    layer(x)
    input_gradient(layer, dy)
    assert x.tobytes() == before[0].tobytes()
    assert dy.tobytes() == before[1].tobytes()


@layers
def test_results_are_not_overwritten_by_later_calls(case):
    layer = case.make("float64")
    y = layer(case.sample())
    dx = input_gradient(layer, sample(y.shape, seed=1))
    before = y.copy(), dx.copy()
    input_gradient(layer, sample(layer(case.sample(seed=2)).shape, seed=3))
    assert y.tobytes() == before[0].tobytes()
    assert dx.tobytes() == before[1].tobytes()


@layers
def test_memory_layout_does_not_matter(case):
    layer, x = case.make("float64"), case.sample()
    y = layer(x)
    dx = input_gradient(layer, y.copy())
    expected = grads(layer)
    layer.zero_grad()
    strided = np.repeat(np.asfortranarray(x), 2, axis=0)[::2]
    assert np.allclose(layer(strided), y, rtol=1e-12)
    assert np.allclose(input_gradient(layer, np.asfortranarray(y)), dx, rtol=1e-12)
    assert all(np.allclose(g, expected[name], rtol=1e-12) for name, g in grads(layer).items())


@of_floats
def test_integers_and_lists_become_floats(case):
    for dtype in ("float64", "float32"):
        layer = case.make(dtype)
        x = (10 * case.sample()).astype(int)
        expected = layer(x.astype(layer.dtype or np.float64))
        if layer.passes_integers:  # for an Embedding after it; the gradient is of floats
            assert layer(x).dtype == x.dtype
            assert layer.backward(expected).dtype == expected.dtype
            assert layer(x).astype(float).tobytes() == expected.tobytes()
            continue
        assert layer(x).tobytes() == expected.tobytes()
        assert layer(x > 0).dtype == expected.dtype
        assert layer(x.astype(float).tolist()).tobytes() == expected.tobytes()


@of_floats
def test_other_dtypes_are_refused(case):
    layer = case.make("float64")
    for wrong in ("complex128", "float16", "longdouble", "object", "str"):
        x = case.sample().astype(wrong)
        with pytest.raises(TypeError, match=r"expects x of dtype .*float64.*, got") as caught:
            layer(x)
        assert str(caught.value).rpartition("got ")[2].startswith(str(x.dtype)), wrong


@those(lambda case: case.make("float32").dtype is not None and not case.indices)
def test_the_other_precision_is_refused(case):
    layer = case.make("float32")
    with pytest.raises(
        TypeError, match=r"float32, got float64.*x\.astype\('float32'\).*model\.astype\('float64'\)"
    ):
        layer(case.sample())


@those(lambda case: case.wrong_shape is not None)
def test_a_wrong_shape_is_named(case):
    layer = case.make("float64")
    with pytest.raises(ValueError, match=r"^\w+\(.*\) expects .*, got (x of shape )?\(") as caught:
        layer(sample(case.wrong_shape))
    assert str(case.wrong_shape) in str(caught.value)
    assert str(caught.value).split("(")[0] in repr(layer)


@computing
def test_a_wrong_dy_is_named_and_can_be_corrected(case):
    layer = case.make("float64")
    y = layer(case.sample())
    with pytest.raises(ValueError, match=r"expects dy of shape"):
        layer.backward(np.ones((7, *y.shape)))
    with pytest.raises(TypeError, match=r"expects dy"):
        layer.backward(y.astype("float32"))
    with pytest.raises(TypeError, match=r"expects dy .*None"):
        layer.backward(None)
    layer.backward(y)


@computing
def test_backward_consumes_its_forward(case):
    layer, x = case.make("float64"), case.sample()
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        layer.backward(x)
    y = layer(x)
    layer.backward(y)
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        layer.backward(y)


@layers
def test_backward_parameters_leaves_the_gradients_that_backward_leaves(case):
    with_dx, without = case.make("float64"), case.make("float64")
    x = case.sample()
    input_gradient(with_dx, with_dx(x))
    assert without.backward_parameters(without(x)) is None
    assert same_bits(grads(with_dx), grads(without))


@layers
def test_two_backwards_accumulate(case):
    layer, expected = case.make("float64"), case.make("float64")
    total = {name: 0.0 for name, _ in layer.named_parameters()}
    for seed in (0, 1):
        x = case.sample(seed=seed)
        layer.backward(layer(x))
        expected.backward(expected(x))
        total = {name: total[name] + g for name, g in grads(expected).items()}
        expected.zero_grad()
    assert all(np.allclose(g, total[name], rtol=1e-14) for name, g in grads(layer).items())


@layers
@pytest.mark.parametrize("batch", [0, 1])
def test_an_empty_batch_and_a_batch_of_one(case, batch):
    layer = case.make("float64")
    if 0 < batch < case.least:
        with pytest.raises(ValueError, match="expects more than one value a feature while it trains"):
            layer(case.sample(batch=batch))
        return
    x = case.sample() if len(case.shape) == 1 else case.sample(batch=batch)
    y = layer(x)
    assert input_gradient(layer, y).shape == x.shape
    if batch == 0 and len(case.shape) > 1:
        assert y.shape[0] == 0
        assert all((g == 0).all() for g in grads(layer).values())


@of_floats
def test_nan_and_infinity_pass_through(case):
    layer = case.make("float64")
    x = case.sample()
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
    layer, x = case.make("float64"), case.sample()
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
    assert not any(inner.training for _, inner in layer.named_modules())
    assert all(inner.training for _, inner in layer.train().named_modules())
