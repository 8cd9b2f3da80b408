"""save and load: what is in the file, what comes back, what is refused, and that then nothing changes."""

import json
import pickle
import subprocess
import sys
import tracemalloc

import mutations
import numpy as np
import pytest
from table.authored import Gated, Masked, Swish
from table.layers import LAYERS
from table.samples import same_bits

import minitorch_np as mt
from minitorch_np.serialization import codec
from minitorch_np.serialization import npz as archive
from minitorch_np.serialization.load import load
from minitorch_np.serialization.save import save


def network(rng=0, dtype="float64"):
    return mt.Sequential(
        mt.Linear(4, 3, rng=rng, dtype=dtype), mt.ReLU(), mt.Linear(3, 2, rng=rng, dtype=dtype)
    )


def trained(steps=3, dtype="float64"):
    model = network(dtype=dtype)
    optimizer = mt.Adam(model.parameters(), lr=0.1)
    train(model, optimizer, steps)
    return model, optimizer


def train(model, optimizer, steps):
    loss = mt.SquaredLoss()
    for _ in range(steps):
        loss(model(np.ones((5, 4), model.dtype)), np.zeros((5, 2), model.dtype))
        model.backward(loss.backward())
        optimizer.step()


def everything(model, optimizer):
    state = optimizer.state_dict()
    arrays = [np.asarray(a).tobytes() for entry in state["state"].values() for a in entry.values()]
    weights = [a.tobytes() for a in model.state_dict().values()]
    gradients = [(p.has_grad, p.grad.tobytes()) for p in model.parameters()]
    return weights, arrays, gradients, state["param_groups"]


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_layer_comes_back(tmp_path, case, dtype):
    layer = case.make(dtype)
    save(tmp_path / "net.npz", layer)
    again = load(tmp_path / "net.npz").model
    x = case.sample(dtype)
    assert repr(again) == repr(layer)
    assert same_bits(again.state_dict(), layer.state_dict())
    assert again(x).tobytes() == layer(x).tobytes()
    assert again.dtype == layer.dtype


def test_numpy_reads_the_file(tmp_path):
    model, optimizer = trained()
    save(tmp_path / "net.npz", model, optimizer, extra={"table": np.arange(3)}, history={"loss": [0.5] * 40})
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert (file["model.2.weight"] == model[2].weight.data).all()
        assert (file["optimizer.1.exp_avg"] == optimizer.state_dict()["state"][1]["exp_avg"]).all()
        assert (file["extra.table"] == np.arange(3)).all()
        assert (file["history.loss"] == [0.5] * 40).all()
        data = json.loads(file["metadata"].tobytes())
    assert data["format"] == "minitorch_np checkpoint"
    assert data["written_by"]["minitorch_np"] == mt.__version__
    assert data["written_by"]["numpy"] == np.__version__
    assert data["model"]["layers"]["1"] == {"class": "ReLU", "arguments": {}}


def test_the_file_is_no_larger_than_its_arrays(tmp_path):
    model = mt.Sequential(mt.Linear(300, 300, rng=0))
    save(tmp_path / "net.npz", model)
    assert (tmp_path / "net.npz").stat().st_size < 8 * 300 * 301 + 3000


def test_what_is_given_comes_back(tmp_path):
    model, optimizer = trained()
    given = {
        "numbers": [1, 2.5, float("inf"), -0.0, 2**80, True, None, "ü\ud800"],
        "long": [float(i) / 3 for i in range(100)] + [float("nan")],
        "mixed": [1, 2.5] * 40,
        "texts": ["a"] * 40,
        "tuple": (1, (2, [3])),
        "keys": {1: "a", (2, 3): {"": {}}},
        "arrays": [np.arange(6, dtype=np.float32).reshape(2, 3), {"x/y": np.array([True])}],
        "numpy number": np.float64(0.1),
        "a.b": np.ones(1),
        "a": {"b": np.zeros(2)},
    }
    save(tmp_path / "net.npz", model, optimizer, epoch=7, history=[1.5] * 50, extra=given)
    saved = load(tmp_path / "net.npz")
    assert repr(saved.extra) == repr(given | {"numpy number": 0.1})
    assert saved.extra["arrays"][0].dtype == np.float32
    assert (saved.epoch, saved.history, saved.schedule, saved.loss, saved.rng) == (
        7,
        [1.5] * 50,
        None,
        None,
        None,
    )
    bare = load(tmp_path / "net.npz", model=network(1))
    assert (repr(bare.extra), bare.history, bare.optimizer) == (repr(saved.extra), saved.history, None)


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, np.array(["a"]), [np.array([None])], {"f": print}])
def test_what_cannot_be_written_is_said(tmp_path, value):
    with pytest.raises((TypeError, ValueError), match="extra"):
        save(tmp_path / "net.npz", network(), extra=value)
    assert not list(tmp_path.iterdir())


def test_too_much_text_is_said(tmp_path):
    with pytest.raises(ValueError, match="put what is long into extra, as arrays"):
        save(tmp_path / "net.npz", network(), extra="x" * 5_000_000)


def test_modes_come_back(tmp_path):
    model = network()
    model[2].eval()
    save(tmp_path / "net.npz", model)
    again = load(tmp_path / "net.npz").model
    assert [layer.training for layer in again] == [True, True, False]
    assert again.training


def test_layers_of_two_precisions_come_back(tmp_path):
    model = mt.Sequential(mt.Linear(4, 3, rng=0), mt.Sequential(mt.Linear(3, 2, rng=0, dtype="float32")))
    save(tmp_path / "net.npz", model)
    again = load(tmp_path / "net.npz").model
    assert [str(parameter.dtype) for parameter in again.parameters()] == ["float64"] * 2 + ["float32"] * 2


def test_into_what_was_built(tmp_path):
    model, optimizer = trained()
    rng = np.random.default_rng(5)
    schedule = mt.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    schedule.step()
    save(tmp_path / "net.npz", model, optimizer, schedule=schedule, rng=rng, describe=False)
    other, its_optimizer = trained(1)
    its_schedule = mt.LambdaLR(its_optimizer, lambda epoch: 1 / (1 + epoch))
    its_rng = np.random.default_rng(6)
    saved = load(tmp_path / "net.npz", model=other, optimizer=its_optimizer, schedule=its_schedule, rng=its_rng)
    assert saved[:3] == (other, its_optimizer, its_schedule)
    assert saved.rng is its_rng
    assert its_rng.random() == rng.random()
    assert everything(other, its_optimizer)[:2] == everything(model, optimizer)[:2]
    assert its_schedule.state_dict() == schedule.state_dict()


def test_weights_alone_need_no_description_and_no_custom(tmp_path):
    model = mt.Sequential(Gated(3), Swish(2.0), Masked())
    model[0].scale.data = [1.0, 2.0, 3.0]
    save(tmp_path / "net.npz", model, mt.SGD(model.parameters()), describe=False)
    save(tmp_path / "other.npz", model[1:])
    again = mt.Sequential(Gated(3), Swish(2.0), Masked(rng=8))
    assert load(tmp_path / "net.npz", model=again).model is again
    assert same_bits(again.state_dict(), model.state_dict())
    assert again[2].rng.random() == model[2].rng.random()
    assert load(tmp_path / "other.npz", model=again[1:]).model[0] is again[1]
    with pytest.raises(
        ValueError, match=r"no description of the network: build it, and load\(..., model=model\)"
    ):
        load(tmp_path / "net.npz")


def test_generators_that_are_one_stay_one(tmp_path):
    rng = np.random.Generator(np.random.Philox(3))
    model = mt.Sequential(Masked(rng=rng), Masked(rng=rng), Masked(rng=4))
    save(tmp_path / "net.npz", model, rng=rng)
    for saved in (
        load(tmp_path / "net.npz", custom={"Masked": Masked}),
        load(tmp_path / "net.npz", model=mt.Sequential(Masked(), Masked(), Masked())),
    ):
        assert saved.rng is saved.model[0].rng is saved.model[1].rng
        assert saved.rng is not saved.model[2].rng
        assert saved.rng.bit_generator.state["state"]["counter"].tolist() == [0, 0, 0, 0]
        assert saved.model[2].rng.random() == np.random.default_rng(4).random()


def test_generators_that_are_two_become_two(tmp_path):
    save(tmp_path / "net.npz", mt.Sequential(Masked(rng=1), Masked(rng=2)))
    shared = np.random.default_rng(9)
    model = load(tmp_path / "net.npz", model=mt.Sequential(Masked(rng=shared), Masked(rng=shared))).model
    assert [layer.rng.random() for layer in model] == [np.random.default_rng(seed).random() for seed in (1, 2)]


def test_a_generator_that_is_there_is_set_and_not_replaced(tmp_path):
    model = mt.Sequential(Masked(rng=3))
    save(tmp_path / "net.npz", model)
    held = np.random.default_rng(8)
    load(tmp_path / "net.npz", model=mt.Sequential(Masked(rng=held)))
    assert held.random() == model[0].rng.random()


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_of_numpy_comes_back(tmp_path, kind):
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.integers(9, size=3, dtype=np.uint32)  # half of a 64 bit number is left
    save(tmp_path / "net.npz", network(), rng=rng)
    again = load(tmp_path / "net.npz").rng
    assert (
        again.integers(9, size=700, dtype=np.uint32).tolist()
        == rng.integers(9, size=700, dtype=np.uint32).tolist()
    )


@pytest.mark.parametrize(
    ("kind", "inside", "name", "value"),
    [
        ("MT19937", "state", "pos", 625),  # NumPy would read beyond its memory
        ("MT19937", "state", "pos", -1),
        ("Philox", None, "buffer_pos", -1000),
        ("Philox", None, "buffer_pos", 5),
        ("PCG64", None, "uinteger", 2**40),
        ("PCG64", "state", "inc", -1),
        ("PCG64", "state", "inc", 2**128),
        ("PCG64", None, "has_uint32", 1.5),
        ("SFC64", "state", "state", {"array": ["uint64", [1], [1]]}),
        ("MT19937", "state", "key", [0] * 624),
        ("PCG64", None, "bit_generator", "MT19937"),
        ("PCG64", None, "bit_generator", "default_rng"),
        ("PCG64", None, "more", 1),
    ],
)
def test_a_state_that_is_none_is_refused(tmp_path, kind, inside, name, value):
    path = tmp_path / "net.npz"
    save(path, network(), rng=np.random.Generator(getattr(np.random, kind)(5)))

    def change(data):
        state = data["generators"][0]["state"]["dict"]
        (state[inside]["dict"] if inside else state)[name] = value

    edit(path, change)
    with pytest.raises(ValueError, match=r"is not a state of a|is not a random generator of NumPy"):
        load(path)


def edit(path, change):
    """Change the metadata of a file."""
    arrays = dict(np.load(path))
    data = json.loads(arrays["metadata"].tobytes())
    change(data)
    arrays["metadata"] = np.frombuffer(json.dumps(data).encode(), np.uint8)
    np.savez(path, **arrays)


def test_a_newer_file_is_refused_with_its_version(tmp_path):
    save(tmp_path / "net.npz", network())

    def change(data):
        data["version"] = codec.VERSION + 1
        data["written_by"]["minitorch_np"] = "9.0"

    edit(tmp_path / "net.npz", change)
    with pytest.raises(
        ValueError, match=r"minitorch_np 9.0 has written it in version 2 of the format.*: update"
    ):
        load(tmp_path / "net.npz")


def test_json_that_save_does_not_write_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    save(path, network())
    edit(path, lambda data: data.update(history=float("nan")))
    with pytest.raises(ValueError, match="NaN is not a number in JSON"):
        load(path)
    save(path, network(), extra="x" * 1000)
    monkeypatch.setattr(codec, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"its metadata has .* bytes, of at most 1000"):
        load(path)


@pytest.mark.parametrize("bomb", ["[],", "{},", '"",', "0,", '{"float":"nan"},'])
def test_a_lot_of_json_takes_memory_in_proportion(tmp_path, bomb):
    path = tmp_path / "net.npz"
    save(path, network())
    data = (
        np.load(path)["metadata"]
        .tobytes()
        .replace(b'"history": null', b'"history": [%s0]' % (bomb.encode() * 50000))
    )
    archive.write(path, dict(np.load(path)) | {"metadata": np.frombuffer(data, np.uint8)})
    tracemalloc.start()
    try:
        load(path)
    except ValueError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 60 * path.stat().st_size + 200_000


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, a=np.ones(3))
    with pytest.raises(
        ValueError, match="it has no metadata, and so is not a file that minitorch_np's save has made"
    ):
        load(path)
    np.savez(path, metadata=np.frombuffer(b'{"format": "x"}', np.uint8))
    with pytest.raises(ValueError, match="does not say that it is a minitorch_np checkpoint"):
        load(path)
    np.savez(path, metadata=np.ones(3))
    with pytest.raises(ValueError, match="it has no metadata"):
        load(path)
    for content in (b"", b"text", pickle.dumps(mutations.Touched()), b"\x93NUMPY" + bytes(200)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.npz is damaged, or not a file of minitorch_np: "):
            load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")


def test_an_unknown_class_is_named_and_not_imported(tmp_path):
    save(tmp_path / "net.npz", mt.Sequential(Swish(2.0)))
    before = set(sys.modules)
    with pytest.raises(ValueError, match=r"net\.npz cannot be loaded: there is no class Swish here.*custom="):
        load(tmp_path / "net.npz")
    edit(tmp_path / "net.npz", lambda data: data["model"]["layers"]["0"].update({"class": "antigravity"}))
    with pytest.raises(ValueError, match="no class antigravity here"):
        load(tmp_path / "net.npz")
    assert "antigravity" not in set(sys.modules) - before


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weight", lambda data: None, "'2.weight' has shape"),
        ("optimizer", lambda data: data["optimizer"]["steps"].pop(), "cannot be loaded"),
        ("options", lambda data: data["optimizer"]["groups"][0]["options"]["dict"].update(lr=-1), "lr"),
        ("steps", lambda data: data["optimizer"].update(steps=[-1] * 4), "counts steps, and not"),
        (
            "names",
            lambda data: data["optimizer"]["groups"][0]["parameters"].reverse(),
            "its optimizer has the param",
        ),
        (
            "schedule",
            lambda data: data["schedule"]["state"]["dict"].update(last_epoch=1.5),
            "StepLR expects last_ep",
        ),
        ("no schedule", lambda data: data.update(schedule=None), "it has no schedule"),
        ("no optimizer", lambda data: data.update(optimizer=None), "it has no optimizer"),
        (
            "generators",
            lambda data: data["generators"][0]["places"].append("5.rng"),
            "has random generators at",
        ),
        ("epoch", lambda data: data.update(epoch=True), "its metadata has no epoch"),
        (
            "history",
            lambda data: data.update(history={"attached": ["model", False]}),
            "there is no array 'model'",
        ),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path, name, change, message):
    path = tmp_path / "net.npz"
    model, optimizer = trained()
    save(path, model, optimizer, schedule=mt.StepLR(optimizer, 3), rng=np.random.default_rng(0), epoch=3)
    edit(path, change)
    other, its_optimizer = trained(1)
    if name == "weight":
        other[2] = mt.Linear(3, 5, rng=0)
        its_optimizer = mt.Adam(other.parameters())
    schedule, rng = mt.StepLR(its_optimizer, 2), np.random.default_rng(1)
    schedule.step()
    before = everything(other, its_optimizer), schedule.state_dict(), rng.bit_generator.state
    with pytest.raises(ValueError, match=message):
        load(path, model=other, optimizer=its_optimizer, schedule=schedule, rng=rng)
    assert (everything(other, its_optimizer), schedule.state_dict(), rng.bit_generator.state) == before


def test_a_generator_that_the_file_lacks_is_named(tmp_path):
    save(tmp_path / "net.npz", mt.Sequential(mt.ReLU()))
    with pytest.raises(
        ValueError, match=r"the file has the state of nothing for rng, which is Generator\(PCG64\)"
    ):
        load(tmp_path / "net.npz", rng=np.random.default_rng(0))
    save(tmp_path / "rng.npz", network(), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"the state of PCG64 for rng, which is Generator\(MT19937\)"):
        load(tmp_path / "rng.npz", rng=np.random.Generator(np.random.MT19937(0)))
    with pytest.raises(ValueError, match=r"generators at \[\], the network at \['0.rng'\]"):
        load(tmp_path / "net.npz", model=mt.Sequential(Masked()))


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    model, optimizer = trained()
    with pytest.raises(ValueError, match="belongs to another optimizer, or to one that save was not given"):
        save(path, model, schedule=mt.StepLR(optimizer, 3))
    with pytest.raises(ValueError, match="Adam has parameters that are not those of the model"):
        save(path, network(), optimizer)
    with pytest.raises(ValueError, match="load expects the model of the optimizer"):
        load(path, optimizer=optimizer)
    with pytest.raises(ValueError, match=r"there is no directory"):
        save(tmp_path / "none" / "net.npz", model)
    assert not list(tmp_path.iterdir())


def test_gradients_that_wait_come_back_only_with_the_optimizer(tmp_path):
    model, optimizer = trained()
    model.backward(model(np.ones((5, 4))))
    save(tmp_path / "net.npz", model, optimizer)
    saved = load(tmp_path / "net.npz")
    assert [p.has_grad for p in saved.model.parameters()] == [True] * 4
    optimizer.step()
    saved.optimizer.step()
    assert same_bits(saved.model.state_dict(), model.state_dict())
    save(tmp_path / "net.npz", model)
    assert not [name for name in np.load(tmp_path / "net.npz") if name.startswith("gradient")]


def test_only_what_is_needed_is_imported_when_it_is_needed():
    code = (
        "import sys, numpy; before = set(sys.modules); import minitorch_np.serialization; "
        "print(*set(sys.modules) - before)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"zipfile", "json", "platform", "inspect", "dataclasses", "fcntl"} & set(out)


class RunningMean(mt.Layer):
    """A layer with a state: declared as a buffer, or not."""

    def __init__(self, size):
        self.size = size
        self.table = np.arange(size, dtype=float)  # the same whenever it is built
        self.mean = np.zeros(size)

    def forward(self, x):
        x = self.check_input(x, (None, self.size))
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        y = x - self.mean + self.table
        self.save_for_backward(output=y)
        return y

    def backward(self, dy):
        return self.saved(dy)[0]


class BufferedMean(RunningMean):
    buffer_names = ("mean",)


def test_an_array_that_would_not_come_back_is_refused_by_name(tmp_path):
    path, x = tmp_path / "net.npz", np.ones((4, 3))
    model = mt.Sequential(mt.Linear(3, 3, rng=0), RunningMean(3))
    save(path, model)  # as it is built, nothing is lost
    model(x)
    with pytest.raises(ValueError, match=r"mean of layer '1'.*would not be saved.*buffer_names = \('mean',\)"):
        save(path, model)
    model[1] = BufferedMean(3)
    model(x)
    save(path, model)
    loaded = load(path, custom={"BufferedMean": BufferedMean}).model
    assert loaded[1].mean.tobytes() == model[1].mean.tobytes()
    assert loaded.eval()(x).tobytes() == model.eval()(x).tobytes()
