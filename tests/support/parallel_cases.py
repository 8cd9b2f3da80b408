"""Trainings on one process or several, and a program that runs them under mpiexec.

    mpiexec -n 2 python tests/support/parallel_cases.py FOLDER CASE...

Each rank writes the numbers of each case to FOLDER/CASE.RANK.npz.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

import minitorch_np as mt

RNG = np.random.default_rng(0)
X = RNG.standard_normal((101, 6))
CLASSES = RNG.integers(0, 3, 101)
Y = RNG.standard_normal((101, 3))
OFTEN_IGNORED = np.where(RNG.random(101) < 0.6, -1, CLASSES)  # on small shards all of them


def network(*layers, rng=0):
    return mt.Sequential(mt.Linear(6, 8, rng=rng), *layers, mt.Tanh(), mt.Linear(8, 3, rng=rng + 1))


def numbers(model, history=None, **more):
    found = {name: array.copy() for name, array in model.state_dict().items()}
    if history is not None:
        found["steps"] = np.array(history.step_losses)
        found |= {f"{name} by epoch": np.array(history[name]) for name in history.names if name != "seconds"}
    return found | more


def rank(comm):
    return 0 if comm is None else comm.Get_rank()


def fit(comm, loss, make, y=CLASSES, x=X, model=None, **options):
    """Batches of 33 of 101 samples: shards differ in size, and of the last batch, 2, some are empty."""
    model = model or network(rng=10 * rank(comm))  # those of rank 0 count
    given = {"epochs": 2, "batch_size": 33, "rng": 3, "verbose": 0, "comm": comm}
    return numbers(model, mt.fit(model, loss, make(model.parameters()), x, y, **given | options))


def means(comm, folder):
    data = {"validation_split": 0.2, "clip_norm": 0.3, "batch_size": 40}  # the last batch has one sample
    data["metrics"] = {"accuracy": mt.accuracy, "all at once": lambda p, t: float((p[:, 0] * t).sum())}
    return fit(comm, mt.CrossEntropyLoss(), lambda p: mt.Adam(p, lr=0.02), **data)


def sums(comm, folder):
    return fit(comm, mt.SquaredLoss(), lambda p: mt.SGD(p, lr=1e-3, momentum=0.9), Y, clip_value=3.0)


def weighted(comm, folder):
    """Means over the sum of weights of classes, samples that are ignored, and weights of samples."""
    loss = mt.CrossEntropyLoss(weight=[0.2, 1.0, 5.0], ignore_index=-1)
    samples = np.linspace(0, 2, 101)
    options = {"sample_weight": samples, "batch_size": 17}
    return fit(comm, loss, lambda p: mt.SGD(p, lr=0.1), OFTEN_IGNORED, **options)


def scheduled(comm, folder):
    """A schedule by step, and one by the validation loss."""
    model = network()
    optimizer = mt.Adam(model.parameters(), lr=0.1)
    schedule = mt.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)
    options = {"schedule": schedule, "validation_data": (X, CLASSES), "epochs": 4, "batch_size": 50}
    return fit(comm, mt.CrossEntropyLoss(), lambda p: optimizer, model=model, **options)


def stopped(comm, folder):
    stopping = mt.EarlyStopping(patience=1, min_delta=0.4)
    options = {"callbacks": [stopping], "validation_data": (X, CLASSES), "epochs": 9, "batch_size": 50}
    return fit(comm, mt.CrossEntropyLoss(), lambda p: mt.SGD(p, lr=0.1), **options)


def single_precision(comm, folder):
    model = network().astype("float32")
    x, y = X.astype("float32"), Y.astype("float32")
    return fit(comm, mt.MSELoss(), lambda p: mt.SGD(p, lr=0.1), y, x, model=model)


def accumulated(comm, folder):
    options = {"accumulate_grad_batches": 2, "batch_size": 17}
    return fit(comm, mt.CrossEntropyLoss(), lambda p: mt.SGD(p, lr=0.1, momentum=0.5), **options)


def random_order(comm, folder):
    """Without rng each rank draws another order; that of rank 0 counts."""
    seeds = []
    options = {"rng": None, "callbacks": lambda state: seeds.append(state.seed)}
    return fit(comm, mt.MSELoss(), lambda p: mt.SGD(p, lr=0.1), Y, **options) | {"seeds": np.array(seeds)}


def resumed(comm, folder):
    """Four epochs at once, and two and two; with masks of Dropout, and one file for all ranks."""
    path, found = Path(folder) / "run.npz", {}
    for name, ends in (("at once", [4]), ("in two", [2, 4])):
        for i, epochs in enumerate(ends):
            model = network(mt.Dropout(0.5, rng=7))
            options = {"model": model, "epochs": epochs, "checkpoint": path, "resume": path if i else None}
            made = fit(comm, mt.CrossEntropyLoss(), mt.Adam, **options)
        found |= {f"{name}: {key}": array for key, array in made.items()}
    return found


def batch_norm(comm, folder):
    """Statistics of shards: not those of one process, but the same on all ranks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = fit(comm, mt.CrossEntropyLoss(), mt.Adam, model=network(mt.BatchNorm1d(8)), batch_size=34)
    said = [w for w in caught if "BatchNorm normalises" in str(w.message)]
    return made | {"said by rank 0": np.array(len(said) if rank(comm) == 0 else -1)}


def not_finite(comm, folder):
    """Ends with the same error on all ranks, which can be caught."""
    x = X.copy()
    x[7, 2] = np.nan
    model = network()
    optimizer = mt.SGD(model.parameters(), lr=0.1)
    given = {"epochs": 1, "batch_size": 101, "check": False, "verbose": 0, "rng": 0}
    try:
        mt.fit(model, mt.MSELoss(), optimizer, x, Y, comm=comm, **given)
    except mt.NotFiniteError as error:
        return {"text": np.array(str(error))}


def with_loop(comm, folder):
    """A loop of one's own, with a schedule, clipping, and shards of which some are empty."""
    from minitorch_np.interop.mpi import DataParallel

    model, loss = network(rng=10 * rank(comm)), mt.CrossEntropyLoss()
    optimizer = mt.SGD(model.parameters(), lr=0.2, momentum=0.9)
    if comm is not None:
        optimizer = DataParallel(optimizer, comm)
        loss = optimizer.share(loss)
    schedule, losses = mt.StepLR(optimizer, 1, 0.5), []
    for epoch in range(2):
        for x, y in mt.batches(X, CLASSES, batch_size=33, rng=0).epoch(epoch):
            mine = (x, y) if comm is None else optimizer.shard(x, y)
            losses.append(loss(model(mine[0]), mine[1]))
            model.backward(loss.backward())
            if epoch:  # by hand; and else by step() itself
                if comm is not None:
                    optimizer.add_gradients()
                mt.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
        schedule.step()
    if comm is not None:
        optimizer.compare(model)
    return numbers(model, losses=np.array(losses), lr=np.array(optimizer.lr))


SAME = {  # as on one process, within rounding
    "means": means,
    "sums": sums,
    "weighted": weighted,
    "scheduled": scheduled,
    "stopped": stopped,
    "single_precision": single_precision,
}
OTHER = {"random_order": random_order, "resumed": resumed, "batch_norm": batch_norm, "not_finite": not_finite}
CASES = SAME | OTHER | {"accumulated": accumulated, "with_loop": with_loop}


def one_rank_fails(comm):
    def callback(state):
        if state.rank == 1:
            raise OSError("the disk of rank 1 is full")

    fit(comm, mt.MSELoss(), mt.Adam, Y, callbacks=callback)


def the_loop_fails_on_one_rank(comm):
    from minitorch_np.interop import mpi  # noqa: F401 (it sees to errors)

    if comm.Get_rank() == 1:
        raise OSError("the disk of rank 1 is full")
    comm.allgather(None)


def one_rank_changes_its_weights(comm):
    def callback(state):
        if state.rank == 1:
            state.model[0].bias.data[0] += 1e-12

    fit(comm, mt.MSELoss(), mt.Adam, Y, callbacks=callback)


def ranks_build_different_networks(comm):
    model = network(*[mt.ReLU()] * comm.Get_rank())
    fit(comm, mt.MSELoss(), mt.Adam, Y, model=model)


def ranks_have_different_data(comm):
    count = 100 + comm.Get_rank()
    fit(comm, mt.MSELoss(), mt.Adam, Y[:count], X[:count])


def ctrl_c(comm):
    """Prints after each epoch, until Ctrl-C."""
    model = network()
    optimizer, loss = mt.Adam(model.parameters()), mt.MSELoss()
    history = mt.fit(model, loss, optimizer, X, Y, epochs=100_000, comm=comm, rng=0, verbose=1)
    steps = comm.allgather(len(history.step_losses))
    if comm.Get_rank() == 0:
        print("ended", len(set(steps)), history.stopped, flush=True)


def main(folder, *names):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    for name in names:
        if name in CASES:
            np.savez(Path(folder) / f"{name}.{comm.Get_rank()}.npz", **CASES[name](comm, folder))
        else:
            globals()[name](comm)


if __name__ == "__main__":
    main(*sys.argv[1:])
