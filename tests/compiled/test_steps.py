"""Compiled steps: the bits of the layers, whatever happens between the steps."""

import copy
import gc
import threading
import tracemalloc
import warnings
import weakref
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.test_handwritten_laws import FAMILIES
from table.samples import sample

import minitorch_np as mt
from minitorch_np.compiled import CompiledStep
from minitorch_np.metrics import Measurement


def network(dtype="float64", *middle):
    return mt.Sequential(
        mt.Linear(4, 6, rng=0, dtype=dtype), *(middle or [mt.ReLU()]), mt.Linear(6, 3, rng=1, dtype=dtype)
    )


def parts(loss=mt.MSELoss, optimizer=mt.SGD, dtype="float64", middle=(), **options):
    model = network(dtype, *middle)
    return model, loss(), optimizer(model.parameters(), **{"lr": 0.01} | options)


def data(seed=0, batch=5, dtype="float64"):
    return sample((batch, 4), dtype, seed), sample((batch, 3), dtype, seed + 1)


def layered(model, loss, optimizer, x, y):
    value = loss(model(x), y)
    model.backward(loss.backward())
    optimizer.step()
    return value


def state(model, optimizer):
    arrays = [*(p.data for p in model.parameters()), *(p.grad for p in model.parameters()), *model.buffers()]
    groups = optimizer.ready()
    arrays += [array for group in groups for array in group.buffers.states.values()]
    rngs = [vars(layer)[k] for layer in model.modules() for k in vars(layer) if k == "rng"]
    return (
        [array.tobytes() for array in arrays],
        [list(group.buffers.steps) for group in groups],
        [repr(rng.bit_generator.state) for rng in rngs if isinstance(rng, np.random.Generator)],
    )


@pytest.fixture(autouse=True)
def _every_shape_gets_a_plan_at_once(monkeypatch):
    monkeypatch.setattr("minitorch_np.compiled.step.OFTEN", 1)
    monkeypatch.setattr("minitorch_np.compiled.kept._KEPT", OrderedDict())


class Both:
    """The same model twice, one with compiled steps and one with the layers; they have to stay the same."""

    def __init__(self, *everything):
        self.compiled, self.layers = everything, copy.deepcopy(everything)
        self.step = mt.compile(*everything)

    def make(self, x, y):
        mine, theirs = self.step(x, y), layered(*self.layers, x, y)
        assert type(mine) is type(theirs)
        assert np.asarray(mine).tobytes() == np.asarray(theirs).tobytes()
        self.check()

    def each(self, change):
        """Do the same to both."""
        for everything in (self.compiled, self.layers):
            change(*everything)

    def check(self):
        assert state(*self.compiled[::2]) == state(*self.layers[::2])

    @property
    def is_compiled(self):
        """Whether the last step was one of a plan that is trusted."""
        plan = self.step._plan
        return plan is not None and plan.is_trusted and plan in self.step._plans.values()


def changed(array, seed):
    """Other data of the same kind: smaller numbers, or the same classes in another order."""
    rng = np.random.default_rng(seed)
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array * rng.uniform(0.5, 1, array.shape).astype(array.dtype))
    return rng.permutation(array) if array.ndim else array.copy()


def check_case(family, name, dtype, steps=9):
    make = FAMILIES[family][0]
    model, loss, optimizer, x, y = make(name, dtype)
    both = Both(model, loss, optimizer)
    probabilities = y.dtype.kind == "f" and isinstance(loss, mt.CrossEntropyLoss)
    x, y = np.array(x, order="C"), np.array(y, order="C")
    for seed in range(steps):
        both.make(changed(x, seed), y if probabilities else changed(y, seed))
    assert both.is_compiled, name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_case_of_the_tables_has_the_bits_of_the_layers(family, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of losses, about what they are given, and of large numbers
        for name in FAMILIES[family][1]:
            check_case(family, name, dtype)


@pytest.mark.parametrize(
    ("family", "dtype"), [("layers", "float32"), ("losses", "float64"), ("optimizers", "float32")]
)
def test_every_ninth_case_has_the_bits_of_the_layers(family, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in list(FAMILIES[family][1])[::9]:
            check_case(family, name, dtype, steps=5)


ACTIONS = st.lists(
    st.sampled_from(
        [
            "step",
            "step",
            "layered",
            "halves",
            "clip",
            "accumulate",
            "lr",
            "short",
            "eval",
            "load",
            "swap",
            "none",
        ]
    ),
    min_size=4,
    max_size=16,
)


@pytest.mark.parametrize("times", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_compiled_and_layered_steps_mix_in_any_order(times):
    drawn = ACTIONS, st.sampled_from(["SGD", "momentum", "Adam"]), st.integers(0, 99)
    settings(max_examples=times, deadline=None)(given(*drawn)(mixed))()


def mixed(actions, kind, seed):
    make, options = {"SGD": (mt.SGD, {}), "momentum": (mt.SGD, {"momentum": 0.9}), "Adam": (mt.Adam, {})}[kind]
    both = Both(*parts(optimizer=make, middle=(mt.Tanh(), mt.Dropout(0.3, rng=2)), **options))
    saved = copy.deepcopy((both.layers[0].state_dict(), both.layers[2].state_dict()))
    for i, action in enumerate(actions * 2):
        x, y = data(seed + i, batch=3 if action == "short" else 5)
        if action in ("step", "short"):
            both.make(x, y)
        elif action == "layered":
            both.each(lambda *all_: layered(*all_, x, y))  # noqa: B023
        elif action in ("halves", "clip", "accumulate"):
            halves(both, action, x, y)
        elif action == "lr":
            both.each(lambda m, loss, o: setattr(o, "lr", o.lr * 0.5))
        elif action == "eval":
            both.each(lambda m, loss, o: m.train(not m.training))
        elif action == "load":
            both.each(lambda m, loss, o: (m.load_state_dict(saved[0]), o.load_state_dict(saved[1])))
        elif action == "swap":
            both.each(
                lambda m, loss, o: m.__setitem__(1, mt.GELU() if isinstance(m[1], mt.Tanh) else mt.Tanh())
            )
        elif action == "none":
            both.each(lambda m, loss, o: m.zero_grad())
        both.check()


def halves(both, action, x, y):
    model, loss, optimizer = both.layers
    for _ in range(2 if action == "accumulate" else 1):
        both.step.gradients(x, y)
        loss(model(x), y)
        model.backward(loss.backward())
        both.check()
    if action == "clip":
        both.each(lambda m, loss, o: mt.clip_grad_norm_(m.parameters(), 0.1))
    both.step.update()
    optimizer.step()


def test_a_shape_that_comes_seldom_is_left_to_the_layers(monkeypatch):
    monkeypatch.setattr("minitorch_np.compiled.step.OFTEN", 4)
    both = Both(*parts())
    for seed in range(12):
        both.make(*data(seed, batch=3 if seed % 3 == 2 else 5))
    assert len(both.step._plans) == 2
    assert both.step._met == {key: 1 if key[0][0] == 5 else 4 for key in both.step._plans}


def test_a_schedule_does_not_compile_again():
    both = Both(*parts(optimizer=mt.Adam))
    schedules = [mt.StepLR(everything[2], 1, 0.9) for everything in (both.compiled, both.layers)]
    for seed in range(8):
        both.make(*data(seed))
        for schedule in schedules:
            schedule.step()
    assert both.is_compiled
    assert sum(both.step._made.values()) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda m, loss, o: m.__setitem__(1, mt.Tanh()),
        lambda m, loss, o: m.insert(1, mt.Identity()),
        lambda m, loss, o: setattr(loss, "reduction", "sum"),
        lambda m, loss, o: o.param_groups[0].update(momentum=0.5),
        lambda m, loss, o: o.param_groups[0].update(weight_decay=0.1),
        lambda m, loss, o: o.param_groups[0].update(maximize=True),
        lambda m, loss, o: o.param_groups[0].update(nesterov=True, momentum=0.9),
        lambda m, loss, o: setattr(m[0].weight, "data", m[0].weight.data * 2),
        lambda m, loss, o: m.eval(),
        lambda m, loss, o: mt.SGD(m.parameters(), lr=1),  # takes the parameters to itself
        lambda m, loss, o: o.load_state_dict(o.state_dict()),
        lambda m, loss, o: m[0].weight.add_grad(np.ones((4, 6))),
        lambda m, loss, o: o.add_param_group({"params": [mt.Parameter(np.ones(2))], "lr": 0.5}),
    ],
)
def test_what_decided_is_noticed_when_it_changes(change):
    both = Both(*parts(momentum=0.9, weight_decay=0.0))
    for seed in range(5):
        both.make(*data(seed))
    assert both.is_compiled
    both.each(change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of gradients that two models in one process mix
        for seed in range(5):
            both.make(*data(seed))


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (mt.SGD, {"momentum": 0.9}),
        (mt.Adam, {"amsgrad": True}),
        (mt.Adagrad, {"initial_accumulator_value": 0.1}),
    ],
)
def test_states_that_are_loaded_do_not_compile_again(tmp_path, optimizer, options):
    both = Both(*parts(optimizer=optimizer, middle=(mt.BatchNorm1d(6), mt.Tanh()), **options))
    fresh = copy.deepcopy(both.layers[2].state_dict())
    for seed in range(5):
        both.make(*data(seed))
    saved = [copy.deepcopy(each.state_dict()) for each in both.layers[::2]]
    mt.save(tmp_path / "run.npz", *both.layers[::2])
    for load in (
        lambda m, loss, o: (m.load_state_dict(saved[0]), o.load_state_dict(saved[1])),
        lambda m, loss, o: mt.load(tmp_path / "run.npz", model=m, optimizer=o),
        lambda m, loss, o: o.load_state_dict(fresh),
    ):
        both.each(load)
        for seed in range(3):
            both.make(*data(seed))
    assert both.is_compiled
    assert sum(both.step._made.values()) == 0


def test_an_option_of_a_layer_that_is_changed_is_noticed():
    both = Both(*parts(middle=(mt.LeakyReLU(0.1), mt.Dropout(0.2, rng=0))))
    for seed in range(5):
        both.make(*data(seed))
    both.each(lambda m, loss, o: setattr(m[1], "negative_slope", 0.5))
    both.make(*data(7))
    both.each(lambda m, loss, o: setattr(m[2], "p", 0.7))
    for seed in range(5):
        both.make(*data(seed))
    assert both.is_compiled


SCALES = {"number": 1.5, "array": np.array([1.0, 2.0, 3.0, 1.0, 1.0, 2.0]), "dict": {"scale": 1.0}}
scale, scales, options = SCALES["number"], SCALES["array"], SCALES["dict"]
notes = []


class Config:
    factor = 1.0

    def __init__(self):
        self.scale, self.scales = 1.0, np.ones(6)

    def __call__(self):
        return self.scale

    def note(self, last):
        self.last = last


config = Config()


def twice():
    return 2 * scale


def around():
    factor, factors = 1.0, np.ones(6)

    def change():
        nonlocal factor
        factor = 3.0
        factors[:] = 2

    return (lambda x: x * factor * factors), change


inside, change_around = around()


@pytest.mark.parametrize(
    ("function", "change"),
    [
        (lambda x: x * scale, lambda: globals().update(scale=3.0)),
        (lambda x: x * twice(), lambda: globals().update(scale=4.0)),
        (lambda x: x * scales, lambda: globals().update(scales=np.arange(6.0))),
        (lambda x: x * scales, lambda: scales.__setitem__(0, 7.0)),
        (lambda x: x * options["scale"], lambda: options.update(scale=3.0)),
        (lambda x: x * config.scale, lambda: setattr(config, "scale", 3.0)),
        (lambda x: x * config(), lambda: setattr(config, "scale", 4.0)),
        (lambda x: x * config.scales, lambda: config.scales.__setitem__(1, 5.0)),
        (lambda x: x * config.factor, lambda: setattr(Config, "factor", 3.0)),
        (lambda x: inside(x), change_around),  # noqa: PLW0108
    ],
)
def test_what_is_outside_of_the_layers_is_noticed_when_it_changes(function, change):
    class Outside(mt.Layer):
        def forward(self, x):
            y = function(self.check_input(x))
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    both = Both(*parts(middle=(Outside(),)))
    for seed in range(5):
        both.make(*data(seed))
    assert both.is_compiled
    change()
    for seed in range(5):
        both.make(*data(seed))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: notes.append(x.mean()), "changes a list that is no layer's"),
        (lambda x: options.update(last=len(x)), "changes a dict that is no layer's"),
        (lambda x: config.note(x.mean()), "a layer keeps last"),
        (lambda x: print(end=""), "does something that a compiled step would leave out"),
    ],
)
def test_what_is_done_outside_of_the_layers_is_left_to_them(function, said):
    class Doing(mt.Layer):
        def forward(self, x):
            function(x)
            y = self.check_input(x) * 1
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    model, loss, optimizer = parts(middle=(Doing(),))
    step = mt.compile(model, loss, optimizer)
    with pytest.warns(UserWarning, match=said):
        step(*data())
    assert step._plan is None
    assert all(type(note) is np.float64 for note in notes)


def test_a_buffer_that_was_changed_before_a_decision_failed_is_changed_once():
    class Counted(mt.Layer):
        buffer_names = ("seen",)

        def __init__(self):
            self.seen = np.zeros(4)

        def forward(self, x):
            x = self.check_input(x)
            self.seen += x.sum(axis=0)
            if (x > 5).any():
                raise ValueError("too large")
            y = x + self.seen
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy * 1

    model = mt.Sequential(Counted(), mt.Linear(4, 3, rng=0))
    both = Both(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=1e-4))
    for seed in range(6):
        both.make(*data(seed))
    assert both.is_compiled
    assert both.step._plan.is_fragile
    for step in (both.step, lambda x, y: layered(*both.layers, x, y)):
        with pytest.raises(ValueError, match="too large"):
            step(100 * data(1)[0], data(1)[1])
    both.check()
    both.make(*data(7))


def test_decisions_that_depend_on_the_data_are_made_at_each_step():
    class Shifted(mt.Layer):
        def forward(self, x):
            x = self.check_input(x)
            self.save_for_backward(output=x)
            return x - 1 if x[0, 0] > 0 else x + 1

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    model = mt.Sequential(Shifted(), mt.Linear(4, 3, rng=0))
    both = Both(model, mt.MSELoss(), mt.SGD(model.parameters()))
    for sign in (1, 1, 1, 1, -1, 1, -1):
        x, y = data(3)
        x[0, 0] = sign
        both.make(x, y)


class Scaled(mt.Layer):
    """y = c x with a number c that a function makes of x."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        x = self.check_input(x)
        c = self.function(x)
        y = x * c
        self.save_for_backward(c, output=y)
        return y

    def backward(self, dy):
        dy, c = self.saved(dy)
        return dy * c


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 0.1 * x[x > 0].size,
        lambda x: 0.1 * len(np.nonzero(x > 0)[0]),
        lambda x: 0.1 * np.unique(np.sign(x - 0.5 * (x > 1))).shape[0],
        lambda x: 0.1 * np.zeros(int((x > 0).sum())).size,
        lambda x: 0.1 * np.concatenate(np.nonzero(x > 0)).size,
        lambda x: (x[x > 0] * x[x > 0]).mean(),
        lambda x: x[: int((x > 0).sum()) % 5].sum() if x.size else 0.0,
    ],
)
def test_arrays_whose_size_depends_on_the_data(function):
    both = Both(*parts(middle=(Scaled(function),), lr=1e-4))
    for seed in range(12):
        both.make(*data(seed if seed > 5 else 0))  # the same signs at first, then others
    assert both.is_compiled


def test_running_statistics_and_masks_are_those_of_the_layers():
    model = mt.Sequential(
        mt.Linear(4, 6, rng=0), mt.BatchNorm1d(6, momentum=None), mt.Dropout(0.5, rng=1), mt.Linear(6, 3, rng=2)
    )
    both = Both(model, mt.MSELoss(), mt.Adam(model.parameters()))
    for seed in range(12):
        both.make(*data(seed, batch=4 if seed % 4 == 3 else 5))
    assert both.is_compiled
    both.each(lambda m, loss, o: m[2].rng.random(3))
    both.make(*data(20))


def test_parameters_that_no_optimizer_has_keep_their_gradients():
    model = network()
    both = Both(model, mt.MSELoss(), mt.SGD(model[2].parameters()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nobody uses these gradients
        for seed in range(6):
            both.make(*data(seed))


@pytest.mark.parametrize(
    ("x", "y", "error"),
    [
        (np.ones((5, 4)), np.array([0, 1, 2, 3, 0]), "expects class indices from 0 to 2 .3 classes., got 3"),
        (np.ones((5, 3)), np.zeros(5, int), "expects x of shape"),
        (np.ones((5, 4), np.float32), np.zeros(5, int), "expects x of dtype float64"),
        (np.ones((5, 4)), np.zeros(4, int), "expects class indices of shape"),
        ("text", np.zeros(5, int), "expects x of dtype"),
    ],
)
def test_bad_data_get_the_errors_of_the_layers_and_change_nothing(x, y, error):
    both = Both(*parts(mt.CrossEntropyLoss, middle=(mt.Dropout(0.3, rng=0),)))
    good = data(0)[0], np.array([0, 1, 2, 1, 0])
    for _ in range(5):
        both.make(*good)
    before = state(*both.compiled[::2])
    with pytest.raises((TypeError, ValueError), match=error):
        both.step(x, y)
    with pytest.raises((TypeError, ValueError), match=error):
        layered(*both.layers, x, y)
    assert state(*both.compiled[::2])[:2] == before[:2]
    both.check()
    both.make(*good)
    assert both.is_compiled


def test_warnings_are_those_of_the_layers():
    class Wary(mt.Layer):
        def forward(self, x):
            x = self.check_input(x)
            if (x > 9).any():
                warnings.warn("large", UserWarning, stacklevel=2)
            self.save_for_backward(output=x)
            return x * 1

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    both = Both(*parts(middle=(mt.Dropout(0.5, rng=0), Wary())))
    for seed in range(5):
        both.make(data(seed)[0] / 100, data(seed)[1])
    assert both.is_compiled
    x, y = data(0)
    with pytest.warns(UserWarning, match="large"):
        mine = both.step(1000 * x, y)
    with pytest.warns(UserWarning, match="large"):
        assert layered(*both.layers, 1000 * x, y) == mine
    both.check()


@pytest.mark.parametrize(
    "other",
    [
        lambda x, y: (x.tolist(), y),
        lambda x, y: (np.asfortranarray(x), y),
        lambda x, y: (x[::-1], y[::-1]),
        lambda x, y: (x, y.astype(int)),
        lambda x, y: (x[:1], y[:1]),
        lambda x, y: (np.where(x > 0, np.nan, x), y),
        lambda x, y: (np.full_like(x, np.inf), y),
    ],
)
def test_data_of_other_kinds(other):
    both = Both(*parts())
    for seed in range(5):
        both.make(*data(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of infinities
        both.make(*other(*data(7)))
    both.make(*data(8))


def test_read_only_data_are_taken_and_left_alone():
    both, (x, y) = Both(*parts()), data()
    x.flags.writeable = y.flags.writeable = False
    before = x.tobytes(), y.tobytes()
    for _ in range(5):
        both.make(x, y)
    assert (x.tobytes(), y.tobytes()) == before


class Remembering(mt.Identity):
    def forward(self, x):
        self.last = x.shape
        return super().forward(x)


@pytest.mark.parametrize("layer", [Remembering, lambda: mt.Activation.of(np.vectorize(np.sin), np.cos)])
def test_what_cannot_be_compiled_is_said_once_and_the_layers_run(layer):
    both = Both(*parts(middle=(layer(),)))
    with pytest.warns(UserWarning, match=r"this step cannot be compiled: .*\n  The layers run instead") as said:
        both.make(*data(0))
    assert len(said) == 1
    for seed in range(4):
        both.make(*data(seed, batch=seed + 1))


def test_another_result_is_found_beside_the_layers(monkeypatch):
    from minitorch_np.compiled import lowering

    monkeypatch.setitem(lowering.UFUNCS, lowering.ast.Add, np.subtract)
    both = Both(*parts())
    with pytest.warns(UserWarning, match="does not have the bits of the layers"):
        both.make(*data(0))
    for seed in range(4):
        both.make(*data(seed))
    assert not both.is_compiled


def test_a_steady_step_allocates_no_array():
    model = mt.Sequential(
        mt.Linear(40, 300, rng=0), mt.ReLU(), mt.Linear(300, 250, rng=1), mt.Tanh(), mt.Linear(250, 200, rng=2)
    )
    step = mt.compile(model, mt.MSELoss(), mt.Adam(model.parameters()))
    x, y = sample((1024, 40)), sample((1024, 200))
    for _ in range(6):
        step(x, y)
    tracemalloc.start()
    step(x, y)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    step(x, y)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 500_000  # NumPy's own buffers; the smallest activation has 1,638,400


def test_the_prediction_alone():
    model = network("float64", mt.GELU(), mt.BatchNorm1d(6)).eval()
    predict = mt.compile(model)
    for seed in range(6):
        x = data(seed, batch=3 if seed == 4 else 5)[0]
        y = predict(x)
        np.testing.assert_array_equal(y, model(x))
        y[...] = 0  # the caller's own
    assert "def forward(x, running_mean, running_var):" in predict.source
    assert "backward" not in predict.source


class Kinked(mt.Activation):
    """y = max(x, 0), dy/dx = 1 where x > 0, otherwise 0."""

    def function(self, x):
        return np.where(x > 0, x, 0 * x)

    def derivative(self, x, y):
        return np.where(x > 0, 1.0, 0.0)


@pytest.mark.parametrize("last", [Kinked(), mt.Select(1, 0), mt.Reshape(3, 1), mt.Identity()], ids=repr)
def test_predictions_are_arrays_of_their_own(last):
    model = mt.Sequential(mt.Linear(4, 3, rng=0), copy.deepcopy(last))
    x, shape = data()[0], model(data()[0]).shape
    step = mt.compile(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01))
    predictions, expected = [], []
    for _ in range(6):
        expected.append(model(x).tobytes())
        step(x, np.zeros(shape))
        predictions.append(step.prediction)
    assert [prediction.tobytes() for prediction in predictions] == expected
    assert step(x, step.prediction) != 0  # it is made of other weights
    assert step._plan.is_trusted


class Listed(mt.Layer):
    """y = c x, with c in a dict."""

    def __init__(self):
        super().__init__()
        self.held = {"c": np.arange(6.0)}

    def forward(self, x):
        y = self.check_input(x) * self.held["c"]
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy * self.held["c"]


class Outer(mt.Layer):
    """y = x + r + c, with the sums r of the rows and c of the columns of x, both broadcast."""

    def forward(self, x):
        x = self.check_input(x)
        y = x + (x.sum(axis=1, keepdims=True) + x.sum(axis=0, keepdims=True))
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        (dy,) = self.saved(dy)
        return dy + (dy.sum(axis=1, keepdims=True) + dy.sum(axis=0, keepdims=True))


@pytest.mark.parametrize("middle", [Listed(), Outer()], ids=repr)
def test_layers_with_arrays_in_dicts_and_small_arrays_that_are_broadcast(middle):
    both = Both(*parts(middle=(copy.deepcopy(middle),)))
    for seed in range(6):
        both.make(*data(seed))
    assert both.is_compiled
    assert sum(both.step._made.values()) == 0


def test_products_of_small_stacks_are_no_elementwise_operations():
    attention = mt.MultiheadAttention(4, 2, rng=0)
    both = Both(attention, mt.MSELoss(), mt.SGD(attention.parameters(), lr=0.01))
    for seed in range(6):
        both.make(sample((2, 3, 4), "float64", seed), sample((2, 3, 4), "float64", seed + 9))
    assert both.is_compiled


def test_an_embedding_is_summed_up_in_its_own_gradient():
    model = mt.Sequential(mt.Embedding(50, 4, rng=0), mt.Flatten(), mt.Linear(12, 2, rng=1))
    both = Both(model, mt.MSELoss(), mt.Adam(model.parameters()))
    for seed in range(6):
        x = np.random.default_rng(seed).integers(0, 50, (5, 3))
        both.make(x, sample((5, 2), "float64", seed))
    assert both.is_compiled
    assert "zeros" not in both.step.source


def test_rows_that_are_added_to_a_gradient_without_an_optimizer_are_left_to_the_layers():
    model = mt.Sequential(mt.Embedding(50, 4, rng=0), mt.Flatten(), mt.Linear(12, 2, rng=1))
    both = Both(model, mt.MSELoss(), mt.SGD(model[2].parameters()))
    x = np.arange(15).reshape(5, 3)  # no row twice at first
    with pytest.warns(UserWarning, match="add rows to the gradient of a parameter that no optimizer has"):
        both.make(x, sample((5, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that no optimizer has it
        for seed in range(6):
            both.make(x if seed < 3 else x // 4, sample((5, 2), "float64", seed))


def test_a_plan_that_fails_is_not_trusted(monkeypatch):
    model, loss, optimizer = parts()
    step = mt.compile(model, loss, optimizer)
    step(*data())

    def fails(*arrays):
        raise ValueError("it fails")

    step._plan.gradients = fails
    with pytest.warns(UserWarning, match="does not have the bits of the layers: it fails"):
        step(*data())


def test_an_error_without_a_text_is_named(monkeypatch):
    def fails(*everything, **options):
        raise RecursionError

    monkeypatch.setattr("minitorch_np.compiled.kept.derive", fails)
    step = mt.compile(*parts())
    with pytest.warns(UserWarning, match="this step cannot be compiled: RecursionError"):
        step(*data())


def test_a_layer_that_writes_into_its_parameter_is_left_to_the_layers():
    class Writing(mt.Linear):
        def forward(self, x):
            self.weight.data[...] *= 0.5
            return super().forward(x)

    model = mt.Sequential(Writing(4, 3, rng=0))
    both = Both(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01))
    with pytest.warns(UserWarning, match="a layer writes into a parameter"):
        both.make(*data())
    both.make(*data(1))


def test_weights_of_nan_have_the_same_bits_whatever_their_sign():
    model = network()
    model[0].weight.data[0, 0] = -np.nan
    both = Both(model, mt.MSELoss(), mt.SGD(model.parameters(), lr=0.01))
    before, after = both.step._rollback(), copy.deepcopy(model)
    model[0].weight.data[0, 0] = np.nan
    assert before.equals(both.step._rollback())
    model[0].weight.data[0, 1] = np.nan
    assert not before.equals(both.step._rollback())
    assert np.signbit(after[0].weight.data[0, 0])


def test_a_plan_does_not_hold_its_first_batch():
    step = mt.compile(*parts())
    x, y = data()
    held = weakref.ref(x)
    for seed in range(5):
        step(*(data(seed) if seed else (x, y)))
    del x, y
    gc.collect()
    assert step._plan.is_trusted
    assert held() is None


def test_frozen_parameters_are_warned_of_as_by_the_layers():
    said = []
    for make in (mt.compile, lambda *everything: lambda x, y: layered(*everything, x, y)):
        model = network()
        step = make(model, mt.MSELoss(), mt.SGD(model[2].parameters()))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for seed in range(3):
                step(*data(seed))
        said.append([str(warning.message) for warning in caught])
    assert said[0] == said[1] != []


def test_frozen_parameters_keep_adding_up_and_the_step_is_compiled():
    model = network()
    both = Both(model, mt.MSELoss(), mt.SGD(model[2].parameters(), lr=0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nobody uses these gradients
        for seed in range(8):
            both.make(*data(seed))
    assert both.is_compiled
    assert model[0].weight.has_grad


def test_model_loss_and_optimizer_stay_and_copies_are_compiled_anew():
    step = mt.compile(*parts())
    with pytest.raises(AttributeError):
        step.loss = mt.L1Loss()
    copied = copy.deepcopy(step)
    assert copied.model is not step.model
    assert copied(*data()) == step(*data())


def test_the_global_generators_are_drawn_from_by_the_layers_alone():
    class Noisy(mt.Layer):
        def forward(self, x):
            y = self.check_input(x) + np.random.normal(size=x.shape)  # noqa: NPY002
            self.save_for_backward(output=y)
            return y

        def backward(self, dy):
            (dy,) = self.saved(dy)
            return dy

    values = []
    for make in (mt.compile, lambda *everything: lambda x, y: layered(*everything, x, y)):
        np.random.seed(0)  # noqa: NPY002
        step = make(*parts(middle=(Noisy(),)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            values.append([step(*data(seed)) for seed in range(3)])
    assert values[0] == values[1]


@pytest.mark.parametrize("half", [lambda step: step.gradients(*data()), lambda step: step.update()])
def test_halves_of_a_step_need_a_loss(half):
    with pytest.raises(RuntimeError, match="needs a loss and an optimizer"):
        half(mt.compile(network()))


def test_nothing_is_saved_after_a_compiled_prediction():
    model = network()
    predict = mt.compile(model)
    for seed in range(5):
        predict(data(seed)[0])
    with pytest.raises(RuntimeError, match="nothing saved"):
        model.backward(np.ones((5, 3)))


def test_a_guard_sees_the_layers():
    model, loss, optimizer = parts()
    step = mt.compile(model, loss, optimizer)
    x, y = data()
    for _ in range(5):
        step(x, y)
    broken = x.copy()
    broken[0, 0] = np.nan
    with mt.guard(model, loss), pytest.raises(FloatingPointError, match="x holds 1 NaN"):
        step(broken, y)
    step(x, y)
    assert step._plan.is_trusted


def test_a_step_that_changes_each_time_is_left_to_the_layers_and_it_is_said(monkeypatch):
    monkeypatch.setattr("minitorch_np.compiled.step.MOST", 3)
    both = Both(*parts(middle=(mt.LeakyReLU(0.1),)))
    both.make(*data())
    for slope in (0.2, 0.3):
        both.each(lambda m, loss, o, slope=slope: setattr(m[1], "negative_slope", slope))
        both.make(*data())
    both.each(lambda m, loss, o: setattr(m[1], "negative_slope", 0.4))
    with pytest.warns(UserWarning, match="has changed 3 times"):
        both.make(*data())


def test_the_prediction_of_a_step_is_that_before_the_update():
    both, losses = Both(*parts()), []
    for seed in range(6):
        x, y = data(seed)
        expected = both.layers[0](x)
        both.step.gradients(x, y)
        np.testing.assert_array_equal(both.step.prediction, expected)
        both.step.update()
        losses.append(layered(*both.layers, x, y))


@pytest.mark.parametrize("made", [0, 1, 5])
def test_a_check_of_the_loss_comes_before_the_update(made):
    both = Both(*parts(optimizer=mt.Adam))
    for seed in range(made):
        both.make(*data(seed))

    def refuse(value):
        losses.append(value)
        raise OverflowError("too large")

    losses, weights = [], [parameter.data.copy() for parameter in both.compiled[0].parameters()]
    with pytest.raises(OverflowError, match="too large"):
        both.step(*data(9), check=refuse)
    assert all(map(np.array_equal, weights, (p.data for p in both.compiled[0].parameters())))
    both.compiled[0].zero_grad()
    x, y = data(9)
    assert both.step(x, y, check=losses.append) == losses[0] == losses[1]
    layered(*both.layers, x, y)
    both.check()


def test_fit_has_the_same_history_to_the_bit():
    histories, states = [], []
    for compiled in (False, True):
        model, loss, optimizer = parts(mt.CrossEntropyLoss, mt.Adam, middle=(mt.ReLU(), mt.Dropout(0.2, rng=3)))
        x = sample((50, 4))
        y = (x[:, 0] > 0).astype(int)
        history = mt.fit(
            model, loss, optimizer, x, y, epochs=4, batch_size=8, rng=0, validation_split=0.2,
            metrics="accuracy", schedule=mt.StepLR(optimizer, 2), clip_norm=0.5, verbose=0, compile=compiled,
        )  # fmt: skip
        rows = {key: history[key] for key in ("loss", "val_loss", "accuracy", "val_accuracy", "lr")}
        histories.append((rows, history.step_losses))
        states.append(state(model, optimizer))
    assert histories[0] == histories[1]
    assert states[0] == states[1]


def test_metrics_of_ones_own_get_the_predictions_of_each_step():
    def spread(prediction, target):
        return float(prediction.std())

    histories = []
    for compiled in (False, True):
        model, loss, optimizer = parts()
        x, y = data(batch=40)
        fitted = mt.fit(
            model,
            loss,
            optimizer,
            (x, y),
            epochs=3,
            batch_size=5,
            rng=0,
            verbose=0,
            metrics=spread,
            compile=compiled,
        )
        histories.append(fitted["spread"])
    assert histories[0] == histories[1]


@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}])
def test_a_metric_that_raises_does_so_before_the_update(options, monkeypatch):
    seen, weights, original = [], [], Measurement.add

    def add(measurement, prediction, target):
        seen.append(prediction)
        if len(seen) % 7 == 0:
            raise OverflowError("too large")
        original(measurement, prediction, target)

    monkeypatch.setattr(Measurement, "add", add)
    for compiled in (False, True):
        model, loss, optimizer = parts()
        given = {"epochs": 3, "batch_size": 5, "rng": 0, "verbose": 0, "metrics": lambda y_pred, y: 0.0}
        with pytest.raises(OverflowError, match="too large"):
            mt.fit(model, loss, optimizer, data(batch=30), compile=compiled, **given, **options)
        weights.append(model[0].weight.data.tobytes())
    assert weights[0] == weights[1]


def test_fit_finds_a_loss_that_is_not_finite():
    model, loss, optimizer = parts(lr=1e200)
    with pytest.raises(mt.NotFiniteError, match="it began here"), np.errstate(all="ignore"):
        mt.fit(model, loss, optimizer, *data(batch=40), epochs=9, batch_size=5, verbose=0, compile=True)
    assert all(np.isfinite(p.data).all() for p in model.parameters())
    assert not any(p.has_grad for p in model.parameters())


def test_one_step_is_for_one_thread():
    step = mt.compile(*parts())
    errors = []

    class Slow(mt.MSELoss):
        def forward(self, prediction, target):
            thread = threading.Thread(target=self.other)
            thread.start()
            thread.join()
            return super().forward(prediction, target)

        def other(self):
            with pytest.raises(RuntimeError, match="used by one thread at a time") as error:
                step(*data())
            errors.append(error)

    step = mt.compile(step.model, Slow(), step.optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # this loss cannot be compiled
        step(*data())
    assert errors


def test_arguments():
    model, loss, optimizer = parts()
    with pytest.raises(TypeError, match="compile expects model to be a Layer, got"):
        mt.compile(np.tanh)
    with pytest.raises(TypeError, match="compile expects optimizer to be a Optimizer, got"):
        mt.compile(model, loss, mt.SGD)
    with pytest.raises(TypeError, match="model, loss and optimizer, or the model alone"):
        mt.compile(model, loss)
    with pytest.raises(RuntimeError, match="nothing is compiled yet"):
        _ = mt.compile(model, loss, optimizer).source
    assert repr(mt.compile(model, loss, optimizer)).startswith("CompiledStep(Sequential(")
    scope = {}
    exec("from minitorch_np import *", scope)
    assert scope.get("compile", compile) is compile


def test_the_source_is_a_straight_line():
    model = mt.Sequential(mt.Linear(4, 3, bias=False, rng=0), mt.ReLU(), mt.Linear(3, 2, bias=False, rng=1))
    step = CompiledStep(model, mt.SquaredLoss(), mt.SGD(model.parameters(), lr=1e-6))
    step(sample((5, 4)), sample((5, 2)))
    for line in (
        "x.dot(w1, buffer)  # h (5, 3)",
        "maximum(buffer, constant, out=buffer2)  # h_relu (5, 3)",
        "grad_w2)  # grad_w2 (3, 2)",
        "grad_w1)  # grad_w1 (4, 3)",
        "return loss",
    ):
        assert line in step.source, step.source
