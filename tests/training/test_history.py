import csv
import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from minitorch_np.training.history import History


def history(epochs=3, **more):
    made = History()
    for epoch in range(epochs):
        made.append({"loss": 1 / (epoch + 1), "val_loss": 2.0 / (epoch + 1)} | more)
        made.step_losses += [1.0 / (epoch + 1)] * 2
    return made


def test_epochs_by_name():
    made = history()
    assert made["loss"] == [1, 1 / 2, 1 / 3]
    assert len(made) == made.epochs == 3
    assert made.names == ["loss", "val_loss"]
    assert "loss" in made
    assert "accuracy" not in made
    with pytest.raises(KeyError, match="'accuracy' is not in this history; it has loss, val_loss"):
        made["accuracy"]
    with pytest.raises(KeyError, match="no epochs"):
        History()["loss"]


def test_what_an_epoch_lacks_is_nan():
    made = history(2)
    made.append({"loss": 0.5, "accuracy": 1})
    assert np.isnan(made["val_loss"]).tolist() == [False, False, True]
    assert np.isnan(made["accuracy"]).tolist() == [True, True, False]


def test_the_table_is_short():
    assert str(history(3)).splitlines() == [
        "epoch    loss  val loss",
        "    1       1         2",
        "    2     0.5         1",
        "    3  0.3333    0.6667",
    ]
    made = history(100)
    made.stopped = "enough"
    lines = str(made).splitlines()
    expected = ["epoch", "1", "2", "3", "…", *map(str, range(93, 101)), "stopped:"]
    assert [line.split()[0] for line in lines] == expected
    assert len(str(history(12)).splitlines()) == len(str(history(13)).splitlines()) == 13
    assert str(History()) == "epoch"


def test_repr_has_the_last_epoch():
    assert repr(history()) == "History(3 epochs, 6 steps, loss 0.3333, val_loss 0.6667)"
    assert repr(History()) == "History(0 epochs, 0 steps)"


def test_json_is_read_by_everyone(tmp_path):
    made = history(accuracy=np.float32(0.5), bad=np.inf)
    made.stopped = "Ctrl-C in epoch 4"
    made.to_json(tmp_path / "h.json")
    values = json.loads((tmp_path / "h.json").read_text(), parse_constant=pytest.fail)
    assert values == {
        "epochs": {
            "loss": [1, 1 / 2, 1 / 3],
            "val_loss": [2, 1, 2 / 3],
            "accuracy": [0.5] * 3,
            "bad": [None] * 3,
        },
        "step_losses": [1, 1, 1 / 2, 1 / 2, 1 / 3, 1 / 3],
        "stopped": "Ctrl-C in epoch 4",
    }


def test_a_history_comes_back_from_its_dict():
    made = history()
    again = History(json.loads(json.dumps(made.as_dict())))
    assert again.as_dict() == made.as_dict()
    again.append({"loss": 0})
    assert made.epochs == 3
    for wrong in ({"loss": []}, {"epochs": {"a": [1.0], "b": []}}):
        with pytest.raises(ValueError, match="History expects step_losses, stopped and epochs of one length"):
            History(wrong)


def test_csv_has_a_line_for_each_epoch(tmp_path):
    made = history(**{'top "3", of all': 0.1 + 0.2})
    made.to_csv(tmp_path / "h.csv")
    with (tmp_path / "h.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["epoch", "loss", "val_loss", 'top "3", of all']
    assert [line[0] for line in lines[1:]] == ["1", "2", "3"]
    assert [float(line[3]) for line in lines[1:]] == [0.1 + 0.2] * 3  # every digit
    assert float(lines[3][1]) == 1 / 3


def test_a_folder_that_is_not_there_is_named(tmp_path):
    for write in (history().to_csv, history().to_json, history().plot):
        with pytest.raises(ValueError, match="there is no directory"):
            write(tmp_path / "none" / "h.png")


def test_plot_has_a_panel_for_each_measure():
    made = history(accuracy=0.5, val_accuracy=0.4, lr=0.1, seconds=1)
    figure = made.plot()
    panels = figure.axes
    assert [p.get_ylabel() for p in panels] == ["loss", "accuracy", "loss of a training step"]
    assert panels[0].get_yscale() == panels[2].get_yscale() == "log"
    assert panels[1].get_yscale() == "linear"
    curves = {line.get_label(): line.get_xydata().tolist() for line in panels[0].lines}
    assert curves == {
        "training": [[1, 1], [2, 1 / 2], [3, 1 / 3]],
        "validation": [[1, 2], [2, 1], [3, 2 / 3]],
    }
    assert len(panels[2].lines[0].get_xdata()) == 6


def test_plot_writes_a_picture_and_draws_into_a_figure(tmp_path):
    figure = Figure()
    for name, start in (("h.png", b"\x89PNG"), ("h.svg", b"<?xml"), ("h.pdf", b"%PDF")):
        assert history().plot(tmp_path / name, figure=figure) is figure
        assert (tmp_path / name).read_bytes().startswith(start)
        figure.clear()
    with pytest.raises(ValueError, match="Format 'txt' is not supported"):
        history().plot(tmp_path / "h.txt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.pdf", "h.png", "h.svg"]
    with pytest.warns(UserWarning, match=r"h.png \(in place of the one that was there\)"):
        history().plot(tmp_path / "h.png")


def test_plot_of_odd_histories(tmp_path):
    with pytest.raises(ValueError, match="nothing to draw"):
        History().plot()
    broken_off = History({"step_losses": [3.0, 2.0]})
    assert [p.get_ylabel() for p in broken_off.plot(tmp_path / "a.png").axes] == ["loss of a training step"]
    wild = history()
    wild.append({"loss": np.inf, "val_loss": -1e300})
    assert wild.plot(tmp_path / "b.png").axes[0].get_yscale() == "log"
    below = history()
    below.append({"loss": -0.5})
    assert below.plot(tmp_path / "c.png").axes[0].get_yscale() == "linear"
    assert history(1).plot(tmp_path / "d.png").axes[0].lines[0].get_marker() == "o"


def test_plot_ticks_are_numbers_that_one_reads():
    one = History({"epochs": {"loss": [0.7], "val_loss": [0.8]}, "step_losses": [0.8, 0.6]}).plot()
    one.draw_without_rendering()
    assert [t.get_text() for t in one.axes[0].get_xticklabels() if 0.5 <= t.get_position()[0] <= 1.5] == ["1"]
    assert one.axes[0].get_legend() is not None
    losses = [2 * 0.85**i for i in range(30)]
    many = History({"epochs": {"loss": losses, "val_loss": losses}, "step_losses": losses * 2}).plot()
    many.draw_without_rendering()
    ticks = [t.get_text() for t in many.axes[0].get_yticklabels(which="both")]
    assert {"1", "0.5", "0.2"} <= set(ticks)
    assert not [t for t in ticks if "10^" in t]
    assert [line.get_linestyle() for line in many.axes[0].lines] == ["-", "--"]


def test_plot_draws_the_loss_into_given_axes():
    ax = Figure().subplots()
    assert history(accuracy=0.5).plot(ax=ax) is ax
    assert [line.get_label() for line in ax.lines] == ["training", "validation"]
    with pytest.raises(ValueError, match="expects ax alone"):
        history().plot("h.png", ax=ax)
