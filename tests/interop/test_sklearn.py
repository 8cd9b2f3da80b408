import functools
import pickle
import signal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import minitorch_np as mt
from minitorch_np.interop.sklearn import NetworkClassifier, NetworkRegressor


def name(check):
    if isinstance(check, functools.partial):
        return f"{name(check.func)}{''.join(f',{key}={value}' for key, value in check.keywords.items())}"
    return name(check.__wrapped__) if hasattr(check, "__wrapped__") else check.__name__


SLOW = pytest.mark.slow
ESTIMATORS = {  # the defaults are what is promised; the gate checks them
    NetworkClassifier(epochs=20, lr=0.01): (),
    NetworkRegressor(epochs=20, lr=0.01): SLOW,
    NetworkClassifier(): SLOW,
    NetworkRegressor(): SLOW,
}
CHECKS = [
    pytest.param(estimator, check, id=f"{estimator}-{name(check)}", marks=marks)
    for estimator, marks in ESTIMATORS.items()
    for _, check in estimator_checks_generator(estimator)
    if "array_api" not in name(check)  # which skips itself: this is NumPy
]


@pytest.mark.filterwarnings("ignore:NetworkClassifier predicts")  # labels that checks draw at random
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def flowers():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.fixture(scope="module")
def numbers():
    return make_regression(120, 6, n_targets=2, noise=1.0, random_state=0)


def classifier(layers="8, tanh", **options):
    return NetworkClassifier(layers, **{"epochs": 30, "lr": 0.01, "random_state": 0} | options)


def regressor(layers="8, tanh", **options):
    return NetworkRegressor(layers, **{"epochs": 30, "lr": 0.01, "random_state": 0} | options)


def weights(estimator):
    return list(estimator.network_.state_dict().values())


def same_bits(a, b):
    return all(np.array_equal(p, q) for p, q in zip(weights(a), weights(b), strict=True))


def test_what_can_be_read_afterwards(flowers):
    x, y = flowers
    model = classifier("16, relu", epochs=200, early_stopping=True).fit(x, y)
    assert model.score(x, y) > 0.95
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_features_in_ == 4
    assert repr(model.network_) == "Sequential(Linear(4, 16), ReLU(), Linear(16, 3))"
    assert model.loss_curve_ == model.history_["loss"]
    assert model.n_iter_ == np.argmin(model.history_["val_loss"]) + 1
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.array_equal(model.predict(x), p.argmax(axis=1))
    assert not np.array_equal(weights(model)[0], weights(classifier("16, relu", random_state=1).fit(x, y))[0])


@pytest.mark.parametrize(
    "labels", [["setosa", "virginica", "x"], [-1, 5, 7], [0.0, 1.0, 2.0], ["a", "b", "a"], [True, False, False]]
)
def test_labels_of_any_type(flowers, labels):
    x, y = flowers
    y = np.array(labels)[y]
    model = classifier(epochs=60).fit(x, y)
    assert model.predict(x).dtype == y.dtype
    assert np.mean(model.predict(x) == y) > 0.8
    assert model.predict_proba(x).shape == (150, len(set(labels)))


@pytest.mark.parametrize(
    ("layers", "loss", "outputs"),
    [
        ("8, tanh", "cross_entropy", 2),
        ("Linear(4, 2), LogSoftmax(dim=1)", mt.NLLLoss, 2),
        ("8, tanh", mt.BCEWithLogitsLoss(), 1),
        ("Linear(4, 1), sigmoid", "BCELoss", 1),
    ],
)
def test_losses_of_two_classes(flowers, layers, loss, outputs):
    x, y = flowers
    model = classifier(layers, loss=loss, epochs=100).fit(x, y == 0)
    assert model.network_(x).shape == (150, outputs)
    assert model.score(x, y == 0) == 1
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


def test_several_outputs_in_their_own_units(numbers):
    x, y = numbers
    y = y * [1.0, 1e-3] + [1000.0, 0.0]
    model = regressor("32, relu", epochs=300, early_stopping=False).fit(x, y)
    assert model.score(x, y) > 0.95
    assert model.predict(x).shape == (120, 2)
    np.testing.assert_allclose(model.target_mean_, y.mean(axis=0))
    assert regressor().fit(x, y[:, 0]).predict(x).shape == (120,)


def test_a_target_as_it_is(numbers):
    x, y = numbers
    model = regressor("8, relu, Linear(8, 1), softplus", standardize_target=False)
    model.set_params(layers=lambda n, k: mt.Sequential(mt.Linear(n, k), mt.Softplus()))
    assert model.fit(x, np.abs(y[:, 0])).predict(x).min() >= 0


@pytest.mark.parametrize("loss", ["mse", "SquaredLoss", "HuberLoss(delta=0.5)"])
def test_sample_weights_are_repeated_rows_for_numbers(numbers, loss):
    x, y = numbers
    times = np.arange(120) % 3
    options = {"early_stopping": False, "batch_size": 500, "loss": loss, "lr": 1e-3}
    weighted = regressor(**options).fit(x, y, sample_weight=times)
    repeated = regressor(**options).fit(x.repeat(times, axis=0), y.repeat(times, axis=0))
    plain = regressor(**options).fit(x, y)
    np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-8)
    assert not np.allclose(weighted.predict(x), plain.predict(x), rtol=1e-3)


@pytest.mark.parametrize("loss", ["cross_entropy", "CrossEntropyLoss(weight=[1.0, 3.0])", "bce_with_logits"])
def test_sample_weights_are_repeated_rows_for_classes(flowers, loss):
    x, y = flowers[0], flowers[1] == 1
    times = np.arange(150) % 3
    options = {"early_stopping": False, "batch_size": 500, "loss": loss}
    weighted = classifier(**options).fit(x, y, sample_weight=times)
    repeated = classifier(**options).fit(x.repeat(times, axis=0), y.repeat(times))
    plain = classifier(**options).fit(x, y)
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), rtol=1e-8)
    assert not np.allclose(weighted.predict_proba(x), plain.predict_proba(x), rtol=1e-3)


def test_class_weights_are_sample_weights(flowers):
    x, y = flowers
    y = np.array(["a", "b", "c"])[y]
    of_classes = classifier(class_weight={"a": 1, "b": 5, "c": 2}).fit(x, y)
    of_samples = classifier().fit(x, y, sample_weight=np.select([y == "a", y == "b"], [1, 5], 2))
    assert same_bits(of_classes, of_samples)
    assert not same_bits(of_classes, classifier().fit(x, y))
    both = classifier(class_weight={"a": 1, "b": 5, "c": 2}).fit(x, y, sample_weight=np.full(150, 2.0))
    assert same_bits(of_classes, both)


def test_a_class_that_is_never_predicted_is_named():
    x, y = make_classification(400, 8, weights=[0.97], flip_y=0, class_sep=0.3, random_state=0)
    y = np.array(["often", "rare"])[y]
    with pytest.warns(
        UserWarning, match=r"'rare' for none of the 400 .* 12 of them .* class_weight='balanced'"
    ):
        model = classifier(epochs=5).fit(x, y)
    assert "rare" not in model.predict(x)
    assert "rare" in classifier(class_weight="balanced").fit(x, y).predict(x)
    with pytest.warns(UserWarning, match=r"'rare' .* more epochs"):
        classifier(epochs=5, class_weight={"often": 1, "rare": 1}).fit(x, y)


def test_partial_fit_goes_on_to_the_bit(flowers):
    x, y = flowers
    whole = classifier(epochs=6, early_stopping=False, batch_size=20).fit(x, y)
    part = classifier(batch_size=20)
    for epoch in range(6):
        part.partial_fit(x, y, classes=[0, 1, 2] if epoch == 0 else None)
        part = pickle.loads(pickle.dumps(part)) if epoch == 2 else part
    assert same_bits(whole, part)
    assert part.n_iter_ == 6
    assert part.loss_curve_ == whole.loss_curve_
    more = clone(whole).fit(x, y).partial_fit(x, y)
    assert same_bits(more, part.partial_fit(x, y))
    assert more.n_iter_ == 7


def test_partial_fit_of_numbers_keeps_the_first_unit(numbers):
    x, y = numbers
    model = regressor().partial_fit(x[:50], y[:50])
    mean = model.target_mean_
    assert model.partial_fit(x[50:], y[50:]).target_mean_ is mean
    with pytest.raises(ValueError, match=r"y has 1 outputs, and the first call of partial_fit had 2"):
        model.partial_fit(x, y[:, 0])


def test_partial_fit_of_rows_without_some_classes(flowers):
    x, y = flowers
    model = classifier().partial_fit(x[:50], y[:50], classes=[0, 1, 2])
    assert model.predict_proba(x).shape == (150, 3)
    model.partial_fit(x[50:], y[50:], sample_weight=np.ones(100))
    assert model.n_iter_ == 2


def test_frames(flowers):
    x, y = flowers
    frame = pd.DataFrame(x, columns=list("abcd"))
    model = classifier().fit(frame, pd.Series(y, dtype="category"))
    assert model.feature_names_in_.tolist() == list("abcd")
    assert same_bits(model, classifier().fit(x, y))
    assert np.array_equal(model.predict(frame), model.predict(frame.astype("float32")))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("dcba")])


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_sparse_rows(flowers, form):
    x, y = np.where(np.abs(flowers[0]) < 0.5, 0, flowers[0]), flowers[1]
    for options in ({}, {"early_stopping": True}):
        dense, thin = classifier(**options).fit(x, y), classifier(**options).fit(form(x), y)
        assert same_bits(dense, thin)
        assert np.array_equal(dense.predict_proba(x), thin.predict_proba(form(x)))
    assert same_bits(classifier().fit(x, y, y + 1), classifier().fit(form(x), y, y + 1))


def test_pickles_and_clones(numbers):
    x, y = numbers
    model = regressor([8, mt.Tanh()], loss=mt.HuberLoss(), optimizer=mt.AdamW).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(x), model.predict(x))
    assert same_bits(clone(model).fit(x, y), model)


def test_shows_as_a_diagram():
    assert "NetworkClassifier" in make_pipeline(StandardScaler(), NetworkClassifier())._repr_html_()


@pytest.mark.parametrize(
    ("layers", "built"),
    [
        ("", "Sequential(Linear(4, 3))"),
        ([5, "tanh"], "Sequential(Linear(4, 5), Tanh(), Linear(5, 3))"),
        ([mt.Linear(4, 5), mt.ReLU, 2], "Sequential(Linear(4, 5), ReLU(), Linear(5, 2), Linear(2, 3))"),
        ("Linear(4, 2), tanh, Linear(2, 3)", "Sequential(Linear(4, 2), Tanh(), Linear(2, 3))"),
        (mt.Linear(4, 3), "Sequential(Linear(4, 3))"),
        (
            lambda n, k: mt.Sequential(mt.Linear(n, n), mt.Linear(n, k)),
            "Sequential(Linear(4, 4), Linear(4, 3))",
        ),
    ],
)
def test_layers_in_every_form(flowers, layers, built):
    before = mt.Linear(4, 3).astype("float64") if isinstance(layers, mt.Layer) else None
    model = classifier(layers, epochs=100).fit(*flowers)
    assert " ".join(repr(model.network_).split()).replace("( ", "(").replace(", )", ")") == built
    assert not isinstance(layers, mt.Layer) or model.network_[0] is not layers
    assert before is None or not np.array_equal(layers.weight.data, model.network_[0].weight.data)


def test_a_function_draws_weights_by_the_random_state(flowers):
    model = classifier(lambda n, k, rng: mt.Linear(n, k, rng=rng))
    assert same_bits(clone(model).fit(*flowers), clone(model).fit(*flowers))
    assert not same_bits(model.fit(*flowers), clone(model).set_params(random_state=1).fit(*flowers))


@pytest.mark.parametrize(
    "optimizer", ["sgd(momentum=0.9)", mt.SGD, lambda p: mt.SGD(p, lr=0.01), "SGD(lr=0.01, momentum=0.0)"]
)
def test_optimizers_in_every_form(flowers, optimizer):
    model = classifier(optimizer=optimizer, lr=0.01, early_stopping=False).fit(*flowers)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert isinstance(model._optimizer, mt.SGD)


@pytest.mark.filterwarnings("ignore:NetworkClassifier predicts")  # with the lower learning rate
def test_a_search_over_layers(flowers):
    pipeline = make_pipeline(StandardScaler(), classifier(early_stopping=False))
    grid = {"networkclassifier__layers": ["", "8, relu", [8, "tanh"]], "networkclassifier__lr": [1e-3, 0.01]}
    found = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(*flowers)
    assert found.best_params_["networkclassifier__lr"] == 0.01
    assert found.best_score_ > 0.8
    assert cross_val_score(found.best_estimator_, *flowers, cv=3, error_score="raise").min() > 0.7


def test_a_table_with_gaps_and_categories():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.uniform(0, 9, 200), "town": rng.choice(["Rome", "Oslo"], 200)})
    y = np.where((table["age"] > 5) == (table["town"] == "Oslo"), "yes", "no")
    table.loc[::7, "age"], table.loc[::9, "town"] = np.nan, None
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("categories", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ]
    )
    model = make_pipeline(columns, classifier("32, relu", epochs=200)).fit(table, y)
    assert model.score(table, y) > 0.8
    assert model.predict(pd.DataFrame({"age": [np.nan], "town": ["Lima"]})) in (["yes"], ["no"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision(flowers, numbers, dtype):
    model = classifier(dtype=dtype).fit(*flowers, sample_weight=np.linspace(0.5, 1, 150))
    assert model.network_.dtype == dtype
    assert model.predict_proba(flowers[0]).dtype == dtype
    assert regressor(dtype=dtype).fit(*numbers).network_.dtype == dtype


def test_held_out_rows_stop_and_choose_the_epoch():
    x, y = make_regression(300, 10, noise=200.0, random_state=0)
    best = regressor("64, relu", epochs=300, refit=False).fit(x, y)
    assert best.n_iter_ < best.history_.epochs < 300
    assert best.history_.epochs == best.n_iter_ + 20
    again = regressor("64, relu", epochs=300).fit(x, y)
    assert again.n_iter_ == best.n_iter_
    assert again.history_["val_loss"] == best.history_["val_loss"]
    assert not same_bits(again, best)
    best._train(x, y[:, None], None, epochs=-(-best.n_iter_ // 10))
    assert same_bits(again, best)


def test_every_class_is_trained_on_with_early_stopping():
    x = np.linspace(-1, 1, 40)[:, None]
    y = np.arange(40) // 38 + (np.arange(40) == 39)  # 38 of class 0, one of class 1 and 2
    model = classifier(
        early_stopping=True, validation_fraction=0.5, epochs=300, lr=0.05, class_weight="balanced"
    )
    assert set(model.set_params(patience=300).fit(x, y).predict(x)) == {0, 1, 2}


def test_few_rows_are_all_trained_on(flowers):
    x, y = flowers[0][::6], flowers[1][::6]
    assert "val_loss" not in classifier().fit(x, y).history_
    assert "val_loss" in classifier(early_stopping=True).fit(x, y).history_
    assert "val_loss" in classifier().fit(np.tile(x, (9, 1)), np.tile(y, 9)).history_


class Interrupting(mt.MSELoss):
    """Presses Ctrl-C in the third epoch."""

    calls = 0

    def forward(self, prediction, target):
        self.calls += 1
        if self.calls == 3:
            signal.raise_signal(signal.SIGINT)
        return super().forward(prediction, target)


def test_ctrl_c_leaves_a_network_and_says_so(numbers):
    model = regressor(loss=Interrupting(), early_stopping=False, batch_size=120)
    with pytest.warns(UserWarning, match=r"NetworkRegressor: Ctrl-C in epoch 3, training is not complete"):
        model.fit(*numbers)
    assert model.predict(numbers[0]).shape == (120, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": "8, rellu"}, "there is no rellu here; did you mean ReLU?"),
        ({"layers": "relu"}, "expected a network with 3 outputs, got 'relu' with 4"),
        ({"layers": lambda n, k: [n, k]}, r"expects layers\(n_features, n_outputs\) to return a network"),
        ({"layers": lambda n, k: mt.Linear(n, n)}, "expected a network with 3 outputs"),
        ({"loss": "MSELoss"}, "NetworkClassifier expects CrossEntropyLoss, NLLLoss"),
        ({"loss": "bce_with_logits"}, "got BCEWithLogitsLoss.* for 3 classes"),
        ({"loss": 3}, "expects loss as text"),
        ({"optimizer": "Adaam"}, "there is no optimizer Adaam; did you mean Adam. there is SGD"),
        ({"optimizer": 3}, "expects optimizer as text, 'SGD"),
        ({"optimizer": mt.SGD(mt.Linear(2, 2).parameters(), lr=1.0)}, "expects optimizer as text"),
        ({"epochs": 0}, "expects epochs to be a whole number"),
        ({"batch_size": 0}, "expects batch_size to be a whole number"),
        ({"batch_size": "all"}, "expects batch_size to be a whole number"),
        ({"early_stopping": "yes"}, "expects early_stopping True, False or 'auto', got 'yes'"),
        ({"validation_fraction": 1.0}, "expects validation_fraction between 0 and 1"),
        ({"early_stopping": True, "validation_fraction": 0.001}, "150 rows are too few to hold out"),
        ({"dtype": "int8"}, "int8"),
        ({"class_weight": "even"}, "class_weight"),
    ],
)
def test_wrong_arguments_are_named(flowers, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        classifier(**options).fit(*flowers)


def test_wrong_targets_and_weights_are_named(flowers, numbers):
    x, y = flowers
    for wrong, message in (
        (np.ones(3), r"sample_weight has shape \(3,\), expected \(150,\)"),
        (np.full(150, -1.0), "sample_weight expects finite numbers, 0 or more"),
        (np.zeros(150), "all sample weights are zero"),
    ):
        with pytest.raises(ValueError, match=message):
            classifier().fit(x, y, sample_weight=wrong)
    with pytest.raises(ValueError, match="classifier"):
        classifier().fit(x, x[:, 0])
    with pytest.raises(ValueError, match=r"NetworkRegressor expects a loss for numbers"):
        regressor(loss="cross_entropy").fit(*numbers)
    with pytest.raises(ValueError, match=r"the first call of partial_fit expects classes"):
        classifier().partial_fit(x, y)
    with pytest.raises(ValueError, match=r"class_weight='balanced' needs all rows at once"):
        classifier(class_weight="balanced").partial_fit(x, y, classes=[0, 1, 2])
    model = classifier().partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="are not those of the first call"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has the label 3, not one of the classes"):
        model.partial_fit(x, y + 1)


def test_a_loss_that_overflows_says_to_scale(numbers):
    x, y = numbers
    with pytest.raises(FloatingPointError) as caught:
        regressor("8", optimizer="SGD", lr=10.0).fit(x * 1e30, y)
    assert "StandardScaler" in caught.value.__notes__[0]
