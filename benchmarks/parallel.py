"""Train on several processes: the time of the reduction against that of a step, and the law they follow.

    python benchmarks/parallel.py            1, 2 and 4 processes, three networks

Networks 784-width-width-10 with tanh, SGD with momentum, float64, one thread a process; whole batches as
given, shared among the processes by `minitorch_np.interop.mpi.DataParallel` as `fit(..., comm=...)` does it.
The jobs of 1, 2, ... processes take turns; in each, after steps to warm up, every step is timed from a
barrier to the last rank's end, and so is the reduction of its gradients alone. First
come medians, then the least of all times, which other work on the machine disturbs less.

    t(p) ≈ t₀ + (t(1) − t₀) / p + 2 (p − 1)/p · n / B + 3 log₂ p · α

t₀ is what a step takes for one sample, which does not get less: the calls, and the update of all weights.
n are the bytes of the gradients. B, the bytes a second that a rank takes part in summing, and α, the time
of a message, are measured in the same job: by reducing 8 MB, and by exchanging the three numbers of a
loss. More processes than cores take turns on the cores, so that a p-th of the work is no p-th of the
time: such rows are marked, and the law is not for them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import turns

from minitorch_np.study import machine

NETWORKS = {
    "64 a layer, batch 64": (64, 64),
    "256 a layer, batch 512": (256, 512),
    "1024 a layer, batch 1024": (1024, 1024),
}
LARGE = 2**20  # float64 numbers: 8 MB


def timed(comm: Any, function: Any) -> float:
    """Seconds from a barrier until the last rank is done."""
    comm.Barrier()
    start = perf_counter()
    function()
    return max(comm.allgather(perf_counter() - start))


def work(width: int, batch: int, steps: int) -> None:
    """What each process does: print, on rank 0, the times of a step, of the reduction, and of messages."""
    import minitorch_np as mt
    from minitorch_np.interop.mpi import MPI, DataParallel

    comm = MPI.COMM_WORLD
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((batch, 784)), rng.integers(0, 10, batch)
    layers = [mt.Linear(n, m, rng=rng) for n, m in ((784, width), (width, width), (width, 10))]
    model = mt.Sequential(layers[0], mt.Tanh(), layers[1], mt.Tanh(), layers[2])
    optimizer = DataParallel(mt.SGD(model.parameters(), lr=1e-3, momentum=0.9), comm)
    loss = optimizer.share(mt.CrossEntropyLoss())
    x_mine, y_mine = optimizer.shard(x, y)
    large, ranks = np.ones(LARGE), optimizer.ranks

    def step(x: Any, y: Any) -> None:
        loss(model(x), y)
        model.backward(loss.backward())
        optimizer.step()

    def reduction() -> None:
        for group in optimizer.ready() if ranks.size > 1 else ():
            ranks._sum(group.buffers.grad)

    found: dict[str, list[float]] = {}
    for turn in range(steps + 3):
        times = {
            "step": timed(comm, lambda: step(x_mine, y_mine)),
            "fixed": timed(comm, lambda: step(x_mine[:1], y_mine[:1])),
            "reduction": timed(comm, reduction),
            "message": timed(comm, lambda: ranks.sums(1.0, 1.0)),
            "large": timed(comm, lambda: comm.Get_size() > 1 and ranks._sum(large)),
        }
        large[...] = 1.0
        for name, seconds in times.items() if turn >= 3 else ():
            found.setdefault(name, []).append(seconds)
    if comm.Get_rank() == 0:
        size = sum(parameter.data.nbytes for parameter in model.parameters())
        print(json.dumps(found | {"bytes": [size]}))


def job(mpiexec: str, processes: int, width: int, batch: int, steps: int) -> dict[str, list[float]]:
    """The times in one mpiexec."""
    arguments = [__file__, "--work", str(width), str(batch), "--steps", str(steps)]
    command = [mpiexec, "-n", str(processes), sys.executable, *arguments]
    environment = os.environ | turns.on_threads(1)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def predicted(alone: dict[str, float], processes: int, at: dict[str, float]) -> float:
    """The law, with the bandwidth and the latency of the same job."""
    if processes == 1:
        return alone["step"]
    steps, part = math.log2(processes), 2 * (processes - 1) / processes
    latency = at["message"] / steps
    bandwidth = part * LARGE * 8 / at["large"]
    work = alone["fixed"] + (alone["step"] - alone["fixed"]) / processes
    return work + part * at["bytes"] / bandwidth + 3 * steps * latency


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4], help="beside 1 (2 4)")
    parser.add_argument("--turns", type=int, default=5, help="jobs of each number of processes (5)")
    parser.add_argument("--steps", type=int, default=30, help="timed in each (30)")
    parser.add_argument("--networks", type=int, default=len(NETWORKS), help="the first so many")
    parser.add_argument("--work", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*options.work, options.steps)
        return
    beside = Path(sysconfig.get_path("scripts"), "mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if find_spec("mpi4py") is None or mpiexec is None:
        sys.exit("several processes need mpi4py and mpiexec: pip install '.[mpi]'")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"{machine.cpu()}; {machine.description()}; Python {sys.version.split()[0]}; {cores} cores\n")
    print("| ms | processes | step | law | reduction | least step | law | reduction | speed-up |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, (width, batch) in list(NETWORKS.items())[: options.networks]:
        found: dict[int, list[dict[str, list[float]]]] = {
            processes: [] for processes in (1, *options.processes)
        }
        for _ in range(options.turns):
            for processes, results in found.items():
                results.append(job(mpiexec, processes, width, batch, options.steps))
        rows: dict[int, list[float]] = {processes: [] for processes in found}
        for choose in (median, min):
            of = {p: {key: choose(t for r in rs for t in r[key]) for key in rs[0]} for p, rs in found.items()}
            alone = of[1]
            for processes, at in of.items():
                rows[processes] += [at["step"], predicted(alone, processes, at), at["reduction"]]
        for processes, row in rows.items():
            many = " (more than cores)" * (processes > cores)
            times = " | ".join(f"{seconds * 1e3:.2f}" for seconds in row)
            print(f"| {name} | {processes}{many} | {times} | {alone['step'] / row[3]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
