"""Trains in several processes, `mpiexec -n 4 python parallel_program.py WHAT FOLDER`: the weights of each."""

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import minitorch_np as mt
from minitorch_np.interop.mpi import (
    DataParallel,
    ParallelLoss,
    average_buffers,
    check_same_weights,
    shard,
)

comm = MPI.COMM_WORLD
rank = comm.Get_rank()
rng = np.random.default_rng(0)
x, y = rng.standard_normal((101, 4)), rng.standard_normal((101, 3))
classes = rng.integers(0, 3, 101)
classes[:30] = -100  # ignored: those of the first process nearly all


def network(norm=False):
    """Of other weights on each process, as if nobody had thought of a seed."""
    middle = mt.BatchNorm1d(6) if norm else mt.Tanh()
    return mt.Sequential(mt.Linear(4, 6, rng=rank), middle, mt.Linear(6, 3, rng=10 + rank))


def written(model, **numbers):
    np.savez(Path(sys.argv[2]) / f"{rank}.npz", **model.state_dict(), **numbers)


def plain_loop(loss, make, targets, clip=False):
    model = network()
    optimizer, loss = DataParallel(make(model.parameters()), comm), ParallelLoss(loss, comm)
    schedule = mt.StepLR(optimizer.optimizer, 3)
    mine, theirs = shard(x, comm), shard(targets, comm)
    for _ in range(8):
        value = loss(model(mine), theirs)
        model.backward(loss.backward())
        if clip:
            optimizer.reduce()
            mt.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        schedule.step()
    check_same_weights(model, comm)
    written(model, value=value)


def momentum():
    plain_loop(mt.SquaredLoss(), lambda p: mt.SGD(p, lr=1e-3, momentum=0.9, weight_decay=0.1), y)


def adam():
    plain_loop(mt.MSELoss(), lambda p: mt.Adam(p, lr=0.01), y, clip=True)


def ignored_classes():
    loss = mt.CrossEntropyLoss(weight=[0.2, 1.0, 3.0])
    plain_loop(loss, lambda p: mt.SGD(p, lr=0.5), classes)


def fitted():
    """101 samples in batches of 25: the last one has a sample, and most processes none."""
    model = network()
    options = {"rng": 0, "batch_size": 25, "comm": comm, "metrics": ["r_squared"], "clip_norm": 1.0}
    stopping = mt.EarlyStopping(monitor="r_squared", mode="max", patience=20)
    options |= {
        "accumulate_grad_batches": 2,
        "validation_data": (x, y),
        "sample_weight": np.linspace(0, 2, 101),
    }
    optimizer = mt.Adam(model.parameters())
    history = mt.fit(model, mt.MSELoss(), optimizer, x, y, epochs=4, callbacks=stopping, **options)
    columns = {name: history[name] for name in ("loss", "r_squared", "val_loss")}
    written(model, **columns, steps=history.step_losses)


def resumed():
    def run(epochs, **options):
        model = network()
        optimizer = mt.Adam(model.parameters())
        mt.fit(model, mt.MSELoss(), optimizer, x, y, epochs=epochs, rng=0, comm=comm, verbose=epochs, **options)
        return model

    path = Path(sys.argv[2]) / "run.npz"
    whole = run(4)
    run(2, checkpoint=path)
    comm.Barrier()
    again = run(4, resume=path, checkpoint=path)
    written(again, same=all(np.array_equal(a, whole.state_dict()[k]) for k, a in again.state_dict().items()))


def statistics():
    model = network(norm=True)
    mt.fit(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1), x[:96], y[:96], epochs=2, rng=0, comm=comm)
    written(model)


def statistics_by_hand():
    model = network(norm=True)
    optimizer, loss = DataParallel(mt.SGD(model.parameters(), lr=0.1), comm), ParallelLoss(mt.MSELoss(), comm)
    loss(model(shard(x, comm)), shard(y, comm))
    model.backward(loss.backward())
    optimizer.step()
    average_buffers(model, comm)
    check_same_weights(model, comm)
    written(model)


def error():
    model = network()
    optimizer, loss = DataParallel(mt.SGD(model.parameters(), lr=0.1), comm), ParallelLoss(mt.MSELoss(), comm)
    for step in range(100):
        loss(model(shard(x, comm)), shard(y, comm))
        if step == 2 and rank == comm.Get_size() - 1:
            raise RuntimeError("something broke here")
        model.backward(loss.backward())
        optimizer.step()


def not_finite():
    model = network()
    bad = x.copy()
    bad[-1] = np.inf
    mt.fit(model, mt.MSELoss(), mt.SGD(model.parameters()), bad, y, epochs=2, rng=0, comm=comm, check=False)


def alone():
    model = network()
    optimizer, loss = DataParallel(mt.SGD(model.parameters(), lr=0.1), comm), mt.MSELoss()
    loss(model(shard(x, comm)), shard(y, comm))
    model.backward(loss.backward())
    optimizer.step()


def different():
    model = network()
    DataParallel(mt.SGD(model.parameters(), lr=0.1), comm)
    model[0].bias.data[0] += rank
    check_same_weights(model, comm)


globals()[sys.argv[1]]()
