import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from table.samples import sample

import minitorch_np as mt
from minitorch_np import tutorial
from minitorch_np.study import plots
from minitorch_np.study.explain import explain, picture
from minitorch_np.study.explain.picture import Box, Column


def tutorials():
    start = tutorial.problem()
    return explain(tutorial.network(start.w1, start.w2), mt.SquaredLoss(), start.x, start.y)


def one():
    return explain(mt.Linear(4, 3, rng=0), sample((5, 4)))


def eight():
    model = mt.Sequential(
        *(mt.Linear(64, 128, rng=0), mt.GELU(), mt.Linear(128, 32, rng=1), mt.PReLU()),
        *(mt.Linear(32, 32, rng=2), mt.GLU(), mt.Linear(16, 10, rng=3), mt.LogSoftmax()),
    )
    return explain(model, mt.NLLLoss(), sample((20, 64)), np.arange(20) % 10)


def images():
    model = mt.Sequential(
        *(mt.Conv2d(1, 16, 3, padding=1, rng=0), mt.BatchNorm2d(16), mt.ReLU(), mt.MaxPool2d(2)),
        *(mt.Conv2d(16, 32, 3, rng=1), mt.ReLU(), mt.Flatten(), mt.Dropout(rng=2), mt.Linear(128, 10, rng=3)),
    )
    return explain(model, mt.CrossEntropyLoss(), sample((8, 1, 8, 8)), np.arange(8))


def lopsided():
    model = mt.Sequential(mt.Linear(5000, 1, rng=0), mt.Linear(1, 2, bias=False, rng=1))
    return explain(model, sample((1, 5000)))


def empty():
    return explain(mt.Sequential(), sample((3, 4)))


class Keeper(mt.Layer):
    """y = 2 x."""

    def forward(self, x):
        y = 2 * x
        self.save_for_backward(*(x + i for i in range(12)), output=y)
        return y

    def backward(self, dy):
        return 2 * self.saved(dy)[0]


def residual_block():
    body = mt.Sequential(mt.Conv2d(2, 4, 3, 2, padding=1, rng=0), mt.BatchNorm2d(4), mt.ReLU())
    model = mt.Sequential(mt.Conv2d(1, 2, 1, rng=1), mt.Residual(body, mt.Conv2d(2, 4, 1, 2, rng=2)), mt.ReLU())
    return explain(model, sample((2, 1, 4, 4)))


def encoder():
    model = mt.Sequential(
        mt.Embedding(7, 8, rng=0), mt.TransformerEncoderLayer(8, 2, 16, rng=0), mt.Linear(8, 2)
    )
    return explain(model, np.ones((3, 5), int))


def parallel():
    branches = [mt.Linear(4, 3, rng=0), mt.Sequential(mt.Linear(4, 2, rng=1), mt.Tanh()), mt.Sequential()]
    return explain(mt.Parallel(branches, combine="concatenate"), sample((5, 4)))


def keeping():
    return explain(mt.Sequential(mt.SELU(), Keeper()), sample((1, 3)))


CASES = [tutorials, one, eight, images, lopsided, keeping, empty, residual_block, encoder, parallel]


def texts(figure):
    (axes,) = figure.axes
    return [text for text in axes.texts if text.get_text()]


def boxes(figure):
    """The boxes of arrays by the name below each."""
    found = {}
    for patch in figure.axes[0].patches:
        if isinstance(patch, Rectangle):
            center = patch.get_x() + patch.get_width() / 2
            below = [
                text
                for text in texts(figure)
                if abs(text.get_position()[0] - center) < 1e-6 and text.get_position()[1] < patch.get_y()
            ]
            found[max(below, key=lambda text: text.get_position()[1]).get_text()] = patch
    return found


@pytest.mark.parametrize("case", CASES)
def test_no_text_overlaps_another_text_or_a_box_or_leaves_the_picture(case):
    figure = case().plot()
    figure.draw_without_rendering()
    found = [text.get_window_extent() for text in texts(figure)]
    arrays = [patch.get_window_extent() for patch in boxes(figure).values()]
    assert not [(a, b) for i, a in enumerate(found) for b in found[:i] if a.overlaps(b)]
    assert not [(a, b) for a in found for b in arrays if a.overlaps(b)]
    assert not [(a, b) for i, a in enumerate(arrays) for b in arrays[:i] if a.overlaps(b)]
    assert figure.get_size_inches()[0] < 15
    for box in found + arrays:
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < figure.bbox.width
        assert box.y1 < figure.bbox.height


def test_a_long_list_of_what_is_kept_stands_between_the_layers():
    box = Box("a", "", "", (1, 1))
    array, layer = Column(forward=box, backward=box), Column(title="Layer", saved=["saves", *"bcdefgh"])
    figure = picture.draw([array, layer, array])
    figure.draw_without_rendering()
    found = [text.get_window_extent() for text in texts(figure)]
    assert not [(a, b) for i, a in enumerate(found) for b in found[:i] if a.overlaps(b)]


def test_arrays_without_a_name_are_counted():
    assert "saves\n12 arrays" in [text.get_text() for text in texts(keeping().plot())]


def test_sides_are_in_proportion_to_square_roots():
    found = boxes(tutorials().plot())
    assert set(found) == {
        *("x", "w1", "h", "h_relu", "w2", "y_pred", "y", "loss"),
        *("grad_w1", "grad_h", "grad_h_relu", "grad_w2", "grad_y_pred", "grad_loss"),
    }
    unit = found["w1"].get_height() / np.sqrt(1000)
    sizes = {"x": (64, 1000), "w1": (1000, 100), "h": (64, 100), "w2": (100, 10), "y_pred": (64, 10)}
    for name, (rows, columns) in sizes.items():
        assert found[name].get_height() == pytest.approx(unit * np.sqrt(rows))
        assert found[name].get_width() == pytest.approx(unit * np.sqrt(columns))
        if name != "x":
            gradient = found[f"grad_{name}"]
            assert (gradient.get_width(), gradient.get_height()) == pytest.approx(
                (found[name].get_width(), found[name].get_height())
            )


def test_gradients_stand_below_their_arrays_and_weights_between():
    found = boxes(tutorials().plot())

    def center(name):
        box = found[name]
        return box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2

    for name in ("w1", "h", "h_relu", "w2", "y_pred", "loss"):
        assert center(f"grad_{name}")[0] == pytest.approx(center(name)[0])
        assert center(f"grad_{name}")[1] < center(name)[1]
    order = ["x", "w1", "h", "h_relu", "w2", "y_pred", "y", "loss"]
    assert sorted(order, key=lambda name: center(name)[0]) == order
    assert center("w1")[1] > center("h")[1] > center("grad_h")[1] > center("grad_w1")[1]


def arrows(figure):
    found = [(text.xyann, text.xy) for text in figure.axes[0].texts if not text.get_text()]
    return [(np.array(start), np.array(end)) for start, end in found]


def test_arrows_go_right_in_the_forward_row_and_left_in_the_backward_row():
    figure = tutorials().plot()
    found = boxes(figure)
    rows = {name: box.get_y() + box.get_height() / 2 for name, box in found.items()}
    along = {True: [], False: []}
    for start, end in arrows(figure):
        if np.isclose(start[1], end[1]):
            along[bool(np.isclose(start[1], rows["h"]))].append(end[0] - start[0])
        else:
            assert end[1] < start[1]
    assert len(along[True]) == 8
    assert min(along[True]) > 0
    assert len(along[False]) == 7  # none to grad_x, which nobody needs
    assert max(along[False]) < 0
    alone = explain(mt.Linear(4, 3, rng=0), sample((5, 4))).plot()
    assert len([a for a in arrows(alone) if np.isclose(a[0][1], a[1][1])]) == 4
    assert "grad_x" in boxes(alone)


def test_names_formulas_shapes_and_what_is_kept():
    said = "\n".join(text.get_text() for text in texts(tutorials().plot()))
    for line in (
        "= x w1\n(N, H)  64 × 100",
        "grad_w2\n= h_reluᵀ grad_y_pred\n(H, D_out)  100 × 10",
        "grad_h_relu\n= grad_y_pred w2ᵀ\n(N, H)  64 × 100",
        "grad_h\n= grad_h_relu · dh_relu/dh",
        "grad_y_pred\n= 2 (y_pred − y)",
        "saves\nh\nh_relu",
        "saves\nx\n",
        "loss\n= 3.152e+07\none number",
        "square roots of the sizes",
    ):
        assert line in said
    said = "\n".join(text.get_text() for text in texts(one().plot()))
    assert "grad_b\n= Σ_n grad_y_pred[n]\n(D_out,)  3" in said
    assert "grad_y_pred\nrandom, without a loss" in said


def test_what_is_learned_and_what_is_given_have_colors_of_their_own():
    found = boxes(tutorials().plot())
    color = {name: box.get_edgecolor() for name, box in found.items()}
    assert color["w1"] == color["w2"] == color["grad_w1"]
    assert color["x"] == color["h"] == color["y"] == color["grad_h"] == color["loss"]
    assert color["x"] != color["w1"]
    assert [name for name, box in found.items() if box.get_hatch()] == [
        name for name in found if name.startswith("grad_")
    ]


def test_an_arrow_leads_from_below_the_weights_label_into_the_layer():
    figure = tutorials().plot()
    (w1,) = [text for text in texts(figure) if text.get_text() == "(D_in, H)  1000 × 100"][:1]
    figure.draw_without_rendering()
    bottom = w1.get_window_extent().y0 / figure.dpi
    x = w1.get_position()[0]
    down = [start[1] for start, end in arrows(figure) if np.isclose(start[0], x) and np.isclose(end[0], x)]
    assert len(down) == 3  # w1, what is saved, grad_w1
    assert max(down) < bottom


def test_formulas_that_are_too_long_for_a_picture_are_left_to_the_text():
    said = "\n".join(text.get_text() for text in texts(keeping().plot()))
    assert "where x > 0" not in said
    assert "y_pred\n= 2 x_selu\n" in said


def test_a_figure_of_ones_own_and_a_file(tmp_path):
    own = Figure(figsize=(2, 2), layout="constrained")
    assert one().plot(figure=own) is own
    assert own.get_size_inches()[1] > 4
    plots.save(own, tmp_path / "one.png")
    assert matplotlib.image.imread(tmp_path / "one.png").shape[0] > 600


def test_a_picture_is_written_and_one_that_is_replaced_is_said(tmp_path):
    path = tmp_path / "one.svg"
    one().plot(path)
    assert path.read_text().startswith("<?xml")
    with pytest.warns(UserWarning, match="in place of the one that was there"):
        one().plot(path)
    with pytest.raises(TypeError, match="a figure goes into figure="):
        one().plot(Figure())


def test_a_long_network_goes_on_below_with_the_array_that_it_stopped_at(monkeypatch):
    monkeypatch.setattr(picture, "WIDEST", 8)
    layers = [layer for _ in range(5) for layer in (mt.Linear(6, 6, rng=0), mt.ReLU())]
    explanation = explain(mt.Sequential(*layers), mt.MSELoss(), np.ones((3, 6)), np.ones((3, 6)))
    everything = picture.columns(explanation.chain)
    gutter = picture._text_width("backward", bold=True) + picture.GAP
    bands = list(picture._bands(everything, picture.scale_of(everything), picture.WIDEST - gutter))
    assert len(bands) > 2
    assert [band[-1] for band in bands[:-1]] == [band[0] for band in bands[1:]]
    assert [*bands[0], *(column for band in bands[1:] for column in band[1:])] == everything
    figure = picture.draw(everything)
    assert figure.get_size_inches()[0] <= picture.WIDEST
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said.count("Linear") == 10  # forward and backward
    assert said.count("forward") == len(bands)


def test_branches_stand_in_frames_and_meet_where_they_are_added():
    figure = residual_block().plot()
    said = [text.get_text() for text in texts(figure)]
    assert {"Residual, layer", "Residual, shortcut", "Residual"} <= set(said)
    assert said.count("+") == 2  # forward and backward
    assert "= h2_batch_norm2d_relu + h3" in said
    found = boxes(figure)
    assert "grad_h1_shortcut" in found

    def center(name):
        return found[name].get_x() + found[name].get_width() / 2

    (plus, *_) = [text.get_position()[0] for text in texts(figure) if text.get_text() == "+"]
    assert center("h3") == pytest.approx(plus)  # from above
    assert center("h2_batch_norm2d_relu") < plus < center("h4")


def test_past_a_layer_its_input_arrives_from_above_and_the_gradient_goes_back():
    figure = explain(mt.Sequential(mt.Tanh(), mt.Residual(mt.Linear(4, 4, rng=0))), sample((3, 4))).plot()
    said = "\n".join(text.get_text() for text in texts(figure))
    assert "grad_y_pred\nto x_tanh\n" in said
    assert "grad_x_tanh\n= grad_x_tanh_layer + grad_y_pred\n" in said
    assert "y_pred\n= h + x_tanh\n" in said
    assert "Grey: layers inside another" in said.replace("\n", " ")
    assert "Grey" not in "\n".join(text.get_text() for text in texts(one().plot()))
