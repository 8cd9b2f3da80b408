"""How long a step takes on several processes, and how long adding up the gradients is of it.

    python benchmarks/parallel.py                  one, two and four processes on this machine
    mpiexec -n 16 python benchmarks/parallel.py    those that there are

Each process has its part of the batch and one thread. Measured are the step of one process on the whole batch,
t; the step of p processes; and in the same run the sum of the gradients alone. Latency L and bandwidth B are
those of two processes here, from sums of 8 bytes and of 16 MB; with them the law of `minitorch_np.interop.mpi`
says t / p + 2 (p − 1) / p · S / B + 2 log₂(p) · L. More processes than cores take turns: no law is meant there.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

import minitorch_np as mt

SIZES = {  # batch and network
    "1024, 64-128-64-10": (1024, (64, 128, 64, 10)),
    "256, 784-512-512-10": (256, (784, 512, 512, 10)),
    "4096, 784-512-512-10": (4096, (784, 512, 512, 10)),
}
SECONDS = 2.0  # for each number


def timed(function, seconds, comm):
    """The median of a collective call, as often as the first process says."""
    function()
    comm.Barrier()
    start = perf_counter()
    function()
    count = comm.bcast(max(5, int(seconds / max(perf_counter() - start, 1e-6))))
    times = []
    for _ in range(min(count, 2000)):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return median(times)


def measured(comm, seconds):
    """The step and the sum of every size, and what a sum of 8 bytes and of 16 MB take."""
    from mpi4py import MPI

    from minitorch_np.interop.mpi import DataParallel, ParallelLoss, shard

    found = {}
    for name, (batch, widths) in SIZES.items():
        layers = [mt.Linear(a, b, dtype="float32", rng=0) for a, b in pairwise(widths)]
        model = mt.Sequential(*[each for layer in layers for each in (layer, mt.ReLU())][:-1])
        optimizer = DataParallel(mt.SGD(model.parameters(), lr=1e-3), comm)
        loss = ParallelLoss(mt.CrossEntropyLoss(), comm)
        rng = np.random.default_rng(0)
        x = shard(rng.standard_normal((batch, widths[0]), np.float32), comm)
        y = shard(rng.integers(0, widths[-1], batch), comm)

        def step(model=model, loss=loss, optimizer=optimizer, x=x, y=y):
            loss(model(x), y)
            model.backward(loss.backward())
            optimizer.step()

        grads = np.zeros(sum(p.size for p in model.parameters()), np.float32)
        added = timed(lambda grads=grads: comm.Allreduce(MPI.IN_PLACE, grads), seconds / 4, comm)
        found[name] = {"step": timed(step, seconds, comm), "sum": added, "bytes": grads.nbytes}
    for name, size in (("latency", 1), ("large", 2_000_000)):
        numbers = np.zeros(size)
        found[name] = timed(lambda numbers=numbers: comm.Allreduce(MPI.IN_PLACE, numbers), seconds / 4, comm)
    return found


def table(runs):
    """Print what was measured for each count of processes, and what the law says."""
    two = runs.get(2)
    latency = two["latency"] / 2 if two else 0.0
    bandwidth = 16e6 / max(two["large"] - two["latency"], 1e-9) if two else math.inf
    print(f"{os.cpu_count()} cores; L = {1e6 * latency:.1f} µs, B = {bandwidth / 1e9:.2f} GB/s\n")
    print("| batch, network | processes | ms a step | of one process | sum of gradients, ms | the law, ms |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in SIZES:
        for count, run in runs.items():
            step, added, size = (run[name][key] for key in ("step", "sum", "bytes"))
            alone = runs[1][name]["step"] if 1 in runs else math.nan
            law = alone / count + 2 * (count - 1) / count * size / bandwidth + 2 * math.log2(count) * latency
            print(
                f"| {name} | {count} | {1e3 * step:.2f} | {step / alone:.2f} | {1e3 * added:.2f} | "
                f"{1e3 * law:.2f} |"
            )


def main():
    seconds = float(os.environ.get("PARALLEL_SECONDS", SECONDS))
    if "PMI_RANK" in os.environ or "OMPI_COMM_WORLD_RANK" in os.environ:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
        found = measured(comm, seconds)
        if comm.Get_rank() == 0:
            print(json.dumps({comm.Get_size(): found}))
        return
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit("there is no mpiexec: pip install '.[mpi]'")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    runs = {}
    for count in (1, 2, 4):
        command = [mpiexec, "-n", str(count), sys.executable, __file__]
        done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=True)
        runs[count] = json.loads(done.stdout)[str(count)]
    table(runs)


if __name__ == "__main__":
    main()
