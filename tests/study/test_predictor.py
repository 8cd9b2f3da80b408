import copy
import subprocess
import sys

import numpy as np
import pytest
from alone import run_alone
from other_weights import changed
from table.authored import Branched, Centre, Gated, Hat, Jumpy, Masked, Series, Swish, Warming
from table.layers import LAYERS
from table.samples import same_bits, sample

import minitorch_np as mt
from minitorch_np.cli import main
from minitorch_np.examples import char_rnn, lenet, resnet, transformer

OTHERS = "\ny = predict(x)\none = predict(x[:1])\nmore = predict(np.concatenate([x, x, x[:1]]))\n"


def check(cases, folder):
    """The program of each model, in a process of its own, has the bits of the layers in evaluation mode."""
    texts = [mt.handwritten(model, x=x, train=False) for model, x in cases]
    texts = [text + (OTHERS if "shape (N" in text else "\ny = predict(x)\n") for text in texts]
    for (model, x), (_, arrays) in zip(cases, run_alone(texts, folder), strict=True):
        ours = copy.deepcopy(model).eval()
        with np.errstate(all="ignore"):
            assert arrays["y"] == ours(x).tobytes().hex(), repr(model)
            if "more" in arrays:
                assert arrays["more"] == ours(np.concatenate([x, x, x[:1]])).tobytes().hex(), repr(model)
            try:
                one = ours(x[:1])
            except ValueError:  # one sample has no variance, or no batch
                continue
            assert arrays.get("one", one.tobytes().hex()) == one.tobytes().hex(), repr(model)
    return texts


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_layer_alone_has_the_bits_of_the_layer(dtype, tmp_path):
    cases = [(changed(case.make(dtype)), case.sample(dtype)) for case in LAYERS.values()]
    texts = check(cases, tmp_path)
    fixed = [name for name, text in zip(LAYERS, texts, strict=True) if "shape (N" not in text]
    assert fixed == ["Linear, one sample"]  # all others take any batch


def test_some_layers_alone_have_the_bits_of_the_layer(tmp_path):
    some = list(LAYERS.values())[::12]
    check([(changed(case.make("float32")), case.sample("float32")) for case in some], tmp_path)


def test_layers_of_ones_own_have_the_bits_of_the_layer(tmp_path):
    layers = [Swish(1.5), Hat(), Series(), Gated(4), Masked(), Branched(mt.Linear(4, 4, rng=0)), Jumpy()]
    check([(mt.Sequential(mt.Linear(4, 4, rng=1), layer), sample((5, 4))) for layer in layers], tmp_path)


@pytest.mark.slow
def test_whole_networks_alone_have_the_bits_of_the_layers(tmp_path):
    cases = []
    for module, shape, indices in (
        (lenet, (3, 1, 8, 8), 0),
        (resnet, (3, 1, 8, 8), 0),
        (transformer, (3, 8), 13),
        (char_rnn, (3, 7), 19),
    ):
        x = np.random.default_rng(0).integers(0, indices, shape) if indices else sample(shape, "float32")
        cases.append((module.network(np.random.default_rng(0)), x))
    check(cases, tmp_path)


def test_the_program_reads_as_one_would_write_it():
    model = mt.Sequential(mt.Linear(3, 4, rng=0), mt.ReLU(), mt.Dropout(), mt.Linear(4, 2, rng=1))
    text = mt.handwritten(model, x=(5, 3), train=False)
    assert text.split("\n\n\n")[1] == (
        "def predict(x):\n"
        '    """The forward pass for x of shape (N, 3)."""\n'
        "    x = np.asarray(x, np.float64)\n"
        "    if x.ndim == 0 or x.shape[1:] != (3,):\n"
        '        raise ValueError(f"predict expects x of shape (N, 3), got {x.shape}")\n'
        "    h = x.dot(w1) + b1  # (N, 4)\n"
        "    h_relu = np.maximum(h, 0)  # (N, 4)\n"
        "    y_pred = h_relu.dot(w2) + b2  # (N, 2)\n"
        "    return y_pred"
    )
    assert [line.strip() for line in text.splitlines() if "import" in line] == [
        "import numpy as np",
        "import sys",
    ]


def test_sizes_that_grow_with_the_batch_are_said_by_it():
    model = mt.Sequential(
        mt.Linear(4, 6, rng=0), mt.Flatten(0, 1), mt.BatchNorm1d(6, track_running_stats=False)
    )
    text = mt.handwritten(model, x=(2, 5, 4), train=False)
    assert ".reshape(5 * len(x), 6)  # (5N, 6)" in text


class Framed(mt.Layer):
    """Rows around the batch, so that an array has N + 2 and a row of it stands at N + 1."""

    def forward(self, x):
        n = x.shape[0]
        rows = np.zeros((n + 2, x.shape[1]), x.dtype)
        rows[1 : n + 1] = x
        rows[n + 1] = 1.0
        return np.cumsum(rows, axis=0)[1 : n + 1] + rows[n + 1] / (4 * n - 1)

    def backward(self, dy):
        return dy


def test_sizes_that_are_the_batch_and_something(tmp_path):
    [text] = check([(mt.Sequential(mt.Linear(4, 3, rng=0), Framed()), sample((5, 4)))], tmp_path)
    assert "np.zeros((len(x) + 2, 3)" in text
    assert "(N + 2, 3)" in text
    assert "(4 * len(x) - 1)" in text


class PerSample(mt.Layer):
    """A loop over the samples, which is written out for so many."""

    def forward(self, x):
        return np.stack([row / (1 + np.abs(row).max()) for row in x])

    def backward(self, dy):
        return dy


class Counting(mt.Layer):
    def __init__(self):
        self.calls = np.zeros(1)

    def forward(self, x):
        self.calls += 1
        return x

    def backward(self, dy):
        return dy


class ByBatch(mt.Layer):
    """Something else for many samples than for few."""

    def forward(self, x):
        return x * 2 if x.shape[0] > 8 else x * 3

    def backward(self, dy):
        return dy


def centred(x, size):
    total = np.zeros(x.shape[1:], x.dtype)
    for i in range(size):
        total += x[i]
    return x - total / size


def weighed(x, size):
    """Made for the size with which it is called."""
    mask = np.ones((size, 1), x.dtype)
    mask[0] = 2.0
    return x * mask + mask.sum()


class WithHelpers(mt.Layer):
    def forward(self, x):
        return weighed(centred(x, x.shape[0]), x.shape[0])

    def backward(self, dy):
        return dy


class Awkward(mt.Layer):
    """Parameters that are called like the program's own names."""

    def __init__(self):
        self.predict, self.arrays, self.sys = (mt.Parameter(np.full(4, value)) for value in (2.0, 3.0, 4.0))

    def forward(self, x):
        return x * self.predict.data + self.arrays.data / self.sys.data

    def backward(self, dy):
        return dy


def test_names_of_the_program_are_not_those_of_arrays(tmp_path):
    check([(Awkward(), sample((5, 4)))], tmp_path)
    text = mt.handwritten(Awkward(), x=sample((5, 4)), train=False, data="npz", path=tmp_path / "program_0.py")
    [(_, arrays)] = run_alone([text + "\ny = predict(x)\n"], tmp_path)
    assert arrays["y"] == Awkward()(sample((5, 4))).tobytes().hex()


def run(text):
    scope = {"__name__": "program"}
    exec(text, scope)
    return scope["predict"]


@pytest.mark.parametrize("layer", [PerSample(), ByBatch(), WithHelpers()])
def test_a_program_for_one_batch_says_so(layer):
    model, x = mt.Sequential(mt.Linear(4, 3, rng=0), layer), sample((5, 4))
    text = mt.handwritten(model, x=x, train=False)
    assert '"""The forward pass for x of shape (5, 4)."""' in text
    predict = run(text)
    assert predict(x).tobytes() == model(x).tobytes()
    with pytest.raises(ValueError, match=r"predict expects x of shape \(5, 4\), got \(4, 4\)"):
        predict(x[:4])


def test_predict_takes_what_the_network_takes():
    model = mt.Linear(3, 2, rng=0).astype("float32")
    predict = run(mt.handwritten(model, train=False))
    assert predict([[1, 2, 3]]).tobytes() == model(np.array([[1, 2, 3]], "float32")).tobytes()
    assert run(mt.handwritten(model, x=np.ones(3, "float32"), train=False))(np.ones(3)).shape == (2,)
    for wrong in (np.zeros((2, 4)), np.zeros(3), 1.0):
        with pytest.raises(ValueError, match=r"predict expects x of shape \(N, 3\), got"):
            predict(wrong)


class CountingOne(Counting):
    def forward(self, x):
        self.calls[0] += 1
        return x


@pytest.mark.parametrize(
    ("layer", "said"),
    [(Centre(4), "mean"), (Warming(), "seen"), (Counting(), "calls"), (CountingOne(), "calls")],
)
def test_a_network_that_changes_as_it_predicts_is_refused(layer, said):
    model = mt.Sequential(mt.Linear(4, 4, rng=0), layer)
    with pytest.raises((ValueError, RuntimeError), match=rf"changes {said}"):
        mt.handwritten(model, x=sample((5, 4)), train=False)


class Random(mt.Layer):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x * self.rng.random(x.shape)

    def backward(self, dy):
        return dy


def test_a_network_that_draws_as_it_predicts_is_refused():
    model = mt.Sequential(mt.Linear(4, 4, rng=0), Random())
    with pytest.raises(RuntimeError, match="compute something else from call to call"):
        mt.handwritten(model, x=sample((5, 4)), train=False)


def test_nothing_is_changed_by_it():
    model = mt.Sequential(mt.Linear(4, 4, rng=0), mt.BatchNorm1d(4), mt.Dropout(rng=0))
    before = copy.deepcopy(model)
    mt.handwritten(model, x=sample((5, 4)), train=False)
    assert model.training
    assert same_bits(before.state_dict(), model.state_dict())


@pytest.mark.parametrize("layer", [mt.Linear(40, 30, rng=0), mt.Tanh()])
def test_the_arrays_may_be_in_a_file_beside_it(layer, tmp_path):
    x = sample((5, 40))
    path = tmp_path / "program_0.py"
    text = mt.handwritten(layer, x=x, train=False, data="npz", path=path)
    assert [file.name for file in tmp_path.iterdir()] == ["program_0.npz"]
    assert len(text) < 1500
    [(_, arrays)] = run_alone([text + "\ny = predict(x)\n"], tmp_path)
    assert arrays["y"] == layer(x).tobytes().hex()


def test_run_by_itself_it_predicts_an_x_from_a_file(tmp_path):
    model, x = mt.Linear(3, 2, rng=0), sample((2, 3))
    (tmp_path / "net.py").write_text(mt.handwritten(model, x=x, train=False), encoding="utf-8")
    np.save(tmp_path / "x.npy", x[1:])
    for given, expected in ([], x), (["x.npy"], x[1:]):
        command = [sys.executable, "-I", "net.py", *given]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == f"{model(expected)}\n"


def test_what_it_is_given_is_checked():
    model = mt.Linear(3, 2)
    with pytest.raises(ValueError, match="'embed' or 'npz', got 'seed'"):
        mt.handwritten(model, train=False, data="seed")
    with pytest.raises(ValueError, match="expects path, where the program will be"):
        mt.handwritten(model, train=False, data="npz")
    with pytest.raises(ValueError, match="expects x or its shape"):
        mt.handwritten(mt.ReLU(), train=False)
    with pytest.raises(TypeError, match="expects loss to be Loss, got None: train=False needs none"):
        mt.handwritten(model, x=(2, 3))
    with pytest.raises(TypeError, match="expects model to be Layer"):
        mt.handwritten("Linear(3, 2)", train=False)
    with pytest.raises(TypeError, match="train"):
        mt.handwritten(model, train="no")


def test_the_command_writes_a_saved_network(tmp_path, capsys):
    model = mt.Sequential(mt.Linear(3, 4, rng=3), mt.BatchNorm1d(4), mt.Tanh())
    model(sample((5, 3)))
    saved, program = str(tmp_path / "net.npz"), tmp_path / "net.py"
    mt.save(saved, model)
    assert main(["handwritten", saved, "--forward", "-o", str(program)]) == 0
    x = sample((7, 3), seed=1)
    assert run(program.read_text())(x).tobytes() == model.eval()(x).tobytes()
    capsys.readouterr()
    assert main(["handwritten", saved]) != 0
    assert "--forward writes what it predicts" in capsys.readouterr().err


def test_the_command_writes_a_new_network(capsys):
    assert main(["handwritten", "Linear(3, 2), ReLU()", "--forward", "--seed", "5", "--dtype", "float32"]) == 0
    predict = run(capsys.readouterr().out)
    model = mt.Sequential(mt.Linear(3, 2, rng=np.random.default_rng(5)), mt.ReLU()).astype("float32")
    x = sample((2, 3), "float32")
    assert predict(x).tobytes() == model(x).tobytes()
    assert main(["handwritten", "Conv1d(2, 3, 3)", "--forward", "--shape", "4,2,5"]) == 0
    assert run(capsys.readouterr().out)(np.ones((1, 2, 5))).shape == (1, 3, 3)
