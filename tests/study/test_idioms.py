"""What people write in a layer is written out to the bit, or refused with its line."""

import copy
import re

import numpy as np
import pytest
from alone import layered, run_alone
from table.authored import Branched, Centre, Gated, Halved, InPlace, Jumpy, Masked, Warming
from table.idioms import IDIOMS, Idiom

import minitorch_np as mt
from minitorch_np.study.handwritten import handwritten, write

STEPS = 15


def network(middle):
    model = mt.Sequential(mt.Linear(3, 4, rng=0), middle, mt.Linear(4, 2, rng=1))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    return model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.05), x, y


AUTHORED = {
    "Gated": lambda: Gated(4),
    "Jumpy": Jumpy,
    "InPlace": InPlace,
    "Warming": Warming,
    "Centre": lambda: Centre(4),
    "Masked": Masked,
    "Halved": lambda: Halved(4, 4, rng=0),
    "Branched": lambda: Branched(mt.Sequential(mt.Linear(4, 4, rng=0), mt.Tanh())),
}


def test_every_idiom_is_written_out_to_the_bit(tmp_path):
    layers = {**IDIOMS, **AUTHORED}
    names = list(layers)
    networks = [network(layers[name]()) for name in names]
    texts = [write(*everything, steps=STEPS).text for everything in networks]
    results = run_alone(texts, tmp_path)
    for name, everything, (printed, arrays) in zip(names, networks, results, strict=True):
        expected, weights = layered(*copy.deepcopy(everything[:3]), *everything[3:], STEPS)
        assert printed == expected, name
        assert {arrays[key] for key in arrays if key[0] in "wb"} >= set(weights[:2] + weights[-2:]), name


def test_numbers_differ_from_step_to_step_in_what_branches():
    """The branches on numbers above are taken both ways within the steps that are compared."""
    seen = {}
    for name in ("PicksRows", "AllAndAny", "ValueOfAnd", "PerhapsNone", "StateInABranch"):
        model, loss, optimizer, x, y = network(IDIOMS[name]())
        optimizer.param_groups[0]["lr"] = 0.3
        text = write(model, loss, optimizer, x, y).text
        seen[name] = len(re.findall(r"^ +(if|else)|\bif\b|\band\b|\bor\b", text, re.MULTILINE))
    assert min(seen.values()) > 0


class Refused(Idiom):
    """Base of what is refused; taken out of the table again."""


class LoopOverPicked(Refused):
    def forward(self, x):
        out = x.copy()
        for i in np.flatnonzero(x[:, 0] > 0):
            out[i] = 0
        return out


class SetNow(Refused):
    def __init__(self):
        self.k = 1.0

    def forward(self, x):
        if x.max() > 0:
            self.k = 0.5
        return x * self.k


class LazyMean(Refused):
    mean = None

    def forward(self, x):
        self.mean = x.mean(axis=0) if self.mean is None else 0.9 * self.mean
        return x - self.mean


class CountsInADict(Refused):
    def __init__(self):
        self.counts = {"t": 0}

    def forward(self, x):
        self.counts["t"] += 1
        return x * self.counts["t"]


class ChangesShape(Refused):
    def __init__(self):
        self.m = np.zeros(())

    def forward(self, x):
        self.m = self.m + x.mean(axis=0)
        return x - self.m


class PickedFunction(Refused):
    def forward(self, x):
        return (np.tanh if x.max() > 0 else np.sin)(x)


class GrowsInABranch(Refused):
    def forward(self, x):
        parts = [x]
        if x.max() > 0:
            parts.append(2 * x)
        return sum(parts)


class Spawned(Refused):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x * self.rng.spawn(1)[0].random()


for refused in [name for name, idiom in IDIOMS.items() if issubclass(idiom, Refused)]:
    del IDIOMS[refused]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (LoopOverPicked, "the loop depends on the numbers in the network"),
        (SetNow, "k is set in some steps only: keep it in an array, changed in place"),
        (LazyMean, "mean changes from step to step: keep it in an array, there from the start"),
        (CountsInADict, "'t' changes from step to step: keep it in an array, there from the start"),
        (ChangesShape, "what is kept as m cannot be written out: it is float64 () at first and float64 (4,)"),
        (PickedFunction, "which function this is depends on the numbers in the network"),
        (GrowsInABranch, "what a list or a dict holds depends on the numbers in the network"),
        (Spawned, "spawn of a generator: its state is not all that it depends on"),
    ],
)
def test_what_depends_on_more_than_the_first_step_shows_is_refused(layer, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        handwritten(*network(layer()))


class Rule(mt.Optimizer):
    states = ("m",)

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)


class ByNorm(Rule):
    def update(self, blocks, step, *, lr):
        for w, g, _ in blocks:
            w -= lr * g / np.linalg.norm(g)


class ByDimension(Rule):
    def update(self, blocks, step, *, lr):
        for w, g, _ in blocks:
            w -= lr * g * (0.5 if w.shape[0] > 3 else 1.0)


@pytest.mark.parametrize("rule", [ByNorm, ByDimension])
def test_a_rule_that_looks_at_whole_blocks_is_refused(rule):
    model, loss, _, x, y = network(mt.Tanh())
    with pytest.raises(ValueError, match="a rule has to be elementwise: its blocks are pieces"):
        handwritten(model, loss, rule(model.parameters()), x, y)


class Enumerated(Rule):
    def update(self, blocks, step, *, lr):
        for i, (w, g, state) in enumerate(blocks):
            state["m"][:] = g
            w -= (lr + 0 * i) * state["m"]


class SetsItsState(Rule):
    def update(self, blocks, step, *, lr):
        for w, g, state in blocks:
            state["m"] *= 0.9
            state["m"] += g
            w -= lr * state["m"]


@pytest.mark.parametrize("rule", [Enumerated, SetsItsState])
def test_rules_in_other_words(rule, tmp_path):
    model, loss, _, x, y = network(mt.Tanh())
    optimizer = rule(model.parameters())
    text = handwritten(model, loss, optimizer, x, y, steps=STEPS)
    expected, _ = layered(model, loss, optimizer, x, y, STEPS)
    [(printed, _)] = run_alone([text], tmp_path)
    assert printed == expected


def test_byte_order_and_memory_order_are_kept(tmp_path):
    class Constants(mt.Layer):
        def __init__(self):
            self.big = np.arange(80.0).astype(">f8").reshape(20, 4)
            self.columns = np.asfortranarray(np.linspace(0.1, 1, 80).reshape(20, 4))

        def forward(self, x):
            return x * self.columns.sum() + self.big.mean(0)

        def backward(self, dy):
            return dy

    model, loss, optimizer, x, y = network(Constants())
    y = np.tile(y, (10, 1)).astype(">f8")
    x = np.tile(x, (10, 1))
    text = handwritten(model, loss, optimizer, x, y, steps=STEPS)
    expected, _ = layered(model, loss, optimizer, x, y.astype(float), STEPS)
    [(printed, _)] = run_alone([text], tmp_path)
    assert printed == expected


@pytest.mark.slow
def test_a_wide_program_is_written_in_a_moment():
    """300 statements, each folded against the others: a quadratic pass took minutes."""

    class Rows(mt.Layer):
        def forward(self, x):
            return np.stack([np.tanh(row) * (i + 1) for i, row in enumerate(x)])

        def backward(self, dy):
            return dy

    model = mt.Sequential(mt.Linear(3, 4, rng=0), Rows())
    rng = np.random.default_rng(0)
    text = handwritten(
        model, mt.MSELoss(), mt.SGD(model.parameters()), rng.random((300, 3)), rng.random((300, 4))
    )
    assert text.count("np.tanh") == 300
