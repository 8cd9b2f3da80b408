"""Names that people guess are answered with the name here."""

import inspect

import numpy as np
import pytest

import minitorch_np as mt


@pytest.mark.parametrize(
    ("guess", "here"),
    [
        ("relu", "did you mean ReLU"),
        ("leaky_relu", "did you mean LeakyReLU"),
        ("SDG", "did you mean SGD"),
        ("CrossEntropy", "did you mean CrossEntropyLoss"),
        ("nn", "the package itself"),
        ("optim", "mt.Adam"),
        ("Module", "Layer"),
        ("ModelCheckpoint", "Checkpoint"),
        ("train_test_split", "split"),
        ("StandardScaler", "Standardize"),
    ],
)
def test_a_guess_at_the_top_level(guess, here):
    with pytest.raises(AttributeError, match=here):
        getattr(mt, guess)


@pytest.mark.parametrize(
    ("guess", "here"),
    [
        ("fit", "minitorch_np.fit"),
        ("to", "astype"),
        ("register_buffer", "buffer_names"),
        ("cuda", "leave the call out"),
    ],
)
def test_a_guess_at_a_layer(guess, here):
    with pytest.raises(AttributeError, match=here):
        getattr(mt.Sequential(mt.Linear(2, 2)), guess)


def test_a_name_that_is_like_nothing_is_just_missing():
    with pytest.raises(AttributeError, match=r"^minitorch_np has no attribute 'qqqq'$"):
        mt.qqqq  # noqa: B018


def test_folders_export_their_public_names():
    assert mt.layers.Linear is mt.Linear
    assert mt.losses.MSELoss is mt.MSELoss
    assert mt.optimizers.Adam is mt.Adam
    assert mt.schedules.StepLR is mt.StepLR
    assert mt.metrics.accuracy is mt.accuracy
    assert mt.training.fit is mt.fit
    assert mt.study.gradcheck is mt.gradcheck
    for name in mt.__all__:
        assert name in dir(mt)


def test_torchs_layout_has_to_be_said_for_square_weights():
    class Tensor(np.ndarray):
        __module__ = "torch"

    layer, weight = mt.Linear(2, 2, bias=False), np.array([[1.0, 2.0], [3.0, 4.0]])
    state = {"weight": weight.view(Tensor)}
    with pytest.raises(ValueError, match=r"transposed: load_state_dict.*layout='torch'"):
        layer.load_state_dict(state)
    layer.load_state_dict(state, layout="torch")
    assert layer.weight.data.tolist() == weight.T.tolist()
    with pytest.raises(ValueError, match="expects layout"):
        layer.load_state_dict(state, layout="tf")


def test_the_learning_rate_is_an_attribute_of_the_optimizer():
    layer = mt.Linear(2, 2)
    optimizer = mt.SGD([{"params": layer.weight}, {"params": layer.bias, "lr": 0.5}], lr=0.1)
    with pytest.raises(ValueError, match="different lr"):
        optimizer.lr  # noqa: B018
    optimizer.lr = np.float64(0.25)
    assert optimizer.lr == 0.25
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
    with pytest.raises(ValueError, match="lr"):
        optimizer.lr = -1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mt.Conv2d(1, 2, 3, rnge=0), "^Conv2d has no argument 'rnge': did you mean rng"),
        (
            lambda: mt.BatchNorm2d(3, qqqq=1),
            "^BatchNorm2d has no argument 'qqqq': it has num_features, eps, mom",
        ),
        (
            lambda: mt.Conv2d(1, 2),
            "^Conv2d needs kernel_size; it has in_channels, out_channels, kernel_size, str",
        ),
        (lambda: mt.LSTM(3), "^LSTM needs hidden_size; it has"),
        (lambda: mt.Dropout2d(0.5, 1), "^Dropout2d takes 1 arguments by position, got 2; it has p, rng"),
        (lambda: mt.ReLU(inplace=True), "^ReLU has no argument 'inplace': leave it out, no layer writes"),
        (
            lambda: mt.Embedding(4, 3, max_norm=1),
            "^Embedding has no argument 'max_norm': scale the rows of weight",
        ),
        (lambda: mt.Tanh(qqqq=3), "^Tanh has no argument 'qqqq': it has none"),
        (lambda: mt.ReLU(3), "^ReLU takes no argument by position, got 1"),
        (
            lambda: mt.CrossEntropyLoss(smoothing=0.1),
            "^CrossEntropyLoss has no argument 'smoothing': did you mean",
        ),
    ],
)
def test_a_wrong_argument_is_told_in_the_name_of_the_class_that_was_called(call, said):
    with pytest.raises(TypeError, match=said):
        call()


def test_classes_with_arguments_of_their_own_are_called_as_ever():
    class Mine(mt.ReLU):
        def __init__(self, *sizes, **options):
            super().__init__()
            self.sizes, self.options = sizes, options

    mine = Mine(1, 2, name="x")
    assert (mine.sizes, mine.options) == ((1, 2), {"name": "x"})
    assert str(inspect.signature(mt.ReLU)) in ("()", "() -> 'None'", "() -> None")
