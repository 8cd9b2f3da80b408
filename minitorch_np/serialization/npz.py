"""Arrays in a .npz file: whole or not there when written, and trusted in nothing when read."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from minitorch_np._internal.atomic_write import replaced

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

    from minitorch_np._internal.arrays import Array

LARGEST_DIRECTORY = 2 * 1024 * 1024  # bytes of the list of members: some 25,000 arrays
CHUNK = 1024 * 1024  # bytes read at once
MAGIC = b"\x93NUMPY\x01\x00"  # an array in version 1.0 of NumPy's format
HEADER = re.compile(  # as NumPy writes it, and nothing that would have to be evaluated
    rb"\{'descr': '([<|](?:f[248]|[iu][1248]|b1))', "
    rb"'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n"
)
END = b"PK\x05\x06"  # of a zip file: 22 bytes; before them, in one beyond 4 GB, 20 and 56 more
LOCATOR64, END64 = b"PK\x06\x07", b"PK\x06\x06"


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write the arrays so that `np.load(path)` has them by name.

    Nothing is compressed, so that a reader can tell from the file's size how much memory it needs.
    The same arrays make the same bytes. Raises ValueError for names that cannot be those of files
    and for what is not a number, OSError if the disk is full; then the old file is still there.
    """
    from zipfile import ZipFile, ZipInfo

    native = {name: _plain_array(name, array) for name, array in arrays.items()}
    if sum(100 + len(name.encode()) for name in native) > LARGEST_DIRECTORY:
        raise ValueError(f"{len(native)} arrays are more than a file can hold here")
    with replaced(path) as part, part.open("wb") as file, ZipFile(file, "w") as archive:
        for name, array in native.items():
            info = ZipInfo(f"{name}.npy")  # in 1980, whenever it is made
            info.file_size = array.nbytes + 4096  # tells zipfile which sizes need 64 bits
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def read(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Array]:
    """The arrays of a file that `write` made, those with a `wanted` name.

    A file that is cut off, damaged, made by something else or made to do harm raises ValueError; no
    memory is taken before the bytes that fill it are known to be there, and no code is run.
    """
    from zipfile import BadZipFile, ZipFile

    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        try:
            directory = _directory(file, os.fstat(file.fileno()).st_size)
            with ZipFile(file) as archive:
                members = _members(archive, directory)
                return {name: _array(archive, members[name]) for name in members if wanted(name)}
        except (BadZipFile, EOFError, RuntimeError, OverflowError, ValueError, struct.error) as error:
            raise ValueError(f"{path} is damaged, or not a file of minitorch_np: {error}") from error


def _plain_array(name: str, array: Any) -> Array:
    if not can_be_named(name):
        raise ValueError(f"{name!r} cannot be the name of an array in a file: it has a /, \\, : or the like")
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise ValueError(f"{name!r} is of dtype {array.dtype}; a file holds floats, integers and booleans")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def can_be_named(name: str) -> bool:
    """Whether no system takes the name for a path, or changes it."""
    return name != "" and name.isprintable() and not set(name) & set('/\\:<>|?*"')


def _directory(file: IO[bytes], size: int) -> int:
    """Where the list of members begins: at the end, followed by its own description alone.

    zipfile finds more than that, such as a list that does not lie where it says, and builds a list
    of any length.
    """
    file.seek(max(0, size - 98))
    tail = file.read(98)
    if tail[-22:-18] != END or tail[-2:] != b"\0\0":  # the length of a comment
        raise ValueError("it has no end, or no beginning, of a .npz file")
    length, start = struct.unpack("<2L", tail[-10:-2])
    after = 22
    if tail[-42:-38] == LOCATOR64 and tail[-98:-94] == END64:
        length, start = struct.unpack("<2Q", tail[-58:-42])
        after = 98
    if start + length + after != size:
        raise ValueError(f"it says that it has {start + length + after} bytes, and has {size}")
    if length > LARGEST_DIRECTORY:
        raise ValueError(f"the list of its members has {length} bytes")
    return start


def _members(archive: ZipFile, directory: int) -> dict[str, ZipInfo]:
    """The members by name, each in its own bytes of the file and as long as it says."""
    members: dict[str, ZipInfo] = {}
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = info.filename.removesuffix(".npy")
        if name == info.filename or info.filename != info.orig_filename or not can_be_named(name):
            raise ValueError(f"{info.orig_filename!r} is not the name of an array")
        if name in members:
            raise ValueError(f"it holds {name!r} twice")
        if info.compress_type or info.flag_bits & ~0x800 or info.compress_size != info.file_size:
            raise ValueError(f"{name!r} is compressed or encrypted, as no file of minitorch_np is")
        if info.header_offset < end:
            raise ValueError(f"{name!r} lies on another member")
        end = info.header_offset + 30 + len(info.filename.encode()) + info.file_size
        members[name] = info
    if end > directory:
        raise ValueError("its members are longer than the file")
    return members


def _array(archive: ZipFile, info: ZipInfo) -> Array:
    """An array, in memory that is taken when its header and the member's length agree."""
    with archive.open(info) as member:
        start = member.read(len(MAGIC) + 2)
        header = member.read(int.from_bytes(start[len(MAGIC) :], "little"))
        said = HEADER.fullmatch(header)
        if start[: len(MAGIC)] != MAGIC or said is None:
            raise ValueError(f"{info.filename!r} is not an array of floats, integers or booleans")
        dtype = np.dtype(said[1].decode())
        shape = tuple(int(size) for size in said[3].replace(b" ", b"").split(b",") if size)
        size = 1
        for length in shape:
            size *= length
        nbytes = info.file_size - len(start) - len(header)
        if size * dtype.itemsize != nbytes:
            raise ValueError(f"{info.filename!r} says it is {dtype} of shape {shape}, and has {nbytes} bytes")
        data = np.empty(nbytes, np.uint8)
        at = 0
        while at < nbytes:
            chunk = member.read(min(CHUNK, nbytes - at))
            if not chunk:
                raise ValueError(f"{info.filename!r} is cut off")
            data[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
            at += len(chunk)
    if dtype.kind == "b" and data.max(initial=0) > 1:
        raise ValueError(f"{info.filename!r} has booleans that are neither False nor True")
    array = data.view(dtype)
    return array.reshape(shape[::-1]).T if said[2] == b"True" else array.reshape(shape)
