"""Train on scikit-learn's handwritten digits: this framework, a loop by hand, scikit-learn and torch.

    python benchmarks/digits.py            ten seeds, thirty epochs

1797 images of 8 × 8, a fifth of them to test with, always the same. 64-128-64-10 with ReLU, Adam with
lr 1e-3, batches of 64 in another order every epoch, float32, one thread. For every seed, every program
starts in a process of its own, where it trains twice, taking turns with the others: the first time
includes what a library imports only then, and all of the compiling, of which a second network of the same
structure needs less. The time is that from the arrays to the trained network.

Weights and biases are uniform in ±1/√fan_in. For one seed all programs but scikit-learn's have the same
ones and the same order, so that they differ by rounding at most, which in torch now and then turns an
image; scikit-learn draws its own.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import turns
from turns import NO_FAULTS, Peer, Worker, ratio

from minitorch_np import split
from minitorch_np.study import machine

WIDTHS, LR, BATCH = (64, 128, 64, 10), 1e-3, 64
PEERS = {
    "handwritten": Peer("handwritten", "numpy", NO_FAULTS),
    "minitorch_np, fit": Peer("with_fit", "numpy"),
    "minitorch_np, fit, compiled": Peer("with_compiled_fit", "numpy"),
    "minitorch_np, loop": Peer("with_loop", "numpy"),
    "scikit-learn": Peer("scikit_learn", "sklearn"),
    "torch eager": Peer("torch_eager", "torch"),
}

Score = Callable[[Any], Any]  # images (N, 64) to numbers (N, 10), the largest for the most likely class
Train = Callable[[Any, Any, int, int], Score]  # x, y, seed, epochs


def initial(seed: int) -> tuple[list[Any], list[Any]]:
    """The weights (in, out) and the biases."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for n, m in pairwise(WIDTHS):
        weights.append(rng.uniform(-(n**-0.5), n**-0.5, (n, m)).astype(np.float32))
        biases.append(rng.uniform(-(n**-0.5), n**-0.5, m).astype(np.float32))
    return weights, biases


def orders(samples: int, seed: int, epochs: int) -> Iterator[Any]:
    """The numbers of the samples in each batch."""
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(samples)
        for start in range(0, samples, BATCH):
            yield order[start : start + BATCH]


def handwritten() -> Train:
    """The straightforward loop."""
    from handwritten import with_adam

    def train(x: Any, y: Any, seed: int, epochs: int) -> Score:
        weights, biases = initial(seed)
        with_adam(weights, biases, LR)((x[rows], y[rows]) for rows in orders(len(x), seed, epochs))

        def score(x: Any) -> Any:
            for w, b in zip(weights[:-1], biases[:-1], strict=True):
                x = np.maximum(x.dot(w) + b, 0)
            return x.dot(weights[-1]) + biases[-1]

        return score

    return train


def layered(seed: int) -> tuple[Any, Any, Any]:
    """The network in layers, its loss and its optimizer."""
    import minitorch_np as mt

    rng = np.random.default_rng(seed)
    linear = [mt.Linear(n, m, rng=rng, dtype=np.float32) for n, m in pairwise(WIDTHS)]
    model = mt.Sequential(linear[0], mt.ReLU(), linear[1], mt.ReLU(), linear[2])
    return model, mt.CrossEntropyLoss(), mt.Adam(model.parameters(), lr=LR)


def with_fit(**options: Any) -> Train:
    """This framework, and its `fit`."""
    from minitorch_np import fit, predict

    def train(x: Any, y: Any, seed: int, epochs: int) -> Score:
        model, loss, optimizer = layered(seed)
        given = {"epochs": epochs, "batch_size": BATCH, "rng": seed, "verbose": 0}
        fit(model, loss, optimizer, (x, y), **given, **options)
        return lambda x: predict(model, x)

    return train


def with_compiled_fit() -> Train:
    """The same with compiled steps."""
    return with_fit(compile=True)


def with_loop() -> Train:
    """This framework, and the loop that one writes."""
    from minitorch_np import batches, predict

    def train(x: Any, y: Any, seed: int, epochs: int) -> Score:
        model, loss, optimizer = layered(seed)
        losses = []
        data = batches(x, y, batch_size=BATCH, rng=seed)
        for epoch in range(epochs):
            for x_batch, y_batch in data.epoch(epoch):
                losses.append(loss(model(x_batch), y_batch))
                model.backward(loss.backward())
                optimizer.step()
        return lambda x: predict(model, x)

    return train


def torch_eager() -> Train:
    """nn.Sequential; a batch is taken by its rows, which is quicker than torch's DataLoader."""
    import torch
    from torch import nn

    def train(x: Any, y: Any, seed: int, epochs: int) -> Score:
        linear = [nn.Linear(n, m) for n, m in pairwise(WIDTHS)]
        with torch.no_grad():
            for layer, weight, bias in zip(linear, *initial(seed), strict=True):
                layer.weight.copy_(torch.from_numpy(weight.T))
                layer.bias.copy_(torch.from_numpy(bias))
        model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
        loss, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=LR)
        tx, ty = torch.from_numpy(x), torch.from_numpy(y)
        losses = []
        for order in orders(len(x), seed, epochs):
            rows = torch.from_numpy(order)
            optimizer.zero_grad()
            value = loss(model(tx[rows]), ty[rows])
            value.backward()
            optimizer.step()
            losses.append(value.item())
        return lambda x: model(torch.from_numpy(x)).detach().numpy()

    return train


def scikit_learn() -> Train:
    """MLPClassifier, kept from stopping early."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    class Classifier(MLPClassifier):  # type: ignore[misc, unused-ignore]
        def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[Any, Any]:
            bound = fan_in**-0.5
            weight = self._random_state.uniform(-bound, bound, (fan_in, fan_out))
            return weight.astype(dtype), self._random_state.uniform(-bound, bound, fan_out).astype(dtype)

    def train(x: Any, y: Any, seed: int, epochs: int) -> Score:
        model = Classifier(
            WIDTHS[1:-1],
            solver="adam",
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=LR,
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # that these are all epochs
            model.fit(x, y)
        return model.predict_proba

    return train


def serve(function: str, data: str, seed: int, epochs: int) -> None:
    """The worker's side: seconds of a training, and the accuracy after it."""
    train: Train = globals()[function]()
    with np.load(data) as arrays:
        x, y, x_test, y_test = (arrays[name] for name in ("x", "y", "x_test", "y_test"))
    sys.stdin.readline()
    print(flush=True)  # ready
    for _ in sys.stdin:
        start = perf_counter()
        score = train(x, y, seed, epochs)
        seconds = perf_counter() - start
        print(seconds, float((score(x_test).argmax(axis=1) == y_test).mean()), flush=True)


def write_digits(path: Path) -> None:
    """The digits in two parts, numbers from 0 to 1."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    (x, y), (x_test, y_test) = split((x / 16).astype(np.float32), y, test_size=0.2, rng=0)
    np.savez(path, x=x, y=y, x_test=x_test, y_test=y_test)


def measure(names: list[str], seeds: int, epochs: int, threads: int) -> list[dict[str, Any]]:
    """Seconds and accuracies by name, a pair for each seed: of the first training, and of the second."""
    first, second = ({name: [] for name in names} for _ in range(2))
    with TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        write_digits(data)
        for seed in range(seeds):
            workers = {}
            for name in names:
                arguments = ["--worker", PEERS[name].function, str(data), str(seed), "--epochs", str(epochs)]
                workers[name] = Worker(__file__, arguments, PEERS[name].environment, threads)
            try:
                for worker in workers.values():
                    worker.burst()  # until all of them have imported what they need
                for turn in (first, second):
                    for name, worker in workers.items():
                        turn[name].append(worker.burst())
            finally:
                for worker in workers.values():
                    worker.close()
    return [first, second]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="each with processes of its own (10)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        function, data, seed = options.worker
        serve(function, data, int(seed), options.epochs)
        return
    if find_spec("sklearn") is None:
        sys.exit("the digits come with scikit-learn: pip install '.[bench]'")
    print(f"{machine.cpu()}; {machine.description()}; Python {sys.version.split()[0]}")
    names = turns.installed(PEERS, list(PEERS))
    first, bursts = measure(names, options.seeds, options.epochs, options.threads)
    plural = "s" if options.threads > 1 else ""
    print(f"\n**{options.epochs} epochs, {options.seeds} seeds, {options.threads} thread{plural}**\n")
    print("| | median s | minimum | to handwritten | to scikit-learn | first training | accuracy | lowest |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in names:
        seconds, accuracies = zip(*bursts[name], strict=True)
        ratios = f"{ratio(bursts, name, 'handwritten'):.2f} | {ratio(bursts, name, 'scikit-learn'):.2f}"
        times = (
            f"{median(seconds):.3f} | {min(seconds):.3f} | {ratios} | {median(b[0] for b in first[name]):.3f}"
        )
        print(f"| {name} | {times} | {mean(accuracies):.4f} | {min(accuracies):.4f} |")


if __name__ == "__main__":
    main()
