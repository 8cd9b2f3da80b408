"""Processes that save and are killed, or run out of disk, one after the other; what they left is loaded.

    python tests/support/saving_processes.py HOW FOLDER COUNT

prints one line of JSON for each process. All numbers of a network are its generation, and so is the epoch it
is saved with: a file that is of two generations, or none, is seen.
"""

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import minitorch_np as mt
from minitorch_np.serialization.load import load
from minitorch_np.serialization.save import save


class Run:
    """A network with its optimizer, saved to one path generation after generation."""

    def __init__(self, path):
        self.path = path
        self.model = mt.Sequential(mt.Linear(100, 100, rng=0), mt.ReLU(), mt.Linear(100, 10, rng=0))
        self.optimizer = mt.SGD(self.model.parameters(), momentum=0.9)

    def save(self, generation):
        for parameter in self.model.parameters():
            parameter.data = parameter.data * 0 + generation
            parameter.grad = parameter.data
        self.optimizer.param_groups[0].update(lr=0.0, momentum=0.5)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": {}} | self._state(generation))
        save(self.path, self.model, self.optimizer, epoch=generation)

    def _state(self, generation):
        buffers = [parameter.data.copy() for parameter in self.model.parameters()]
        return {"state": {i: {"step": generation, "momentum_buffer": b} for i, b in enumerate(buffers)}}


def generation_of(path):
    """That of the file; an error where not all of the file is of it."""
    saved = load(path)
    state = saved.optimizer.state_dict()["state"]
    for i, parameter in enumerate(saved.model.parameters()):
        numbers = (parameter.data, parameter.grad, state[i]["momentum_buffer"])
        if any((array != saved.epoch).any() for array in numbers) or state[i]["step"] != saved.epoch:
            raise ValueError(f"{path} is not of one generation")
    return saved.epoch


def parts(path):
    return len(list(path.parent.glob(".*.part")))


def killed_at_random(run, count):
    """Each process saves on and on until it is killed; the next goes on from what the file holds."""
    rng = random.Random(0)
    run.save(0)
    started = time.perf_counter()
    for generation in range(1, 11):
        run.save(generation)
    once = (time.perf_counter() - started) / 10
    generation = 10
    for _ in range(count):
        ours, its = os.pipe()
        pid = os.fork()
        if not pid:
            while True:
                generation += 1
                run.save(generation)
                os.write(its, b"%d " % generation)
        os.close(its)
        time.sleep(rng.uniform(0, 4 * once))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        finished = os.read(ours, 2**16).split()
        os.close(ours)
        finished = int(finished[-1]) if finished else generation
        generation = generation_of(run.path)
        report(status=status, finished=finished, found=generation, parts=parts(run.path))


def killed_at_a_byte(run, count):
    """The system kills a process where its file would grow beyond a size, from nothing to all of it."""
    run.save(0)
    size = run.path.stat().st_size
    sizes = sorted({*range(0, 200, 20), *(size * i // count for i in range(count)), size - 1, size})
    for limit in sizes:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            run.save(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        report(limit=limit, size=size, status=status, found=generation_of(run.path), parts=parts(run.path))
        run.save(0)


def failing_at_a_byte(run, count):
    """Writing fails where the file would grow beyond a size."""
    run.save(0)
    size = run.path.stat().st_size
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in sorted({*range(0, 200, 20), *(size * i // count for i in range(count)), size - 1}):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        fail(run, limit=limit)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    run.save(2)
    report(found=generation_of(run.path), parts=parts(run.path))


def on_a_full_disk(run, count):
    """Writing fails where the file system is full, with less and less room on it."""
    run.save(0)
    filler = run.path.with_name("filler")
    size = run.path.stat().st_size
    for i in range(count):
        room = os.statvfs(run.path.parent).f_bavail * 4096
        with filler.open("ab") as file:
            file.write(bytes(max(room - size + size * (i + 1) // count, 0)))
        fail(run, room=os.statvfs(run.path.parent).f_bavail * 4096)
    filler.unlink()
    run.save(2)
    report(found=generation_of(run.path), parts=parts(run.path))


def fail(run, **where):
    try:
        run.save(1)
        error = None
    except OSError as caught:
        error = [caught.errno, *caught.__notes__]
    report(**where, error=error, found=generation_of(run.path), parts=parts(run.path))


def report(**what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](Run(Path(sys.argv[2]) / "net.npz"), int(sys.argv[3]))
