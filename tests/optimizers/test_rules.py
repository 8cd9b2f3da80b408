"""Each rule over two steps by hand, on one weight: w = 1, then gradients 3 and −2."""

import math

import numpy as np
import pytest

import minitorch_np as mt

GRADIENTS = (3.0, -2.0)


def walk(make, gradients=GRADIENTS):
    """The weight after each step."""
    p = mt.Parameter(np.ones(1))
    optimizer = make([p])
    found = []
    for gradient in gradients:
        p.grad = np.array([gradient])
        optimizer.step()
        found.append(float(p.data[0]))
    return found


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adam():
    m1, v1 = 0.1 * 3, 0.001 * 9
    m2, v2 = 0.9 * m1 - 0.1 * 2, 0.999 * v1 + 0.001 * 4
    w1 = 1 - 0.1 * (m1 / 0.1) / (math.sqrt(v1 / 0.001) + 0.5)
    w2 = w1 - 0.1 * (m2 / (1 - 0.9**2)) / (math.sqrt(v2 / (1 - 0.999**2)) + 0.5)
    close(walk(lambda p: mt.Adam(p, lr=0.1, eps=0.5)), [w1, w2])
    assert w1 == 1 - 0.1 * 3 / 3.5  # the corrections make the first step one of the gradient itself


def test_amsgrad_takes_the_largest_second_moment():
    found = walk(lambda p: mt.Adam(p, lr=0.1, betas=(0.0, 0.5), eps=0, amsgrad=True), (3.0, 0.0, 1.0))
    largest = 0.5 * 9
    w1 = 1 - 0.1
    w3 = w1 - 0.1 * 1 / math.sqrt(largest / (1 - 0.5**3))
    close(found, [w1, w1, w3])


def test_weight_decay_goes_through_adams_means_and_past_adamws():
    close(walk(lambda p: mt.Adam(p, lr=0.1, eps=0, weight_decay=0.5), (0.0,)), [1 - 0.1])
    close(walk(lambda p: mt.AdamW(p, lr=0.1, weight_decay=0.5), (0.0,)), [1 - 0.1 * 0.5])
    assert mt.AdamW([mt.Parameter(np.ones(1))]).param_groups[0]["weight_decay"] == 0.01


def test_rmsprop():
    s1 = 0.01 * 9
    s2 = 0.99 * s1 + 0.01 * 4
    w1 = 1 - 0.1 * 3 / (math.sqrt(s1) + 0.5)
    close(walk(lambda p: mt.RMSprop(p, lr=0.1, eps=0.5)), [w1, w1 + 0.1 * 2 / (math.sqrt(s2) + 0.5)])


def test_rmsprop_centered_with_momentum():
    s1, a1 = 0.1 * 9, 0.1 * 3
    s2, a2 = 0.9 * s1 + 0.1 * 4, 0.9 * a1 - 0.1 * 2
    b1 = 3 / math.sqrt(s1 - a1**2)
    b2 = 0.5 * b1 - 2 / math.sqrt(s2 - a2**2)
    found = walk(lambda p: mt.RMSprop(p, lr=0.1, alpha=0.9, eps=0, momentum=0.5, centered=True))
    close(found, [1 - 0.1 * b1, 1 - 0.1 * b1 - 0.1 * b2])


def test_rmsprop_centered_where_rounding_makes_the_variance_negative():
    p = mt.Parameter(np.ones(1000, "float32"))
    optimizer = mt.RMSprop([p], lr=1e-9, alpha=0.5, centered=True)
    gradient = np.random.default_rng(0).standard_normal(1000).astype("float32")
    for _ in range(60):
        p.grad = gradient
        optimizer.step()
    assert np.isfinite(p.data).all()


def test_adagrad():
    found = walk(lambda p: mt.Adagrad(p, lr=0.1, lr_decay=0.5, initial_accumulator_value=7, eps=1))
    w1 = 1 - 0.1 * 3 / (math.sqrt(16) + 1)
    close(found, [w1, w1 + 0.1 / 1.5 * 2 / (math.sqrt(20) + 1)])


def test_adadelta():
    s1 = 0.1 * 9
    delta1 = math.sqrt(0.5 / (s1 + 0.5)) * 3
    d1, s2 = 0.1 * delta1**2, 0.9 * s1 + 0.1 * 4
    delta2 = math.sqrt((d1 + 0.5) / (s2 + 0.5)) * -2
    close(walk(lambda p: mt.Adadelta(p, lr=0.1, eps=0.5)), [1 - 0.1 * delta1, 1 - 0.1 * delta1 - 0.1 * delta2])


def test_nadam():
    mu = [0.9 * (1 - 0.5 * 0.96 ** (t * 0.5)) for t in (1, 2, 3)]
    m1, v1 = 0.1 * 3, 0.001 * 9
    m2, v2 = 0.9 * m1 - 0.1 * 2, 0.999 * v1 + 0.001 * 4
    ahead1 = mu[1] * m1 / (1 - mu[0] * mu[1]) + (1 - mu[0]) * 3 / (1 - mu[0])
    ahead2 = mu[2] * m2 / (1 - mu[0] * mu[1] * mu[2]) + (1 - mu[1]) * -2 / (1 - mu[0] * mu[1])
    w1 = 1 - 0.1 * ahead1 / (3 + 0.5)
    w2 = w1 - 0.1 * ahead2 / (math.sqrt(v2 / (1 - 0.999**2)) + 0.5)
    assert math.isclose(v1 / 0.001, 9)
    close(walk(lambda p: mt.NAdam(p, lr=0.1, eps=0.5, momentum_decay=0.5)), [w1, w2])


def test_nadams_parameters_count_their_own_steps():
    early, late, alone = (mt.Parameter(np.ones(1)) for _ in range(3))
    together, apart = mt.NAdam([early, late], lr=0.1), mt.NAdam([alone], lr=0.1)
    for step in range(100):
        early.grad = np.array([math.sin(step)])
        if step >= 97:
            late.grad = alone.grad = early.grad.copy()
            apart.step()
        together.step()
    assert late.data.tolist() == alone.data.tolist() != early.data.tolist()


def test_radam_waits_for_its_sixth_step():
    gradients = [3.0, 1.0, 3.0, 1.0, 3.0, 1.0]
    found = walk(lambda p: mt.RAdam(p, lr=0.1), gradients)
    w, m, v = 1.0, 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        if t < 6:
            w -= 0.1 * m / (1 - 0.9**t)
            close(found[t - 1], w)
    limit = 2 / 0.001 - 1
    length = limit - 2 * 6 * 0.999**6 / (1 - 0.999**6)
    r = math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
    w -= 0.1 * r * m / (1 - 0.9**6) * math.sqrt(1 - 0.999**6) / (math.sqrt(v) + 1e-8)
    close(found[5], w)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam"])
def test_maximize_is_the_other_direction(name):
    decay = {"weight_decay": 0} if name == "AdamW" else {}
    up = walk(lambda p: getattr(mt, name)(p, maximize=True, **decay))
    assert up == walk(lambda p: getattr(mt, name)(p, **decay), [-g for g in GRADIENTS])
    assert up[0] > 1
