"""Train on scikit-learn's own tables: this framework's estimators against MLPClassifier and MLPRegressor.

    python benchmarks/estimators.py            ten seeds, 200 epochs at most

Wine, breast cancer, diabetes and digits, a quarter of the rows to test with, drawn anew for each seed.
Both networks have the hidden layers 64 and 64 with ReLU, Adam, its learning rate 1e-3, the same number of
epochs at most, and their own defaults otherwise; each stands behind a StandardScaler in a pipeline. They take
turns in one process, on one thread, in float64. The time is that of `fit` of the pipeline, the score the
accuracy, for diabetes R².
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from statistics import mean, median
from time import perf_counter
from typing import Any

import turns

TABLES = {"wine": "wine", "breast cancer": "breast_cancer", "diabetes": "diabetes", "digits": "digits"}

Make = Callable[[int, int], Any]  # epochs, seed -> estimator


def pairs() -> dict[bool, dict[str, Make]]:
    """Both sides by name, for regression (True) and classification."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from minitorch_np.interop.sklearn import NetworkClassifier, NetworkRegressor

    def ours(kind: Any) -> Make:
        return lambda epochs, seed: kind("64, relu, 64, relu", epochs=epochs, random_state=seed)

    def theirs(kind: Any) -> Make:
        return lambda epochs, seed: kind(hidden_layer_sizes=(64, 64), max_iter=epochs, random_state=seed)

    return {
        False: {"minitorch_np": ours(NetworkClassifier), "scikit-learn": theirs(MLPClassifier)},
        True: {"minitorch_np": ours(NetworkRegressor), "scikit-learn": theirs(MLPRegressor)},
    }


def measure(table: str, seeds: int, epochs: int) -> dict[str, list[tuple[float, ...]]]:
    """Seconds, score and epochs by name, for each seed; a first turn only warms up."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{TABLES[table]}")(return_X_y=True)
    regression = table == "diabetes"
    makes = pairs()[regression]
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in makes}
    for turn in range(-1, seeds):
        seed = max(turn, 0)
        x_train, x_test, y_train, y_test = train_test_split(
            x, y, random_state=seed, stratify=None if regression else y
        )
        for name in makes if turn % 2 else reversed(makes):
            model = make_pipeline(StandardScaler(), makes[name](epochs, seed))
            start = perf_counter()
            model.fit(x_train, y_train)
            seconds = perf_counter() - start
            if turn >= 0:
                found[name].append((seconds, model.score(x_test, y_test), model[-1].n_iter_))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=200, help="at most (200)")
    options = parser.parse_args()
    if find_spec("sklearn") is None:
        sys.exit("the tables come with scikit-learn: pip install '.[bench]'")
    if any(os.environ.get(name) != count for name, count in turns.on_threads(1).items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **turns.on_threads(1)})
    warnings.simplefilter("ignore")  # that MLPClassifier has not converged
    from minitorch_np.study import machine

    print(f"{machine.cpu()}; {machine.description()}; Python {sys.version.split()[0]}")
    print(f"\n**{options.epochs} epochs at most, {options.seeds} seeds, 1 thread**\n")
    print("| | score | lowest | scikit-learn's | lowest | median s | scikit-learn's | ratio | epochs |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for table in options.tables or TABLES:
        found = measure(table, options.seeds, options.epochs)
        (seconds, scores, epochs), (their_seconds, their_scores, _) = (
            tuple(zip(*found[name], strict=True)) for name in ("minitorch_np", "scikit-learn")
        )
        both = (f"{mean(s):.4f} | {min(s):.4f}" for s in (scores, their_scores))
        times = f"{median(seconds):.3f} | {median(their_seconds):.3f}"
        ratio = turns.ratio(found, "minitorch_np", "scikit-learn")
        print(f"| {table} | {' | '.join(both)} | {times} | {ratio:.2f} | {median(epochs):.0f} |", flush=True)


if __name__ == "__main__":
    main()
