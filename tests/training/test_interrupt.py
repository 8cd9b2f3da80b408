"""Ctrl-C, to a program that runs."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.data import batches
from minitorch_np.training.steps import deferred_interrupt

PROGRAM = """
import json, sys, time
import numpy as np
import minitorch_np as mt
from minitorch_np.training.callbacks import Callback
from minitorch_np.data import TensorDataset
from minitorch_np.training.fit import fit
from minitorch_np.data import DataLoader

where, options = sys.argv[1], json.loads(sys.argv[2])
rng = np.random.default_rng(0)
x, y = rng.standard_normal((40, 4)), rng.standard_normal((40, 2))

class Slow(mt.Identity):
    def forward(self, x):
        slow.calls += self.training
        slow.others += not self.training
        if slow.calls == 6 and self.training if where == "step" else not self.training:
            sleep()
        return super().forward(x)

def sleep():  # until Ctrl-C
    print("running", flush=True)
    end = time.monotonic() + 20
    while time.monotonic() < end and not pressed():
        time.sleep(0.01)

class slow:
    calls, others = 0, 0  # in training, in evaluation

def pressed():
    import signal
    handler = signal.getsignal(signal.SIGINT)
    return any(cell.cell_contents.asked for cell in handler.__closure__ if hasattr(cell.cell_contents, "asked"))

class Notes(Callback):
    ended = 0
    def on_fit_end(self, state):
        self.ended += 1

notes = Notes()
model = mt.Sequential(mt.Linear(4, 2, rng=0), Slow())
optimizer = mt.SGD(model.parameters(), lr=0.1)
validation = DataLoader(TensorDataset(x, y), 10) if where == "validation" else None
history = fit(model, mt.MSELoss(), optimizer, (x, y), epochs=1000, batch_size=10, rng=0,
    validation_data=validation, callbacks=[notes], **options)
import signal
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print("ENDED", json.dumps([history.as_dict(), notes.ended, [p.data.tolist() for p in model.parameters()],
    [p.has_grad for p in model.parameters()], slow.others]))
"""


def interrupted(where, **options):
    """Run the program, press Ctrl-C where it waits; what it says after training, and what it printed."""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, where, json.dumps(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    for line in program.stdout:
        lines.append(line)
        if line == "running\n":
            break
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 0, err
    assert err == ""
    printed, _, result = out.partition("ENDED ")
    return json.loads(result), "".join(lines) + printed


def trained(steps, accumulate=1):
    """The losses of so many steps by hand, and the weights after them."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 4)), rng.standard_normal((40, 2))
    model = mt.Linear(4, 2, rng=0)
    loss, optimizer, data = (
        mt.MSELoss(),
        mt.SGD(model.parameters(), lr=0.1),
        batches(x, y, batch_size=10, rng=0),
    )
    losses, parts = [], []
    for x_batch, y_batch in (batch for epoch in range(9) for batch in data.epoch(epoch)):
        parts.append(float(loss(model(x_batch), y_batch)) / accumulate)
        model.backward(loss.backward() / accumulate)
        if len(parts) == accumulate:
            optimizer.step()
            losses.append(sum(parts))
            parts = []
            if len(losses) == steps:
                break
    return losses, [p.data.tolist() for p in model.parameters()]


def test_the_running_step_is_done_and_the_history_is_there():
    (history, ended, weights, fresh, _), printed = interrupted("step")
    assert (history["step_losses"], weights) == trained(6)  # the step that ran when it was pressed is the last
    assert {name: len(column) for name, column in history["epochs"].items()} == {
        "loss": 1,
        "lr": 1,
        "seconds": 1,
    }
    assert history["stopped"] == "Ctrl-C in epoch 2"
    assert ended == 1
    assert fresh == [False, False]
    assert printed.endswith("stopped: Ctrl-C in epoch 2\n")


def test_a_step_of_several_batches_is_done_to_its_end():
    (history, _, weights, fresh, _), _ = interrupted("step", accumulate_grad_batches=4, verbose=0)
    assert (history["step_losses"], weights) == trained(2, accumulate=4)
    assert fresh == [False, False]


def test_validation_is_cut_short():
    (history, ended, _, _, evaluated), _ = interrupted("validation")
    assert evaluated == 1  # batch of 4
    assert len(history["step_losses"]) == 4
    assert history["epochs"] == {}
    assert ended == 1


def test_a_second_one_ends_at_once():
    with deferred_interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_handler_stays():
    def other(*_):
        pressed.append(1)

    pressed = []
    signal.signal(signal.SIGINT, other)
    try:
        with deferred_interrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
        assert pressed == [1]
        assert not interrupt.asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_in_another_thread_nothing_is_changed():
    found = []

    def run():
        with deferred_interrupt() as interrupt:
            found.append((interrupt.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(False, signal.default_int_handler)]
