"""A loss that turns NaN or infinite stops training, and says where that began."""

import numpy as np
import pytest
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.data import batches
from minitorch_np.layers.standardize import Standardize
from minitorch_np.training import steps
from minitorch_np.training.fit import fit
from minitorch_np.training.non_finite import NotFiniteError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))


def network(*between):
    return mt.Sequential(mt.Linear(4, 8, rng=0), mt.ReLU(), *between, mt.Linear(8, 2, rng=1))


def failure(model, x=X, y=Y, *, loss=None, lr=0.01, epochs=3, batch_size=4, **options):
    with pytest.raises(NotFiniteError) as caught:
        fit(
            model,
            loss or mt.MSELoss(),
            mt.SGD(model.parameters(), lr=lr),
            (x, y),
            epochs=epochs,
            batch_size=batch_size,
            rng=0,
            verbose=0,
            **options,
        )
    return caught.value


def finite(model):
    return all(np.isfinite(a).all() for a in model.state_dict().values())


class Spoils(mt.Layer):
    """From its n-th forward on, a NaN at one place, on the way there or back."""

    def __init__(self, n, forward=True):
        self.left, self.wrong = n, forward

    def forward(self, x):
        self.left -= 1
        self.save_for_backward(output=x)
        return np.where(np.arange(x.shape[1]) == 2, np.nan, x) if self.left < 0 and self.wrong else x

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return np.where(np.arange(dy.shape[1]) == 2, np.nan, dy) if self.left < 0 and not self.wrong else dy


def test_a_learning_rate_that_is_too_large():
    model = network()
    error = failure(model, lr=1e3)
    assert isinstance(error, FloatingPointError)
    losses = error.history.step_losses
    text = str(error)
    trend = ", ".join(f"{v:.4g}" for v in losses[-3:])
    assert text.startswith(f"the loss is inf in step {len(losses) + 1}, after {trend}, epoch 1 of 3\n")
    assert "it began here: MSELoss() gives inf, from predictions up to" in text or "the output of layer" in text
    assert "as a learning rate does that is too large: a smaller learning rate" in text
    assert "the model has the weights from before step 1 again" in text
    assert same_bits(model.state_dict(), network().state_dict())
    assert error.history.stopped.startswith("the loss is inf in step")


def test_the_first_layer_and_array_are_named():
    text = str(failure(network(Spoils(3))))
    assert "the loss is nan in step 4, after" in text
    assert (
        "it began here: the output of layer '2', Spoils(...), holds 4 NaN in 32 elements, the first at" in text
    )
    assert "0/0, or a root or logarithm of a negative number in that layer?" in text


def test_of_an_overflow_the_sizes_are_told():
    model = network()
    model[-1].weight.data *= 1e200
    model[0].weight.data *= 1e150
    text = str(failure(model))
    assert "step 1, epoch 1 of 3" in text
    assert "the output of layer '2', Linear(8, 2), holds" in text
    assert "inf in 8 elements, the first at [0, 0], from x up to" in text
    assert "this is the first step: look at the scale of the data, up to" in text
    assert "the weights are those it started with" in text


def test_a_layer_inside_a_layer_is_named_by_its_path():
    model = mt.Sequential({"body": mt.Sequential(mt.Linear(4, 8, rng=0), Spoils(0)), "head": mt.Linear(8, 2)})
    assert "the output of layer 'body.1', Spoils(...)," in str(failure(model))


def test_a_gradient_that_is_not_finite_is_found_a_step_later():
    error = failure(network(Spoils(2, forward=False)))
    text = str(error)
    assert "the loss is nan in step 4" in text
    assert "the gradient of bias of layer '0', Linear(4, 8), holds 1 NaN in 8 elements" in text
    assert "in the step before, whose loss was still finite" in text


def test_an_update_that_is_not_finite_is_told_from_its_gradient():
    text = str(failure(network(), lr=1e308, x=100 * X))
    assert "holds" in text
    assert "the last update made it so, from a finite gradient: a smaller learning rate" in text


def test_the_last_step_is_looked_after_too():
    model = network(Spoils(29, forward=False))
    text = str(failure(model))
    assert text.startswith("the last step, 30, has broken the weights, epoch 3 of 3")
    assert finite(model)


def test_a_weight_that_was_nan_from_the_start():
    model = network()
    model[-1].weight.data[0, 0] = np.nan
    text = str(failure(model))
    assert "weight of layer '2', Linear(8, 2), holds 1 NaN in 16 elements" in text
    assert "before the first step: look at its initial or loaded value" in text


def test_a_buffer_and_the_data():
    model = mt.Sequential(Standardize(4), mt.Linear(4, 2, rng=0))
    model[0].mean[1] = np.inf
    assert "buffer mean of layer '0', Standardize(4), holds 1 inf in 4 elements" in str(failure(model))
    x, y = X.copy(), Y.copy()
    x[:, 0] = np.nan
    assert "x of this batch holds 4 NaN in 16 elements, the first at [0, 0]\n    it came with the data" in str(
        failure(network(), x, check=False)
    )
    y[:, 0] = np.inf
    assert "y, the targets of this batch, holds 4 inf in 8 elements" in str(
        failure(network(), y=y, check=False)
    )


def test_a_single_layer_has_no_name():
    model = mt.Linear(4, 2, rng=0)
    model.bias.data[:] = 1e300
    text = str(failure(model))
    assert "it began here: MSELoss() gives inf, from predictions up to 1e+300" in text


def test_something_random():
    class Once(Spoils):
        def forward(self, x):
            self.wrong = self.left == 1
            y = super().forward(x)
            return np.where(self.wrong, np.nan, y)

    text = str(failure(network(Once(5))))
    assert "a second pass over the same batch is finite: something in the network is random" in text


@pytest.mark.parametrize("every", [1, 3, 100])
def test_the_model_gets_back_weights_whose_loss_was_finite(every, monkeypatch):
    """Those from before step 1, 1 + every, 1 + 2 every, ...: the loop up to there has the same bits."""
    monkeypatch.setattr("minitorch_np.training.steps.SNAPSHOT_EVERY", every)
    model, expected = network(Spoils(17)), network(mt.Identity())
    text = str(failure(model))
    kept = 16 // every * every
    assert f"the model has the weights from before step {kept + 1} again" in text
    loss, optimizer, steps = mt.MSELoss(), mt.SGD(expected.parameters(), lr=0.01), 0
    for epoch in range(3):
        for x, y in batches(X, Y, batch_size=4, rng=0).epoch(epoch):
            if steps == kept:
                assert same_bits(model.state_dict(), expected.state_dict())
            loss(expected(x), y)
            expected.backward(loss.backward())
            optimizer.step()
            steps += 1
    assert steps == 30


def test_buffers_come_back_with_the_weights(monkeypatch):
    monkeypatch.setattr("minitorch_np.training.steps.SNAPSHOT_EVERY", 3)

    class Counts(Spoils):
        buffer_names = ("calls",)

        def __init__(self, n):
            super().__init__(n)
            self.calls = np.zeros(1)

        def forward(self, x):
            self.calls = self.calls + 1
            return super().forward(x)

    model = network(Counts(7))
    assert "from before step 7 again" in str(failure(model))
    assert model[2].calls == 7  # of the forward whose loss was finite


def test_the_copies_cost_little():
    assert steps.SNAPSHOT_EVERY == 100


def test_layers_are_themselves_again():
    model = network(Spoils(3))
    failure(model)
    assert not any("forward" in vars(layer) for _, layer in model.named_modules())
    with pytest.raises(RuntimeError, match="call forward before each backward"):
        model.backward(Y[:4])


def test_history_has_what_went_before():
    error = failure(network(Spoils(14)), metrics={"one": lambda p, t: 1})
    assert error.history.epochs == 1
    assert len(error.history.step_losses) == 14


def test_accumulated_parts_are_watched_too():
    assert "the loss is nan in step 2, after" in str(failure(network(Spoils(5)), accumulate_grad_batches=3))
