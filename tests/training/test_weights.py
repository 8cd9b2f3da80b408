"""Weights of samples and classes in fit."""

import numpy as np
import pytest
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.data import DataLoader, Subset, TensorDataset
from minitorch_np.training import fit

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((30, 4)), RNG.integers(0, 3, 30)
CLASSES[:3] = 0, 1, 2
WEIGHTS = RNG.integers(0, 4, 30)


def trained(loss, x=X, y=CLASSES, *, data=None, outputs=3, **options):
    """The weights after three epochs of whole batches, so that only the gradient counts."""
    model = mt.Linear(4, outputs, rng=0)
    optimizer = mt.SGD(model.parameters(), lr=0.01)
    history = fit(
        model,
        loss,
        optimizer,
        *([x, y] if data is None else [data]),
        epochs=3,
        batch_size=200,
        rng=0,
        verbose=0,
        **options,
    )
    return model.state_dict(), history


def close(a, b):
    return all(np.allclose(a[name], b[name], rtol=1e-10) for name in a)


def test_a_weight_counts_a_sample_so_many_times():
    repeated = np.repeat(np.arange(30), WEIGHTS)
    loss = mt.CrossEntropyLoss(reduction="sum")
    weighted, history = trained(loss, sample_weight=WEIGHTS)
    several, theirs = trained(loss, X[repeated], CLASSES[repeated])
    assert close(weighted, several)
    assert np.allclose(history["loss"], theirs["loss"], rtol=1e-10)


@pytest.mark.parametrize("loss", [mt.CrossEntropyLoss(), mt.CrossEntropyLoss(label_smoothing=0.1)], ids=repr)
def test_a_mean_divides_by_the_number_of_samples(loss):
    same, _ = trained(loss, sample_weight=np.ones(30))
    assert close(same, trained(loss)[0])
    twice, history = trained(loss, sample_weight=np.full(30, 2))
    assert not close(twice, same)
    assert np.isclose(history["loss"][0], 2 * trained(loss)[1]["loss"][0])


def test_outputs_and_pixels_have_the_weight_of_their_sample():
    y = RNG.standard_normal((30, 2))
    loss, repeated = mt.MSELoss(reduction="sum"), np.repeat(np.arange(30), WEIGHTS)
    assert close(
        trained(loss, y=y, outputs=2, sample_weight=WEIGHTS)[0],
        trained(loss, X[repeated], y[repeated], outputs=2)[0],
    )


def test_class_weights_are_those_of_the_loss():
    given = {0: 1.0, 2: 5.0}  # class 1 has 1
    ours, _ = trained(mt.CrossEntropyLoss(reduction="sum"), class_weight=given)
    loss = mt.CrossEntropyLoss(weight=[1.0, 1.0, 5.0], reduction="sum")
    assert close(ours, trained(loss)[0])
    one_hot, _ = trained(mt.CrossEntropyLoss(reduction="sum"), y=np.eye(3)[CLASSES], class_weight=given)
    assert close(ours, one_hot)


def test_balanced_classes_have_one_sum():
    counts = np.bincount(CLASSES)
    by_hand = {c: 30 / (3 * count) for c, count in enumerate(counts.tolist())}
    ours, _ = trained(mt.CrossEntropyLoss(), class_weight="balanced")
    assert same_bits(ours, trained(mt.CrossEntropyLoss(), class_weight=by_hand)[0])
    both, _ = trained(mt.CrossEntropyLoss(), class_weight="balanced", sample_weight=WEIGHTS)
    product = WEIGHTS * np.array([by_hand[c] for c in CLASSES.tolist()])
    assert same_bits(both, trained(mt.CrossEntropyLoss(), sample_weight=product)[0])


def test_ignored_targets_stay_ignored():
    y = CLASSES.copy()
    y[5:9] = -100
    loss = mt.CrossEntropyLoss(reduction="sum")
    kept = y >= 0
    assert close(
        trained(loss, y=y, class_weight={1: 3.0})[0], trained(loss, X[kept], y[kept], class_weight={1: 3.0})[0]
    )
    trained(loss, y=y, class_weight="balanced")


def test_yes_or_no():
    y = (CLASSES > 0).astype(float)[:, None]
    ours, _ = trained(mt.BCEWithLogitsLoss(), y=y, outputs=1, class_weight={1: 3.0})
    assert close(ours, trained(mt.BCEWithLogitsLoss(pos_weight=[3.0]), y=y, outputs=1)[0])


@pytest.mark.parametrize("kind", ["set", "subset", "loader", "list"])
def test_every_kind_of_data_takes_weights(kind):
    dataset = TensorDataset(X, CLASSES)
    data = {
        "set": dataset,
        "subset": Subset(dataset, np.arange(30)),
        "loader": DataLoader(dataset, 200, shuffle=True, rng=0),
        "list": list(zip(X, CLASSES, strict=True)),
    }[kind]
    ours, _ = trained(mt.CrossEntropyLoss(), data=data, sample_weight=WEIGHTS)
    assert close(ours, trained(mt.CrossEntropyLoss(), sample_weight=WEIGHTS)[0])


def test_a_part_for_validation_leaves_each_sample_its_weight():
    rows = np.arange(30.0)[:, None]
    seen = {}

    def note(state):
        for x, _, weight in state.loader.epoch(0):
            seen.update(zip(x[:, 0].tolist(), weight.tolist(), strict=True))

    model = mt.Linear(1, 1, rng=0)
    fit(
        model,
        mt.MSELoss(),
        mt.SGD(model.parameters(), lr=0.0),
        rows,
        rows,
        epochs=1,
        rng=0,
        verbose=0,
        validation_split=0.2,
        sample_weight=rows[:, 0],
        callbacks=note,
    )
    assert len(seen) == 24
    assert all(key == value for key, value in seen.items())


@pytest.mark.parametrize(
    ("y", "options", "match"),
    [
        (CLASSES + 0.5, {"class_weight": "balanced"}, "expects classes as targets, got"),
        (np.ones((30, 3)), {"class_weight": "balanced"}, "targets that do not sum to 1"),
    ],
)
def test_targets_without_classes_are_named(y, options, match):
    with pytest.raises(ValueError, match=match):
        trained(mt.MSELoss(), y=y, **options)


def test_class_weights_need_the_targets_beforehand():
    with pytest.raises(ValueError, match="class_weight expects targets in an array"):
        trained(mt.CrossEntropyLoss(), data=list(zip(X, CLASSES, strict=True)), class_weight="balanced")


def test_a_loss_with_a_forward_of_its_own_takes_no_weights():
    class Mine(mt.MSELoss):
        def forward(self, prediction, target):
            return super().forward(prediction, np.eye(3)[target])

    with pytest.raises(TypeError, match="forward of its own"):
        trained(Mine(), sample_weight=WEIGHTS)
