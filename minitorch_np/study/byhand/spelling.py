"""What a variable's name says: `dW1`, `grads['W1']` and `grad_w1` are one, `losses[-1]` is a loss."""

from __future__ import annotations

import re

GRADIENT = re.compile(
    r"^(grad(ient)?s?_?(of_)?|delta_?|d_|d(?=[a-z]\d?$)|d(?=(h|y|z|a|w|b|out|pred|yhat)))(?=.)"
)
SYNONYMS = {
    "yhat": "ypred",
    "pred": "ypred",
    "preds": "ypred",
    "prediction": "ypred",
    "predictions": "ypred",
    "output": "ypred",
    "out": "ypred",
    "logits": "ypred",
    "weight": "w",
    "bias": "b",
    "hrelu": "a",
}
LOSSES = re.compile(r"loss|cost|err|mse|sse|objective|^j$|\[-1\]|\[step\]")
TARGETS = ("y", "t", "target", "targets", "labels", "ytrain")
RATES = ("learning_rate", "lr", "alpha", "eta", "rate", "step_size", "learningrate", "l_rate")
STEPS = (
    *("steps", "n_steps", "num_steps", "epochs", "n_epochs", "num_epochs", "iterations", "n_iterations"),
    *("num_iterations", "n_iter", "num_iters", "iters", "max_iter"),
)


def canonical(name: str) -> str:
    """A name without its container, case, underscores and ways to say gradient, which becomes `grad:`."""
    containers = re.split(r"[.\[]", name)
    inner = re.findall(r"[A-Za-z_]\w*", containers[-1]) or re.findall(r"[A-Za-z_]\w*", name)[-1:]
    word = (inner[-1] if inner else name).lower()
    gradient = bool(len(containers) > 1 and re.match(r"^(self\.)?(d_?|grad)", name.lower()))
    if word.endswith("_grad"):
        word, gradient = word.removesuffix("_grad"), True
    if (found := GRADIENT.match(word)) and word[found.end() :]:
        word, gradient = word[found.end() :], True
    plain = word.replace("_", "")
    return ("grad:" if gradient else "") + SYNONYMS.get(plain, plain)


def is_loss(name: str) -> bool:
    return bool(LOSSES.search(name.lower()))


def is_rate(name: str) -> bool:
    return re.split(r"[.\[]", name)[-1].strip("'\"]").lower() in RATES
