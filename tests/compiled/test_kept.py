"""Kept derivations: networks of the same structure share one, and others do not."""

import copy
import gc
import random
import warnings
import weakref
from collections import OrderedDict, deque
from functools import partial

import numpy as np
import pytest
from compiled.test_steps import FAMILIES, Both, changed, data, network, parts

import minitorch_np as mt
from minitorch_np.compiled import kept


@pytest.fixture(autouse=True)
def derived(monkeypatch):
    """The models that were gone through, from when nothing is kept."""
    models = []  # their ids, so that none is held
    derive = kept.derive
    monkeypatch.setattr(kept, "_KEPT", OrderedDict())
    monkeypatch.setattr(
        kept, "derive", lambda model, *rest, **plain: models.append(id(model)) or derive(model, *rest, **plain)
    )
    return models


def source(model, loss, optimizer):
    """The text of a step, after some that have the bits of the layers."""
    both = Both(model, loss, optimizer)
    for seed in range(5):
        both.make(*data(seed, dtype=model.dtype))
    assert both.is_compiled
    return both.step.source


def check_again(family, name, dtype, models):
    texts = []
    for turn in range(2):
        model, loss, optimizer, x, y = FAMILIES[family][0](name, dtype)
        for parameter in model.parameters():
            parameter.data[...] *= 1 - turn / 8
        if optimizer is not None:
            optimizer.lr *= 1 + turn
        both = Both(model, loss, optimizer)
        x, y = np.array(x, order="C"), np.array(y, order="C")
        y_is_fixed = y.dtype.kind == "f" and isinstance(loss, mt.CrossEntropyLoss)
        for seed in range(5):
            both.make(changed(x, seed + turn), y if y_is_fixed else changed(y, seed + turn))
        assert both.is_compiled, name
        texts.append(both.step.source)
    assert texts[0] == texts[1], name
    assert len(models) == 1, name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", [pytest.param(k, marks=[pytest.mark.slow] if k else []) for k in range(10)])
def test_a_second_network_of_every_case_is_not_gone_through(family, part, derived):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of losses, about what they are given, and of large numbers
        for name in list(FAMILIES[family][1])[part::10]:
            derived.clear()
            kept._KEPT.clear()
            check_again(family, name, "float32" if part % 2 else "float64", derived)


FACTOR = 2.0


class Scaled(mt.Layer):
    """Multiplies by a number of its class, and one of its module."""

    scale = 3.0

    def forward(self, x):
        return self.check_input(x) * (self.scale * FACTOR)

    def backward(self, dy):
        return dy * (self.scale * FACTOR)


def plain_network():
    return mt.Sequential(mt.Linear(4, 4, rng=0), mt.PReLU(), mt.Linear(4, 3, rng=2))


def with_generators(*which):
    def model():
        rngs = [np.random.default_rng(0), np.random.default_rng(1)]
        return mt.Sequential(*(mt.Dropout(0.5, rng=rngs[i]) for i in which), mt.Linear(4, 3, rng=2))

    return model


def with_middle(layer):
    return lambda: network("float64", copy.deepcopy(layer))


def of(model, optimizer=mt.SGD, **options):
    return lambda: (m := model(), mt.MSELoss(), optimizer(m.parameters(), **{"lr": 0.01} | options))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (of(with_middle(mt.LeakyReLU(0.1))), of(with_middle(mt.LeakyReLU(0.2)))),
        (of(with_middle(mt.Threshold(0.0, 0.0))), of(with_middle(mt.Threshold(-0.0, 0.0)))),
        (of(with_middle(mt.ReLU())), of(with_middle(mt.Tanh()))),
        (of(with_middle(mt.Dropout(0.5, rng=0))), of(with_middle(mt.Dropout(0.25, rng=0)))),
        (of(with_generators(0, 1, 0)), of(with_generators(0, 1, 1))),
        (of(plain_network, momentum=0.0), of(plain_network, momentum=0.9)),
        (of(plain_network, weight_decay=0.0), of(plain_network, weight_decay=0.1)),
        (of(plain_network, momentum=0.9), of(plain_network, momentum=0.9, nesterov=True)),
        (of(plain_network, mt.Adam), of(plain_network, mt.Adam, amsgrad=True)),
        (
            of(with_middle(mt.Activation.of(np.sin, np.cos))),
            of(with_middle(mt.Activation.of(np.sinh, np.cosh))),
        ),
    ],
)
def test_what_another_network_computes_differently_is_gone_through(first, second, derived):
    texts = [source(*make()) for make in (first, second)]
    assert len(derived) == 2
    assert texts == [source(*make()) for make in (first, second)]
    assert len(derived) == 2  # both are kept


@pytest.mark.parametrize("where", ["class", "module", "method"])
def test_what_is_outside_of_the_network_is_looked_at_again(where, derived, monkeypatch):
    make = of(with_middle(Scaled()))
    source(*make())
    source(*make())
    assert len(derived) == 1
    if where == "class":
        monkeypatch.setattr(Scaled, "scale", 0.5)
    elif where == "module":
        monkeypatch.setitem(globals(), "FACTOR", 0.5)
    else:
        monkeypatch.setattr(Scaled, "backward", lambda self, dy: dy * self.scale * FACTOR)
    source(*make())
    assert len(derived) == 2


FACTORS = [2.0, 3.0]


class Product(mt.Layer):
    """Multiplies by all numbers of a list."""

    def forward(self, x):
        x = self.check_input(x)
        for factor in FACTORS:
            x = x * factor
        return x

    def backward(self, dy):
        for factor in FACTORS:
            dy = dy * factor
        return dy


def test_a_list_outside_of_the_network_that_has_changed_is_gone_through(derived):
    make = of(with_middle(Product()))
    source(*make())
    source(*make())
    assert len(derived) == 1
    FACTORS.append(0.5)
    try:
        source(*make())
    finally:
        FACTORS.pop()
    assert len(derived) == 2


@pytest.mark.filterwarnings("ignore:parameters of shape")  # that no optimizer has
def test_frozen_parameters_and_modes_are_part_of_the_structure(derived):
    for training in (True, False, True):
        model, loss, optimizer = parts(middle=(mt.BatchNorm1d(6),))
        model.train(training)
        source(model, loss, optimizer)
    assert len(derived) == 2
    for _ in range(2):
        model, loss, _ = parts(middle=(mt.BatchNorm1d(6),))
        step = mt.compile(model, loss, mt.SGD([*model[1].parameters(), *model[2].parameters()], lr=0.01))
        for seed in range(5):
            step(*data(seed))
        assert step._plan.is_trusted
    assert len(derived) == 3


def test_a_network_that_was_used_before_has_the_same_structure(derived):
    source(*of(plain_network)())
    model, loss, optimizer = of(plain_network)()
    model(data()[0])
    source(model, loss, optimizer)
    assert len(derived) == 1


class Windowed(mt.Layer):
    """Holds two arrays, which may be the same memory."""

    def __init__(self, shares):
        super().__init__()
        self.sums = np.zeros(6)
        self.last = self.sums[:] if shares else np.zeros(6)

    def forward(self, x):
        self.sums += self.check_input(x).sum(axis=0)
        self.last *= 0.5
        return x + self.last

    def backward(self, dy):
        return dy.copy()


def test_arrays_that_share_memory_are_told_from_others(derived):
    for shares in (False, True):
        model, loss, optimizer = parts(middle=(Windowed(shares),))
        step = mt.compile(model, loss, optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the one whose arrays share memory runs in layers
            for seed in range(5):
                step(*data(seed))
    assert len(derived) == 2


class Holding(mt.Identity):
    """Holds a thing."""

    def __init__(self, held):
        super().__init__()
        self.held = held


class Plain:
    def __init__(self):
        self.value = 0.5


class Slotted:
    __slots__ = ("value",)


class HalfSlotted(Slotted):
    pass


@pytest.mark.parametrize(
    "thing",
    [lambda: iter([]), lambda: partial(max, 1), Slotted, HalfSlotted, random.Random, lambda: {1.5}, deque],
)
def test_what_cannot_be_looked_into_is_gone_through_each_time(thing, derived):
    for turn in range(2):
        model, loss, optimizer = parts(middle=(Holding(thing()),))
        step = mt.compile(model, loss, optimizer)
        for seed in range(4):
            step(*data(seed))
        assert len(derived) == turn + 1
    assert not kept._KEPT


@pytest.mark.parametrize("thing", [lambda: [0.5, (1, "a")], Plain, mt.Identity])
def test_what_can_be_looked_into_is_compared(thing, derived):
    source(*of(with_middle(Holding(thing())))())
    source(*of(with_middle(Holding(thing())))())
    assert len(derived) == 1


def test_no_network_is_held_by_what_is_kept():
    model, loss, optimizer = parts(middle=(mt.Dropout(0.5, rng=0),))
    held = [weakref.ref(thing) for thing in (model, loss, optimizer, model[0].weight.data)]
    step = mt.compile(model, loss, optimizer)
    for seed in range(5):
        step(*data(seed))
    assert len(kept._KEPT) == 1
    del model, loss, optimizer, step
    gc.collect()
    assert [ref() for ref in held] == [None] * 4


def test_only_some_and_only_small_ones_are_kept(monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    for slope in (0.1, 0.2, 0.3):
        source(*of(with_middle(mt.LeakyReLU(slope)))())
    assert len(kept._KEPT) == 2
    monkeypatch.setattr(kept, "MOST_BYTES", 100)
    kept._KEPT.clear()
    source(*of(plain_network)())
    assert not kept._KEPT
