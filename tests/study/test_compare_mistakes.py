"""Mistakes as people publish them: the line that is wrong is named, and no line that is right."""

from pathlib import Path

import pytest

from minitorch_np.study.compare import examined
from minitorch_np.study.compare.recording import ProgramSource

SIGMOID = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.random((12, 1))
w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))
def sigmoid(a):
    return 1 / (1 + np.exp(-a))
def derivative(a):
    return a * (1 - a)
for step in range(4):
    h = sigmoid(x @ w)
    out = sigmoid(h @ v)
    d = (y - out) * derivative(out)
    v_step = h.T @ d
    w += x.T @ (d @ v.T * derivative(h))
    v += v_step
"""
PENALTY = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.integers(0, 2, 12)
w1, w2, reg = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), 0.01
for step in range(4):
    h = np.maximum(0, x @ w1)
    e = np.exp(h @ w2)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(12), y]).mean()
    loss += 0.5 * reg * (np.sum(w1 * w1) + np.sum(w2 * w2))
    d = p.copy()
    d[np.arange(12), y] -= 1
    d /= 12
    dw2 = h.T @ d + reg * w2
    dw1 = x.T @ (d @ w2.T * (h > 0)) + reg * w1
    w1 -= 0.1 * dw1
    w2 = w2 - 0.1 * dw2
"""
ADAM = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
params = [rng.normal(size=(3, 4)), np.zeros(4), rng.normal(size=(4, 1)), np.zeros(1)]
ms, vs = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
for t in range(1, 9):
    w, b, v, c = params
    h = np.tanh(x @ w + b)
    pred = h @ v + c
    loss = ((pred - y) ** 2).mean()
    d = 2 * (pred - y) / 12
    dh = d @ v.T
    da = dh * (1 - h ** 2)
    for i, g in enumerate([x.T @ da, da.sum(0), h.T @ d, d.sum(0)]):
        ms[i] = 0.9 * ms[i] + 0.1 * g
        vs[i] = 0.99 * vs[i] + 0.01 * g ** 2
        params[i] -= 0.01 * (ms[i] / (1 - 0.9 ** t)) / (np.sqrt(vs[i] / (1 - 0.99 ** t)) + 1e-8)
"""
MOMENTUM = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
w, v, c = rng.normal(size=(3, 4)), rng.normal(size=(4, 1)), np.zeros(1)
mw, mv, mc = np.zeros_like(w), np.zeros_like(v), np.zeros_like(c)
for step in range(6):
    h = np.tanh(x @ w)
    pred = h @ v + c
    loss = ((pred - y) ** 2).mean()
    d = 2 * (pred - y) / 12
    dv = h.T @ d
    dc = d.sum(axis=0)
    dw = x.T @ (d @ v.T * (1 - h ** 2))
    mw = 0.9 * mw - 0.01 * dw
    mv = 0.9 * mv - 0.01 * dv
    mc = 0.9 * mc - 0.01 * dc
    w += mw
    v += mv
    c += mc
"""
DEEP = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
ws = [rng.normal(size=shape) for shape in ((3, 5), (5, 4), (4, 2))]
for step in range(4):
    hs = [x]
    for w in ws:
        hs.append(np.tanh(hs[-1] @ w))
    loss = np.square(hs[-1] - y).sum()
    d = 2 * (hs[-1] - y)
    gs = []
    for k in (2, 1, 0):
        d = d * (1 - hs[k + 1] ** 2)
        gs.insert(0, hs[k].T @ d)
        d = d @ ws[k].T
    for w, g in zip(ws, gs):
        w -= 0.01 * g
"""
ONLINE = """
import numpy as np
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
W, b, V, c = rng.normal(size=(3, 4)), np.zeros(4), rng.normal(size=(4, 2)), np.zeros(2)
for epoch in range(3):
    for x, y in zip(X, Y):
        h = np.tanh(x @ W + b)
        out = h @ V + c
        loss = 0.5 * np.sum((out - y) ** 2)
        d = out - y
        dh = (V @ d) * (1 - h ** 2)
        gc = np.zeros_like(c)
        gc += d
        V -= 0.1 * np.outer(h, d)
        c -= 0.1 * gc
        W -= 0.1 * np.outer(x, dh)
        b -= 0.1 * dh
"""
TABLE = """
import numpy as np
rng = np.random.default_rng(0)
E, W = rng.normal(size=(10, 4)), rng.normal(size=(4, 4))
ids, y = rng.integers(0, 10, size=30), rng.normal(size=(30, 4))
for step in range(4):
    h = E[ids]
    loss = np.sum((h @ W - y) ** 2)
    d = 2 * (h @ W - y)
    dE = np.zeros_like(E)
    np.add.at(dE, ids, d @ W.T)
    W -= 0.001 * h.T @ d
    E -= 0.001 * dE
"""
TIED = """
import numpy as np
rng = np.random.default_rng(0)
x, W = rng.normal(size=(40, 6)), 0.3 * rng.normal(size=(6, 3))
for step in range(4):
    h = np.tanh(x @ W)
    loss = np.square(h @ W.T - x).sum()
    d = 2 * (h @ W.T - x)
    dW = x.T @ (d @ W * (1 - h ** 2)) + d.T @ h
    W -= 0.001 * dW
"""
LOGISTIC = """
import numpy as np
rng = np.random.default_rng(0)
x, y = np.hstack([np.ones((40, 1)), rng.normal(size=(40, 3))]), (rng.random(40) > 0.5) * 1.0
theta, lam, m = rng.normal(size=4), 1.0, 40
for step in range(4):
    h = 1 / (1 + np.exp(-x @ theta))
    J = -(y @ np.log(h) + (1 - y) @ np.log(1 - h)) / m + lam / (2 * m) * np.sum(theta[1:] ** 2)
    grad = x.T @ (h - y) / m + lam / m * np.r_[0, theta[1:]]
    theta -= 0.1 * grad
"""
BATCHES = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.normal(size=(12, 3)), rng.normal(size=(12, 1)), rng.normal(size=(3, 1))
for epoch in range(4):
    for i in range(0, 12, 4):
        e = x[i:i+4] @ w - y[i:i+4]
        loss = np.sum(e ** 2)
        dw = 2 * x[i:i+4].T @ e
        w -= 0.01 * dw
"""
ENTRIES = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.random(12)
w, v = rng.normal(size=(3, 4)), rng.normal(size=4)
for epoch in range(4):
    for n in range(12):
        h = [1 / (1 + np.exp(-sum(x[n][i] * w[i][j] for i in range(3)))) for j in range(4)]
        o = sum(h[j] * v[j] for j in range(4))
        loss = 0.5 * (o - y[n]) ** 2
        d = o - y[n]
        dh = [d * v[j] for j in range(4)]
        for j in range(4):
            v[j] -= 0.1 * d * h[j]
        for i in range(3):
            for j in range(4):
                w[i][j] -= 0.1 * dh[j] * h[j] * (1 - h[j]) * x[n][i]
"""
LAYERS = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, 3)), rng.random((12, 1))
w, b, v, c = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 1)), np.zeros(1)
for step in range(4):
    z = x @ w + b
    mask = z > 0
    h = z * mask
    out = 1 / (1 + np.exp(-(h @ v + c)))
    e = out - y
    print("error", np.abs(e).mean())
    d = e * out * (1 - out)
    dh = d @ v.T
    da = dh * mask
    dw, db, dv, dc = x.T @ da, da.sum(axis=0), h.T @ d, d.sum(axis=0)
    w = w - 0.1 * dw
    b = b - 0.1 * db
    v = v - 0.1 * dv
    c = c - 0.1 * dc
"""
SAID = LAYERS.replace('print("error", np.abs(e).mean())', "loss = 0.5 * np.sum(e ** 2)")
CROSS_ENTROPY = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.normal(size=(12, 3)), (rng.random(12) > 0.5) * 1.0, rng.normal(size=3)
for step in range(4):
    p = 1 / (1 + np.exp(-(x @ w)))
    J = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))
    w -= 0.1 * x.T @ (p - y)
"""
LINE = """
import numpy as np
x = np.linspace(0, 4, 30)
y = 2.5 * x - 1.0
m, b = 0.0, 0.0
for step in range(20):
    p = m * x + b
    dm = -2 / 30 * sum(x * (y - p))
    db = -2 / 30 * sum(y - p)
    m = m - 0.05 * dm
    b = b - 0.05 * db
"""
DECAY = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w, c = rng.normal(size=(12, 3)), rng.normal(size=(12, 2)), rng.normal(size=(3, 2)), np.zeros(2)
for step in range(4):
    d = x @ w + c - y
    cost = 0.5 * np.sum(d ** 2) / 12
    cost += 0.5 * 0.3 / 12 * np.sum(w ** 2)
    delta = d
    dw = x.T @ delta
    dc = delta.sum(axis=0)
    w = (1 - 0.1 * 0.3 / 12) * w - 0.1 / 12 * dw
    c = c - 0.1 / 12 * dc
"""
LOOKAHEAD = """
import numpy as np
rng = np.random.default_rng(0)
x, y, theta = rng.normal(size=(12, 3)), rng.normal(size=(12, 2)), rng.normal(size=8)
def grad(theta):
    d = x @ theta[:6].reshape(3, 2) + theta[6:] - y
    return np.concatenate([(x.T @ d).ravel(), d.sum(0)])
velocity = np.zeros(8)
for step in range(6):
    ahead = theta + 0.9 * velocity
    velocity = 0.9 * velocity - 0.01 * grad(ahead)
    theta = theta + velocity
    if step % 4 == 0:
        print(np.mean((x @ theta[:6].reshape(3, 2) + theta[6:] - y) ** 2))
"""
MISTAKES = [  # the program, the change, the line that is blamed, what its report says
    (SIGMOID, "a * (1 - a)", "sigmoid(a) * (1 - sigmoid(a))", "return", "should be: return a * (1 - a)"),
    (PENALTY, "h.T @ d + reg * w2", "h.T @ d", "dw2 = ", "should be: dw2 = h.T @ d + reg * w2"),
    (PENALTY, "+ reg * w2", "+ 2 * reg * w2", "dw2 = ", "should be: dw2 = h.T @ d + reg * w2"),
    (PENALTY, "reg * w1\n    w1 -=", "np.sum(w1)\n    w1 -=", "dw1 = ", "line 16"),
    (PENALTY, "w2 = w2 - 0.1 * dw2", "w2 = 0.1 * dw2", "w2 = 0.1", "should be: w2 -= 0.1 * dw2"),
    (PENALTY, "w2 = w2 - 0.1 * dw2", "w2 = w2 * 0.1 * dw2", "w2 = w2 * 0.1", "multiplied by its gradient"),
    (PENALTY, "w2 = w2 - 0.1 * dw2", "w2 = dw2", "w2 = dw2", "should be: w2 -= dw2"),
    (PENALTY, "d = p.copy()", "d = p * p * (1 - p)", "d = p * p", "p * (1 - p) does not belong in it"),
    (ADAM, "params[i] -=", "params[i] +=", "params[i] +=", "its update has the wrong sign"),
    (ADAM, "d = 2 * (pred - y)", "d = 2 * (y - pred)", "d = 2 *", "it has the other sign"),
    (ADAM, "rng.normal(size=(12, 1))", "rng.normal(size=12)", "loss = ",
     "broadcasting makes an array of shape (12, 12)"),
    (TABLE, "np.add.at(dE, ids, d @ W.T)", "dE[ids] += d @ W.T", "dE[ids]",
     "should be: np.add.at(dE, ids, d @ W.T)"),
    (BATCHES, "        w -=", "    w -=", "w -=", "it takes only the last of 3 gradients"),
    (ADAM, "1 - 0.99 ** t", "1 - 0.9 ** t", "params[i] -=", "takes 0.9 for the decay 0.99 of the average"),
    (LAYERS, "d = e * out", "d = e * e", "d = e", "it is made with e where out belongs"),
    (LAYERS, "b = b - 0.1 * db", "db = b - 0.1 * db", "db = b", "b is not updated: its step is given to db"),
    (LAYERS, "da = dh * mask", "da = dh", "da = dh", "the factor mask is missing"),
    (SAID, "d = e * out * (1 - out)", "d = e * (1 - e)", "d = e", "line 13"),
    (CROSS_ENTROPY, "+ (1 - y)", "- (1 - y)", "J = ", "a term of the loss has the other sign"),
    (LINE, "sum(y - p)", "sum(p - y)", "db = ", "it has the other sign"),
    (DECAY, "delta = d", "delta = 2 * d", "w = ", "belong"),
]  # fmt: skip
NOT_ACCUSED = [  # right programs, whose numbers say less than those of others
    "E = U @ V.T - R; U -= 0.02 * E @ V; E = U @ V.T - R; V -= 0.02 * E.T @ U",  # in turns
    "E = U @ V.T - R; loss = np.sum(E ** 2); dU = E @ V; dV = E.T @ U; U -= 0.02 * dU; V -= 0.01 * dV",
    "E = R[2] - U[2] @ V.T; a, b = U[2], V[2]; e = R[2, 2] - a @ b; loss = e ** 2; "
    "U[2], V[2] = a + 0.1 * (e * b - 0.3 * a), b + 0.1 * (e * a - 0.3 * b)",  # rows that decay
    "p = 1 / (1 + np.exp(-U @ one)); U = U * 0.9 - 0.1 * np.outer(p - t, one)",
    "E = U @ V.T - R; loss = np.sum(E ** 2); U -= 0.02 * E @ V; error = U @ V.T - R; V -= 0.02 * error.T @ U",
    "T = U.copy(); E = U @ V.T - R - 0.1 * T @ V.T; loss = np.sum(E ** 2); dV = E.T @ (U - 0.1 * T); "
    "U -= 0.02 * E @ V; V -= 0.02 * dV",  # a target network
    "if np.sum(t * (U @ one)) < 9: U = U - 0.1 * (0.02 * U + np.outer(t, one))",  # the wrong sign of what?",
]
FACTORS = """
import numpy as np
rng = np.random.default_rng(0)
R, U, V = rng.random((6, 5)), rng.random((6, 3)), rng.random((5, 3))
one, t = np.ones(3), (rng.random(6) > 0.5) * 1.0
x = rng.random(60)
x = (x - x.mean()) / x.std()
for step in range(8):
    """
FACTORIZATION = """
import numpy as np
rng = np.random.default_rng(0)
R, P, Q = rng.integers(1, 6, (6, 4)), rng.random((6, 3)), rng.random((3, 4))
for step in range(4):
    for i in range(6):
        for j in range(4):
            e = R[i, j] - P[i, :] @ Q[:, j]
            for k in range(3):
                p = P[i][k]
                P[i][k] = P[i][k] + 0.01 * (2 * e * Q[k][j] - 0.02 * P[i][k])
                Q[k][j] = Q[k][j] + 0.01 * (2 * e * p - 0.02 * Q[k][j])
"""
MINIBATCH = """
import numpy as np
rng = np.random.default_rng(0)
X, Y, w, b = rng.normal(size=(12, 3)), rng.normal(size=(12, 2)), rng.normal(size=(3, 2)), np.zeros(2)
dw, db = np.zeros_like(w), np.zeros_like(b)
for step in range(4):
    loss = 0.0
    for x, y in zip(X, Y):
        e = x @ w + b - y
        loss += np.sum(e ** 2) / 2
        dw = dw + np.outer(x, e)
        db = db + e
    w -= 0.01 * dw
    b -= 0.01 * db
    dw, db = np.zeros_like(w), np.zeros_like(b)
"""
ADVERSARIES = """
import numpy as np
rng = np.random.default_rng(0)
real, c = rng.normal(size=(20, 3)) + 2, np.zeros(4)
g, d = 0.3 * rng.normal(size=(2, 3)), 0.3 * rng.normal(size=(3, 4))
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
for step in range(4):
    z = rng.normal(size=(20, 2))
    fake = z @ g
    p, q = sigmoid(real @ d + c), sigmoid(fake @ d + c)
    d_loss = -np.sum(np.log(p)) - np.sum(np.log(1 - q))
    dd = real.T @ (p - 1) + fake.T @ q
    dc = (p - 1).sum(0) + q.sum(0)
    d -= 0.01 * dd
    c -= 0.01 * dc
    q = sigmoid(fake @ d + c)
    g_loss = -np.sum(np.log(q))
    dg = z.T @ ((q - 1) @ d.T)
    g -= 0.01 * dg
"""
UNSAID_NET = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.normal(size=(12, 3)), rng.random((12, 1)), rng.normal(size=(3, 1))
for step in range(4):
    out = 1 / (1 + np.exp(-x @ w))
    e = y - out
    d = e * (out * (1 - out))
    w += x.T @ d
"""
LATER = [
    (ADAM, "dh * (1 - h ** 2)", "dh", "da = dh", "should be: da = dh * (1 - h ** 2)"),
    (ADAM, "dh * (1 - h ** 2)", "1 - h ** 2", "da = 1", "should be: da = (1 - h ** 2) * dh"),
    (ADAM, "(pred - y) / 12", "(pred - pred) / 12", "d = 2 *", "should be: d = 2 * (pred - y) / 12"),
    (DEEP, "d = d * (1", "d = 2 * d * (1", "d = 2", "should be: d = d * (1 - hs[k + 1] ** 2)"),
    (DEEP, "d = d * (1", "d = (1", "d = (1", "should be: d = (1 - hs[k + 1] ** 2) * d"),
    (ONLINE, "0.1 * dh", "0.1 * dh.sum()", "b -= ", "should be: b -= 0.1 * dh"),
    (ONLINE, "gc = np.zeros_like(c)", "gc = c", "gc = c", "gc is the same array as c"),
    (TIED, " + d.T @ h", "", "dW = ", "the term d.T @ h is missing"),
    (LOGISTIC, "np.r_[0, theta[1:]]", "theta", "grad = ", "the biases in theta have no penalty in the loss"),
    (ENTRIES, "dh[j] * h[j] * (1 - h[j])", "dh[j]", "w[i][j] -=", "the factor (h[j] * (1 - h[j])) is missing"),
    (ADAM, "for t in range(1, 9):", "t = 1\nfor step in range(8):", "params[i] -=",
     "the bias correction is the same in every step"),
    (ADAM, "+ 0.1 * g", "+ g", "ms[i] =", "0.1 times what is averaged belongs in it"),
    (ADAM, "0.01 * g ** 2", "0.01 * g", "vs[i] =", "the square of the gradient belongs in this average"),
    (ADAM, "params[i] -= 0.01 * (ms[i] / (1 - 0.9 ** t))",
     "ms[i] = ms[i] / (1 - 0.9 ** t)\n        params[i] -= 0.01 * ms[i]", "ms[i] = ms[i] /",
     "the corrected average takes the place of the average"),
    (FACTORIZATION, "2 * e * p", "2 * e * P[i][k]", "Q[k][j] =", "gradient of Q is wrong"),
    (MINIBATCH, "db = db + e", "db = e", "db = e", "should be: db += e"),
    (MINIBATCH, "    dw, db = np.zeros_like(w), np.zeros_like(b)\n", "", "dw = dw +", "undiminished"),
    (ADVERSARIES, "fake.T @ q\n", "real.T @ q\n", "dd = real.T", "dd = real.T @ (p - 1) + fake.T @ q"),
    (PENALTY, "w1 -= 0.1 * dw1", "w1 -= 0.1 * dw1 * w1", "w1 -=", "w1 does not belong in it"),
    (MOMENTUM, "mw = 0.9 * mw - ", "mw = -0.9 * mw - ", "mw = ", "the momentum has the other sign"),
    (LOOKAHEAD, "d.sum(0)]", "d.mean(0)]", "return np.concatenate", "mean stands where sum belongs"),
    (UNSAID_NET, "* (out * (1 - out))", "* np.cos(out)", "d =", "the derivative is (out * (1 - out))"),
]  # fmt: skip
NOT_TO_BLAME = [  # a momentum that is wrong: the gradients are right, and so is every line of them
    ("mv = 0.9 * mv - ", "mv = 0.9 * v - "),
    ("mv = 0.9 * mv - ", "mv = -"),
]


def judged(text):
    return examined(ProgramSource(text, "<program>", "program"), 20)


def test_these_programs_are_right():
    for text in dict.fromkeys([MOMENTUM, *(row[0] for row in MISTAKES)]):
        result = judged(text)
        assert result.judged == "right", f"{text}\n{result}"


def assert_named(text, old, new, line, said):
    """The changed program is wrong in the line that begins so, and its report says so."""
    assert text.count(old) == 1, old
    result = judged(text.replace(old, new))
    assert result.wrong, f"{new}\n{result}"
    assert result.wrong[0].text.startswith(line), f"{new}\n{result}"
    assert said in str(result), f"{new}\n{result}"


@pytest.mark.parametrize("first", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3))])
def test_the_line_that_is_wrong_is_named(first):
    for mistake in MISTAKES[first::4]:
        assert_named(*mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", LATER)
def test_lines_of_sums_adversaries_and_updates_are_named(mistake):
    assert judged(mistake[0]).judged == "right", judged(mistake[0])
    assert_named(*mistake)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("h = np.maximum(0, x @ w1)", "h = x @ w1; np.putmask(h, h < 0, 0)"),
        ("h = np.maximum(0, x @ w1)", "h = np.maximum(0, np.vstack((x[:6] @ w1, x[6:] @ w1)))"),
    ],
)
def test_functions_that_write_or_take_tuples_hide_nothing(old, new):
    result = judged(PENALTY.replace(old, new))
    assert result.judged == "right", result


def test_a_function_of_objects_is_not_known_but_seen():
    relu = "np.frompyfunc(lambda a: max(a, 0.0), 1, 1)(x @ w1).astype(float)"
    result = judged(PENALTY.replace("np.maximum(0, x @ w1)", relu))
    assert result.judged == "not judged", result
    assert "the derivative of <lambda>" in result.reason


def test_no_line_is_blamed_for_a_momentum():
    for old, new in NOT_TO_BLAME:
        result = judged(MOMENTUM.replace(old, new))
        assert not result.wrong, f"{new}\n{result}"
        assert "the update is none of the rules known here" in str(result)


def test_what_the_numbers_do_not_prove_is_not_blamed():
    for step in NOT_ACCUSED:
        result = judged(f"{FACTORS}{step}\n")
        assert not result.wrong, f"{step}\n{result}"


OPTIMIZED = [  # the same, with gradients of which other arrays of the optimizer are multiples
    ADAM.replace("d = 2 * (pred - y) / 12", "d = pred - y").replace("0.1 * g", "0.1 * (g / 12)"),
    ADAM.replace("np.tanh(x @ w + b)", "np.maximum(0, x @ w + b)").replace("(1 - h ** 2)", "(h > 0)").replace(
        "np.zeros(4), rng", "np.array([9.0, -9.0, -9.0, -9.0]), rng"  # but one unit is dead
    ),
    PENALTY.replace("reg = ", "reg, c, m = ").replace("0.01\n", "0.0, np.zeros(2), np.zeros(2)\n").replace(
        "np.exp(h @ w2)", "np.exp(h @ w2 + c)"
    ) + "    m = 0.9 * m + 0.1 * d.sum(axis=0)\n    c = c - 0.5 * m\n",
]  # fmt: skip


@pytest.mark.parametrize("program", OPTIMIZED)
def test_averages_of_parallel_gradients_are_not_blamed(program):
    result = judged(program)
    assert result.judged == "right", result


def test_a_step_of_0_is_named():
    text = (Path(__file__).parents[1] / "corpus/single_samples/scalar_loops.py").read_text()
    line = "hidden_deltas[j] = err * hidden[j] * (1 - hidden[j])  # backward"
    assert_named(text, line, "pass", "b_h[j] +=", "it adds 0 to b_h")


def test_reports_name_the_rate_and_all_losses():
    assert judged(BATCHES.replace("2 * x", "x")).rule == "SGD(lr=0.01)"
    result = judged(ADVERSARIES)
    assert result.loss == "`d_loss` in line 12 and `g_loss` in line 18", result


def test_a_sign_that_is_turned_twice_is_no_line_that_comes_too_late():
    result = judged(MOMENTUM.replace("(pred - y) / 12", "(y - pred) / 12").replace("dw = x", "d = -d; dw = x"))
    assert result.wrong, result
    assert "has to come first" not in str(result)


def test_bytes_have_other_versions_but_no_other_sign():
    text = PENALTY.replace("    h = ", "    k = np.array([step, 1], np.uint8)\n    h = ")
    assert_named(text, "h.T @ d + reg * w2", "h.T @ d", "dw2 = ", "should be: dw2 = h.T @ d + reg * w2")


def test_unlike_rules_are_told_apart():
    result = judged(MOMENTUM.replace("mw = 0.9 * mw - 0.01 * dw", "mw = mw - 0.01 * dw"))
    assert "w is updated by SGD(lr=0.01, momentum=1)" in str(result), result
    assert "v is updated by SGD(lr=0.01, momentum=0.9)" in str(result), result


def test_data_that_are_prepared_are_no_parameter():
    """And of a momentum whose gradients are all parallel, it is not said that it is not used."""
    program = FACTORS.replace("for step", "x = np.c_[np.ones(60), x]\nw, m = rng.random(2), 0\nfor step")
    step = "e = x @ w - 1; loss = np.sum(e ** 2) / 60; m = 0.9 * m + 0.1 * x.T @ e / 60; w = w - m"
    result = judged(f"{program}{step}\n")
    assert result.judged == "right", result
    assert set(result.gradients) == {"w"}


def test_a_written_loss_is_not_given_up_for_a_part_of_it():
    result = judged(PENALTY.replace("-np.log(p[np.arange(12), y]).mean()", "np.square(p.max(axis=1)).mean()"))
    assert not result.wrong, result
    assert "is not that of `loss`" in str(result), result


REGRESSION = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w, v = rng.normal(size=(20, 3)), rng.normal(size=20), rng.normal(size=3), np.zeros(3)
decay, n = 0.1, 20
{before}
for step in range(8):
{step}
"""
PREDICTION = "pred = x @ w"
PLAIN = """
    pred = x @ w
    data_loss = ((pred - y) ** 2).sum() / n
    penalty = decay * np.sum(w * w)
    loss = data_loss + penalty
    w -= 0.1 * (2 * x.T @ (pred - y) / n + 2 * decay * w)
"""
UNSAID = """
    pred = x @ w
    dw = x.T @ (pred - y) / n + decay * w
    w -= 0.1 * dw
"""
GATES = """
import numpy as np
rng = np.random.default_rng(0)
xs, target = rng.normal(size=(4, 5, 3)), rng.normal(size=(5, 4))
wf, wg, wy = rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), rng.normal(size=(3, 4))
class Cell:
    def forward(self, x, c, h):
        self.x, self.c, self.h = x, c, h
        self.f = 1 / (1 + np.exp(-(x @ wf)))
        self.g = np.tanh(x @ wy + h @ wg)
        self.new = self.f * c + (1 - self.f) * self.g
        return self.new, np.tanh(self.new)
for step in range(3):
    c, h = np.zeros((5, 4)), np.zeros((5, 4))
    cells = [Cell() for t in range(4)]
    for cell, x in zip(cells, xs):
        c, h = cell.forward(x, c, h)
    loss = np.sum((h - target) ** 2) / 2
    dh, dc_next = h - target, np.zeros((5, 4))
    dwf, dwg, dwy = np.zeros_like(wf), np.zeros_like(wg), np.zeros_like(wy)
    for cell in cells[::-1]:
        dc = dh * (1 - np.tanh(cell.new) ** 2) + dc_next
        df = dc * (cell.c - cell.g) * cell.f * (1 - cell.f)
        dg = dc * (1 - cell.f) * (1 - cell.g ** 2)
        dwf += cell.x.T @ df
        dwy += cell.x.T @ dg
        dwg += cell.h.T @ dg
        dc_next = dc * cell.f
        dh = dg @ wg.T
    wf -= 0.01 * dwf
    wg -= 0.01 * dwg
    wy -= 0.01 * dwy
"""
APPENDED = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 2))
weights = [rng.normal(size=(4, 4)), rng.normal(size=(2, 5))]
for step in range(3):
    sums, loss = [np.zeros_like(w) for w in weights], 0.0
    for xk, yk in zip(x, y):
        a, kept = xk, []
        for w in weights:
            a = np.append(a, 1.0)
            kept.append(a)
            a = np.tanh(w @ a)
        loss += np.sum((a - yk) ** 2) / 2
        delta = (a - yk) * (1 - a ** 2)
        sums[1] += np.outer(delta, kept[1])
        delta = (weights[1].T @ delta * (1 - kept[1] ** 2))[:-1]
        sums[0] += np.outer(delta, kept[0])
    for w, g in zip(weights, sums):
        w -= 0.01 * g
"""
MORE = [
    (GATES, " + dc_next\n", "\n", "dc = dh", "the term dc_next is missing"),
    (GATES, "* (1 - cell.g ** 2)", "* cell.g * (1 - cell.g)", "dg = dc", "(1 - cell.g ** 2)"),
    (GATES, "dc * (cell.c - cell.g)", "dc * (cell.g - cell.c)", "df = dc", "belongs where"),
    (GATES, "dc_next = dc * cell.f", "dc_next = dc", "dc_next = dc", "dc * cell.f"),
    (APPENDED, ")[:-1]", ")[1:]", "delta = (weights", "[:-1]"),
    (APPENDED, "(a - yk) * (1 - a ** 2)", "a - yk", "delta = a - yk", "(1 - a ** 2) is missing"),
    (PENALTY, "d[np.arange(12), y] -= 1", "d[np.arange(12), y] = -1", "d[np.arange(12), y]", "-= belongs"),
    (PENALTY, "+ reg * w1", "+ reg * np.sum(w1 ** 2)", "dw1 =", "reg * w1"),
    (PENALTY, " + reg * w2", "", "dw2 =", "the gradient of the penalty, reg * w2, is missing"),
]


@pytest.mark.slow
def test_more_lines_that_are_wrong_are_named():
    for text in (GATES, APPENDED):
        assert judged(text).judged == "right", judged(text)
    for mistake in MORE:
        assert_named(*mistake)


def test_a_sign_in_the_loss_and_one_of_the_decay_are_named():
    result = judged(REGRESSION.format(before="", step=PLAIN.replace("data_loss + p", "data_loss - p")))
    assert [f.text for f in result.wrong] == ["loss = data_loss - penalty"]
    assert "should be: loss = data_loss + penalty" in str(result)
    assert judged(REGRESSION.format(before="", step=UNSAID)).judged == "right"
    result = judged(REGRESSION.format(before="w = 0 * w", step=UNSAID.replace("+ decay", "- decay")))
    assert [f.text for f in result.wrong] == ["dw = x.T @ (pred - y) / n - decay * w"]
    assert "w grows by a part of itself" in str(result)


def test_a_prediction_before_the_loop_is_named():
    result = judged(REGRESSION.format(before=PREDICTION, step="    w -= 0.1 * x.T @ (pred - y) / n"))
    assert [f.text for f in result.wrong] == ["pred = x @ w"]
    assert "compute it in every step" in str(result)


LISTS = """
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
class Net:
    def __init__(self):
        self.weights = [rng.normal(size=s) for s in ((4, 5), (5, 3), (3, 2))]
    def step(self):
        self.kept = [x]
        for w in self.weights:
            self.kept.append(np.tanh(self.kept[-1] @ w))
        loss = np.sum((self.kept[-1] - y) ** 2) / 2
        delta, grads = (self.kept[-1] - y) * (1 - self.kept[-1] ** 2), []
        for i in (2, 1, 0):
            grads.insert(0, self.kept[i].T @ delta)
            delta = delta @ self.weights[i].T * (1 - self.kept[i] ** 2)
        for w, g in zip(self.weights, grads):
            w -= 0.01 * g
net = Net()
for step in range(4):
    net.step()
"""


def test_a_factor_is_named_by_the_index_of_the_loop():
    assert judged(LISTS).judged == "right"
    result = judged(LISTS.replace("weights[i].T * (1 - self.kept[i] ** 2)", "weights[i].T"))
    assert result.wrong[0].write == ("delta = delta @ self.weights[i].T * (1 - self.kept[i] ** 2)",)
