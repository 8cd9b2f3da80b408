"""Trainings that go on in another process.

    python tests/support/resuming.py FOLDER

loads every file of the folder, makes the steps from the fifth to the tenth and prints as JSON, by the name of
the file, the bytes of all that has come of it.
"""

import json
import sys
from pathlib import Path

import numpy as np
from table.authored import Masked
from table.schedules import SCHEDULES

import minitorch_np as mt
from minitorch_np.serialization.load import load
from minitorch_np.serialization.save import save

HALF, WHOLE = 5, 10


class Training:
    """A network with dropout, whose batches come in the order that a generator of its own says."""

    def __init__(self, make_optimizer, make_schedule=None, dtype="float64"):
        shared = np.random.default_rng(5)
        self.model = mt.Sequential(
            mt.Linear(4, 6, dtype=dtype, rng=0),
            Masked(0.3, rng=shared),
            mt.ReLU(),
            Masked(0.3, rng=shared),
            mt.Linear(6, 2, dtype=dtype, rng=1),
        )
        parameters = list(self.model.parameters())
        self.optimizer = make_optimizer([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.05}])
        self.schedule = make_schedule and make_schedule(self.optimizer)
        self.loss = mt.HuberLoss(delta=0.5)
        self.rng = np.random.Generator(np.random.MT19937(3))
        self.losses = []

    def steps(self, first, last):
        x = np.random.default_rng(0).standard_normal((40, 4)).astype(self.model.dtype)
        for step in range(first, last):
            batch = x[self.rng.permutation(40)[:8]]
            self.losses.append(float(self.loss(self.model(batch), batch[:, :2])))
            self.model.backward(self.loss.backward())
            if step % 3 != 1:  # else the gradient waits, and the next adds to it
                self.optimizer.step()
            if self.schedule is not None:
                metric = [1 + 0.1 * (step % 4)] if isinstance(self.schedule, mt.ReduceLROnPlateau) else []
                self.schedule.step(*metric)

    def save(self, path):
        """A schedule made of functions cannot be described."""
        save(
            path,
            self.model,
            self.optimizer,
            schedule=self.schedule,
            loss=self.loss,
            rng=self.rng,
            history=self.losses,
            describe=not isinstance(self.schedule, mt.LambdaLR),
        )

    def load(self, path):
        """Have what the file has, made anew or, where it describes nothing, put into what is here."""
        if isinstance(self.schedule, mt.LambdaLR):
            saved = load(path, model=self.model, optimizer=self.optimizer, schedule=self.schedule, rng=self.rng)
        else:
            saved = load(path, custom={"Masked": Masked})
            self.model, self.optimizer, self.schedule = saved.model, saved.optimizer, saved.schedule
            self.loss, self.rng = saved.loss, saved.rng
        self.losses = saved.history

    def bits(self):
        """All that has come of it."""
        state = self.optimizer.state_dict()
        arrays = {name: array.tobytes().hex() for name, array in self.model.state_dict().items()}
        arrays |= {name: p.grad.tobytes().hex() for name, p in self.model.named_parameters() if p.has_grad}
        return {
            "arrays": arrays,
            "dtype": str(self.model.dtype),
            "losses": [loss.hex() for loss in self.losses],
            "states": repr(
                [(n, k, np.asarray(a).tobytes()) for n, e in state["state"].items() for k, a in e.items()]
            ),
            "options": repr(state["param_groups"]),
            "schedule": repr(self.schedule and self.schedule.state_dict()),
            "next numbers": [self.rng.random(), self.model[1].rng.random(), self.model[3].rng.random()],
        }


def main(folder):
    found = {}
    for path in sorted(folder.iterdir()):
        training = Training(mt.SGD, SCHEDULES["LambdaLR"] if path.name.startswith("LambdaLR") else None)
        training.load(path)
        training.steps(HALF, WHOLE)
        found[path.name] = training.bits()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
