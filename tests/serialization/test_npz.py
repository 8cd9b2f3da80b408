"""Arrays in a .npz: np.load reads them, and what is no such file is refused before it takes memory."""

import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import mutations
import numpy as np
import pytest

from minitorch_np.serialization import npz as archive

ARRAYS = {
    "model.0.weight": np.arange(12.0).reshape(3, 4).T,
    "flags": np.array([True, False]),
    "count": np.array(3),
    "empty": np.zeros((0, 5), np.float32),
    "ünï": np.float32(3),
    "big endian": np.arange(3, dtype=">i4"),
}


def npz(tmp_path, members, compression=zipfile.ZIP_STORED):
    path = tmp_path / "made.npz"
    path.write_bytes(mutations.zipped(members, compression))
    return path


def header(descr="<f8", shape="(2,)", order="False"):
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"


def test_arrays_come_back_and_numpy_reads_them(tmp_path):
    path = tmp_path / "arrays.npz"
    archive.write(path, ARRAYS)
    with np.load(path, allow_pickle=False) as file:
        for loaded in (archive.read(path), dict(file)):
            assert list(loaded) == list(ARRAYS)
            for name, array in ARRAYS.items():
                assert loaded[name].dtype == array.dtype.newbyteorder("=")
                assert loaded[name].shape == array.shape
                assert (loaded[name] == array).all()


def test_the_same_arrays_make_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        archive.write(tmp_path / name, ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_what_numpy_saves_is_read(tmp_path):
    path = tmp_path / "numpy.npz"
    arrays = {name: array for name, array in ARRAYS.items() if array.dtype.isnative}
    np.savez(path, **arrays)  # the first array in Fortran's order
    for name, array in archive.read(path).items():
        assert (array == arrays[name]).all()


def test_only_what_is_wanted_is_read(tmp_path):
    archive.write(tmp_path / "a.npz", ARRAYS)
    assert list(archive.read(tmp_path / "a.npz", lambda name: name.startswith("model."))) == ["model.0.weight"]


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "C:x", "a\nb", "a\0b"])
def test_names_that_are_paths_are_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be the name of an array"):
        archive.write(tmp_path / "a.npz", {name: np.ones(2)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value", [np.array([object()]), np.array(["text"]), np.ones(2, complex), np.longdouble(1)]
)
def test_what_is_no_number_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match=r"'a' is of dtype .*; a file holds floats, integers and booleans"):
        archive.write(tmp_path / "a.npz", {"a": value})
    assert not list(tmp_path.iterdir())


def test_more_arrays_than_can_be_read_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="30000 arrays are more than a file can hold"):
        archive.write(tmp_path / "a.npz", {f"{i}.weight": np.float32(0) for i in range(30000)})


def test_a_file_beyond_4_gb_says_its_sizes_in_64_bits(tmp_path, monkeypatch):
    """zipfile is told that 4 GB are a kilobyte; what it writes then is what it writes beyond 4 GB."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    path = tmp_path / "large.npz"
    archive.write(path, {"a": np.arange(1000.0), "b": np.arange(3.0)})
    assert archive.LOCATOR64 in path.read_bytes()
    assert (archive.read(path)["b"] == np.arange(3.0)).all()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match="no end"):
        archive.read(path)


def test_a_directory_and_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="is not a file"):
        archive.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        archive.read(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("said", "body", "message"),
    [
        (header(shape="(3,)"), bytes(16), r"says it is float64 of shape \(3,\), and has 16 bytes"),
        (header(shape="(1000000000000,)"), bytes(16), "and has 16 bytes"),
        (header(shape=f"({'9' * 18}, {'9' * 18})"), bytes(16), "and has 16 bytes"),
        (header(shape=f"({'9' * 5000},)"), bytes(16), "digits"),
        (header(shape=f"(0, {'9' * 30})"), b"", "."),
        (header(shape="(" + "1, " * 65 + ")"), bytes(8), "."),
        (header(shape="(nan,)"), bytes(8), "not an array of floats, integers or booleans"),
        (header(shape="(-1,)"), bytes(8), "not an array of floats, integers or booleans"),
        (header(shape="(1.0,)"), bytes(8), "not an array of floats, integers or booleans"),
        (header(descr="|O"), bytes(16), "not an array of floats, integers or booleans"),
        (header(descr="<c16"), bytes(32), "not an array of floats, integers or booleans"),
        (header(descr="|b1"), b"\1\2", "booleans that are neither False nor True"),
        ("__import__('os').mkdir('run')", b"", "not an array of floats, integers or booleans"),
        ("", b"", "not an array of floats, integers or booleans"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path, said, body, message):
    path = npz(tmp_path, {"a.npy": mutations.npy(said, body)})
    with pytest.raises(ValueError, match=f"made.npz is damaged, or not a file of minitorch_np: .*{message}"):
        archive.read(path)


@pytest.mark.parametrize(
    "name", ["../x.npy", "/etc/x.npy", "a\\b.npy", "C:x.npy", "x", ".npy", "x.npy.txt", "\n.npy", "a/../b.npy"]
)
def test_wrong_names_are_refused(tmp_path, name):
    path = npz(tmp_path, {name: mutations.npy(header(), bytes(16))})
    with pytest.raises(ValueError, match="is not the name of an array"):
        archive.read(path)


def test_a_name_twice_is_refused(tmp_path):
    path = tmp_path / "twice.npz"
    path.write_bytes(mutations.zipped({"bb.npy": mutations.npy(header(), bytes(16))}, twice="bb.npy"))
    assert len(zipfile.ZipFile(path).namelist()) == 2
    with pytest.raises(ValueError, match="'bb' twice"):
        archive.read(path)


def test_a_compressed_bomb_is_refused_before_it_goes_off(tmp_path):
    bomb = mutations.npy(header(shape="(10000000,)"), bytes(80_000_000))
    path = npz(tmp_path, {"a.npy": bomb}, zipfile.ZIP_DEFLATED)
    del bomb
    refused_without_memory(path, "compressed or encrypted")


@pytest.mark.parametrize(("field", "value"), [("method", 8), ("method", 12), ("flags", 1), ("flags", 8)])
def test_a_member_that_says_it_is_compressed_or_encrypted_is_refused(tmp_path, field, value):
    """Though its sizes are right."""
    data = bytearray(mutations.zipped({"a.npy": mutations.npy(header(), bytes(16))}))
    at = data.index(b"PK\1\2") + {"method": 10, "flags": 8}[field]
    data[at] = value
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match="'a' is compressed or encrypted"):
        archive.read(tmp_path / "a.npz")


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """The bomb without compression: each of many members is nearly all of the file."""
    body = mutations.npy(header(shape="(100000,)"), bytes(800_000))
    path = tmp_path / "shared.npz"
    path.write_bytes(mutations.on_each_other(mutations.zipped({f"a{i}.npy": body for i in range(3)})))
    refused_without_memory(path, "lies on another member")


@pytest.mark.parametrize("size", [2**31, 2**32 - 2, 10**6])
def test_sizes_that_the_file_does_not_have_are_refused(tmp_path, size):
    path = tmp_path / "sizes.npz"
    path.write_bytes(
        mutations.with_sizes(mutations.zipped({"a.npy": mutations.npy(header(), bytes(16))}), size)
    )
    refused_without_memory(path, "its members are longer than the file")


def test_a_list_of_members_that_is_the_whole_file_is_refused(tmp_path):
    """zipfile would make an object of some 600 bytes of each 46."""
    one = mutations.zipped({"a.npy": b""})
    at, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    directory = one[at:end] * 60000
    path = tmp_path / "list.npz"
    path.write_bytes(one[:at] + directory + one[end : end + 12] + struct.pack("<2LH", len(directory), at, 0))
    refused_without_memory(path, "the list of its members has 3060000 bytes", most=100_000)


def test_what_comes_before_or_after_is_refused(tmp_path):
    archive.write(tmp_path / "a.npz", ARRAYS)
    data = (tmp_path / "a.npz").read_bytes()
    for other in (b"#!/bin/sh\n" + data, data + b"x", data + data, data[:-1], b"", data[:10]):
        (tmp_path / "b.npz").write_bytes(other)
        with pytest.raises(ValueError, match=r"b\.npz is damaged, or not a file of minitorch_np: it "):
            archive.read(tmp_path / "b.npz")


def test_every_bit_of_an_array_is_watched_over(tmp_path):
    archive.write(tmp_path / "a.npz", {"a": np.arange(4.0)})
    data = bytearray((tmp_path / "a.npz").read_bytes())
    begin = data.index(np.arange(4.0).tobytes())
    for bit in range(8 * begin, 8 * (begin + 32)):
        data[bit // 8] ^= 1 << bit % 8
        (tmp_path / "b.npz").write_bytes(data)
        with pytest.raises(ValueError, match="Bad CRC-32"):
            archive.read(tmp_path / "b.npz")
        data[bit // 8] ^= 1 << bit % 8


def refused_without_memory(path, message, most=1_000_000):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=re.escape(message)):
            archive.read(path)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_files(tmp_path, count):
    """Each is refused with a ValueError or loads what was saved; no code runs, no memory is missing."""
    processes = []
    for seed in (0, 1):
        for name in ("files", "cwd"):
            (tmp_path / f"{name}{seed}").mkdir()
        command = [
            sys.executable,
            "-W",
            "error",
            mutations.__file__,
            str(tmp_path / f"files{seed}"),
            str(count // 2),
            str(seed),
        ]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        processes.append(
            subprocess.Popen(
                command, cwd=tmp_path / f"cwd{seed}", env=environment, stdout=pipe, stderr=pipe, text=True
            )
        )
    counts = {}
    for process in processes:
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        report = json.loads(out)
        assert report["wrong"] == []
        assert report["files"] == []  # nothing that a pickle or a header could have made
        for name, times in report["counts"].items():
            counts[name] = counts.get(name, 0) + times
    assert sum(counts.values()) == count
    for mutation in mutations.BLIND + mutations.KNOWING:
        assert counts[f"{mutation.__name__} refused"] > 0.06 * count - 12
    assert counts["other_metadata loaded"] > 0.005 * count - 2  # the mutations reach what is behind the checks
