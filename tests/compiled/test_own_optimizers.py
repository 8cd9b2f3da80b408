"""Compiled steps with optimizers of one's own: all of it, or gradients and then the optimizer's step."""

import numpy as np
import pytest
from compiled.test_steps import FAMILIES, Both, changed, data, network

import minitorch_np as mt


class Mean(mt.Optimizer):
    """Goes down a mean of the gradients, whose weight is an attribute."""

    states = ("mean",)

    def __init__(self, params, lr=0.01, beta=0.9):
        super().__init__(params, lr=lr)
        self.beta = beta

    def update(self, blocks, step, *, lr):
        for w, g, state in blocks:
            state["mean"][...] = self.beta * state["mean"] + (1 - self.beta) * g
            w -= lr * state["mean"]


class Counting(Mean):
    """Counts its steps in an array."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr)
        self.made = np.zeros(1)

    def update(self, blocks, step, *, lr):
        self.made += 1
        super().update(blocks, step, lr=lr / self.made)


class Numbered(Mean):
    """Counts them in a number."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr)
        self.made = 0

    def update(self, blocks, step, *, lr):
        self.made += 1
        super().update(blocks, step, lr=lr if self.made > 4 else lr / 10)


class Noting(Mean):
    """Keeps what it did in a list."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr)
        self.rates = []

    def update(self, blocks, step, *, lr):
        self.rates.append(lr / (1 + len(self.rates)))
        super().update(blocks, step, lr=self.rates[-1])


class Keeping(Mean):
    """Keeps a number that depends on the gradients."""

    last = 0.0

    def update(self, blocks, step, *, lr):
        for w, g, _ in blocks:
            self.last = g + 0
            w -= lr * self.last


class ByHand(mt.Optimizer):
    """Momentum in a list, and a step of its own."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)
        self.velocities = [np.zeros_like(p.data) for p in self.param_groups[0]["params"]]

    def step(self):
        for p, velocity in zip(self.param_groups[0]["params"], self.velocities, strict=True):
            velocity *= 0.9
            velocity += p.grad
            p.data -= self.lr * velocity
            p.has_grad = False


def both_with(optimizer):
    model = network()
    return Both(model, mt.MSELoss(), optimizer(model.parameters()))


def own(optimizer):
    return repr({key: vars(optimizer).get(key) for key in ("beta", "made", "rates", "last", "velocities")})


def steps(both, number):
    for seed in range(number):
        both.make(*data(seed))
        assert own(both.compiled[2]) == own(both.layers[2])


@pytest.mark.parametrize("optimizer", [Mean, Counting])
def test_attributes_of_an_optimizer_are_part_of_the_step(optimizer):
    both = both_with(optimizer)
    steps(both, 9)
    plan = both.step._plan
    assert plan.rule.is_trusted
    assert plan.next_step() is not None
    both.each(lambda m, loss, o: setattr(o, "beta", 0.5))
    assert plan.next_step() is None
    steps(both, 3)
    both.each(lambda m, loss, o: setattr(o, "beta", 0.9))
    assert plan.next_step() is not None
    assert both.step._plan is plan


@pytest.mark.parametrize(
    ("optimizer", "why"),
    [
        (Numbered, "made changes from step to step: keep it in an array"),
        (Noting, "it changes a list that is no layer's"),
        (Keeping, "keeps last, which is no array from the start"),
        (ByHand, r"has a step\(\) of its own"),
    ],
)
def test_what_cannot_be_compiled_of_an_update_is_left_to_the_optimizer(optimizer, why):
    both = both_with(optimizer)
    with pytest.warns(UserWarning, match=f"the update of this step cannot be compiled: .*{why}") as said:
        both.make(*data())
    assert "The optimizer's step() runs instead" in str(said[0].message)
    steps(both, 6)
    assert both.is_compiled
    assert len(both.step._plan.texts) == 1


@pytest.mark.parametrize("name", ["update", "step"])
def test_a_method_that_is_replaced_is_noticed(name, monkeypatch):
    def update(self, blocks, step, *, lr):
        for w, g, _ in blocks:
            w -= 5 * lr * g

    def step(self):
        super(Mean, self).step()
        for p in self.param_groups[0]["params"]:
            p.data *= 0.9

    both = both_with(Mean)
    steps(both, 7)
    monkeypatch.setattr(Mean, name, {"update": update, "step": step}[name])
    steps(both, 3)
    monkeypatch.undo()
    steps(both, 3)
    both.each(lambda m, loss, o: setattr(o, name, {"update": update, "step": step}[name].__get__(o)))
    steps(both, 3)


def test_updates_are_compared_before_they_are_trusted():
    both = both_with(Mean)
    steps(both, 4)
    both.step._plan.rule.verified = 0
    both.step._plan.rule.is_trusted = False
    both.step._plan.update = lambda *arguments: None
    with pytest.warns(UserWarning, match="the compiled update does not have the bits of the optimizer's step"):
        both.make(*data())
    steps(both, 3)


class Bounded(mt.Optimizer):
    """Moves no number by more than the learning rate."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)

    def update(self, blocks, step, *, lr):
        for w, g, _ in blocks:
            w -= np.minimum(np.abs(g), lr) * np.sign(g)


def test_a_bound_that_is_an_option_follows_it():
    model = network()
    both = Both(model, mt.MSELoss(), Bounded(model.parameters()))
    for seed in range(9):
        both.each(lambda *all_, lr=0.01 / (1 + seed): setattr(all_[2], "lr", lr))
        both.make(*data(seed))
    assert both.is_compiled
    assert both.step._plan.updates


class Capped(mt.Layer):
    """Nothing above a mean, which is a number."""

    def forward(self, x):
        x = self.check_input(x)
        cap = float(x.mean())
        self.save_for_backward(x < cap, output=x)
        return np.minimum(x, cap)

    def backward(self, dy):
        dy, mask = self.saved(dy)
        return dy * mask


def test_a_bound_that_is_made_of_the_data_follows_them():
    model = network("float64", Capped())
    both = Both(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01))
    for seed in range(9):
        both.make(*data(seed))
    assert both.is_compiled


@pytest.fixture
def _many_blocks(monkeypatch):
    """Flat arrays have blocks of 32 floats, or 16 in float64."""
    for module in ("_internal.flat_buffers", "compiled.plan"):
        monkeypatch.setattr(f"minitorch_np.{module}.BLOCK_BYTES", 128)


@pytest.mark.usefixtures("_many_blocks")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_arrays_are_updated_block_by_block(dtype):
    for name in FAMILIES["optimizers"][1]:
        model, loss, optimizer, x, y = FAMILIES["optimizers"][0](name, dtype)
        both = Both(model, loss, optimizer)
        for seed in range(8):
            both.make(changed(x, seed), changed(y, seed))
        assert both.is_compiled, name
        assert both.step._plan.updates, name
        assert " in blocks:" in both.step.source, name


@pytest.mark.usefixtures("_many_blocks")
@pytest.mark.parametrize("optimizer", [Mean, Counting, Bounded])
def test_an_optimizer_of_ones_own_goes_block_by_block(optimizer):
    model = network()
    both = Both(model, mt.MSELoss(), optimizer(model.parameters()))
    for seed in range(9):
        both.each(lambda *all_, lr=0.01 / (1 + seed): setattr(all_[2], "lr", lr))
        both.make(*data(seed))
    assert both.step._plan.rule.is_trusted
    assert " in blocks:" in both.step.source


class CountingAfterwards(Counting):
    """Counts a step when it is made."""

    def update(self, blocks, step, *, lr):
        Mean.update(self, blocks, step, lr=lr / (1 + self.made))
        self.made += 1


@pytest.mark.usefixtures("_many_blocks")
def test_what_has_to_be_done_after_the_blocks_is_left_to_the_optimizer():
    model = network()
    both = Both(model, mt.MSELoss(), CountingAfterwards(model.parameters()))
    for seed in range(9):
        both.make(*data(seed))
    assert both.is_compiled
    assert not both.step._plan.updates


@pytest.mark.usefixtures("_many_blocks")
@pytest.mark.parametrize("sizes", [(4, 4), (4, 9)])
def test_groups_of_equal_size_go_together_and_others_are_left_to_the_optimizer(sizes):
    model = mt.Sequential(*(mt.Linear(n, n, bias=False, rng=n) for n in (4, 4)))
    if sizes[1] == 9:
        model = mt.Sequential(mt.Linear(4, 9, bias=False, rng=0), mt.Linear(9, 3, bias=False, rng=1))
    groups = [{"params": [layer.weight], "lr": 0.01 * (1 + i)} for i, layer in enumerate(model)]
    both = Both(model, mt.MSELoss(), mt.SGD(groups, momentum=0.9))
    rng = np.random.default_rng(0)
    for _ in range(8):
        both.make(rng.normal(size=(5, 4)), rng.normal(size=(5, model[1].weight.shape[1])))
    assert both.is_compiled
