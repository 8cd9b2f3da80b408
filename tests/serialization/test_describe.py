"""A network as plain data and back: every public layer, loss and schedule; and what a file is not believed."""

import json
import tracemalloc

import numpy as np
import pytest
from table.authored import Branched, Gated, Halved, Lion, Masked, Swish
from table.layers import LAYERS
from table.losses import LOSSES
from table.optimizers import OPTIMIZERS
from table.schedules import SCHEDULES

import minitorch_np as mt
from minitorch_np.serialization.build import Builder, check_rebuilds
from minitorch_np.serialization.describe import Describer, known_classes


def numbers(layer):
    return sum(array.size for array in layer.state_dict().values())


def round_trip(thing, base, **custom):
    """`thing` described, written as JSON, read and built again; and its description."""
    description = json.loads(json.dumps(Describer().describe(thing), allow_nan=False))
    builder = Builder(known_classes(custom), numbers(thing) if isinstance(thing, mt.Layer) else 0)
    builder.optimizer = getattr(thing, "optimizer", None)
    return builder.build(description, base), description


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_every_layer_is_built_again(case):
    layer = case.make("float64")
    built, _ = round_trip(layer, mt.Layer)
    assert repr(built) == repr(layer)
    built.load_state_dict(layer.state_dict())
    x = case.sample()
    assert built(x).tobytes() == layer(x).tobytes()


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_every_loss_is_built_again(case):
    loss = case.make()
    built, _ = round_trip(loss, mt.Loss)
    assert repr(built) == repr(loss)
    assert np.all(built(case.prediction, case.target) == loss(case.prediction, case.target))


def one_optimizer():
    return mt.SGD([mt.Parameter(np.ones(2))], lr=0.1, momentum=0.9)


@pytest.mark.parametrize("make", [SCHEDULES[name] for name in SCHEDULES if name != "LambdaLR"])
def test_every_schedule_is_built_again(make):
    schedule = make(one_optimizer())
    built, _ = round_trip(schedule, mt.LRScheduler)
    assert repr(built) == repr(schedule)
    assert built.optimizer is schedule.optimizer


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_is_built_again(make):
    parameters = {"a": mt.Parameter(np.ones(2)), "b": mt.Parameter(np.ones(3))}
    optimizer = make([{"params": parameters["b"], "lr": 0.5}, {"params": parameters["a"]}])
    description = json.loads(json.dumps(Describer().describe(optimizer)))
    built = Builder(known_classes(None), 24).build_optimizer(description, [["b"], ["a"]], parameters)
    assert type(built) is type(optimizer)
    assert built.defaults == optimizer.defaults
    assert [group["params"] for group in built.param_groups] == [(parameters["b"],), (parameters["a"],)]


def test_a_description_is_plain_data():
    model = mt.Sequential({"in": mt.Linear(4, 3, bias=False), "f": mt.LeakyReLU(0.5)})
    model["f"].eval()
    linear = {"in_features": 4, "out_features": 3, "bias": False, "init": "fan_in_uniform"}
    assert Describer().describe(model) == {
        "class": "Sequential",
        "layers": {
            "in": {"class": "Linear", "arguments": linear},
            "f": {"class": "LeakyReLU", "arguments": {"negative_slope": 0.5}, "training": False},
        },
    }


def test_layers_of_the_users_own():
    model = mt.Sequential(Branched(mt.Sequential(Halved(3, 3), Swish(2.0))), Masked(0.25), Branched(Swish()))
    built, _ = round_trip(model, mt.Layer, Branched=Branched, Halved=Halved, Swish=Swish, Masked=Masked)
    assert repr(built).replace(repr(built[1]), "") == repr(model).replace(repr(model[1]), "")
    assert type(built[0].inner[0]) is Halved
    assert built[1].p == 0.25


class Perceptron(mt.Layer):
    """Builds its layers by itself."""

    def __init__(self, size, hidden=(5, 6), limits=(float("-inf"), float("inf"))):
        self.size, self.hidden, self.limits = size, hidden, limits
        self.net = mt.Sequential(mt.Linear(size, hidden[0]), mt.ReLU())

    def forward(self, x):
        return self.net(x)

    def backward(self, dy):
        return self.net.backward(dy)


class Stack(mt.Sequential):
    """A Sequential with arguments of its own."""

    def __init__(self, size):
        super().__init__(mt.Linear(size, size), mt.ReLU())
        self.size = size


class Wide(mt.Sequential):
    """A Sequential with nothing but a method more."""

    def width(self):
        return len(self)


def test_layers_that_build_layers_and_were_changed_afterwards():
    model = mt.Sequential(
        Perceptron(3), Perceptron(4, hidden=[2, 1]), Stack(2), Stack(3), Wide(mt.ReLU(), mt.Tanh())
    )
    model[0].net[1] = mt.Tanh()
    model[1].net.append(mt.Softplus(2.0))
    model[2][1] = mt.Sigmoid()
    model[3].after = mt.GELU()
    built, description = round_trip(model, mt.Layer, Perceptron=Perceptron, Stack=Stack, Wide=Wide)
    assert repr(built) == repr(model)
    assert [repr(layer) for _, layer in built.named_modules()] == [
        repr(layer) for _, layer in model.named_modules()
    ]
    assert built[0].hidden == (5, 6)
    assert built[1].hidden == [2, 1]
    assert built[0].limits[0] == float("-inf")
    assert built[0].limits[1] == float("inf")
    assert built[4].width() == 2
    assert json.loads(json.dumps(description)) == description


def test_a_name_may_stand_for_another_class():
    class Newer(Swish):
        pass

    built, _ = round_trip(mt.Sequential(Swish(3.0)), mt.Layer, Swish=Newer)
    assert type(built[0]) is Newer


def test_the_first_weights_are_not_drawn_again():
    def never(shape, rng, dtype):
        assert not drawn
        drawn.append(shape)
        return np.zeros(shape, dtype)

    drawn = []
    model = mt.Sequential(mt.Linear(3, 2, init=never), mt.Linear(2, 2, init="orthogonal"))
    built, _ = round_trip(model, mt.Layer)
    assert drawn == [(3, 2)]
    assert repr(built) == "Sequential(Linear(3, 2), Linear(2, 2, init='orthogonal'))"


class Doubled(Swish):
    def __init__(self, beta=1.0):
        self.beta = 2 * beta


class Sized(mt.Layer):
    """Has a weight that does not come of its arguments."""

    def __init__(self, size=3):
        self.size = size
        self.weight = mt.Parameter(np.ones(size))
        self.size = 3

    forward = backward = lambda self, x: x


class Several(mt.Activation):
    def __init__(self, *sizes, **options):
        self.sizes = sizes

    function = derivative = lambda self, x, y=None: x


class Sizes(mt.Activation):
    def __init__(self, *sizes, scale=1.0):
        self.sizes, self.scale = sizes, scale

    function = derivative = lambda self, x, y=None: x


def test_any_number_of_arguments_is_described_from_a_tuple():
    describer, layer = Describer(), Sizes(2, "three", scale=0.5)
    description = describer.describe(layer)
    assert description["arguments"] == {"sizes": {"tuple": [2, "three"]}, "scale": 0.5}
    assert repr(Builder(describer.classes, 0).build(description, mt.Layer)) == repr(layer)
    assert repr(layer) == "Sizes(2, 'three', scale=0.5)"
    layer.sizes = [2]
    with pytest.raises(ValueError, match=r"keep those of \*sizes as a tuple, self\.sizes = sizes"):
        describer.describe(layer)


def impostor():
    class Swish(mt.ReLU):
        pass

    return Swish()


def impostor_of_ours():
    class ReLU(Swish):
        pass

    return ReLU()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Gated(4),
            r"layer '0', Gated\(\.\.\.\), cannot be described: its argument size is in no attribute of that",
        ),
        (
            Swish(np.sin),
            r"layer '0', .* cannot be described: its argument beta is <ufunc 'sin'>, and a file holds no",
        ),
        (
            mt.Activation.of(np.sin, np.cos),
            r"Activation.of\(sin, cos\), cannot be described: it is made of functions",
        ),
        (Several(), r"cannot be described: it takes any number of arguments"),
        (impostor(), "there are two classes named Swish; rename one"),
        (impostor_of_ours(), "there are two classes named ReLU; rename one"),
    ],
)
def test_what_cannot_be_described_is_named(layer, message):
    with pytest.raises(ValueError, match=message):
        Describer().describe(mt.Sequential(layer, Swish(), mt.Identity()))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Doubled(), "is not what was saved: does Sequential keep its arguments"),
        (Sized(5), r"has arrays .*\(3,\).* when it is built, and .*\(5,\).* now"),
    ],
)
def test_what_would_be_built_otherwise_is_found_when_it_is_saved(layer, message):
    describer, model = Describer(), mt.Sequential(layer)
    description = describer.describe(model)
    shapes = {name: array.shape for name, array in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        check_rebuilds(description, describer.classes, shapes)


def test_a_schedule_of_functions_is_named():
    with pytest.raises(
        ValueError, match=r"LambdaLR\(.*\) cannot be described: its argument lr_lambda is <function"
    ):
        Describer().describe(SCHEDULES["LambdaLR"](one_optimizer()))


@pytest.mark.parametrize("custom", [{"Swish": Swish()}, {"path": "os.path"}, {"dict": dict}, {"f": np.sin}])
def test_custom_is_classes_by_name(custom):
    with pytest.raises(TypeError, match="custom expects classes by name"):
        known_classes(custom)


def test_custom_cannot_replace_what_is_here():
    with pytest.raises(ValueError, match="custom has a 'ReLU', which is the name of a class here"):
        known_classes({"ReLU": Swish})
    assert known_classes({"ReLU": mt.ReLU, "Lion": Lion})["Lion"] is Lion


LINEAR = {"in_features": 4, "out_features": 3}


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, "no class at ''"),
        ({}, "no class at ''"),
        ({"class": ["ReLU"]}, "no class at ''"),
        ({"class": "Swish", "arguments": {}}, r"no class Swish here: is it one of your own\? load\(custom="),
        ({"class": "os.system", "arguments": {"command": "touch x"}}, "no class os.system here"),
        ({"class": "Layer", "arguments": {}}, "no class Layer here"),
        ({"class": "Optimizer", "arguments": {}}, "no class Optimizer here"),
        ({"class": "_OfFunctions", "arguments": {}}, "no class _OfFunctions here"),
        ({"class": "SquaredLoss", "arguments": {}}, "SquaredLoss.* is not a Layer"),
        ({"class": "StepLR", "arguments": {"step_size": 1}}, "StepLR at '' cannot be made"),
        ({"class": "ReLU"}, "expected names with what they stand for"),
        ({"class": "ReLU", "arguments": {"x": 1}}, r"ReLU at '' takes no x; it takes \[\]"),
        ({"class": "ReLU", "layers": {}}, "ReLU at '' is not a Sequential"),
        ({"class": "Linear", "arguments": LINEAR | {"__class__": "x"}}, "takes no __class__"),
        ({"class": "Linear", "arguments": {"in_features": "4"}}, "Linear at '' cannot be made"),
        ({"class": "Linear", "arguments": LINEAR | {"init": "evil"}}, "is not what was saved"),
        ({"class": "Linear", "arguments": LINEAR | {"init": {"call": {"class": "x"}}}}, "no class x here"),
        ({"class": "Linear", "arguments": LINEAR | {"rng": {"generator": None}}}, "is not what was saved"),
        (
            {"class": "Linear", "arguments": LINEAR | {"rng": {"optimizer": None}}},
            "'optimizer' is nothing that",
        ),
        ({"class": "Sequential", "layers": {"a.b": {"class": "ReLU", "arguments": {}}}}, "without dots"),
        (
            {"class": "Sequential", "layers": {"0": {"class": "SGD", "arguments": {}}}},
            "SGD at '0' cannot be made",
        ),
        (
            {"class": "ReLU", "arguments": {}, "inside": {"forward": {"class": "Tanh", "arguments": {}}}},
            "ReLU has no layer 'forward'",
        ),
        ({"class": "ReLU", "arguments": {}, "training": 3}, "is not what was saved"),
        ({"class": "ReLU", "arguments": {}, "more": 3}, "is not what was saved"),
    ],
)
def test_a_wrong_description_is_refused(description, message):
    with pytest.raises(ValueError, match=message):
        Builder(known_classes(None), 24).build(description, mt.Layer)


def sizes(description):
    """The places of all whole numbers among the arguments of the layers."""
    for layer in description.get("layers", {}).values():
        yield from sizes(layer)
    for name, value in description.get("arguments", {}).items():
        if type(value) is int:
            yield description["arguments"], name


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("size", [10**5, 10**8, 10**12, 10**30])
def test_no_layer_is_made_larger_than_its_arrays(case, size):
    """Each size is enlarged, alone and all together: the layer is refused or takes no memory."""
    layer = case.make("float64")
    description = Describer().describe(layer)
    places = list(sizes(description))
    for together in [[place] for place in places] + [places] * bool(places):
        before = [inside[name] for inside, name in together]
        for inside, name in together:
            inside[name] = size
        tracemalloc.start()
        try:
            Builder(known_classes(None), numbers(layer)).build(description, mt.Layer)
        except ValueError:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 300_000
        for (inside, name), value in zip(together, before, strict=True):
            inside[name] = value


def test_a_weight_larger_than_the_file_has_is_named():
    description = {"class": "Linear", "arguments": {"in_features": 4000, "out_features": 4000}}
    with pytest.raises(
        ValueError, match=r"a weight of shape \(4000, 4000\), and the file 12 that no other layer has"
    ):
        Builder(known_classes(None), 12).build(description, mt.Layer)
    description = {"class": "PReLU", "arguments": {"num_parameters": 5000}}
    with pytest.raises(
        ValueError, match="PReLU at '' has num_parameters=5000, and the file 12 that no other layer has"
    ):
        Builder(known_classes(None), 12).build(description, mt.Layer)


def test_all_weights_of_a_layer_are_together_no_larger_than_the_file():
    arguments = {"input_size": 10, "hidden_size": 10, "num_layers": 4000}
    for more in ({}, {"dropout": 0.5, "rng": {"generator": None}}):
        description = {"class": "RNN", "arguments": arguments | more}
        with pytest.raises(
            ValueError, match=r"a weight of shape .*, and the file 1000 that no other layer has"
        ):
            Builder(known_classes(None), 1000).build(description, mt.Layer)


def test_many_small_layers_are_together_no_larger_than_the_file():
    linear = {"class": "Linear", "arguments": LINEAR}
    for count, more in ((5, {}), (3, {"3": {"class": "PReLU", "arguments": {"num_parameters": 31}}})):
        layers = {str(i): linear for i in range(count)} | more
        with pytest.raises(
            ValueError, match=rf"at '{list(layers)[-1]}'.* and the file .* that no other layer has"
        ):
            Builder(known_classes(None), 4 * 15 + 10 if more == {} else 3 * 15 + 30).build(
                {"class": "Sequential", "layers": layers}, mt.Layer
            )
