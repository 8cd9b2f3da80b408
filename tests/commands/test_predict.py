import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tabledata import command, flowers, houses, read, write

from minitorch_np import Linear, Sequential, load, save
from minitorch_np.distributions import softmax

SHORT = ["--epochs", "30", "--no-plot", "--quiet", "--lr", "0.02", "--layers", "16, relu"]


@pytest.fixture
def model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flowers("flowers.csv")
    assert command(capsys, "train", "flowers.csv", "--target", "kind", *SHORT) == (0, "", "")
    return "model.npz"


def predicted(capsys, *arguments):
    code, out, err = command(capsys, "predict", *arguments)
    assert code == 0, err
    return read(out), err


def test_classes_and_their_probabilities(capsys, model):
    cells = flowers("new.csv", seed=1, columns=("length", "width", "colour"))
    found, err = predicted(capsys, model, "new.csv", "--probabilities")
    assert err == ""
    assert list(found) == [
        "kind",
        "probability",
        *(f"probability of {name}" for name in ("iris", "lily", "rose")),
    ]
    assert (np.array(found["kind"]) == cells["kind"]).mean() > 0.9
    colours = cells["colour"][:, None] == np.array(["deep, blue", "red", "white"])
    p = softmax(load(model).model(np.column_stack([cells["length"], cells["width"], colours])), 1)
    np.testing.assert_allclose(np.array(found["probability"], float), p.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(np.array(found["probability of lily"], float), p[:, 1], rtol=1e-5, atol=1e-6)


def test_another_order_more_columns_and_another_delimiter_change_nothing(capsys, model):
    flowers("a.csv", seed=1, columns=("length", "width", "colour"))
    flowers("b.csv", seed=1, columns=("kind", "id", "colour", "width", "length"), delimiter=";")
    first, _ = predicted(capsys, model, "a.csv")
    second, err = predicted(capsys, model, "b.csv")
    assert first == second
    assert err == "ignored, as the model does not use them: kind, id\n"
    assert predicted(capsys, model, "b.csv", "--quiet") == (first, "")


def test_into_a_file(capsys, model):
    flowers("new.csv", seed=1)
    expected = command(capsys, "predict", model, "new.csv")[1]
    code, out, err = command(capsys, "predict", model, "new.csv", "-o", "p.csv")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "120 predictions of kind are in p.csv"
    assert Path("p.csv").read_bytes() == expected.encode()


def test_what_does_not_fit_is_named_and_the_old_predictions_stay(capsys, model):
    write("lacks.csv", {"width": [1.0], "kind": ["rose"]})
    write("bad.csv", {"colour": ["red", "green", ""], "width": [1, "x", 3], "length": [1, 2, "inf"]})
    Path("p.csv").write_text("old")
    code, out, err = command(capsys, "predict", model, "lacks.csv", "-o", "p.csv")
    assert (code, out) == (2, "")
    assert "lacks.csv lacks columns that the model needs: length, colour; it has width, kind" in err
    code, out, err = command(capsys, "predict", model, "bad.csv", "-o", "p.csv")
    assert (code, out) == (2, "")
    assert [line.strip() for line in err.splitlines()] == [
        "minitorch-np: bad.csv has 4 bad places:",
        "line 3, column 'width': 'x' is no number",
        "line 3, column 'colour': 'green' is none of the categories 'deep, blue', red, white",
        "line 4, column 'length': the value is inf",
        "line 4, column 'colour': the cell is empty",
    ]
    assert Path("p.csv").read_text() == "old"
    assert {path.name for path in Path().iterdir()} == {
        "bad.csv", "flowers.csv", "lacks.csv", "model.npz", "p.csv"
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_come_in_their_own_unit(capsys, tmp_path, monkeypatch, dtype):
    monkeypatch.chdir(tmp_path)
    houses("houses.csv")
    command(capsys, "train", "houses.csv", "--target", "price", *SHORT, "--epochs", "60", "--dtype", dtype)
    price = houses("new.csv", seed=5)
    found, err = predicted(capsys, "model.npz", "new.csv")
    assert list(found) == ["price"]
    assert err == "ignored, as the model does not use them: price\n"
    assert np.abs(np.array(found["price"], float) - price).mean() < 0.1 * price.std()
    assert "is a number and has no probabilities" in command(
        capsys, "predict", "model.npz", "new.csv", "--probabilities"
    )[2]  # fmt: skip


def test_without_names_columns_go_by_position(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flowers("named.csv", columns=("length", "kind", "colour", "width"))
    lines = Path("named.csv").read_text().splitlines(keepends=True)[1:]
    Path("all.csv").write_text("".join(lines))
    code, out, err = command(capsys, "train", "all.csv", "--no-header", "--target", "2", *SHORT)
    assert (code, out, err) == (0, "", "")
    flowers("features.csv", columns=("length", "colour", "width"))
    features = Path("features.csv").read_text().splitlines(keepends=True)[1:]
    Path("features.csv").write_text("".join(features))
    first, _ = predicted(capsys, "model.npz", "all.csv", "--no-header")
    second, _ = predicted(capsys, "model.npz", "features.csv", "--no-header")
    assert first == second
    assert (np.array(first["column 2"]) == [line.split(",")[1] for line in lines]).mean() > 0.9
    assert "--no-header" in command(capsys, "predict", "model.npz", "named.csv")[2]
    Path("two.csv").write_text("1,2\n")
    assert "has 2 columns without names" in command(
        capsys, "predict", "model.npz", "two.csv", "--no-header"
    )[2]  # fmt: skip


def test_by_position_a_dropped_column_may_be_there_or_not(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flowers("named.csv", columns=("id", "kind", "length", "width"))
    assert command(capsys, "train", "named.csv", "--target", "kind", "--drop", "id", *SHORT)[0] == 0
    found = []
    for columns in (("id", "kind", "length", "width"), ("id", "length", "width"), ("length", "width")):
        flowers("new.csv", columns=columns, seed=2)
        Path("new.csv").write_text(Path("new.csv").read_text().partition("\n")[2])
        found.append(predicted(capsys, "model.npz", "new.csv", "--no-header")[0])
    assert found[0] == found[1] == found[2]


def test_arrays(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).standard_normal((90, 3))
    y = np.array([7, 3])[(x[:, 1] > 0).astype(int)]
    np.savez("d.npz", x=x, y=y)
    np.savez("new.npz", x=x)
    np.save("new.npy", x)
    write("new.csv", {f"x[{i}]": x[:, i] for i in (2, 0, 1)})
    command(capsys, "train", "d.npz", *SHORT)
    found = [predicted(capsys, "model.npz", f"new.{kind}")[0] for kind in ("npz", "npy", "csv")]
    assert found[0] == found[1] == found[2]
    assert (np.array(found[0]["y"], int) == y).mean() > 0.9


def test_layers_of_ones_own(capsys, model):
    Path("mine.py").write_text(
        "from minitorch_np import Activation\n"
        "class Square(Activation):\n"
        "    def function(self, x):\n        return x * x\n"
        "    def derivative(self, x, y):\n        return 2 * x\n"
    )
    options = [*SHORT, "--layers", "8, mine.py:Square"]
    assert command(capsys, "train", "flowers.csv", "--target", "kind", *options)[0] == 0
    assert "Square" in command(capsys, "predict", model, "flowers.csv")[2]
    found, _ = predicted(capsys, model, "flowers.csv", "--custom", "mine.py:Square")
    assert len(found["kind"]) == 120
    code, _, err = command(capsys, "predict", model, "flowers.csv", "--custom", "mine.py:Cube")
    assert (code, "there is no such class" in err) == (2, True)


def test_models_of_another_origin(capsys, model):
    save("other.npz", Sequential(Linear(2, 2)))
    Path("broken.npz").write_bytes(b"PK")
    for name, said in (
        ("other.npz", "was not saved by train"),
        ("broken.npz", "is damaged"),
        ("missing.npz", "there is no file missing.npz"),
    ):
        code, out, err = command(capsys, "predict", name, "flowers.csv")
        assert (code, out) == (2, "")
        assert said in err


def test_the_files_that_are_read_are_not_written(capsys, model):
    before = Path("flowers.csv").read_bytes()
    for output in ("flowers.csv", model, "no/p.csv"):
        code, _, err = command(capsys, "predict", model, "flowers.csv", "-o", output)
        assert code == 2
        assert "is read: write to another file" in err or "there is no directory no" in err
    assert Path("flowers.csv").read_bytes() == before


def test_rows_from_a_pipe(capsys, model):
    flowers("new.csv", seed=1)
    expected = command(capsys, "predict", model, "new.csv")[1]
    program = f"cat new.csv | {sys.executable} -m minitorch_np predict model.npz /dev/stdin"
    run = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, expected)
