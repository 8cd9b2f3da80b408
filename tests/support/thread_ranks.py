"""A communicator whose ranks are threads, for tests of data-parallel training without MPI."""

import pickle
from threading import Barrier, BrokenBarrierError, Thread

import numpy as np


class ThreadComm:
    """What training uses of mpi4py's communicators, by one exchange in which all ranks take part."""

    def __init__(self, rank, size, slots, barrier):
        self.rank, self.size, self.slots, self.barrier = rank, size, slots, barrier
        self.aborted = False

    def Get_rank(self):  # noqa: N802
        return self.rank

    def Get_size(self):  # noqa: N802
        return self.size

    def allgather(self, value):
        self.slots[self.rank] = pickle.dumps(value)
        self.barrier.wait()
        values = [pickle.loads(slot) for slot in self.slots]
        self.barrier.wait()
        return values

    def bcast(self, value):
        return self.allgather(value)[0]

    def gather(self, value):
        values = self.allgather(value)
        return None if self.rank else values

    def Allgather(self, sent, received):  # noqa: N802
        received[...] = np.reshape(self.allgather(sent), received.shape)

    def Reduce_scatter_block(self, sent, received):  # noqa: N802
        received[...] = sum(part.reshape(self.size, -1)[self.rank] for part in self.allgather(sent))

    def Abort(self, code):  # noqa: N802
        self.aborted = True
        self.barrier.abort()


def on_ranks(size, function):
    """Return what function(comm) returns on each rank, or the error that it raises."""
    slots, barrier, results = [None] * size, Barrier(size, timeout=120), [None] * size
    comms = [ThreadComm(rank, size, slots, barrier) for rank in range(size)]

    def run(rank):
        try:
            results[rank] = function(comms[rank])
        except (Exception, BrokenBarrierError) as error:
            results[rank] = error

    threads = [Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, comms
