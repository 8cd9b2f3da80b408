"""Programs written by hand against the layers: right ones, and ones with a mistake each."""

import copy
import sys
from itertools import pairwise

import handwritten_programs as programs
import matplotlib.image
import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import tutorial
from minitorch_np.study import machine, plots
from minitorch_np.study.compare import compare


def tutorial_network(square=False):
    """The tutorial's network, loss, optimizer and data, small; `square` with all of one width."""
    sizes = {"inputs": 6, "outputs": 6} if square else {"inputs": 7, "outputs": 3}
    start = tutorial.problem(8, 6 if square else 5, **sizes)
    model = tutorial.network(start.w1, start.w2)
    return model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=1e-4), start.x, start.y


def student_network(square=False):
    rng = np.random.default_rng(3)
    widths = (4, 5, 5, 5) if square else (4, 6, 5, 3)
    layers = [mt.Linear(n, m, rng=rng) for n, m in pairwise(widths)]
    model = mt.Sequential(layers[0], mt.ReLU(), layers[1], mt.ReLU(), layers[2])
    x, y = rng.standard_normal((9, 4)), rng.standard_normal((9, widths[-1]))
    return model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1), x, y


@pytest.fixture
def against(tmp_path):
    """The path of a file with a program's text, changed."""

    def written(text, changes=()):
        path = tmp_path / "my_network.py"
        path.write_text(programs.changed(text, changes))
        return path

    return written


CASES = [
    pytest.param(
        text, network, mistake, id=f"{title}: {name}", marks=[pytest.mark.slow] if title == "student" else []
    )
    for title, text, network, table in (
        ("tutorial", programs.TUTORIAL, tutorial_network, programs.MISTAKES),
        ("student", programs.STUDENT, student_network, programs.STUDENT_MISTAKES),
    )
    for name, mistake in table.items()
]


@pytest.mark.parametrize(("text", "network", "mistake"), CASES)
def test_a_mistake_is_found_in_its_line_and_named(against, text, network, mistake):
    found = compare(*network(mistake.square), steps=4, against=against(text, mistake.changes))
    assert not found
    assert not found.is_rounding
    first = found.wrong[0]
    assert (first.text, first.place.layer, first.array) == (mistake.line, mistake.layer, mistake.array)
    assert mistake.said in first.mistake
    assert f"line {first.line}: {mistake.line}" in str(found)
    written = programs.changed(text, mistake.changes).splitlines()[first.line - 1]
    assert written.strip() == mistake.line
    assert all(other.step >= first.step for other in found.wrong)


@pytest.mark.parametrize(("changes", "identical"), programs.VARIANTS.values(), ids=programs.VARIANTS)
def test_other_spellings_are_identical_or_rounded(against, changes, identical):
    found = compare(*tutorial_network(), steps=20, against=against(programs.TUTORIAL, changes))
    assert bool(found) == identical, str(found)
    assert found.is_rounding != identical
    assert not found.wrong


def test_the_student_is_right(against):
    found = compare(*student_network(), steps=20, against=against(programs.STUDENT))
    assert found, str(found)


@pytest.mark.parametrize(
    ("optimizer", "dtype"),
    [
        (mt.SGD, "float64"),
        (mt.Adam, "float32"),
        pytest.param(mt.RMSprop, "float64", marks=pytest.mark.slow),
        pytest.param(mt.SGD, "float32", marks=pytest.mark.slow),
        pytest.param(mt.Adam, "float64", marks=pytest.mark.slow),
        pytest.param(mt.RMSprop, "float32", marks=pytest.mark.slow),
    ],
)
def test_the_derived_program_is_identical(optimizer, dtype):
    model, loss, _, x, y = student_network()
    model[1] = mt.GELU()
    model.astype(dtype)
    found = compare(model, loss, optimizer(model.parameters(), lr=0.01), x.astype(dtype), y.astype(dtype))
    assert found, str(found)
    assert found.verdict() == "IDENTICAL to the bit over 20 steps"
    assert [count.total for count in found.counts] == [20, 20 * 83, 20 * 83]
    assert len(found.losses) == len(found.handwritten_losses) == len(found.times) == 20
    assert found.losses == found.handwritten_losses


def test_an_optimizer_goes_on_from_its_state():
    model, loss, _, x, y = student_network()
    optimizer = mt.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(3):
        loss(model(x), y)
        model.backward(loss.backward())
        optimizer.step()
    assert compare(model, loss, optimizer, x, y, steps=3)


def test_what_is_given_stays_as_it_is(against):
    model, loss, _, x, y = tutorial_network()
    optimizer = mt.Adam(model.parameters())
    loss(model(x), y)
    model.backward(loss.backward())
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict(), x, y))
    gradients = [(p.grad.copy(), p.has_grad) for p in model.parameters()]
    assert compare(model, loss, optimizer, x, y, steps=2)  # the gradient that was not used is no part of it
    compare(model, loss, optimizer, x, y, steps=2, against=against(programs.TUTORIAL))
    for name, array in model.state_dict().items():
        assert (array == before[0][name]).all()
    assert str(optimizer.state_dict()) == str(before[1])
    assert (x == before[2]).all()
    assert (y == before[3]).all()
    for parameter, (gradient, fresh) in zip(model.parameters(), gradients, strict=True):
        assert (parameter.grad == gradient).all()
        assert parameter.has_grad == fresh


def test_a_function_is_called_with_copies():
    model, loss, optimizer, x, y = tutorial_network()
    found = compare(model, loss, optimizer, x, y, against=tutorial.handwritten)
    assert found
    assert str(found).startswith("handwritten in tutorial.py against Sequential(")

    def swapped(y, w2, x, w1, lr, epochs):  # by name, whatever the order
        for _ in range(epochs):
            h = x @ w1
            d = 2.0 * (np.maximum(h, 0) @ w2 - y)
            dw2 = np.maximum(h, 0).T @ d
            dh = d @ w2.T
            dh[h < 0] = 0
            w1 -= lr * (x.T @ dh)
            w2 -= lr * dw2

    found = compare(model, loss, optimizer, x, y, against=swapped)
    assert found, str(found)
    assert found.handwritten_losses == []

    def by_order(a, b, c, d, iterations=7):
        for _ in range(iterations):
            h = a @ c
            g = 2 * (np.maximum(h, 0) @ d - b)
            gd = np.maximum(h, 0).T @ g
            gh = np.where(h < 0, 0, g @ d.T)
            c -= 1e-4 * (a.T @ gh)
            d -= 1e-4 * gd

    assert compare(model, loss, optimizer, x, y, against=by_order)


def test_the_report_says_all_of_it(against):
    found = compare(*tutorial_network(), steps=4, against=against(*_mistake("no mask")))
    text = str(found)
    assert found.first is found.wrong[0]
    at, ours, theirs, ulps = found.first.difference
    assert (theirs, ulps > 10**6) == (0.0, True)
    assert "WRONG in line 15\nline 15: grad_h = grad_h_relu.copy()\n" in text
    assert "    grad_h is the gradient of the input of layer 1, ReLU()\n" in text
    assert f"elements differ, first at {list(at)}: {ours:.6g} where 0 belongs\n" in text
    assert "should be: grad_h = grad_h_relu.copy() * (h_relu > 0)\n" in text
    assert "same bits: 1 of 4 losses, " in text
    assert "time a step: layered " in text
    assert f"on {machine.description()}, float64" in text
    assert repr(found) == "<Comparison: WRONG in line 15>"


def _mistake(name):
    return programs.TUTORIAL, programs.MISTAKES[name].changes


def test_rounding_says_where_it_starts_and_grows(against):
    changes = programs.VARIANTS["sum of columns"][0]
    found = compare(*tutorial_network(), steps=50, against=against(programs.TUTORIAL, changes))
    assert (found.first.array, found.first.step) == ("h", 0)
    assert 0 < found.first.difference.ulps < 1000
    assert max(found.ulps) > 0
    assert f"the losses are up to {max(found.ulps)} ULPs apart" in str(found)


def test_rounding_does_not_hide_a_mistake(against):
    changes = (("x.dot(w1)", "np.einsum('ni,ij->nj', x, w1)"), *programs.MISTAKES["no mask"].changes)
    found = compare(*tutorial_network(), steps=4, against=against(programs.TUTORIAL, changes))
    assert [finding.array for finding in found.wrong] == ["grad_h"]
    assert found.first.array == "h"
    assert found.first.is_rounding


def test_an_array_from_before_the_loop_is_not_taken_for_the_one_in_it(against):
    changes = (("    for _ in", "    h = x.dot(w1)\n    for _ in"), *programs.MISTAKES["no mask"].changes)
    found = compare(*tutorial_network(), steps=4, against=against(programs.TUTORIAL, changes))
    assert [finding.array for finding in found.wrong] == ["grad_h"]


def test_a_mask_that_changes_nothing_is_to_blame_and_not_the_line_before(against):
    changes = (("grad_h_relu", "g"), ("        grad_h = g.copy()\n", ""), ("grad_h[h < 0]", "g[h_relu < 0]"))
    changes = (*changes, ("x.T.dot(grad_h)", "x.T.dot(g)"))
    found = compare(*tutorial_network(), steps=4, against=against(programs.TUTORIAL, changes))
    assert [finding.text for finding in found.wrong] == ["g[h_relu < 0] = 0"]
    assert "made with h_relu where h belongs" in found.wrong[0].mistake


def test_two_mistakes_are_two_findings(against):
    changes = programs.MISTAKES["factor 2 left out"].changes + programs.MISTAKES["mask turned round"].changes
    found = compare(*tutorial_network(), steps=4, against=against(programs.TUTORIAL, changes))
    assert [finding.array for finding in found.wrong] == ["grad_y_pred", "grad_h"]
    assert "half the right one" in found.wrong[0].mistake
    assert "turned round" in found.wrong[1].mistake


def test_a_network_that_has_converged_is_rounding_still(against):
    """y_pred - y is small, and the rounding of y_pred large beside it."""
    model, loss, optimizer, x, y = tutorial_network()
    y = model(x) + 1e-9 * y
    columns = "sum(np.outer(h_relu[:, j], w2[j]) for j in range(len(w2)))"
    changes = (("2.0 * (y_pred - y)", f"2.0 * ({columns} - y)"),)
    found = compare(model, loss, optimizer, x, y, steps=3, against=against(programs.TUTORIAL, changes))
    assert found.is_rounding, str(found)
    changes = (*changes, *programs.MISTAKES["no mask"].changes)
    found = compare(model, loss, optimizer, x, y, steps=3, against=against(programs.TUTORIAL, changes))
    assert [finding.array for finding in found.wrong] == ["grad_h"]
    changes = (("y_pred - y)\n", "y_pred - y * (1 + 1e-10))\n"),)
    found = compare(model, loss, optimizer, x, y, steps=3, against=against(programs.TUTORIAL, changes))
    assert [finding.array for finding in found.wrong] == ["grad_y_pred"]


def test_a_small_step_of_the_wrong_length_is_no_rounding(against):
    model, loss, optimizer, x, y = tutorial_network()
    optimizer.param_groups[0]["lr"] = 1e-15
    changes = (("learning_rate * grad_w1", "2 * learning_rate * grad_w1"),)
    found = compare(model, loss, optimizer, x, y, steps=2, against=against(programs.TUTORIAL, changes))
    assert [finding.array for finding in found.wrong] == ["w1"]


def test_an_error_names_line_shapes_and_what_it_should_make(against):
    changes = (("x.T.dot(grad_h)", "x.dot(grad_h)"),)
    found = compare(*tutorial_network(), steps=4, against=against(programs.TUTORIAL, changes))
    assert not found
    assert found.verdict() == "FAILS before the first step is done"
    assert "line 17: grad_w1 = x.dot(grad_h)\n    ValueError: shapes (8,7) and (8,5) not aligned" in str(found)
    assert "where x (8, 7), grad_h (8, 5)" in str(found)
    assert "grad_w1 is the gradient of the weight of layer 0, Linear(7, 5" in str(found)
    assert "should be: grad_w1 = x.T.dot(grad_h)" in str(found)


def test_an_error_after_some_steps(against):
    changes = (
        (
            "        h = x",
            "        if len(losses) == 2:\n            raise ArithmeticError('enough')\n        h = x",
        ),
    )
    found = compare(*tutorial_network(), steps=4, against=against(programs.TUTORIAL, changes))
    assert not found
    assert (found.verdict(), len(found.losses)) == ("FAILS in step 2", 2)
    assert "line 8: raise ArithmeticError('enough')\n    ArithmeticError: enough" in str(found)


def test_a_file_that_trains_by_itself_is_run_and_the_network_starts_from_its_arrays(against):
    script = programs.TUTORIAL + (
        "\n\nrng = np.random.default_rng(5)\nx, y = rng.standard_normal((9, 7)), rng.standard_normal((9, 3))\n"
        "w1, w2 = rng.standard_normal((7, 5)), rng.standard_normal((5, 3))\n"
        "print(train(x, y, w1, w2, learning_rate=1e-4))\n"
    )
    found = compare(*tutorial_network(), against=against(script))
    assert found, str(found)
    assert "the network starts from the file's own arrays: x, y, w1, w2" in str(found)


def test_a_difference_from_the_derived_program_is_ours(monkeypatch):
    module = sys.modules["minitorch_np.study.handwritten"]
    write = module.write

    def wrong(*arguments, **options):
        program = write(*arguments, **options)
        return program._replace(text=program.text.replace("2.0 * (y_pred - y)", "3.0 * (y_pred - y)"))

    network = tutorial_network()
    assert compare(*network)
    monkeypatch.setattr(module, "write", wrong)
    found = compare(*network)
    assert not found
    assert not found.is_rounding
    assert "differ, first in the gradient of 0.weight in step 0: the mistake is in minitorch_np" in str(found)


def test_the_picture_has_both_curves_and_the_difference(against, tmp_path):
    found = compare(*tutorial_network(), steps=12, against=against(*_mistake("no mask")))
    figure = found.plot()
    above, below = figure.axes
    theirs, ours = (line.get_ydata().tolist() for line in above.lines)
    assert (ours, theirs) == (found.losses, found.handwritten_losses)
    assert [bar.get_height() for bar in below.patches] == found.ulps
    plots.save(figure, tmp_path / "both.png")
    assert matplotlib.image.imread(tmp_path / "both.png").shape[2] == 4
    same = compare(*tutorial_network(), steps=1).plot()
    assert [text.get_text() for text in same.axes[1].texts] == ["the same bits in every step"]


def test_what_is_no_network_and_no_program(against, tmp_path):
    model, loss, optimizer, x, y = tutorial_network()
    with pytest.raises(TypeError, match=r"compare expects a Loss, got ReLU\(\)"):
        compare(model, mt.ReLU(), optimizer, x, y)
    with pytest.raises(ValueError, match="compare expects steps to be a whole number, 1 or more, got 0"):
        compare(model, loss, optimizer, x, y, steps=0)
    with pytest.raises(ValueError, match=r"there is no file missing\.py: a program is given as the path"):
        compare(model, loss, optimizer, x, y, against="missing.py")
    with pytest.raises(TypeError, match="expected a function, the path of a file, or source text, got 3"):
        compare(model, loss, optimizer, x, y, against=3)
    with pytest.raises(ValueError, match=r"it takes \(x, w1, steps\), and should take \(x, y, w1, w2, "):
        compare(*tutorial_network(), against=_too_few)
    with pytest.raises(ValueError, match=r"my_network.py has no array of shape \(5, 3\) for 2.weight that it"):
        compare(*tutorial_network(), against=against(f"{LINEAR}x, w1, y = a(9, 7), a(7, 5), a(9, 3)\n{LOOP}"))


def _too_few(x, w1, steps):
    for _ in range(steps):
        w1 -= x.T @ (x @ w1)


LINEAR = "import numpy as np\na = np.random.default_rng(0).standard_normal\na = lambda *n, a=a: a(n)\n"
LOOP = "for _ in range(9):\n    w1 -= 1e-6 * x.T @ (x @ w1)\n    y\n"


def test_a_mask_in_the_line_of_the_product_is_no_hindrance():
    """grad_h_relu has no variable of its own here, and w2 is updated too early for it."""

    def train(x, y, w1, w2, steps, learning_rate):
        losses = []
        for _ in range(steps):
            h = x.dot(w1)
            h_relu = np.maximum(h, 0)
            y_pred = h_relu.dot(w2)
            losses.append(np.square(y_pred - y).sum() / y.size)
            grad_y_pred = 2.0 * (y_pred - y) / y.size
            grad_w2 = h_relu.T.dot(grad_y_pred)
            w2 -= learning_rate * grad_w2
            grad_h = grad_y_pred.dot(w2.T) * (h > 0)
            grad_w1 = x.T.dot(grad_h)
            w1 -= learning_rate * grad_w1
        return losses

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 6)), rng.standard_normal((16, 3))
    first, last = mt.Linear(6, 5, bias=False, rng=rng), mt.Linear(5, 3, bias=False, rng=rng)
    model = mt.Sequential(first, mt.ReLU(), last)
    [finding] = compare(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01), x, y, against=train).wrong
    assert finding.text == "grad_h = grad_y_pred.dot(w2.T) * (h > 0)"
    assert (finding.array, finding.place.layer, finding.place.what) == ("grad_h", "1", "gradient of input")
    assert finding.mistake == "it is made with w2 after its update: compute all gradients first, update then"


SMALL = """
import numpy as np
rng = np.random.default_rng(0)
x, y, w = rng.standard_normal((9, 4)), rng.standard_normal((9, 2)), rng.standard_normal((4, 2))
for _ in range(50):
    d = x @ w - y
    loss = np.square(d).sum()
    w -= 0.01 * 2 * x.T @ d
"""


def test_a_text_is_judged_in_a_process_of_its_own():
    found = compare(SMALL)
    assert found
    assert (found.exit_code, found.judged, found.program) == (0, "right", "the program")
    assert "the gradients of w are those of `loss` in line 7" in str(found)
    assert found.rule == "SGD(lr=0.01)"
    wrong = compare(SMALL.replace("x.T @ d", "x.T @ (d * d)"))
    assert not wrong
    assert wrong.exit_code == 1
    assert wrong.verdict() == "WRONG in line 8"
    assert wrong.wrong[0].write == ("w -= 0.01 * 2 * x.T @ d",)


def test_a_function_is_judged_in_this_process():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 4)), rng.standard_normal((9, 2))

    def train(rate=0.01):
        w = np.ones((4, 2))
        for _ in range(30):
            d = x @ w - y
            loss = (d**2).mean()
            w = w - rate * 2 * x.T @ d / d.size
        return loss

    assert compare(train), str(compare(train))

    def wrong(rate=0.01):
        w = np.ones((4, 2))
        for _ in range(30):
            d = x @ w - y
            loss = (d**2).mean()
            w = w + rate * 2 * x.T @ d / d.size
        return loss

    [finding] = compare(wrong).wrong
    assert "the wrong sign" in finding.mistake
    assert finding.text == "w = w + rate * 2 * x.T @ d / d.size"


def test_what_is_not_judged_says_what_is_missing():
    found = compare(SMALL.replace("    w -= 0.01", "    v = 0.01"))
    assert not found
    assert (found.exit_code, found.judged) == (2, "not judged")
    assert found.verdict().startswith("NOT JUDGED: it updates no array by a gradient")
    endless = compare(SMALL.replace("for _ in range(50):", "while True:\n    continue"), timeout=1.0)
    assert endless.verdict().startswith("NOT JUDGED: it was stopped after 1 seconds")


def test_the_lines_are_marked_in_a_notebook():
    found = compare(SMALL.replace("x.T @ d", "x.T @ np.abs(d)"))
    page = found._repr_html_()
    assert page.count("<mark>") == 1
    assert "w -= 0.01 * 2 * x.T @ np.abs(d)</mark>" in page
    assert "should be: w -= 0.01 * 2 * x.T @ d" in page
    assert "<mark>" not in compare(SMALL)._repr_html_()


def test_a_second_array_is_out_by_accident():
    found = compare(SMALL.replace("np.square(d).sum()", "np.square(x @ w, d).sum()"))
    assert "np.square writes its result into d: a second array there is `out`" in str(found)


def test_numbers_that_are_not_finite_are_said():
    found = compare(SMALL.replace("0.01 * 2", "1e200 * 2"))
    assert "not finite" in str(found)
