"""Forms of programs that were judged wrongly once: right ones that were accused, wrong ones that passed."""

import pytest

from minitorch_np.study.compare import examined
from minitorch_np.study.compare.recording import ProgramSource

HEAD = "import numpy as np\nrng = np.random.default_rng(0)\n"

BATCH_NORM = """
x, y = rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
w, b, v = rng.normal(size=(3, 4)), np.zeros(4), rng.normal(size=(4, 2))
for step in range(4):
    z = x @ w + b
    mu, var = z.mean(axis=0), z.var(axis=0)
    xhat = (z - mu) / np.sqrt(var + 1e-5)
    out = np.maximum(xhat, 0) @ v
    loss = ((out - y) ** 2).sum() / 2
    d = out - y
    dv = np.maximum(xhat, 0).T @ d
    dh = d @ v.T * (xhat > 0)
    dz = (dh - dh.mean(axis=0) - xhat * (dh * xhat).mean(axis=0)) / np.sqrt(var + 1e-5)
    w -= 0.01 * x.T @ dz
    b -= 0.01 * dz.sum(axis=0)
    v -= 0.01 * dv
"""  # the gradient of b is 0 but for rounding

SOFTMAX = """
x, t = rng.normal(size=(3, 20)), np.eye(4)[rng.integers(0, 4, 20)].T
w, b = rng.normal(size=(4, 3)), np.zeros((4, 1))
for step in range(4):
    z = w @ x + b
    e = np.exp(z - z.max(axis=0))
    p = e / e.sum(axis={axis}, keepdims=True)
    d = p - t
    w -= 0.01 * d @ x.T
    b -= 0.01 * d.sum(axis=1, keepdims=True)
"""

TRANSPOSED = """
x, t = rng.normal(size=(20, 3)), rng.integers(0, 2, (20, 1))
w = rng.normal(size=(1, 3))
def sigmoid(z):
    y = 1 / (1 + np.exp(-z))
    return y.T
for step in range(4):
    error = sigmoid(w @ x.T) - t
    w = w - 0.1 * error.T @ x
"""

LIKELIHOOD = """
x, t = rng.normal(size=(20, 3)), rng.integers(0, 2, (20, 1))
w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))
def total(p):
    loss = np.sum(t * np.log(p) + (1 - t) * np.log(1 - p))
    return -1 / len(x) * loss
for step in range(4):
    h = np.tanh(x @ w)
    p = 1 / (1 + np.exp(-(h @ v)))
    cost = total(p)
    d = (p - t) / len(x)
    dh = d @ v.T{factor}
    w -= 0.1 * x.T @ dh
    v -= 0.1 * h.T @ d
"""

ENDS_EARLY = """
x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 4))
w, b = rng.normal(size=(3, 4)), np.zeros((4, 1))
for step in range(4):
    out = x @ w + b.T
    loss = ((out - y) ** 2).sum() / 2
    d = out - y
    w -= 0.01 * x.T @ d
    b -= 0.01 * d.sum(axis=0)
"""

ONE_SAMPLE = """
x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
w = np.zeros(4)
def cost(error):
    return 0.5 * error ** 2
for step in range(2):
    for xi, target in zip(x, y):
        output = xi @ w[1:] + w[0]
        error = target - output
        w[1:] += 0.01 * xi * {error}
        w[0] += 0.01 * {error}
        cost(error)
"""  # any number is a multiple of the residual

COLUMNS = """
x, y = rng.normal(size=(3, 20)), rng.normal(size=(2, 20))
w, b, v, c = rng.normal(size=(4, 3)), np.zeros((4, 1)), rng.normal(size=(2, 4)), np.zeros((2, 1))
for step in range(4):
    a = np.tanh(w @ x + b)
    out = v @ a + c
    loss = np.sum((out - y) ** 2) / 2
    d = out - y
    dz = v.T @ d * (1 - a ** 2)
    db = {db}
    w -= 0.01 * dz @ x.T
    b -= 0.01 * db
    v -= 0.01 * d @ a.T
    c -= 0.01 * np.sum(d, axis=1, keepdims=True)
"""

SENTENCES = """
data = [(rng.normal(size=(3, n)), rng.normal(size=(2, n))) for n in (4, 5, 6, 4, 5)]
w = rng.normal(size=(2, 3))
def loss_of(pairs):
    total = 0.0
    for a, b in pairs:
        total += np.sum((w @ a - b) ** 2)
    return total
for epoch in range(6):
    if epoch % 5 == 0:
        loss = loss_of(data)
    for x, y in data:
        d = w @ x - y
        d[...] -= 0
        w -= 0.001 * (d * {factor}) @ x.T
"""

RECURRENT = """
xs, target = rng.normal(size=(3, 3, 1)), rng.normal(size=(2, 1))
wx, wh, wy = 0.5 * rng.normal(size=(4, 3)), 0.5 * rng.normal(size=(4, 4)), rng.normal(size=(2, 4))
for step in range(4):
    hs = {{-1: np.zeros((4, 1))}}
    for t, x in enumerate(xs):
        hs[t] = np.tanh(wx @ x + wh @ hs[t - 1])
    y = wy @ hs[2]
    loss = np.sum((y - target) ** 2) / 2
    dy = y - target
    dwx, dwh, dwy = np.zeros_like(wx), np.zeros_like(wh), dy @ hs[2].T
    dh = wy.T @ dy
    for t in reversed(range(3)):
        dz = (1 - hs[t] ** 2) * dh
        dwh += dz @ hs[t - 1].T
        dwx += dz @ xs[t].T
        dh = {carry}
    wx -= 0.01 * dwx
    wh -= 0.01 * dwh
    wy -= 0.01 * dwy
"""


def judged(text, **parts):
    return examined(ProgramSource(HEAD + text.format(**parts), "<program>", "program"), 20)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (BATCH_NORM, {}),
        (SOFTMAX, {"axis": 0}),
        (TRANSPOSED, {}),
        (LIKELIHOOD, {"factor": " * (1 - h ** 2)"}),
        (ONE_SAMPLE, {"error": "error"}),
        (COLUMNS, {"db": "np.sum(dz, axis=1, keepdims=True)"}),
        (RECURRENT, {"carry": "wh.T @ dz"}),
    ],
    ids=["batch norm", "softmax", "transposed", "likelihood", "one sample", "columns", "recurrent"],
)
def test_a_right_program_is_right(text, parts):
    result = judged(text, **parts)
    assert result.judged == "right", result


def test_a_softmax_over_the_samples_is_named():
    result = judged(SOFTMAX, axis=1)
    assert "the softmax is taken over the samples: sum over axis=0" in str(result), result
    assert "its targets to 1" in result.wrong[0].proof


@pytest.mark.parametrize(
    ("text", "parts", "reason"),
    [
        (ENDS_EARLY, {}, "it ends with an error"),
        (ONE_SAMPLE, {"error": "np.sign(error)"}, "another multiple"),
        (SENTENCES, {"factor": "np.arange(1, 3)[:, None]"}, "is not that of"),
    ],
    ids=["an error in the first step", "sign of a residual", "loss of other data"],
)
def test_what_cannot_be_told_is_neither_right_nor_wrong(text, parts, reason):
    result = judged(text, **parts)
    assert result.judged == "not judged", result
    assert reason in result.reason


@pytest.mark.parametrize(
    ("text", "parts", "write"),
    [
        (LIKELIHOOD, {"factor": ""}, "dh = d @ v.T * (1 - h ** 2)"),
        (COLUMNS, {"db": "np.sum(dz)"}, "db = np.sum(dz, axis=1, keepdims=True)"),  # as b has it
        pytest.param(  # and not the sums that it spoils
            RECURRENT, {"carry": "wh @ dz"}, "dh = wh.T @ dz", marks=pytest.mark.slow
        ),
    ],
    ids=["likelihood", "columns", "recurrent"],
)
def test_the_line_and_what_belongs_there(text, parts, write):
    result = judged(text, **parts)
    assert result.judged == "wrong", result
    assert [f.write for f in result.wrong] == [(write,)], result


def test_an_edit_that_stops_another_update_mends_nothing():
    """Without the update of v before it the gradient of w would be right, and v would not learn."""
    text = """
x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
for step in range(4):
    h = np.tanh(x @ w)
    out = h @ v
    loss = np.sum((out - y) ** 2)
    v -= 0.01 * 2 * h.T @ (out - y)
    w -= 0.01 * 2 * x.T @ ((out - y) @ v.T * (1 - h ** 2))
"""
    result = judged(text)
    assert [f.line for f in result.wrong] == [11], result
    assert "after its update" in result.wrong[0].mistake


VECTOR = """
x, y = rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
w, v = rng.normal(size=(3, 5)), rng.normal(size=(5, 2))
for step in range(4):
    h = np.tanh(x @ w)
    out = h @ v
    loss = {loss}
    d = 4 * (out - y) ** 3
    dh = d @ v.T{factor}
    v -= 0.01 * h.T @ d
    w -= 0.01 * x.T @ dh
"""


@pytest.mark.parametrize("loss", ["(out - y) ** 4", "((out - y) ** 4).sum(axis=1)"])
def test_of_a_loss_by_sample_the_sum_is_meant(loss):
    right = judged(VECTOR, loss=loss, factor=" * (1 - h ** 2)")
    assert (right.judged, right.loss) == ("right", "the sum of `loss` in line 9")
    assert judged(VECTOR, loss=loss, factor="").wrong[0].write == ("dh = d @ v.T * (1 - h ** 2)",)


def test_a_gradient_named_loss_is_no_loss():
    """Its sum would have another gradient, and no right program is accused by it."""
    result = judged(VECTOR, loss="4 * (out - y) ** 3", factor=" * (1 - h ** 2)")
    assert result.judged == "not judged", result


def test_a_one_that_is_appended_is_no_first_element():
    text = """
x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
w, v = rng.normal(size=(4, 4)), rng.normal(size=(2, 5))
for step in range(2):
    for xi, target in zip(x, y):
        x1 = np.append(xi, 1)
        h = np.tanh(np.inner(w, x1))
        h1 = np.append(h, 1)
        d = np.inner(v, h1) - target
        loss = (d ** 2).sum() / 2
        dh = np.dot(np.delete(v, 4, 1).T, d){factor}
        v -= 0.01 * np.outer(d, h1)
        w -= 0.01 * np.outer(dh, x1)
"""
    assert judged(text, factor=" * (1 - h ** 2)").judged == "right"
    assert judged(text, factor="").wrong[0].line == 13


def test_a_function_returns_what_it_trains_under_the_same_names():
    text = """
x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
w, b = rng.normal(size=(3, 2)), np.zeros(2)
def train(w, b):
    for step in range(4):
        d = x @ w + b - y
        loss = (d ** 2).sum() / 2
        w -= 0.01 * {x}.T @ d
        b -= 0.01 * d.sum(axis=0)
    return w, b
w, b = train(w, b)
"""
    assert judged(text, x="x").judged == "right"
    assert judged(text, x="np.abs(x)").wrong[0].line == 10


def test_a_list_is_an_operand_too():
    text = """
w = rng.normal(size=(3, 2))
for step in range(4):
    d = np.dot(w.T, [1, 0, 2]) - [1, 2]
    loss = (d ** 2).sum()
    w -= 0.1 * np.outer([1, 0, 2], 2 * d{factor})
"""
    assert judged(text, factor="").judged == "right"
    assert judged(text, factor=" * d").wrong[0].line == 8


PLAIN_NUMBERS = """
import math
w1, w2, w3, w4 = 0.1, -0.4, 0.6, 0.3
for step in range(5):
    h1, h2 = math.tanh(0.5 * w1), math.tanh(0.3 * w2)
    o1, o2 = w3 * h1, w4 * h2
    error = (o1 - 0.23) ** 2 / 2 + (o2 + 0.07) ** 2 / 2
    d1, d2 = o1 - 0.23, o2 + 0.07
    g3 = d1 * h1
    g4 = d2 * h2
    g1 = {first} * (1 - h1 * h1) * 0.5
    g2 = d2 * w4 * (1 - h2 * h2) * 0.3
    w1 -= g1
    w2 -= g2
    w3 -= g3
    w4 -= g4
"""

SATURATED = """
rng = np.random.default_rng(6)
v1, v2, u1, u2, c1, c2, b1, b2, b = rng.normal(size=9).tolist()
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
def slope(z):
    return sigmoid(z) * (1 - sigmoid(z))
data = [(-2.0, -1.0, 1.0), (25.0, 6.0, 0.0), (17.0, 4.0, 0.0), (-15.0, -6.0, 1.0)]
for epoch in range(9):
    for x1, x2, y in data:
        z1, z2 = v1 * x1 + v2 * x2 + b1, u1 * x1 + u2 * x2 + b2
        h1, h2 = sigmoid(z1), sigmoid(z2)
        z = c1 * h1 + c2 * h2 + b
        d = -2 * (y - sigmoid(z))
        g1, g2 = h1 * slope(z), h2 * slope(z)
        e1, e2 = c1 * slope(z), c2 * slope(z)
        k1, k2, k = x1 * slope(z1), x2 * slope(z1), slope(z1)
        m1, m2, m = x1 * slope(z2), x2 * slope(z2), slope(z2)
        v1 -= 0.1 * d * e1 * k1
        v2 -= 0.1 * d * e1 * k2
        b1 -= 0.1 * d * e1 * k
        u1 -= 0.1 * d * e2 * m1
        u2 -= 0.1 * d * e2 * m2
        b2 -= 0.1 * d * e2 * m
        c1 -= 0.1 * d * g1
        c2 -= 0.1 * d * g2
        b -= 0.1 * d * slope(z)
"""


def test_steps_that_are_lost_in_rounding_accuse_no_line():
    assert judged(SATURATED).judged == "right"


PRINTED_LATE = """
x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, (20, 1))
w, b = rng.normal(size=(3, 1)), np.zeros((1, 1))
for step in range(5):
    p = 1 / (1 + np.exp(-(x @ w + b)))
    d = {d}
    w += -0.1 * x.T @ d
    b += -0.1 * d.sum(axis=0)
    print(np.sum((y - p) ** 2) / 2)
"""


def test_the_line_in_plain_numbers():
    assert judged(PLAIN_NUMBERS, first="d1 * w3").judged == "right"
    assert [f.line for f in judged(PLAIN_NUMBERS, first="(g3 + d1 * d1)").wrong] == [13]


def test_a_loss_that_is_only_printed_after_the_update():
    right = judged(PRINTED_LATE, d="(p - y) * p * (1 - p)")
    assert right.judged == "right"
    assert "print(np.sum((y - p) ** 2) / 2)" in right.loss
    assert [f.line for f in judged(PRINTED_LATE, d="(p - y) * (1 - p)").wrong] == [8]
    assert judged(PRINTED_LATE, d="(p - y) * (1 - (p - y))").judged == "not judged"  # of what loss, is open


MATRICES = """
x, y = np.matrix(rng.normal(size=(20, 4))), np.asmatrix(rng.normal(size=(20, 2)))
w, b, v = np.matrix(rng.normal(size=(4, 5))), np.matrix(np.zeros((1, 5))), np.matrix(rng.normal(size=(5, 2)))
for step in range(4):
    h = 1 / (1 + np.exp(-(x * w + b)))
    d = h * v - y
    loss = np.sum(np.power(d, 2)) / 2
    dh = np.multiply(d * v.T, np.multiply(h, 1 - h))
    gradient = {gradient}
    b = b - 0.01 * dh.sum(axis=0)
    w -= 0.01 * x.T * dh
    v[:] = v - 0.01 * gradient
"""


def test_matrices_have_their_own_rules():
    assert judged(MATRICES, gradient="h.T * d").judged == "right"
    wrong = judged(MATRICES, gradient="h.T * y")
    assert [(f.line, f.write) for f in wrong.wrong] == [(11, ("gradient = h.T * d",))], wrong


BY_NAME = """
class Net:
    def __init__(self):
        self.w1, self.w2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    def step(self, x, y):
        h = np.tanh(x @ self.w1)
        d = h @ self.w2 - y
        loss = np.sum(d ** 2) / 2
        grads = {{"w1": x.T @ (d @ self.w2.T{factor}), "w2": h.T @ d}}
        for name, grad in grads.items():
            {update}
net = Net()
x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
for step in range(4):
    net.step(x, y)
"""


@pytest.mark.parametrize(
    "update",
    [
        "setattr(self, name, getattr(self, name) - 0.01 * grad)",
        "vars(self)[name] -= 0.01 * grad",
        "self.__dict__.update({name: self.__dict__[name] - 0.01 * grad})",
    ],
)
def test_parameters_are_updated_by_their_names(update):
    assert judged(BY_NAME, update=update, factor=" * (1 - h ** 2)").judged == "right"
    assert [f.line for f in judged(BY_NAME, update=update, factor=" * (1 - h)").wrong] == [11]


COPIED = """
def step(w, x, y):
    w = {copy}
    d = w @ x - y
    return w - 0.1 * {gradient}
w = rng.normal(size=3)
for x, y in zip(rng.normal(size=(9, 3)), rng.normal(size=9)):
    loss = (w @ x - y) ** 2 / 2
    w = {step}
"""


@pytest.mark.parametrize(
    ("copy", "step"),
    [
        ("np.array(w)", "step(w, x, y)"),
        ("np.array(w.tolist())", "step(w, x, y)"),
        ("w", "np.concatenate([step(w, x, y)[:1], step(w, x, y)[1:]])"),
    ],
)
def test_copies_do_not_cut_off_a_parameter(copy, step):
    assert judged(COPIED, copy=copy, step=step, gradient="d * x").judged == "right"
    assert judged(COPIED, copy=copy, step=step, gradient="d * w").judged == "wrong"


FLAT = """
def objective(p, *args, **options):
    n, h, x, y = args
    n, h = int(n), int(h)
    x = x * options["scale"]
    w, v = p[:n * h].reshape(n, h), p[n * h:].reshape((h, -1))
    a = np.tanh(x @ w)
    d = a @ v - y
    cost = (d ** 2).sum() / 2
    return cost, np.concatenate([(x.T @ (d @ v.T{factor})).ravel(), (a.T @ d).ravel()])
data = 3, 4, rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
p = rng.normal(size=20)
for step in range(4):
    cost, grad = objective(p, *data, scale=0.5)
    p = p - 0.1 * grad
"""


def test_an_objective_of_a_flat_vector_and_any_arguments():
    assert judged(FLAT, factor=" * (1 - a ** 2)").judged == "right"
    assert [f.line for f in judged(FLAT, factor=" * (1 - a)").wrong] == [12]


Q_LEARNING = """
w1, w2 = rng.normal(size=(4, 8)), rng.normal(size=(8, 2))
for step in range(4):
    s, s2, r = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    target = r + 0.9 * np.maximum(0, s2 @ w1) @ w2
    h = np.maximum(0, s @ w1)
    loss = ((h @ w2 - target) ** 2).sum() / 2
    d = h @ w2 - target
    dh = d @ w2.T * (h > 0)
    w2 -= 0.01 * h.T @ d
    w1 -= 0.01 * s.T @ dh
"""
TWO_LOSSES = """
x, w, v = rng.normal(size=(12, 4)), rng.normal(size=(4, 2)), rng.normal(size=(2, 4))
for step in range(4):
    mu = x @ w
    rec_loss = ((mu @ v - x) ** 2).sum() / 2
    kl_loss = (mu ** 2).sum() / 2
    d = mu @ v - x
    dmu = d @ v.T + mu
    v -= 0.001 * mu.T @ d
    w -= 0.001 * x.T @ dmu
"""
NORMALIZED_WITH_ADAM = """
x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
p = {"w": rng.normal(size=(3, 4)), "b": np.zeros(4), "v": rng.normal(size=(4, 1))}
m, s = ({k: np.zeros_like(a) for k, a in p.items()} for _ in range(2))
for t in range(1, 9):
    z = x @ p["w"] + p["b"]
    std = np.sqrt(z.var(axis=0) + 1e-5)
    n = (z - z.mean(axis=0)) / std
    loss = ((n @ p["v"] - y) ** 2).sum() / 2
    d = n @ p["v"] - y
    dn = d @ p["v"].T
    dz = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / std
    g = {"w": x.T @ dz, "b": dz.sum(axis=0), "v": n.T @ d}
    for k in p:
        m[k] = 0.9 * m[k] + 0.1 * g[k]
        s[k] = 0.99 * s[k] + 0.01 * g[k] ** 2
        p[k] = p[k] - 0.01 * (m[k] / (1 - 0.9**t)) / (np.sqrt(s[k] / (1 - 0.99**t)) + 1e-8)
"""
ROWS_WITH_ADAGRAD = """
w, c = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
hw, hc = np.ones((6, 3)), np.ones((6, 3))
for i, j in [(0, 1), (2, 3), (4, 5), (0, 3), (2, 1), (4, 1)]:
    e = w[i] @ c[j] - 0.5 * i
    cost = e ** 2 / 2
    dw, dc = e * c[j], e * w[i]
    w[i] -= 0.05 * dw / np.sqrt(hw[i])
    c[j] -= 0.05 * dc / np.sqrt(hc[j])
    hw[i] += dw ** 2
    hc[j] += dc ** 2
"""
LEAST_SQUARES = """
theta, p = np.zeros(3), 100 * np.eye(3)
for step in range(20):
    phi = rng.normal(size=3)
    error = phi.sum() - phi @ theta
    loss = error ** 2
    k = p @ phi / (0.99 + phi @ p @ phi)
    theta = theta + k * error
    p = (p - np.outer(k, phi @ p)) / 0.99
"""
TRUNCATED = """
u, w, v = rng.normal(size=(5, 1)), 0.5 * rng.normal(size=(5, 5)), rng.normal(size=(1, 5))
for s in rng.normal(size=(6, 7)):
    h, out, loss = [np.zeros((5, 1))], [], 0.0
    for t in range(6):
        h.append(np.tanh(u * s[t] + w @ h[-1]))
        out.append(v @ h[-1])
        loss += np.sum((out[t] - s[t + 1]) ** 2) / 2
    du, dw, dv = np.zeros_like(u), np.zeros_like(w), np.zeros_like(v)
    for t in range(6):
        e = out[t] - s[t + 1]
        dv += e @ h[t + 1].T
        d = v.T @ e * (1 - h[t + 1] ** 2)
        for k in range(t, max(-1, t - 2), -1):
            du += d * s[k]
            dw += d @ h[k].T
            d = w.T @ d * (1 - h[k] ** 2)
    for a, g in ((u, du), (w, dw), (v, dv)):
        a -= 0.01 * g
"""


NUMBERS_WITH_MOMENTUM = """
class Unit:
    def __init__(self):
        self.weight, self.change = [float(a) for a in rng.normal(size=2)], [0.0, 0.0]
    def calc(self, sample):
        self.sample = sample
        return 1 / (1 + np.exp(-sum([x * a for x, a in zip(sample, self.weight)])))
    def update(self, d):
        change = [0.5 * x * d + 0.1 * c for x, c in zip(self.sample, self.change)]
        self.weight = [a + c for a, c in zip(self.weight, change)]
        self.change = [x * d for x in self.sample]
hidden, last = [Unit(), Unit()], Unit()
for sample, target in [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)] * 5:
    h = [unit.calc(sample) for unit in hidden]
    out = last.calc(h)
    d = (target - out) * out * (1 - out)
    ds = [d * w * a * (1 - a) for w, a in zip(last.weight, h)]
    last.update(d)
    for unit, e in zip(hidden, ds):
        unit.update(e)
    error = (target - out) ** 2 / 2
"""
RIGHT_ALL_THE_SAME = [NUMBERS_WITH_MOMENTUM, Q_LEARNING, TWO_LOSSES, NORMALIZED_WITH_ADAM, ROWS_WITH_ADAGRAD]


@pytest.mark.parametrize("text", RIGHT_ALL_THE_SAME)
def test_constants_and_zeros_of_right_programs_are_no_mistakes(text):
    result = examined(ProgramSource(HEAD + text, "<program>", "program"), 20)
    assert result.judged == "right", result


@pytest.mark.parametrize("text", [LEAST_SQUARES, pytest.param(TRUNCATED, marks=pytest.mark.slow)])
def test_steps_that_are_no_gradients_on_purpose_are_not_judged(text):
    result = examined(ProgramSource(HEAD + text, "<program>", "program"), 20)
    assert result.judged == "not judged", result


ONLINE = """
x, labels = rng.normal(size=(40, 2)), rng.integers(0, 2, 40) * 2 - 1
w, b = np.zeros(2), 0
for xi, y in zip(x, labels):
    {condition}
    w {sign}= 0.5 * ({decay} * w - {factor} * y * xi)
    b {sign}= 0.5 * (-{factor} * y)
"""
MARGINS = {
    "the perceptron loss": {"condition": "if y * (xi @ w + b) > 0: continue", "factor": "1", "decay": "0"},
    "the hinge loss": {"condition": "s = y * (np.dot(xi, w) + b) < 1", "factor": "s", "decay": "0.2"},
    "the logistic loss": {"condition": "s = 1 / (1 + np.exp(y * (w @ xi + b)))", "factor": "s", "decay": "0"},
}


@pytest.mark.parametrize("loss", MARGINS)
def test_losses_of_a_margin_that_are_not_written_down(loss):
    right = judged(ONLINE, sign="-", **MARGINS[loss])
    assert right.judged == "right", right
    assert right.loss.startswith(loss)
    assert judged(ONLINE, sign="+", **MARGINS[loss]).judged == "not judged"
    without = MARGINS[loss] | {"condition": MARGINS[loss]["condition"].replace("y *", "-y *")}
    assert judged(ONLINE, sign="-", **without).judged == "not judged"


def test_the_sign_of_the_output_as_prediction():
    text = """
x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
w = rng.normal(size=3)
for step in range(4):
    prediction = np.where(x @ w > 0, 1, 0)
    w {sign}= 0.1 * x.T @ (y - prediction)
"""
    assert judged(text, sign="+").loss.startswith("the perceptron loss")
    assert judged(text, sign="-").judged == "not judged"


def test_one_step_written_out():
    text = """
x, y = rng.normal(size=3), 0.5
w, b, v = rng.normal(size=(4, 3)), np.zeros(4), rng.normal(size=4)
h = np.tanh(w @ x + b)
out = v @ h
loss = (out - y) ** 2
d = 2 * (out - y)
dz = d * v * (1 - h{power})
w_new = w - 0.1 * np.outer(dz, x)
b_new = b - 0.1 * dz
v_new = v - 0.1 * d * h
"""
    assert judged(text, power=" ** 2").judged == "right"
    assert [f.write for f in judged(text, power="").wrong] == [("dz = d * v * (1 - h ** 2)",)]


REWARDS = """
w, v = rng.normal(size=(3, 5)), rng.normal(size=(5, 4))
for step in range(4):
    dw, dv = np.zeros_like(w), np.zeros_like(v)
    for x, action, reward in zip(rng.normal(size=(6, 3)), rng.integers(0, 4, 6), rng.normal(size=6)):
        h = np.tanh(x @ w)
        e = np.exp(h @ v)
        d = -e / e.sum()
        d[action] += 1.0
        d *= reward
        dv += np.outer(h, d)
        dw += np.outer(x, d @ v.T{factor})
    w, v = w + 0.1 * dw, v + 0.1 * dv
"""


def test_a_log_likelihood_times_rewards():
    right = judged(REWARDS, factor=" * (1 - h ** 2)")
    assert (right.judged, right.loss[:26]) == ("right", "the weighted cross entropy"), right
    assert judged(REWARDS, factor="").judged == "not judged"


def test_parameters_in_a_named_tuple():
    text = """
from collections import namedtuple
x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
P = namedtuple("P", "w v")
p = P(rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))
for step in range(4):
    h = np.tanh(x @ p.w)
    d = h @ p.v - y
    loss = np.sum(d ** 2) / 2
    grads = P(x.T @ (d @ p.v.T{factor}), h.T @ d)
    p = P(*(a - 0.01 * g for a, g in zip(p, grads)))
"""
    assert set(judged(text, factor=" * (1 - h ** 2)").gradients) == {"p.w", "p.v"}
    assert [f.line for f in judged(text, factor="").wrong] == [12]


def test_arrays_of_one_name_are_told_apart():
    text = """
x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
class Layer:
    def __init__(self, n, m):
        self.params, self.v = dict(w=rng.normal(size=(n, m))), 0
layers = dict(first=Layer(3, 4), last=Layer(4, 2))
def step(layer, grad):
    layer.v = 0.9 * layer.v - 0.01 * grad
    layer.params["w"] += layer.v
for epoch in range(5):
    h = np.tanh(x @ layers["first"].params["w"])
    d = h @ layers["last"].params["w"] - y
    loss = np.sum(d ** 2) / 2
    dh = d @ layers["last"].params["w"].T * (1 - h ** 2)
    step(layers["last"], h.T @ d)
    step(layers["first"], x.T @ dh)
"""
    result = judged(text)
    assert result.judged == "right", result
    assert result.rule == "SGD(lr=0.01, momentum=0.9)"


RESHAPED = """
x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
w1 = rng.normal(size=12)
w1 = w1.reshape(3, 4).astype("float32")
w2 = np.empty(8)
w2.fill(0.5)
w2 = w2.reshape(4, 2)
for step in range(4):
    h = np.tanh(x @ w1)
    e = h @ w2 - y
    loss = (e ** 2).sum() / 2
    dw2 = h.T @ e
    dh = e @ w2.T
    dw1 = x.T @ (dh * {slope})
    w1 -= 0.01 * dw1
    w2 -= 0.01 * dw2
"""


def test_weights_that_are_given_their_shape_after_they_are_drawn():
    assert judged(RESHAPED, slope="(1 - h ** 2)").judged == "right"
    assert [f.line for f in judged(RESHAPED, slope="(1 - h)").wrong] == [16]
