"""Memory and time of load follow the size of the file, and what save writes is read."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.serialization import npz


def forged(path, change, **more):
    """A file of a small network with changed metadata."""
    model = mt.Sequential(mt.Linear(2, 2), mt.ReLU())
    mt.save(path, model, mt.Adam(model.parameters()), extra={"a": 1})
    arrays = dict(npz.read(Path(path)))
    metadata = json.loads(arrays["metadata"].tobytes())
    change(metadata)
    arrays["metadata"] = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    npz.write(Path(path), arrays | more)
    return path


def test_an_array_is_spoken_of_once(tmp_path):
    """Each time a list is made of it: 20,000 times 5,000 numbers took 3 GB."""
    many = [{"attached": ["extra.x", True]}] * 20
    path = forged(tmp_path / "a.npz", lambda m: m.update(extra=many), **{"extra.x": np.zeros(5000)})
    with pytest.raises(ValueError, match=r"the array 'extra\.x' is spoken of twice"):
        mt.load(path)


@pytest.mark.parametrize(
    "keys",
    [
        [{"tuple": list(k)} for k in itertools.islice(itertools.product((-1, -2), repeat=12), 3000)],
        [i * (2**61 - 1) for i in range(3000)],
    ],
    ids=["tuples", "integers"],
)
def test_keys_that_collide_are_refused(tmp_path, keys):
    path = forged(tmp_path / "a.npz", lambda m: m.update(extra={"dict": [[k, 0] for k in keys]}))
    with pytest.raises(ValueError, match="of its keys have one hash"):
        mt.load(path)


def test_layers_are_looked_through_once_and_not_at_each_level(tmp_path, monkeypatch):
    model = mt.Sequential([mt.ReLU() for _ in range(50)])
    for _ in range(60):
        model = mt.Sequential(model, mt.Sequential(mt.ReLU()))
    path = tmp_path / "a.npz"
    mt.save(path, model)
    looked = []
    named_children = mt.Sequential.named_children
    monkeypatch.setattr(mt.Sequential, "named_children", lambda self: looked.append(1) or named_children(self))
    assert repr(mt.load(path).model) == repr(model)
    assert len(looked) < 121 * 20  # by each level it would be 121 · 61 / 2


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_schedule_of_a_loss_that_is_not_finite_comes_back(tmp_path, mode, value):
    model = mt.Sequential(mt.Linear(2, 2))
    optimizer = mt.SGD(model.parameters(), lr=0.1)
    schedule = mt.ReduceLROnPlateau(optimizer, mode=mode)
    schedule.step(value)
    mt.save(tmp_path / "a.npz", model, optimizer, schedule=schedule)
    assert mt.load(tmp_path / "a.npz").schedule.state_dict() == schedule.state_dict()


@pytest.mark.parametrize("depth", [100, 300, 2000])
def test_what_is_nested_deeply_comes_back_or_is_not_written(tmp_path, depth):
    extra, path = [], tmp_path / "a.npz"
    for _ in range(depth):
        extra = [extra]
    try:
        mt.save(path, mt.Sequential(mt.Linear(2, 2)), extra=extra)
    except ValueError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017
        assert not path.exists()
    else:
        assert repr(mt.load(path).extra) == repr(extra)


def test_a_parameter_at_two_places_is_not_split_without_a_word(tmp_path):
    model = mt.Sequential(mt.Linear(2, 2), mt.ReLU(), mt.Linear(2, 2))
    model[2].weight = model[0].weight
    with pytest.raises(ValueError, match=r"0\.weight and 2\.weight are one Parameter, and load would make two"):
        mt.save(tmp_path / "a.npz", model)
    mt.save(tmp_path / "a.npz", model, describe=False)
    model[0].weight.data = np.zeros((2, 2))
    mt.load(tmp_path / "a.npz", model=model)
    assert model[0].weight.data.any()
    assert model[2].weight is model[0].weight


class Tied(mt.Layer):
    """Two layers with one weight, which the constructor shares."""

    def __init__(self):
        self.first, self.second = mt.Linear(2, 2, bias=False), mt.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))

    def backward(self, dy):
        return self.first.backward(self.second.backward(dy))


def test_a_constructor_may_share_a_parameter(tmp_path):
    mt.save(tmp_path / "a.npz", mt.Sequential(Tied()))
    model = mt.load(tmp_path / "a.npz", custom={"Tied": Tied}).model
    assert model[0].second.weight is model[0].first.weight


ODD = (None, True, -1, 2**70, 1e308, "x", [], {}, [1, "2"], {"class": "ReLU"}, {"tuple": [1]}, {"float": "nan"})


def places(data, path=()):
    """The paths of all values in a tree of dicts and lists."""
    yield path
    for key, value in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        yield from places(value, (*path, key))


@pytest.mark.slow
def test_every_mangled_value_is_refused_by_name_or_harmless(tmp_path):
    def whole(metadata):
        return None

    path = forged(tmp_path / "a.npz", whole)
    metadata = json.loads(dict(npz.read(path))["metadata"].tobytes())
    count = refused = 0
    for place in [p for p in places(metadata) if p]:
        for odd in ODD:

            def change(made, place=place, odd=odd):
                for key in place[:-1]:
                    made = made[key]
                made[place[-1]] = odd

            count += 1
            path = forged(tmp_path / "a.npz", change)
            try:
                mt.load(path)
            except ValueError as error:
                refused += 1
                assert str(path) in str(error)  # noqa: PT017
    assert count > 500
    assert refused > count / 2


@pytest.mark.slow
def test_a_network_of_thousands_of_layers_comes_back(tmp_path):
    model = mt.Sequential([mt.Linear(2, 2, rng=i) for i in range(3000)])
    mt.save(tmp_path / "a.npz", model)
    again = mt.load(tmp_path / "a.npz").model
    assert len(again) == 3000
    np.testing.assert_array_equal(again[2999].weight.data, model[2999].weight.data)
