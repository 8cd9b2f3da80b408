"""Programs run by themselves, in a fresh process that cannot import the package."""

import json
import subprocess
import sys

import numpy as np

RUNNER = """
import contextlib, io, json, runpy, sys
import numpy as np
sys.modules["minitorch_np"] = None
results = []
paths, sys.argv[1:] = sys.argv[1:], []
for path in paths:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        scope = runpy.run_path(path, run_name="__main__")
    arrays = {name: a.tobytes().hex() for name, a in scope.items() if isinstance(a, np.ndarray)}
    results.append([out.getvalue().splitlines(), arrays])
print(json.dumps(results))
"""


def run_alone(texts, folder):
    """What each program printed, and the bytes of its arrays after it, by name."""
    paths = [folder / f"program_{i}.py" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", RUNNER, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def layered(model, loss, optimizer, x, y, steps):
    """What the layers come to: the same as `run_alone` says of a program."""
    losses = []
    with np.errstate(all="ignore"):
        for _ in range(steps):
            losses.append(loss(model(x), y))
            model.backward(loss.backward())
            optimizer.step()
    printed = [f"{step} {value!s}" for step, value in enumerate(losses)]
    return printed, [parameter.data.tobytes().hex() for parameter in model.parameters()]
