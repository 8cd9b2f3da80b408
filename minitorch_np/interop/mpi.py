"""Training on several processes, on one machine or many, with mpi4py: DataParallel, and `fit(..., comm=...)`.

    pip install '.[mpi]'
    mpiexec -n 4 python train.py

Every process (rank) runs the same program with the same data, and computes the gradients of its shard of
each batch. They are added up in the flat arrays that the optimizer walks, and each rank makes the step
of the whole batch: the losses and weights are those of one process within rounding, and the same bits on
all ranks.

    from minitorch_np.interop.mpi import MPI
    mt.fit(model, loss, optimizer, x, y, epochs=10, comm=MPI.COMM_WORLD)

Time of a step on p ranks, for gradients of n bytes, at a bandwidth B and a latency α of messages:

    t(p) ≈ t₀ + (t(1) − t₀) / p + 2 (p − 1)/p · n / B + 3 log₂ p · α

t₀ is what a step takes for a single sample: the calls, and the update of all weights, which each rank makes.

The gradients go round twice: each rank adds up a p-th of them (n (p − 1)/p bytes received), then all
collect the parts; the loss goes round once, a few bytes. Their term hardly grows with p, while the work
shrinks: more ranks pay as long as t(1) ≫ t₀ + 2 n / B, which is to say with large batches, for t(1) grows
with the batch, and neither t₀ nor n does. A Linear has 6 operations a weight and sample, and sends each
gradient of 8 bytes twice: with 32 samples a rank, 192 operations for 16 bytes. `benchmarks/parallel.py`
measures it.

Why the bits are equal: MPI promises no order of additions that is the same on all ranks. Here each number
is added up on one rank and copied to the others. A hash of the weights is compared after each epoch.

An uncaught error on one rank, Ctrl-C too, prints its traceback and ends all: the others would wait for
ever. Importing this module sees to that, also `fit(..., comm=...)`. For an error before the import, and for
sys.exit() on one rank, start with `mpiexec -n 4 python -m mpi4py train.py`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

try:
    from mpi4py import MPI  # type: ignore[import-not-found, import-untyped, unused-ignore]
except (ImportError, RuntimeError) as error:  # RuntimeError: without an engine
    cause = str(error).splitlines()[0]
    raise ImportError(
        f"minitorch_np.interop.mpi needs mpi4py and an MPI library: pip install 'minitorch-np[mpi]' ({cause})"
    ) from None

from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.training.parallel import Ranks

if TYPE_CHECKING:
    from types import TracebackType

    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer
    from minitorch_np.losses.loss import Loss
    from minitorch_np.training.parallel import ShardedLoss

__all__ = ["MPI", "DataParallel"]


class DataParallel:
    """An optimizer whose step is that of the whole batch, of which each rank has a shard: for your own loop.

        comm = MPI.COMM_WORLD
        optimizer = DataParallel(SGD(model.parameters(), lr=0.1), comm)
        loss = optimizer.share(loss)
        for x_batch, y_batch in batches(x, y, batch_size=64, rng=0):
            x_mine, y_mine = optimizer.shard(x_batch, y_batch)
            value = loss(model(x_mine), y_mine)
            model.backward(loss.backward())
            optimizer.step()

    `share(loss)` is the loss over all shards: what a mean divides by is known on all ranks, also if shards are
    unequal or samples weighted, so that gradients are added up and never scaled. A step without such
    a loss is refused. For clipping, call `add_gradients()` before it: `step()` does what is left.

    When it is made, all ranks take the parameters, the optimizer's state, and with `model` the buffers, of
    rank 0. `compare(model)` raises RuntimeError on all ranks unless all have the same bits; call it
    before rank 0 saves. `average_buffers(model)` comes before it if there are BatchNorms: their statistics
    are of each rank's shard, and the running ones differ until they are averaged. Dropout has random
    numbers as the program seeds them: give the layers of each rank another rng if masks shall differ.

    All else (`param_groups`, `lr`, `state_dict`, ...) is that of the optimizer itself, `optimizer.optimizer`,
    also for schedules; `save` takes that one. Raises TypeError for what is not an optimizer or a communicator.
    """

    def __init__(self, optimizer: Optimizer, comm: Any, model: Layer | None = None) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"DataParallel expects an optimizer such as SGD(...), got {optimizer!r}")
        self.optimizer = optimizer
        self.ranks = Ranks(comm, "DataParallel")
        self._added = False
        self.ranks.start(optimizer, model, stacklevel=4)

    def share(self, loss: Loss) -> ShardedLoss:
        """Return the loss of the whole batch, which each rank calls with its shard."""
        return self.ranks.share(loss, "DataParallel.share")

    def shard(self, *arrays: Array) -> Any:
        """Return this rank's rows of arrays that all ranks have: one array, or a tuple of several.

        If there are fewer rows than ranks, some ranks get the first one, which then counts nothing in the
        next loss.
        """
        first, end = self.ranks.shard(0, len(arrays[0]))
        parts = tuple(array[first:end] for array in arrays)
        return parts if len(parts) > 1 else parts[0]

    def add_gradients(self) -> None:
        """Add up the gradients of all ranks; all of them must call it."""
        if not self.ranks.pending:
            raise RuntimeError(
                "DataParallel found no loss of all shards since the last step: loss = optimizer.share(loss) "
                "makes one, whose gradients add up to that of the whole batch"
            )
        self.ranks.add_gradients(self.optimizer)
        self._added = True

    def step(self) -> None:
        """Add up the gradients of all ranks, unless that was done, and make the optimizer's step."""
        if not self._added:
            self.add_gradients()
        self._added = False
        self.optimizer.step()

    def compare(self, model: Layer | None = None) -> None:
        """Raise RuntimeError unless all ranks have the same weights and the same state of the optimizer."""
        self.ranks.compare(self.optimizer, model)

    def average_buffers(self, model: Layer) -> None:
        """Give all ranks the mean of their buffers."""
        self.ranks.average_buffers(model)

    @property
    def lr(self) -> float:
        return self.optimizer.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.optimizer.lr = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "optimizer":
            raise AttributeError(name)
        return getattr(self.optimizer, name)

    def __repr__(self) -> str:
        return f"DataParallel({self.optimizer!r}, rank {self.ranks.rank} of {self.ranks.size})"


def _end_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    Ranks(MPI.COMM_WORLD).abort(error)


if MPI.COMM_WORLD.Get_size() > 1:
    sys.excepthook = _end_all
