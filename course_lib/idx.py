"""Reading IDX files, the format of MNIST: a few numbers that say what follows, then the pixels.

Uses NumPy and the standard library only. Whatever bytes a file holds, the answer is an array or a
DataError that names the file, the place, what was expected and what was found.
"""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np

# The third byte of an IDX file says how each number is stored (big-endian).
IDX_TYPES = {
    0x08: ("ubyte", ">u1"),
    0x09: ("byte", ">i1"),
    0x0B: ("short", ">i2"),
    0x0C: ("int", ">i4"),
    0x0D: ("float", ">f4"),
    0x0E: ("double", ">f8"),
}
MAX_DIMENSIONS = 32  # what NumPy 1.26 can hold
MAX_BYTES = 2**30
CHUNK_BYTES = 2**16


class DataError(ValueError):
    """A data file is missing, damaged, or not what it claims to be."""


def read_idx(
    path: str | Path,
    shape: tuple[int, ...] | None = None,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> np.ndarray:
    """Read one IDX file, plain or gzipped, into an array.

    bytes 0-1   00 00
    byte  2     type of the numbers: 08 ubyte, 09 byte, 0b short, 0c int, 0d float, 0e double
    byte  3     number of dimensions d
    bytes 4...  d sizes, 4 bytes each, then the numbers; everything big-endian

    Gzip is recognised by its first bytes, not by the file's name. The header is checked before
    anything is allocated, and unpacking stops one byte after the size that the header promises.

    Arguments  shape      the sizes the header must state, if you know them
               sha256     the checksum of the unpacked file, if you know it
               max_bytes  the largest array to accept
    Returns    an array of the file's shape and type, in this machine's byte order
    Errors     DataError: missing, cut, damaged or oversized file, wrong magic, sizes or checksum
    Source     the format's description at the end of yann.lecun.com/exdb/mnist

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two_by_three.idx"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    >>> read_idx(path)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    path = Path(path)
    try:
        with _open(path) as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not packed:
                length = os.fstat(file.fileno()).st_size
                return _read_stream(file, path, shape, sha256, max_bytes, length)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read_gzip(stream, path, shape, sha256, max_bytes)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _open(path):
    """Open a regular file; folders, pipes and devices would hang or fail later without a name."""
    if path.is_dir():
        raise DataError(f"{path}: expected a file, found a folder of that name.")
    if not os.path.lexists(path):
        raise DataError(f"{path}: no such file.")
    if not path.is_file():
        raise DataError(f"{path}: expected a regular file, found a device or a broken link.")
    return open(path, "rb")


def _read_gzip(stream, path, shape, sha256, max_bytes):
    try:
        return _read_stream(stream, path, shape, sha256, max_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip data is damaged after {stream.tell()} unpacked bytes "
            f"({str(error).rstrip('.')}). Delete the file and fetch it again."
        ) from error


def _read_stream(stream, path, shape, sha256, max_bytes, length=None):
    """Read header and numbers from an open stream; `length` is the file's size where known."""
    header, dtype, sizes = _read_header(stream, path)
    if shape is not None and sizes != tuple(shape):
        raise DataError(
            f"{path}: bytes 4 to {len(header) - 1} (the sizes): expected {_times(shape)}, "
            f"found {_times(sizes)}."
        )
    promised = math.prod(sizes) * dtype.itemsize  # Python integers: no overflow
    promise = f"the header promises {_times(sizes)} values, {promised:,} bytes from byte "
    promise += f"{len(header)} on"
    if promised > max_bytes:
        raise DataError(f"{path}: {promise}: more than the limit of {max_bytes:,} bytes.")
    if length is not None and length != len(header) + promised:
        raise DataError(f"{path}: {promise}, found {length - len(header):,} bytes.")
    data = _read_at_most(stream, promised + 1)
    if len(data) != promised:
        found = "more" if len(data) > promised else f"only {len(data):,} bytes"
        raise DataError(f"{path}: {promise}, found {found}.")
    _check_sha256(path, header, data, sha256)
    array = np.frombuffer(data, dtype).reshape(sizes)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream, path):
    """Return the header's bytes, the type of the numbers and the sizes."""
    start = stream.read(4)
    if not start:
        raise DataError(f"{path}: byte 0: expected the magic number of an IDX file, found nothing.")
    if start[:2] != b"\0\0" or len(start) < 4:
        page = " It looks like a web page." if start.lstrip()[:1] == b"<" else ""
        raise DataError(
            f"{path}: byte 0: expected the magic number of an IDX file, 00 00 TYPE DIMENSIONS, "
            f"found {start.hex(' ')} ({start!r}).{page}"
        )
    if start[2] not in IDX_TYPES:
        known = ", ".join(f"{code:02x} ({name})" for code, (name, _) in IDX_TYPES.items())
        raise DataError(f"{path}: byte 2 (the type): expected {known}; found {start[2]:02x}.")
    if not 1 <= start[3] <= MAX_DIMENSIONS:
        raise DataError(
            f"{path}: byte 3 (the number of dimensions): expected 1 to {MAX_DIMENSIONS}, "
            f"found {start[3]}."
        )
    rest = stream.read(4 * start[3])
    if len(rest) < 4 * start[3]:
        raise DataError(
            f"{path}: the header ends at byte {4 + len(rest)}: expected {start[3]} sizes of "
            f"4 bytes each, up to byte {4 + 4 * start[3]}."
        )
    sizes = tuple(int.from_bytes(rest[i : i + 4], "big") for i in range(0, len(rest), 4))
    if 0 in sizes:
        place = 4 + 4 * sizes.index(0)
        raise DataError(f"{path}: byte {place} (a size): expected at least 1, found 0.")
    return start + rest, np.dtype(IDX_TYPES[start[2]][1]), sizes


def _read_at_most(stream, count):
    """Read up to `count` bytes; memory grows with what really comes, not with what was promised."""
    data = bytearray()
    while len(data) < count:
        chunk = stream.read(min(CHUNK_BYTES, count - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def _check_sha256(path, header, data, expected):
    if expected is None:
        return
    digest = hashlib.sha256(header)
    digest.update(data)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{path}: its content is not the original: expected sha256 {expected}, "
            f"found {digest.hexdigest()}. Damaged, or another data set under this name."
        )


def _times(sizes):
    return " x ".join(map(str, sizes))
