"""Which variable of a program is which array of the network."""

import handwritten_programs as programs
import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study.byhand.matching import canonical, close, fitted, is_loss, match
from minitorch_np.study.byhand.reading import bound, data_of, weights_of
from minitorch_np.study.byhand.recording import ProgramSource, record
from minitorch_np.study.byhand.reference import LOSS, Reference
from minitorch_np.study.handwritten import write
from minitorch_np.study.locations import Location

WEIGHTS = ("w1", "b1", "w2", "b2", "w3", "b3")


def network():
    rng = np.random.default_rng(3)
    first, second, third = (mt.Linear(n, m, rng=rng) for n, m in ((4, 5), (5, 5), (5, 2)))
    model = mt.Sequential(first, mt.ReLU(), second, mt.ReLU(), third)
    x, y = rng.standard_normal((6, 4)), rng.standard_normal((6, 2))
    program = write(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.1), x, y)
    return Reference(program.text, program.arrays, program.places, WEIGHTS)


def matched(tmp_path, changes=()):
    """The names and lines that a changed student's program has for the arrays of the network."""
    path = tmp_path / "student.py"
    path.write_text(programs.changed(programs.STUDENT, changes))
    reference = network()
    given = [array.copy() for array in reference.arrays.values()]
    arguments = dict(zip(("X", "T", "W1", "b1", "W2", "b2", "W3", "b3"), given, strict=True))
    recording = record(ProgramSource.of(path), 2, {**arguments, "epochs": 2, "lr": 0.1})
    assert recording.program_error is None
    weights = weights_of(recording, {n: reference.arrays[n] for n in WEIGHTS}, {n: n for n in WEIGHTS})
    data = data_of(recording, {n: reference.arrays[n] for n in "xy"}, weights, True)
    found = match(reference, recording, weights, {**reference.arrays, **data[0]})
    return found, {name: recording.program.line(site.line) for name, site in found.sites.items()}


RIGHT = {
    "h1": 'Z1 = X @ P["W1"] + P["b1"]',
    "h1_relu": "A1 = np.maximum(0, Z1)",
    "h2": 'Z2 = A1 @ P["W2"] + P["b2"]',
    "h2_relu": "A2 = np.maximum(0, Z2)",
    "y_pred": 'Z3 = A2 @ P["W3"] + P["b3"]',
    LOSS: "loss = np.mean((out - T) ** 2)",
    "grad_y_pred": "d3 = 2 * (out - T) / out.size",
    "grad_w3": "dW3 = A2.T @ d3",
    "grad_b3": "db3 = np.sum(d3, axis=0)",
    "grad_h2_relu": 'd2 = d3 @ P["W3"].T',
    "grad_h2": "d2 = np.where(Z2 < 0, 0, d2)",
    "grad_w2": "dW2 = A1.T @ d2",
    "grad_b2": "db2 = np.sum(d2, axis=0)",
    "grad_h1_relu": 'd1 = d2 @ P["W2"].T',
    "grad_h1": "d1 = np.where(Z1 < 0, 0, d1)",
    "grad_w1": "dW1 = X.T @ d1",
    "grad_b1": "db1 = np.sum(d1, axis=0)",
}


def test_arrays_are_known_by_what_they_equal(tmp_path):
    found, lines = matched(tmp_path)
    assert lines == RIGHT
    assert found.weights == {name: f"P['{name.replace('w', 'W')}']" for name in WEIGHTS}


@pytest.mark.parametrize(
    ("old", "new", "array"),
    [
        ("d3 = 2 * (out - T)", "d3 = 7 * (out - T)", "grad_y_pred"),
        ("dW3 = A2.T @ d3", "dW3 = A2.T @ (3 * d3)", "grad_w3"),
        ("d2 = np.where(Z2 < 0, 0, d2)", "d2 = np.where(Z1 > 0.1, 0, d2)", "grad_h2"),
        ("A1 = np.maximum(0, Z1)", "A1 = np.sin(Z1)", "h1_relu"),
        ('d1 = d2 @ P["W2"].T', 'd1 = d2 @ P["W2"]', "grad_h1_relu"),
        ("db1 = np.sum(d1, axis=0)", "db1 = np.sum(d1 * d1, axis=0)", "grad_b1"),
    ],
)
def test_a_wrong_array_is_known_by_its_name_or_by_what_follows(tmp_path, old, new, array):
    _, lines = matched(tmp_path, ((old, new),))
    assert lines == RIGHT | {array: RIGHT[array].replace(old, new)}


def test_names_say_nothing_and_nothing_is_lost(tmp_path):
    changes = [("d1", "q"), ("d2", "qq"), ("d3", "qqq"), ("Z", "m"), ("A", "mm"), ("dW", "e"), ("db", "ee")]
    changes += [("loss = ", "thing = "), ("append(loss)", "append(thing)")]
    _, lines = matched(tmp_path, tuple(changes))
    expected = {name: programs.changed_line(line, changes) for name, line in RIGHT.items()}
    assert {**lines, LOSS: ""} == {**expected, LOSS: ""}
    assert lines[LOSS] in ("thing = np.mean((out - T) ** 2)", "history.append(thing)")


def test_what_has_no_array_is_left_out(tmp_path):
    _, lines = matched(tmp_path, (('"W3": dW3', '"W3": A2.T @ d3'), ("    dW3 = A2.T @ d3\n", "")))
    assert lines["grad_w3"] == "grads = backward(X, T, out, P, cache)"
    no_loss = ("        loss = np.mean((out - T) ** 2)\n        history.append(loss)\n", "")
    _, lines = matched(tmp_path, (no_loss,))
    assert lines == {name: line for name, line in RIGHT.items() if name != LOSS}


def test_the_reference_runs_on_with_other_arrays():
    reference = network()
    assert reference.names[-6:] == list(WEIGHTS)
    assert reference.gradient_of("w2") == "grad_w2"
    assert reference.weight_of("grad_b1") == "b1"
    assert reference.place("grad_h1") == Location("1", "ReLU()", "gradient of input")
    assert reference.written(["grad_w1"], {"x": "X", "grad_h1": "d1", "grad_w1": "dW1"}) == (
        "dW1 = X.T.dot(d1)",
    )
    scope = reference.begin(reference.arrays, 1)
    values = {}
    for segment, _ in reference.step(scope):
        for name, value in reference.values(segment, scope):
            if name == "h1_relu":
                reference.put(scope, name, 0 * value)
            values[name] = value
    assert (values["h2"] == reference.arrays["b2"]).all()
    assert not values["grad_w2"].any()
    assert (reference.arrays["w2"] == values["w2"]).all()
    assert (reference.arrays["b2"] != values["b2"]).any()


@pytest.mark.parametrize(
    ("names", "same"),
    [
        ("dW1 grad_w1 grads['W1'] self.dW1 W1_grad grad_W_1", True),
        ("y_pred yhat out predictions self.y_hat", True),
        ("w1 W1 params['W1'] self.w1", True),
        ("w1 dw1", False),
        ("data d", False),
    ],
)
def test_spellings(names, same):
    assert (len(set(map(canonical, names.split()))) == 1) == same


def test_what_a_loss_is_called():
    assert all(map(is_loss, ["loss", "losses[-1]", "history[step]", "J", "cost", "mse"]))
    assert not any(map(is_loss, ["lr", "t", "h", "y_pred"]))


def test_closeness_is_to_rounding_of_the_largest_element():
    right = np.array([1e6, 1.0])
    assert close(right + np.array([0, 1e-9]), right)
    assert not close(right + np.array([0, 1e-3]), right)
    assert close(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
    assert not close(np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    assert fitted(np.zeros((1, 3)), np.zeros(3)).shape == (3,)
    assert fitted(np.zeros((3, 1)), np.zeros((1, 4))) is None
    assert fitted(np.zeros((2, 3)), np.zeros((3, 2))) is None


def test_arguments_go_by_name_or_by_order():
    main, others = {"x": 1, "y": 2, "w1": 3}, {"v_w1": 4}
    assert bound(["w1", "x", "y"], 3, main, others, 9, 0.1) == main
    assert bound(["a", "b", "c", "steps", "lr"], 5, main, others, 9, 0.1) == {
        "a": 1, "b": 2, "c": 3, "steps": 9, "lr": 0.1,
    }  # fmt: skip
    assert bound(["x", "y", "w1", "v_w1", "verbose"], 4, main, others, 9, 0.1) == main | others
    with pytest.raises(ValueError, match=r"it takes \(x, y\), and should take \(x, y, w1, steps, lea"):
        bound(["x", "y"], 2, main, others, 9, 0.1)
    with pytest.raises(ValueError, match="what its parameter depth should be is not clear"):
        bound(["x", "y", "w1", "depth"], 4, main, others, 9, 0.1)
