import copy

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np._internal.watching import watched


def passes(model, x, act=lambda model, x: model.backward(model(x))):
    seen = []

    def see(direction):
        def note(name, layer, run, array):
            seen.append((direction, name))
            return run()

        return note

    with watched(model, forward=see("forward"), backward=see("backward")):
        act(model, x)
    return seen


def test_each_layer_is_seen_once_in_each_direction():
    class Own(mt.Activation):
        """Its backward_parameters is the one that calls backward."""

        def function(self, x):
            return x

        def derivative(self, x, y):
            return np.ones_like(x)

    model = mt.Sequential(Own(), mt.Sequential(mt.Linear(3, 3, rng=0), mt.ReLU()))
    assert passes(model, np.ones((2, 3))) == [
        ("forward", ""),
        ("forward", "0"),
        ("forward", "1"),
        ("forward", "1.0"),
        ("forward", "1.1"),
        ("backward", ""),
        ("backward", "1"),
        ("backward", "1.1"),
        ("backward", "1.0"),
        ("backward", "0"),
    ]


def test_the_methods_come_back_whatever_happens_and_a_copy_is_not_watched():
    model, x = mt.Sequential(mt.Linear(3, 3, rng=0)), np.ones((2, 3))
    model[0].forward = own = lambda x: 2 * x
    with pytest.raises(ValueError, match="expects"):
        passes(model, x, lambda model, x: mt.Linear(2, 2)(x))
    assert vars(model[0])["forward"] is own
    assert "backward" not in vars(model[0])
    seen = passes(model, x, lambda model, x: copy.deepcopy(mt.Sequential(model[0]))[0](x))
    assert seen == []


def test_a_loss_is_watched_and_two_can_watch():
    model, loss, x = mt.Linear(3, 2, rng=0), mt.SquaredLoss(), np.ones((2, 3))
    seen = []

    def note(part, run, *given):
        seen.append((type(part).__name__, len(given)))
        return run()

    with (
        watched(model, loss=loss, loss_forward=note, loss_backward=note),
        watched(model, loss=loss, loss_forward=note),
    ):
        value = loss(model(x), np.zeros((2, 2)))
        model.backward(loss.backward())
    assert value == np.square(model(x)).sum()
    assert seen == [("SquaredLoss", 2), ("SquaredLoss", 2), ("SquaredLoss", 0)]
    assert not {"forward", "backward"} & set(vars(loss))
