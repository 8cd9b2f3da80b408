"""State dicts in the files of torch and safetensors, read and written with NumPy alone."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import pickletools
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from minitorch_np._internal.atomic_write import replaced

if TYPE_CHECKING:
    from minitorch_np._internal.arrays import Array

LARGEST_HEADER = 20_000_000  # bytes of safetensors' list of arrays: more than 100,000 of them
MOST_OPERATIONS = 5_000_000  # of torch's description of a state, some 30 for a tensor
MOST_AXES = 32
LONGEST_MESSAGE = 300  # names in a file can be as long as the file
MAGIC = 0x1950A86A20F9469CFC6C  # torch's, at the beginning of its files before 1.6
BFLOAT16 = "bfloat16"
DAMAGED = (
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    struct.error,
    BadZipFile,
    DeprecationWarning,  # of old texts with backslashes, when warnings are errors
)

SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": BFLOAT16,
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "<?",
}
TORCH = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": BFLOAT16,
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "?",
}
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


def read_state(path: str | Path) -> Any:
    """Return what a `.pt`, `.pth` or `.safetensors` file holds, with arrays in place of tensors.

    Of a file that `torch.save(model.state_dict(), path)` or safetensors made, that is a dict of names and
    arrays: `model.load_state_dict(read_state("net.pt"), layout="torch")`. Of a checkpoint it is the dict that
    was saved; the network's state is one of its entries, often `["state_dict"]` or `["model"]`. torch's format
    since 1.6 and the one before are known by their content, whatever the name of the file. Tensors of bfloat16,
    which NumPy lacks, become float32, exactly. Tensors that shared memory share it here.

    torch is not needed, and no code runs: of the pickle in torch's files only dicts, lists, tuples, numbers,
    texts and tensors are understood. Nothing is reserved that the file does not have.

    Raises ValueError that names the file for everything else: a file that is damaged or was made to do harm,
    a pickled module, a tensor that is sparse, quantized or of another dtype. OSError if it cannot be read.
    Sources: https://docs.pytorch.org/docs/stable/notes/serialization.html,
    https://github.com/huggingface/safetensors
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file")
    try:
        with path.open("rb") as file:
            begin = file.read(512)
            file.seek(0)
            if begin[8:9] == b"{":  # after a length, whose first byte may be any
                return _safetensors(file)
            if begin[:4] == b"PK\x03\x04":
                return _torch_zip(file)
            if begin[:1] == b"\x80":
                return _torch_before_zip(file)
            if begin[257:262] == b"ustar" or begin[:2] == b"\x1f\x8b":
                raise ValueError("it is an archive of tar or gzip, which torch wrote before 0.2: save it anew")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a state dict: {_line(error)}") from None
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place that no file can have
            raise
        what = f"{type(error).__name__}: {_line(error)}"
        raise ValueError(f"{path} cannot be read as a state dict, it is damaged ({what})") from None
    raise ValueError(f"{path} is no file of torch or safetensors: it begins with {begin[:8]!r}")


def write_safetensors(
    path: str | Path, state: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays to a `.safetensors` file, such as `model.state_dict(layout="torch")`.

    `safetensors.torch.load_file(path)` gives torch its tensors. `metadata` are texts by name; some readers want
    `{"format": "pt"}`. The same arrays make the same bytes. There is the old file or the new one, never half.

    Raises ValueError for names that are no texts and arrays of dtypes that the format lacks, OSError if the
    disk is full.
    """
    codes = {np.dtype(dtype): code for code, dtype in SAFETENSORS.items() if dtype != BFLOAT16}
    arrays: dict[str, Array] = {}
    for name, value in state.items():
        array = np.asarray(value)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        if not isinstance(name, str) or name == "__metadata__":
            raise ValueError(f"write_safetensors expects names that are texts, not __metadata__, got {name!r}")
        if array.dtype not in codes:
            raise ValueError(f"write_safetensors expects numbers, got {name!r} of dtype {array.dtype}")
        arrays[name] = array
    if not all(isinstance(text, str) for pair in (metadata or {}).items() for text in pair):
        raise ValueError(f"write_safetensors expects metadata of texts, got {metadata!r}")
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # each at a multiple of its size
    for name in order:
        array = arrays[name]
        offsets = [end, end := end + array.nbytes]
        header[name] = {"dtype": codes[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with replaced(Path(path)) as part, part.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(arrays[name].data)


def _line(error: Exception) -> str:
    return " ".join(str(error)[:LONGEST_MESSAGE].split())


# safetensors


def _safetensors(file: IO[bytes]) -> dict[str, Array]:
    size = os.fstat(file.fileno()).st_size
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(size - 8, LARGEST_HEADER):
        raise ValueError(f"its list of arrays should have {length} bytes, the file has {size}")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_twins)
    except RecursionError:
        raise ValueError("its list of arrays is nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("its list of arrays is no dict")
    header.pop("__metadata__", None)
    data = bytearray(file.read())
    arrays, spans = {}, []
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name!r} should have dtype, shape and data_offsets, got {str(entry)[:80]}")
        (begin, end), shape = entry["data_offsets"], entry["shape"]
        if not (isinstance(shape, list) and _are_sizes(shape) and _is_size(begin) and _is_size(end)):
            raise ValueError(f"{name!r} has a shape or place that is no size: {str(entry)[:80]}")
        dtype = SAFETENSORS.get(entry["dtype"])
        if dtype is None:
            raise ValueError(f"{name!r} has the dtype {str(entry['dtype'])[:20]}, which is not read here")
        nbytes = math.prod(shape) * (2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize)
        if not begin <= end <= len(data) or end - begin != nbytes:
            raise ValueError(f"{name!r} of shape {tuple(shape)} does not fit the bytes {begin} to {end}")
        spans.append((begin, end))
        arrays[name] = _numbers(memoryview(data)[begin:end], dtype).reshape(shape)
    ends = [0, *(end for _, end in sorted(spans))]
    if [begin for begin, _ in sorted(spans)] != ends[:-1] or ends[-1] != len(data):
        raise ValueError("its arrays overlap, or leave bytes that belong to none")
    return arrays


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name occurs twice in its list of arrays")
    return made


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**62


def _are_sizes(numbers: Any) -> bool:
    """Whether an array can have this shape, empty or not."""
    is_short = isinstance(numbers, list | tuple) and len(numbers) <= MOST_AXES
    return is_short and all(map(_is_size, numbers)) and math.prod(n or 1 for n in numbers) < 2**60


def _numbers(data: Any, dtype: str, swapped: bool = False) -> Array:
    """The numbers in these bytes; bfloat16 has the upper half of the bits of a float32."""
    plain = np.dtype("u2" if dtype == BFLOAT16 else dtype)
    numbers: Array = np.frombuffer(data, plain.newbyteorder("S") if swapped else plain)
    if swapped or not numbers.dtype.isnative:
        numbers = numbers.astype(plain.newbyteorder("="))
    return (numbers.astype(np.uint32) << 16).view(np.float32) if dtype == BFLOAT16 else numbers


# torch


class _Storage(NamedTuple):
    """The bytes that tensors are views of: its key in the file, and the dtype of its numbers."""

    key: str
    dtype: str
    length: int


class _Global(NamedTuple):
    """A function or class that the pickle names; here it is a name and nothing else."""

    name: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _torch_zip(file: IO[bytes]) -> Any:
    with ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise ValueError("a member of its archive occurs twice")
        found = [name for name in members if name.endswith("/data.pkl")]
        if not found and any(name.endswith(".npy") for name in members):
            raise ValueError("it is a .npz of NumPy: np.load reads it, or load what save wrote")
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} members data.pkl, torch.save makes one")
        folder = found[0].removesuffix("data.pkl")
        left = os.fstat(file.fileno()).st_size  # bytes that members can have together

        def member(name: str) -> bytes:
            nonlocal left
            info = members[folder + name]
            left -= info.file_size
            if info.compress_type != ZIP_STORED or info.flag_bits & 1 or left < 0:
                raise ValueError(f"its member {name} is compressed, encrypted or too large")
            return archive.read(info)

        if folder + "constants.pkl" in members:
            raise ValueError("it holds a TorchScript module: save model.state_dict()")
        order = member("byteorder") if folder + "byteorder" in members else b"little"
        if order not in (b"little", b"big"):
            raise ValueError(f"its byte order is {order[:20]!r}, known are little and big")
        value, _ = _Reader(member("data.pkl")).read()
        return _with_arrays(value, lambda key: member(f"data/{key}"), order != sys.byteorder.encode())


def _torch_before_zip(file: IO[bytes]) -> Any:
    """Five pickles in a row (magic number, version, system, what was saved, keys), and the storages.

    The numbers are little endian, whatever the system.
    """
    stream = io.BytesIO(file.read())
    if _Reader(stream).read()[0] != MAGIC:
        raise ValueError("it is a pickle that torch did not make")
    version, _ = _Reader(stream).read()
    if version != 1001:
        raise ValueError("its version is not 1001, the last one")
    _Reader(stream).read()
    value, storages = _Reader(stream).read()
    keys, _ = _Reader(stream).read()
    data: dict[str, Any] = {}
    for key in map(_text, keys):
        (length,) = struct.unpack("<q", stream.read(8))
        dtype = storages[key].dtype
        nbytes = length * (2 if TORCH[dtype] == BFLOAT16 else np.dtype(TORCH[dtype]).itemsize)
        if not 0 <= nbytes <= len(stream.getbuffer()) - stream.tell():
            raise ValueError(f"its storage {key!r} should have {length} numbers, the file ends before")
        data[key] = stream.read(nbytes)
    return _with_arrays(value, data.__getitem__, sys.byteorder != "little")


def _with_arrays(value: Any, data: Callable[[str], bytes], swapped: bool) -> Any:
    """What was saved, with an array for each tensor, made from the bytes of its storage."""
    read: dict[str, bytearray] = {}
    numbered: dict[tuple[str, str], Array] = {}
    done: dict[int, Any] = {}

    def array(tensor: _Tensor) -> Array:
        storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
        key = storage.key, storage.dtype
        if storage.key not in read:
            read[storage.key] = bytearray(data(storage.key))
        if key not in numbered:
            numbered[key] = _numbers(read[storage.key], TORCH[storage.dtype], swapped)
        numbers = numbered[key]
        if 0 in shape:
            return np.zeros(shape, numbers.dtype)
        last = tensor.offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        if last >= min(len(numbers), storage.length):
            raise ValueError(f"a tensor of shape {shape} goes beyond the {len(numbers)} numbers of its storage")
        return np.lib.stride_tricks.as_strided(
            numbers[tensor.offset :], shape, [step * numbers.itemsize for step in strides]
        )

    def filled(value: Any) -> Any:
        if isinstance(value, _Tensor):
            return array(value)
        if isinstance(value, _Global | _Storage):
            raise ValueError(f"it holds {value[0]}, which is no part of a state dict")
        if not isinstance(value, dict | list | tuple):
            return value
        if id(value) in done:
            return done[id(value)]
        made: Any = done.setdefault(id(value), type(value)())
        if isinstance(value, list):
            made.extend(map(filled, value))
        elif isinstance(value, dict):
            made.update((key, filled(each)) for key, each in value.items())
        else:
            made = done[id(value)] = tuple(map(filled, value))
        return made

    try:
        return filled(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class _Reader:
    """The few operations of a pickle that a state dict consists of, on a stack of values.

    Python's own reader imports what a file names and calls it. This one looks names up in a table. A value can
    be twice in another, and that twice in a third, so none that may be a tuple is printed or hashed.
    """

    def __init__(self, stream: bytes | io.BytesIO) -> None:
        self.stream = io.BytesIO(stream) if isinstance(stream, bytes) else stream
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, _Storage] = {}

    def read(self) -> tuple[Any, dict[str, _Storage]]:
        """Return what one pickle holds, and the storages of its tensors by key."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.stream)):
            name = opcode.name
            if count == MOST_OPERATIONS:
                raise ValueError(f"its pickle has more than {MOST_OPERATIONS} operations")
            if name in PLAIN:
                self.stack.append(argument)
            elif name in CONSTANTS:
                self.stack.append(CONSTANTS[name]())
            else:
                method = getattr(self, f"_{name.lower()}", None)
                if method is None:
                    raise ValueError(f"its pickle has the operation {name}, which no state dict needs")
                method(argument)
        return self.stack.pop(), self.storages

    def _proto(self, version: int) -> None: ...

    def _frame(self, length: int) -> None: ...

    def _stop(self, _: None) -> None: ...

    def _mark(self, _: None) -> None:
        self.marks.append(len(self.stack))

    def _marked(self) -> list[Any]:
        at = self.marks.pop()
        values = self.stack[at:]
        del self.stack[at:]
        return values

    def _binput(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    _long_binput = _binput

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _binget(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _long_binget = _binget

    def _tuple(self, _: None) -> None:
        self.stack.append(tuple(self._marked()))

    def _last(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("its pickle takes values that are not there")
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(values)

    def _tuple1(self, _: None) -> None:
        self._last(1)

    def _tuple2(self, _: None) -> None:
        self._last(2)

    def _tuple3(self, _: None) -> None:
        self._last(3)

    def _append(self, _: None) -> None:
        value = self.stack.pop()
        self._of(list).append(value)

    def _appends(self, _: None) -> None:
        values = self._marked()
        self._of(list).extend(values)

    def _setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._of(dict)[_name(key)] = value

    def _setitems(self, _: None) -> None:
        values = self._marked()
        target = self._of(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_name(key)] = value

    def _of(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError("its pickle puts values into what is no dict or list")
        return self.stack[-1]

    def _global(self, names: str) -> None:
        self.stack.append(_named(names.replace(" ", ".")))

    def _stack_global(self, _: None) -> None:
        name, module = _text(self.stack.pop()), _text(self.stack.pop())
        self.stack.append(_named(f"{module}.{name}"))

    def _binpersid(self, _: None) -> None:
        kind, storage, *rest = self.stack.pop()
        if kind == "module":
            raise ValueError(
                f"it holds a {storage.name}, which is no part of a state dict: save model.state_dict()"
            )
        key, _device, length, *view = rest
        dtype = STORAGES.get(storage.name.removeprefix("torch."), "uint8")
        if kind != "storage" or not isinstance(key, str) or not _is_size(length) or view not in ([], [None]):
            raise ValueError("its pickle refers to something that is no storage")
        if dtype == "uint8" and storage.name not in ("torch.ByteStorage", "torch.storage.UntypedStorage"):
            raise ValueError(f"it has numbers in a {storage.name}, which is not read here")
        self.storages[key] = _Storage(key, dtype, length)
        self.stack.append(self.storages[key])

    def _reduce(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        name = function.name if isinstance(function, _Global) else f"call of a {type(function).__name__}"
        if name not in MADE:
            raise ValueError(f"it holds a {name}, which is no part of a state dict: save model.state_dict()")
        self.stack.append(MADE[name](*arguments))

    def _newobj(self, _: None) -> None:
        self._reduce(None)

    def _build(self, _: None) -> None:
        self.stack.pop()  # attributes of a state dict: versions of torch's modules
        if not isinstance(self.stack[-1], OrderedDict):
            raise ValueError("its pickle changes what is no dict")


def _named(name: str) -> _Global:
    return _Global(name if name.isprintable() and len(name) < 200 else ascii(name)[:200])


def _name(key: Any) -> Any:
    if not isinstance(key, str | int | float | None):
        raise ValueError(f"it has a key that is a {type(key).__name__}")
    return key


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its pickle has a {type(value).__name__} for a name")
    return value


def _tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *rest: Any
) -> _Tensor:
    is_one = isinstance(storage, _Storage) and _is_size(offset) and _are_sizes(shape)
    if not is_one or len(strides) != len(shape) or not all(map(_is_size, strides)):
        raise ValueError("its pickle has a tensor whose offset, shape or strides are not valid")
    if len(rest) > 2 and rest[2]:
        raise ValueError("it has a tensor that is a negated or conjugated view: clone it before saving")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _tensor_of_dtype(storage: _Storage, offset: int, shape: Any, strides: Any, *rest: Any) -> _Tensor:
    """One of the newer dtypes, whose storage is bytes; `offset` and `strides` count numbers."""
    dtype = rest[2].name.removeprefix("torch.")
    if dtype not in TORCH:
        raise ValueError(f"it has a tensor of dtype {dtype}, which is not read here")
    itemsize = 2 if TORCH[dtype] == BFLOAT16 else np.dtype(TORCH[dtype]).itemsize
    return _tensor(storage._replace(dtype=dtype, length=storage.length // itemsize), offset, shape, strides)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _ordered(*pairs: Any) -> OrderedDict[Any, Any]:
    made: OrderedDict[Any, Any] = OrderedDict()
    for key, value in pairs[0] if pairs else []:
        made[_name(key)] = value
    return made


PLAIN = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
MADE: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": tuple,
}
