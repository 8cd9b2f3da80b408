import ast
import copy
import inspect
import io
import itertools
import math
import re
import sys
import textwrap
from contextlib import closing

import numpy as np
import pytest
from alone import layered, run_alone
from table.authored import Centre, InPlace, Masked, Swish
from table.samples import sample

import minitorch_np as mt
from minitorch_np import tutorial
from minitorch_np.cli import main
from minitorch_np.study.handwritten import handwritten, write


def small(optimizer=mt.SGD, loss=mt.SquaredLoss, middle=mt.Tanh, **options):
    model = mt.Sequential(mt.Linear(3, 4, rng=0), middle(), mt.Linear(4, 2, rng=1))
    return model, loss(), optimizer(model.parameters(), **options)


def data(batch=5):
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, 3)), rng.standard_normal((batch, 2))


def loop_of(text):
    """The statements of the training loop, one line of text each."""
    train = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name == "train")
    loop = next(statement for statement in train.body if isinstance(statement, ast.For))
    return [ast.unparse(statement) for statement in [*loop.body]]


def tutorial_network():
    start = tutorial.problem()
    model = tutorial.network(start.w1, start.w2)
    return model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=1e-6)


def test_the_tutorials_network_gives_the_tutorials_program_line_for_line():
    theirs = textwrap.dedent(inspect.getsource(tutorial.handwritten)).replace("def handwritten", "def train")
    text = handwritten(*tutorial_network())
    assert loop_of(text) == loop_of(theirs)
    assert len(loop_of(text)) == 12
    assert "def train(x, y, w1, w2, steps=500, learning_rate=1e-06):" in text
    assert [line.strip() for line in text.splitlines() if "import" in line] == ["import numpy as np"]


def test_the_phases_are_marked_and_lines_end_in_shapes():
    text = handwritten(*tutorial_network())
    marks = ["# forward: predict y", "# backward: gradients of w2 and w1", "# gradient descent"]
    assert [line.strip() for line in text.splitlines() if line.strip() in marks] == marks
    assert re.search(r"h = x\.dot\(w1\)  # \(64, 100\)$", text, re.MULTILINE)
    assert re.search(
        r"grad_w1 = x\.T\.dot\(grad_h\)  # \(1000, 100\), transposed: .*batch$", text, re.MULTILINE
    )


def test_the_tutorials_program_trains_as_the_tutorial_does(tmp_path):
    text = handwritten(*tutorial_network(), steps=20)
    start = tutorial.problem()
    losses, _, _ = tutorial.handwritten(*start, 20)
    [(printed, arrays)] = run_alone([text], tmp_path)
    assert printed == [f"{step} {loss!s}" for step, loss in enumerate(losses)]
    assert arrays["w1"] == start.w1.tobytes().hex()


@pytest.mark.parametrize("form", ["embed", "npz", "seed"])
def test_where_the_arrays_come_from(form, tmp_path):
    model, loss, optimizer = small(mt.Adam)
    x, y = data(40)  # larger than what is written readably
    options = {"data": form, "steps": 7}
    if form == "seed":
        x, y = (40, 3), None
    if form == "npz":
        options["path"] = tmp_path / "program_0.py"
    program = write(model, loss, optimizer, x, y, data=form, steps=7)
    text = handwritten(model, loss, optimizer, x, y, **options)
    assert text == program.text
    assert sorted(path.name for path in tmp_path.iterdir()) == (["program_0.npz"] if form == "npz" else [])
    for parameter, array in zip(model.parameters(), list(program.arrays.values())[2:], strict=True):
        parameter.data = array
    expected, weights = layered(model, loss, optimizer, program.arrays["x"], program.arrays["y"], 7)
    [(printed, arrays)] = run_alone([text], tmp_path)
    assert printed == expected
    assert [arrays[name] for name in ("w1", "b1", "w2", "b2")] == weights


def test_a_small_array_is_embedded_readably_and_exactly():
    model, loss, optimizer = small()
    x = np.array([[0.1, -0.0, 1e-310]])
    text = handwritten(model, loss, optimizer, x, np.array([[1 / 3, 2.0]]))
    assert "x = np.array([\n        [0.1, -0.0, 1e-310],\n    ])" in text
    text = handwritten(model, loss, optimizer, np.array([[np.inf, 0.0, -np.nan]]), np.zeros((1, 2)))
    assert "bytes.fromhex" in text


def test_what_is_learned_and_kept_goes_on(tmp_path):
    """Moments, step counts, running means and random masks are taken up where they stand."""
    model = mt.Sequential(mt.Linear(3, 4, rng=0), Centre(4), Masked(rng=3), mt.Linear(4, 2, rng=1))
    loss, optimizer = mt.MSELoss(), mt.RAdam(model.parameters(), lr=0.1)
    x, y = data()
    layered(model, loss, optimizer, x, y, 4)
    text = handwritten(model, loss, optimizer, x, y, steps=6)
    assert "for step in range(5, 5 + steps):" in text
    expected, _ = layered(model, loss, optimizer, x, y, 6)
    [(printed, _)] = run_alone([text], tmp_path)
    assert printed == expected


def test_parameters_that_have_made_fewer_steps_count_on_their_own(tmp_path):
    model, loss, optimizer = small(mt.Adam, lr=0.1)
    x, y = data()
    for _ in range(3):
        loss(model(x), y)
        model.backward(loss.backward())
        model[2].weight.zero_grad()  # a weight that was frozen so far
        optimizer.step()
    text = handwritten(model, loss, optimizer, x, y, steps=6)
    assert "for step in range(1, steps + 1):" in text
    assert "step2 = step + 3" in text
    expected, weights = layered(model, loss, optimizer, x, y, 6)
    [(printed, arrays)] = run_alone([text], tmp_path)
    assert printed == expected
    assert [arrays[name] for name in ("w1", "b1", "w2", "b2")] == weights


def test_nothing_is_changed_by_it():
    model, loss, optimizer = small(mt.Adam, middle=lambda: Masked(rng=0))
    x, y = data()
    layered(model, loss, optimizer, x, y, 2)
    loss(model(x), y)
    state = copy.deepcopy(
        (vars(model[1])["rng"].bit_generator.state, optimizer.state_dict(), model.state_dict())
    )
    handwritten(model, loss, optimizer, x, y)
    after = (vars(model[1])["rng"].bit_generator.state, optimizer.state_dict(), model.state_dict())
    assert str(after) == str(state)
    model.backward(loss.backward())  # what forward had kept is still there


def test_options_and_states_have_the_names_of_the_rule():
    text = handwritten(*small(mt.Adam, weight_decay=0.1))
    assert "beta1 = 0.9\n" in text
    assert "weight_decay = 0.1\n" in text
    assert "m_w1, v_w1 = np.zeros_like(w1), np.zeros_like(w1)" in text
    assert "for w, g, m, v in (" in text
    assert "(b2, grad_b2, m_b2, v_b2)," in text
    assert "for step in range(1, steps + 1):" in text
    assert "amsgrad" not in text


def test_gradients_that_add_up():
    class Twice(mt.Linear):
        def backward(self, dy):
            self.bias.add_grad(dy.sum(axis=0))
            return super().backward(dy)

    model = mt.Sequential(Twice(3, 2, rng=0))
    text = handwritten(model, mt.SquaredLoss(), mt.SGD(model.parameters()), *data())
    assert "grad_b = grad_y_pred.sum(axis=0)" in text
    assert "grad_b += grad_y_pred.sum(axis=0)" in text


def test_places_say_where_a_variable_belongs():
    model = mt.Sequential({"body": mt.Sequential(mt.Linear(3, 4), mt.ReLU()), "head": mt.Linear(4, 2)})
    places = write(model, mt.SquaredLoss(), mt.SGD(model.parameters())).places
    assert {name: (place.layer, place.what) for name, place in places.items()} == {
        "w1": ("body.0", "weight"),
        "b1": ("body.0", "bias"),
        "w2": ("head", "weight"),
        "b2": ("head", "bias"),
        "h": ("body.0", "output"),
        "h_relu": ("body.1", "output"),
        "y_pred": ("head", "output"),
        "grad_y_pred": ("", "gradient of output"),
        "grad_w2": ("head", "gradient of weight"),
        "grad_b2": ("head", "gradient of bias"),
        "grad_h_relu": ("head", "gradient of input"),
        "grad_h": ("body.1", "gradient of input"),
        "grad_w1": ("body.0", "gradient of weight"),
        "grad_b1": ("body.0", "gradient of bias"),
    }
    assert places["h"].repr == "Linear(3, 4)"


def test_a_batch_of_one_and_an_empty_batch(tmp_path):
    model, loss, optimizer = small()
    for batch in (1, 0):
        x, y = data(batch)
        text = handwritten(model, loss, optimizer, x, y, steps=3)
        expected, _ = layered(*copy.deepcopy((model, loss, optimizer)), x, y, 3)
        [(printed, _)] = run_alone([text], tmp_path)
        assert printed == expected


def test_integers_and_read_only_and_strided_arrays(tmp_path):
    model, loss, optimizer = small()
    x = np.arange(30).reshape(5, 6)[:, ::2]
    x.flags.writeable = False
    y = np.asfortranarray(np.ones((5, 2), dtype=int))
    text = handwritten(model, loss, optimizer, x, y, steps=3)
    expected, _ = layered(model, loss, optimizer, x, y, 3)
    [(printed, _)] = run_alone([text], tmp_path)
    assert printed == expected


class Shifted(mt.Layer):
    """Adds float64 numbers to whatever comes, which keeps its precision."""

    def __init__(self):
        self.shift = np.linspace(0, 1, 4)

    def forward(self, x):
        y = 2 * x
        y += self.shift
        return y

    def backward(self, dy):
        return 2 * dy


def test_adding_in_place_keeps_the_precision(tmp_path):
    model, loss, optimizer = small(middle=Shifted)
    model.astype("float32")
    x, y = (a.astype("float32") for a in data())
    text = handwritten(model, loss, optimizer, x, y, steps=5)
    expected, _ = layered(model, loss, optimizer, x, y, 5)
    [(printed, _)] = run_alone([text], tmp_path)
    assert printed == expected


class Bad(mt.Layer):
    def backward(self, dy):
        return dy


class BySize(Bad):
    def forward(self, x):
        if len(x) > 3 and x.size > 4 and x.ndim == 2:
            return 3 * x
        raise ValueError(f"too few: {x.mean()}")


def test_sizes_decide_branches():
    text = handwritten(*small(middle=BySize), *data())
    assert "h_by_size = 3 * h" in text
    assert not [line for line in loop_of(text) if line.startswith("if")]
    with pytest.raises(ValueError, match="too few"):
        handwritten(*small(middle=BySize), *data(2))


class WhilePositive(Bad):
    def forward(self, x):
        while x.sum() > 0:
            x = x - 1
        return x


class AsOftenAsTheSum(Bad):
    def forward(self, x):
        for _ in range(int(x.sum())):
            x = x / 2
        return x


class Picked(Bad):
    def forward(self, x):
        return x * [1, 2][int(x[0, 0] > 0)]


class Outside(Bad):
    def forward(self, x):
        return x * np.float64(textwrap.fill(str(x[0, 0])))


class Counting(Bad):
    calls = 0

    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class GlobalRandom(Bad):
    def forward(self, x):
        return x * np.random.rand(*x.shape)  # noqa: NPY002


class WithFile(Bad):
    def forward(self, x):
        with closing(io.StringIO("text")) as file:
            return x * len(file.read())


class ByMath(Bad):
    def forward(self, x):
        return x * math.exp(x.max())


class LeavesLoop(Bad):
    def forward(self, x):
        for i in range(3):
            if x.sum() > i:
                break
            x = x - 1
        return x


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (WhilePositive, "the loop depends on the numbers in the network"),
        (AsOftenAsTheSum, "the length of a loop depends on the numbers in the network"),
        (Picked, "the index depends on the numbers in the network"),
        (Outside, "str(…) depends on the numbers in the network"),
        (Counting, "calls changes from step to step: keep it in an array, there from the start"),
        (GlobalRandom, "a global random generator: hold a np.random.Generator"),
        (WithFile, "`with closing(io.StringIO('text')) as file` leads outside"),
        (ByMath, "math.exp leads outside NumPy"),
        (LeavesLoop, "a loop is left where that depends on the numbers in the network"),
    ],
)
def test_what_cannot_be_written_out_is_named_with_its_line(layer, message):
    model, loss, optimizer = small(middle=layer)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        handwritten(model, loss, optimizer, *data())
    assert str(caught.value).startswith(f"{layer.__name__}() cannot be written out: ")
    line = int(re.search(r"test_handwritten\.py line (\d+): ", str(caught.value))[1])
    source, first = inspect.getsourcelines(layer)
    assert first < line < first + len(source)


def test_a_layer_without_source():
    scope = {"Bad": Bad}
    exec("class Typed(Bad):\n    def forward(self, x):\n        return x", scope)
    with pytest.raises(ValueError, match=r"the source of Typed\.forward cannot be read: write it in a file"):
        handwritten(*small(middle=scope["Typed"]), *data())


def test_a_layer_that_computes_something_else_at_its_second_call():
    turns = itertools.count()

    class Changing(Bad):
        def forward(self, x):
            return x * (next(turns) % 2)

    with pytest.raises(RuntimeError, match="Does a layer compute something else from call to call"):
        handwritten(*small(middle=Changing), *data())


def test_a_rule_that_is_another_from_the_third_step_on():
    class Sudden(mt.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr=lr)
            self.turns = []

        def __setstate__(self, saved):
            super().__setstate__(saved)
            self.turns = []

        def update(self, blocks, step, *, lr):
            self.turns.append(step)
            for w, g, _ in blocks:
                w -= (lr if len(self.turns) < 3 else 2 * lr) * g

    with pytest.raises(RuntimeError, match="w1 after 3 steps is not the layers'"):
        handwritten(*small(Sudden), *data())


def test_arrays_that_change_on_the_way(tmp_path):
    model, loss, optimizer = small(middle=InPlace)
    x, y = data()
    text = handwritten(model, loss, optimizer, x, y, steps=5)
    expected, _ = layered(model, loss, optimizer, x, y, 5)
    [(printed, _)] = run_alone([text], tmp_path)
    assert printed == expected


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "net"}, TypeError, "expects model to be Layer, got 'net'"),
        ({"loss": np.square}, TypeError, "expects loss to be Loss"),
        ({"optimizer": None}, TypeError, "expects optimizer to be Optimizer, got None"),
        (
            {"optimizer": mt.SGD(mt.Linear(3, 2).parameters())},
            ValueError,
            "parameters that are none of the model",
        ),
        ({"data": "file"}, ValueError, "expects data to be 'embed', 'npz' or 'seed', got 'file'"),
        ({"y": None}, ValueError, "with data='embed' expects the arrays x and y"),
        ({"data": "npz"}, ValueError, "expects path"),
        ({"data": "seed"}, ValueError, "draws y itself: leave it out"),
        ({"x": np.ones((5, 4))}, ValueError, "Linear(3, 4) expects x of shape (N, 3), got (5, 4)"),
        ({"x": np.ones((5, 3), np.float32)}, TypeError, "expects x of dtype float64, got float32"),
        ({"y": np.ones((5, 3))}, ValueError, "expects prediction and target of the same shape"),
        ({"y": np.ones((5, 2), np.float32)}, TypeError, "expects target of dtype float64, got float32"),
    ],
)
def test_wrong_calls(change, error, message):
    model, loss, optimizer = small()
    x, y = data()
    arguments = {"model": model, "loss": loss, "optimizer": optimizer, "x": x, "y": y} | change
    with pytest.raises(error, match=re.escape(message)):
        handwritten(**arguments)


def test_a_network_that_does_not_say_how_wide_its_data_is():
    model = mt.Sequential(mt.PReLU())
    assert "x = rng.standard_normal((64, 4))" in handwritten(
        model, mt.SquaredLoss(), mt.SGD(model.parameters())
    )
    assert "x = rng.standard_normal((4, 2))" in handwritten(
        model, mt.SquaredLoss(), mt.SGD(model.parameters()), (4, 2)
    )


def test_the_command_prints_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_layers.py").write_text("from table.authored import Swish\n")
    call = ["handwritten", "Linear(6, 5), my_layers.py:Swish(1.5), Linear(5, 3)", "--loss", "CrossEntropyLoss"]
    call += ["--optimizer", "Adam", "--batch", "4", "--steps", "3", "--lr", "0.1", "--dtype", "float32"]
    assert main(call) == 0
    text = capsys.readouterr().out
    assert "learning_rate=0.1" in text
    assert "y = rng.integers(0, 3, (4,))" in text
    results = []
    for form in ("seed", "embed", "npz"):
        assert main([*call, "--data", form, "-o", f"program_{form}.py"]) == 0
        assert capsys.readouterr().out == f"the program is in program_{form}.py: python program_{form}.py\n"
        results.append(
            run_alone([(tmp_path / f"program_{form}.py").read_text()], tmp_path)
        ) if form != "npz" else 0
    assert (tmp_path / "program_seed.py").read_text() == text
    assert results[0][0][0] == results[1][0][0]
    assert len(results[0][0][0]) == 3
    assert sorted(p.name for p in tmp_path.glob("program_*.np*")) == ["program_npz.npz"]
    assert repr(Swish(1.5)) in text


def test_the_command_without_a_network_is_the_tutorials(capsys):
    assert main(["handwritten"]) == 0
    assert loop_of(capsys.readouterr().out) == loop_of(handwritten(*tutorial_network()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "program.txt"], "--output should end in .py, got program.txt"),
        (["-o", "missing/program.py"], "there is no directory missing"),
        (["--data", "npz"], "--data npz needs --output FILE.py"),
        (["Linear(3, 2"], "expected layers such as"),
        (["Linear(3, 2)", "--loss", "BCELoss"], "expects probabilities between 0 and 1"),
        (["Linear(3, 2)", "--loss", "MSELoss(reduction='none')"], "no single one"),
        (["ReLU()"], "got no parameters"),
        (["Linear(3, 2)", "--optimizer", "Magic"], "there is no optimizer Magic"),
    ],
)
def test_wrong_calls_of_the_command(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["handwritten", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_an_inner_layer_is_given_has_the_name_that_the_source_gives_it():
    class Doubled(mt.Layer):
        def __init__(self, inner):
            self.inner = inner

        def forward(self, x):
            twice = 2 * self.check_input(x)
            return self.inner(twice)

        def backward(self, dy):
            return 2 * self.inner.backward(dy)

    x = sample((5, 4))
    model = mt.Sequential(mt.Linear(4, 4, rng=0), Doubled(mt.Tanh()), mt.Linear(4, 2, rng=1))
    program = mt.handwritten(model, mt.MSELoss(), mt.SGD(model.parameters()), x, sample((5, 2), seed=1))
    assert "twice_tanh = np.tanh(" in program
    assert "grad_twice = " in program
    model[1].inner = mt.Dropout().eval()  # gives back what it was given
    program = mt.handwritten(model, mt.MSELoss(), mt.SGD(model.parameters()), x, sample((5, 2), seed=1))
    assert "twice_dropout" in program


@pytest.mark.parametrize(
    "network",
    [
        ["Conv2d(1, 4, 3), ReLU(), Flatten(), Linear(144, 3)"],
        ["LSTM(4, 5), Select(1, -1), Linear(5, 3)"],
        ["Conv1d(2, 3, 3), Flatten(), Linear(9, 2)", "--shape", "4,2,5"],
    ],
)
def test_the_command_draws_an_x_that_the_first_layer_takes(network, capsys):
    assert main(["handwritten", *network]) == 0
    compile(capsys.readouterr().out, "program.py", "exec")


def test_a_program_that_fails_shows_the_lines_around_the_difference(monkeypatch):
    from minitorch_np.study import handwritten as module

    monkeypatch.setattr(sys.modules[module.__module__], "equal_bits", lambda ours, theirs: 0)
    model = mt.Sequential(mt.Linear(100, 30, rng=0), mt.Tanh(), mt.Linear(30, 3, rng=1))
    x, y = np.ones((50, 100)), np.ones((50, 3))
    with pytest.raises(RuntimeError, match="w1 after 3 steps is not the layers'") as caught:
        mt.handwritten(model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=0.1), x, y)
    lines = str(caught.value).splitlines()
    assert len(lines) < 20
    assert max(map(len, lines[1:])) < 112
    assert [line.split(maxsplit=2)[2] for line in lines if line.startswith(">")] == [
        "w1 -= learning_rate * grad_w1"
    ]
