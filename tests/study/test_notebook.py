"""What notebooks show: valid HTML with the numbers in it, and pictures without `%matplotlib inline`."""

import importlib.util
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from table.samples import sample

import minitorch_np as mt
from minitorch_np.study import plots
from minitorch_np.training.history import History

ROOT = Path(__file__).parents[2]

CELLS = [
    """
import numpy as np
import minitorch_np as mt
rng = np.random.default_rng(0)
x, y = rng.standard_normal((64, 20)), rng.standard_normal((64, 3))
inner = mt.Sequential(mt.Linear(8, 8, rng=0), mt.Tanh())
model = mt.Sequential(mt.Linear(20, 8, rng=0), mt.ReLU(), mt.Residual(inner), mt.Linear(8, 3, rng=1))
loss, optimizer = mt.SquaredLoss(), mt.SGD(model.parameters(), lr=1e-4)
model""",
    "mt.summary(model, x)",
    "mt.trace(model, loss, x, y)",
    "mt.explain(model, loss, x, y)",
    "mt.explain(model, loss, x, y).plot()",
    "mt.handwritten(model, loss, optimizer, x, y, data='npz', path='program.py')",
    "mt.compare(model, loss, optimizer, x, y, steps=3)",
    """
program = '''
import numpy as np
x = np.random.default_rng(0).standard_normal((9, 3)); y = x.sum(1, keepdims=True)
w = np.zeros((3, 1))
for _ in range(20):
    y_pred = x @ w
    loss = ((y_pred - y) ** 2).sum()
    grad = x.T @ (y - y_pred) * 2
    w -= 0.01 * grad
'''
mt.compare(program)""",
    "history = mt.fit(model, loss, optimizer, x, y, epochs=5, validation_data=(x, y), verbose=0)\nhistory",
    "history.plot()",
]


class Balanced(HTMLParser):
    """Raises AssertionError for a tag that is not closed by its own."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def shown(thing):
    parser = Balanced()
    parser.feed(thing._repr_html_())
    parser.close()
    assert parser.open == []
    return parser.text


def test_html_has_what_the_text_has():
    model = mt.Sequential(mt.Linear(4, 3, rng=0), mt.Residual(mt.Sequential(mt.Tanh())))
    text = shown(model)
    for said in ("Linear(4, 3)", "15 parameters", "1.layer.0", "Tanh()"):
        assert said in text, said
    summary = mt.summary(model, (5, 4))
    assert all(line in shown(summary) for line in str(summary).splitlines()[-4:])
    trace = mt.trace(model, sample((5, 4)))
    assert all(name in shown(trace) for name in trace)
    explanation = mt.explain(model, sample((5, 4)))
    assert shown(explanation) == explanation.text(100)
    assert explanation._repr_html_().count("data:image/png;base64,") == 1
    history = History({"epochs": {"loss": [3.0, 2.0], "val_loss": [3.0, 2.5]}, "stopped": "a < b"})
    assert "stopped: a < b" in shown(history)
    assert "data:image/png" in history._repr_html_()
    assert "data:image/png" not in History()._repr_html_()


def test_a_program_is_highlighted_and_still_a_str():
    model = mt.Sequential(mt.Linear(3, 2, rng=0), mt.Tanh())
    program = mt.handwritten(model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=0.1))
    assert isinstance(program, str)
    assert shown(program) == program
    marked = re.findall(r'<span style="[^"]*">(.*?)</span>', program._repr_html_(), re.DOTALL)
    assert {"def", "import", "# (64, 2)"} <= set(marked)
    compile(program, "program", "exec")


def test_a_figure_shows_itself():
    figure = plots.draw_losses({"a": [3.0, 2.0]})
    assert figure._repr_png_().startswith(b"\x89PNG")


def browser():
    """A headless browser on the path, or the one that CHROMIUM names."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's packages
def test_a_notebook_runs_and_a_browser_draws_it(tmp_path):
    """Without nbclient the cells are run here, and without a browser the HTML is only parsed."""
    if importlib.util.find_spec("nbclient") and importlib.util.find_spec("ipykernel"):
        outputs = outputs_of_a_notebook(tmp_path)
    else:
        outputs = outputs_without_a_kernel(tmp_path)
    assert len(outputs) == len(CELLS)
    page = "<!doctype html><meta charset='utf-8'><body style='font-family:sans-serif;margin:20px'>"
    for cell, output in zip(CELLS, outputs, strict=True):
        assert "text/html" in output or "image/png" in output, cell
        part = output.get("text/html", f"<img src='data:image/png;base64,{output.get('image/png', '')}'>")
        parser = Balanced()
        parser.feed(part)
        assert parser.open == [], cell
        page += f"<h3><code>{cell.strip().splitlines()[-1]}</code></h3>{part}"
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    if browser():
        picture = tmp_path / "page.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,9000"]
        flags += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
        subprocess.run([browser(), *flags, path.as_uri()], check=True, capture_output=True, timeout=120)
        drawn = matplotlib.image.imread(picture)
        rows = (drawn[..., :3].min(axis=(1, 2)) < 0.6).nonzero()[0]  # with ink
        assert np.ptp(rows) > 3000
        if keep := os.environ.get("NOTEBOOK_PICTURE"):
            shutil.copy(picture, keep)


def outputs_of_a_notebook(folder):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute(env=env)
    results = [[o for o in cell.outputs if o.output_type == "execute_result"] for cell in notebook.cells]
    return [result[0].data for result in results]


def outputs_without_a_kernel(folder):
    import ast
    import base64

    scope = {}
    outputs = []
    before = Path.cwd()
    os.chdir(folder)
    try:
        for cell in CELLS:
            *body, last = ast.parse(cell).body
            exec(compile(ast.Module(body, []), "cell", "exec"), scope)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
            if hasattr(value, "_repr_png_"):
                outputs.append({"image/png": base64.b64encode(value._repr_png_()).decode()})
            else:
                outputs.append({"text/html": value._repr_html_()})
    finally:
        os.chdir(before)
    return outputs
