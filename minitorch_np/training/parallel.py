"""Data-parallel training: shards of each batch, sums over ranks, equal weights on all of them.

Of MPI only the methods of a communicator are used; `minitorch_np.interop.mpi` says how to start it.
"""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from minitorch_np._internal.numerics import total
from minitorch_np.data.loader import DataLoader
from minitorch_np.layers.normalization import BatchNorm1d
from minitorch_np.losses.loss import Loss
from minitorch_np.serialization.save import generator_places
from minitorch_np.training.evaluation import check_loss
from minitorch_np.training.non_finite import NotFiniteError
from minitorch_np.training.steps import Interrupt

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array
    from minitorch_np.layer import Layer
    from minitorch_np.optimizers.optimizer import Optimizer
    from minitorch_np.parameter import Parameter

METHODS = "Get_rank Get_size Allgather Reduce_scatter_block allgather bcast gather Abort".split()

Function = TypeVar("Function", bound=Callable[..., Any])


class OneProcess(Interrupt):
    """What `fit` does without a communicator, where Ranks has something to do: nothing."""

    rank, size = 0, 1

    def of_first(self, value: Any) -> Any:
        """Return what rank 0 has."""
        return value

    def sharded(self, loader: Any) -> Any:
        """Return the loader of this rank's shards."""
        return loader

    def share(self, loss: Loss, owner: str = "fit") -> Any:
        """Return the loss of the whole batch, which each rank calls with its shard."""
        return loss

    def learned(self, model: Layer, optimizer: Optimizer) -> list[Parameter]:
        """Return the parameters whose gradients are clipped."""
        return list(model.parameters())

    def watch(self, interrupt: Interrupt) -> Interrupt:
        """Return the Ctrl-C that counts, given that of this process."""
        return interrupt

    def add_gradients(self, optimizer: Optimizer) -> None:
        """Replace the gradients on each rank by their sum over all."""

    def rows(self, array: Any) -> Any:
        """Return the rows of all ranks, in their order, on rank 0; None on the others."""
        return array

    def report(self, text: str) -> str:
        """Return the text of the first rank whose own loss was not finite."""
        return text

    def agree(self) -> None:
        """Agree on Ctrl-C without a loss."""

    def start(
        self,
        optimizer: Optimizer,
        model: Layer | None = None,
        schedule: Any = None,
        same: Sequence[str] = (),
        stacklevel: int = 7,
    ) -> None:
        """Give all ranks the weights, the optimizer's state and the schedule's of rank 0."""

    def start_epoch(self, model: Layer) -> None:
        """Give each rank random numbers of its own in this epoch."""

    def average_buffers(self, model: Layer) -> None:
        """Give all ranks the mean of their buffers."""

    def compare(self, optimizer: Optimizer, model: Layer | None = None) -> None:
        """Raise RuntimeError on all ranks if their weights differ."""


class Ranks(OneProcess):
    """The processes of a communicator, of which this is number `rank` of `size`.

    `asked` is the Ctrl-C on which they have agreed: whichever rank is interrupted, all end after the same step.
    """

    def __init__(self, comm: Any, owner: str = "fit") -> None:
        missing = [name for name in METHODS if not hasattr(comm, name)]
        if missing:
            raise TypeError(
                f"{owner} expects comm to be a communicator of mpi4py such as MPI.COMM_WORLD, got {comm!r}, "
                f"which has no {missing[0]}"
            )
        super().__init__()
        self.comm = comm
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self.local = Interrupt()  # of this rank
        self.idle = False  # whether this rank has no sample of the newest batch, only a stand-in
        self.pending = False  # whether a loss was summed since the last step
        self.finite = [True] * self.size  # which ranks had a finite loss
        self._sent, self._received = np.zeros(3), np.zeros((self.size, 3))
        self._segments: dict[tuple[int, Any], Array] = {}

    def shard(self, start: int, stop: int) -> tuple[int, int]:
        """Return which of the samples from `start` to `stop` are this rank's: as many on each, within one.

        If there are fewer samples than ranks, those without one take the first, and it counts nothing.
        """
        count = stop - start
        first, end = start + count * self.rank // self.size, start + count * (self.rank + 1) // self.size
        self.idle = first == end
        return (start, start + 1) if self.idle else (first, end)

    def sharded(self, loader: DataLoader | None) -> ShardedLoader | None:
        return None if loader is None else ShardedLoader(loader, self)

    def share(self, loss: Loss, owner: str = "fit") -> ShardedLoss:
        return ShardedLoss(loss, self, owner)

    def learned(self, model: Layer, optimizer: Optimizer) -> list[Parameter]:
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def watch(self, interrupt: Interrupt) -> Interrupt:
        self.local = interrupt
        return self

    def sums(self, value: float, count: float) -> tuple[float, float]:
        """Return the sums over all ranks of a loss and of what its mean divides by; agree on Ctrl-C."""
        self._sent[:] = value, count, self.local.asked
        self.comm.Allgather(self._sent, self._received)
        self.finite = np.isfinite(self._received[:, 0]).tolist()
        value, count, asked = self._received.sum(axis=0).tolist()  # in one order, so the same bits on all
        self.asked = self.asked or asked > 0
        self.pending = True
        return value, count

    def add_gradients(self, optimizer: Optimizer) -> None:
        """Replace the gradients on each rank by their sum over all, in the flat arrays of the optimizer."""
        self.pending = False
        for group in optimizer.ready():
            group.buffers.fetch()
            for parameter in group.buffers.parameters:
                if not parameter.has_grad:
                    parameter.grad[...] = 0  # one that a step has consumed
            if self.size > 1:
                self._sum(group.buffers.grad)

    def _sum(self, flat: Array) -> None:
        """Sum an array in place: each rank adds up one segment, all take it from there, so the same bits."""
        key = flat.size, flat.dtype
        if key not in self._segments:
            self._segments[key] = np.empty(flat.size // self.size, flat.dtype)
        segment = self._segments[key]
        even, rest = np.split(flat, [segment.size * self.size])
        self.comm.Reduce_scatter_block(even, segment)
        self.comm.Allgather(segment, even)
        if rest.size:
            parts = np.empty((self.size, rest.size), rest.dtype)
            self.comm.Allgather(rest.copy(), parts)
            parts.sum(axis=0, out=rest)

    def rows(self, array: Array) -> Array | None:
        parts = self.comm.gather(array[:0] if self.idle else array)
        return None if parts is None else np.concatenate(parts)

    def of_first(self, value: Any) -> Any:
        return self.comm.bcast(value)

    def report(self, text: str) -> str:
        texts = self.comm.allgather(text)
        if all(self.finite) or self.size == 1:
            return texts[0]
        rank = self.finite.index(False)
        return f"on rank {rank}: {texts[rank]}"

    def agree(self) -> None:
        self.asked = self.asked or any(self.comm.allgather(self.local.asked))

    def start(
        self,
        optimizer: Optimizer,
        model: Layer | None = None,
        schedule: Any = None,
        same: Sequence[str] = (),
        stacklevel: int = 7,
    ) -> None:
        """Give all ranks the weights, the optimizer's state and the schedule's of rank 0.

        Raises ValueError on all ranks if they have built different networks or optimizers, or differ in
        what must be the `same`.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        built = [*same, repr(model), type(optimizer).__name__, type(schedule).__name__]
        built += [f"{p.dtype} {p.shape}" for p in parameters]
        others = self.comm.allgather(built)
        different = [rank for rank, other in enumerate(others) if other != others[0]]
        if different:
            rank = different[0]
            one, other = next(
                ((a, b) for a, b in zip(others[0], others[rank], strict=False) if a != b),
                (f"{len(others[0])} parts", f"{len(others[rank])}"),
            )
            raise ValueError(
                "all ranks must build the same network and optimizer and be given the same: rank 0 has "
                f"{one}, rank {rank} {other}"
            )
        weights = [p.data for p in parameters] if model is None else model.state_dict()
        states = [weights, optimizer.state_dict(), None if schedule is None else schedule.state_dict()]
        weights, of_optimizer, of_schedule = self.comm.bcast(states)
        if self.rank == 0:
            self._warn_of_batch_norm(model, stacklevel)
            return
        if model is not None:
            model.load_state_dict(weights)
        else:
            for parameter, data in zip(parameters, weights, strict=True):
                parameter.data = data
        optimizer.load_state_dict(of_optimizer)
        if schedule is not None:
            schedule.load_state_dict(of_schedule)

    def start_epoch(self, model: Layer) -> None:
        """Give each rank random numbers of its own in this epoch, which follow from those of rank 0 alone.

        So one checkpoint, of rank 0, has all that an epoch depends on.
        """
        generators = {}
        for _, layer, attribute in generator_places(model):
            generator = vars(layer)[attribute]
            generators[id(generator)] = generator
        if not generators or self.size == 1:
            return
        states = self.comm.bcast([g.bit_generator.state for g in generators.values()])
        if self.rank:
            for generator, state in zip(generators.values(), states, strict=True):
                seed = int.from_bytes(blake2b(repr(state).encode(), digest_size=16).digest(), "big")
                kind = type(generator.bit_generator)
                generator.bit_generator.state = kind([seed, self.rank]).state

    def average_buffers(self, model: Layer) -> None:
        """Give all ranks the mean of their buffers, if they differ: the running statistics of BatchNorm."""
        buffers = list(model.buffers())
        if not buffers or self.size == 1:
            return
        for buffer, parts in zip(buffers, zip(*self.comm.allgather(buffers), strict=True), strict=True):
            if any(part.tobytes() != parts[0].tobytes() for part in parts):
                np.copyto(buffer, np.mean(parts, axis=0), casting="same_kind")

    def compare(self, optimizer: Optimizer, model: Layer | None = None) -> None:
        """Raise RuntimeError on all ranks, naming them, if hashes of weights or optimizer's states differ."""
        if self.size == 1:
            return
        found = blake2b(digest_size=16)
        for group in optimizer.ready():
            group.buffers.fetch()
            options = {name: value for name, value in group.options.items() if name != "params"}
            found.update(repr((sorted(options.items()), group.buffers.steps)).encode())
            for array in (group.buffers.data, *group.buffers.states.values()):
                found.update(array.data)
        for name, array in () if model is None else model.state_dict().items():
            found.update(name.encode() + array.tobytes())
        hashes = self.comm.allgather(found.hexdigest())
        different = [str(rank) for rank, other in enumerate(hashes) if other != hashes[0]]
        if different:
            raise RuntimeError(
                f"rank{'s' * (len(different) > 1)} {', '.join(different)} of {self.size} and rank 0 have "
                f"different weights or optimizer states, hash {hashes[int(different[0])][:8]} and "
                f"{hashes[0][:8]}: something has changed them on one rank only, such as a callback or a random "
                "draw; do the same on all"
            )

    def _warn_of_batch_norm(self, model: Layer | None, stacklevel: int) -> None:
        """Say once, on rank 0, that batch statistics are of a shard."""
        if model is not None and self.size > 1 and any(isinstance(m, BatchNorm1d) for m in model.modules()):
            warnings.warn(
                f"BatchNorm normalises by the statistics of each rank's shard, 1/{self.size} of the batch: "
                "the numbers are not those of one process; LayerNorm and GroupNorm have no such statistics",
                stacklevel=stacklevel,
            )

    def abort(self, error: BaseException) -> None:
        """Print the traceback and end the processes of all ranks, which may wait for this one."""
        sys.stdout.flush()
        said = [f"rank {self.rank} of {self.size} ends all:\n", *traceback.format_exception(error)]
        sys.stderr.write("".join(said))  # at once: another rank may be ending all
        sys.stderr.flush()
        time.sleep(0.1)  # until mpiexec has passed it on
        self.comm.Abort(1)


def ranks_of(comm: Any) -> OneProcess:
    """Return the ranks of a communicator, or the one process that there is without or with a single one."""
    ranks = OneProcess() if comm is None else Ranks(comm)
    return ranks if ranks.size > 1 else OneProcess()


class ShardedLoader(DataLoader):
    """A DataLoader that gives this rank's samples of each batch; all else is that of the whole batches."""

    def __init__(self, loader: DataLoader, ranks: Ranks) -> None:
        if type(loader).epoch is not DataLoader.epoch:
            raise TypeError(
                f"with comm, fit expects a DataLoader whose batches it can divide, got {type(loader).__name__} "
                "with an epoch() of its own: put what it does into the data set"
            )
        vars(self).update(vars(loader))
        self.ranks = ranks

    def epoch(self, epoch: int) -> Iterator[Any]:
        read, size, order = self._read, self.batch_size, self.order(epoch)
        for start in range(0, self.samples, size):
            first, end = self.ranks.shard(start, min(start + size, self.samples))
            yield read(slice(first, end) if order is None else order[first:end])


class ShardedLoss:
    """A loss of the whole batch, of which each rank has a shard.

    The value is Σ values / Σ what they count, over all ranks; each rank's gradient is that of its own
    values over the same number, so that the parameters' gradients of all ranks add up to that of the
    whole batch: also if shards are unequal, and if weights or `ignore_index` count samples less.
    With a third argument the values are multiplied by weights of the samples, as in `fit`.
    """

    def __init__(self, loss: Loss, ranks: Ranks, owner: str = "fit") -> None:
        check_loss(owner, loss)
        if type(loss).forward is not Loss.forward:
            raise TypeError(
                f"{loss!r} has a forward of its own, which does not say what its mean divides by: on several "
                "ranks a loss is needed with function, derivative and divisor (see help(mt.Loss))"
            )
        self.loss, self.ranks = loss, ranks
        self._saved: tuple[Any, ...] | None = None

    def __call__(self, prediction: Array, target: Array, weight: Array | None = None) -> Any:
        loss = self.loss
        arguments = loss.prepare(prediction, target)
        values = loss.function(*arguments)
        if weight is not None:
            weight = weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim)).astype(values.dtype)
            values = values * weight
        idle, sums = self.ranks.idle, loss.reduction == "sum"
        count = 1.0 if sums else float(loss.divisor(*arguments))
        value, count = self.ranks.sums(*(0.0, 0.0) if idle else (float(total(np.asarray(values))), count))
        if not sums and count == 0:
            raise ValueError(
                f"{loss!r} has no mean over targets that are all ignored or of weight 0, on any rank"
            )
        self._saved = arguments, weight, None if sums else count, idle
        return value if sums else value / count

    def backward(self) -> Array:
        if self._saved is None:
            raise RuntimeError(
                f"{self!r} has nothing saved: call it with prediction and target before each backward"
            )
        (arguments, weight, count, idle), self._saved = self._saved, None
        gradient = self.loss.derivative(*arguments)
        if weight is not None:
            values = self.loss.function(*arguments)
            gradient = gradient * self.loss.spread(np.broadcast_to(weight, values.shape))
        if idle:
            return np.zeros_like(gradient)
        return np.asarray(gradient if count is None else gradient / count)

    def __repr__(self) -> str:
        return f"{self.loss!r} on rank {self.ranks.rank} of {self.ranks.size}"


def ends_all_ranks(function: Function) -> Function:
    """Decorate a function with an argument `comm`: an error on one of several ranks ends all of them.

    A loss that is not finite is the same error on all ranks, and is raised.
    """

    @wraps(function)
    def guarded(*args: Any, **options: Any) -> Any:
        comm = options.get("comm")
        if comm is None or not hasattr(comm, "Get_size") or comm.Get_size() == 1:
            return function(*args, **options)
        try:
            return function(*args, **options)
        except NotFiniteError:
            raise
        except BaseException as error:
            Ranks(comm).abort(error)
            raise

    return cast(Function, guarded)
