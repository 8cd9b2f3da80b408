"""Mistakes as people publish them: the line that is wrong is named, and no line that is right."""

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
MISTAKES = [  # the program, the change, the line that is blamed, what its report says
    (SIGMOID, "a * (1 - a)", "sigmoid(a) * (1 - sigmoid(a))", "return", "should be: return a * (1 - a)"),
    (PENALTY, "h.T @ d + reg * w2", "h.T @ d", "dw2 = ", "should be: dw2 = h.T @ d + reg * w2"),
    (PENALTY, "+ reg * w2", "+ 2 * reg * w2", "dw2 = ", "should be: dw2 = h.T @ d + reg * w2"),
    (PENALTY, "reg * w1\n    w1 -=", "np.sum(w1)\n    w1 -=", "dw1 = ", "line 16"),
    (PENALTY, "w2 = w2 - 0.1 * dw2", "w2 = 0.1 * dw2", "w2 = 0.1", "should be: w2 -= 0.1 * dw2"),
    (PENALTY, "w2 = w2 - 0.1 * dw2", "w2 = w2 * 0.1 * dw2", "w2 = w2 * 0.1", "multiplied by its gradient"),
    (ADAM, "params[i] -=", "params[i] +=", "params[i] +=", "its update has the wrong sign"),
    (ADAM, "d = 2 * (pred - y)", "d = 2 * (y - pred)", "d = 2 *", "it has the other sign"),
    (ADAM, "rng.normal(size=(12, 1))", "rng.normal(size=12)", "loss = ",
     "broadcasting makes an array of shape (12, 12)"),
]  # fmt: skip
NOT_TO_BLAME = [  # a momentum that is wrong: the gradients are right, and so is every line of them
    ("mv = 0.9 * mv - ", "mv = 0.9 * v - "),
    ("mv = 0.9 * mv - ", "mv = -"),
]


def judged(text):
    return examined(ProgramSource(text, "<program>", "program"), 20)


def test_these_programs_are_right():
    for text in (SIGMOID, PENALTY, ADAM, MOMENTUM):
        result = judged(text)
        assert result.judged == "right", f"{text}\n{result}"


def test_the_line_that_is_wrong_is_named():
    for text, old, new, line, said in MISTAKES:
        assert text.count(old) == 1, old
        result = judged(text.replace(old, new))
        assert result.wrong, f"{new}\n{result}"
        assert result.wrong[0].text.startswith(line), f"{new}\n{result}"
        assert said in str(result), f"{new}\n{result}"


def test_no_line_is_blamed_for_a_momentum():
    for old, new in NOT_TO_BLAME:
        result = judged(MOMENTUM.replace(old, new))
        assert not result.wrong, f"{new}\n{result}"
        assert "the update is none of the rules known here" in str(result)


def test_gradients_of_another_loss_than_the_one_that_is_computed_are_said_to_be():
    result = judged(PENALTY.replace("-np.log(p[np.arange(12), y]).mean()", "np.square(p.max(axis=1)).mean()"))
    assert not result.wrong
    assert "is another loss: these are not its gradients" in str(result), result
