"""Programs written by hand: two that are right, spelled differently, and what goes wrong in them.

A mistake is a change of text, the line it is found in, and the layer and array that it belongs to.
"""

from __future__ import annotations

from typing import NamedTuple

TUTORIAL = """\
import numpy as np


def train(x, y, w1, w2, steps=500, learning_rate=1e-6):
    losses = []
    for _ in range(steps):
        h = x.dot(w1)
        h_relu = np.maximum(h, 0)
        y_pred = h_relu.dot(w2)
        losses.append(np.square(y_pred - y).sum())

        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h_relu.T.dot(grad_y_pred)
        grad_h_relu = grad_y_pred.dot(w2.T)
        grad_h = grad_h_relu.copy()
        grad_h[h < 0] = 0
        grad_w1 = x.T.dot(grad_h)

        w1 -= learning_rate * grad_w1
        w2 -= learning_rate * grad_w2
    return losses
"""

# Other names, biases, three layers, a mean, everything in dicts and functions of its own.
STUDENT = """\
import numpy as np


def forward(X, P):
    Z1 = X @ P["W1"] + P["b1"]
    A1 = np.maximum(0, Z1)
    Z2 = A1 @ P["W2"] + P["b2"]
    A2 = np.maximum(0, Z2)
    Z3 = A2 @ P["W3"] + P["b3"]
    return Z3, (Z1, A1, Z2, A2)


def backward(X, T, out, P, cache):
    Z1, A1, Z2, A2 = cache
    d3 = 2 * (out - T) / out.size
    dW3 = A2.T @ d3
    db3 = np.sum(d3, axis=0)
    d2 = d3 @ P["W3"].T
    d2 = np.where(Z2 < 0, 0, d2)
    dW2 = A1.T @ d2
    db2 = np.sum(d2, axis=0)
    d1 = d2 @ P["W2"].T
    d1 = np.where(Z1 < 0, 0, d1)
    dW1 = X.T @ d1
    db1 = np.sum(d1, axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}


def fit(X, T, W1, b1, W2, b2, W3, b3, epochs, lr):
    P = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W3": W3, "b3": b3}
    history = []
    for epoch in range(epochs):
        out, cache = forward(X, P)
        loss = np.mean((out - T) ** 2)
        history.append(loss)
        grads = backward(X, T, out, P, cache)
        for key in P:
            P[key] -= lr * grads[key]
    return history
"""


class Mistake(NamedTuple):
    """What to replace, the line that is to blame, layer and array, a part of what is said about it."""

    changes: tuple[tuple[str, str], ...]
    line: str
    layer: str
    array: str
    said: str
    square: bool = False  # only a network of one width lets it pass


MASK = "grad_h[h < 0] = 0"
NO_MASK = (f"        {MASK}\n", "")
COPY = "grad_h = grad_h_relu.copy()"
NO_COPY = (f"        {COPY}\n", "")
SQUARES = "np.square(y_pred - y).sum()"
AFTER = "losses.append(np.square(np.maximum(x.dot(w1), 0).dot(w2) - y).sum())"
MISTAKES = {
    "missing transpose": Mistake(
        (("grad_y_pred.dot(w2.T)", "grad_y_pred.dot(w2)"),),
        "grad_h_relu = grad_y_pred.dot(w2)", "2", "grad_h_relu", "w2 stands in it the wrong way round", True,
    ),
    "factor 2 left out": Mistake(
        (("2.0 * (y_pred - y)", "y_pred - y"),),
        "grad_y_pred = y_pred - y", "", "grad_y_pred", "half the right one",
    ),
    "mask after its use": Mistake(
        (NO_MASK, ("x.T.dot(grad_h)\n", f"x.T.dot(grad_h)\n        {MASK}\n")),
        "grad_w1 = x.T.dot(grad_h)", "0", "grad_w1", "grad_h is made only after it",
    ),
    "mask before the weight": Mistake(
        (("        grad_h_relu =", "        grad_y_pred[y_pred < 0] = 0\n        grad_h_relu ="), NO_MASK),
        "grad_h_relu = grad_y_pred.dot(w2.T)", "2", "grad_h_relu", "grad_y_pred of line 12 belongs in it",
    ),
    "no mask": Mistake(
        (NO_MASK,),
        "grad_h = grad_h_relu.copy()", "1", "grad_h", "the factor (h_relu > 0) is missing",
    ),
    "no mask, and no name for it": Mistake(
        (("grad_h_relu = grad", "d = grad"), NO_COPY, NO_MASK, ("x.T.dot(grad_h)", "x.T.dot(d)")),
        "d = grad_y_pred.dot(w2.T)", "1", "grad_h", "the factor (h_relu > 0) is missing",
    ),
    "mask turned round": Mistake(
        (("h < 0", "h > 0"),), "grad_h[h > 0] = 0", "1", "grad_h", "mask looks turned round",
    ),
    "mask from h_relu": Mistake(
        (("grad_h[h < 0]", "grad_h[h_relu < 0]"),),
        "grad_h[h_relu < 0] = 0", "1", "grad_h", "made with h_relu where h belongs",
    ),
    "mask from the gradient": Mistake(
        (("grad_h[h < 0]", "grad_h[grad_h < 0]"),),
        "grad_h[grad_h < 0] = 0", "1", "grad_h", "made with grad_h where h belongs",
    ),
    "stale h": Mistake(
        (("    for _ in", "    h = x.dot(w1)\n    for _ in"), ("        h = x.dot(w1)\n", "")),
        "h = x.dot(w1)", "0", "h", "made once, before the steps: compute it in every step",
    ),
    "update before the second gradient": Mistake(
        (("        w2 -= learning_rate * grad_w2\n", ""),
         ("        grad_h_relu =", "        w2 -= learning_rate * grad_w2\n        grad_h_relu =")),
        "grad_h_relu = grad_y_pred.dot(w2.T)", "2", "grad_h_relu", "w2 after its update",
    ),
    "wrong learning rate on one weight": Mistake(
        (("w2 -= learning_rate", "w2 -= 10 * learning_rate"),),
        "w2 -= 10 * learning_rate * grad_w2", "2", "w2", "its step is 10 times as long",
    ),
    "sum for mean": Mistake(
        (("losses.append(np.square(y_pred - y).sum())", "losses.append(np.square(y_pred - y).mean())"),),
        "losses.append(np.square(y_pred - y).mean())", "", "loss", "divided by the number of elements",
    ),
    "gradient averaged over the batch": Mistake(
        (("2.0 * (y_pred - y)", "2.0 * (y_pred - y) / len(x)"),),
        "grad_y_pred = 2.0 * (y_pred - y) / len(x)", "", "grad_y_pred", "it is 1/y_pred.shape[0] = 1/8 of",
    ),
    "sign of the gradient": Mistake(
        (("2.0 * (y_pred - y)", "2.0 * (y - y_pred)"),),
        "grad_y_pred = 2.0 * (y - y_pred)", "", "grad_y_pred", "the other sign",
    ),
    "sign of an update": Mistake(
        (("w1 -=", "w1 +="),), "w1 += learning_rate * grad_w1", "0", "w1", "the wrong sign",
    ),
    "grad_w2 from h": Mistake(
        (("h_relu.T.dot(grad_y_pred)", "h.T.dot(grad_y_pred)"),),
        "grad_w2 = h.T.dot(grad_y_pred)", "2", "grad_w2", "made with h where h_relu belongs",
    ),
    "grad_w1 from h": Mistake(
        (("x.T.dot(grad_h)", "h.T.dot(grad_h)"),),
        "grad_w1 = h.T.dot(grad_h)", "0", "grad_w1", "made with h where x belongs", True,
    ),
    "weights swapped": Mistake(
        (("grad_y_pred.dot(w2.T)", "grad_y_pred.dot(w1.T)"),),
        "grad_h_relu = grad_y_pred.dot(w1.T)", "2", "grad_h_relu", "made with w1 where w2 belongs", True,
    ),
    "an update with the other gradient": Mistake(
        (("learning_rate * grad_w1", "learning_rate * grad_w2"),),
        "w1 -= learning_rate * grad_w2", "0", "w1", "made with grad_w2 where grad_w1 belongs", True,
    ),
    "a weight that is not updated": Mistake(
        (("        w2 -= learning_rate * grad_w2\n", ""),), "for _ in range(steps):", "2", "w2", "not updated",
    ),
    "gradient added up over the steps": Mistake(
        (("    for _ in", "    grad_w1 = np.zeros_like(w1)\n    for _ in"), ("grad_w1 = x", "grad_w1 += x")),
        "grad_w1 += x.T.dot(grad_h)", "0", "grad_w1", "the one of the step before is still in it",
    ),
    "loss after the update": Mistake(
        ((f"        losses.append({SQUARES})\n", ""), ("    return", f"        {AFTER}\n    return")),
        AFTER, "", "loss", "what it becomes by the update",
    ),
    "no activation": Mistake(
        (("np.maximum(h, 0)", "h"),), "h_relu = h", "1", "h_relu", "activation np.maximum(..., 0) is left out",
    ),
    "linear loss": Mistake(
        (("np.square(y_pred - y).sum()", "np.abs(y_pred - y).sum()"),),
        "losses.append(np.abs(y_pred - y).sum())", "", "loss", "np.square belongs where np.abs stands",
    ),
}  # fmt: skip

STUDENT_MISTAKES = {
    "bias gradient of one sample": Mistake(
        (("db2 = np.sum(d2, axis=0)", "db2 = d2[0]"),),
        "db2 = d2[0]", "2", "grad_b2", "np.sum(d2, axis=0) belongs where d2[0] stands",
    ),
    "bias gradient averaged": Mistake(
        (("db1 = np.sum(d1, axis=0)", "db1 = np.mean(d1, axis=0)"),),
        "db1 = np.mean(d1, axis=0)", "0", "grad_b1", "it is 1/d1.shape[0] = 1/9 of the right one",
    ),
    "sum for mean in the gradient": Mistake(
        (("2 * (out - T) / out.size", "2 * (out - T)"),), "d3 = 2 * (out - T)", "", "grad_y_pred",
        "the number of elements: a division is missing",
    ),
    "mean over the batch for a mean over all": Mistake(
        (("2 * (out - T) / out.size", "2 * (out - T) / len(X)"),),
        "d3 = 2 * (out - T) / len(X)", "", "grad_y_pred", "the right one: a division is missing",
    ),
    "mask of another layer": Mistake(
        (("np.where(Z1 < 0, 0, d1)", "np.where(Z2 < 0, 0, d1)"),),
        "d1 = np.where(Z2 < 0, 0, d1)", "1", "grad_h1", "made with Z2 where Z1 belongs", True,
    ),
    "no mask": Mistake(
        (("    d2 = np.where(Z2 < 0, 0, d2)\n", ""),), 'd2 = d3 @ P["W3"].T', "3", "grad_h2",
        "the factor (A2 > 0) is missing",
    ),
    "bias left out": Mistake(
        ((' + P["b2"]', ""),), 'Z2 = A1 @ P["W2"]', "2", "h2", "left out",
    ),
    "wrong activation in front": Mistake(
        (("Z3 = A2 @", "Z3 = Z2 @"),),
        'Z3 = Z2 @ P["W3"] + P["b3"]', "4", "y_pred", "made with Z2 where A2 belongs",
    ),
    "the same gradient twice": Mistake(
        (('"b3": db3}\n\n', '"b3": db2}\n\n'),), "P[key] -= lr * grads[key]", "4", "b3", "made with", True,
    ),
}  # fmt: skip

# Spelled differently and right: what changes, and whether all bits stay the same.
VARIANTS = {
    "as it is": ((), True),
    "operator @": ((("x.dot(w1)", "x @ w1"), ("x.T.dot(grad_h)", "x.T @ grad_h")), True),
    "np.where": (((COPY, "grad_h = np.where(h < 0, 0, grad_h_relu)"), NO_MASK), True),
    "h <= 0 of the output": ((("h < 0", "h_relu <= 0"),), True),
    "w = w - lr * g": ((("w1 -= learning_rate * grad_w1", "w1 = w1 - learning_rate * grad_w1"),), True),
    "times a mask": (((COPY, "grad_h = grad_h_relu * (h > 0)"), NO_MASK), True),
    "more variables": (
        (("grad_y_pred = 2.0 * (y_pred - y)", "diff = y_pred - y\n        grad_y_pred = 2.0 * diff"),), True,
    ),
    "a loop over the weights": (
        (("        w1 -= learning_rate * grad_w1\n        w2 -= learning_rate * grad_w2\n",
          "        for w, g in ((w1, grad_w1), (w2, grad_w2)):\n            w -= learning_rate * g\n"),), True,
    ),
    "all in one": (
        (("        grad_w1 = x.T.dot(grad_h)\n", ""),
         ("learning_rate * grad_w1", "learning_rate * x.T.dot(grad_h)")), True,
    ),
    "one variable for three": (
        (("grad_h_relu", "g"), ("        grad_h = g.copy()\n", ""), (MASK, "g[h < 0] = 0"),
         ("x.T.dot(grad_h)", "x.T.dot(g)")), True,
    ),
    "einsum": ((("x.T.dot(grad_h)", 'np.einsum("ni,nj->ij", x, grad_h)'),), False),
    "a contiguous transpose": ((("x.T.dot", "np.ascontiguousarray(x.T).dot"),), True),  # at this size
    "mean times size": (((SQUARES, "np.square(y_pred - y).mean() * y.size"),), False),
    "vdot": (((SQUARES, "np.vdot(y_pred - y, y_pred - y)"),), False),
    "sum of columns": (
        (("x.dot(w1)", "sum(np.outer(x[:, i], w1[i]) for i in range(x.shape[1]))"),), False,
    ),
    "the learning rate elsewhere": (
        (("2.0 * (y_pred - y)", "2.0 * learning_rate * (y_pred - y) / learning_rate"),), False,
    ),
    "the learning rate in the gradients": (
        (("2.0 * (y_pred - y)", "2.0 * learning_rate * (y_pred - y)"), ("w1 -= learning_rate * ", "w1 -= "),
         ("w2 -= learning_rate * ", "w2 -= ")), False,
    ),
}  # fmt: skip


def changed_line(line: str, changes: list[tuple[str, str]]) -> str:
    """One line with the changes that are possible in it."""
    for old, new in changes:
        line = line.replace(old, new)
    return line


def changed(text: str, changes: tuple[tuple[str, str], ...]) -> str:
    """The text with all changes made, each of which has to be possible."""
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{old!r} is not in the program")
        text = text.replace(old, new)
    return text
