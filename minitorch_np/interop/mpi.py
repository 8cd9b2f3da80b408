"""Data-parallel training on several processes or machines, by MPI.

Every process has the whole network and a part of each batch; the gradients are added up before each step, so
that all take the same step. `mpiexec -n 4 python train.py` starts four processes; in train.py either

    mt.fit(model, loss, optimizer, x, y, epochs=10, rng=0, comm=MPI.COMM_WORLD)

or the plain loop, where each process takes its part of the data:

    loss, optimizer = ParallelLoss(loss, comm), DataParallel(optimizer, comm)
    x, y = shard(x, comm), shard(y, comm)
    for step in range(500):
        value = loss(model(x), y)
        model.backward(loss.backward())
        optimizer.step()

Loss and weights are those of one process on the whole batch, within rounding, however unequal the parts.

How it scales: with t seconds for a step of one process, p processes of the same speed take about

    t / p + 2 (p − 1) / p · S / B + 2 log₂(p) · L

for gradients of S bytes over links of B bytes and a latency of L seconds: adding up costs nearly the same for
any p, the rest of a step gets p times shorter. It pays while t is well above 2 S / B, so for large batches and
convolutions, which do much with few weights. `benchmarks/parallel.py` measures both sides.

Processes on one machine share its cores: set OMP_NUM_THREADS to the cores of each.
"""

# mypy: disable-error-code="import-untyped, import-not-found"
from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    from mpi4py import MPI
except ImportError:
    raise ImportError("minitorch_np.interop.mpi needs mpi4py: pip install 'minitorch-np[mpi]'") from None
except RuntimeError as error:  # mpi4py is there, and no MPI
    raise ImportError(
        f"minitorch_np.interop.mpi finds no MPI ({error}): pip install 'minitorch-np[mpi]' brings one"
    ) from None

from minitorch_np._internal.numerics import total
from minitorch_np.layer import Layer
from minitorch_np.losses.loss import Loss
from minitorch_np.optimizers.optimizer import Optimizer
from minitorch_np.training.weights import WeightedLoss

if TYPE_CHECKING:
    from types import TracebackType

    from minitorch_np._internal.arrays import Array

_backwards = [0]  # of all ParallelLosses: gradients that know of the other processes


def shard(array: Any, comm: Any) -> Any:
    """Return the part of an array that belongs to this process: `size` parts one after the other.

    They differ by a sample at most; with fewer samples than processes some are empty.
    """
    size, rank, n = comm.Get_size(), comm.Get_rank(), len(array)
    return array[n * rank // size : n * (rank + 1) // size]


class ParallelLoss:
    """A loss over the samples of all processes: value and gradient are those of the whole batch.

    Each process calls it with the prediction and target of its part. A mean is divided by what the parts have
    together, so that they may differ in size, and classes may be ignored or have weights. `reduction="sum"`
    adds up. A process without samples calls `absent()` instead.

    Raises TypeError for a loss with a forward of its own, ValueError for `reduction="none"` and for a mean
    over nothing.
    """

    def __init__(self, loss: Loss | WeightedLoss, comm: Any) -> None:
        self.weighted = isinstance(loss, WeightedLoss)
        plain = loss.loss if isinstance(loss, WeightedLoss) else loss
        if not isinstance(plain, Loss):
            raise TypeError(f"ParallelLoss expects a loss, got {loss!r}")
        if type(plain).forward is not Loss.forward:
            raise TypeError(f"{plain!r} has a forward of its own, which does not say what its mean divides by")
        if plain.reduction == "none":
            raise ValueError(f"ParallelLoss expects a loss that is a sum or a mean, got {plain!r}")
        self.loss, self.comm, self.reduction = plain, comm, plain.reduction
        self._saved: Any = None
        _end_all_on_error(comm)

    def __call__(self, prediction: Array, target: Array, weight: Any = None) -> Any:
        loss = self.loss
        self._saved = None
        arguments = loss.prepare(prediction, target)
        values = np.asarray(loss.function(*arguments))
        if weight is not None:
            weight = weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim))
            weight = np.broadcast_to(weight, values.shape).astype(values.dtype)
            values = values * weight
        mine = 1.0 if self.reduction == "sum" else float(loss.divisor(*arguments))
        value, divisor = self._of_all(float(total(values)), mine, values.dtype)
        self._saved = arguments, weight, divisor
        return value if divisor is None else value / divisor

    def absent(self) -> Any:
        """Return the loss of all, on a process that has no samples of this batch."""
        value, divisor = self._of_all(0.0, 0.0, np.dtype(np.float64))
        return value if divisor is None else value / divisor

    def _of_all(self, value: float, divisor: float, dtype: Any) -> tuple[Any, float | None]:
        """The sum of the values of all processes, and what it is divided by."""
        sums = np.array([value, divisor])
        self.comm.Allreduce(MPI.IN_PLACE, sums)
        if self.reduction == "sum":
            return dtype.type(sums[0]), None
        if sums[1] == 0:
            raise ValueError(f"{self.loss!r} has no mean over an empty batch, or targets that are all ignored")
        whole = sums[1].is_integer()
        return dtype.type(sums[0]), int(sums[1]) if whole else float(sums[1])

    def backward(self) -> Array:
        if self._saved is None:
            raise RuntimeError(
                f"{self!r} has nothing saved: call it with prediction and target before each backward"
            )
        arguments, weight, divisor = self._saved
        self._saved = None
        _backwards[0] += 1
        gradient: Array = self.loss.derivative(*arguments)
        if weight is not None:
            gradient = gradient * self.loss.spread(weight)
        return gradient if divisor is None else gradient / divisor

    def __repr__(self) -> str:
        return f"ParallelLoss({self.loss!r})"


class DataParallel:
    """An optimizer whose steps take the gradients of all processes, added up.

    `DataParallel(optimizer, comm)` gives all processes the parameters and the optimizer's state of process 0.
    `step()` adds the gradients up (in place, in the optimizer's flat arrays) and makes the optimizer's step.
    For clipping in between call `reduce()`, clip, and then `step()`. Options, schedules and `state_dict` are
    those of the optimizer, which is in `.optimizer`; a schedule is made of that one.

    The gradients must be those of a ParallelLoss, which knows how many samples the others have; RuntimeError
    if they are not. All processes get the same bits from MPI, as MPICH and Open MPI do for such a sum;
    `check_same_weights` compares a hash. An error that nobody catches on one process ends all.

    BatchNorm takes its statistics over the part of each process, as in torch. The running ones differ then:
    `average_buffers(model, comm)` makes one of them, before an evaluation or a checkpoint. Layers that draw
    random numbers draw them on each process, from the generator that they have there.
    """

    def __init__(self, optimizer: Optimizer, comm: Any) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"DataParallel expects an optimizer, got {optimizer!r}")
        self.optimizer, self.comm = optimizer, comm
        self._reduced = False
        self._seen = _backwards[0]
        _end_all_on_error(comm)
        shapes = comm.allgather([p.shape for group in optimizer.param_groups for p in group["params"]])
        if any(each != shapes[0] for each in shapes):
            raise ValueError("DataParallel expects the same network on all processes, got other parameters")
        for group in optimizer.ready():
            group.buffers.fetch()
            comm.Bcast(group.buffers.data)
        state = comm.bcast(optimizer.state_dict())
        if comm.Get_rank():
            optimizer.load_state_dict(state)

    def reduce(self) -> None:
        """Add up the gradients of all processes; `step()` does not do it again."""
        if self._seen == _backwards[0]:
            raise RuntimeError(
                "the gradients are those of this process alone: loss = ParallelLoss(loss, comm) divides by the "
                "samples of all"
            )
        self._seen, self._reduced = _backwards[0], True
        for group in self.optimizer.ready():
            group.buffers.fetch()
            self.comm.Allreduce(MPI.IN_PLACE, group.buffers.grad)

    def step(self) -> None:
        if not self._reduced:
            self.reduce()
        self._reduced = False
        self.optimizer.step()

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    def state_dict(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state_dict)

    def __repr__(self) -> str:
        return f"DataParallel({self.optimizer!r}, {self.comm.Get_size()} processes)"


def average_buffers(model: Layer, comm: Any) -> None:
    """Give all processes the mean of their buffers, such as the running statistics of BatchNorm."""
    for layer in model.modules():
        for name in layer.buffer_names:
            buffer = getattr(layer, name, None)
            if buffer is not None:
                mean = np.array(buffer)
                comm.Allreduce(MPI.IN_PLACE, mean)
                setattr(layer, name, mean / comm.Get_size())


def check_same_weights(model: Layer, comm: Any) -> None:
    """Raise RuntimeError if the parameters and buffers of the processes do not have the same bits."""
    digest = hashlib.sha256()
    for array in model.state_dict().values():
        digest.update(array.tobytes())
    digests = comm.allgather(digest.hexdigest())
    others = [str(rank) for rank, each in enumerate(digests) if each != digests[0]]
    if others:
        raise RuntimeError(f"the weights of process {', '.join(others)} are no longer those of process 0")


class Processes:
    """What `fit` does so that several processes are one training."""

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self.is_first = comm.Get_rank() == 0
        self.optimizer: DataParallel
        self._learning: list[Any] = []  # the parameters that had gradients in the last step
        _end_all_on_error(comm)

    def begin(self, model: Layer, optimizer: Optimizer) -> None:
        """Give all the parameters, buffers and state of the first."""
        self.optimizer = DataParallel(optimizer, self.comm)
        self._learning = list(model.parameters())
        model.load_state_dict(self.comm.bcast(model.state_dict()))

    def agreed(self, value: Any) -> Any:
        """Return what the first process has for it."""
        return self.comm.bcast(value)

    def part(self, batch: Sequence[Any]) -> list[Any]:
        return [shard(array, self.comm) for array in batch]

    def is_absent(self, x: Any) -> bool:
        """Whether this process has no samples of a batch."""
        return len(x) == 0

    def loss(self, loss: Any) -> ParallelLoss:
        return ParallelLoss(loss, self.comm)

    def absent(self) -> None:
        """Have gradients of 0, on a process that has no samples of this batch."""
        _backwards[0] += 1
        for parameter in self._learning:
            if not parameter.has_grad:
                parameter.grad[...] = 0
                parameter.has_grad = True

    def reduce(self) -> None:
        self._learning = [parameter for parameter in self._learning if parameter.has_grad]
        self.optimizer.reduce()

    def gathered(self, arrays: Sequence[Any]) -> list[Any]:
        """Return arrays of all processes, one after the other."""
        parts = [part for part in self.comm.allgather([np.asarray(a) for a in arrays]) if len(part[0])]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def end_epoch(self, model: Layer) -> None:
        average_buffers(model, self.comm)
        check_same_weights(model, self.comm)


def _end_all_on_error(comm: Any) -> None:
    """Let an error that nobody catches end all processes, which would wait for this one."""
    if comm.Get_size() == 1 or getattr(sys.excepthook, "ends_all", False):
        return

    def end_all(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        sys.stdout.flush()
        print(f"process {comm.Get_rank()} of {comm.Get_size()} ends all:", file=sys.stderr)
        traceback.print_exception(kind, error, where)
        sys.stderr.flush()
        comm.Abort(1)

    vars(end_all)["ends_all"] = True
    sys.excepthook = end_all
