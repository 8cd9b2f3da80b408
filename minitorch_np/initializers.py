"""Initial weights: functions `(shape, rng, dtype) -> array`, with torch's formulas and gains.

The shape of a weight is `(fan_in, fan_out)`. Numbers are drawn in float64 and rounded to `dtype`, so
that one seed gives a float32 and a float64 network the same weights up to rounding. Options are
keywords; `functools.partial(kaiming_normal, nonlinearity="tanh")` fixes one.
Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minitorch_np._internal.arrays import Array

    Shape = tuple[int, ...]
    Rng = np.random.Generator | int | None
    Initializer = Callable[[Shape, np.random.Generator, Any], Any]


def zeros(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64) -> Array:
    """Zeros."""
    return np.zeros(shape, dtype)


def ones(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64) -> Array:
    """Ones."""
    return np.ones(shape, dtype)


def uniform(
    shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64, *, low: float = 0.0, high: float = 1.0
) -> Array:
    """Uniform in [low, high)."""
    return np.random.default_rng(rng).uniform(low, high, shape).astype(dtype, copy=False)


def normal(
    shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64, *, mean: float = 0.0, std: float = 1.0
) -> Array:
    """Normal with the given mean and standard deviation."""
    return np.random.default_rng(rng).normal(mean, std, shape).astype(dtype, copy=False)


def standard_normal(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64) -> Array:
    """Normal with mean 0 and standard deviation 1, as in the handwritten program."""
    return np.random.default_rng(rng).standard_normal(shape).astype(dtype, copy=False)


def trunc_normal(
    shape: Shape,
    rng: Rng = None,
    dtype: DTypeLike = np.float64,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
) -> Array:
    """Normal, with what falls outside [a, b] drawn again."""
    within = (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2)))) / 2
    if not within > 0.01:
        raise ValueError(f"trunc_normal expects [a, b] to hold 1 % of the numbers or more, got a={a}, b={b}")
    rng = np.random.default_rng(rng)
    w = rng.normal(mean, std, shape)
    while (outside := (w < a) | (w > b)).any():
        w[outside] = rng.normal(mean, std, int(outside.sum()))
    return w.astype(dtype, copy=False)


def fan_in_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64) -> Array:
    """Uniform in ±1/√fan_in, torch's default for Linear (there: kaiming_uniform with a = √5)."""
    bound = 1 / math.sqrt(fans(shape)[0])
    return uniform(shape, rng, dtype, low=-bound, high=bound)


def xavier_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64, *, gain: float = 1.0) -> Array:
    """Uniform in ±gain·√(6/(fan_in + fan_out)) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(shape)))
    return uniform(shape, rng, dtype, low=-bound, high=bound)


def xavier_normal(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64, *, gain: float = 1.0) -> Array:
    """Normal with std = gain·√(2/(fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return normal(shape, rng, dtype, std=gain * math.sqrt(2 / sum(fans(shape))))


def kaiming_uniform(
    shape: Shape,
    rng: Rng = None,
    dtype: DTypeLike = np.float64,
    *,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
) -> Array:
    """Uniform in ±gain·√(3/fan), with the gain of `nonlinearity` (He et al. 2015)."""
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / fan(shape, mode))
    return uniform(shape, rng, dtype, low=-bound, high=bound)


def kaiming_normal(
    shape: Shape,
    rng: Rng = None,
    dtype: DTypeLike = np.float64,
    *,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
) -> Array:
    """Normal with std = gain/√fan, with the gain of `nonlinearity` (He et al. 2015)."""
    return normal(shape, rng, dtype, std=calculate_gain(nonlinearity, a) / math.sqrt(fan(shape, mode)))


def orthogonal(shape: Shape, rng: Rng = None, dtype: DTypeLike = np.float64, *, gain: float = 1.0) -> Array:
    """gain times a matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2013).

    The Q of a normal matrix's QR decomposition, with signs that make R's diagonal positive.
    """
    fan_in, fan_out = fans(shape)
    tall = np.random.default_rng(rng).standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return (gain * (q if fan_in >= fan_out else q.T)).astype(dtype)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that keeps a signal's scale through `nonlinearity`; `param` is leaky_relu's slope."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        raise ValueError(f"nonlinearity must be one of leaky_relu, {', '.join(gains)}; got {nonlinearity!r}")
    return gains[nonlinearity]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (in, out)."""
    if len(shape) != 2:
        raise ValueError(f"this initializer expects a weight of shape (in, out), got {shape}")
    return shape[0], shape[1]


def fan(shape: Shape, mode: str) -> int:
    """fan_in or fan_out, as `mode` says."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return fans(shape)[mode == "fan_out"]


NAMED: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        zeros,
        ones,
        uniform,
        normal,
        standard_normal,
        trunc_normal,
        fan_in_uniform,
        xavier_uniform,
        xavier_normal,
        kaiming_uniform,
        kaiming_normal,
        orthogonal,
    )
}


def named(init: str | Initializer) -> Initializer:
    """Return the initializer of that name; a function is returned as it is."""
    if callable(init):
        return init
    if init not in NAMED:
        raise ValueError(
            f"init must be a function (shape, rng, dtype) -> array or one of {', '.join(NAMED)}; got {init!r}"
        )
    return NAMED[init]
