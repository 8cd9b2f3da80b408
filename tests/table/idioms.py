"""Layers in the many ways people write them; each is y = f(x) with some dx, right or not: only bits count."""

import functools
from collections import namedtuple

import numpy as np

from minitorch_np import Layer

IDIOMS = {}


class Idiom(Layer):
    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        IDIOMS[cls.__name__] = cls

    def backward(self, dy):
        return dy


class PicksRows(Idiom):
    def forward(self, x):
        rows = np.flatnonzero(np.abs(x).max(1) > 0.9)
        return x if not len(rows) else x * 0.5


class MeansOverMany(Idiom):
    def forward(self, x):
        large = x[np.abs(x) > 0.5]
        return x * large.size + large.sum() / max(large.shape[0], 1)


class CountsDistinct(Idiom):
    def forward(self, x):
        values, _ = np.unique(np.round(3 * x), return_inverse=True)
        return x * (0.5 if len(values) > 9 else 1.0)


class AllAndAny(Idiom):
    def forward(self, x):
        small = all([x.max() < 0.8, x.min() > -0.8])
        odd = any(np.abs(row).max() > 0.7 for row in x)
        return x * (2.0 if small else 1.0) + (1.0 if odd else 0.0)


class ValueOfAnd(Idiom):
    def forward(self, x):
        factor = (x.max() > 0.6) and 0.5
        return x * (factor or 1.0)


class PerhapsNone(Idiom):
    def forward(self, x):
        scale = None
        if x.max() > 0.6:
            scale = 0.5
        return x if scale is None else x * scale


class StateInABranch(Idiom):
    def __init__(self):
        self.turn, self.memory = np.zeros(1), np.zeros(4)

    def forward(self, x):
        if self.turn[0] % 4 == 0:
            self.memory = x.mean(axis=0)
        self.turn += 1
        return x - self.memory


class FilledBuffer(Idiom):
    def forward(self, x):
        out = np.zeros(3)
        out.fill(np.abs(x).max())
        return x * 0.5 if out.sum() > 2 else x


class AddAt(Idiom):
    def forward(self, x):
        out = np.zeros(x.shape[1])
        np.add.at(out, [0, 0, 1], x[:3, 0])
        return x + out


class CopyTo(Idiom):
    def forward(self, x):
        y = np.empty_like(x)
        np.copyto(y, x)
        np.multiply(y, 2, y)
        np.nan_to_num(y, copy=False)
        return y


class Recurrent(Idiom):
    """A list of hidden states, and a cache that grows by append."""

    def forward(self, x):
        self.cache, hidden = [], [np.zeros(len(x))]
        for column in x.T:
            hidden.append(np.tanh(column + 0.5 * hidden[-1]))
            self.cache.append(hidden[-1])
        return np.stack(hidden[1:], axis=1)

    def backward(self, dy):
        return dy * (1 - np.stack(self.cache, axis=1) ** 2)


class CacheInADict(Idiom):
    def forward(self, x):
        cache = {}
        self.cache = cache
        cache["sine"] = np.sin(x)
        cache.update(cosine=np.cos(x))
        return cache["sine"]

    def backward(self, dy):
        return dy * self.cache["cosine"]


class StateInADict(Idiom):
    def __init__(self):
        self.state = {"mean": np.zeros(4), "square": np.ones(4)}

    def forward(self, x):
        self.state["mean"] = 0.9 * self.state["mean"] + 0.1 * x.mean(axis=0)
        self.state["square"] *= 0.9
        self.state["square"] += 0.1 * (x * x).mean(axis=0)
        return (x - self.state["mean"]) / np.sqrt(self.state["square"])


class TwoStepsBack(Idiom):
    def __init__(self):
        self.last, self.before = np.zeros(4), np.zeros(4)

    def forward(self, x):
        y = x + 0.1 * self.before - 0.1 * self.last
        self.before = self.last
        self.last = x.mean(axis=0)
        return y


class Swapped(Idiom):
    def __init__(self):
        self.a, self.b = np.zeros(4), np.ones(4)

    def forward(self, x):
        self.a, self.b = self.b, self.a
        return x * self.a + x


class OnTheClass(Idiom):
    mean = np.zeros(4)

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return x - self.mean


def scatter(out, values):
    for i in range(len(values)):
        out[i] += values[i]


def doubled(out):
    out *= 2
    return out.sum()


def buffer(shape):
    return np.zeros(shape)


class HelpersWithEffects(Idiom):
    def forward(self, x):
        out = buffer(x.shape)
        out += x
        scatter(out, x)
        total = doubled(out)
        return out / (1 + total * total)


class CopiedByOne(Idiom):
    """`1 * a` as a copy, of which the one or the other changes."""

    def forward(self, x):
        h = x + 1
        old = h * 1
        h += 1
        y = 1 * x
        view = y[:, 0]
        view += 3
        return old + h + y


class OrderOfEvaluation(Idiom):
    def __init__(self):
        self.mean = np.zeros(4)

    def tick(self):
        self.mean += 0.1
        return 2.0

    def forward(self, x):
        y = (x - self.mean) * self.tick()
        y[:, 0], y[:, 1] = y[:, 1].copy(), y[:, 0].copy()
        return y


class TryFinally(Idiom):
    def __init__(self):
        self.count = np.zeros(1)

    def forward(self, x):
        try:
            return x * (1 + self.count)
        finally:
            self.count += 1


class DeletedElement(Idiom):
    def forward(self, x):
        parts = [x, 2 * x, 3 * x]
        del parts[0]
        return sum(parts, start=x * 0.5)


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return wrapper


class Decorated(Idiom):
    factor = 3.0

    @logged
    def forward(self, x):
        def scaled(a, k=self.factor):
            return a * k

        shifted = lambda a, k=self.factor: a + k  # noqa: E731
        return scaled(x) + sum(map(shifted, [x, x]))


class WithProperty(Idiom):
    @property
    def scale(self):
        return 2.0

    @property
    def kept(self):
        return self.saved

    @kept.setter
    def kept(self, value):
        self.saved = value * 0.5

    def forward(self, x):
        self.kept = x
        return self.saved * self.scale

    def backward(self, dy):
        return dy * self.scale


class PropertyAbove(WithProperty):
    @property
    def scale(self):
        return super().scale + 1


Context = namedtuple("Context", "x y")


class Box:
    def __init__(self, x):
        self.x = x


class NamedTuples(Idiom):
    def forward(self, x):
        self.context = Context(x, np.tanh(x))
        self.box = Box(2 * x)
        return self.context.y + self.box.x

    def backward(self, dy):
        return dy * (3 - self.context.y**2)


class SplitAndChanged(Idiom):
    def forward(self, x):
        parts = np.split(np.tanh(x), 2, axis=1)
        first = parts[0] * 2
        parts[0] += 1
        return np.concatenate([first, parts[0]], axis=1)


class Windows(Idiom):
    def forward(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (1, 1))), 3, axis=1)
        return np.einsum("nwk,k->nw", windows, np.array([0.25, 0.5, 0.25]))


class LocalGenerator(Idiom):
    def forward(self, x):
        return x * np.random.default_rng(3).random(x.shape)


class Errstate(Idiom):
    mode = "ignore"

    def forward(self, x):
        with np.errstate(all=self.mode):
            return x + 0 * np.log(np.abs(x))


def train(x):
    """Called as the program's own function is, and with a \\backslash in its words."""
    y = x * x
    return y + x


class AwkwardNames(Idiom):
    def __init__(self):
        self._1 = np.full(4, 2.0)
        self.losses = np.full(4, 3.0)

    def forward(self, x):
        steps = train(x)
        h = range(2)
        return steps * self._1 + self.losses + len(h)  # pylint: disable=all
