"""Values and gradients of the losses, in torch and here: every option with every reduction, and the kinks."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt

RNG = np.random.default_rng(0)


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


X, IMAGES = RNG.normal(0, 2, (5, 4)), RNG.normal(0, 2, (3, 4, 2))
Y = RNG.normal(0, 2, (5, 4))
DIFFERENCES = np.array([0, 0.5, -0.5, 0.25, 0.75, -2, 3, 1, -1, 2], dtype=float)  # the kinks of both deltas
CLASSES, CLASSES_OF_IMAGES = np.array([3, 0, 1, 1, 2]), np.array([[0, 3], [2, 1], [3, 3]])
SOME_IGNORED = np.array([3, -100, 1, 1, -100])
P = np.exp(log_softmax(Y))
P_OF_IMAGES = np.exp(log_softmax(RNG.normal(0, 2, (3, 4, 2))))
WITH_ZEROS = np.array([[0, 0.3, 0.7, 0], [1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], [0, 0.5, 0, 0.5], [0, 0, 0, 1]])
WEIGHT, WEIGHTS = [0.5, 2.0, 1.0, 3.0], RNG.uniform(0, 2, (5, 4)).tolist()
YES_NO = np.array([[0, 1, 0.3, 1], [1, 0, 0, 0.5], [1, 1, 0, 0], [0.2, 0.9, 1, 0], [0, 0, 0, 1]])
LARGE = np.array([[1e4, -1e4, 1e3, -30], [30, -1e4, 1e4, 0], [1e4] * 4, [-1e4] * 4, [0, 88, -88, 710]])
EDGES, YES_NO_OF_EDGES = np.array([[0, 1, 0.5], [1e-3, 0.999, 1]]), np.array([[0, 1, 0.2], [1, 0, 1]])


class Case(NamedTuple):
    name: str
    options: dict[str, Any]
    prediction: Any
    target: Any


def every_reduction(cases: dict[str, tuple[str, dict[str, Any], Any, Any]]) -> dict[str, Case]:
    return {
        f"{title}, {reduction}": Case(name, options | {"reduction": reduction}, prediction, target)
        for title, (name, options, prediction, target) in cases.items()
        for reduction in ("none", "mean", "sum", *(["batchmean"] if name == "KLDivLoss" else []))
    }


CASES = every_reduction(
    {
        "MSE": ("MSELoss", {}, X, Y),
        "L1": ("L1Loss", {}, X, Y),
        "L1 kinks": ("L1Loss", {}, DIFFERENCES, np.zeros(10)),
        "Huber": ("HuberLoss", {}, X, Y),
        "Huber kinks": ("HuberLoss", {}, DIFFERENCES, np.zeros(10)),
        "Huber delta": ("HuberLoss", {"delta": 0.5}, DIFFERENCES, np.zeros(10)),
        "SmoothL1": ("SmoothL1Loss", {}, X, Y),
        "SmoothL1 kinks": ("SmoothL1Loss", {}, DIFFERENCES, np.zeros(10)),
        "SmoothL1 beta": ("SmoothL1Loss", {"beta": 0.5}, DIFFERENCES, np.zeros(10)),
        "SmoothL1 beta 0": ("SmoothL1Loss", {"beta": 0.0}, DIFFERENCES, np.zeros(10)),
        "CE": ("CrossEntropyLoss", {}, X, CLASSES),
        "CE images": ("CrossEntropyLoss", {}, IMAGES, CLASSES_OF_IMAGES),
        "CE one sample": ("CrossEntropyLoss", {}, X[0], np.array(2)),
        "CE large": ("CrossEntropyLoss", {}, LARGE, CLASSES),
        "CE ignored": ("CrossEntropyLoss", {}, X, SOME_IGNORED),
        "CE ignored class": ("CrossEntropyLoss", {"ignore_index": 1}, X, CLASSES),
        "CE weight": ("CrossEntropyLoss", {"weight": WEIGHT}, X, CLASSES),
        "CE weight ignored": ("CrossEntropyLoss", {"weight": WEIGHT}, X, SOME_IGNORED),
        "CE weight 0": ("CrossEntropyLoss", {"weight": [1.0, 0.0, 1.0, 2.0]}, X, CLASSES),
        "CE weight images": ("CrossEntropyLoss", {"weight": WEIGHT}, IMAGES, CLASSES_OF_IMAGES),
        "CE smooth": ("CrossEntropyLoss", {"label_smoothing": 0.1}, X, CLASSES),
        "CE smooth images": ("CrossEntropyLoss", {"label_smoothing": 0.1}, IMAGES, CLASSES_OF_IMAGES),
        "CE smooth one sample": ("CrossEntropyLoss", {"label_smoothing": 0.1}, X[0], np.array(2)),
        "CE smooth ignored": ("CrossEntropyLoss", {"label_smoothing": 0.3}, X, SOME_IGNORED),
        "CE smooth weight": ("CrossEntropyLoss", {"label_smoothing": 0.1, "weight": WEIGHT}, X, CLASSES),
        "CE smooth weight 0": (
            "CrossEntropyLoss",
            {"label_smoothing": 0.1, "weight": [1.0, 0.0, 1.0, 2.0]},
            X,
            CLASSES,
        ),
        "CE smooth weight ignored": (
            "CrossEntropyLoss",
            {"label_smoothing": 0.1, "weight": WEIGHT},
            X,
            SOME_IGNORED,
        ),
        "CE smooth weight images": (
            "CrossEntropyLoss",
            {"label_smoothing": 0.1, "weight": WEIGHT, "ignore_index": 3},
            IMAGES,
            CLASSES_OF_IMAGES,
        ),
        "CE probabilities": ("CrossEntropyLoss", {}, X, P),
        "CE probabilities with zeros": ("CrossEntropyLoss", {}, X, WITH_ZEROS),
        "CE probabilities one sample": ("CrossEntropyLoss", {}, X[0], P[0]),
        "CE probabilities images": ("CrossEntropyLoss", {"weight": WEIGHT}, IMAGES, P_OF_IMAGES),
        "CE probabilities weight": ("CrossEntropyLoss", {"weight": WEIGHT}, X, P),
        "CE probabilities smooth": ("CrossEntropyLoss", {"label_smoothing": 0.1}, X, P),
        "CE probabilities smooth weight": (
            "CrossEntropyLoss",
            {"label_smoothing": 0.1, "weight": WEIGHT},
            X,
            P,
        ),
        "NLL": ("NLLLoss", {}, log_softmax(X), CLASSES),
        "NLL images": ("NLLLoss", {"weight": WEIGHT}, log_softmax(IMAGES), CLASSES_OF_IMAGES),
        "NLL one sample": ("NLLLoss", {"weight": WEIGHT}, log_softmax(X)[0], np.array(2)),
        "NLL ignored": ("NLLLoss", {"ignore_index": 1}, log_softmax(X), CLASSES),
        "NLL weight ignored": ("NLLLoss", {"weight": WEIGHT}, log_softmax(X), SOME_IGNORED),
        "BCE": ("BCELoss", {}, P, YES_NO),
        "BCE edges": ("BCELoss", {}, EDGES, YES_NO_OF_EDGES),
        "BCE weight": ("BCELoss", {"weight": WEIGHTS}, P, YES_NO),
        "BCE weight columns": ("BCELoss", {"weight": WEIGHT}, P, YES_NO),
        "BCE logits": ("BCEWithLogitsLoss", {}, X, YES_NO),
        "BCE logits large": ("BCEWithLogitsLoss", {}, LARGE, YES_NO),
        "BCE logits weight": ("BCEWithLogitsLoss", {"weight": WEIGHTS}, X, YES_NO),
        "BCE logits positives": ("BCEWithLogitsLoss", {"pos_weight": WEIGHT}, X, YES_NO),
        "BCE logits positives large": ("BCEWithLogitsLoss", {"pos_weight": WEIGHT}, LARGE, YES_NO),
        "BCE logits both": ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": WEIGHTS}, X, YES_NO),
        "KL": ("KLDivLoss", {}, log_softmax(X), P),
        "KL zeros": ("KLDivLoss", {}, log_softmax(X), WITH_ZEROS),
        "KL images": ("KLDivLoss", {}, log_softmax(IMAGES), P_OF_IMAGES),
        "KL log target": ("KLDivLoss", {"log_target": True}, log_softmax(X), np.log(P)),
    }
)


def inputs(case: Case, dtype: str) -> tuple[Any, Any, Any]:
    """Prediction, target and the dy for reduction "none", in that precision; class indices stay."""
    target = case.target.astype(dtype) if case.target.dtype.kind == "f" else case.target
    return case.prediction.astype(dtype), target, np.random.default_rng(1)


def run_torch(case: Case, dtype: str) -> dict[str, Any]:
    import torch

    prediction, target, rng = inputs(case, dtype)
    x = torch.from_numpy(prediction).requires_grad_()
    weights = {k: torch.tensor(v, dtype=x.dtype) for k, v in case.options.items() if "weight" in k}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that "mean" is not the mathematical one for KLDivLoss
        value = getattr(torch.nn, case.name)(**case.options | weights)(x, torch.from_numpy(np.array(target)))
    value.backward(torch.from_numpy(np.asarray(upstream(case, rng, value.shape, dtype))))
    return {"value": value.detach().numpy(), "gradient": x.grad.numpy()}


def run_ours(case: Case, dtype: str) -> dict[str, Any]:
    prediction, target, rng = inputs(case, dtype)
    loss = getattr(mt, case.name)(**case.options)
    value = loss(prediction, target)
    dy = [upstream(case, rng, value.shape, dtype)] if case.options["reduction"] == "none" else []
    return {"value": value, "gradient": loss.backward(*dy)}


def upstream(case: Case, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    if case.options["reduction"] != "none":
        return np.ones((), dtype)
    return np.asarray(rng.standard_normal(shape)).astype(dtype)
