import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from minitorch_np.cli import example, main

DIGITS = pytest.mark.skipif(not find_spec("sklearn"), reason="their digits are scikit-learn's")
SHORT = {"lenet": (0.6, 1), "resnet": (0.3, 1), "autoencoder": (0.5, 3), "transformer": (-1, 1)}
WHOLE = {
    "lenet": (5, 0.99, 1),
    "resnet": (1, 0.97, 1),
    "autoencoder": (1, 0.2, 0.45),
    "transformer": (1, 0.97, 1),
    "char_rnn": (1, 0.94, 1),
}


def those(cases):
    """Parametrize with the examples' names and what is expected of them."""
    return pytest.mark.parametrize(
        ("name", "expected"),
        [
            pytest.param(*case, marks=[] if case[0] in ("char_rnn", "transformer") else DIGITS)
            for case in cases.items()
        ],
    )


def module(name):
    return importlib.import_module(f"minitorch_np.examples.{name}")


def test_they_are_listed(capsys):
    assert main(["example"]) == 0
    said = capsys.readouterr().out
    assert "lenet        A small convolutional network" in said
    assert len(said.splitlines()) == len(example.names())
    assert not [name for name in example.names() if name.startswith("_")]


def test_a_name_that_is_none(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["example", "alexnet"])
    assert ended.value.code == 2
    assert "invalid choice: 'alexnet'" in capsys.readouterr().err


@pytest.mark.parametrize("name", example.names())
def test_a_file_is_short_enough_to_be_read(name):
    assert len(Path(module(name).__file__).read_text().splitlines()) < 60


@those(SHORT)
def test_an_example_trains_and_draws(name, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(module(name), "EPOCHS", 1)
    path = tmp_path / "picture.png"
    assert main(["example", name, "--seed", "1", "--plot", str(path)]) == 0
    assert path.stat().st_size > 1000
    least, most = expected
    assert least < float(capsys.readouterr().out.partition(module(name).MEASURE)[2].split()[0]) < most


def test_names_are_invented(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(module("char_rnn"), "STEPS", 30)
    assert main(["example", "char_rnn", "--plot", str(tmp_path / "loss.png")]) == 0
    names, measure, _ = capsys.readouterr().out.splitlines()
    assert len(names.split()) > 10
    assert 0 < float(measure.partition(module("char_rnn").MEASURE)[2]) < 0.9


def test_the_names_to_learn_from_are_of_the_language():
    language = module("_language")
    names = language.drawn(200, np.random.default_rng(0))
    assert all(language.RULES.fullmatch(name) for name in names)
    x, y = language.data(names)
    np.testing.assert_array_equal(x[:, 1:][y[:, :-1] >= 0], y[:, :-1][y[:, :-1] >= 0])
    assert [language.text(row) for row in x] == names


@pytest.mark.slow
@those(WHOLE)
def test_what_an_example_reaches(name, expected):
    seeds, least, most = expected
    reached = [module(name).run(seed, verbose=0) for seed in range(seeds)]
    assert least <= sum(reached) / seeds <= most, reached


@pytest.mark.slow
def test_a_transformer_prints_what_it_answers(capsys, monkeypatch):
    monkeypatch.setattr(module("transformer"), "EPOCHS", 1)
    module("transformer").run()
    assert len(re.findall(r"^[ \d]{2}\+[ \d]{2}=.{3}$", capsys.readouterr().out, re.MULTILINE)) == 10
