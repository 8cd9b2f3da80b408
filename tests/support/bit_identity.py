"""Trains layered and handwritten side by side and compares every array of every step.

A program of its own because the number of BLAS threads is fixed when NumPy is imported:
`OPENBLAS_NUM_THREADS=2 python bit_identity.py` prints a line for each run and exits with 1 where bits differ.
"""

from __future__ import annotations

import sys

import numpy as np

from minitorch_np import SGD, SquaredLoss
from minitorch_np.study.bits import first_difference
from minitorch_np.tutorial import Problem, handwritten, network, problem

SEEDS = range(20)
OTHERS = {
    "batch 1": {"batch": 1},
    "hidden 1": {"hidden": 1},
    "batch 1, hidden 1": {"batch": 1, "hidden": 1},
    "one output": {"outputs": 1},
    "odd sizes": {"batch": 33, "hidden": 77, "inputs": 513, "outputs": 3},
    "wide": {"batch": 256, "hidden": 300},
    "exact zeros": {},
}


def with_zeros(start: Problem) -> Problem:
    """Half the data exactly 0, some samples whole, some hidden units dead or at exactly 0."""
    x, w1 = start.x.copy(), start.w1.copy()
    x[np.random.default_rng(1).random(x.shape) < 0.5] = 0
    x[::4] = 0
    x[1::4] *= -1
    w1[:, :5] = 0
    w1[:, 5:10] = -0.0
    return start._replace(x=x, w1=w1)


def first_differing_array(start: Problem, steps: int, learning_rate: float = 1e-6) -> str | None:
    model, loss = network(start.w1, start.w2), SquaredLoss()
    optimizer = SGD(model.parameters(), lr=learning_rate)
    first, last = model.parameters()
    w1, w2 = start.w1.copy(), start.w2.copy()
    for step in range(steps):
        value = loss(model(start.x), start.y)
        model.backward(loss.backward())
        optimizer.step()
        (expected,), grad_w1, grad_w2 = handwritten(start.x, start.y, w1, w2, 1, learning_rate)
        for name, ours, theirs in (
            ("loss", np.asarray(value), np.asarray(expected)),
            ("grad_w2", last.grad, grad_w2),
            ("grad_w1", first.grad, grad_w1),
            ("w1", first.data, w1),
            ("w2", last.data, w2),
        ):
            if difference := first_difference(ours, theirs):
                return f"step {step}: {name} {difference}"
    return None


def main(steps: int) -> int:
    differing = 0
    for dtype in ("float64", "float32"):
        runs = {f"seed {seed}": problem(seed=seed, dtype=dtype) for seed in SEEDS}
        runs |= {name: problem(**options, dtype=dtype) for name, options in OTHERS.items()}
        runs["exact zeros"] = with_zeros(runs["exact zeros"])
        for name, start in runs.items():
            found = first_differing_array(start, steps, 1e-7 if name == "wide" else 1e-6)  # that it converges
            differing += found is not None
            print(f"{dtype} {name}: {found or f'{steps} steps identical'}", flush=True)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
