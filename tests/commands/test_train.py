import re
import signal
from pathlib import Path

import numpy as np
import pytest
from tabledata import command, flowers, houses, read, result, start, write

from minitorch_np import History, accuracy, load, predict, split

SHORT = ["--epochs", "3", "--no-plot", "--layers", "4"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files():
    return sorted(path.name for path in Path().iterdir())


def test_classes_from_beginning_to_end(capsys):
    cells = flowers("flowers.csv")
    code, out, err = command(capsys, "train", "flowers.csv", "--target", "kind")
    assert (code, err) == (0, "")
    for line in (
        "flowers.csv: 120 rows, 4 columns, separated by ','",
        "features: 2 of numbers: length, width",
        "          colour: a category of 3: 'deep, blue', red, white",
        "          a category is a 1 among 0s: 5 inputs in all",
        "training on 96 rows, validation on 24, drawn with seed 0",
        "the model is in model.npz, the loss curve in loss.png",
        "to use it: minitorch-np predict model.npz NEW.csv",
    ):
        assert line in out.splitlines()
    counts = {name: int((cells["kind"] == name).sum()) for name in ("iris", "lily", "rose")}
    assert f"kind, 3 classes (texts): {', '.join(f'{n} {c}' for n, c in counts.items())}\n" in out
    layers = "Standardize(5), Linear(5, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, 3)"
    assert f"Sequential({layers}), float64" in out
    assert re.search(
        r"^CrossEntropyLoss\(\), Adam\(lr=0.001, .*64 rows a step, 100 epochs at most, ", out, re.M
    )
    assert result(out)["accuracy"] > 0.9
    assert files() == ["flowers.csv", "loss.png", "model.npz"]
    assert Path("loss.png").read_bytes()[:4] == b"\x89PNG"


def test_the_result_is_that_of_the_saved_model_on_the_part_not_trained_on(capsys):
    cells = flowers("flowers.csv")
    out = command(capsys, "train", "flowers.csv", "--target", "kind", "--seed", "3", *SHORT)[1]
    saved = load("model.npz")
    table = saved.extra["table"]
    assert table["features"] == [["length", None], ["width", None], ["colour", ["deep, blue", "red", "white"]]]
    assert (table["target"], table["classes"]) == ("kind", ["iris", "lily", "rose"])
    colours = cells["colour"][:, None] == np.array(["deep, blue", "red", "white"])
    x = np.column_stack([cells["length"], cells["width"], colours])
    y = np.array([table["classes"].index(kind) for kind in cells["kind"]])
    (x_train, y_train), (x_test, y_test) = split(x, y, test_size=0.2, rng=3)
    assert result(out)["accuracy"] == pytest.approx(accuracy(predict(saved.model, x_test), y_test), abs=1e-4)
    np.testing.assert_allclose(saved.model[0].mean, x_train.mean(axis=0))
    frequent = np.bincount(y_train).argmax()
    named = re.search(r"always (\w+): accuracy (\S+)\)", out)
    assert named[1] == table["classes"][frequent]
    assert float(named[2]) == pytest.approx((y_test == frequent).mean(), abs=1e-4)


def test_numbers_are_predicted_in_their_own_unit(capsys):
    price = houses("houses.csv")
    code, out, _ = command(
        capsys, "train", "houses.csv", "--target", "price", "--layers", "16, tanh", "--lr", "0.02", "--no-plot"
    )
    assert code == 0
    assert "target:   price, a number (" in out
    assert "MSELoss()" in out
    assert re.search(r"standardised to train: the loss is that of \(price - \S+e\+05\) / \S+", out)
    found = result(out)
    assert found["r2 score"] > 0.99
    area = (price - 200_000) / 1500  # of town A
    model = load("model.npz").model
    rows = np.column_stack([area, np.ones(150), np.zeros(150)])[area + 50_000 / 1500 < 200]
    y = predict(model, rows)[:, 0]
    assert np.abs(y - 200_000 - 1500 * rows[:, 0]).mean() < 20_000
    shown = float(re.search(r"result.*mean absolute error (\S+) \(", out)[1])
    assert shown < 0.2 * float(re.search(r"always the mean: mean absolute error (\S+)\)", out)[1])
    assert 100 < shown < 20_000


def test_without_standardising(capsys):
    write("t.csv", {"a": np.arange(50.0), "y": np.arange(50.0) / 50 + 0.01})
    out = command(capsys, "train", "t.csv", "--target", "y", "--no-standardize", *SHORT)[1]
    assert "Sequential(Linear(1, 4), Linear(4, 1))" in out
    assert "standardised" not in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layers", "8, gelu"], "Linear(5, 8), GELU(), Linear(8, 3)"),
        (["--optimizer", "SGD(momentum=0.9)", "--lr", "0.1"], "SGD(lr=0.1, momentum=0.9"),
        (["--loss", "CrossEntropyLoss(label_smoothing=0.1)"], "CrossEntropyLoss(label_smoothing=0.1)"),
        (["--dtype", "float32"], ", float32"),
        (["--batch", "7"], "7 rows a step"),
        (["--validation", "0.5"], "training on 60 rows, validation on 60"),
        (["--ordered"], "validation on 24, the last ones"),
        (["--seed", "9"], "drawn with seed 9"),
        (["--patience", "2"], "ended after 2 without"),
        (["--drop", "width"], "dropped:  width"),
        (["--drop", "width,colour"], "dropped:  width, colour"),
        (["--validation", "0"], "no validation"),
        (["--every", "1"], "epoch 2/3"),
    ],
)
def test_options_are_followed_and_printed(capsys, options, said):
    flowers("flowers.csv")
    code, out, err = command(capsys, "train", "flowers.csv", "--target", "kind", *SHORT, *options)
    assert (code, err) == (0, "")
    assert said in out
    rows = int(re.search(r"training on (\d+) rows", out)[1])
    steps = -(-rows // (7 if "--batch" in options else 64))  # an epoch
    assert len(load("model.npz").history["step_losses"]) == 3 * steps
    dtype = "float32" if "float32" in options else "float64"
    assert {p.data.dtype for p in load("model.npz").model.parameters()} == {np.dtype(dtype)}


def test_the_same_seed_makes_the_same_model_and_another_one_another(capsys):
    flowers("flowers.csv")
    first, same, other = [], [], []
    for made, seed in ((first, 0), (same, 0), (other, 1)):
        command(capsys, "train", "flowers.csv", "--target", "kind", "--seed", seed, *SHORT)
        made += [array.tobytes() for array in load("model.npz").model.state_dict().values()]
    assert first == same
    assert not set(first) & set(other)


def test_the_best_epoch_is_kept(capsys):
    rng = np.random.default_rng(0)
    write(
        "noise.csv", {"a": rng.standard_normal(60), "b": rng.standard_normal(60), "y": rng.standard_normal(60)}
    )
    out = command(
        capsys, "train", "noise.csv", "--target", "y", "--lr", "0.02", "--no-plot", "--patience", "5"
    )[1]
    losses = load("model.npz").history["epochs"]["validation_loss"]
    assert len(losses) < 100
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 5
    assert "stopped: validation_loss has not improved for 5 epochs" in out
    assert result(out)["epoch"] == best + 1
    assert result(out)["loss"] == pytest.approx(losses[best], rel=1e-3)


def test_arrays(capsys):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 2, 2))
    np.savez("d.npz", x=x, y=(x[:, 0, 0] > 0).astype(int))
    np.save("x.npy", x)
    np.save("labels.npy", (x[:, 0, 0] > 0).astype(int))
    outs = [
        command(capsys, "train", *data, *SHORT)[1]
        for data in (["d.npz"], ["d.npz", "--target", "y"], ["x.npy", "--target", "labels.npy"])
    ]
    assert "d.npz: 80 rows, 5 columns, an array of shape (80, 2, 2)" in outs[0]
    assert "features: 4 of numbers: x[0], x[1], x[2], x[3]" in outs[2]
    assert result(outs[0]) == result(outs[1]) == result(outs[2])
    assert "labels, 2 classes (whole numbers, 2 different ones)" in outs[2]


def test_quiet_is_quiet(capsys):
    flowers("flowers.csv")
    assert command(capsys, "train", "flowers.csv", "--target", "kind", *SHORT, "--quiet") == (0, "", "")
    assert files() == ["flowers.csv", "model.npz"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.csv", "--target", "kind"], "there is no file missing.csv"),
        (["flowers.csv"], "--target COLUMN, one of length, width, colour, kind"),
        (["flowers.csv", "--target", "sort"], "has no column 'sort'; it has length, width, colour, kind"),
        (["flowers.csv", "--target", "kind", "--drop", "kind"], "'kind' is the target"),
        (["flowers.csv", "--target", "kind", "--drop", "sort"], "has no column 'sort'"),
        (["flowers.csv", "--target", "kind", "--drop", "length,width,colour"], "no column to learn from"),
        (["flowers.csv", "--target", "kind", "--loss", "MSELoss"], "classes need CrossEntropyLoss"),
        (["flowers.csv", "--target", "length", "--loss", "NLLLoss"], "numbers need a loss such as MSELoss"),
        (["flowers.csv", "--target", "kind", "--optimizer", "Adm"], "there is no optimizer Adm"),
        (["flowers.csv", "--target", "kind", "--layers", "8, rleu"], "there is no rleu here"),
        (
            ["flowers.csv", "--target", "kind", "--validation", "0.001"],
            "too few for a validation part of 0.001",
        ),
        (["flowers.csv", "--target", "kind", "--validation", "1"], "a part, from 0 to below 1"),
        (["flowers.csv", "--target", "kind", "-o", "flowers.csv"], "should end in .npz"),
        (["flowers.csv", "--target", "kind", "-o", "no/model.npz"], "there is no directory no"),
        (["flowers.csv", "--target", "kind", "--plot", "loss.docx"], "loss.docx should end in one of"),
        (["flowers.csv", "--target", "kind", "--delimiter", ";;"], "expected one character, or tab"),
        (["flowers.csv", "--target", "kind", "--classes", "--numbers"], "not allowed with argument"),
        (["flowers.csv", "--target", "kind", "--category", "width"], "another text in each"),
        (["d.npz", "-o", "d.npz"], "d.npz is read: write to another file"),
    ],
)
def test_a_wrong_choice_is_said_and_nothing_written(capsys, arguments, said):
    flowers("flowers.csv")
    np.savez("d.npz", x=np.zeros((3, 2)), y=np.zeros(3))
    data = Path("d.npz").read_bytes()
    code, out, err = command(capsys, "train", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("minitorch-np")
    assert said in err
    assert files() == ["d.npz", "flowers.csv"]
    assert Path("d.npz").read_bytes() == data


def test_bad_cells_are_named_before_anything_is_done(capsys):
    flowers("flowers.csv", rows=40)
    lines = Path("flowers.csv").read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[1], "wide")
    lines[7] = "," + lines[7].split(",", 1)[1]
    lines[9] += ",more"
    lines[11] = lines[11].rpartition(",")[0] + ","
    Path("flowers.csv").write_text("\n".join(lines))
    code, out, err = command(capsys, "train", "flowers.csv", "--target", "kind")
    assert (code, out) == (2, "")
    assert [line.strip() for line in err.splitlines()[:5]] == [
        "minitorch-np: flowers.csv has 4 bad places:",
        "line 6, column 'width': 'wide' is no number",
        "line 8, column 'length': the cell is empty",
        "line 10 has 5 cells where the header has 4",
        "line 12, column 'kind': the cell is empty",
    ]
    assert files() == ["flowers.csv"]


def test_a_training_that_fails_is_exit_code_1(capsys):
    houses("houses.csv")
    options = ["--optimizer", "SGD", "--lr", "1e200", "--no-plot"]
    code, _, err = command(capsys, "train", "houses.csv", "--target", "price", *options)
    assert code == 1
    assert err.startswith("training failed: the l")
    assert "a smaller learning rate" in err
    assert files() == ["houses.csv"]


def test_the_last_rows_are_validated_on_where_the_order_counts(capsys):
    flowers("flowers.csv")
    out = command(capsys, "train", "flowers.csv", "--target", "kind", "--ordered", *SHORT)[1]
    saved = load("model.npz")
    rows = read(Path("flowers.csv"))
    mean = np.array(rows["length"], float)[:96].mean()
    assert saved.model[0].mean[0] == pytest.approx(mean)
    assert "validation on 24, the last ones" in out


def test_ctrl_c_before_an_epoch_is_over_saves_nothing(capsys, monkeypatch):
    flowers("flowers.csv")
    monkeypatch.setattr("minitorch_np.commands.tasks.fit", lambda *args, **options: History())
    code, _, err = command(capsys, "train", "flowers.csv", "--target", "kind", *SHORT)
    assert (code, err) == (130, "Ctrl-C before the first epoch was over: nothing is saved\n")
    assert files() == ["flowers.csv"]


def test_ctrl_c_keeps_and_saves_the_best_so_far():
    flowers("flowers.csv", rows=1000)
    options = ["--epochs", "100000", "--patience", "100000", "--every", "1", "--no-plot", "--lr", "0.1"]
    with start("train", "flowers.csv", "--target", "kind", *options) as program:
        while not program.stdout.readline().startswith("epoch     20/"):
            assert program.poll() is None
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (0, "")
    assert re.search(r"^stopped: Ctrl-C in epoch \d+\nCtrl-C: the best so far is kept$", out, re.MULTILINE)
    losses = load("model.npz").history["epochs"]["validation_loss"]
    assert result(out)["epoch"] == np.argmin(losses) + 1
    assert result(out)["loss"] == pytest.approx(min(losses), rel=1e-3)
