"""Arrays as one .npz file: written complete or not at all, and read without belief in its sizes.

Imports nothing of the course. Never pickle: nothing that such a file holds is executed.
"""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Iterator

import numpy as np


class NpzError(ValueError):
    """A file that is not what it should be; the message begins with its path."""


# What zipfile and NumPy raise on damaged files.
UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
              RuntimeError, KeyError, TypeError, SyntaxError, MemoryError, struct.error)


def write(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name; np.load(path, allow_pickle=False) opens the file too.

    The name is used as given, nothing is appended. The file appears complete or not at all: it
    is written beside its place and then moved there. The same arrays give the same bytes.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            _write_arrays(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(path: str | os.PathLike) -> None:
    """Remove what writers of `path` left beside it when they were killed."""
    path = Path(path)
    for beside in path.parent.iterdir():
        words = beside.name.removeprefix(f".{path.name}.").split(".")
        if beside.name.startswith(f".{path.name}.") and words[1:] == ["part"]:
            beside.unlink(missing_ok=True)


def _write_arrays(file, arrays: dict[str, np.ndarray]) -> None:
    """np.savez without its clock: all is dated 1980, so equal networks give equal files."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(array.shape),
                                          allow_pickle=False)


@contextmanager
def reading(path: str | os.PathLike, kind: str, writer: str) -> Iterator["Arrays"]:
    """The open file, as Arrays; what damaged files raise becomes an NpzError.

    kind ("weights file") and writer ("course_lib.config.save") are for its message.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield Arrays(archive, str(path))
        except NpzError:
            raise
        except UNREADABLE as error:
            raise NpzError(f"{path}: not a readable {kind} ({type(error).__name__}: "
                           f"{str(error)[:200]}). Was it cut short or changed? Expected an .npz "
                           f"file that {writer} wrote.") from None


class Arrays:
    """The arrays of an open file; each is read after its size was compared with what is expected.

    names: the names found; text and array read one of them.
    """

    def __init__(self, archive: zipfile.ZipFile, path: str):
        self.archive, self.path = archive, path
        self.members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(self.members) < len(archive.infolist()):
            raise NpzError(f"{path}: two arrays in this file have the same name.")
        self.names = list(self.members)

    def text(self, name: str, longest: int) -> str:
        """A text of at most `longest` characters."""
        info = self.members[name]
        with self.archive.open(info) as member:
            shape, _, dtype = self._header(member, info)
            if shape != () or dtype.kind != "U" or info.file_size > 4 * longest + 1000:
                raise NpzError(f"{self.path}: {name}: expected a text of at most {longest:,} "
                               f"characters, found shape {shape} of {dtype}.")
            return str(np.frombuffer(member.read(), dtype)[0]) if dtype.itemsize else ""

    def dtype(self, name: str, shape: tuple, source: str) -> np.dtype:
        """float32 or float64, of an array that has the shape which `source` says."""
        info = self.members[name]
        with self.archive.open(info) as member:
            found, _, dtype = self._header(member, info)
        if found != shape:
            raise NpzError(f"{self.path}: {info.filename}: expected shape {shape} from {source}, "
                           f"found {found}.")
        if dtype.kind != "f" or dtype.itemsize not in (4, 8):
            raise NpzError(f"{self.path}: {info.filename}: expected float32 or float64, "
                           f"found {dtype}.")
        return dtype.newbyteorder("=")

    def array(self, name: str, shape: tuple, source: str) -> np.ndarray:
        """A float array that has the shape which `source` says; NaN and infinity are let in."""
        self.dtype(name, shape, source)
        info = self.members[name]
        with self.archive.open(info) as member:
            _, fortran_order, dtype = self._header(member, info)
            array = np.frombuffer(member.read(), dtype)
        return array.reshape(shape, order="FC"[not fortran_order])

    def _header(self, member, info):
        """(shape, column order, dtype) that a member declares; refuses what is no plain array."""
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise NpzError(f"{self.path}: {info.filename}: .npy version {version} is not known "
                           "here.")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(member)
        if dtype.hasobject:
            raise NpzError(f"{self.path}: {info.filename} holds pickled Python objects, which "
                           "could run code when read: refused. Expected plain arrays of numbers.")
        declared = member.tell() + prod(shape) * dtype.itemsize
        if info.file_size != declared:
            raise NpzError(f"{self.path}: {info.filename}: shape {shape} of {dtype} needs "
                           f"{declared:,} bytes, but the file says {info.file_size:,}.")
        return shape, fortran_order, dtype
