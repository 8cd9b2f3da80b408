import errno

import matplotlib.image
import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.study import plots

LOSSES = {"handwritten": [100.0, 10.0, 1.0], "layer by layer": [100.0, 10.0, 1.0]}


def test_axes_labels_scale_and_widths():
    figure = plots.draw_losses(LOSSES)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("step", "loss", "log")
    below, above, *leaders = axes.lines
    assert below.get_linewidth() == above.get_linewidth()
    assert (below.get_linestyle(), above.get_linestyle()) == ("-", "--")
    assert below.get_zorder() == above.get_zorder()
    assert [text.get_text() for text in axes.texts] == list(LOSSES)
    assert len(leaders) == 2
    assert above.get_ydata().tolist() == LOSSES["layer by layer"]


@pytest.mark.parametrize(
    "losses", [[1.0], [np.nan, np.nan], [0.0, 0.0], [1e7, 1e300, np.inf, np.nan], [1e-300, 1e150], []]
)
def test_any_losses_can_be_drawn(tmp_path, losses):
    given = np.array(losses)
    plots.save(plots.draw_losses({"a": given, "b": losses}), tmp_path / "loss.png")
    assert given.tobytes() == np.array(losses).tobytes()
    assert matplotlib.image.imread(tmp_path / "loss.png").shape[2] == 4


def boxes(figure):
    figure.draw_without_rendering()
    return [text.get_window_extent() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("count", [2, 8, 23])
def test_names_of_curves_do_not_overlap(count):
    rng = np.random.default_rng(0)
    curves = {f"curve {i}": np.exp(-rng.choice([1, 5, 20]) * np.arange(1, 9)) for i in range(count)}
    figure = plots.draw_losses(curves)
    found = boxes(figure)
    assert len(found) == count
    assert not [(a, b) for i, a in enumerate(found) for b in found[:i] if a.overlaps(b)]
    assert all(box.y0 > 0 and box.x1 < figure.bbox.width for box in found)
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines[:count]}
    assert len(styles) == count or count > 7  # matplotlib calls every dash '--'


def test_a_curve_that_leaves_the_finite_numbers_says_so():
    figure = plots.draw_losses({"good": [1.0, 0.5], "bad": [1.0, np.nan], "never": [np.nan, np.inf]})
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "never (not finite)",
        "good",
        "bad (not finite)",
    ]


def test_functions_and_derivatives_in_panels():
    figure = plots.draw_functions({"ReLU": mt.ReLU(), "Sine": mt.Activation.of(np.sin, np.cos)}, reach=3)
    relu, sine = figure.axes
    assert (relu.get_title(), sine.get_title()) == ("ReLU", "Sine")
    *_, y, slope = relu.lines
    x = y.get_xdata()
    assert (x[0], x[-1]) == (-3, 3)
    assert np.array_equal(y.get_ydata(), np.maximum(x, 0))
    assert np.array_equal(slope.get_ydata()[x < 0], 0 * x[x < 0])
    assert np.isnan(slope.get_ydata()).sum() == 1  # the jump
    *_, y, slope = sine.lines
    assert np.allclose(y.get_ydata(), np.sin(x))
    assert np.allclose(slope.get_ydata(), np.cos(x))


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
    assert [axes.get_xlabel() for axes in shown] == ["step"]


def test_the_y_axis_fits_functions_of_ones_own():
    small, large = mt.Activation.of(lambda x: x / 100, lambda x: 0 * x), mt.Activation.of(np.exp, np.exp)
    shown = {"ReLU": mt.ReLU(), "GELU": mt.GELU(), "Small": small, "Exp": large}
    relu, gelu, small, large = (axes.get_ylim() for axes in plots.draw_functions(shown).axes)
    assert relu == gelu == plots.USUAL
    assert small[1] - small[0] < 0.2
    assert 40 < large[1] < 70


def test_a_picture_is_not_overwritten_without_a_word(tmp_path):
    path = tmp_path / "loss.png"
    assert plots.save(plots.draw_losses(LOSSES), path) == str(path)
    assert plots.save(plots.draw_losses(LOSSES), path) == f"{path} (in place of the one that was there)"
