"""Adam and RMSprop against whole-array loops in float64, for any options, shapes and groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt

shapes = st.lists(st.lists(st.integers(0, 5), max_size=3).map(tuple), min_size=1, max_size=4)
betas = st.tuples(st.floats(0, 0.99), st.floats(0, 0.999))
small = st.floats(0, 0.1)
eps = st.floats(1e-8, 1)


def adam(w, gradients, *, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay):
    m, v, largest = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        g = -g if maximize else g
        if decoupled_weight_decay:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        v_hat = (largest if amsgrad else v) / (1 - betas[1] ** t)
        w = w - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v_hat) + eps)
    return w


def rmsprop(w, gradients, *, lr, alpha, eps, weight_decay, momentum, centered, maximize):
    s, a, b = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    for g in gradients:
        g = (-g if maximize else g) + weight_decay * w
        s = alpha * s + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (np.sqrt(np.maximum(s - a**2, 0) if centered else s) + eps)
        w = w - lr * b
    return w


def check(optimizer, rule, shapes, groups, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal(shape) for shape in shapes]
    gradients = [[rng.uniform(0.1, 1, shape) * (-1) ** t for t in range(4)] for shape in shapes]
    parameters = [mt.Parameter(w) for w in weights]
    number = len(groups)
    made = optimizer(
        [{"params": parameters[i::number], **o} for i, o in enumerate(groups) if parameters[i::number]]
    )
    for t in range(4):
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g[t]
        made.step()
    for i, (p, w, g) in enumerate(zip(parameters, weights, gradients, strict=True)):
        np.testing.assert_allclose(p.data, rule(w, g, **groups[i % number]), rtol=1e-9, atol=1e-9)


@given(
    shapes,
    st.lists(
        st.fixed_dictionaries(
            {
                "lr": small,
                "betas": betas,
                "eps": eps,
                "weight_decay": small,
                "amsgrad": st.booleans(),
                "maximize": st.booleans(),
                "decoupled_weight_decay": st.booleans(),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 99),
)
def test_adam(shapes, groups, seed):
    check(mt.Adam, adam, shapes, groups, seed)


@given(
    shapes,
    st.lists(
        st.fixed_dictionaries(
            {
                "lr": small,
                "alpha": st.floats(0.5, 0.99),
                "eps": st.floats(1e-3, 1),
                "weight_decay": small,
                "momentum": st.floats(0, 0.9),
                "centered": st.booleans(),
                "maximize": st.booleans(),
            }
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 99),
)
def test_rmsprop(shapes, groups, seed):
    check(mt.RMSprop, rmsprop, shapes, groups, seed)
