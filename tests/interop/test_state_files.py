"""Files of torch and safetensors: read without them, written for them, and refused if they do harm."""

import io
import json
import os
import pickle
import random
import struct
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.interop.state_files import read_state, write_safetensors

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def expected():
    with np.load(FILES / "expected.npz") as arrays:
        return dict(arrays)


def check_equal(state, expected):
    assert list(state) == list(expected)
    for name, array in expected.items():
        assert state[name].dtype == array.dtype, name
        assert state[name].shape == array.shape, name
        assert np.array_equal(state[name], array), name


@pytest.mark.parametrize("name", ["zip.pt", "before_zip.pt"])
def test_what_torch_wrote(name, expected):
    check_equal(read_state(FILES / name), expected)


def test_what_safetensors_wrote(expected):
    state = read_state(FILES / "state.safetensors")
    check_equal({name: state[name] for name in expected}, expected)


def test_a_checkpoint_is_what_was_saved(expected):
    read = read_state(FILES / "checkpoint.pth")
    assert (read["epoch"], read["best"], read["lr"]) == (3, None, [0.5, True])
    assert np.array_equal(read["model"]["w"], expected["0.weight"])
    assert np.shares_memory(read["odd"]["tied"], read["odd"]["same"])
    assert read["odd"]["expanded"].tolist() == [1, 1, 1, 1]


def test_a_network_takes_it():
    model = mt.Sequential(mt.Linear(3, 4), mt.BatchNorm1d(4), mt.Conv2d(1, 2, 3)).astype("float32")
    state = read_state(FILES / "zip.pt")
    own = {name: array for name, array in state.items() if name[:2] in ("0.", "1.", "2.")}
    model.load_state_dict(own, layout="torch")
    assert np.array_equal(model[0].weight.data, own["0.weight"].T)
    back = model.state_dict(layout="torch")
    assert all(np.array_equal(back[name], own[name]) and back[name].flags.c_contiguous for name in back)
    with pytest.raises(ValueError, match="state_dict expects layout=None or 'torch', got 'keras'"):
        model.state_dict(layout="keras")


def test_round_trip(tmp_path, expected):
    path = tmp_path / "state.safetensors"
    write_safetensors(path, expected, {"format": "pt"})
    state = read_state(path)
    check_equal({name: state[name] for name in expected}, expected)
    first = path.read_bytes()
    write_safetensors(path, dict(reversed(expected.items())), {"format": "pt"})
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not find_spec("safetensors"), reason="safetensors is not installed")
def test_safetensors_reads_it(tmp_path, expected):
    from safetensors.numpy import load_file

    expected |= {"strided": expected["float64"][:, ::2], "big": expected["float64"].astype(">f8")}
    write_safetensors(tmp_path / "a.safetensors", expected)
    state = load_file(tmp_path / "a.safetensors")
    assert state.keys() == expected.keys()
    assert all(np.array_equal(state[name], array) for name, array in expected.items())


def test_a_list_of_arrays_of_any_length_is_read(tmp_path):
    """The first byte of its length may be that with which a pickle begins."""
    path, firsts = tmp_path / "a.safetensors", set()
    for length in range(1, 260, 8):
        write_safetensors(path, {"w" * length: np.arange(3.0)})
        assert read_state(path)["w" * length].tolist() == [0, 1, 2]
        firsts.add(path.read_bytes()[0])
    assert 0x80 in firsts


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": np.zeros(2, complex)}, "'a' of dtype complex128"),
        ({"a": "text"}, "'a' of dtype <U4"),
        ({1: np.zeros(2)}, "names that are texts, not __metadata__, got 1"),
        ({"__metadata__": np.zeros(2)}, "names that are texts, not __metadata__, got '__metadata__'"),
    ],
)
def test_what_cannot_be_written(tmp_path, state, message):
    with pytest.raises(ValueError, match=message):
        write_safetensors(tmp_path / "a.safetensors", state)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("module.pt", r"holds a torch\.nn\.modules\.linear\.Linear, .*: save model\.state_dict\(\)"),
        ("module_before_zip.pt", r"holds a torch\.nn\.modules\.linear\.Linear, .*: save model\.state_dict\(\)"),
        ("complex.pt", r"numbers in a torch\.ComplexFloatStorage"),
        ("sparse.pt", r"holds a torch\.\S+, which is no part of a state dict"),
    ],
)
def test_what_is_no_state_dict(name, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_state(FILES / name)
    assert str(FILES / name) in str(caught.value)


class Harm:
    def __reduce__(self):
        return os.system, ("touch harmed",)


TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
)


def in_zip(data_pkl, numbers=bytes(8), byteorder=None, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        archive.writestr("net/data.pkl", data_pkl)
        archive.writestr("net/data/0", numbers)
        if byteorder:
            archive.writestr("net/byteorder", byteorder)
    return stream.getvalue()


def tensor(offset, shape, strides):
    """A pickle, by hand, of {"w": a tensor on a storage of two numbers}."""

    def numbers(values):
        return b"(" + b"".join(map(long, values)) + b"t"

    start = long(offset)
    return b"\x80\x02}X\x01\x00\x00\x00w" + TENSOR + start + numbers(shape) + numbers(strides) + b"\x89NtRs."


def declared(zipped, size):
    """The same, but its list of members says that the last one has so many bytes."""
    at = zipped.rindex(b"PK\x01\x02") + 20
    return zipped[:at] + struct.pack("<2L", size, size) + zipped[at + 8 :]


def long(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def with_parts(shape, strides):
    return b"\x80\x02}X\x01\x00\x00\x00w" + TENSOR + long(0) + shape + strides + b"\x89NtRs."


# a pair of a pair of a pair …, of which each is twice the one inside: 2^40 numbers if it is unfolded
DOUBLED = b"K\x01" + b"".join(bytes([0x71, i, 0x68, i, 0x86]) for i in range(40))
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def safetensors(header, data=bytes(8)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin=0, end=8, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


HOSTILE = {
    "a command": (in_zip(pickle.dumps({"w": Harm()}, 2)), "holds a .*system, which is no part of a state dict"),
    "a command before zip": (pickle.dumps(Harm(), 2), "holds a .*system"),
    "a place in a list that needs 64 GB": (b"\x80\x02}r\xff\xff\xff\xff.", "torch did not make"),
    "numbers before the storage": (in_zip(tensor(-1, (2,), (1,))), "offset, shape or strides are not valid"),
    "numbers after the storage": (in_zip(tensor(1, (2,), (1,))), "beyond the 2 numbers"),
    "strides that lead out": (in_zip(tensor(0, (2,), (2,))), "beyond the 2 numbers"),
    "negative strides": (in_zip(tensor(1, (2,), (-1,))), "offset, shape or strides are not valid"),
    "a huge size": (in_zip(tensor(0, (2**62,), (0,))), "offset, shape or strides are not valid"),
    "huge sizes": (in_zip(tensor(0, (2**40, 2**40), (0, 0))), "offset, shape or strides are not valid"),
    "a huge size of nothing": (in_zip(tensor(0, (0, 2**61), (1, 1))), "offset, shape or strides are not valid"),
    "a list for a stride": (in_zip(with_parts(b"(" + long(2**40) + b"t", b"(]K\x01at")), "are not valid"),
    "pairs of pairs for a size": (in_zip(with_parts(b"(" + DOUBLED + b"t", b"(K\x01t")), "are not valid"),
    "pairs of pairs for a key": (in_zip(b"\x80\x02}" + DOUBLED + b"K\x01s."), "it has a key that is a tuple"),
    "pairs of pairs that are called": (in_zip(b"\x80\x02" + DOUBLED + b")R."), "holds a call of a tuple"),
    "pairs of pairs for a class": (in_zip(b"\x80\x04" + DOUBLED + b"X\x01\0\0\0a\x93."), "a tuple for a name"),
    "pairs of pairs for a version": (MAGIC + b"\x80\x02" + DOUBLED + b".", "its version is not 1001"),
    "another byte order": (in_zip(b"\x80\x02}.", byteorder="middle"), "byte order is b'middle'"),
    "a name longer than a line": (in_zip(b"\x80\x02c" + b"a" * 9999 + b"\nb\n."), "it holds 'aaaaa"),
    "a storage that is shorter": (in_zip(tensor(0, (2,), (1,)), bytes(4)), "beyond the 1 numbers"),
    "compressed": (
        in_zip(tensor(0, (2,), (1,)), bytes(10**6), compression=zipfile.ZIP_DEFLATED),
        "compressed, encrypted or too large",
    ),
    "a member of 4 GB": (declared(in_zip(tensor(0, (2,), (1,))), 2**32 - 2), "too large"),
    "no description": (in_zip(b"").replace(b"data.pkl", b"nota.pkl"), "0 members data.pkl"),
    "cut off": (in_zip(tensor(0, (2,), (1,)))[:-30], "damaged"),
    "a list longer than the file": (struct.pack("<Q", 10**12) + b"{}", "should have 1000000000000 bytes"),
    "arrays that overlap": (safetensors({"a": entry(), "b": entry()}), "overlap"),
    "bytes of nobody": (safetensors({"a": entry(0, 4, (1,))}), "overlap, or leave bytes"),
    "an end beyond the file": (safetensors({"a": entry(0, 16, (4,))}), "does not fit the bytes 0 to 16"),
    "a size below zero": (safetensors({"a": entry(0, 8, (-2,))}), "no size"),
    "too many axes": (safetensors({"a": entry(0, 8, [2**61] * 10**5)}), "no size"),
    "an offset that is a text": (safetensors({"a": entry() | {"data_offsets": "ab"}}), "no size"),
    "sizes beyond all numbers": (safetensors({"a": entry(0, 8, (2**40, 2**40))}), "no size"),
    "sizes beyond the data": (safetensors({"a": entry(0, 8, (2**20, 2**20))}), "does not fit"),
    "a name twice": (safetensors(b'{"a": 1, "a": 2}'), "a name occurs twice"),
    "a depth without end": (safetensors(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "no UTF-8": (safetensors(b'{"\xff": 1}'), "cannot be read as a state dict"),
    "another dtype": (safetensors({"a": entry(dtype="F8_E4M3")}), "'a' has the dtype F8_E4M3"),
    "something else": (b"hello, this is a text", "no file of torch or safetensors: it begins with b'hello, t'"),
    "nothing": (b"", "no file of torch or safetensors"),
    "tar": (b"name".ljust(257, b"\0") + b"ustar" + bytes(250), "tar or gzip"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = HOSTILE[name]
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_state("net.pt")
    assert str(caught.value).startswith("net.pt ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]


def test_the_handmade_pickle_can_be_read(tmp_path):
    (tmp_path / "net.pt").write_bytes(in_zip(tensor(0, (2,), (1,)), struct.pack("<2f", 1.5, -2)))
    assert read_state(tmp_path / "net.pt")["w"].tolist() == [1.5, -2]
    (tmp_path / "net.pt").write_bytes(in_zip(tensor(1, (3, 10**9), (0, 0)), struct.pack("<2f", 1.5, -2)))
    assert read_state(tmp_path / "net.pt")["w"].shape == (3, 10**9)  # of one number: no memory is taken


def test_values_that_are_there_many_times(tmp_path):
    (tmp_path / "net.pt").write_bytes(in_zip(b"\x80\x02" + DOUBLED + b"."))
    left, right = read_state(tmp_path / "net.pt")
    assert left is right


def test_numbers_of_the_other_byte_order(tmp_path):
    data = struct.pack(">2f", 1.5, -2)
    (tmp_path / "net.pt").write_bytes(in_zip(tensor(0, (2,), (1,)), data, byteorder="big"))
    assert read_state(tmp_path / "net.pt")["w"].tolist() == [1.5, -2]
    before_zip = (FILES / "before_zip.pt").read_bytes()  # the numbers are little endian there on every system
    (tmp_path / "net.pt").write_bytes(before_zip.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"))
    assert (tmp_path / "net.pt").read_bytes() != before_zip
    assert read_state(tmp_path / "net.pt")["part"].tolist() == [2, 4, 6]


def test_a_description_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("minitorch_np.interop.state_files.MOST_OPERATIONS", 1000)
    (tmp_path / "net.pt").write_bytes(in_zip(b"\x80\x02(" + b"]" * 1000 + b"t."))
    with pytest.raises(ValueError, match="its pickle has more than 1000 operations"):
        read_state(tmp_path / "net.pt")


def test_a_file_of_numpy_is_said(tmp_path):
    np.savez(tmp_path / "net.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match=r"it is a \.npz of NumPy: np\.load reads it"):
        read_state(tmp_path / "net.npz")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="is not a regular file"):
        read_state(tmp_path)


@pytest.mark.parametrize("name", ["zip.pt", "before_zip.pt", "state.safetensors"])
def test_damaged_files_are_refused_or_read(name, tmp_path):
    whole, generator = (FILES / name).read_bytes(), random.Random(0)
    for _ in range(80):
        damaged = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.3 else whole)
        for _ in range(3):
            if damaged:
                damaged[generator.randrange(min(len(damaged), 3000))] = generator.choice([0, 255, 0x80, 0x72])
        (tmp_path / name).write_bytes(damaged)
        with suppress(ValueError):
            read_state(tmp_path / name)
