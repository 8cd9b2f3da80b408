"""Classification of every pixel in torch and here: predictions (N, C, d1, ...), targets (N, d1, ...)."""

from __future__ import annotations

import numpy as np

from reference.losses import every_reduction, log_softmax, run_ours, run_torch

__all__ = ["CASES", "run_ours", "run_torch"]

RNG = np.random.default_rng(3)
IMAGES, VOLUMES = RNG.normal(0, 2, (2, 4, 3, 5)), RNG.normal(0, 2, (2, 3, 2, 1, 3))
CLASSES, CLASSES_OF_VOLUMES = RNG.integers(0, 4, (2, 3, 5)), RNG.integers(0, 3, (2, 2, 1, 3))
SOME_IGNORED = np.where(RNG.random(CLASSES.shape) < 0.3, -100, CLASSES)
P = np.exp(log_softmax(RNG.normal(0, 2, IMAGES.shape)))
WEIGHT = [0.5, 2.0, 1.0, 3.0]
SMOOTH = {"weight": WEIGHT, "label_smoothing": 0.2}

CASES = every_reduction(
    {
        "CE": ("CrossEntropyLoss", {}, IMAGES, CLASSES),
        "CE volumes": ("CrossEntropyLoss", {"weight": WEIGHT[:3]}, VOLUMES, CLASSES_OF_VOLUMES),
        "CE ignored": ("CrossEntropyLoss", {}, IMAGES, SOME_IGNORED),
        "CE weight ignored": ("CrossEntropyLoss", {"weight": WEIGHT}, IMAGES, SOME_IGNORED),
        "CE ignored class": ("CrossEntropyLoss", {"weight": WEIGHT, "ignore_index": 2}, IMAGES, CLASSES),
        "CE smooth": ("CrossEntropyLoss", {"label_smoothing": 0.2}, IMAGES, CLASSES),
        "CE smooth volumes": ("CrossEntropyLoss", {"label_smoothing": 0.2}, VOLUMES, CLASSES_OF_VOLUMES),
        "CE all options": (
            "CrossEntropyLoss",
            {"weight": WEIGHT, "label_smoothing": 0.2, "ignore_index": 1},
            IMAGES,
            CLASSES,
        ),
        "CE smooth ignored": ("CrossEntropyLoss", SMOOTH, IMAGES, SOME_IGNORED),
        "CE probabilities": ("CrossEntropyLoss", SMOOTH, IMAGES, P),
        "NLL": ("NLLLoss", {}, log_softmax(IMAGES), CLASSES),
        "NLL volumes": ("NLLLoss", {}, log_softmax(VOLUMES), CLASSES_OF_VOLUMES),
        "NLL weight ignored": ("NLLLoss", {"weight": WEIGHT}, log_softmax(IMAGES), SOME_IGNORED),
        "NLL ignored class": ("NLLLoss", {"weight": WEIGHT, "ignore_index": 0}, log_softmax(IMAGES), CLASSES),
    }
)
