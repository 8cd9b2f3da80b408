"""Time a step of this framework against the handwritten loop and other peers, all in one run.

    python benchmarks/speed.py             every workload
    python benchmarks/speed.py tiny        one of: tutorial, tiny, wide, activations, layers, networks,
                                           sweep, import, process

Every peer lives in a process of its own, so that none inherits another's memory or threads. The
processes take turns, a burst of steps each, so that what else the machine does meets all of them; the
ratios are medians of the ratios within a turn. Peers that are not installed are named as missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import NamedTuple

import peers
import turns
from peers import Workload
from turns import NO_FAULTS, Peer, Worker, ratio

from minitorch_np.study import machine

REST = 0.15  # seconds between bursts on several threads: idle BLAS threads spin before they sleep
PEERS = {
    "handwritten": Peer("handwritten", "numpy", NO_FAULTS),
    "handwritten, as it comes": Peer("handwritten", "numpy"),
    "minitorch_np": Peer("minitorch_np", "numpy"),
    "compiled": Peer("compiled", "numpy"),
    "written out": Peer("written_out", "numpy", NO_FAULTS),
    "bare matrix products": Peer("floor", "numpy"),
    "torch eager": Peer("torch_eager", "torch"),
    "torch handwritten": Peer("torch_handwritten", "torch"),
    "jax jit": Peer("jax_jit", "jax"),
    "numba": Peer("numba_jit", "numba"),
    "scikit-learn": Peer("scikit_learn", "sklearn"),
    "layer": Peer("layer", "numpy"),
    "layer in torch": Peer("torch_layer", "torch"),
    "im2col": Peer("im2col", "numpy"),
    "network": Peer("network", "numpy"),
    "network, compiled": Peer("compiled_network", "numpy"),
    "network in torch": Peer("torch_network", "torch"),
}
LAYER = ["layer", "layer in torch", "im2col"]
EXAMPLE = ["network", "network, compiled", "network in torch"]
WHOLE = Path(__file__).parent / "whole"
PROGRAMS = {  # of the tutorial's network, scripts
    "minitorch_np": Peer("layer_by_layer.py", "numpy"),
    "handwritten": Peer("by_hand.py", "numpy"),
    "torch eager": Peer("in_torch.py", "torch"),
}
NETWORK = ["handwritten", "handwritten, as it comes", "minitorch_np", "compiled", "written out"]
NETWORK += ["bare matrix products", "torch eager", "jax jit", "numba", "scikit-learn"]


class Options(NamedTuple):
    turns: int
    burst: float


def serve(function: str, work: Workload, seconds: float) -> None:
    """The worker's side: bursts of about so many seconds."""
    import resource

    def faults() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    run = getattr(peers, function)(work)
    run(20)
    start = perf_counter()
    run(5)
    steps = max(3, round(5 * seconds / (perf_counter() - start)))
    for _ in sys.stdin:
        run(steps // 4 + 1)  # after the rest
        before, start = faults(), perf_counter()
        run(steps)
        step = (perf_counter() - start) / steps
        print(step, (faults() - before) / steps, flush=True)


def measure(work: Workload, names: Sequence[str], how: Options) -> dict[str, list[tuple[float, ...]]]:
    """The bursts of each peer: seconds and page faults a step."""
    workers = {}
    for name in names:
        arguments = ["--worker", PEERS[name].function, json.dumps(work), "--burst", str(how.burst)]
        workers[name] = Worker(__file__, arguments, PEERS[name].environment, work.threads)
    try:
        bursts: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
        for worker in workers.values():
            worker.burst()
        for _ in range(how.turns):
            for name, worker in workers.items():
                sleep(REST if work.threads > 1 else 0)
                bursts[name].append(worker.burst())
        return bursts
    finally:
        for worker in workers.values():
            worker.close()


def compare(title: str, work: Workload, names: Sequence[str], how: Options) -> None:
    """Print a table of peers for one workload."""
    bursts = measure(work, names, how)
    print(f"\n**{title}, {work.dtype}, {work.threads} thread{'s' if work.threads > 1 else ''}**\n")
    others = ["handwritten", "bare matrix products", "minitorch_np"]
    print("| | median µs a step | minimum | to handwritten | to bare products | to the layers | page faults |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in names:
        seconds = [burst[0] for burst in bursts[name]]
        ratios = " | ".join(f"{ratio(bursts, name, other):.2f}" for other in others)
        faults = median(burst[1] for burst in bursts[name])
        print(f"| {name} | {1e6 * median(seconds):.0f} | {1e6 * min(seconds):.0f} | {ratios} | {faults:.0f} |")


def tutorial(how: Options) -> None:
    """The tutorial's network at both precisions, on one and two threads."""
    names = turns.installed(PEERS, [*NETWORK, "torch handwritten"])
    for dtype in ("float64", "float32"):
        for threads in (1, 2):
            compare("batch 64, 1000-100-10", Workload(64, (1000, 100, 10), dtype, threads), names, how)


def tiny(how: Options) -> None:
    """A small network, where a step is all overhead."""
    names = turns.installed(PEERS, NETWORK)
    work = Workload(32, (16, 64, 64, 1), "float32", bias=True, momentum=0.9)
    compare("batch 32, 16-64-64-1 with biases, momentum 0.9", work, names, how)
    adam = work._replace(momentum=0.0, optimizer="Adam")
    compare("batch 32, 16-64-64-1 with biases, Adam", adam, names, how)
    compare("batch 16, 1-8-1", Workload(16, (1, 8, 1)), names, how)


def wide(how: Options) -> None:
    """A classifier of 670,000 weights, where a good part of a step is the update."""
    layers, loss = (784, 512, 512, 10), "CrossEntropyLoss"
    work = Workload(256, layers, "float32", bias=True, optimizer="Adam", loss=loss)
    title = "batch 256, 784-512-512-10 with biases, cross entropy, Adam"
    compare(title, work, turns.installed(PEERS, NETWORK), Options(how.turns, 4 * how.burst))


def activations(how: Options) -> None:
    """Forward and backward of single activations."""
    names = """ReLU LeakyReLU PReLU ELU CELU SELU ReLU6 Hardtanh Hardsigmoid Hardswish Softshrink Hardshrink
        Sigmoid LogSigmoid Tanh Tanhshrink Softsign Softplus SiLU Mish GELU""".split()
    calls = [*(f"{name}()" for name in names), "GELU(approximate='tanh')", "Threshold(0.5, -2)"]
    beside_torch([(call, 256, (1024,)) for call in calls], how)


def layers(how: Options) -> None:
    """Forward and backward of other layers; a convolution beside plain im2col too."""
    work = [
        ("Conv2d(1, 16, 3, padding=1)", 64, (1, 28, 28)),
        ("Conv2d(16, 32, 3, padding=1)", 64, (16, 14, 14)),
        ("Conv2d(16, 32, 3, padding=1)", 64, (16, 28, 28)),
        ("Conv2d(32, 64, 3, padding=1)", 32, (32, 16, 16)),
        ("Conv2d(3, 16, 5, padding=2)", 16, (3, 32, 32)),
        ("MaxPool2d(2)", 64, (16, 28, 28)),
        ("AvgPool2d(2)", 64, (16, 28, 28)),
        ("BatchNorm2d(16)", 64, (16, 28, 28)),
        ("LayerNorm(256)", 512, (256,)),
        ("LSTM(32, 64)", 32, (50, 32)),
        ("GRU(32, 64)", 32, (50, 32)),
        ("MultiheadAttention(64, 4)", 32, (64, 64)),
    ]
    beside_torch(work, how)


def networks(how: Options) -> None:
    """A step of training of the examples' networks."""
    ours, compiled, torch = EXAMPLE
    names = turns.installed(PEERS, EXAMPLE)
    print("\n**a step with Adam, float32, 1 thread: median µs, and the ratios**\n")
    print("| | batch | minitorch_np | compiled | torch | compiled to the layers | layers to torch |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, batch, widths in (
        ("lenet", 32, (1, 8, 8)),
        ("resnet", 64, (1, 8, 8)),
        ("autoencoder", 64, (1, 8, 8)),
        ("char_rnn", 64, (10,)),
        ("transformer", 64, (8,)),
    ):
        loss = "MSELoss" if name == "autoencoder" else "CrossEntropyLoss"
        bursts = measure(Workload(batch, widths, "float32", loss=loss, layer=name), names, how)
        cells = [f"{1e6 * median(s for s, _ in bursts[n]):.0f}" if n in bursts else "" for n in EXAMPLE]
        cells.append(f"{ratio(bursts, compiled, ours):.2f}")
        cells.append(f"{ratio(bursts, ours, torch):.2f}" if torch in bursts else "")
        print(f"| {name} | {batch} | {' | '.join(cells)} |", flush=True)


def beside_torch(work: Sequence[tuple[str, int, tuple[int, ...]]], how: Options) -> None:
    names = turns.installed(PEERS, LAYER)
    print("\n**forward and backward, float32, 1 thread: median µs, and the ratio to torch**\n")
    print("| | x | minitorch_np | torch | plain im2col | ratio |\n|---|---|---:|---:|---:|---:|")
    for layer, batch, widths in work:
        peers = names if layer.startswith("Conv2d") else [name for name in names if name != "im2col"]
        bursts = measure(Workload(batch, widths, "float32", layer=layer), peers, how)
        times = [f"{1e6 * median(s for s, _ in bursts[n]):.0f}" if n in bursts else "" for n in LAYER]
        to_torch = f"{ratio(bursts, *LAYER[:2]):.2f}" if LAYER[1] in bursts else ""
        print(
            f"| {layer} | {batch}×{'×'.join(map(str, widths))} | {' | '.join([*times, to_torch])} |", flush=True
        )


def sweep(how: Options) -> None:
    """How the time grows with batch and width against the bare matrix products."""
    names = ["handwritten", "handwritten, as it comes", "minitorch_np", "bare matrix products"]
    print("\n**1000-width-10, float64, 1 thread: µs a step**\n")
    print(
        "| batch | width | products | handwritten | as it comes | minitorch_np | to handwritten | to products |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for batch in (1, 16, 64, 256, 1024):
        for width in (1, 16, 100, 512, 2048):
            bursts = measure(Workload(batch, (1000, width, 10)), names, how)
            hand, comes, ours, products = (1e6 * median(s for s, _ in bursts[name]) for name in names)
            to_hand, to_products = ratio(bursts, names[2], names[0]), ratio(bursts, names[2], names[3])
            print(
                f"| {batch} | {width} | {products:.0f} | {hand:.0f} | {comes:.0f} | {ours:.0f} "
                f"| {to_hand:.2f} | {to_products:.2f} |",
                flush=True,
            )


def imports(how: Options) -> None:
    """What `import` costs, as whole processes."""
    modules = [
        m for m in ("numpy", "minitorch_np", "torch", "sklearn.neural_network") if find_spec(m.split(".")[0])
    ]
    times = turns.processes({module: ["-c", f"import {module}"] for module in modules}, how.turns)
    print("\n**a process that imports a module and ends**\n")
    print("| | median ms | minimum | more than numpy |\n|---|---:|---:|---:|")
    for module, bursts in times.items():
        more = median(a - b for (a,), (b,) in zip(bursts, times["numpy"], strict=True))
        seconds = [burst[0] for burst in bursts]
        print(f"| {module} | {1e3 * median(seconds):.0f} | {1e3 * min(seconds):.0f} | {1e3 * more:.1f} |")


def process(how: Options) -> None:
    """The tutorial's network from `python` to its 500th step, as whole processes.

    One thread each: on two, a core that something else needs for a while makes both wait.
    """
    names = turns.installed(PROGRAMS, list(PROGRAMS))
    times = turns.processes({name: [str(WHOLE / PROGRAMS[name].function)] for name in names}, how.turns)
    print("\n**a process that trains the tutorial's network, 500 steps, float64, 1 thread**\n")
    print("| | median ms | minimum | ratio to torch |\n|---|---:|---:|---:|")
    for name, bursts in times.items():
        seconds = [burst[0] for burst in bursts]
        to_torch = f"{ratio(times, name, 'torch eager'):.2f}" if "torch eager" in times else ""
        print(f"| {name} | {1e3 * median(seconds):.0f} | {1e3 * min(seconds):.0f} | {to_torch} |")


WORKLOADS = {
    "tutorial": tutorial,
    "tiny": tiny,
    "wide": wide,
    "activations": activations,
    "layers": layers,
    "networks": networks,
    "sweep": sweep,
    "import": imports,
    "process": process,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="?", choices=list(WORKLOADS), help="all of them without")
    parser.add_argument("--turns", type=int, default=25, help="bursts of each peer (25)")
    parser.add_argument("--burst", type=float, default=0.04, help="seconds that a burst lasts (0.04)")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        function, work = options.worker
        batch, widths, *rest = json.loads(work)
        serve(function, Workload(batch, tuple(widths), *rest), options.burst)
        return
    print(f"{machine.cpu()}; {machine.description()}; Python {sys.version.split()[0]}")
    for name in [options.workload] if options.workload else WORKLOADS:
        WORKLOADS[name](Options(options.turns, options.burst))


if __name__ == "__main__":
    main()
