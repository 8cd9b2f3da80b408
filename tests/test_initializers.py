import inspect
from functools import partial

import numpy as np
import pytest

from minitorch_np import initializers as init

SHAPE = (400, 300)
UNIFORM = {
    "uniform": (0, 1),
    "fan_in_uniform": (-0.05, 0.05),
    "xavier_uniform": (-((6 / 700) ** 0.5), (6 / 700) ** 0.5),
    "kaiming_uniform": (-((6 / 400) ** 0.5), (6 / 400) ** 0.5),
}
NORMAL = {
    "normal": 1,
    "standard_normal": 1,
    "xavier_normal": (2 / 700) ** 0.5,
    "kaiming_normal": (2 / 400) ** 0.5,
}


@pytest.mark.parametrize(("name", "bounds"), UNIFORM.items())
def test_uniform_bounds(name, bounds):
    w = init.named(name)(SHAPE, 0, np.float64)
    low, high = bounds
    assert low <= w.min() < low + 1e-3 * (high - low)
    assert high - 1e-3 * (high - low) < w.max() <= high


@pytest.mark.parametrize(("name", "std"), NORMAL.items())
def test_normal_scale(name, std):
    w = init.named(name)(SHAPE, 0, np.float64)
    assert abs(w.mean()) < 0.02 * std
    assert abs(w.std() / std - 1) < 0.01
    assert np.abs(w).max() > 3.5 * std


def test_options():
    w = init.kaiming_normal(SHAPE, 0, mode="fan_out", nonlinearity="tanh")
    assert abs(w.std() / (5 / 3 / 300**0.5) - 1) < 0.01
    assert abs(init.kaiming_uniform(SHAPE, 0, a=5**0.5).max() / 0.05 - 1) < 1e-3
    assert abs(init.xavier_normal(SHAPE, 0, gain=3).std() / (3 * (2 / 700) ** 0.5) - 1) < 0.01
    assert abs(init.normal(SHAPE, 0, mean=2, std=0.1).mean() - 2) < 0.01
    assert init.uniform(SHAPE, 0, low=3, high=4).min() >= 3


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_orthogonal(shape):
    w = init.orthogonal(shape, 0, gain=2.0)
    assert w.shape == shape
    short = w if shape[0] < shape[1] else w.T
    assert np.allclose(short @ short.T, 4 * np.eye(min(shape)))


def test_trunc_normal():
    w = init.trunc_normal(SHAPE, 0, std=2.0, a=-1.0, b=3.0)
    assert -1 <= w.min() < -0.99
    assert 2.98 < w.max() <= 3
    with pytest.raises(ValueError, match="to hold 1 % of the numbers or more"):
        init.trunc_normal(SHAPE, 0, a=50.0, b=51.0)
    with pytest.raises(ValueError, match="to hold 1 %"):
        init.trunc_normal(SHAPE, 0, std=float("inf"))


@pytest.mark.parametrize("name", init.NAMED)
def test_shape_dtype_seed_and_signature(name):
    make = init.NAMED[name]
    single, double = make((3, 5), 1, np.float32), make((3, 5), 1, np.float64)
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    assert single.shape == (3, 5)
    assert (single == double.astype(np.float32)).all()
    assert (make((3, 5), np.random.default_rng(1), np.float64) == double).all()
    assert list(inspect.signature(make).parameters)[:3] == ["shape", "rng", "dtype"]
    assert make.__name__ == name


def test_every_initializer_has_its_name():
    public = {
        name
        for name, value in vars(init).items()
        if inspect.isfunction(value)
        and list(inspect.signature(value).parameters)[:3] == ["shape", "rng", "dtype"]
    }
    assert public == set(init.NAMED)


def test_errors():
    with pytest.raises(ValueError, match=r"weight of shape \(in, out\), got \(3,\)"):
        init.xavier_normal((3,), 0)
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal((3, 2), 0, mode="fan")
    with pytest.raises(ValueError, match=r"nonlinearity must be one of leaky_relu, .*; got 'gelu'"):
        init.calculate_gain("gelu")


def test_partial_is_an_initializer():
    import minitorch_np as mt

    layer = mt.Linear(400, 300, init=partial(init.kaiming_normal, nonlinearity="tanh"), rng=0)
    assert abs(layer.weight.data.std() / (5 / 3 / 20) - 1) < 0.01
