import importlib

import pytest

from minitorch_np.cli import example, main

pytest.importorskip("sklearn")


def test_they_are_listed(capsys):
    assert main(["example"]) == 0
    said = capsys.readouterr().out
    assert "lenet       A small convolutional network" in said
    assert len(said.splitlines()) == len(example.names())


def test_a_name_that_is_none(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["example", "alexnet"])
    assert ended.value.code == 2
    assert "invalid choice: 'alexnet'" in capsys.readouterr().err


def test_an_example_trains_and_draws(capsys, tmp_path, monkeypatch):
    module = importlib.import_module("minitorch_np.examples.lenet")
    monkeypatch.setattr(module, "EPOCHS", 1)
    path = tmp_path / "misread.png"
    assert main(["example", "lenet", "--seed", "1", "--plot", str(path)]) == 0
    assert path.stat().st_size > 1000
    assert float(capsys.readouterr().out.partition("test accuracy ")[2].split()[0]) > 0.6


@pytest.mark.slow
def test_it_reads_99_of_100_digits():
    module = importlib.import_module("minitorch_np.examples.lenet")
    parts = [module.run(seed, verbose=0) for seed in range(5)]
    assert sum(parts) / 5 >= 0.985, parts
