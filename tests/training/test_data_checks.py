"""What is wrong with data is said before the first step."""

import numpy as np
import pytest
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.data import Subset, TensorDataset
from minitorch_np.training import data_checks as checks
from minitorch_np.training.fit import fit

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((40, 4)), RNG.integers(0, 3, 40)


@pytest.fixture(params=[2**20, 8], ids=["one block", "two samples a block"])
def block(request, monkeypatch):
    monkeypatch.setattr(checks, "BLOCK", request.param)
    return request.param


def spoilt(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def train(data, loss=None, *, validation_data=None, classes=3, **options):
    model = mt.Linear(4, classes, rng=0)
    before = model.state_dict()
    try:
        fit(
            model,
            loss or mt.CrossEntropyLoss(),
            mt.SGD(model.parameters(), lr=0.1),
            data,
            epochs=1,
            batch_size=4,
            rng=0,
            validation_data=validation_data,
            verbose=0,
            **options,
        )
    except (TypeError, ValueError):
        assert same_bits(model.state_dict(), before)
        raise


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_nan_and_infinity_in_x(value, block):
    x = spoilt(X, ([5, 37, 37], [2, 0, 1]), value)
    match = rf"x of the training data .* in 2 of 40 samples, the first is sample 5 with {value} at \[2\]"
    with pytest.raises(ValueError, match=match) as caught:
        train((x, CLASSES))
    fix = str(caught.value).splitlines()[-1].partition(": ")[2]
    names = {"np": np, "x": x, "y": CLASSES}
    exec(fix, names)  # what is suggested works
    assert len(names["x"]) == len(names["y"]) == 38
    train((names["x"], names["y"]))


def test_nan_in_y_and_in_validation_data():
    y = RNG.standard_normal((40, 3))
    with pytest.raises(
        ValueError, match=r"y of the training data .* in 1 of 40 samples, the first is sample 39"
    ):
        train((X, spoilt(y, (39, 1), np.nan)), mt.MSELoss())
    with pytest.raises(ValueError, match="x of the validation data holds NaN"):
        train((X, y), mt.MSELoss(), validation_data=(spoilt(X, (3, 3), np.nan), y))


def test_of_a_subset_its_own_samples_count():
    dataset = TensorDataset(spoilt(X, (5, 0), np.nan), CLASSES)
    train(Subset(dataset, [4, 6, 7]))
    with pytest.raises(ValueError, match="in 1 of 3 samples, the first is sample 1 with nan"):
        train(Subset(dataset, [4, 5, 7]))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range(label, block):
    with pytest.raises(ValueError, match=rf"class indices from 0 to 2 .*, got {label} at target") as caught:
        train((X, spoilt(CLASSES, 33, label)))
    assert "in the targets of the training data, counted from sample" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=f"got {label}") as caught:
        train((X, CLASSES), validation_data=(X, spoilt(CLASSES, 33, label)))
    assert "of the validation data" in caught.value.__notes__[0]


def test_the_place_of_a_label_is_its_place_in_the_data():
    with pytest.raises(ValueError, match=r"got 3 at target\[33\]") as caught:
        train((X, spoilt(CLASSES, 33, 3)))
    assert caught.value.__notes__ == ["(in the targets of the training data, counted from sample 0)"]


@pytest.mark.parametrize(
    ("y", "loss", "match"),
    [
        (CLASSES[:, None], mt.CrossEntropyLoss(), r"class indices of shape \(40,\), got \(40, 1\)"),
        (CLASSES.astype(float), mt.CrossEntropyLoss(), "class indices are integers"),
        (CLASSES, mt.MSELoss(), "prediction and target of the same shape"),
        (RNG.standard_normal((40, 3)), mt.BCEWithLogitsLoss(), "targets between 0 and 1"),
        (RNG.standard_normal((40, 3)).astype("float32"), mt.MSELoss(), "expects target of dtype float64"),
        (np.full((40, 3), 0.5), mt.CrossEntropyLoss(), "a sum of 1.5 instead of 1 in sample 0"),
    ],
)
def test_whatever_the_loss_refuses(y, loss, match):
    with pytest.raises((TypeError, ValueError), match=match):
        train((X, y), loss)


def test_what_the_loss_takes_passes(block):
    train((X, spoilt(CLASSES, 33, -100)))
    train((X, np.eye(3)[CLASSES]))
    train((X, CLASSES[:, None] % 2), mt.BCEWithLogitsLoss(), classes=1)


def test_a_warning_that_a_loss_gives_once_is_left_to_it():
    model = mt.Sequential(mt.Linear(4, 3, rng=0), mt.Softmax())
    with pytest.warns(UserWarning, match="remove the Softmax"):
        fit(model, mt.CrossEntropyLoss(), mt.SGD(model.parameters()), (X, CLASSES), epochs=1, verbose=0)


def test_without_check_it_is_found_when_it_comes():
    with pytest.raises(FloatingPointError, match="x of this batch holds 1 NaN in 16 elements"):
        train((spoilt(X, (5, 0), np.nan), CLASSES), check=False)


def test_a_loss_with_a_forward_of_its_own_is_not_asked():
    class Mine(mt.MSELoss):
        def forward(self, prediction, target):
            return super().forward(prediction, np.eye(3)[target])

    train((X, CLASSES), Mine())


def test_each_data_set_is_looked_through_once(monkeypatch):
    asked = []
    monkeypatch.setattr(checks, "check_targets", lambda loss, prediction, dataset, whose: asked.append(whose))
    train((X, CLASSES), validation_data=(X, CLASSES))
    assert asked == ["training", "validation"]
