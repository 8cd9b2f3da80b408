import errno

import matplotlib.image
import numpy as np
import pytest

from minitorch_np.study import plots

LOSSES = {"handwritten": [100.0, 10.0, 1.0], "layer by layer": [100.0, 10.0, 1.0]}


def test_axes_labels_scale_and_widths():
    figure = plots.draw_losses(LOSSES)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("train num", "loss", "log")
    below, above = axes.lines
    assert below.get_linewidth() > 2 * above.get_linewidth()
    assert below.get_zorder() == above.get_zorder()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(LOSSES)
    assert above.get_ydata().tolist() == LOSSES["layer by layer"]


@pytest.mark.parametrize(
    "losses", [[1.0], [np.nan, np.nan], [0.0, 0.0], [1e7, 1e300, np.inf, np.nan], [1e-300, 1e150], []]
)
def test_any_losses_can_be_drawn(tmp_path, losses):
    given = np.array(losses)
    plots.save(plots.draw_losses({"a": given, "b": losses}), tmp_path / "loss.png")
    assert given.tobytes() == np.array(losses).tobytes()
    assert matplotlib.image.imread(tmp_path / "loss.png").shape[2] == 4


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "loss.png"
    path.write_bytes(b"old")
    figure = plots.draw_losses(LOSSES)

    def full(file, **_):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        plots.save(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("loss.docx", r"should end in one of .*\.png"),
        ("loss", "should end in one of"),
        ("missing/loss.png", "there is no directory"),
        ("folder.png", "is a directory"),
    ],
)
def test_paths_are_checked_before(tmp_path, path, message):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=message):
        plots.check_path(tmp_path / path)
    plots.check_path(tmp_path / "loss.png")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_window_needs_a_screen():
    with pytest.raises(ValueError, match="no screen"):
        plots.show(lambda figure: None)


def test_a_window_shows_the_drawing(monkeypatch):
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr("matplotlib.get_backend", lambda: "TkAgg")
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(pyplot.gcf().axes))
    plots.show(lambda figure: plots.draw_losses(LOSSES, figure))
    pyplot.close("all")
    assert [axes.get_xlabel() for axes in shown] == ["train num"]
