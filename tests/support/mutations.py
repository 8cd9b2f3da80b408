"""Files that are damaged or made to do harm, loaded one after the other under a memory limit.

    python tests/support/mutations.py FOLDER COUNT SEED

prints as JSON how many files of each kind there were, how many of them loaded, how many were refused, and
what went wrong: another error than ValueError, memory, or a load of other numbers than were saved.
"""

import copy
import io
import json
import pickle
import random
import re
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

import minitorch_np as mt
from minitorch_np.serialization.load import load
from minitorch_np.serialization.save import save

ROOM = 48 * 1024 * 1024  # bytes of memory that loading may take on top of what the process has


def network(seed):
    model = mt.Sequential(
        {"body": mt.Sequential(mt.Linear(3, 4, rng=seed), mt.PReLU(4)), "out": mt.Linear(4, 2, rng=seed)}
    )
    optimizer = mt.Adam(model.parameters(), lr=0.1)
    schedule = mt.SequentialLR(optimizer, [mt.LinearLR(optimizer), mt.ExponentialLR(optimizer, 0.9)], [5])
    loss = mt.CrossEntropyLoss(weight=[1.0, 2.0])
    for _ in range(2):
        loss(model(np.ones((5, 3))), np.array([0, 1, 1, 0, 1]))
        model.backward(loss.backward())
        optimizer.step()
        schedule.step()
    return {"model": model, "optimizer": optimizer, "schedule": schedule, "loss": loss}


def whole(path, seed, kind="PCG64"):
    """A file with everything in it."""
    rng = np.random.Generator(getattr(np.random, kind)(seed))
    extra = {"list": [1, (2, 3.5)], "table": np.arange(6.0), "flags": np.array([True, False])}
    save(path, **network(seed), epoch=seed, history={"loss": [1.0, float("nan")]}, rng=rng, extra=extra)
    return path.read_bytes()


def content(path):
    """All that comes of a file, as text and bytes."""
    saved = load(path)
    arrays = [(name, str(a.dtype), a.shape, a.tobytes()) for name, a in saved.model.state_dict().items()]
    state = saved.optimizer.state_dict()
    arrays += [(n, k, str(np.asarray(a).tobytes())) for n, e in state["state"].items() for k, a in e.items()]
    rest = (saved.model, saved.loss, saved.schedule, state["param_groups"], saved.schedule.state_dict())
    return repr((arrays, rest, saved.epoch, saved.history, saved.extra, saved.rng.bit_generator.state))


# Each takes the file's bytes, another file's bytes and a random.Random, and returns the bytes of a third.


def flipped(data, other, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def flipped_in_the_headers(data, other, rng):
    """Where zipfile reads sizes, places and names, not in the arrays."""
    data = bytearray(data)
    starts = [found.start() for found in re.finditer(rb"PK[\1\3\5][\2\4\6]|\x93NUM", data)]
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.choice(starts) + rng.randrange(60)
        data[min(at, len(data) - 1)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(data)


def cut(data, other, rng):
    at = rng.randrange(len(data))
    end = rng.randrange(at, len(data) + 1)
    return rng.choice([data[:at], data[at:], data[:at] + data[end:], data[:end] + data[at:]])


def longer(data, other, rng):
    more = rng.randbytes(rng.choice([1, 22, 1000]))
    at = rng.randrange(len(data))
    return rng.choice([data + more, more + data, data[:at] + more + data[at:], data + data, data + other])


def spliced(data, other, rng):
    size = rng.randrange(1, 400)
    at, there = rng.randrange(len(data)), rng.randrange(len(other))
    return data[:at] + other[there : there + size] + data[at + (size if rng.random() < 0.8 else 0) :]


class Touched:
    """What a pickle of it does when it is read: it makes a file."""

    def __reduce__(self):
        return Path.touch, (Path("pickle-was-run"),)


def other_arrays(data, other, rng):
    """A zip file with right checksums, in which an array is not what it should be."""
    members = unzipped(data)
    name = rng.choice(list(members))
    body = members[name]
    length = 10 + int.from_bytes(body[8:10], "little")
    huge = "9" * rng.choice([1, 12, 30, 5000])
    many = "(" + "1, " * rng.choice([33, 65, 9000]) + ")"
    shapes = [
        f"({huge},)",
        f"({huge}, {huge})",
        f"(0, {huge})",
        "(nan, 3)",
        "(-1,)",
        "(3.0,)",
        "[3]",
        "(2,)",
        "()",
    ]
    shape = rng.choice([*shapes, many, "(" * 150 + ")" * 150, "(1e9,)", "(True,)"])
    descrs = ["'|O'", "'<U9'", "'<M8[s]'", "'V8'", "[('a', '<f8')]", "'<f4'", "'>f8'", "'|b1'", "'<c16'"]
    descr = rng.choice(["'<f8'"] * 6 + [*descrs, "__import__('os').mkdir('header-was-run')"])
    order = rng.choice(["False"] * 4 + ["True", "0"])
    members[name] = rng.choice(
        [
            npy(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", body[length:]),
            npy(rng.choice(["", "{}", "x" * 60000, "{'descr': '<f8'}"]), body[length:]),
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps([Touched()])),
            pickle.dumps(Touched()),
            body[: rng.randrange(len(body))],
            body + bytes(8),
            body[:6] + rng.randbytes(4) + body[10:],
            b"",
        ]
    )
    return zipped(members)


def other_members(data, other, rng):
    """A zip file that is one, with members that should not be there, or not so."""
    members = unzipped(data)
    name = rng.choice(list(members))
    bomb = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100000,), }", bytes(800000))
    strange = [
        "../../x.npy",
        "/etc/x.npy",
        "C:\\x.npy",
        "a/b.npy",
        "x",
        "..npy",
        ".npy",
        "model.9.weight.npy",
        "\n.npy",
    ]
    return rng.choice(
        [
            lambda: zipped(members, zipfile.ZIP_DEFLATED),
            lambda: zipped(members | {name: bomb}, zipfile.ZIP_DEFLATED),
            lambda: zipped(members | {rng.choice(strange): members[name]}),
            lambda: zipped({key: value for key, value in members.items() if key != name}),
            lambda: zipped(members | {f"optimizer.0.{name}": members[name]}),
            lambda: zipped(members, twice=name),
            lambda: zipped(members | {f"x{i}.npy": b"" for i in range(rng.choice([10, 200]))}),
            lambda: with_sizes(data, rng.choice([0xFFFFFFFF, 0xFFFFFFFE, 2**30, 0])),
            lambda: on_each_other(data),
        ]
    )()


def other_metadata(data, other, rng):
    """Right in every way except for what the JSON says."""
    members = unzipped(data)
    text = members["metadata.npy"]
    text = text[10 + int.from_bytes(text[8:10], "little") :]
    metadata = json.loads(text)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        change(metadata, rng)
    text = json.dumps(metadata).encode()
    if rng.random() < 0.1:
        text = rng.choice([b"[" * 100000, b'{"a":' * 5000, b"\xff", b"", b"9" * 10000, text[:-1], b"[]," * 9])
    packed = io.BytesIO()
    np.lib.format.write_array(packed, np.frombuffer(text, np.uint8))
    return zipped(members | {"metadata.npy": packed.getvalue()})


def change(node, rng):
    """Change a random place in nested lists and dicts."""
    places = []
    pending = [node]
    while pending:
        now = pending.pop()
        keys = list(now) if isinstance(now, dict) else range(len(now))
        places += [(now, key) for key in keys]
        pending += [now[key] for key in keys if isinstance(now[key], dict | list)]
    inside, key = rng.choice(places)
    large = {"class": "Linear", "arguments": {"in_features": 10**5, "out_features": 10**5}}
    values = [
        *(None, True, 0, -1, 1.5, 10**6, 10**9, 10**12, 10**30, -(10**9), float("inf"), rng.randrange(10**4)),
        *("", "x", "os.system", "Linear", "SGD", [], {}, [[]], large, copy.deepcopy(rng.choice(places)[0])),
        *({"tuple": [1]}, {"float": "nan"}, {"dict": [[[], 1]]}, {"generator": None}, {"optimizer": None}),
        *({"array": ["float64", [10**12], []]}, {"array": ["float64", [1], [10**400]]}, {"call": large}),
    ]
    value = rng.choice(values)
    action = rng.randrange(4)
    if action == 0 and isinstance(inside, dict):
        inside[rng.choice(["x", "class", "layers", "inside", "training", "arguments"])] = value
    elif action == 1:
        del inside[key]
    else:
        inside[key] = value


def npy(header, body):
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 2**16) + text + body


def unzipped(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members, compression=zipfile.ZIP_STORED, twice=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        if twice is not None:
            archive.fp.seek(archive.start_dir)
            info = zipfile.ZipInfo("a" * len(twice))
            archive.writestr(info, members[twice])
    return file.getvalue().replace(b"a" * len(twice), twice.encode()) if twice else file.getvalue()


def with_sizes(data, size):
    """The sizes of the first member, where they are said, are others."""
    at = data.index(b"PK\1\2")
    return data[: at + 20] + struct.pack("<2L", size, size) + data[at + 28 :]


def on_each_other(data):
    """Every member lies where the first one does."""
    directory = data.index(b"PK\1\2")
    head = data[directory : data.index(b"PK\5\6")]
    for i in range(len(head) - 4):
        if head[i : i + 4] == b"PK\1\2":
            head = head[: i + 42] + bytes(4) + head[i + 46 :]
    return data[:directory] + head + data[directory + len(head) :]


BLIND = (flipped, flipped_in_the_headers, cut, longer, spliced)  # the checksums find every change
KNOWING = (other_arrays, other_members, other_metadata)


def main(folder, count, seed):
    limit_memory()
    rng = random.Random(seed)
    kinds = ["PCG64", "MT19937", "Philox", "SFC64"]
    data = {i: whole(folder / f"whole{i}.npz", i, kind) for i, kind in enumerate(kinds)}
    expected = {i: content(folder / f"whole{i}.npz") for i in data}
    path = folder / "mutated.npz"
    counts, wrong = {}, []
    for case in range(count):
        mutation = (BLIND + KNOWING)[case % len(BLIND + KNOWING)]
        i = rng.randrange(len(data))
        mutated = mutation(data[i], data[(i + 1) % len(data)], rng)
        path.unlink(missing_ok=True)  # writing over it would wait for the disk
        path.write_bytes(mutated)
        try:
            if mutation in KNOWING:
                load(path)
                outcome = "loaded"
            else:
                outcome = "loaded" if content(path) == expected[i] else "loaded other numbers"
        except ValueError:
            outcome = "refused"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        name = f"{mutation.__name__} {outcome}"
        counts[name] = counts.get(name, 0) + 1
        if outcome not in ("loaded", "refused"):
            kept = folder / f"wrong{case}.npz"
            kept.write_bytes(mutated)
            wrong.append(f"{kept}: {name}")
    print(
        json.dumps({"counts": counts, "wrong": wrong[:20], "files": sorted(p.name for p in Path().iterdir())})
    )


def limit_memory():
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
