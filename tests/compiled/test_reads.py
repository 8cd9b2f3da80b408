"""What a compiled step was derived from is noticed when it changes: classes, functions, arguments, objects."""

import copy

import numpy as np
import pytest
from compiled.test_steps import Both, data, parts

import minitorch_np as mt


class Slotted:
    __slots__ = ("scale",)

    def __init__(self, scale):
        self.scale = scale

    def get(self):
        return self.scale


def twice(x):
    return 2 * x


def thrice(x):
    return 3 * x


def scaled(x, scale=2.0, *, shift=0.5):
    return x * scale + shift


def weighted(x, weights=np.ones(6), factors=[1.0]):  # noqa: B006, B008
    return x * weights * sum(factors)


doubled, arrays = twice, [np.ones(6)]


class Mixin:
    def mixed(self, x):
        return 2 * x


class Base(Mixin, mt.Layer):
    """y = f(x), with a function that is set afterwards; dx = dy."""

    marks = {1}  # noqa: RUF012

    @property
    def tripled(self):
        return 3 * self.scale

    def helped(self, x):
        return 2 * x

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy


class Derived(Base):
    def __init__(self):
        super().__init__()
        self.scale, self.zero, self.slotted, self.bound = 1.5, 0.0, Slotted(2.0), Slotted(3.0).get
        self.numbers, self.arrays, self.pair = [1.0, 2.0], [np.ones(6)], (np.ones(6), 2.0)

    def helped(self, x):
        return super().helped(x)

    def forward(self, x):
        y = self.function(self.check_input(x)) * 1
        self.save_for_backward(output=y)
        return y


def negated(self, x):
    y = -self.check_input(x)
    self.save_for_backward(output=y)
    return y


def change(owner, name, value):
    """Set an attribute, and put back what was there after the test; of an instance there is no need to."""
    CHANGED.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


CHANGED = []


@pytest.fixture(autouse=True)
def _put_back():
    before = copy.deepcopy((scaled.__kwdefaults__, weighted.__defaults__, arrays, Base.marks))
    yield
    for owner, name, value in reversed(CHANGED):
        setattr(owner, name, value)
    CHANGED.clear()
    scaled.__kwdefaults__, weighted.__defaults__, arrays[:], Base.marks = before
    globals().update(doubled=twice)


CASES = [
    (lambda self, x: scaled(x), lambda layer: change(scaled, "__defaults__", (4.0,))),
    (lambda self, x: scaled(x), lambda layer: scaled.__kwdefaults__.update(shift=2.0)),
    (lambda self, x: weighted(x), lambda layer: weighted.__defaults__[0].__setitem__(0, 9.0)),
    (lambda self, x: weighted(x), lambda layer: weighted.__defaults__[1].append(2.0)),
    (lambda self, x: doubled(x), lambda layer: globals().update(doubled=thrice)),
    (lambda self, x: doubled(x), lambda layer: change(twice, "__code__", thrice.__code__)),
    (lambda self, x: self.helped(x), lambda layer: change(Base, "helped", lambda self, x: 3 * x)),
    (lambda self, x: self.mixed(x), lambda layer: change(Mixin, "mixed", lambda self, x: 3 * x)),
    (lambda self, x: x * self.tripled, lambda layer: change(Base, "tripled", property(lambda self: 5.0))),
    (lambda self, x: x * 2, lambda layer: change(Base, "saved", lambda self, dy: (5 * dy,))),
    (lambda self, x: x * 2, lambda layer: change(Derived, "forward", negated)),
    (lambda self, x: x * 2, lambda layer: setattr(layer, "__class__", mt.Tanh)),
    (lambda self, x: x * (2 if 3 in self.marks else 3), lambda layer: layer.marks.add(3)),
    (lambda self, x: x * self.slotted.scale, lambda layer: setattr(layer.slotted, "scale", 5.0)),
    (lambda self, x: x * self.bound(), lambda layer: setattr(layer, "bound", Slotted(5.0).get)),
    (lambda self, x: x * len(self.numbers), lambda layer: layer.numbers.append(5.0)),
    (lambda self, x: x * np.copysign(1.0, self.zero), lambda layer: setattr(layer, "zero", -0.0)),
    (lambda self, x: x * hasattr(self, "extra"), lambda layer: setattr(layer, "extra", 1)),
    (lambda self, x: x * self.arrays[0], lambda layer: setattr(layer, "arrays", [np.arange(6.0)])),
    (
        lambda self, x: x * sum(a for a in self.arrays),
        lambda layer: layer.arrays.__setitem__(0, np.arange(6.0)),
    ),
    (lambda self, x: x * self.pair[0], lambda layer: setattr(layer, "pair", (np.arange(6.0), 2.0))),
    (lambda self, x: x * arrays[0], lambda layer: arrays.__setitem__(0, np.arange(6.0))),
]


@pytest.mark.parametrize(
    ("function", "alter"),
    [pytest.param(*case, marks=[pytest.mark.slow] if i % 3 else []) for i, case in enumerate(CASES)],
)
def test_a_change_is_noticed(function, alter):
    Derived.function = function
    both = Both(*parts(middle=(Derived(),), lr=1e-4))
    for seed in range(4):
        both.make(*data(seed))
    assert both.is_compiled
    both.each(lambda m, loss, o: alter(m[1]))
    for seed in range(2):
        both.make(*data(seed))
    assert type(arrays[0]) is np.ndarray


def test_what_a_generator_reads_is_not_known():
    def multiples(self):
        for number in self.numbers:
            yield number * self.scale

    Derived.multiples, Derived.function = multiples, lambda self, x: x * sum(self.multiples())
    both = Both(*parts(middle=(Derived(),)))
    with pytest.warns(UserWarning, match="multiples is a generator: let it return a list"):
        both.make(*data())
